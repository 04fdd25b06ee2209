"""A day counted from a start, outside of any deadline rule: due day, internal due day, derivation.

Invariants are those of `domain/deadlines.py`: the start is not counted, the due day moves over rest days only by the
shift policy asked for, the internal due day is the last working day on or before it, and a year without a published
calendar makes the result provisional with the year named.
"""

from dataclasses import dataclass
from datetime import date

from domain.calendar import WorkCalendar
from domain.citation import source_step
from domain.day_words import internal_step, provisional_step
from domain.deadlines import FilingTable, add_days, shifted
from schemas.base import Text
from schemas.deadlines import DerivationStep, ShiftPolicy, Unit

_ARTICLE = source_step(
    "民法典 art. 201",
    Text(
        zh="民法典第201条，起算当日不计入；法律只写“日”的为自然日，写“工作日”的按放假与调休安排计算",
        en="Civil Code art. 201: the start is not counted; days are calendar days unless it says otherwise",
    ),
)


@dataclass(frozen=True)
class DayCount:
    """`missing_years`: years whose calendar mattered and is not published; not empty means provisional."""

    due: date
    internal_due: date
    missing_years: list[int]
    steps: list[DerivationStep]


def count_days(
    start: date, n: int, unit: Unit, shift: ShiftPolicy, calendar: WorkCalendar, published: FilingTable
) -> DayCount:
    """`n` days or working days after `start` (before it when negative), then shifted. 民法典 arts 201, 203; 社会保险
    经办条例 (工作日); 征管法实施细则 art. 109 for the shift of tax periods."""
    counted = add_days(start, n, unit, calendar)
    due, moves, moved_from = shifted(shift, counted.day, calendar, published)
    internal = calendar.last_working_day_on_or_before(due)
    looked_from = min(d for d in (counted.calendar_from, moved_from, internal, due) if d is not None)
    looked_to = max(d for d in (counted.calendar_from, due) if d is not None)
    if counted.calendar_from is not None:
        looked_to = max(looked_to, start)
    missing = calendar.missing_years(looked_from, looked_to)
    steps = [
        _ARTICLE,
        _step("anchor", f"起算：{start}", f"From: {start}"),
        *counted.steps,
        *moves,
        *internal_step(due, calendar),
        _step("result", f"到期：{due}", f"Due {due}"),
        *provisional_step(missing),
    ]
    return DayCount(due, internal, missing, steps)


def _step(kind: str, zh: str, en: str) -> DerivationStep:
    return DerivationStep(kind=kind, text=Text(zh=zh, en=en))
