"""Lists of processes, one process with all that belongs to it, and the figures of the board.

The board counts with exactly the conditions that `filters` puts on the list, so that every number is its list's total.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    String,
    and_,
    any_,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from schemas.api import ProcessQuery
from schemas.process import Stage
from store import inbox_events, tallies, urgency, words
from store.inbox import (
    MONEY_KINDS,
    SEES_MONEY,
    instant_of,
    joined,
    make_cursor,
    open_cursor,
    process_visible,
    sees_all,
)
from store.projection import AGENCIES
from store.tables.counting import Tally
from store.tables.desk import InboxEvent
from store.tables.processes import Comment, Process, Task, Timeline
from store.users import Viewer

OPEN = ("running", "waiting", "suspended")
FIGURES = ("open", "overdue", "due_today", "at_risk", "waiting", "forecast_late")
WORK = ("open", "overdue", "due_week")


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
    found.extend(words.of_process(query.q))
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
        "forecast_late": ProcessQuery(forecast_late=True),
    }


def _tallied(viewer: Viewer) -> ColumnElement[bool] | None:
    """`process_visible`, said of tallies; None where it depends on the person a case is about."""
    if sees_all(viewer):
        return true()
    if any(hat.has("employee") and hat.person_id for hat in viewer.hats):
        return None
    money = [hat for hat in viewer.hats if hat.has(*SEES_MONEY)]
    units = {unit for hat in viewer.hats if hat.has("college") for unit in hat.org_units}
    return or_(Tally.kind.in_(MONEY_KINDS if money else ()), Tally.org_unit.in_(units))


async def figures_by(
    session: AsyncSession, viewer: Viewer, column: Any, now: datetime
) -> dict[str | None, dict[str, int]]:
    """The figures per value of a column of `processes` (kind, org unit; for None: in all); open processes only."""
    visible = _tallied(viewer)
    if visible is not None:
        shared = getattr(Tally, column.key) if column is not None else literal("")
        counted = tallies.figures(now)
        where: tuple[ColumnElement[bool], ...] = (tallies.relevant(("process",), now), visible)
        present = counted[0] > 0
    else:
        shared = column if column is not None else literal("")
        counted = [func.count().filter(*filters(q, now)).label(name) for name, q in figure_queries().items()]
        where, present = (process_visible(viewer), Process.closed_at.is_(None)), true()
    statement = select(shared, *counted).where(*where).group_by(shared).having(present).order_by(shared)
    return {row[0] or None: row[1] for row in await _named(session, statement, FIGURES)}


async def figures(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str, int]:
    """The board's totals."""
    return (await figures_by(session, viewer, None, now)).get(None, dict.fromkeys(FIGURES, 0))


async def waiting_by_agency(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str, dict[str, int]]:
    """Per authority: how many wait for it, and how many of these are overdue or at risk."""
    visible = _tallied(viewer)
    found: dict[str, dict[str, int]] = {agency: {} for agency in AGENCIES}
    for agency, values in found.items():
        if visible is not None:
            columns = tallies.figures(now)
            statement = select(columns[4], columns[1], columns[3]).where(
                tallies.relevant(("agency",), now), Tally.key == agency, visible
            )
        else:
            statement = select(
                func.count(),
                func.count().filter(urgency.overdue(Process, now)),
                func.count().filter(urgency.at_risk(Process, now)),
            ).where(process_visible(viewer), urgency.waiting_for(agency))
        row = (await session.execute(statement)).one()
        values.update(zip(("waiting", "overdue", "at_risk"), map(int, row), strict=True))
    return found


