"""What was promised and is not taken by its case yet: answers to tasks, starts, and orders to take over rules.

Each is a row of a table of ours before Temporal is asked, and that table says how it stands. Invariants: this is the
only place that knows the three; what was never sent because its turn has not come (thousands of orders go out in
batches) is not untaken; a start is taken when the case has written its first row, not when the engine keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.incidents import ORDER, START
from store.tables.incidents import Incident
from store.tables.policy import PolicyOrder
from store.tables.processes import Process, ProcessStartRow, Submission

KIND = "untaken"  # of an incident; its `step` is START, ORDER, or the kind of the answered task
PENDING = "pending"
_NOT_BEGUN = and_(Process.revision == 0, Process.closed_at.is_(None))
_ENDED = {"done": "taken", "refused": "refused", "failed": "refused", "gone": "gone"}  # of answers and orders


@dataclass(frozen=True)
class Untaken:
    """`id`: of the answer, the order, or the case that is to start. `step`: as in its incident."""

    id: str
    step: str
    process_id: str
    since: datetime
    task_id: str | None = None


async def waiting(s: AsyncSession, older_than: timedelta, *, real_now: datetime, office_now: datetime) -> list[Untaken]:
    """What waits for longer than it should. Orders are written by the office's clock, all else by the machine's."""
    before = real_now - older_than
    answers = await s.execute(
        select(Submission.id, Submission.kind, Submission.process_id, Submission.created_at, Submission.task_id).where(
            Submission.status == PENDING, Submission.created_at < before
        )
    )
    orders = await s.execute(
        select(PolicyOrder.id, PolicyOrder.process_id, PolicyOrder.created_at).where(
            PolicyOrder.state == PENDING, PolicyOrder.attempts > 0, PolicyOrder.created_at < office_now - older_than
        )
    )
    found = [Untaken(*row) for row in answers]
    found += [
        Untaken(start.process_id, START, start.process_id, start.created_at) for start in await _starts(s, before)
    ]
    found += [Untaken(str(row.id), ORDER, row.process_id, row.created_at) for row in orders]
    return found


async def _starts(s: AsyncSession, before: datetime) -> list[ProcessStartRow]:
    """Those that the engine does not confirm, and those that it keeps and no worker takes up."""
    unsent = select(ProcessStartRow).where(ProcessStartRow.state == PENDING, ProcessStartRow.attempts > 0)
    unbegun = select(ProcessStartRow).join(Process, Process.id == ProcessStartRow.process_id).where(_NOT_BEGUN)
    found = list(await s.scalars(unsent.where(ProcessStartRow.created_at < before)))
    known = {row.process_id for row in found}
    also = await s.scalars(unbegun.where(ProcessStartRow.state != PENDING, ProcessStartRow.created_at < before))
    return found + [row for row in also if row.process_id not in known]


@dataclass(frozen=True)
class Stand:
    """How it stands with what an incident is about: `ended` as the incident would, None while it waits."""

    ended: str | None
    actor: str


async def stands(s: AsyncSession, rows: Sequence[Incident]) -> dict[str, Stand]:
    """Of each of these incidents, by its id; nothing of one whose cause is no row any more."""
    rows = [row for row in rows if row.kind == KIND]
    found = await _stands_of(s, rows)
    return {row.id: found[row.step, row.activity_id] for row in rows if (row.step, row.activity_id) in found}


async def _stands_of(s: AsyncSession, rows: Sequence[Incident]) -> dict[tuple[str, str], Stand]:
    starts = [row.activity_id for row in rows if row.step == START]
    orders = [int(row.activity_id) for row in rows if row.step == ORDER]
    answers = [row.activity_id for row in rows if row.step not in (START, ORDER)]
    found = dict[tuple[str, str], Stand]()
    if answers:
        columns = select(Submission.id, Submission.kind, Submission.status, Submission.actor)
        for id_, kind, status, actor in await s.execute(columns.where(Submission.id.in_(answers))):
            found[kind, id_] = Stand(_ENDED.get(status), actor)
    if orders:
        columns = select(PolicyOrder.id, PolicyOrder.state, PolicyOrder.actor)
        for id_, state, actor in await s.execute(columns.where(PolicyOrder.id.in_(orders))):
            found[ORDER, str(id_)] = Stand(_ENDED.get(state), actor)
    if starts:
        unbegun = or_(ProcessStartRow.state == PENDING, _NOT_BEGUN)
        columns = select(Process.id, unbegun, ProcessStartRow.started_by).join(
            Process, ProcessStartRow.process_id == Process.id
        )
        for id_, waits, actor in await s.execute(columns.where(Process.id.in_(starts))):
            found[START, id_] = Stand(None if waits else "taken", actor)
    return found
