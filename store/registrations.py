"""Registrations at the agencies, attempt by attempt. The clear number leaves this module only through `number_of`.

Invariant: an agency's number is one person's, wherever it comes from: `approve`, by which it comes on record, asks. No
index can say so: one person has the number in several rows, of earlier cases and attempts.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.calls import RegistrationArg
from store.sealed import number_hash, seal, unseal
from store.tables.processes import Submission, Task
from store.tables.registrations import Registration


class NumberOfAnother(ValueError):
    """The number is another person's at this agency: on record, or in an answer on its way there."""


UNDECIDED = ("filled", "submitted", "accepted")
_NUMBERS = 7218  # advisory, with the number, for the length of the transaction


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


async def held_by_another(session: AsyncSession, agency: str, number: str, person_id: str) -> bool:
    """Whether a number is another person's at an agency: on record, or in an answer on its way to the record.

    Until its transaction ends nobody else is told of this number: of two at once the second hears of the first.
    """
    wanted = number_hash(number)
    await session.execute(select(func.pg_advisory_xact_lock(_NUMBERS, func.hashtext(f"{agency}|{wanted}"))))
    of_others = (Registration.agency == agency, Registration.person_id != person_id)
    answers = await session.scalars(  # asked first: what comes on record meanwhile is seen by the second question
        select(Submission.body)
        .join(Task, Task.id == Submission.task_id)
        .join(
            Registration,
            and_(
                Registration.process_id == Submission.process_id,
                Registration.agency == Task.authority,
                Registration.attempt == Task.spec["data"]["attempt"].as_integer(),
            ),
        )
        .where(*of_others, Registration.state.in_(UNDECIDED))
        .where(Submission.kind == "registration.result", Submission.outcome == "approved")
        .where(Submission.status != "refused")
    )
    if any(number_hash(str(unseal(body)["number"])) == wanted for body in answers):
        return True
    on_record = select(Registration.id).where(
        *of_others, Registration.number_hash == wanted, Registration.state == "approved"
    )
    return await session.scalar(on_record.limit(1)) is not None


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


async def approve(session: AsyncSession, row: Registration, number: str, at: datetime) -> None:
    """The agency's number wins, whatever stood there; a registration that was undone stays undone. NumberOfAnother."""
    if row.state == "undone":
        return
    if number_of(row) != number:
        if await held_by_another(session, row.agency, number, row.person_id):
            raise NumberOfAnother
        row.number = seal(number)
        row.number_hash = number_hash(number)
    row.state = "approved"
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
