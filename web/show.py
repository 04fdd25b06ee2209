"""How values look on a page: dates with weekday, money, time left.

Invariants: people see Shanghai dates; the time left is counted in working days of the school's calendar; where a year's
arrangement is not published the number is an estimate and says so.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from domain.citation import in_words
from domain.forecast import NAMES
from runtime.clock import SHANGHAI
from schemas.escalations import RungView
from store.policies import calendar
from web.language import pick, translate

_QUOTED = re.compile(r"(《[^》]*》)")
_DAY = len("2026-11-24")


def local(value: object) -> datetime | None:
    """A datetime in Shanghai time, from a datetime or ISO text; None when it is empty."""
    if value is None or value == "":
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(SHANGHAI)


def day_of(value: object) -> date | None:
    """The Shanghai day of a date, datetime or ISO text; None when it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value) <= _DAY:
        return date.fromisoformat(value)
    moment = local(value)
    return moment.date() if moment else None


def show_day(lang: str, value: object, today: date) -> str:
    """`11月24日 周二` or `Tue 24 Nov`; the year is added when it is not the current one."""
    day = day_of(value)
    if day is None:
        return ""
    weekday = translate(lang, f"weekday_{day.isoweekday()}")
    if lang == "zh":
        return f"{'' if day.year == today.year else f'{day.year}年'}{day.month}月{day.day}日 {weekday}"
    return (
        f"{weekday} {day.day} {translate(lang, f'month_{day.month}')}{'' if day.year == today.year else f' {day.year}'}"
    )


def told_together(rungs: Iterable[RungView]) -> list[tuple[RungView, list[str]]]:
    """Rungs of a ladder that one message told of (a task that was late when it opened, an outage) as one, with the keys
    of all: four rows that say the same are no more than one."""
    found: dict[tuple[object, ...], tuple[RungView, list[str]]] = {}
    for rung in rungs:
        same = (rung.process_id, rung.task_id, rung.level, rung.at, rung.acknowledged_at, rung.may_acknowledge)
        found.setdefault(same, (rung, []))[1].append(rung.key)
    return list(found.values())


def show_short(lang: str, value: object) -> str:
    """`11月24日` or `24 Nov`."""
    day = day_of(value)
    if day is None:
        return ""
    return f"{day.month}月{day.day}日" if lang == "zh" else f"{day.day} {translate(lang, f'month_{day.month}')}"


def show_moment(value: object) -> str:
    """`2026-11-24 10:30`, Shanghai time."""
    moment = local(value)
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""


def at_input(value: object) -> str:
    """`2026-11-24T10:30`, as a browser's field for a moment has it, Shanghai time."""
    return show_moment(value).replace(" ", "T")


def show_clock(value: object) -> str:
    """`17:00`, Shanghai time."""
    moment = local(value)
    return moment.strftime("%H:%M") if moment else ""


def show_money(value: object) -> str:
    """`12,345.60`; what is not a number comes back as it is."""
    try:
        return f"{Decimal(str(value)):,.2f}"
    except InvalidOperation:
        return str(value)


def show_percent(rate: object) -> str:
    """`0.6%` for 0.006000; what is not a number comes back as it is."""
    try:
        return f"{(Decimal(str(rate)) * 100).normalize():f}%"
    except InvalidOperation:
        return str(rate)


def step_name(lang: str, step: str) -> str:
    """The name of a step of ours, as a forecast calls it."""
    return pick(lang, NAMES.get(step, step))


def show_size(size: int) -> str:
    """A file size in KB or MB."""
    kilo = 1024
    return f"{max(1, round(size / kilo))} KB" if size < kilo * kilo else f"{size / kilo / kilo:.1f} MB"


def time_left(lang: str, due_at: object, now: datetime) -> str:
    """`剩余 3 个工作日`, `今天 17:00 截止`, `已逾期 2 个工作日`; counted in the school's working days."""
    due, here = local(due_at), local(now)
    if due is None or here is None:
        return ""
    school = calendar("school")
    days = school.working_days_between(here.date(), due.date())
    if due < here:
        return translate(lang, "left_over", n=abs(days)) if days < 0 else translate(lang, "left_over_today")
    if due.date() == here.date():
        return translate(lang, "left_today", at=due.strftime("%H:%M"))
    key = "left_one" if days == 1 else "left_days"
    estimate = bool(school.missing_years(here.date(), due.date()))
    return translate(lang, f"{key}_estimate" if estimate else key, n=days)


def held_for(lang: str, since: object, now: datetime) -> str:
    """How long somebody holds something: hours on the first day, then calendar days."""
    start, here = local(since), local(now)
    if start is None or here is None:
        return ""
    hours = int((here - start).total_seconds() // 3600)
    if hours < 1:
        return translate(lang, "since_now")
    return translate(lang, "since_hours", n=hours) if hours < 24 else translate(lang, "since_days", n=hours // 24)


def cite(lang: str, text: str) -> list[tuple[str, bool]]:
    """A text that names its source, as parts: words, and whether they are a Chinese name on an English page."""
    said = getattr(in_words(text), lang)
    if lang != "en":
        return [(said, False)]
    return [(part, bool(i % 2)) for i, part in enumerate(_QUOTED.split(said)) if part]
