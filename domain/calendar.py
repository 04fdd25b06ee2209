"""Working days of one authority, from the enumerated calendar of China (holidays and make-up working days 调休).

Invariants: a published year is exactly what the notice enumerates; a year whose notice is not out (or that is unknown)
is weekends plus the public holidays known already, and everything computed with it is provisional with the year named.
It is never silently Monday to Friday. What an authority has of its own wins over the arrangement, and is no public
holiday: what the law says of holidays (民法典 art. 203, 征管法实施细则 art. 109) is asked of `statutory`, never of the
calendar with own days.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cached_property, lru_cache

from domain.times import last_day, month_of
from schemas.base import Text
from schemas.deadlines import Calendar, CalendarYear

_DAY = timedelta(days=1)
_SATURDAY = 5
_WEEKEND = {5: Text(zh="周六", en="Saturday"), 6: Text(zh="周日", en="Sunday")}
_MAKE_UP = Text(zh="调休上班", en="make-up working day")
_HOLIDAY = Text(zh="节假日", en="public holiday")
_NO_YEAR = CalendarYear(year=0, provisional=True)


def days_of(entry: str) -> list[date]:
    """The days of "2026-10-01" or "2026-10-01/2026-10-07" (ends included). ValueError when it is neither."""
    first, _, last = entry.partition("/")
    start = date.fromisoformat(first)
    end = date.fromisoformat(last) if last else start
    if end < start:
        raise ValueError(f"{entry}: the range ends before it starts. {entry}：区间的结束早于开始。")
    return [start + timedelta(days=i) for i in range((end - start).days + 1)]


class WorkCalendar:
    """Look-up and arithmetic on working days. Make one by `work_calendar`, which keeps them by content."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.authority = calendar.authority
        self.title = calendar.title
        self.closes_at = calendar.closes_at
        self.extending_rest_days = calendar.extending_rest_days
        self.version = calendar.version
        self._years = {y.year: y for y in calendar.years}
        self._rest: set[date] = set()
        self._work: set[date] = set()
        self._names: dict[date, Text] = {}
        for year in calendar.years:
            for entry in [*year.rest, *year.public_holidays]:
                days = days_of(entry)
                self._rest.update(days)
                self._names.update(dict.fromkeys(days, year.names.get(entry, _HOLIDAY)))
            for entry in year.work:
                days = days_of(entry)
                self._work.update(days)
                self._names.update(dict.fromkeys(days, year.names.get(entry, _MAKE_UP)))

        self._closed: set[date] = set()
        self._open: set[date] = set()
        for own in calendar.own:
            days = list(_each(own.valid_from, own.valid_to or own.valid_from))
            one, other = (self._closed, self._open) if own.what == "rest" else (self._open, self._closed)
            one.update(days)
            other.difference_update(days)
            self._names.update(dict.fromkeys(days, own.name))

    @cached_property
    def statutory(self) -> "WorkCalendar":
        """The same without the authority's own days, and so nobody's in particular."""
        return work_calendar(self._calendar.model_copy(update={"own": [], "title": None}))

    def is_published(self, year: int) -> bool:
        """Whether the notice of that year is in the data."""
        return not self._years.get(year, _NO_YEAR).provisional

    def missing_years(self, first: date, last: date) -> list[int]:
        """The years touched by first..last (in either order) whose arrangement is not published."""
        low, high = min(first, last).year, max(first, last).year
        return [y for y in range(low, high + 1) if not self.is_published(y)]

    def is_working_day(self, day: date) -> bool:
        """Make-up days win over weekends, holidays over weekdays, the authority's own days over all of them. In an
        unpublished year: the best that is known."""
        if self.is_own(day):
            return day in self._open
        if day in self._work:
            return True
        return day not in self._rest and day.weekday() < _SATURDAY

    def is_rest(self, day: date) -> bool:
        return not self.is_working_day(day)

    def is_holiday(self, day: date) -> bool:
        """Whether the day belongs to the rest block of a public holiday (not to an ordinary weekend)."""
        return day in self._rest

    def is_own(self, day: date) -> bool:
        """Whether the authority itself says of the day that it is closed or at work."""
        return day in self._closed or day in self._open

    def name(self, day: date) -> Text | None:
        """Why the day is special: the holiday, the weekend, the make-up day; None for an ordinary working day."""
        return self._names.get(day) or _WEEKEND.get(day.weekday())

    def next_working_day(self, day: date, include_self: bool = False) -> date:
        """The first working day after `day`, or `day` itself when `include_self` and it is one."""
        if not include_self:
            day += _DAY
        while self.is_rest(day):
            day += _DAY
        return day

    def last_working_day_on_or_before(self, day: date) -> date:
        while self.is_rest(day):
            day -= _DAY
        return day

    def add_working_days(self, day: date, n: int) -> date:
        """The n-th working day after `day` (before it when negative); `day` itself is not counted, n = 0 gives
        `day`."""
        step = _DAY if n > 0 else -_DAY
        left = abs(n)
        while left:
            day += step
            if self.is_working_day(day):
                left -= 1
        return day

    def working_days_between(self, first: date, last: date) -> int:
        """Working days in (first, last]: the start is not counted, the end is. Negative when `last` is earlier."""
        if last < first:
            return -self.working_days_between(last, first)
        return sum(1 for d in _each(first + _DAY, last) if self.is_working_day(d))

    def working_days_in(self, month: str) -> int:
        """Number of working days of "YYYY-MM"."""
        end = last_day(month)
        return sum(1 for d in _each(end.replace(day=1), end) if self.is_working_day(d))

    def last_working_day_of_month(self, day: date) -> date:
        """The last working day of the month in which `day` lies."""
        return self.last_working_day_on_or_before(last_day(month_of(day)))

    def rest_days_between(self, first: date, last: date) -> list[date]:
        """Rest days in [first, last], ends included."""
        return [d for d in _each(first, last) if self.is_rest(d)]

    def names_of_days_skipped(self, first: date, last: date) -> list[str]:
        """The rest days in [first, last] by name, e.g. "2026-10-01 国庆节", for the derivation."""
        return [f"{d.isoformat()} {self.name(d) or _HOLIDAY}" for d in self.rest_days_between(first, last)]

    def holiday_blocks(self, first: date, last: date) -> list[list[date]]:
        """Maximal runs of rest days that hold a public holiday, each cut to [first, last] (征管法细则 art. 109)."""
        blocks: list[list[date]] = []
        day = first
        while day <= last:
            if self.is_working_day(day):
                day += _DAY
                continue
            start, end = day, day
            while self.is_rest(start - _DAY):
                start -= _DAY
            while self.is_rest(end + _DAY):
                end += _DAY
            if any(self.is_holiday(d) for d in _each(start, end)):
                blocks.append([d for d in _each(start, end) if first <= d <= last])
            day = end + _DAY
        return blocks


def _each(first: date, last: date) -> Iterator[date]:
    for i in range((last - first).days + 1):
        yield first + timedelta(days=i)


@lru_cache(maxsize=64)
def _by_content(content: str) -> WorkCalendar:
    return WorkCalendar(Calendar.model_validate_json(content))


def work_calendar(calendar: Calendar) -> WorkCalendar:
    """The look-up of a calendar, kept by its whole content: two calendars that differ in one day never share one."""
    return _by_content(calendar.model_dump_json())
