"""Lists of processes, and one process with all that belongs to it.

`store/board.py` counts with exactly the conditions that `filters` puts on the list, so that every number is its list's
total.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from schemas.api import ProcessQuery
from store import inbox_events, urgency, words
from store.inbox import (
    instant_of,
    make_cursor,
    open_cursor,
    process_visible,
)
from store.tables.desk import InboxEvent
from store.tables.processes import Comment, Process, Task, Timeline
from store.users import Viewer

OPEN = ("running", "waiting", "suspended")
ME = "me"  # whoever asks, as the starter of cases


@dataclass(frozen=True)
class Page:
    rows: list[Process]
    next_cursor: str | None
    total: int


def filters(query: ProcessQuery, now: datetime, receipts: Sequence[str] = ()) -> list[ColumnElement[bool]]:
    """What the query asks for, as conditions. `receipts`: of its text, as `words.receipts` knows them; `page` and
    `count` know who `me` is."""
    found: list[ColumnElement[bool]] = []
    if query.state:
        states = [s.strip() for s in query.state.split(",") if s.strip()]
        wanted = [s for state in states for s in (OPEN if state == "open" else (state,))]
        found.append(Process.state.in_(wanted))
    for column, value in (
        (Process.kind, query.kind),
        (Process.org_unit, query.org_unit),
        (Process.subject, query.subject),
        (Process.started_by, query.started_by),
    ):
        if value:
            found.append(column.is_(None) if value == "-" else column == value)
    if query.stage:
        found.append(Process.active_stages.contains([query.stage]))
    if query.flag:
        found.append(Process.flags.contains([query.flag]))
    found.extend(words.of_process(query.q, receipts))
    if query.waiting_for:
        found.append(urgency.waiting_for(query.waiting_for))
    for wanted, condition in (
        (query.overdue, urgency.overdue(Process, now)),
        (query.due_today, urgency.due_today(Process, now)),
        (query.at_risk, urgency.at_risk(Process, now)),
        (query.forecast_late, urgency.forecast_late(now)),
    ):
        if wanted is not None:
            found.append(condition if wanted else func.coalesce(condition, False).is_(False))
    return found


async def page(session: AsyncSession, viewer: Viewer, query: ProcessQuery, now: datetime) -> Page:
    """Newest first. BadCursor."""
    where = await _where(session, viewer, query, now)
    total = await _counted(session, where)
    statement = select(Process).where(*where)
    if query.cursor:
        started, process_id = open_cursor(query.cursor, 2)
        statement = statement.where(tuple_(Process.started_at, Process.id) < (instant_of(started), process_id))
    statement = statement.order_by(Process.started_at.desc(), Process.id.desc()).limit(query.limit + 1)
    rows = list(await session.scalars(statement))
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return Page(rows, make_cursor([rows[-1].started_at, rows[-1].id]) if more else None, total)


async def count(session: AsyncSession, viewer: Viewer, query: ProcessQuery, now: datetime) -> int:
    """How many rows all pages of the list have."""
    return await _counted(session, await _where(session, viewer, query, now))


async def _where(
    session: AsyncSession, viewer: Viewer, query: ProcessQuery, now: datetime
) -> list[ColumnElement[bool]]:
    if query.started_by == ME:
        query = query.model_copy(update={"started_by": viewer.username})
    return [process_visible(viewer), *filters(query, now, await words.receipts(session, query.q))]


async def _counted(session: AsyncSession, where: list[ColumnElement[bool]]) -> int:
    return (await session.execute(select(func.count()).select_from(Process).where(*where))).scalar_one()


async def find(session: AsyncSession, viewer: Viewer, process_id: str) -> Process | None:
    """A process that the viewer may see."""
    return await session.scalar(select(Process).where(Process.id == process_id, process_visible(viewer)))


async def tasks_of(session: AsyncSession, process_id: str) -> list[Task]:
    rows = await session.scalars(select(Task).where(Task.process_id == process_id).order_by(Task.opened_at, Task.id))
    return list(rows)


async def following(session: AsyncSession, task: Task, *, lock: bool = False) -> list[Task]:
    """The open tasks that a task's answer has led to; with `lock` their rows are locked until the transaction ends."""
    statement = select(Task).where(
        Task.process_id == task.process_id, Task.closed_at.is_(None), Task.spec["after"].astext == task.key
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return list(await session.scalars(statement))


async def signed_beside(session: AsyncSession, task: Task) -> bool:
    """Whether a signature led to nothing yet, because others of its countersign are asked at the same time."""
    sign = task.spec.get("sign")
    if not sign or sign["mode"] == "in_turn":
        return False
    beside = select(Task.id).where(
        Task.process_id == task.process_id,
        Task.closed_at.is_(None),
        Task.spec["sign"]["id"].astext == sign["id"],
        Task.spec["again"].astext.is_distinct_from(task.key),  # taken back, and asked again
    )
    return await session.scalar(beside.limit(1)) is not None


async def timeline_of(session: AsyncSession, process_id: str) -> list[Timeline | InboxEvent]:
    """What the process and the inbox say of a case, by time; the process's own lines keep their order."""
    rows = await session.scalars(select(Timeline).where(Timeline.process_id == process_id).order_by(Timeline.seq))
    lines: list[Timeline | InboxEvent] = list(rows)
    lines += await inbox_events.of_process(session, process_id)
    return sorted(lines, key=lambda line: line.at)


async def last_line(session: AsyncSession, process_id: str, kind: str) -> Timeline | None:
    """The last line of this kind that the process wrote of itself."""
    return await session.scalar(
        select(Timeline)
        .where(Timeline.process_id == process_id, Timeline.kind == kind)
        .order_by(Timeline.seq.desc())
        .limit(1)
    )


async def completed_for(session: AsyncSession, process_id: str) -> dict[str, str]:
    """Tasks that a substitute completed -> the absent person."""
    rows = await session.execute(
        select(Task.id, Task.completed_for).where(Task.process_id == process_id, Task.completed_for.is_not(None))
    )
    return {task_id: str(absent) for task_id, absent in rows}


async def comments_of(session: AsyncSession, task_id: str) -> list[Comment]:
    rows = await session.scalars(select(Comment).where(Comment.task_id == task_id).order_by(Comment.id))
    return list(rows)


_held = aliased(Task)
# The same for one process, as a column of a statement that reads it; NULL where nobody does.
HOLDERS = (
    select(func.array_agg(aggregate_order_by(_held.holder.distinct(), _held.holder)))
    .where(_held.process_id == Process.id, _held.closed_at.is_(None), _held.holder.is_not(None))
    .scalar_subquery()
)


async def holders(session: AsyncSession, process_ids: list[str]) -> dict[str, list[str]]:
    """Who holds open tasks of these processes."""
    rows = await session.execute(
        select(Task.process_id, Task.holder)
        .where(Task.process_id.in_(process_ids), Task.closed_at.is_(None), Task.holder.is_not(None))
        .distinct()
        .order_by(Task.holder)
    )
    found: dict[str, list[str]] = {}
    for process_id, holder in rows:
        found.setdefault(process_id, []).append(str(holder))
    return found
