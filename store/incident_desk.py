"""What the incident desk shows, and to whom.

Invariant: who may see what is one condition, `visible`; list and count have no other.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.incidents import IncidentQuery
from store.inbox import process_visible
from store.tables.incidents import Incident
from store.tables.processes import Process
from store.users import Viewer


def visible(viewer: Viewer, query: IncidentQuery) -> ColumnElement[bool]:
    """The condition of a list and of its count."""
    found = [process_visible(viewer)]
    if query.state != "all":
        found.append(Incident.closed_at.is_(None) if query.state == "open" else Incident.closed_at.is_not(None))
    for column, wanted in (
        (Incident.kind, query.kind),
        (Incident.step, query.step),
        (Incident.process_id, query.process_id),
        (Process.kind, query.process_kind),
    ):
        if wanted is not None:
            found.append(column == wanted)
    return and_(*found)


async def count(s: AsyncSession, viewer: Viewer, query: IncidentQuery) -> int:
    statement = select(func.count()).select_from(Incident).join(Process, Process.id == Incident.process_id)
    return (await s.scalar(statement.where(visible(viewer, query)))) or 0


async def page(s: AsyncSession, viewer: Viewer, query: IncidentQuery) -> list[tuple[Incident, Process]]:
    """Newest failure first."""
    statement = (
        select(Incident, Process)
        .join(Process, Process.id == Incident.process_id)
        .where(visible(viewer, query))
        .order_by(Incident.last_at.desc(), Incident.id)
        .limit(query.limit)
        .offset((query.page - 1) * query.limit)
    )
    return [(i, p) for i, p in await s.execute(statement)]


async def last_failed(s: AsyncSession, ids: list[str]) -> dict[str, datetime]:
    """When each of those that are still open failed last."""
    statement = select(Incident.id, Incident.last_at).where(Incident.id.in_(ids), Incident.closed_at.is_(None))
    return {row.id: row.last_at for row in await s.execute(statement)}


async def named(s: AsyncSession, viewer: Viewer, ids: list[str]) -> list[tuple[Incident, Process]]:
    """Those of the ids that the viewer sees."""
    statement = select(Incident, Process).join(Process, Process.id == Incident.process_id)
    found = await s.execute(statement.where(Incident.id.in_(ids), process_visible(viewer)))
    return [(i, p) for i, p in found]


async def find(s: AsyncSession, viewer: Viewer, incident: str) -> tuple[Incident, Process] | None:
    statement = select(Incident, Process).join(Process, Process.id == Incident.process_id)
    row = (await s.execute(statement.where(Incident.id == incident, process_visible(viewer)))).one_or_none()
    return (row[0], row[1]) if row is not None else None
