"""Estimate of the late fee on premiums paid after their due day (滞纳金, 社会保险法 art. 86).

It is an estimate: the tax authority's own figure wins. The due day itself is free, the day of payment is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.contributions import to_cent
from domain.dated_rows import PolicyGap, newest
from schemas.base import Text


@dataclass(frozen=True)
class LateFeeRate:
    """Share of the arrears for each day, from a day on."""

    valid_from: date
    daily_rate: Decimal
    source: str
    sample: bool
    article: Text | None = None
    published_on: date | None = None


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


def estimate(
    arrears: Decimal, due: date, paid: date, rates: Sequence[LateFeeRate], known_on: date | None = None
) -> LateFeeEstimate:
    """The fee on `arrears` yuan due on `due` and paid on `paid`, with the rate in force on the day of payment, as known
    on `known_on` (None: all that is on record). PolicyGap when the data hold no rate for that day."""
    rate = newest(rates, paid, known_on)
    if rate is None:
        raise PolicyGap(f"late_fee.yaml 中没有 {paid} 适用的滞纳金率。", f"late_fee.yaml has no rate for {paid}.")
    days = days_late(due, paid)
    return LateFeeEstimate(
        days, to_cent(arrears * rate.daily_rate * days), rate.daily_rate, rate.source, rate.sample, rate.article
    )
