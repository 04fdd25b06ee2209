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

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    union,
    union_all,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer, load_only

from schemas.api import TaskQuery
from schemas.countersign import personal
from store import urgency, words
from store.tables.counting import TaskGroup
from store.tables.dates import CaseDate
from store.tables.desk import Copy
from store.tables.processes import URGENCY_ORDER, Process, Task
from store.users import Viewer
from store.words import Said

SEES_ALL = ("clerk", "supervisor", "head", "auditor", "admin")
SEES_MONEY = ("payroll", "finance")
MONEY_KINDS = ("tax_payment", "reimbursement")
BEHALF_ROLES = ("college", "employee")
NOTHING_SAID = Said()
# What a line of a list says of its task and process. The rest is half of what would be read, and not asked for.
LINE = (
    defer(Task.search, raiseload=True),
    defer(Task.result, raiseload=True),
    load_only(
        *(Process.id, Process.kind, Process.title, Process.subject, Process.org_unit, Process.started_by),
        Process.clock_offset_seconds,
        raiseload=True,
    ),
)


class BadCursor(ValueError):
    """A cursor that we did not give out."""


@dataclass(frozen=True)
class Page:
    """Rows with their process, and the cursor of the next page."""

    rows: list[tuple[Task, Process]]
    next_cursor: str | None


def sees_all(viewer: Viewer) -> bool:
    """Whether there is nothing that the viewer, or an absent person, may not read."""
    return any(hat.has(*SEES_ALL) for hat in viewer.hats)


def process_visible(viewer: Viewer, row: type[Process] | type[CaseDate] = Process) -> ColumnElement[bool]:
    """Which processes the viewer may read: colleges their own people, employees themselves, money offices money. `row`
    has a process's kind, college and person.

    A substitute reads what the absent person's roles read.
    """
    if sees_all(viewer):
        return true()
    allowed: list[ColumnElement[bool]] = [false()]
    for hat in viewer.hats:
        if hat.has(*SEES_MONEY):
            allowed.append(row.kind.in_(MONEY_KINDS))
        if hat.has("college"):
            allowed.append(row.org_unit.in_(hat.org_units))
        if hat.has("employee") and hat.person_id:
            allowed.append(row.subject == hat.person_id)
    return or_(*allowed)


def does(hat: Viewer) -> ColumnElement[bool]:
    """The groups of tasks that the roles of one hat do: college tasks those of the own colleges."""
    plain = [personal(hat.username), *sorted(r for r in hat.roles if r not in BEHALF_ROLES)]
    allowed: list[ColumnElement[bool]] = [TaskGroup.roles.overlap(plain)]
    if hat.has("college"):
        allowed.append(and_(TaskGroup.roles.contains(["college"]), TaskGroup.org_unit.in_(hat.org_units)))
    return or_(*allowed)


def groups(viewer: Viewer) -> ColumnElement[bool]:
    """The groups of tasks that all hats together do."""
    return or_(*(does(hat) for hat in viewer.hats))


