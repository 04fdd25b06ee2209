"""The calendar a calculation counts with: the one given with the input, or ours."""

from collections.abc import Mapping
from datetime import date

from domain.calculations.base import Context, Refused
from domain.calendar import WorkCalendar, days_of, work_calendar
from schemas.calculations.calendar import CalendarYearInput
from schemas.deadlines import Calendar, CalendarYear


def calendar_of(given: Mapping[str, CalendarYearInput] | None, context: Context) -> WorkCalendar:
    """The given years as a calendar (a year not given is not published in it), or ours where none is given. Refused
    when an entry is no day or range of its year, or a day is both off and at work."""
    if given is None:
        return context.rules.calendar
    years: list[CalendarYear] = []
    for year, days in given.items():
        place = f"/calendar/{year}"
        rest = {d for i, e in enumerate(days.rest) for d in _days(e, int(year), f"{place}/rest/{i}")}
        for i, entry in enumerate(days.work):
            pointer = "/".join((place, "work", str(i)))
            both = rest.intersection(_days(entry, int(year), pointer))
            if both:
                day = min(both)
                raise Refused(
                    pointer,
                    "rest_and_work",
                    f"{day} 同时列为休息与上班，请保留一处。",
                    f"{day} is both off and at work: keep it in one place.",
                )
        years.append(CalendarYear(year=int(year), rest=days.rest, work=days.work))
    return work_calendar(
        Calendar(authority="given", years=years, extending_rest_days=context.rules.calendar.extending_rest_days)
    )


def _days(entry: str, year: int, pointer: str) -> list[date]:
    ends = entry.split("/")
    try:
        if any(date.fromisoformat(e).year != year for e in ends) or not all(len(e) == 10 for e in ends):
            raise ValueError(entry)
        return days_of(entry)
    except ValueError:
        raise Refused(
            pointer,
            "bad_days",
            f"应为 {year} 年内的日期“{year}-10-01”或区间“{year}-10-01/{year}-10-07”（含首尾）。",
            f'It must be a day of {year} like "{year}-10-01", or a range like "{year}-10-01/{year}-10-07".',
        ) from None
