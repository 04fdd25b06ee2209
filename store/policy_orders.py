"""Orders to running cases to take over rules: written with the change, sent by a chore, done once.

Invariants: an order is a row before Temporal is asked, so a crash delays it and loses none; a case has one pending
order of a scope; which cases a published year concerns is found from their own provisional deadlines, whether the year
came by a change or with new files, and a case is told once a version of the rules.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.policy_impact import OpenDeadline, finalised_by
from runtime.logging import logger
from schemas.base import Text
from schemas.deadlines import PolicySnapshot
from store import policy_impact
from store.tables.policy import PolicyOrder
from store.tables.processes import Process

PENDING, DONE, GONE, FAILED = "pending", "done", "gone", "failed"
CALENDAR, ALL = "calendar", "all"
MAX_ERROR = 300
log = logger(__name__)
PUBLISHED = Text(zh="放假安排已公布", en="the year's holidays are published")


async def add(
    session: AsyncSession,
    process_ids: Sequence[str],
    scope: str,
    reason: Text,
    *,
    version: str,
    actor: str,
    now: datetime,
    change_id: int | None = None,
) -> list[str]:
    """Orders to these cases; one that has such an order pending keeps it. Gives the cases with a new one."""
    if not process_ids:
        return []
    values = {
        "scope": scope,
        "change_id": change_id,
        "version": version,
        "reason_zh": reason.zh,
        "reason_en": reason.en,
        "actor": actor,
        "state": PENDING,
        "attempts": 0,
        "created_at": now,
    }
    statement = insert(PolicyOrder).values([{**values, "process_id": p} for p in process_ids])
    made = await session.scalars(statement.on_conflict_do_nothing().returning(PolicyOrder.process_id))
    return list(made)


async def order_published(
    session: AsyncSession,
    snapshot: PolicySnapshot,
    now: datetime,
    *,
    reason: Text = PUBLISHED,
    actor: str = "system",
    change_id: int | None = None,
) -> int:
    """Tells every open case with a provisional deadline that `snapshot` makes final or moves; gives how many."""
    told = exists().where(PolicyOrder.process_id == Process.id, PolicyOrder.version == snapshot.version)
    behind = await session.scalars(
        select(Process.id).where(Process.closed_at.is_(None), Process.policy_version != snapshot.version, ~told)
    )
    cases_behind = list(behind)
    if not cases_behind:
        return 0
    found = await policy_impact.open_deadlines(session, cases_behind, provisional=True)
    cases = list(dict.fromkeys(item.process_id for item in found if _finalised(item, snapshot)))
    made = await add(
        session, cases, CALENDAR, reason, version=snapshot.version, actor=actor, now=now, change_id=change_id
    )
    return len(made)


def _finalised(item: OpenDeadline, snapshot: PolicySnapshot) -> bool:
    """One date that cannot be counted by the rules in force keeps no other case from being told."""
    try:
        return bool(finalised_by([item], snapshot))
    except Exception:
        log.exception("date_not_counted", process=item.process_id, deadline=item.deadline.id)
        return False


async def pending(session: AsyncSession, limit: int) -> list[PolicyOrder]:
    """The next orders to send: those tried least often first, so that a case that does not answer holds up nobody."""
    rows = await session.scalars(
        select(PolicyOrder)
        .where(PolicyOrder.state == PENDING)
        .order_by(PolicyOrder.attempts, PolicyOrder.id)
        .limit(limit)
    )
    return list(rows)


async def mark(
    session: AsyncSession, order_id: int, state: str, now: datetime, *, moved: int | None = None, error: str = ""
) -> None:
    """What became of an attempt; `pending` when nothing is known."""
    await session.execute(
        update(PolicyOrder)
        .where(PolicyOrder.id == order_id, PolicyOrder.state == PENDING)
        .values(
            state=state,
            attempts=PolicyOrder.attempts + 1,
            moved=moved,
            error=error[:MAX_ERROR] or None,
            done_at=None if state == PENDING else now,
        )
    )


async def behind(session: AsyncSession, version: str) -> list[Process]:
    """Open cases that work by other rules than those of `version`, the oldest first."""
    rows = await session.scalars(
        select(Process)
        .where(Process.closed_at.is_(None), Process.policy_version.not_in(("", version)))
        .order_by(Process.started_at, Process.id)
    )
    return list(rows)


async def last_states(session: AsyncSession, process_ids: Sequence[str]) -> dict[str, str]:
    """The state of each case's last order to take over everything, of those that had one."""
    rows = await session.execute(
        select(PolicyOrder.process_id, PolicyOrder.state)
        .where(PolicyOrder.process_id.in_(process_ids), PolicyOrder.scope == ALL)
        .order_by(PolicyOrder.id)
    )
    return {str(row[0]): str(row[1]) for row in rows}  # the last one wins


async def newest(session: AsyncSession, limit: int) -> list[tuple[PolicyOrder, str]]:
    """The last orders that people gave, with the number of each case."""
    rows = await session.execute(
        select(PolicyOrder, Process.case_no)
        .join(Process, Process.id == PolicyOrder.process_id)
        .where(PolicyOrder.scope == ALL)
        .order_by(PolicyOrder.id.desc())
        .limit(limit)
    )
    return [(order, case_no) for order, case_no in rows]


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many orders are in which state."""
    rows = await session.execute(select(PolicyOrder.state, func.count()).group_by(PolicyOrder.state))
    return {str(row[0]): int(row[1]) for row in rows}


async def open_by_version(session: AsyncSession) -> dict[str, int]:
    """How many open cases work by which version of the rules."""
    rows = await session.execute(
        select(Process.policy_version, func.count())
        .where(Process.closed_at.is_(None), Process.policy_version != "")
        .group_by(Process.policy_version)
    )
    return {str(row[0]): int(row[1]) for row in rows}


async def cases_of(session: AsyncSession, version: str, limit: int) -> list[tuple[str, str]]:
    """The open cases that work by a version: id and number, the oldest first."""
    rows = await session.execute(
        select(Process.id, Process.case_no)
        .where(Process.closed_at.is_(None), Process.policy_version == version)
        .order_by(Process.started_at, Process.id)
        .limit(limit)
    )
    return [(a, b) for a, b in rows]


async def of_change(session: AsyncSession, change_id: int, limit: int) -> list[tuple[PolicyOrder, str]]:
    """The orders that a change gave, with the number of each case."""
    rows = await session.execute(
        select(PolicyOrder, Process.case_no)
        .join(Process, Process.id == PolicyOrder.process_id)
        .where(PolicyOrder.change_id == change_id)
        .order_by(PolicyOrder.id)
        .limit(limit)
    )
    return [(a, b) for a, b in rows]
