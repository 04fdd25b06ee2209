"""The default ladder computed a second time: from the data files and a case's own deadlines, not by the product's code.

By it a running product's timeline is judged: which rungs there must be, and at which minute.
"""

from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import yaml

POLICIES = Path(__file__).resolve().parent.parent.parent / "policies"
SHANGHAI = timezone(timedelta(hours=8))
DAY = timedelta(days=1)
SATURDAY = 5


def _days(entry: str) -> list[date]:
    first, _, last = entry.partition("/")
    start, end = date.fromisoformat(first), date.fromisoformat(last or first)
    return [start + DAY * n for n in range((end - start).days + 1)]


def _enumerated(*names: str) -> set[date]:
    years = yaml.safe_load((POLICIES / "calendar.yaml").read_text())["years"]
    return {day for year in years for name in names for entry in year.get(name, []) for day in _days(entry)}


REST, MAKE_UP = _enumerated("rest", "public_holidays"), _enumerated("work")
LADDER: list[dict[str, Any]] = yaml.safe_load((POLICIES / "ladders.yaml").read_text())["ladders"]["default"]


def works(day: date) -> bool:
    """Whether the school works that day: make-up days do, holidays do not."""
    return day in MAKE_UP or (day not in REST and day.weekday() < SATURDAY)


def _moved(day: date, working_days: int) -> date:
    """So many working days after `day`, before it when negative."""
    step = DAY if working_days > 0 else -DAY
    for _ in range(abs(working_days)):
        day += step
        while not works(day):
            day += step
    return day


def instants(deadline: dict[str, Any], anchored_on: date) -> dict[str, datetime]:
    """Rung to instant, for a deadline as the API gives it; nothing on the day from which it is counted, or before."""
    due, due_at = date.fromisoformat(deadline["due"]), datetime.fromisoformat(deadline["due_at"])
    last = due
    while not works(last):
        last -= DAY
    found: dict[str, datetime] = {}
    for rung in LADDER:
        if deadline["legal_kind"] not in rung["kinds"]:
            continue
        hour = time.fromisoformat(rung["at"])
        if rung.get("on_breach") and works(due_at.astimezone(SHANGHAI).date()):
            instant = due_at
        elif rung.get("on_breach"):
            instant = datetime.combine(_moved(due_at.astimezone(SHANGHAI).date(), 1), hour, SHANGHAI)
        else:
            day = _moved(due, -rung["offset"]) if rung["offset"] < 0 else _moved(last, -rung["offset"])
            instant = datetime.combine(day, hour, SHANGHAI)
        if instant.astimezone(SHANGHAI).date() > anchored_on:
            found[rung["id"]] = instant
    return found
