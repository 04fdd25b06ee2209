"""移出本次缴费: taking people off a frozen bill that is not paid yet.

Invariants: only a bill that nobody has paid loses lines; a line that is taken off stays in the ledger as it was, and
`taken_off` says from which bill, by whom and why; the line of a cancelled case is reversed in the same transaction, any
other waits for a later bill of its month's payment; what the agency said about the list as it was counts no more. A
bill that nobody is left on is void. Each function may be called twice with the same effect as once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.tax_payment import BillRef
from store import ledger
from store.premium_lines import ZERO, being_cancelled, lock, process_now, reverse, taken_back
from store.tables.ledger import AgencyLine, Bill, BillLine, PremiumLine, TakenOff
from store.tables.processes import Process

_OF_CANCELLED_CASE = exists().where(Process.id == PremiumLine.process_id, being_cancelled())


@dataclass
class PersonTakenOff:
    """One person who stood on a bill. `cancelled`: what was due is reversed, and not for a later bill."""

    person_id: str
    amount: Decimal
    reason: str | None
    taken_by: str
    cancelled: bool


def is_open(bill: Bill) -> bool:
    """Whether people can leave it: not paid, and no payment under way that has its certificate already."""
    return bill.status == "frozen" and bill.certificate_no is None


async def leavers(session: AsyncSession, bill_id: str) -> list[str]:
    """Who stands on the bill although the case was cancelled."""
    rows = await session.scalars(
        select(PremiumLine.person_id)
        .join(BillLine, BillLine.line_id == PremiumLine.id)
        .where(BillLine.bill_id == bill_id, _OF_CANCELLED_CASE)
        .distinct()
        .order_by(PremiumLine.person_id)
    )
    return list(rows)


async def take_off_leavers(session: AsyncSession, bill_id: str) -> BillRef:
    """Takes off the lines of every cancelled case; the bill as it then stands."""
    return await _take_off(session, bill_id, None, None, "system")


async def take_off(session: AsyncSession, bill_id: str, persons: Collection[str], reason: str, actor: str) -> BillRef:
    """Takes off all lines of these persons; the bill as it then stands."""
    return await _take_off(session, bill_id, persons, reason, actor)


async def _take_off(
    session: AsyncSession, bill_id: str, persons: Collection[str] | None, reason: str | None, actor: str
) -> BillRef:
    await lock(session)
    bill = await ledger.get_bill(session, bill_id)
    if not is_open(bill):
        return await ledger.bill_ref(session, bill_id)
    whose = _OF_CANCELLED_CASE if persons is None else PremiumLine.person_id.in_(persons)
    lines = list(
        await session.scalars(
            select(PremiumLine)
            .join(BillLine, BillLine.line_id == PremiumLine.id)
            .where(BillLine.bill_id == bill_id, whose)
            .order_by(PremiumLine.id)
        )
    )
    if not lines:
        return await ledger.bill_ref(session, bill_id)
    ids = [line.id for line in lines]
    now = await process_now(session, ledger.scope_of(bill).process_id)
    gone = set(await session.scalars(select(PremiumLine.id).where(PremiumLine.id.in_(ids), _OF_CANCELLED_CASE)))
    await session.execute(delete(BillLine).where(BillLine.line_id.in_(ids)))
    for line in lines:
        session.add(TakenOff(line_id=line.id, bill_id=bill_id, reason=reason, taken_by=actor, taken_at=now))
        if line.id in gone:
            await reverse(session, line, now)
    await session.execute(delete(AgencyLine).where(AgencyLine.bill_id == bill_id))
    bill.agency_total = None
    await session.flush()
    ref = await ledger.bill_ref(session, bill_id)
    if ref.lines == 0:
        bill.status = "void"
    else:
        bill.agency_bill_no = None  # a void bill keeps it: it is to be cancelled at the tax office
    return ref


async def taken_off(session: AsyncSession, bill_id: str) -> list[PersonTakenOff]:
    """Who was taken off the bill, in this order, with what was due for them there."""
    rows = await session.execute(
        select(PremiumLine, TakenOff, taken_back())
        .join(TakenOff, TakenOff.line_id == PremiumLine.id)
        .where(TakenOff.bill_id == bill_id)
        .order_by(TakenOff.taken_at, PremiumLine.id)
    )
    found: dict[str, PersonTakenOff] = {}
    for line, off, reversed_line in rows:
        one = found.setdefault(
            line.person_id, PersonTakenOff(line.person_id, ZERO, off.reason, off.taken_by, reversed_line)
        )
        one.amount += line.unit_amount + line.person_amount
    return list(found.values())
