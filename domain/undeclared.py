"""What is due for a month that the unit did not declare in time: a share of last month's amount (社会保险法 art. 62).

It stands until the declaration is made up for and settled; the share is dated data (`policies/undeclared.yaml`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.contributions import to_cent
from domain.dated_rows import PolicyGap, newest
from domain.times import first_day


@dataclass(frozen=True)
class UndeclaredFactor:
    """Share of last month's amount, from a day on."""

    valid_from: date
    factor: Decimal
    source: str
    sample: bool
    published_on: date | None = None


def assessed(
    last_month: Decimal, month: str, factors: Sequence[UndeclaredFactor], known_on: date | None = None
) -> tuple[Decimal, UndeclaredFactor]:
    """What is due for the undeclared `month` after `last_month` yuan, in yuan with two places, and the share used, as
    known on `known_on` (None: all that is on record). PolicyGap when the data hold none for that month."""
    factor = newest(factors, first_day(month), known_on)
    if factor is None:
        raise PolicyGap(f"undeclared.yaml 中没有 {month} 适用的比例。", f"undeclared.yaml has no share for {month}.")
    return to_cent(last_month * factor.factor), factor
