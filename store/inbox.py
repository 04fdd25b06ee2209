"""The inbox: who sees which task in which order, and who holds it.

Invariants: a holder is set and cleared here only, under a row lock, one holder a task; nothing here changes what the
workflow owns. Queries are keyset-paged, so that a list does not jump while others work.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.api import TaskCounts, TaskQuery
from store import urgency
from store.tables.desk import Copy
from store.tables.processes import Process, Task
from store.users import Viewer

SEES_ALL = ("clerk", "supervisor", "head", "auditor", "admin")
SEES_MONEY = ("payroll", "finance")
MONEY_KINDS = ("tax_payment", "reimbursement")
BEHALF_ROLES = ("college", "employee")
COUNTED = ("mine", "group", "behalf", "done", "started", "cc")


class BadCursor(ValueError):
    """A cursor that we did not give out."""


@dataclass(frozen=True)
class Page:
    """Rows with their process, the cursor of the next page, and how many there are in all."""

    rows: list[tuple[Task, Process]]
    next_cursor: str | None
    total: int


def process_visible(viewer: Viewer) -> ColumnElement[bool]:
    """Which processes the viewer may read: colleges their own people, employees themselves, money offices money.

    A substitute reads what the absent person's roles read.
    """
    allowed: list[ColumnElement[bool]] = [false()]
    for hat in viewer.hats:
        if hat.has(*SEES_ALL):
            return true()
        if hat.has(*SEES_MONEY):
            allowed.append(Process.kind.in_(MONEY_KINDS))
        if hat.has("college"):
            allowed.append(Process.org_unit.in_(hat.org_units))
        if hat.has("employee") and hat.person_id:
            allowed.append(Process.subject == hat.person_id)
    return or_(*allowed)


def personal(username: str) -> str:
    """What stands among a task's roles when one person is asked by name (加签)."""
    return f"@{username}"


def _by_role(hat: Viewer) -> ColumnElement[bool]:
    """Tasks of the roles of one hat: college tasks of the own colleges, employees' tasks about themselves."""
    plain = [personal(hat.username), *(r for r in hat.roles if r not in BEHALF_ROLES)]
    allowed: list[ColumnElement[bool]] = [Task.roles.overlap(plain)]
    if hat.has("college"):
        allowed.append(and_(Task.roles.contains(["college"]), Task.org_unit.in_(hat.org_units)))
    if hat.has("employee") and hat.person_id:
        allowed.append(and_(Task.roles.contains(["employee"]), Task.subject == hat.person_id))
    return or_(*allowed)


def _not_excluded(viewer: Viewer) -> ColumnElement[bool]:
    """Four eyes: what the viewer did, or somebody whose substitute the viewer is."""
    return ~Task.excluded.overlap(viewer.names)


def candidate(viewer: Viewer) -> ColumnElement[bool]:
    """Tasks that this viewer's roles, or those of an absent person, may do."""
    return and_(or_(*(_by_role(hat) for hat in viewer.hats)), _not_excluded(viewer))


def _own(viewer: Viewer) -> ColumnElement[bool]:
    """Tasks in the viewer's hands, lent to somebody, or in those of an absent person whose roles may do them."""
    mine = [Task.holder == viewer.username, Task.owner == viewer.username]
    for hat in viewer.absent:
        does = _by_role(hat)
        if hat.has("clerk"):
            does = or_(does, Task.roles.overlap(list(BEHALF_ROLES)))
        mine.append(and_(or_(Task.holder == hat.username, Task.owner == hat.username), does, _not_excluded(viewer)))
    return or_(*mine)


def openable(viewer: Viewer) -> ColumnElement[bool]:
    """Which tasks the viewer may open. Every view is within it: no list shows what its reader may not open."""
    return or_(
        process_visible(viewer),
        candidate(viewer),
        _own(viewer),
        Task.completed_by == viewer.username,
        Task.completed_for == viewer.username,
    )


def copied(viewer: Viewer, *, unread: bool = False) -> ColumnElement[bool]:
    """Tasks copied to the viewer: themselves, or, while they are open, by a copy of their case."""
    mine = Copy.username == viewer.username
    if unread:
        mine = and_(mine, Copy.read_at.is_(None))
    return or_(
        Task.id.in_(select(Copy.task_id).where(mine, Copy.task_id.is_not(None))),
        and_(
            Task.closed_at.is_(None), Task.process_id.in_(select(Copy.process_id).where(mine, Copy.task_id.is_(None)))
        ),
    )


def in_view(viewer: Viewer, view: str) -> ColumnElement[bool]:
    """The condition of one of the inbox's views; lists and counts have no other."""
    is_open = Task.closed_at.is_(None)
    if view == "mine":
        return and_(is_open, _own(viewer))
    if view == "group":
        return and_(is_open, Task.holder.is_(None), candidate(viewer))
    if view == "behalf":
        behalf = and_(
            is_open, Task.roles.overlap(list(BEHALF_ROLES)), ~candidate(viewer), _not_excluded(viewer),
            process_visible(viewer),
        )  # fmt: skip
        return behalf if any(hat.has("clerk") for hat in viewer.hats) else false()
    if view == "done":
        done = or_(Task.completed_by == viewer.username, Task.completed_for == viewer.username)
        return and_(done, Task.state.in_(("completed", "returned")))
    if view == "started":
        return and_(is_open, Process.started_by == viewer.username, openable(viewer))
    if view == "cc":
        return and_(copied(viewer), openable(viewer))
    return and_(is_open, process_visible(viewer))


