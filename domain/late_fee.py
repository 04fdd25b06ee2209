"""Estimate of the late fee on premiums paid after their due day (滞纳金, 社会保险法 art. 86).

It is an estimate: the tax authority's own figure wins. The due day itself is free, the day of payment is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.contributions import PolicyGap, to_cent
from schemas.base import Text


@dataclass(frozen=True)
class LateFeeRate:
    """Share of the arrears for each day, from a day on."""

    valid_from: date
    daily_rate: Decimal
    source: str
    sample: bool
    article: Text | None = None


@dataclass(frozen=True)
class LateFeeEstimate:
    """Days late, the fee in yuan with two places, and the rate it was computed with."""

    days: int
    amount: Decimal
    daily_rate: Decimal
    source: str
    sample: bool
    article: Text | None = None


def days_late(due: date, paid: date) -> int:
    """Days from the due day to the payment; 0 when paid in time."""
    return max(0, (paid - due).days)


def estimate(arrears: Decimal, due: date, paid: date, rates: Sequence[LateFeeRate]) -> LateFeeEstimate:
    """The fee on `arrears` yuan due on `due` and paid on `paid`, with the rate in force on the day of payment.
    PolicyGap when the data hold no rate for that day."""
    in_force = [r for r in rates if r.valid_from <= paid]
    if not in_force:
        raise PolicyGap(f"late_fee.yaml 中没有 {paid} 适用的滞纳金率。", f"late_fee.yaml has no rate for {paid}.")
    rate = max(in_force, key=lambda r: r.valid_from)
    days = days_late(due, paid)
    return LateFeeEstimate(
        days, to_cent(arrears * rate.daily_rate * days), rate.daily_rate, rate.source, rate.sample, rate.article
    )
