"""Months of medical contribution: when the years for benefit in retirement are reached, and what a gap costs.

Two ways lead there (成都市城镇职工基本医疗保险办法 art. 16): enough months without interruption, or
more months added up. A gap within the tolerance, or one whose months were paid back, keeps continuity. Periods
without an end go on. No number of the law is here: the rule is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from domain.retirement import month_number
from domain.times import add_to_month, month_of
from schemas.base import Text


@dataclass(frozen=True)
class MedicalYearsRule:
    """Months needed without interruption or added up; the longest gap that does not interrupt; who is meant."""

    continuous_months: int
    cumulative_months: int
    gap_tolerance_months: int
    first_insured_on_or_after: date


@dataclass(frozen=True)
class LocalMedicalYears:
    """The rule of a place, from a day on, with where it comes from."""

    valid_from: date
    rule: MedicalYearsRule
    title: Text
    source: str
    sample: bool
    published_on: date | None = None


@dataclass(frozen=True)
class Period:
    """Months paid, both included; `last` None goes on."""

    first: str
    last: str | None


@dataclass(frozen=True)
class MedicalYears:
    """Months "YYYY-MM" in which each way is reached (None: never, by these periods); `eligible` is the earlier one.

    `paid_before_gap` and `gap_months` are of the first gap that breaks continuity, else of the first gap at all.
    `applies` is False for people first insured before the rule's cohort: no month is computed for them.
    """

    applies: bool
    paid_before_gap: int
    gap_months: int
    continuous_reached: str | None
    cumulative_reached: str | None
    eligible: str | None
    without_gap: str | None
    delay_months: int | None
    continuity_kept: bool


@dataclass(frozen=True)
class _Run:
    """Counted months [first, first + length); `length` None goes on. Numbers are those of `month_number`."""

    first: int
    length: int | None


def medical_years(rule: MedicalYearsRule, periods: Sequence[Period], *, backpaid: bool) -> MedicalYears:
    """What the periods lead to. They must be in order and apart; an open one is the last. ValueError otherwise."""
    _check(periods)
    gaps = [
        (i, month_number(later.first) - month_number(sooner.last or later.first) - 1)
        for i, (sooner, later) in enumerate(pairwise(periods))
    ]
    gaps = [(i, n) for i, n in gaps if n > 0]
    broken = [] if backpaid else [(i, n) for i, n in gaps if n > rule.gap_tolerance_months]
    at, gap_months = next(iter(broken or gaps), (-1, 0))
    paid_before = sum(_length(p) or 0 for p in periods[: at + 1]) if gap_months else 0
    if backpaid:
        paid_before += sum(n for i, n in gaps if i < at)
    kept = not broken
    if month_of(rule.first_insured_on_or_after) > periods[0].first:
        return MedicalYears(False, paid_before, gap_months, None, None, None, None, None, kept)
    runs = [_Run(month_number(p.first), _length(p)) for p in periods]
    counted = _joined(runs) if backpaid else runs
    breaks = {i + 1 for i, _ in broken}
    continuous = _reached(counted, rule.continuous_months, breaks)
    cumulative = _reached(counted, rule.cumulative_months, set())
    eligible = min((m for m in (continuous, cumulative) if m is not None), default=None)
    smooth = _joined(runs)
    ideal = min(
        (
            m
            for m in (
                _reached(smooth, rule.continuous_months, set()),
                _reached(smooth, rule.cumulative_months, set()),
            )
            if m is not None
        ),
        default=None,
    )
    delay = None if eligible is None or ideal is None else eligible - ideal
    return MedicalYears(
        True,
        paid_before,
        gap_months,
        _month(continuous),
        _month(cumulative),
        _month(eligible),
        _month(ideal),
        delay,
        kept,
    )


def _check(periods: Sequence[Period]) -> None:
    if not periods:
        raise ValueError("At least one period is needed. 至少需要一段缴费时间。")
    before: str | None = ""
    for period in periods:
        if before is None or period.first <= before or (period.last is not None and period.last < period.first):
            raise ValueError("The periods must be in order and apart. 缴费时间段应按先后排列且不得重叠。")
        before = period.last


def _length(period: Period) -> int | None:
    return None if period.last is None else month_number(period.last) - month_number(period.first) + 1


def _joined(runs: Sequence[_Run]) -> list[_Run]:
    """One run from the first month to the last: the gaps count as paid."""
    last = runs[-1]
    return [_Run(runs[0].first, None if last.length is None else last.first + last.length - runs[0].first)]


def _reached(runs: Sequence[_Run], needed: int, breaks: set[int]) -> int | None:
    """The number of the month in which `needed` months are counted; counting begins anew at each run in `breaks`."""
    count = 0
    for i, run in enumerate(runs):
        if i in breaks:
            count = 0
        if run.length is None or count + run.length >= needed:
            return run.first + needed - count - 1
        count += run.length
    return None


def _month(number: int | None) -> str | None:
    return None if number is None else add_to_month("0001-01", number - month_number("0001-01"))
