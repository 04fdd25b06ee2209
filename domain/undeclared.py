"""What is due for a month that the unit did not declare in time: a share of last month's amount (社会保险法 art. 62).

It stands until the declaration is made up for and settled; the share is dated data (`policies/undeclared.yaml`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.contributions import PolicyGap, to_cent
from domain.times import first_day


@dataclass(frozen=True)
class UndeclaredFactor:
    """Share of last month's amount, from a day on."""

    valid_from: date
    factor: Decimal
    source: str
    sample: bool


def assessed(last_month: Decimal, month: str, factors: Sequence[UndeclaredFactor]) -> tuple[Decimal, UndeclaredFactor]:
    """What is due for the undeclared `month` after `last_month` yuan, in yuan with two places, and the share used.
    PolicyGap when the data hold none for that month."""
    in_force = [f for f in factors if f.valid_from <= first_day(month)]
    if not in_force:
        raise PolicyGap(f"undeclared.yaml 中没有 {month} 适用的比例。", f"undeclared.yaml has no share for {month}.")
    factor = max(in_force, key=lambda f: f.valid_from)
    return to_cent(last_month * factor.factor), factor
