"""The rules in force: the shipped files of `policies/` with the applied changes laid over them, parsed by
`domain/policy.py`.

Invariants: nobody else reads the files for work. `refresh` brings the changes of the database into this process; it is
called every few seconds, and by whoever is about to load rules that will be kept (a case's snapshot, premium lines).
Texts are read anew when a file or the number of changes differs; the settings' agency modes replace those of the data.
"""

import hashlib
import os
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

import policies
from domain import policy, policy_changes, policy_findings
from domain.calendar import WorkCalendar, work_calendar
from domain.calendar_changes import CALENDAR, calendar_known
from runtime.settings import get_settings
from schemas.base import Text
from schemas.deadlines import PolicySnapshot
from schemas.policy import PolicyChange
from store.database import session
from store.tables.policy import PolicyChangeRow

Stamp = tuple[tuple[str, int, int], ...]
CHANGES = "*changes"  # the stamp's entry for the applied changes: how many, and a checksum of what they say

_applied: tuple[PolicyChange, ...] = ()
_checksum = 0


def stamp() -> Stamp:
    """Differs when the rules do: name, size and time of each file, and which changes are applied. Asked on every
    click, so it reads no file and asks no database."""
    with os.scandir(policies.path("deadlines.yaml").parent) as entries:
        files = [(e.name, e.stat()) for e in entries if e.name.endswith((".yaml", ".csv"))]
    return ((CHANGES, len(_applied), _checksum), *sorted((name, f.st_size, f.st_mtime_ns) for name, f in files))


def files() -> set[str]:
    """The names of the files of the rules, also when they cannot be read."""
    return {name for name, *_ in stamp()} - {CHANGES}


async def refresh(s: AsyncSession | None = None) -> None:
    """Brings the applied changes of the database into this process; costs one small query when nothing is new."""
    if s is None:
        async with session() as opened:
            await refresh(opened)
        return
    number = await s.scalar(select(func.coalesce(func.max(PolicyChangeRow.number), 0)))
    if number != len(_applied):
        use(await applied(s))


async def applied(s: AsyncSession) -> list[PolicyChange]:
    """All applied changes in their order."""
    rows = await s.scalars(
        select(PolicyChangeRow).where(PolicyChangeRow.number.is_not(None)).order_by(PolicyChangeRow.number)
    )
    return [change_of(row) for row in rows]


def change_of(row: PolicyChangeRow) -> PolicyChange:
    return PolicyChange.model_validate(row, from_attributes=True)


def use(changes: Sequence[PolicyChange]) -> None:
    """From now on these changes are in force in this process."""
    global _applied, _checksum
    _applied = tuple(changes)
    _checksum = zlib.crc32("\0".join(c.model_dump_json() for c in _applied).encode())


def in_force() -> Sequence[PolicyChange]:
    """The changes that this process works by, without those that were taken back."""
    return policy_changes.effective(_applied)


def number() -> int:
    """How many changes were applied when this process last looked."""
    return len(_applied)


def texts() -> Mapping[str, str]:
    """The texts of all rules in force. PolicyError when a change cannot be laid on."""
    return _texts(stamp())


@lru_cache(maxsize=2)
def _texts(stamp: Stamp) -> Mapping[str, str]:
    del stamp  # part of the cache's key, as below: other files or changes are other rules
    return policy_changes.overlay(shipped(), _applied)


def shipped() -> Mapping[str, str]:
    """The texts of the files alone. PolicyError when one is no text."""
    try:
        return policies.read_all()
    except UnicodeDecodeError as error:
        named = "、".join(sorted(name for name in files() if not _is_text(name)))
        raise policy.PolicyError(
            f"{named} 不是 UTF-8 文本，请另存为 UTF-8 编码。", f"{named} is no UTF-8 text: save it in that encoding."
        ) from error


def _is_text(name: str) -> bool:
    try:
        policies.read(name)
    except UnicodeDecodeError:
        return False
    return True


def misfits() -> list[policy_changes.Misfit]:
    """What keeps applied changes from being laid on. PolicyError when a file is no text."""
    return policy_changes.fitting(shipped(), _applied)[1]


def text(name: str) -> str:
    """The text of one file of the rules in force."""
    return policy.text_of(texts(), name)


def version_of(texts: Mapping[str, str]) -> str:
    """What names a version of all rules: a hash of their texts."""
    whole = "\0".join(f"{name}\0{texts[name]}" for name in sorted(texts))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


@lru_cache(maxsize=4)
def _snapshot(stamp: Stamp, modes: tuple[tuple[str, str], ...]) -> PolicySnapshot:
    found = _texts(stamp)
    with policy_findings.in_words(found):
        return policy.snapshot(found, dict(modes))


def modes() -> Mapping[str, str]:
    """The settings' agency modes."""
    return get_settings().agency_modes


def snapshot() -> PolicySnapshot:
    """What one case needs of the rules. PolicyError when a file is missing or broken."""
    return _snapshot(stamp(), tuple(sorted(modes().items())))


def snapshot_known(known_on: date) -> PolicySnapshot:
    """The same with the calendars as they were known on a day: a year published later is provisional, as it was, and
    a day of an authority's own that was published later is not known."""
    mine = [c for c in in_force() if c.file == CALENDAR]
    known = calendar_known(mine, known_on)
    found = snapshot().calendars
    if len(known) != len(mine):
        then = policy_changes.overlay({CALENDAR: shipped()[CALENDAR]}, known)
        found = policy.calendars({**texts(), **then})
    own = [[d for d in c.own if (d.published_on or date.min) <= known_on] for c in found]
    calendars = [c.model_copy(update={"own": days}) for c, days in zip(found, own, strict=True)]
    return snapshot().model_copy(update={"calendars": calendars})


def calendar(authority: str) -> WorkCalendar:
    """The working days of an authority."""
    return work_calendar(snapshot().calendar(authority))


@lru_cache(maxsize=2)
def _reasons(text: str) -> dict[str, Text]:
    items = policy.load_list({"rejection_reasons.yaml": text}, "rejection_reasons.yaml", "reasons")
    return {str(i["code"]): Text(zh=str(i["zh"]), en=str(i["en"])) for i in items}


def reasons() -> dict[str, Text]:
    """Codes of refusals and defects with their sentences."""
    return _reasons(text("rejection_reasons.yaml"))


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
    return _urge_pause(text("process_settings.yaml"))


@lru_cache(maxsize=8)
def _whole_number(text: str, name: str) -> int:
    found = policy.load_mapping({"process_settings.yaml": text}, "process_settings.yaml").get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise policy.PolicyError(
            f"process_settings.yaml：{name} 须为正整数。",
            f"process_settings.yaml: {name} must be a whole number above zero.",
        )
    return found


def setting(name: str) -> int:
    """A whole number of `process_settings.yaml`. PolicyError."""
    return _whole_number(text("process_settings.yaml"), name)
