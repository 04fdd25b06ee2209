"""The premium ledger: lines, what stands on no bill yet, bills, and our lines beside the agency's.

Invariants: lines are only added; every function may be called twice with the same effect as once; amounts are
`Decimal`, yuan with two places; which months and which base is decided here from the case's record, never by a caller.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

import policies
from domain import contributions, late_fee, tables
from domain.deadlines import compute
from domain.times import day_of, month_of, months_between
from runtime import clock
from schemas.calls import FreezeArg, LateFee, LateFeeArg, PaymentScope
from schemas.enrolment import CaseBooks, LineRequest
from schemas.tax_payment import BillComparison, BillKind, BillRef, OpenLines
from store import people
from store import policies as rules
from store.tables.ledger import AgencyLine, Bill, BillLine, PremiumLine
from store.tables.processes import Process

UNIT = "school"
SCHEME = "enterprise"  # 城镇企业职工: every foreign member of staff (Order 16 art. 3)
ZERO = Decimal("0.00")


class UnknownBill(LookupError):
    """There is no such bill."""


@dataclass(frozen=True)
class Amounts:
    """Unit and person part, in yuan."""

    unit: Decimal
    person: Decimal


async def process_now(session: AsyncSession, process_id: str) -> datetime:
    """The process's own time: the installation's, plus what the demo moved this process."""
    process = await session.get(Process, process_id)
    return clock.now() + timedelta(seconds=process.clock_offset_seconds if process else 0)


def shanghai_day(instant: datetime) -> date:
    return day_of(instant)


# --- writing lines ----------------------------------------------------------------------------------------------------


async def premiums(
    session: AsyncSession, process_id: str, levy: str, payment_month: str, insurances: Sequence[str] | None = None
) -> list[contributions.PremiumAmount]:
    """What is due for a levy from the contract's month to `payment_month`, each month by its own limits and rates."""
    hire = await people.hire_of(session, process_id)
    row = await people.hire_row(session, process_id)
    data = tables.contribution_tables(policies.read_all())
    _, groups = tables.category_insurances(policies.read_all())[row.category]
    wanted = insurances if insurances is not None else (row.insurances or groups)
    of_levy = data.of_levy(wanted, levy)
    known_on = shanghai_day(await process_now(session, process_id))
    found: list[contributions.PremiumAmount] = []
    if of_levy:
        for month in months_between(min(month_of(hire.contract_start), payment_month), payment_month):
            found += contributions.premium(hire.monthly_wage, month, of_levy, SCHEME, known_on, data)
    return found


async def write_lines(session: AsyncSession, request: LineRequest) -> None:
    """Adds the lines of a levy that are not there yet."""
    row = await people.hire_row(session, request.process_id)
    now = await process_now(session, request.process_id)
    for amount in await premiums(session, request.process_id, request.levy, request.payment_month, request.insurances):
        flags = [*amount.flags, *(["not_same_month"] if request.not_same_month else [])]
        explanation = amount.explain()
        await session.execute(
            insert(PremiumLine)
            .values(
                process_id=request.process_id,
                person_id=request.person_id,
                unit=UNIT,
                levy=request.levy,
                premium_month=amount.month,
                payment_month=request.payment_month,
                insurance=amount.insurance,
                base=amount.base,
                unit_rate=amount.unit_rate,
                person_rate=amount.person_rate,
                unit_amount=amount.unit_amount,
                person_amount=amount.person_amount,
                org_unit=row.org_unit,
                flags=flags,
                explanation_zh=explanation.zh,
                explanation_en=explanation.en,
                source=amount.rate_source,
                created_by="system",
                created_at=now,
            )
            .on_conflict_do_nothing()
        )


def _unbilled() -> list[ColumnElement[bool]]:
    """A line that stands on no bill, reverses nothing and is not reversed."""
    reversal = aliased(PremiumLine)
    return [
        ~exists().where(BillLine.line_id == PremiumLine.id),
        ~PremiumLine.voids,
        ~exists().where(reversal.corrects == PremiumLine.id, reversal.voids),
    ]


