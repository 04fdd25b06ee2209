"""rate-difference: month by month a difference of rounded amounts, then the sum."""

from decimal import Decimal
from typing import Any

from domain.calculations.base import Calculation, Context
from domain.differences import of_totals
from schemas.base import Text
from schemas.calculations.rate_difference import RateDifferenceAnswer, RateDifferenceInput


def run(given: RateDifferenceInput, context: Context) -> RateDifferenceAnswer:
    del context
    months: dict[str, Any] = {
        month: of_totals(total, given.old, given.new) for month, total in sorted(given.base_totals.items())
    }
    return RateDifferenceAnswer(**months, sum=sum(months.values(), Decimal("0.00")))


CALCULATION = Calculation(
    "rate-difference",
    Text(zh="费率补差", en="Difference of a changed rate"),
    Text(
        zh="费率（如工伤保险费率）事后调整，已缴各月应补的差额",
        en="What a rate changed later (work injury) makes of months already billed",
    ),
    RateDifferenceInput,
    RateDifferenceAnswer,
    run,
)
