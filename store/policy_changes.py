"""Stored changes of the rules: proposing, deciding, numbering, and the texts that one of them would make.

Invariants: a row is changed under its lock; numbers are given under a lock of their own, so that changes are laid on in
one order everywhere; an applied row never changes again. Who may do what is decided in `api/policy.py`.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import policy_changes
from schemas.policy import ChangeState, Impact, PolicyChange, ProposeBody
from store import policies
from store.tables.policy import PolicyChangeRow

OPEN = (ChangeState.PROPOSED.value, ChangeState.APPROVED.value)
_NUMBERING = 7217  # advisory, for the length of the transaction


async def add(
    session: AsyncSession, body: ProposeBody, old: dict[str, object] | None, actor: str, now: datetime
) -> PolicyChangeRow:
    """A new proposal. `old`: what is in force where it goes."""
    row = PolicyChangeRow(
        **body.model_dump(exclude={"kind"}),
        kind=body.kind.value,
        old=old,
        state=ChangeState.PROPOSED.value,
        proposed_by=actor,
        proposed_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def get(session: AsyncSession, change_id: int, *, lock: bool = False) -> PolicyChangeRow | None:
    """One change; with `lock` nobody else decides about it until the transaction ends."""
    statement = select(PolicyChangeRow).where(PolicyChangeRow.id == change_id)
    if lock:
        statement = statement.with_for_update()
    return await session.scalar(statement)


async def listed(session: AsyncSession, state: str | None = None, file: str | None = None) -> list[PolicyChangeRow]:
    """Changes, the newest first; `open` asks for those that wait for somebody."""
    statement = select(PolicyChangeRow).order_by(PolicyChangeRow.id.desc())
    if state == "open":
        statement = statement.where(PolicyChangeRow.state.in_(OPEN))
    elif state:
        statement = statement.where(PolicyChangeRow.state == state)
    if file:
        statement = statement.where(PolicyChangeRow.file == file)
    return list(await session.scalars(statement))


def change_of(row: PolicyChangeRow) -> PolicyChange:
    """What the overlay needs of a row."""
    return policies.change_of(row)


def texts_with(change: PolicyChange) -> Mapping[str, str]:
    """The rules in force with one change more. PolicyError when it cannot be laid on."""
    return policy_changes.overlay(policies.shipped(), [*policies.in_force(), change])


def texts_without(change: PolicyChange) -> Mapping[str, str]:
    """The rules in force with one applied change less. PolicyError when another one needs it."""
    return policy_changes.overlay(policies.shipped(), [c for c in policies.in_force() if c.id != change.id])


def fitting(*more: PolicyChange) -> tuple[Mapping[str, str], list[policy_changes.Misfit]]:
    """The rules in force, and with more changes, as far as changes can be laid on, and what is wrong with the others.
    PolicyError when a file is no text."""
    return policy_changes.fitting(policies.shipped(), [*policies.in_force(), *more])


async def lock_numbers(session: AsyncSession) -> None:
    """One change is applied at a time, and by the rules as they then are."""
    await session.execute(select(func.pg_advisory_xact_lock(_NUMBERING)))
    await policies.refresh(session)


async def number(
    session: AsyncSession,
    row: PolicyChangeRow,
    actor: str,
    now: datetime,
    *,
    version: str,
    case_version: str | None,
    impact: Impact,
) -> None:
    """Applies an approved change: from the commit on it is in force. Call `lock_numbers` before."""
    last = await session.scalar(select(func.coalesce(func.max(PolicyChangeRow.number), 0)))
    row.number = (last or 0) + 1
    row.state = ChangeState.APPLIED.value
    row.applied_by, row.applied_at = actor, now
    row.version, row.case_version = version, case_version
    row.impact = impact.model_dump(mode="json")
    await session.flush()
