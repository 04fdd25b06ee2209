"""What taking the rules in force over would change of running enrolments beside their deadlines: the insurances paid,
and what an agreement lets the person leave out.

Reads only. Invariants: what the case will do is said, by the functions that it uses itself: what an agency has been
told stays, and what a person has confirmed to be exempt stays. What is the same is not listed.
"""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.exemptions import TreatyTable, propose
from schemas.enrolment import Certificate, ExemptionProposal, HireKind
from schemas.policy import ChangedCase
from store import case_rules
from store.tables.people import Hire
from store.tables.processes import Process
from store.tables.registrations import Registration


async def by_taking_over(session: AsyncSession, cases: Sequence[Process], today: date) -> list[ChangedCase]:
    """The cases of which something changes, in the order given."""
    ids = [case.id for case in cases]
    hires = await session.scalars(select(Hire).where(Hire.process_id.in_(ids), Hire.valid))
    hire_of = {hire.process_id: hire for hire in hires}
    told = await _told(session, ids)
    in_force = await case_rules.of_version(session, "")
    found: list[ChangedCase] = []
    for case in cases:
        hire = hire_of.get(case.id)
        if hire is None or case.id in told:
            continue
        own = await case_rules.of_version(session, case.policy_version)
        paid = [r.insurances(hire.category, hire.exempt) for r in (own, in_force)]
        before, after = (_proposal(hire, r.treaties, today) if hire.exempt is None else None for r in (own, in_force))
        if paid[0] != paid[1] or before != after:
            same = before == after
            found.append(
                ChangedCase(
                    process_id=case.id,
                    case_no=case.case_no,
                    old_insurances=paid[0],
                    new_insurances=paid[1],
                    old_exemption=None if before is None or same else before.text,
                    new_exemption=None if after is None or same else after.text,
                )
            )
    return found


async def _told(session: AsyncSession, process_ids: Collection[str]) -> set[str]:
    """The cases of which an agency has an application."""
    rows = await session.scalars(
        select(Registration.process_id).where(
            Registration.process_id.in_(process_ids),
            Registration.submitted_at.is_not(None),
            Registration.state != "undone",
        )
    )
    return set(rows)


def _proposal(hire: Hire, treaties: TreatyTable, today: date) -> ExemptionProposal:
    return propose(
        hire.country,
        HireKind(hire.hire_kind),
        Certificate(hire.certificate),
        hire.permit_issued,
        hire.contract_start,
        today,
        treaties,
    )