async def reverse_lines(session: AsyncSession, process_id: str) -> None:
    """Takes back what stands on no bill: a line with the opposite amounts that names the first."""
    lines = await session.scalars(
        select(PremiumLine).where(PremiumLine.process_id == process_id, *_unbilled()).order_by(PremiumLine.id)
    )
    now = await process_now(session, process_id)
    for line in list(lines):
        await _add_correction(
            session, line, -line.unit_amount, -line.person_amount, "case cancelled", "system", now, voids=True
        )


async def _add_correction(
    session: AsyncSession,
    line: PremiumLine,
    unit: Decimal,
    person: Decimal,
    reason: str,
    actor: str,
    now: datetime,
    *,
    voids: bool = False,
) -> PremiumLine:
    last = await session.scalar(
        select(func.max(PremiumLine.correction)).where(
            PremiumLine.process_id == line.process_id,
            PremiumLine.levy == line.levy,
            PremiumLine.premium_month == line.premium_month,
            PremiumLine.insurance == line.insurance,
        )
    )
    added = PremiumLine(
        **{
            c: getattr(line, c)
            for c in (
                "process_id", "person_id", "unit", "levy", "premium_month", "payment_month", "insurance", "base",
                "unit_rate", "person_rate", "org_unit", "flags", "source",
            )
        },
        correction=(last or 0) + 1,
        corrects=line.id,
        voids=voids,
        unit_amount=unit,
        person_amount=person,
        explanation_zh=f"更正第 {line.id} 行：{reason}",
        explanation_en=f"Corrects line {line.id}: {reason}",
        reason=reason,
        created_by=actor,
        created_at=now,
    )  # fmt: skip
    session.add(added)
    await session.flush()
    return added


# --- what a case and a month ask --------------------------------------------------------------------------------------


async def case_books(session: AsyncSession, process_id: str) -> CaseBooks:
    """Where the money of one case stands."""
    reversal = aliased(PremiumLine)
    rows = await session.execute(
        select(PremiumLine.levy, Bill.id, Bill.status, func.count())
        .select_from(PremiumLine)
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .outerjoin(Bill, Bill.id == BillLine.bill_id)
        .where(
            PremiumLine.process_id == process_id,
            ~PremiumLine.voids,
            ~exists().where(reversal.corrects == PremiumLine.id, reversal.voids),
        )
        .group_by(PremiumLine.levy, Bill.id, Bill.status)
    )
    books = CaseBooks()
    unsettled: set[str] = set()
    for levy, bill_id, status, count in rows:
        books.written[levy] = books.written.get(levy, 0) + count
        if status not in ("paid", "settled"):
            books.unpaid[levy] = books.unpaid.get(levy, 0) + count
        if status == "paid":
            unsettled.add(bill_id)
        books.frozen = books.frozen or bill_id is not None
    books.unsettled = sorted(unsettled)
    return books


