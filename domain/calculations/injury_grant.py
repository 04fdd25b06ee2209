"""injury-grant: by the row in force on the day of computing."""

from domain.benefits import in_force, injury_grant
from domain.calculations.base import Calculation, Context, step
from domain.citation import source_step
from schemas.base import Text
from schemas.calculations.injury_grant import InjuryGrantAnswer, InjuryGrantInput


def run(given: InjuryGrantInput, context: Context) -> InjuryGrantAnswer:
    rule = in_force(context.rules.benefits.injury, context.today)
    own, grant = injury_grant(given.avg_contribution_wage_12m, given.regional_avg, given.grade, rule)
    floor, cap = (f"{(share * 100).normalize():f}%" for share in (rule.floor_share, rule.cap_share))
    months = rule.months[given.grade]
    return InjuryGrantAnswer(
        own_wage=own,
        grant=grant,
        source=rule.source,
        steps=[
            source_step(rule.source, rule.article),
            step(
                "counted",
                f"本人工资 {given.avg_contribution_wage_12m}，限于 {given.regional_avg} 的 {floor} 至 {cap}：{own} 元",
                f"Own wage {given.avg_contribution_wage_12m}, within {floor} and {cap} of {given.regional_avg}: {own}",
            ),
            step(
                "result",
                f"{given.grade} 级伤残 {months} 个月：{own} × {months} = {grant} 元",
                f"Grade {given.grade}, {months} months: {own} x {months} = {grant} yuan",
            ),
        ],
    )


CALCULATION = Calculation(
    "injury-grant",
    Text(zh="一次性伤残补助金", en="Disability grant"),
    Text(zh="按伤残等级和本人工资计算一次性伤残补助金", en="The one-off grant by grade and own wage"),
    InjuryGrantInput,
    InjuryGrantAnswer,
    run,
)
