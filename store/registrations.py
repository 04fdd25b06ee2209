"""Registrations at the agencies, attempt by attempt. The clear number leaves this module only through `number_of`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.calls import RegistrationArg
from store.sealed import number_hash, seal, unseal
from store.tables.registrations import Registration


async def get(session: AsyncSession, process_id: str, agency: str, attempt: int) -> Registration | None:
    """The row of one attempt, if there is one."""
    return await session.scalar(
        select(Registration).where(
            Registration.process_id == process_id, Registration.agency == agency, Registration.attempt == attempt
        )
    )


async def ensure(session: AsyncSession, arg: RegistrationArg) -> Registration:
    """The row of this attempt, made when it is new."""
    await session.execute(
        insert(Registration)
        .values(process_id=arg.process_id, person_id=arg.person_id, agency=arg.agency, attempt=arg.attempt)
        .on_conflict_do_nothing()
    )
    row = await get(session, arg.process_id, arg.agency, arg.attempt)
    if row is None:
        raise LookupError(f"{arg.process_id} {arg.agency} {arg.attempt}")
    return row


async def of_case(session: AsyncSession, process_id: str) -> list[Registration]:
    """All attempts of a case, by agency and attempt."""
    rows = await session.scalars(
        select(Registration)
        .where(Registration.process_id == process_id)
        .order_by(Registration.agency, Registration.attempt)
    )
    return list(rows)


async def newest(session: AsyncSession, process_ids: Sequence[str], agency: str) -> dict[str, Registration]:
    """The last attempt of each case at one agency, by case."""
    rows = await session.scalars(
        select(Registration)
        .where(Registration.process_id.in_(process_ids), Registration.agency == agency)
        .order_by(Registration.attempt)
    )
    return {row.process_id: row for row in rows}


async def approved(session: AsyncSession, person_id: str, agency: str) -> Registration | None:
    """The registration in force of a person at an agency."""
    return await session.scalar(
        select(Registration)
        .where(Registration.person_id == person_id, Registration.agency == agency, Registration.state == "approved")
        .order_by(Registration.decided_at.desc())
        .limit(1)
    )


async def by_number(session: AsyncSession, agency: str, number: str) -> Registration | None:
    """The registration in force under an agency's number, however it was typed."""
    return await session.scalar(
        select(Registration)
        .where(
            Registration.agency == agency,
            Registration.number_hash == number_hash(number),
            Registration.state == "approved",
        )
        .order_by(Registration.id.desc())
        .limit(1)
    )


def number_of(row: Registration) -> str | None:
    """The agency's number in clear."""
    return str(unseal(row.number)) if row.number is not None else None


def submitted(row: Registration, receipt_no: str, at: datetime) -> None:
    """A receipt once given stays."""
    if row.receipt_no is None:
        row.receipt_no = receipt_no
        row.submitted_at = at
    if row.state == "filled":
        row.state = "submitted"


def accepted(row: Registration, at: datetime) -> None:
    """The agency took the application in; nothing later is set back."""
    if row.state in ("filled", "submitted"):
        row.state = "accepted"
        row.accepted_at = row.accepted_at or at


def approve(row: Registration, number: str, at: datetime) -> None:
    """The agency's number wins, whatever stood there; a registration that was undone stays undone."""
    if row.state == "undone":
        return
    row.state = "approved"
    if number_of(row) != number:
        row.number = seal(number)
        row.number_hash = number_hash(number)
    row.accepted_at = row.accepted_at or at
    row.decided_at = row.decided_at or at


def refuse(row: Registration, code: str, note: str, at: datetime) -> None:
    """The agency refused, with a code of rejection_reasons.yaml."""
    row.state = "refused"
    row.refused_code = code
    row.refused_note = note or None
    row.decided_at = row.decided_at or at


def undo(row: Registration, at: datetime) -> None:
    """Taken back at the agency."""
    row.state = "undone"
    row.undone_at = row.undone_at or at
