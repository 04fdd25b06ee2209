"""How the days of a calendar read in a derivation: what counting passed over, whose day it was, why we work earlier.

Invariants: each day that counted or was left out because of a calendar is named, an authority's own with the authority.
No date is decided here but the one to which we work: the last day on which everybody concerned is there.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from domain.calendar import WorkCalendar
from schemas.base import Text
from schemas.deadlines import DerivationStep


def said_step(kind: str, zh: str, en: str) -> DerivationStep:
    """One line of a derivation."""
    return DerivationStep(kind=kind, text=Text(zh=zh, en=en))


def internal_day(due: date, *calendars: WorkCalendar) -> date:
    """The last day on or before the due day that is a working day in each of the calendars."""
    day = due
    while any(c.is_rest(day) for c in calendars):
        day -= timedelta(days=1)
    return day


def internal_step(due: date, *calendars: WorkCalendar) -> list[DerivationStep]:
    """Says why we work to an earlier day than the due day; nothing where the due day is a working day."""
    internal = internal_day(due, *calendars)
    if internal == due:
        return []
    closed = next(c for c in calendars if c.is_rest(due))
    name = _whose(closed, due, closed.name(due) or Text(zh="休息日", en="rest day"))
    text = Text(
        zh=f"到期日 {due} 为{name.zh}，期限不顺延，校内按前一工作日 {internal} 办理",
        en=f"The due day {due} is {name.en}; it does not move, so we work to {internal}",
    )
    found = [DerivationStep(kind="shift", text=text, days=[due.isoformat(), internal.isoformat()])]
    between = [internal + timedelta(days=i) for i in range(1, (due - internal).days)]
    for calendar in calendars:  # what closes on other days than the due day is told as well
        if own := [d for d in between if calendar.is_own(d) and calendar.is_rest(d)]:
            found.append(_passed_over(calendar, own))
    return found


def provisional_step(missing: Sequence[int]) -> list[DerivationStep]:
    """Names the years without a published calendar; nothing where there are none."""
    if not missing:
        return []
    years = "、".join(map(str, missing))
    return [
        said_step(
            "provisional",
            f"{years} 年放假安排尚未公布（或未录入），日期为暂定，录入后重新计算",
            f"Provisional: no holiday notice of {', '.join(map(str, missing))} yet; computed again with it",
        )
    ]


def by_calendar(calendar: WorkCalendar, step: DerivationStep) -> DerivationStep:
    """The step with the name of the calendar by which was counted, where it is somebody's."""
    if calendar.title is None:
        return step
    zh, en = calendar.title.zh, calendar.title.en
    text = Text(zh=f"{step.text.zh}（按{zh}日历）", en=f"{step.text.en} (calendar of: {en})")
    return step.model_copy(update={"text": text})


def _whose(calendar: WorkCalendar, day: date, name: Text) -> Text:
    """The name of a day, with the authority where the day is its own."""
    if not calendar.is_own(day) or calendar.title is None:
        return name
    return Text(zh=f"{calendar.title.zh}{name.zh}", en=f"{name.en} ({calendar.title.en})")


def _passed_over(calendar: WorkCalendar, rest: Sequence[date]) -> DerivationStep:
    runs = [(_span(run), _name(calendar, run[0])) for run in _runs(calendar, rest)]
    zh = "、".join(f"{span} {name.zh}" for span, name in runs)
    en = ", ".join(f"{span} {name.en}" for span, name in runs)
    text = Text(zh=f"不计入：{zh}", en=f"Not counted: {en}")
    return DerivationStep(kind="skipped", text=text, days=[d.isoformat() for d in rest])


def skipped(calendar: WorkCalendar, first: date, last: date) -> list[DerivationStep]:
    """What counting passed over, by name, and the make-up days and own working days that it counted."""
    steps: list[DerivationStep] = []
    rest = calendar.rest_days_between(first, last)
    if rest:
        steps.append(_passed_over(calendar, rest))
    at_work = [
        d
        for i in range((last - first).days + 1)
        if calendar.is_working_day(d := first + timedelta(days=i)) and calendar.name(d) is not None
    ]
    own = [d for d in at_work if calendar.is_own(d)]
    made_up = [d for d in at_work if d not in own]
    if own:
        named = [(d, _name(calendar, d)) for d in own]
        text = Text(
            zh="该机构上班，计入：" + "、".join(f"{d} {n.zh}" for d, n in named),
            en="The authority works, counted: " + ", ".join(f"{d} {n.en}" for d, n in named),
        )
        steps.append(DerivationStep(kind="counted", text=text, days=[d.isoformat() for d in own]))
    if made_up:
        days = "、".join(d.isoformat() for d in made_up)
        text = Text(zh=f"调休上班，计入：{days}", en=f"Make-up working days, counted: {days.replace('、', ', ')}")
        steps.append(DerivationStep(kind="counted", text=text, days=[d.isoformat() for d in made_up]))
    return steps


def _name(calendar: WorkCalendar, day: date) -> Text:
    if not calendar.is_holiday(day) and not calendar.is_own(day):
        return Text(zh="周末", en="weekend")
    return _whose(calendar, day, calendar.name(day) or Text(zh="节假日", en="public holiday"))


def _runs(calendar: WorkCalendar, days: Sequence[date]) -> list[list[date]]:
    """Consecutive days of one name together."""
    runs: list[list[date]] = []
    for day in days:
        joins = (
            runs and day - runs[-1][-1] == timedelta(days=1) and _name(calendar, day) == _name(calendar, runs[-1][-1])
        )
        if joins:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _span(run: Sequence[date]) -> str:
    return run[0].isoformat() if len(run) == 1 else f"{run[0].isoformat()}–{run[-1].strftime('%m-%d')}"
