"""The rules in force, read from the data files of `policies/` and parsed by `domain/policy.py`.

Read anew when a file has changed; the settings' agency modes replace those of the data.
"""

import os
from datetime import timedelta
from functools import lru_cache

import policies
from domain import policy
from domain.calendar import WorkCalendar, work_calendar
from runtime.settings import get_settings
from schemas.base import Text
from schemas.deadlines import PolicySnapshot


def stamp() -> tuple[tuple[str, int, int], ...]:
    """Changes when a file of the rules does: its name, size and time. Asked on every click, so it reads no file."""
    with os.scandir(policies.path("deadlines.yaml").parent) as entries:
        files = [(e.name, e.stat()) for e in entries if e.name.endswith((".yaml", ".csv"))]
    return tuple(sorted((name, found.st_size, found.st_mtime_ns) for name, found in files))


@lru_cache(maxsize=4)
def _snapshot(stamp: tuple[tuple[str, int, int], ...], modes: tuple[tuple[str, str], ...]) -> PolicySnapshot:
    del stamp  # part of the cache's key: another content is another snapshot
    return policy.snapshot(policies.read_all(), dict(modes))


def snapshot() -> PolicySnapshot:
    """What one case needs of the rules. PolicyError when a file is missing or broken."""
    return _snapshot(stamp(), tuple(sorted(get_settings().agency_modes.items())))


def calendar(authority: str) -> WorkCalendar:
    """The working days of an authority."""
    return work_calendar(snapshot().calendar(authority))


@lru_cache(maxsize=2)
def _reasons(text: str) -> dict[str, Text]:
    items = policy.load_list({"rejection_reasons.yaml": text}, "rejection_reasons.yaml", "reasons")
    return {str(i["code"]): Text(zh=str(i["zh"]), en=str(i["en"])) for i in items}


def reasons() -> dict[str, Text]:
    """Codes of refusals and defects with their sentences."""
    return _reasons(policies.read("rejection_reasons.yaml"))


@lru_cache(maxsize=2)
def _urge_pause(text: str) -> timedelta:
    settings = policy.load_mapping({"process_settings.yaml": text}, "process_settings.yaml")
    hours = settings.get("urge_pause_hours")
    if not isinstance(hours, int | float) or isinstance(hours, bool) or hours <= 0:
        raise policy.PolicyError(
            "process_settings.yaml：urge_pause_hours 须为正数（小时）。",
            "process_settings.yaml: urge_pause_hours must be a positive number of hours.",
        )
    return timedelta(hours=hours)


def urge_pause() -> timedelta:
    """How long a task that was urged (催办) is left in peace. PolicyError."""
    return _urge_pause(policies.read("process_settings.yaml"))
