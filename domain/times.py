"""Shanghai days and UTC instants.

People think in Shanghai days and hours, storage and workflows in UTC. Shanghai has been UTC+8 without summer time since
1991, so a fixed offset is exact for every date of this product and needs no time-zone files (which a workflow may not
read). Naive datetimes are refused: a missing zone is a mistake of the caller, never something to guess.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8))

_HOUR = re.compile(r"\d{2}:\d{2}")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def hour(text: str) -> time:
    """ "08:30" -> 08:30. ValueError for anything else."""
    if _HOUR.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not an hour of the form 08:30. {text} 不是形如 08:30 的时间。")
    return time.fromisoformat(text)


def at(day: date, clock: str) -> datetime:
    """The instant (UTC) at which Shanghai reads `clock` ("08:30") on `day`."""
    return datetime.combine(day, hour(clock), SHANGHAI).astimezone(UTC)


def day_of(instant: datetime) -> date:
    """The Shanghai day of an aware instant; ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError("A datetime without a time zone has no Shanghai day.")
    return instant.astimezone(SHANGHAI).date()


def month_of(day: date) -> str:
    """The month "YYYY-MM" of a day."""
    return f"{day.year:04d}-{day.month:02d}"


def first_day(month: str) -> date:
    """The first day of "YYYY-MM"; ValueError when it is none."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise ValueError(f"{month!r} is not a month of the form 2026-11. {month} 不是形如 2026-11 的月份。")
    return date(int(match[1]), int(match[2]), 1)


def last_day(month: str) -> date:
    """The last day of "YYYY-MM"."""
    return first_day(add_to_month(month, 1)) - timedelta(days=1)


def add_to_month(month: str, n: int) -> str:
    """The month `n` months later (earlier when negative)."""
    first = first_day(month)
    total = first.year * 12 + first.month - 1 + n
    return f"{total // 12:04d}-{total % 12 + 1:02d}"


def add_months(day: date, n: int) -> date:
    """The corresponding day `n` months later; the last of the month where there is none (民法典 art. 202)."""
    target = add_to_month(month_of(day), n)
    end = last_day(target)
    return end.replace(day=min(day.day, end.day))


def months_between(first: str, last: str) -> list[str]:
    """All months from `first` to `last`, both included; empty when `last` is earlier."""
    found: list[str] = []
    month = first
    while month <= last:
        found.append(month)
        month = add_to_month(month, 1)
    return found
