"""An agency's monthly cut-off for staff changes 增减员截止日: what is handed in after it counts for the next month.

The day comes from `agencies.yaml` (day of the month, how it moves over rest days, that agency's calendar and closing
hour). It is no deadline: nothing is breached by it, no rung belongs to it, and no process waits for it. It decides for
which month a registration counts, and so whether premiums have to be paid back.
"""

from collections.abc import Sequence
from datetime import date, datetime

from domain.calendar import WorkCalendar, work_calendar
from domain.day_words import internal_day, internal_step, provisional_step
from domain.deadlines import add_to_month, shifted
from domain.slack import WORKDAY_STARTS, days_needed, latest_start
from domain.times import add_to_month as month_after
from domain.times import at, day_of, month_of
from schemas.base import Text
from schemas.deadlines import AgencyPolicy, CutOff, DerivationStep, PolicySnapshot, Unit


def cut_off(
    agency: AgencyPolicy,
    begins: date,
    now: datetime,
    steps: Sequence[str],
    policy: PolicySnapshot,
    handed_in_at: datetime | None = None,
) -> CutOff | None:
    """The cut-off that a registration has to make, and for which month it counts. None: the agency has none.

    Args:
        begins: first day of the employment; no cut-off before its month matters.
        steps: our own steps still to do, the hand-in included; they say on which day it is planned.
        handed_in_at: when it was handed in; the plan is over then.
    """
    if agency.staff_change_cutoff_day is None:
        return None
    calendar = work_calendar(policy.calendar(agency.id))
    school = work_calendar(policy.calendar("school"))
    month = max(month_of(day_of(handed_in_at or now)), month_of(begins))
    counted = add_to_month(month, agency.staff_change_cutoff_day, Unit.DAY_OF_MONTH, calendar)
    due, moved, _ = shifted(agency.staff_change_cutoff_shift, counted.day, calendar, {})
    due_at = at(due, calendar.closes_at)
    hand_in_by = internal_day(due, calendar, school)
    planned = handed_in_at or _planned(now, days_needed(steps, policy.durations), school)
    late = planned > due_at
    missing = calendar.missing_years(min(hand_in_by, counted.day), due)
    head = DerivationStep(
        kind="anchor",
        text=Text(
            zh=f"{agency.title.zh}每月 {agency.staff_change_cutoff_day} 日截止增减员，此后提交按次月计",
            en=f"{agency.title.en}: staff changes until day {agency.staff_change_cutoff_day} of each month, "
            "later ones count for the next",
        ),
    )
    return CutOff(
        agency=agency.id,
        title=Text(zh=f"{agency.title.zh}增减员截止", en=f"Staff change cut-off, {agency.title.en}"),
        month=month,
        due=due,
        due_at=due_at,
        hand_in_by=hand_in_by,
        latest_start=latest_start(at(hand_in_by, calendar.closes_at), steps, policy.durations, school),
        planned=day_of(planned),
        handed_in=handed_in_at is not None,
        late=late,
        counts_for=month_after(month, 1) if late else month,
        says=_says(month, day_of(planned), due, late, handed_in_at is not None),
        sample=agency.sample,
        provisional=bool(missing),
        derivation=[head, *counted.steps, *moved, *internal_step(due, calendar, school), *provisional_step(missing)],
    )


def _planned(now: datetime, needed: int, school: WorkCalendar) -> datetime:
    """The instant from which the hand-in can be expected when work begins now: the last of the working days needed,
    today among them when it is one."""
    first = school.next_working_day(day_of(now), include_self=True)
    day = school.add_working_days(first, needed - 1) if needed > 1 else first
    return max(now, at(day, WORKDAY_STARTS))


def _says(month: str, day: date, due: date, late: bool, handed_in: bool) -> Text:
    """The verdict in words."""
    verb_zh, verb_en = ("已于", "Handed in on") if handed_in else ("按工期预计", "Planned to be handed in on")
    if not late:
        return Text(
            zh=f"{verb_zh} {day} 提交，不晚于截止日 {due}，按 {month} 计。",
            en=f"{verb_en} {day}, by the cut-off {due}: counts for {month}.",
        )
    following = month_after(month, 1)
    return Text(
        zh=f"{verb_zh} {day} 提交，晚于截止日 {due}：经办机构按次月（{following}）计，{month} 的保费需补缴。",
        en=f"{verb_en} {day}, after the cut-off {due}: the agency counts it for the next month ({following}), "
        f"and premiums of {month} have to be paid back.",
    )