async def open_lines(session: AsyncSession, scope: PaymentScope) -> OpenLines:
    """How many lines of a month's payment stand on no bill: of that month, and of earlier ones."""
    rows = await session.execute(
        select(PremiumLine.premium_month, func.count())
        .where(*_in_scope(scope), *_unbilled())
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


def payment_day(month: str) -> date:
    """The legal payment day of a month (DL-PAY-OTHER)."""
    snapshot = rules.snapshot()
    return compute(snapshot.rule("DL-PAY-OTHER"), month, snapshot, remaining_steps=[]).due


async def late_fee_estimate(session: AsyncSession, arg: LateFeeArg) -> LateFee:
    """What paying on `paid_on` would cost, each month from its own payment day (Social Insurance Law art. 86)."""
    rates = tables.late_fee_rates(policies.read_all())
    total, days = ZERO, 0
    arrears: dict[str, Decimal] = {}
    for amount in await premiums(session, arg.process_id, arg.levy, arg.payment_month):
        arrears[amount.month] = arrears.get(amount.month, ZERO) + amount.unit_amount + amount.person_amount
    for month, owed in sorted(arrears.items()):
        estimate = late_fee.estimate(owed, payment_day(month), arg.paid_on, rates)
        total += estimate.amount
        days = max(days, estimate.days)
    return LateFee(amount=str(total), days=days)


# --- bills ------------------------------------------------------------------------------------------------------------


def bill_id(arg: FreezeArg) -> str:
    """The id of a bill: the same round and kind freeze once."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:bill:{arg.scope.process_id}/{arg.round}/{arg.kind}"))


async def freeze_bill(session: AsyncSession, arg: FreezeArg) -> BillRef:
    """Puts the open lines of this kind on a new bill; called again it gives the same bill."""
    known = await _bill_of_round(session, arg)
    if known is None:
        known = Bill(
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
        ids = await session.scalars(
            select(PremiumLine.id).where(*_in_scope(arg.scope), *_unbilled(), month).with_for_update()
        )
        for line_id in list(ids):
            await session.execute(insert(BillLine).values(line_id=line_id, bill_id=known.id))
    return await bill_ref(session, known.id)


async def _bill_of_round(session: AsyncSession, arg: FreezeArg) -> Bill | None:
    """The bill of this round that is not paid yet (a process that ran again counts its rounds anew)."""
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
    bill = await session.get(Bill, of_id)
    if bill is None:
        raise UnknownBill(of_id)
    return bill


async def scope_of_bill(session: AsyncSession, of_id: str) -> PaymentScope:
    bill = await get_bill(session, of_id)
    return PaymentScope(unit=bill.unit, levy=bill.levy, month=bill.month)


def _lines(of_id: str) -> Select[Any]:
    return select(PremiumLine).join(BillLine, BillLine.line_id == PremiumLine.id).where(BillLine.bill_id == of_id)


async def lines_of_bill(session: AsyncSession, of_id: str) -> list[PremiumLine]:
    """The lines of a bill, by person, month and insurance, corrections after what they correct."""
    ordered = _lines(of_id).order_by(
        PremiumLine.person_id, PremiumLine.premium_month, PremiumLine.insurance, PremiumLine.correction
    )
    return list(await session.scalars(ordered))


async def lines_of_case(session: AsyncSession, process_id: str) -> list[PremiumLine]:
    """All lines of a case, reversals included."""
    ordered = select(PremiumLine).where(PremiumLine.process_id == process_id)
    return list(
        await session.scalars(
            ordered.order_by(PremiumLine.premium_month, PremiumLine.levy, PremiumLine.insurance, PremiumLine.correction)
        )
    )


async def processes_on_bill(session: AsyncSession, of_id: str) -> list[str]:
    """The cases that have a line on the bill."""
    ids = await session.scalars(
        select(PremiumLine.process_id).join(BillLine, BillLine.line_id == PremiumLine.id)
        .where(BillLine.bill_id == of_id).distinct()
    )  # fmt: skip
    return sorted(ids)


async def bill_ref(session: AsyncSession, of_id: str) -> BillRef:
    """Totals of a bill, with the late fee estimated for months whose payment day has passed."""
    bill = await get_bill(session, of_id)
    lines = await lines_of_bill(session, of_id)
    today = bill.paid_on or shanghai_day(
        await process_now(session, PaymentScope(unit=bill.unit, levy=bill.levy, month=bill.month).process_id)
    )
    rates = tables.late_fee_rates(policies.read_all())
    owed: dict[str, Decimal] = {}
    for line in lines:
        owed[line.premium_month] = owed.get(line.premium_month, ZERO) + line.unit_amount + line.person_amount
    fee = sum((late_fee.estimate(a, payment_day(m), today, rates).amount for m, a in sorted(owed.items())), ZERO)
    return BillRef(
        bill_id=of_id,
        kind=bill.kind,
        lines=len(lines),
        persons=len({x.person_id for x in lines}),
        unit_total=str(sum((x.unit_amount for x in lines), ZERO)),
        person_total=str(sum((x.person_amount for x in lines), ZERO)),
        late_fee=str(fee),
        sample=any("sample" in x.flags for x in lines),
    )


Key = tuple[str, str, str]


async def beside_agency(session: AsyncSession, of_id: str) -> dict[Key, tuple[Amounts, Amounts]]:
    """(person, month, insurance) -> our amounts and the agency's; what one side lacks is zero there."""
    ours: dict[Key, Amounts] = {}
    for line in await lines_of_bill(session, of_id):
        key = (line.person_id, line.premium_month, line.insurance)
        before = ours.get(key, Amounts(ZERO, ZERO))
        ours[key] = Amounts(before.unit + line.unit_amount, before.person + line.person_amount)
    theirs = {
        (a.person_id, a.premium_month, a.insurance): Amounts(a.unit_amount, a.person_amount)
        for a in await session.scalars(select(AgencyLine).where(AgencyLine.bill_id == of_id))
    }
    nothing = Amounts(ZERO, ZERO)
    return {k: (ours.get(k, nothing), theirs.get(k, nothing)) for k in sorted(ours.keys() | theirs.keys())}


async def compare_bill(session: AsyncSession, of_id: str) -> BillComparison:
    """Equal means equal to the cent for every person, month and insurance, on both parts. Tolerance is zero."""
    pairs = (await beside_agency(session, of_id)).values()
    differing = [(a, b) for a, b in pairs if a != b]
    gap = sum((abs(b.unit - a.unit) + abs(b.person - a.person) for a, b in differing), ZERO)
    return BillComparison(bill_id=of_id, equal=not differing, differing_lines=len(differing), difference=str(gap))


async def adjust_bill(session: AsyncSession, of_id: str, reason: str, actor: str) -> BillComparison:
    """Brings our lines to the agency's bill by correction lines that name what they correct."""
    bill = await get_bill(session, of_id)
    now = await process_now(session, PaymentScope(unit=bill.unit, levy=bill.levy, month=bill.month).process_id)
    first = {
        (x.person_id, x.premium_month, x.insurance): x
        for x in reversed(await lines_of_bill(session, of_id))
    }  # fmt: skip
    for key, (ours, theirs) in (await beside_agency(session, of_id)).items():
        if ours == theirs:
            continue
        line = first.get(key) or next((x for k, x in first.items() if k[0] == key[0]), None)
        if line is None:
            continue  # the agency bills someone we do not have: stays a difference, to be cleared with the agency
        if key not in first:
            continue  # an insurance we did not write for this person: the same
        added = await _add_correction(
            session, line, theirs.unit - ours.unit, theirs.person - ours.person, reason, actor, now
        )
        await session.execute(insert(BillLine).values(line_id=added.id, bill_id=of_id))
    return await compare_bill(session, of_id)


async def replace_agency_lines(session: AsyncSession, of_id: str, lines: Sequence[AgencyLine]) -> None:
    """The agency's bill as fetched last replaces what was fetched before."""
    await session.execute(AgencyLine.__table__.delete().where(AgencyLine.bill_id == of_id))  # type: ignore[attr-defined]
    session.add_all(lines)
    await session.flush()


async def record_payment(
    session: AsyncSession, of_id: str, *, paid_on: date, certificate_no: str, amount: Decimal, actor: str
) -> None:
    """The bill is paid, with one certificate for all its lines; a second call changes nothing."""
    bill = await get_bill(session, of_id)
    if bill.status != "frozen":
        return
    bill.status = "paid"
    bill.paid_on = paid_on
    bill.certificate_no = certificate_no
    bill.paid_amount = amount
    bill.paid_by = actor
