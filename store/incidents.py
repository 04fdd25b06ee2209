"""The rows of the incident desk: opened, decided and ended (`store/incident_desk.py` lists them).

Invariants: each function may run twice; an incident has one row from its opening to its end, and a new fault gets a new
one; a row that has ended is not opened again by a late writer. Nothing here decides anything.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.tasks import OPEN_STATES, TaskSnapshot, TaskState
from store.live import process_changed
from store.tables.incidents import Incident
from store.tables.processes import Process


@dataclass(frozen=True)
class Fault:
    """What went wrong: the type of the error, and a sentence where the error is one of ours."""

    error: str
    message: str | None = None


def incident_id(*parts: str) -> str:
    """Stable for one fault: the same call, the same run, the same task."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:incident/{'/'.join(parts)}"))


async def failing(
    s: AsyncSession,
    incident: str,
    kind: str,
    process_id: str,
    fault: Fault,
    now: datetime,
    *,
    step: str = "",
    activity_id: str = "",
    attempts: int = 1,
    task_id: str | None = None,
    only_new: bool = False,
) -> bool:
    """A fault was seen, for the first time or again; True when it is new. `only_new`: what is known already stays."""
    row = await s.get(Incident, incident, with_for_update=True)
    if row is None:
        values = {
            "id": incident, "kind": kind, "process_id": process_id, "step": step, "activity_id": activity_id,
            "error": fault.error, "message": fault.message, "attempts": attempts, "opened_at": now, "last_at": now,
            "task_id": task_id,
        }  # fmt: skip
        statement = insert(Incident).values(values).on_conflict_do_nothing().returning(Incident.id)
        new = await s.scalar(statement) is not None
        if new:
            await process_changed(s, process_id)
        return new
    if row.closed_at is None and not only_new:
        row.attempts, row.last_at = max(attempts, row.attempts), now
        row.error, row.message = fault.error, fault.message
    return False


async def end(s: AsyncSession, incident: str, ended: str, now: datetime) -> None:
    """The fault is over; nothing where there was none, or it is over already."""
    statement = update(Incident).where(Incident.id == incident, Incident.closed_at.is_(None))
    process_id = await s.scalar(statement.values(closed_at=now, ended=ended).returning(Incident.process_id))
    if process_id is not None:
        await process_changed(s, process_id)


async def given_up(s: AsyncSession, process_id: str, now: datetime) -> None:
    """The case is cancelled or has ended: the machine tries nothing of it any more, from this moment. What people were
    asked to decide ends with its task."""
    of_machine = Incident.kind.in_(("retrying", "stuck"))
    statement = update(Incident).where(Incident.process_id == process_id, of_machine, Incident.closed_at.is_(None))
    await s.execute(statement.values(closed_at=now, ended="gone"))


async def decided(s: AsyncSession, incident: str, way: str, actor: str, reason: str, now: datetime) -> None:
    """A person has said how it goes on; the first word stands."""
    row = await s.get(Incident, incident, with_for_update=True)
    if row is None or row.way is not None:
        return
    row.way, row.decided_by, row.reason, row.ended = way, actor, reason, "decided"
    row.closed_at = row.closed_at or now
    await process_changed(s, row.process_id)


async def of_task(s: AsyncSession, process_id: str, task: TaskSnapshot) -> None:
    """The incident of a decision task, in the transaction that writes the task."""
    data = task.spec.data
    fault = Fault(str(data.get("error", "")), str(data.get("message") or "") or None)
    incident = incident_id("task", task.id)
    await failing(
        s, incident, "failed", process_id, fault, task.opened_at,
        step=str(data.get("step", "")), activity_id=str(data.get("activity_id", "")),
    )  # fmt: skip
    row = await s.get_one(Incident, incident)
    row.task_id = task.id
    await s.flush()
    if task.state is TaskState.COMPLETED and task.result is not None:
        result = task.result
        reason = str(result.data.get("reason") or result.data.get("remark") or "")
        await decided(s, incident, result.outcome, result.actor, reason, result.at)
    elif task.state not in OPEN_STATES:
        await end(s, incident, "gone", task.closed_at or task.opened_at)


async def open_of(s: AsyncSession, kind: str) -> list[Incident]:
    return list(await s.scalars(select(Incident).where(Incident.kind == kind, Incident.closed_at.is_(None))))


async def halt_of(s: AsyncSession, process_id: str) -> str:
    """The id of the case's present halt: one that has ended is followed by the next."""
    ended = select(func.count()).where(
        Incident.kind == "stuck", Incident.process_id == process_id, Incident.closed_at.is_not(None)
    )
    return incident_id("halted", process_id, str(await s.scalar(ended)))


async def again(s: AsyncSession, kind: str, activity_id: str) -> str:
    """The id of what can end and come back: one that has ended is followed by the next."""
    ended = select(func.count()).where(
        Incident.kind == kind, Incident.activity_id == activity_id, Incident.closed_at.is_not(None)
    )
    return incident_id(kind, activity_id, str(await s.scalar(ended)))


async def known_process(s: AsyncSession, process_id: str) -> bool:
    return await s.get(Process, process_id) is not None
