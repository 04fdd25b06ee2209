"""Who may be one person under two document numbers: the same work permit, or the same name, birth and country.

Invariants: numbers and birth are compared by keyed hashes that are kept with the person (`hashes`); only cases that
count are found, a cancelled one is none. Must not be done here: decide whether it is one person, which a clerk does.
"""

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.names_alike import name_key
from schemas.enrolment import KIND, ForeignHire
from schemas.process import ProcessState
from store.sealed import number_hash
from store.tables.people import Person
from store.tables.processes import Process

BEFORE_HAND_IN = {"materials", "verification"}  # no agency has been told a document number yet


@dataclass(frozen=True)
class AlikeCase:
    """A case of somebody who may be the same person. `early`: no agency knows of it yet."""

    process_id: str
    case_no: str
    person_id: str
    org_unit: str | None
    open: bool
    early: bool
    same_permit: bool
    same_who: bool


def hashes(*, name: str, birth: str, country: str, work_permit_no: str) -> dict[str, str]:
    """What is kept with a person; `birth` as an ISO day."""
    return {
        "permit_hash": number_hash(work_permit_no),
        "who_hash": number_hash(f"{name_key(name)}|{birth}|{country}"),
    }


def hashes_of(hire: ForeignHire) -> dict[str, str]:
    return hashes(
        name=hire.name, birth=hire.birth.isoformat(), country=hire.country, work_permit_no=hire.work_permit_no
    )


async def cases(session: AsyncSession, hire: ForeignHire, *, besides: str | None = None) -> list[AlikeCase]:
    """Enrolments of other persons on record who may be this one; open ones first, then the newest.

    Args:
        besides: a person who is known to be this one.
    """
    kept = hashes_of(hire)
    rows = await session.execute(
        select(Person, Process)
        .join(Process, Process.subject == Person.id)
        .where(
            or_(Person.permit_hash == kept["permit_hash"], Person.who_hash == kept["who_hash"]),
            Person.id_hash != number_hash(hire.id_number),
            Person.id != (besides or ""),
            Process.kind == KIND,
            Process.state != ProcessState.CANCELLED.value,
        )
        .order_by(Process.closed_at.desc().nulls_first(), Process.started_at.desc(), Process.id)
    )
    return [
        AlikeCase(
            process_id=process.id,
            case_no=process.case_no,
            person_id=person.id,
            org_unit=process.org_unit,
            open=process.closed_at is None,
            early=process.closed_at is None and set(process.active_stages) <= BEFORE_HAND_IN,
            same_permit=person.permit_hash == kept["permit_hash"],
            same_who=person.who_hash == kept["who_hash"],
        )
        for person, process in rows
    ]
