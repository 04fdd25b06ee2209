"""Bills: freezing the open lines of a month, our lines beside the agency's, corrections, payment.

Invariants: a line stands on one bill at most; the same round and kind freeze once; equal means equal to the cent for
every person, month and insurance, on both parts; corrections are lines of their own. Writing lines is in
`store/premium_lines.py`, taking them off a bill in `store/taking_off.py`.
"""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from schemas.calls import FreezeArg, PaymentScope
from schemas.tax_payment import BillComparison, BillKind, BillRef, OpenLines
from store.premium_lines import (
    ZERO,
    add_correction,
    by_month,
    fee_on,
    lock,
    process_now,
    unbilled,
)
from store.premium_lines import (
    lines_of_case as lines_of_case,
)
from store.premium_lines import (
    shanghai_day as shanghai_day,
)
from store.premium_lines import write_lines as write_lines
from store.tables.ledger import AgencyLine, Bill, BillLine, PremiumLine, TakenOff

NOT_BILLED = Text(zh="我方台账无此项", en="not in our lines")


class UnknownBill(LookupError):
    """There is no such bill."""


@dataclass(frozen=True)
class Amounts:
    """Unit and person part, in yuan."""

    unit: Decimal
    person: Decimal


NOTHING = Amounts(ZERO, ZERO)


async def open_lines(session: AsyncSession, scope: PaymentScope) -> OpenLines:
    """How many lines of a month's payment stand on no bill: of that month, and of earlier ones."""
    rows = await session.execute(
        select(PremiumLine.premium_month, func.count())
        .where(*_in_scope(scope), *unbilled())
        .group_by(PremiumLine.premium_month)
    )
    counted = OpenLines()
    for month, count in rows:
        if month < scope.month:
            counted.earlier += count
        else:
            counted.current += count
    return counted


def _in_scope(scope: PaymentScope) -> list[ColumnElement[bool]]:
    return [
        PremiumLine.unit == scope.unit,
        PremiumLine.levy == scope.levy,
        PremiumLine.payment_month == scope.month,
    ]


def bill_id(arg: FreezeArg) -> str:
    """The id of a bill: the same round and kind freeze once."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:bill:{arg.scope.process_id}/{arg.round}/{arg.kind}"))


async def freeze_bill(session: AsyncSession, arg: FreezeArg) -> BillRef:
    """Puts the open lines of this kind on a new bill; called again it gives the same bill.

    `back_payment` takes the months before the scope's, the other kinds the rest.
    """
    await lock(session)
    known = await _bill_of_round(session, arg)
    if known is None:
        known = Bill(
            # A process that ran again after its end counts its rounds anew: its bills are others.
            id=str(uuid.uuid4()) if await session.get(Bill, bill_id(arg)) else bill_id(arg),
            unit=arg.scope.unit,
            levy=arg.scope.levy,
            month=arg.scope.month,
            round=arg.round,
            kind=arg.kind,
            created_at=await process_now(session, arg.scope.process_id),
        )
        session.add(known)
        await session.flush()
        earlier = arg.kind == BillKind.BACK_PAYMENT
        month = PremiumLine.premium_month < arg.scope.month if earlier else PremiumLine.premium_month >= arg.scope.month
        ids = await session.scalars(select(PremiumLine.id).where(*_in_scope(arg.scope), *unbilled(), month))
        session.add_all(BillLine(line_id=line_id, bill_id=known.id) for line_id in list(ids))
        await session.flush()
    return await bill_ref(session, known.id)


async def _bill_of_round(session: AsyncSession, arg: FreezeArg) -> Bill | None:
    """The bill of this round that is not paid yet."""
    return await session.scalar(
        select(Bill).where(
            Bill.unit == arg.scope.unit,
            Bill.levy == arg.scope.levy,
            Bill.month == arg.scope.month,
            Bill.round == arg.round,
            Bill.kind == arg.kind,
            Bill.status == "frozen",
        )
    )


async def get_bill(session: AsyncSession, of_id: str) -> Bill:
    """UnknownBill when there is none."""
    bill = await session.get(Bill, of_id)
    if bill is None:
        raise UnknownBill(of_id)
    return bill


def scope_of(bill: Bill) -> PaymentScope:
    """Unit, levy and month of a bill."""
    return PaymentScope(unit=bill.unit, levy=bill.levy, month=bill.month)


async def scope_of_bill(session: AsyncSession, of_id: str) -> PaymentScope:
    """Unit, levy and month of a bill."""
    return scope_of(await get_bill(session, of_id))


async def lines_of_bill(session: AsyncSession, of_id: str) -> list[PremiumLine]:
    """The lines of a bill, by person, month and insurance, corrections after what they correct."""
    return list(
        await session.scalars(
            select(PremiumLine)
            .join(BillLine, BillLine.line_id == PremiumLine.id)
            .where(BillLine.bill_id == of_id)
            .order_by(
                PremiumLine.person_id, PremiumLine.premium_month, PremiumLine.insurance, PremiumLine.correction
            )
        )
    )  # fmt: skip


async def processes_on_bill(session: AsyncSession, of_id: str) -> list[str]:
    """The cases that have a line on the bill."""
    return sorted({line.process_id for line in await lines_of_bill(session, of_id)})


async def bill_ref(session: AsyncSession, of_id: str) -> BillRef:
    """Totals of a bill, with the late fee estimated for months whose payment day has passed."""
    bill = await get_bill(session, of_id)
    lines = await lines_of_bill(session, of_id)
    today = bill.paid_on or shanghai_day(await _now(session, bill))
    owed = by_month((x.premium_month, x.unit_amount + x.person_amount) for x in lines)
    return BillRef(
        bill_id=of_id,
        kind=bill.kind,
        lines=len(lines),
        persons=len({x.person_id for x in lines}),
        unit_total=str(sum((x.unit_amount for x in lines), ZERO)),
        person_total=str(sum((x.person_amount for x in lines), ZERO)),
        late_fee=str(fee_on(owed, today)[0]),
        sample=any("sample" in x.flags for x in lines),
        taken_off=await session.scalar(select(func.count()).where(TakenOff.bill_id == of_id)) or 0,
    )


async def _now(session: AsyncSession, bill: Bill) -> datetime:
    return await process_now(session, scope_of(bill).process_id)


Key = tuple[str, str, str]
Pairs = dict[Key, tuple[Amounts, Amounts]]


async def beside_agency(session: AsyncSession, of_id: str) -> Pairs:
    """(person, month, insurance) -> our amounts and the agency's; what one side lacks is zero there."""
    ours: dict[Key, Amounts] = {}
    for line in await lines_of_bill(session, of_id):
        key = (line.person_id, line.premium_month, line.insurance)
        before = ours.get(key, NOTHING)
        ours[key] = Amounts(before.unit + line.unit_amount, before.person + line.person_amount)
    theirs = {
        (a.person_id, a.premium_month, a.insurance): Amounts(a.unit_amount, a.person_amount)
        for a in await session.scalars(select(AgencyLine).where(AgencyLine.bill_id == of_id))
    }
    return {k: (ours.get(k, NOTHING), theirs.get(k, NOTHING)) for k in sorted(ours.keys() | theirs.keys())}


