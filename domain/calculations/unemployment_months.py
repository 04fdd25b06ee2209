"""unemployment-months: by the row in force on the day of computing."""

from domain.benefits import in_force, unemployment_months
from domain.calculations.base import Calculation, Context, step
from domain.citation import source_step
from schemas.base import Text
from schemas.calculations.unemployment_months import UnemploymentMonthsAnswer, UnemploymentMonthsInput


def run(given: UnemploymentMonthsInput, context: Context) -> UnemploymentMonthsAnswer:
    rule = in_force(context.rules.benefits.unemployment, context.today)
    admissible, months = unemployment_months(given.paid_months, given.reason, rule)
    least = rule.steps[0][0]
    if admissible:
        result = step(
            "result",
            f"累计缴费 {given.paid_months} 个月，最长领取 {months} 个月",
            f"{given.paid_months} months paid: at most {months} months of benefit",
        )
    elif rule.reasons[given.reason]:
        result = step(
            "result",
            f"累计缴费 {given.paid_months} 个月，不足 {least} 个月，不能申领",
            f"{given.paid_months} months paid, fewer than {least}: no claim",
        )
    else:
        result = step("result", "本人意愿中断就业，不能申领", "Left by the own will: no claim")
    return UnemploymentMonthsAnswer(
        claim_admissible=admissible,
        max_months=months,
        source=rule.source,
        steps=[source_step(rule.source, rule.article), result],
    )


CALCULATION = Calculation(
    "unemployment-months",
    Text(zh="失业保险金期限", en="Months of unemployment benefit"),
    Text(zh="能否申领失业保险金，最长领取几个月", en="Whether a claim is admissible, and for how many months"),
    UnemploymentMonthsInput,
    UnemploymentMonthsAnswer,
    run,
)