def _filters(query: TaskQuery, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.q:
        found.extend(Task.search.contains(word, autoescape=True) for word in query.q.lower().split())
    for column, value in (
        (Task.kind, query.kind),
        (Task.process_kind, query.process_kind),
        (Task.process_id, query.process_id),
        (Task.org_unit, query.org_unit),
        (Task.subject, query.subject),
    ):
        if value:
            found.append(column == value)
    if query.holder:
        found.append(Task.holder.is_(None) if query.holder == "-" else Task.holder == query.holder)
    for wanted, condition in (
        (query.overdue, urgency.overdue(Task, now)),
        (query.due_today, urgency.due_today(Task, now)),
        (query.at_risk, urgency.at_risk(Task, now)),
    ):
        if wanted is not None:
            found.append(condition if wanted else func.coalesce(condition, False).is_(False))
    return found


def _select(*columns: Any) -> "Select[*tuple[Any, ...]]":
    return select(*columns).select_from(Task).join(Process, Process.id == Task.process_id)


async def page(session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime) -> Page:
    """One page of a view. BadCursor."""
    where = [in_view(viewer, query.view), *_filters(query, now)]
    total = (await session.execute(_select(func.count()).where(*where))).scalar_one()
    statement = _select(Task, Process).where(*where)
    if query.view == "done":
        if query.cursor:
            closed, task_id = open_cursor(query.cursor, 2)
            statement = statement.where(tuple_(Task.closed_at, Task.id) < (instant_of(closed), task_id))
        statement = statement.order_by(Task.closed_at.desc(), Task.id.desc())
    else:
        if query.cursor:
            day, rank, instant, case_no, task_id = open_cursor(query.cursor, 5)
            after = (_day(day), rank, instant_of(instant), case_no, task_id)
            columns = (Task.sort_day, Task.legal_rank, Task.sort_at, Task.case_no, Task.id)
            statement = statement.where(tuple_(*columns) > after)
        statement = statement.order_by(Task.sort_day, Task.legal_rank, Task.sort_at, Task.case_no, Task.id)
    rows = [(t, p) for t, p in await session.execute(statement.limit(query.limit + 1))]
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    cursor = None
    if more:
        last = rows[-1][0]
        cursor = make_cursor(
            [last.closed_at, last.id]
            if query.view == "done"
            else [last.sort_day, last.legal_rank, last.sort_at, last.case_no, last.id]
        )
    return Page(rows, cursor, total)


async def kinds(session: AsyncSession, viewer: Viewer, view: str) -> set[str]:
    """The kinds of tasks that a view holds, whatever else is filtered."""
    return set((await session.execute(_select(Task.kind).where(in_view(viewer, view)).distinct())).scalars())


async def counts(session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime) -> TaskCounts:
    """How many tasks each view holds; the urgency figures are those of the asked view without its urgency filters."""
    unhurried = query.model_copy(update={"overdue": None, "due_today": None, "at_risk": None, "cursor": None})
    base = and_(in_view(viewer, query.view), *_filters(unhurried, now))
    columns = [func.count().filter(in_view(viewer, v)).label(v) for v in COUNTED]
    columns.append(func.count().filter(in_view(viewer, "cc"), copied(viewer, unread=True)).label("cc_unread"))
    columns += [
        func.count().filter(base, urgency.overdue(Task, now)).label("overdue"),
        func.count().filter(base, urgency.due_today(Task, now)).label("due_today"),
        func.count().filter(base, urgency.at_risk(Task, now)).label("at_risk"),
    ]
    row = (await session.execute(_select(*columns))).one()
    return TaskCounts(**row._asdict())


async def find(
    session: AsyncSession, viewer: Viewer, task_id: str, *, lock: bool = False
) -> tuple[Task, Process] | None:
    """A task that the viewer may see, open or closed; with `lock` its row is locked until the transaction ends."""
    row = (await session.execute(_found(viewer, lock), {"task_id": task_id})).one_or_none()
    return (row[0], row[1]) if row is not None else None


@lru_cache(maxsize=512)
def _found(viewer: Viewer, lock: bool) -> "Select[*tuple[Any, ...]]":
    """The statement of `find`, kept: for one who clicks all day it is made once, which costs more than to run it."""
    statement = _select(Task, Process).where(Task.id == bindparam("task_id"), openable(viewer))
    return statement.with_for_update(of=Task).execution_options(populate_existing=True) if lock else statement


def is_candidate(hat: Viewer, task: Task) -> bool:
    """The same rule as `_by_role`, for one row; who is excluded is asked separately."""
    for role in set(task.roles) & (hat.roles | {personal(hat.username)}):
        if role == "college":
            if task.org_unit in hat.org_units:
                return True
        elif role == "employee":
            if hat.person_id is not None and task.subject == hat.person_id:
                return True
        else:
            return True
    return False


# --- cursors ---------------------------------------------------------------------------------------------------------


def make_cursor(values: list[Any]) -> str:
    """An opaque cursor from the sort values of the last row."""
    text = json.dumps([v.isoformat() if isinstance(v, date) else v for v in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def open_cursor(cursor: str, length: int) -> list[Any]:
    """The sort values again. BadCursor for anything we did not make."""
    try:
        values: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise BadCursor(cursor) from error
    if not isinstance(values, list) or len(values) != length:  # pyright: ignore[reportUnknownArgumentType]
        raise BadCursor(cursor)
    if length == 5 and not isinstance(values[1], int):
        raise BadCursor(cursor)
    if not all(isinstance(v, str) for i, v in enumerate(values) if (length, i) != (5, 1)):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        raise BadCursor(cursor)
    return values  # pyright: ignore[reportUnknownVariableType]


def instant_of(text: str) -> datetime:
    """An aware datetime of a cursor. BadCursor."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadCursor(text) from error
    if found.tzinfo is None:
        raise BadCursor(text)
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadCursor(text) from error
