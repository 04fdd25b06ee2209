"""Lists of processes, one process with all that belongs to it, and the figures of the board.

The board counts with exactly the conditions that `filters` puts on the list, so that every number is its list's total.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from schemas.api import ProcessQuery
from store import inbox_events, urgency
from store.inbox import instant_of, make_cursor, open_cursor, process_visible
from store.projection import AGENCIES
from store.tables.desk import InboxEvent
from store.tables.processes import Comment, Process, Task, Timeline
from store.users import Viewer

OPEN = ("running", "waiting", "suspended")
FIGURES = ("open", "overdue", "due_today", "at_risk", "waiting")


@dataclass(frozen=True)
class Page:
    rows: list[Process]
    next_cursor: str | None
    total: int


def filters(query: ProcessQuery, now: datetime) -> list[ColumnElement[bool]]:
    """What the query asks for, as conditions."""
    found: list[ColumnElement[bool]] = []
    if query.state:
        states = [s.strip() for s in query.state.split(",") if s.strip()]
        wanted = [s for state in states for s in (OPEN if state == "open" else (state,))]
        found.append(Process.state.in_(wanted))
    for column, value in (
        (Process.kind, query.kind),
        (Process.org_unit, query.org_unit),
        (Process.subject, query.subject),
    ):
        if value:
            found.append(column.is_(None) if value == "-" else column == value)
    if query.stage:
        found.append(Process.active_stages.contains([query.stage]))
    if query.flag:
        found.append(Process.flags.contains([query.flag]))
    if query.q:
        found.extend(Process.search.contains(word, autoescape=True) for word in query.q.lower().split())
    if query.waiting_for:
        found.append(urgency.waiting_for(query.waiting_for))
    for wanted, condition in (
        (query.overdue, urgency.overdue(Process, now)),
        (query.due_today, urgency.due_today(Process, now)),
        (query.at_risk, urgency.at_risk(Process, now)),
    ):
        if wanted is not None:
            found.append(condition if wanted else func.coalesce(condition, False).is_(False))
    return found


async def page(session: AsyncSession, viewer: Viewer, query: ProcessQuery, now: datetime) -> Page:
    """Newest first. BadCursor."""
    where = [process_visible(viewer), *filters(query, now)]
    total = (await session.execute(select(func.count()).select_from(Process).where(*where))).scalar_one()
    statement = select(Process).where(*where)
    if query.cursor:
        started, process_id = open_cursor(query.cursor, 2)
        statement = statement.where(tuple_(Process.started_at, Process.id) < (instant_of(started), process_id))
    statement = statement.order_by(Process.started_at.desc(), Process.id.desc()).limit(query.limit + 1)
    rows = list(await session.scalars(statement))
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return Page(rows, make_cursor([rows[-1].started_at, rows[-1].id]) if more else None, total)


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


async def timeline_of(session: AsyncSession, process_id: str) -> list[Timeline | InboxEvent]:
    """What the process and the inbox say of a case, by time; the process's own lines keep their order."""
    rows = await session.scalars(select(Timeline).where(Timeline.process_id == process_id).order_by(Timeline.seq))
    lines: list[Timeline | InboxEvent] = list(rows)
    lines += await inbox_events.of_process(session, process_id)
    return sorted(lines, key=lambda line: line.at)


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


# --- the board -------------------------------------------------------------------------------------------------------


def figure_queries() -> dict[str, ProcessQuery]:
    """The lists behind the board's figures."""
    return {
        "open": ProcessQuery(state="open"),
        "overdue": ProcessQuery(overdue=True),
        "due_today": ProcessQuery(due_today=True),
        "at_risk": ProcessQuery(at_risk=True),
        "waiting": ProcessQuery(waiting_for="any"),
    }


async def figures_by(
    session: AsyncSession, viewer: Viewer, column: Any, now: datetime
) -> dict[str | None, dict[str, int]]:
    """The figures per value of a column of `processes`; open processes only."""
    counted = [func.count().filter(*filters(q, now)).label(name) for name, q in figure_queries().items()]
    rows = await session.execute(
        select(column, *counted)
        .where(process_visible(viewer), Process.closed_at.is_(None))
        .group_by(column)
        .order_by(column)
    )
    return {row[0]: {name: row._mapping[name] for name in figure_queries()} for row in rows}


async def figures(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str, int]:
    """The board's totals."""
    counted = [func.count().filter(*filters(q, now)).label(name) for name, q in figure_queries().items()]
    row = (await session.execute(select(*counted).select_from(Process).where(process_visible(viewer)))).one()
    return dict(row._mapping)


async def waiting_by_agency(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str, dict[str, int]]:
    """Per authority: how many wait for it, and how many of these are overdue or at risk."""
    found: dict[str, dict[str, int]] = {}
    for agency in AGENCIES:
        waiting = urgency.waiting_for(agency)
        row = (
            await session.execute(
                select(
                    func.count().label("waiting"),
                    func.count().filter(urgency.overdue(Process, now)).label("overdue"),
                    func.count().filter(urgency.at_risk(Process, now)).label("at_risk"),
                ).where(process_visible(viewer), waiting)
            )
        ).one()
        found[agency] = dict(row._mapping)
    return found


async def tasks_by_holder(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str | None, dict[str, int]]:
    """Open tasks per holder (None: held by nobody), with how urgent they are."""
    rows = await session.execute(
        select(
            Task.holder,
            func.count().label("open"),
            func.count().filter(urgency.overdue(Task, now)).label("overdue"),
            func.count().filter(urgency.due_today(Task, now)).label("due_today"),
            func.count().filter(urgency.at_risk(Task, now)).label("at_risk"),
        )
        .select_from(Task)
        .join(Process, Process.id == Task.process_id)
        .where(and_(Task.closed_at.is_(None), process_visible(viewer)))
        .group_by(Task.holder)
        .order_by(Task.holder)
    )
    return {row[0]: {name: row._mapping[name] for name in ("open", "overdue", "due_today", "at_risk")} for row in rows}
