"""late-fee: with the rate in force on the day of payment, or one that is given."""

from domain.calculations.base import Calculation, Context, step
from domain.citation import source_step
from domain.late_fee import LateFeeRate, estimate
from schemas.base import Text
from schemas.calculations.late_fee import FeeFlag, LateFeeAnswer, LateFeeInput

_GIVEN = Text(zh="输入的费率", en="the rate given")


def run(given: LateFeeInput, context: Context) -> LateFeeAnswer:
    rates = context.rules.late_fees
    if given.rate_per_day is not None:
        rates = [LateFeeRate(min(given.due, given.paid), given.rate_per_day, "", sample=False)]
    found = estimate(given.owed, given.due, given.paid, rates, given.known_on or context.today)
    rate = f"{found.daily_rate.normalize():f}"
    steps = [
        source_step(found.source, found.article or (None if found.source else _GIVEN)),
        step(
            "counted",
            f"应缴日 {given.due} 不计，实缴日 {given.paid} 计入：逾期 {found.days} 天",
            f"The due day {given.due} is free, the day of payment {given.paid} counts: {found.days} days late",
        ),
        step(
            "result",
            f"{given.owed} × {rate} × {found.days} = {found.amount} 元（四舍五入到分）",
            f"{given.owed} x {rate} x {found.days} = {found.amount} yuan, rounded half up to the cent",
        ),
    ]
    return LateFeeAnswer(
        days=found.days,
        amount=found.amount,
        rate_per_day=found.daily_rate,
        source=found.source,
        flags=[FeeFlag.SAMPLE] if found.sample else [],
        steps=steps,
    )


CALCULATION = Calculation(
    "late-fee",
    Text(zh="滞纳金", en="Late fee"),
    Text(zh="逾期缴纳社会保险费的滞纳金（估算，以税务机关为准）", en="The fee on premiums paid late (an estimate)"),
    LateFeeInput,
    LateFeeAnswer,
    run,
    dated_by="paid",
)
