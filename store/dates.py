"""Unmet deadlines of open cases by the day on which they fall due: one page of a period, and how many there are.

Invariants: a page reads its head by the index of `case_dates` and not the cases; counts and pages agree.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.times import at
from schemas.deadlines import Deadline, LegalKind
from store import tallies
from store.inbox import instant_of, make_cursor, open_cursor, process_visible, sees_all
from store.tables.dates import CaseDate
from store.tables.processes import Process
from store.users import Viewer

_ORDER = (CaseDate.due_at, CaseDate.process_id, CaseDate.id)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """The days from the first to the last, both included; of one legal kind or authority where these are given."""

    first: date
    last: date
    kind: LegalKind | None = None
    authority: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        found = [CaseDate.due_at >= at(self.first, "00:00"), CaseDate.due_at < at(self.last + _DAY, "00:00")]
        found += [CaseDate.legal_kind == self.kind.value] if self.kind else []
        return found + ([CaseDate.authority == self.authority] if self.authority else [])


@dataclass(frozen=True)
class Page:
    """Deadlines with their case, and the cursor of the next page."""

    rows: list[tuple[Deadline, Process]]
    next_cursor: str | None


async def page(s: AsyncSession, viewer: Viewer, period: Period, cursor: str | None, limit: int) -> Page:
    """Earliest first. BadCursor."""
    where = [process_visible(viewer, CaseDate), *period.conditions]
    if cursor:
        due_at, process_id, ident = open_cursor(cursor, 3)
        where.append(tuple_(*_ORDER) > (instant_of(due_at), process_id, ident))
    head = select(*_ORDER).where(*where).order_by(*_ORDER).limit(limit + 1).subquery()
    statement = select(head.c.id, Process).join(Process, Process.id == head.c.process_id)
    read = await s.execute(statement.order_by(head.c.due_at, head.c.process_id, head.c.id))
    rows = [(_deadline(process, ident), process) for ident, process in read]
    if len(rows) <= limit:
        return Page(rows, None)
    deadline, process = rows[limit - 1]
    return Page(rows[:limit], make_cursor([deadline.due_at, process.id, deadline.id]))


def _deadline(process: Process, ident: str) -> Deadline:
    return Deadline.model_validate(next(d for d in process.deadlines if d["id"] == ident))


async def counts(s: AsyncSession, viewer: Viewer, period: Period) -> dict[tuple[date, str], int]:
    """How many there are per day and legal kind: sums that are kept, where the viewer sees every case."""
    if sees_all(viewer):
        found = await tallies.dates(s, period.first, period.last, period.authority)
        return {key: n for key, n in found.items() if period.kind is None or key[1] == period.kind.value}
    statement = (
        select(CaseDate.due, CaseDate.legal_kind, func.count())
        .where(process_visible(viewer, CaseDate), *period.conditions)
        .group_by(CaseDate.due, CaseDate.legal_kind)
    )
    return {(due, kind): n for due, kind, n in await s.execute(statement)}


async def by_authority(s: AsyncSession, viewer: Viewer, period: Period) -> dict[str, int]:
    """How many there are per authority: all authorities by one statement."""
    if sees_all(viewer):
        return await tallies.dates_by_authority(s, period.first, period.last)
    counted = select(CaseDate.authority, func.count()).where(process_visible(viewer, CaseDate), *period.conditions)
    return {authority: int(n) for authority, n in await s.execute(counted.group_by(CaseDate.authority))}