def in_groups(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Tasks of the groups that fit."""
    return Task.group_id.in_(select(TaskGroup.id).where(which))


def about_oneself(viewer: Viewer) -> ColumnElement[bool]:
    """What an employee does without belonging to a group: the tasks about this person."""
    if not viewer.has("employee") or not viewer.person_id:
        return false()
    return and_(Task.roles.contains(["employee"]), Task.subject == viewer.person_id)


def not_excluded(viewer: Viewer) -> ColumnElement[bool]:
    """Four eyes: what the viewer did, or somebody whose substitute the viewer is."""
    return ~Task.excluded.overlap(viewer.names)


def candidate(viewer: Viewer) -> ColumnElement[bool]:
    """Tasks that this viewer's roles, or those of an absent person, may do."""
    return and_(or_(in_groups(groups(viewer)), about_oneself(viewer)), not_excluded(viewer))


def _own(viewer: Viewer) -> list[ColumnElement[bool]]:
    """Tasks in the viewer's hands, or in those of an absent person whose roles may do them; then those lent."""
    held: list[ColumnElement[bool]] = [Task.holder == viewer.username]
    lent: list[ColumnElement[bool]] = [Task.owner == viewer.username]
    for hat in viewer.absent:
        roles = does(hat)
        if hat.has("clerk"):
            roles = or_(roles, TaskGroup.roles.overlap(list(BEHALF_ROLES)))
        theirs = and_(in_groups(roles), not_excluded(viewer))
        held.append(and_(Task.holder == hat.username, theirs))
        lent.append(and_(Task.owner == hat.username, theirs))
    return [*held, *(and_(one, _not(or_(*held))) for one in lent)]


def _not(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Unless it is so; NULL is not."""
    return func.coalesce(condition, False).is_(False)


def openable(viewer: Viewer) -> ColumnElement[bool]:
    """Which tasks the viewer may open. Every view is within it: no list shows what its reader may not open."""
    return or_(process_visible(viewer), _openable_itself(viewer))


def _openable_itself(viewer: Viewer) -> ColumnElement[bool]:
    """Tasks that the viewer may open, whoever may read their cases."""
    ended = [Task.completed_by == viewer.username, Task.completed_for == viewer.username]
    return or_(candidate(viewer), *_own(viewer), *ended)


def started_and_hidden(viewer: Viewer) -> ColumnElement[bool]:
    """Open tasks of cases that the viewer started and may not open any more: of a college that is another's now."""
    cases = select(Process.id).where(Process.started_by == viewer.username, _not(process_visible(viewer)))
    return and_(Task.closed_at.is_(None), Task.process_id.in_(cases), _not(_openable_itself(viewer)))


def copied(viewer: Viewer, *, unread: bool = False) -> ColumnElement[bool]:
    """Tasks copied to the viewer: themselves, or, while they are open, by a copy of their case."""
    mine = Copy.username == viewer.username
    if unread:
        mine = and_(mine, Copy.read_at.is_(None))
    of_case = aliased(Task)
    itself = select(Copy.task_id).where(mine, Copy.task_id.is_not(None))
    by_case = (
        select(of_case.id)
        .join(Copy, Copy.process_id == of_case.process_id)
        .where(mine, Copy.task_id.is_(None), of_case.closed_at.is_(None))
    )
    return Task.id.in_(union(itself, by_case))


@dataclass(frozen=True)
class Part:
    """A part of a view that one index gives in the view's order. `groups`: the tasks of these groups, each group read
    for itself, because no index gives several of them in order. `cases`: the condition speaks of their processes."""

    where: ColumnElement[bool]
    groups: ColumnElement[bool] | None = None
    cases: bool = False

    @property
    def condition(self) -> ColumnElement[bool]:
        return self.where if self.groups is None else and_(self.where, in_groups(self.groups))

    def read(self, *columns: Any) -> "Select[*tuple[Any, ...]]":
        """Columns of tasks, with their processes where these are asked; for whoever adds the condition."""
        return joined(*columns) if self.cases else select(*columns).select_from(Task)


def parts(viewer: Viewer, view: str) -> list[Part]:
    """What makes up one of the inbox's views: the one place that says so, for lists and counts. No two parts share a
    task."""
    is_open = Task.closed_at.is_(None)
    cases = not sees_all(viewer)
    if view == "mine":
        return [Part(and_(is_open, own)) for own in _own(viewer)]
    if view == "group":
        free = and_(is_open, Task.holder.is_(None), not_excluded(viewer))
        own = and_(about_oneself(viewer), _not(in_groups(groups(viewer))))
        return [Part(free, groups(viewer)), Part(and_(free, own))]
    if view == "behalf":
        behalf = and_(is_open, in_groups(behalf_groups(viewer)), not_excluded(viewer), process_visible(viewer))
        return [Part(and_(behalf, _not(about_oneself(viewer))), cases=cases)]
    if view == "done":
        ended = Task.state.in_(bindparam("ended", ("completed", "returned"), expanding=True, literal_execute=True))
        by, through = Task.completed_by == viewer.username, Task.completed_for == viewer.username
        return [Part(and_(ended, by)), Part(and_(ended, through, _not(by)))]
    if view == "started":
        return [Part(and_(is_open, Task.started_by == viewer.username, openable(viewer)), cases=cases)]
    if view == "cc":
        return [Part(and_(copied(viewer), openable(viewer)), cases=cases)]
    return [Part(and_(is_open, process_visible(viewer)), cases=cases)]


def behalf_groups(viewer: Viewer) -> ColumnElement[bool]:
    """The groups whose tasks a clerk does for colleges and employees (代办)."""
    if not any(hat.has("clerk") for hat in viewer.hats):
        return false()
    return and_(TaskGroup.roles.overlap(list(BEHALF_ROLES)), not_(groups(viewer)))


def in_view(viewer: Viewer, view: str) -> ColumnElement[bool]:
    """The condition of one of the inbox's views."""
    return or_(*(part.condition for part in parts(viewer, view)))


def whole(viewer: Viewer, view: str) -> Part:
    """A view in one piece, for whoever looks at all of it in no order."""
    return Part(in_view(viewer, view), cases=any(part.cases for part in parts(viewer, view)))


def filters(query: TaskQuery, now: datetime, said: Said) -> list[ColumnElement[bool]]:
    """`said`: `query.q`, as `words.read` understands it."""
    found = words.of_task(said)
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
        (query.due_week, urgency.due_week(Task, now)),
        (query.unclaimed, urgency.unclaimed(Task, now)),
    ):
        if wanted is not None:
            found.append(condition if wanted else func.coalesce(condition, False).is_(False))
    return found


def joined(*columns: Any) -> "Select[*tuple[Any, ...]]":
    """Columns of tasks and their processes."""
    return select(*columns).select_from(Task).join(Process, Process.id == Task.process_id)


async def page(
    session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime, said: Said | None = None
) -> Page:
    """One page of a view. `said`: what is searched for, where it was looked up before. BadCursor."""
    said = said or await words.read(session, query.q)
    rows = [(t, p) for t, p in await session.execute(page_statement(viewer, query, now, said))]
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    last = rows[-1][0] if more else None
    return Page(rows, make_cursor([getattr(last, name) for name in _order(query.view)]) if last is not None else None)


def _order(view: str) -> tuple[str, ...]:
    return ("closed_at", "id") if view == "done" else URGENCY_ORDER


def page_statement(
    viewer: Viewer, query: TaskQuery, now: datetime, said: Said = NOTHING_SAID
) -> "Select[*tuple[Any, ...]]":
    """Tasks and processes of a page and one more: the head of each part, read in its order, and the head of these."""
    names, limit = _order(query.view), query.limit + 1
    where = [*filters(query, now, said), *_after(query)]
    heads: list[Any] = []
    for part in parts(viewer, query.view):
        head = part.read(*(getattr(Task, name) for name in names)).where(part.where, *where)
        if part.groups is None:
            heads.append(select(_first(head, Task, query.view, limit).subquery()))
            continue
        group = select(TaskGroup.id).where(part.groups).subquery()
        head = select(*(getattr(Task, name) for name in names)).where(Task.group_id == group.c.id, part.where, *where)
        one = _first(head, Task, query.view, limit).lateral()
        heads.append(select(one).select_from(group).join(one, true()))
    found = union_all(*heads).subquery()
    top = _first(select(found), found.c, query.view, limit).subquery()
    chosen = joined(Task, Process).join(top, top.c.id == Task.id).options(*LINE)
    return _first(chosen, top.c, query.view, limit)


def _first(statement: "Select[*tuple[Any, ...]]", columns: Any, view: str, limit: int) -> "Select[*tuple[Any, ...]]":
    order = [getattr(columns, name) for name in _order(view)]
    return statement.order_by(*(c.desc() for c in order) if view == "done" else order).limit(limit)


def _after(query: TaskQuery) -> list[ColumnElement[bool]]:
    """What comes after the cursor, if there is one. BadCursor."""
    if not query.cursor:
        return []
    if query.view == "done":
        closed, task_id = open_cursor(query.cursor, 2)
        return [tuple_(Task.closed_at, Task.id) < (instant_of(closed), task_id)]
    day, rank, instant, case_no, task_id = open_cursor(query.cursor, 5)
    columns = tuple_(*(getattr(Task, name) for name in URGENCY_ORDER))
    return [columns > (_day(day), rank, instant_of(instant), case_no, task_id)]


async def find(
    session: AsyncSession, viewer: Viewer, task_id: str, *, lock: bool = False
) -> tuple[Task, Process] | None:
    """A task that the viewer may see, open or closed; with `lock` its row is locked until the transaction ends."""
    row = (await session.execute(_found(viewer, lock), {"task_id": task_id})).one_or_none()
    return (row[0], row[1]) if row is not None else None


@lru_cache(maxsize=512)
def _found(viewer: Viewer, lock: bool) -> "Select[*tuple[Any, ...]]":
    """The statement of `find`, kept: for one who clicks all day it is made once, which costs more than to run it."""
    statement = joined(Task, Process).where(Task.id == bindparam("task_id"), openable(viewer))
    return statement.with_for_update(of=Task).execution_options(populate_existing=True) if lock else statement


def is_candidate(hat: Viewer, task: Task) -> bool:
    """The same rule as `candidate`, for one row; who is excluded is asked separately."""
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
