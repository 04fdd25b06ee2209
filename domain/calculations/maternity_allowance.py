"""maternity-allowance: by the row in force on the day of computing, by either method."""

from domain.benefits import in_force, maternity_allowance
from domain.calculations.base import Calculation, Context, step
from domain.citation import source_step
from schemas.base import Text
from schemas.calculations.maternity_allowance import Delivery, MaternityAllowanceAnswer, MaternityAllowanceInput


def run(given: MaternityAllowanceInput, context: Context) -> MaternityAllowanceAnswer:
    rule = in_force(context.rules.benefits.maternity, context.today)
    method = rule.methods[given.method]
    days, allowance = maternity_allowance(
        given.unit_avg_monthly_wage,
        given.infants,
        given.method,
        rule,
        difficult=given.delivery is Delivery.DIFFICULT,
    )
    parts = [(f"产假 {rule.leave_days} 天", f"{rule.leave_days} days of leave")]
    if given.delivery is Delivery.DIFFICULT:
        parts.append((f"难产加 {rule.difficult_days} 天", f"{rule.difficult_days} more for a difficult delivery"))
    if given.infants > 1:
        more = (given.infants - 1) * rule.further_infant_days
        parts.append((f"多生育 {given.infants - 1} 婴加 {more} 天", f"{more} more for {given.infants - 1} further"))
    wage = given.unit_avg_monthly_wage
    return MaternityAllowanceAnswer(
        fund_days=days,
        allowance=allowance,
        source=f"{rule.source}; {method.source}",
        flags=["sample"] if rule.sample or method.sample else [],
        steps=[
            source_step(rule.source, rule.article),
            step(
                "counted",
                f"{'，'.join(zh for zh, _ in parts)}：共 {days} 天",
                f"{', '.join(en for _, en in parts)}: {days} days",
            ),
            step(
                "result",
                f"{wage} × {method.times} ÷ {method.divided_by} × {days} = {allowance} 元",
                f"{wage} x {method.times} / {method.divided_by} x {days} = {allowance} yuan",
            ),
        ],
    )


CALCULATION = Calculation(
    "maternity-allowance",
    Text(zh="生育津贴", en="Maternity allowance"),
    Text(zh="基金支付的产假天数与生育津贴，两种计算方法", en="Days paid by the fund and the allowance, by two methods"),
    MaternityAllowanceInput,
    MaternityAllowanceAnswer,
    run,
)