async def tasks_by_holder(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str | None, dict[str, int]]:
    """Open tasks per holder (None: held by nobody), with how urgent they are."""
    if sees_all(viewer):
        counted = tallies.figures(now)[:4]
        held = select(Tally.key, *counted).where(tallies.relevant(("holder",), now)).group_by(Tally.key)
        free = select(null(), *counted).where(
            tallies.relevant(("free",), now), func.cardinality(Tally.names) == 0
        )  # fmt: skip
        both = union_all(held, free).subquery()
        statement = select(both).where(both.c.open > 0).order_by(both.c[0])
    else:
        statement = (
            select(
                Task.holder,
                func.count(),
                func.count().filter(urgency.overdue(Task, now)),
                func.count().filter(urgency.due_today(Task, now)),
                func.count().filter(urgency.at_risk(Task, now)),
            )
            .select_from(Task)
            .join(Process, Process.id == Task.process_id)
            .where(and_(Task.closed_at.is_(None), process_visible(viewer)))
            .group_by(Task.holder)
            .order_by(Task.holder)
        )
    return dict(await _named(session, statement, FIGURES[:4]))


async def by_stage(session: AsyncSession, viewer: Viewer, now: datetime) -> list[tuple[str, str, dict[str, int]]]:
    """Kind, stage and figures of the open cases that are in a stage now."""
    visible = _tallied(viewer)
    if visible is not None:
        kind: Any = Tally.kind
        stage: Any = Tally.key
        counted = tallies.figures(now)
        where: tuple[ColumnElement[bool], ...] = (tallies.relevant(("stage",), now), visible)
        present = counted[0] > 0
    else:
        kind, stage = Process.kind, func.unnest(Process.active_stages).column_valued("stage")
        counted = [func.count().filter(*filters(q, now)).label(name) for name, q in figure_queries().items()]
        where, present = (process_visible(viewer), Process.closed_at.is_(None)), true()
    statement = select(kind, stage, *counted).where(*where).group_by(kind, stage).having(present)
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return [(r[0], r[1], dict(zip(FIGURES, map(int, r[2:]), strict=True))) for r in rows]


async def stages_of(session: AsyncSession, kinds: Collection[str]) -> dict[tuple[str, str], Stage]:
    """The stages of these kinds, as their newest case has them, in the order in which cases pass them."""
    found: dict[tuple[str, str], Stage] = {}
    for kind in sorted(kinds):
        newest = select(Process.stages).where(Process.kind == kind, func.jsonb_array_length(Process.stages) > 0)
        stages = await session.scalar(newest.order_by(Process.started_at.desc(), Process.id.desc()).limit(1))
        ordered = sorted((Stage.model_validate(s) for s in stages or []), key=lambda s: s.column)
        found.update({(kind, s.code): s for s in ordered})
    return found


async def unclaimed(session: AsyncSession, viewer: Viewer, now: datetime) -> int:
    """Tasks that nobody took for too long."""
    if sees_all(viewer):
        free = (Tally.about == "free", Tally.what == "opened", func.cardinality(Tally.names) == 0)
        return (await session.execute(select(tallies.unclaimed(now)).where(*free))).scalar_one()
    return (
        await session.execute(
            joined(func.count()).where(process_visible(viewer), urgency.unclaimed(Task, now))
        )
    ).scalar_one()  # fmt: skip


async def work_of(session: AsyncSession, holders: Collection[str], now: datetime) -> dict[str, dict[str, int]]:
    """Open tasks in the hands of each of them, how many are overdue, and due later this week."""
    counted = tallies.figures(now)
    statement = (
        select(Tally.key, counted[0], counted[1], tallies.due_week(now))
        .where(
            tallies.relevant(("holder",), now, tallies.LOOKS_A_WEEK_AHEAD),
            Tally.key == any_(literal(list(holders), ARRAY(String))),
        )
        .group_by(Tally.key)
    )
    found: dict[str, dict[str, int]] = {who: dict.fromkeys(WORK, 0) for who in holders}
    found |= {str(key): values for key, values in await _named(session, statement, WORK)}
    return found


async def _named(
    session: AsyncSession, statement: Executable, names: Sequence[str]
) -> list[tuple[str | None, dict[str, int]]]:
    """Rows of a key and figures."""
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return [(row[0], dict(zip(names, map(int, row[1:]), strict=True))) for row in rows]