async def strangers(session: AsyncSession, of_id: str) -> dict[str, bytes | None]:
    """Who stands on the agency's bill and not on ours, with the encrypted number of those whom we do not know."""
    ours = select(PremiumLine.person_id).join(BillLine, BillLine.line_id == PremiumLine.id)
    rows = await session.execute(
        select(AgencyLine.person_id, AgencyLine.number).where(
            AgencyLine.bill_id == of_id, AgencyLine.person_id.not_in(ours.where(BillLine.bill_id == of_id))
        )
    )
    return {row.person_id: row.number for row in rows}


async def compare_bill(session: AsyncSession, of_id: str) -> BillComparison:
    """Tolerance is zero. `difference` adds up the gaps without their signs, so that two faults never cancel out. Who is
    on the agency's bill alone differs, also with amounts of zero."""
    found, others = await beside_agency(session, of_id), await strangers(session, of_id)
    pairs = found.values()
    differing = [(a, b) for (person, _, _), (a, b) in found.items() if a != b or person in others]
    gap = sum((abs(b.unit - a.unit) + abs(b.person - a.person) for a, b in differing), ZERO)
    return BillComparison(
        bill_id=of_id,
        equal=not differing,
        unit_total=str(sum((a.unit for a, _ in pairs), ZERO)),
        person_total=str(sum((a.person for a, _ in pairs), ZERO)),
        differing_lines=len(differing),
        difference=str(gap),
        correctable=any(a != b and person not in others for (person, _, _), (a, b) in found.items()),
    )


async def adjust_bill(session: AsyncSession, of_id: str, reason: str, actor: str) -> BillComparison:
    """Brings our lines to the agency's bill by lines that name what they correct; nothing on a bill that is paid.

    Someone on the agency's bill who is not on ours stays a difference: that bill is to be cleared with the agency.
    """
    await lock(session)
    bill = await get_bill(session, of_id)
    if bill.status != "frozen":
        return await compare_bill(session, of_id)
    now = await _now(session, bill)
    first: dict[Key, PremiumLine] = {}
    of_person: dict[str, PremiumLine] = {}
    for line in await lines_of_bill(session, of_id):
        first.setdefault((line.person_id, line.premium_month, line.insurance), line)
        of_person.setdefault(line.person_id, line)
    for key, (ours, theirs) in (await beside_agency(session, of_id)).items():
        line = first.get(key) or of_person.get(key[0])
        if ours == theirs or line is None:
            continue
        why = Text(zh=reason, en=reason)
        if key not in first:
            why = Text(zh=f"{NOT_BILLED.zh}；{reason}", en=f"{NOT_BILLED.en}; {reason}")
        added = await add_correction(
            session,
            line,
            theirs.unit - ours.unit,
            theirs.person - ours.person,
            why,
            actor=actor,
            now=now,
            month=key[1],
            insurance=key[2],
        )
        session.add(BillLine(line_id=added.id, bill_id=of_id))
    await session.flush()
    return await compare_bill(session, of_id)


async def record_payment(
    session: AsyncSession,
    of_id: str,
    *,
    paid_on: date,
    certificate_no: str,
    amount: Decimal,
    actor: str,
    document_id: str | None = None,
) -> None:
    """The bill is paid, with one certificate for all its lines; a second call changes nothing."""
    bill = await get_bill(session, of_id)
    if bill.status != "frozen":
        return
    bill.status = "paid"
    bill.paid_on = paid_on
    bill.certificate_no = certificate_no
    bill.certificate_document = document_id or bill.certificate_document
    bill.paid_amount = amount
    bill.paid_by = actor
