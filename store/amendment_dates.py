"""Which deadlines an amendment moves, from which day to which: what the second person reads before saying yes.

Invariants: the fields and dates are those by which the processes count (`recounted` of their workflows); a date counts
from its own basis and by the calendars in force; one that a decision has set does not move. Nothing is written.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from domain.recount import MONTH_LENGTH, recounted
from schemas.base import Text
from schemas.deadlines import Deadline
from store import policies, registrations
from store.amendments import values_of
from store.tables.amendments import Amendment
from store.tables.processes import Process

_WHY = Text(zh="更正", en="an amendment")


@dataclass(frozen=True)
class Moved:
    """A deadline with the day on which it is due now, and by the new value."""

    title: Text
    old: date
    new: date


async def moved(session: AsyncSession, row: Amendment) -> list[Moved]:
    """The deadlines that confirming moves, earliest first."""
    to = values_of(row).new
    found: list[Moved] = []
    for deadline in await _counting(session, row):
        basis = deadline.basis
        if basis is None:
            continue
        anchor = to[:MONTH_LENGTH] if len(basis.anchor) == MONTH_LENGTH else to
        by_new = deadline.model_copy(update={"basis": basis.model_copy(update={"anchor": anchor}), "met_at": None})
        due = recounted(by_new, policies.snapshot(), rules=False, why=_WHY).due
        if due != deadline.due:
            found.append(Moved(deadline.title, deadline.due, due))
    return sorted(found, key=lambda m: (m.old, m.title.zh))


async def _counting(session: AsyncSession, row: Amendment) -> list[Deadline]:
    """The deadlines of a running process that are counted from the amended value."""
    of_voucher = row.field == "payment.paid_on"
    process = await session.get(Process, f"reimbursement-{row.of}" if of_voucher else row.process_id)
    if process is None or process.closed_at is not None:
        return []
    deadlines = [Deadline.model_validate(d) for d in process.deadlines]
    if row.field == "hire.permit_issued":
        return [d for d in deadlines if d.id.partition("@")[0] == "DL-REG-FOR"]
    if of_voucher:
        return [d for d in deadlines if d.basis and d.basis.rule == "DL-REIMB" and d.met_at is None]
    if row.field not in ("registration.handed_in_on", "registration.accepted_on"):
        return []
    agency, _, attempt = row.of.partition("/")
    known = await registrations.get(session, row.process_id, agency, int(attempt))
    accepted = known is not None and known.accepted_at is not None
    counts = "registration.accepted_on" if accepted else "registration.handed_in_on"
    return [d for d in deadlines if row.field == counts and d.id == f"DL-AGENCY-NORM@{row.of}"]
