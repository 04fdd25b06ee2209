"""Who was told of a case when and through what, and which escalations nobody has acknowledged.

Invariants: an escalation is a rung of the ladder for supervisors or heads; one of those who were told acknowledges it
for all of them; until then it is open, however long that takes, as long as its case runs and its task is open: what is
done needs no word, and stays with its case and task as what nobody acknowledged. Acknowledging says "I know", it moves
nothing and approves nothing, and no time does it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from store.inbox import process_visible
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.processes import Process, ReminderRow, Task
from store.users import Viewer

LEVELS = ("supervisor", "head")
NOBODY = "-"  # the recipient of a rung that found nobody


@dataclass
class Told:
    """One who was told: when it was read in the pages, and what else it went through."""

    username: str
    read_at: datetime | None
    ways: list[Outgoing] = field(default_factory=list[Outgoing])


@dataclass
class Rung:
    """One rung of the ladder that fired, with everybody it reached."""

    row: ReminderRow
    process: Process
    task: Task | None
    told: list[Told] = field(default_factory=list[Told])


def _open(viewer: Viewer) -> ColumnElement[bool]:
    """The condition of the open escalations' list and of their count."""
    return and_(
        process_visible(viewer),
        Process.closed_at.is_(None),
        or_(Task.id.is_(None), Task.closed_at.is_(None)),
        ReminderRow.addressed_to.in_(LEVELS),
        ReminderRow.acknowledged_at.is_(None),
    )


def _reminders(*columns: Any) -> "Select[*tuple[Any, ...]]":
    """Columns of reminders with their case, and with their task where they are about one."""
    return (
        select(*columns)
        .select_from(ReminderRow)
        .join(Process, Process.id == ReminderRow.process_id)
        .outerjoin(Task, Task.id == ReminderRow.task_id)
    )


async def count_open(s: AsyncSession, viewer: Viewer) -> int:
    return (await s.scalar(_reminders(func.count(ReminderRow.key.distinct())).where(_open(viewer)))) or 0


async def open_keys(s: AsyncSession, viewer: Viewer, limit: int, offset: int) -> list[str]:
    """Open escalations, the oldest first."""
    statement = (
        _reminders(ReminderRow.key)
        .where(_open(viewer))
        .group_by(ReminderRow.key)
        .order_by(func.min(ReminderRow.at), ReminderRow.key)
    )
    return list(await s.scalars(statement.limit(limit).offset(offset)))


async def keys_of(s: AsyncSession, process_id: str, task_id: str | None, limit: int) -> list[str]:
    """What was said of a case, or of one task, the newest first."""
    statement = select(ReminderRow.key).where(ReminderRow.process_id == process_id)
    if task_id is not None:
        statement = statement.where(ReminderRow.task_id == task_id)
    statement = statement.group_by(ReminderRow.key).order_by(func.min(ReminderRow.at).desc(), ReminderRow.key)
    return list(await s.scalars(statement.limit(limit)))


async def rungs(s: AsyncSession, viewer: Viewer, keys: list[str]) -> list[Rung]:
    """These rungs in this order; those that the viewer may not see are left out."""
    statement = (
        _reminders(ReminderRow, Process, Task, Message)
        .outerjoin(Message, Message.id == ReminderRow.message_id)
        .where(ReminderRow.key.in_(keys), process_visible(viewer))
        .order_by(ReminderRow.recipient)
    )
    found: dict[str, Rung] = {}
    by_message: dict[tuple[str, str], list[Told]] = {}
    for row, process, task, message in await s.execute(statement):
        rung = found.setdefault(row.key, Rung(row, process, task))
        if row.recipient != NOBODY:
            told = Told(row.recipient, message.read_at if message else None)
            rung.told.append(told)
            if message is not None and message.key is not None:
                by_message.setdefault((message.key, row.recipient), []).append(told)
    sent = await s.scalars(
        select(Outgoing).where(Outgoing.key.in_([key for key, _ in by_message])).order_by(Outgoing.channel)
    )
    for way in sent:
        for told in by_message.get((way.key, way.username or ""), []):
            told.ways.append(way)
    return [found[key] for key in keys if key in found]


async def of_messages(s: AsyncSession, ids: list[int]) -> dict[int, list[ReminderRow]]:
    """The escalations that these messages told of."""
    rows = await s.scalars(
        select(ReminderRow)
        .where(ReminderRow.message_id.in_(ids), ReminderRow.addressed_to.in_(LEVELS))
        .order_by(ReminderRow.key)
    )
    found: dict[int, list[ReminderRow]] = {}
    for row in rows:
        if row.message_id is not None:
            found.setdefault(row.message_id, []).append(row)
    return found


async def acknowledge(s: AsyncSession, keys: list[str], by: str, now: datetime) -> None:
    """For everybody who was told; who was first stays. Messages about it count as read by this person."""
    await s.execute(
        update(ReminderRow)
        .where(ReminderRow.key.in_(keys), ReminderRow.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=by)
    )
    told = select(ReminderRow.message_id).where(ReminderRow.key.in_(keys))
    await s.execute(
        update(Message)
        .where(Message.id.in_(told), Message.username == by, Message.read_at.is_(None))
        .values(read_at=now)
    )
    s.expire_all()
