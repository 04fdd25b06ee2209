"""Values that tasks have recorded, as an amendment finds them: where each is kept, and whether it can still change.

Invariants: `schemas/amendment.py` says which values there are; this module is the only one that reads and writes them
by that name. A value is written where it is owned and nowhere else. What cannot be changed any more has a sentence that
says what to do instead. Values given by an authority's own interface are the authority's, but for the person's number,
which can be wrong on our side only.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import enrolment_checks
from domain.enrolment_checks import HireFacts
from domain.times import at, day_of
from schemas.amendment import FIELDS, Amendable, text_of
from schemas.base import Text
from schemas.calls import PaymentScope
from schemas.enrolment import Certificate, ForeignHire
from store import (
    earliest_days,
    people,
    policies,
    registrations,
    retirement_tracks,
    rule_tables,
    vouchers,
    wage_differences,
    watch_dates,
)
from store.premium_lines import process_now
from store.sealed import number_hash, seal
from store.tables.ledger import Bill, Voucher
from store.tables.processes import Process, Task
from store.tables.registrations import Registration

FROM_AGENCY = Text(
    zh="该值由经办机构系统返回，不能在此更正；如有误，请联系该机构更正。",
    en="The authority's own system gave this value, so it is not amended here: ask the authority to correct it.",
)
UNDONE = Text(
    zh="该登记已在经办机构撤销，不再更正。",
    en="This registration was taken back at the agency: nothing of it is amended any more.",
)
AMOUNT_PAID = Text(
    zh="缴款金额登记时已与征集单核对到分，不能单独更正；征集单有误的，少缴部分列入补充征集单补缴，多缴部分向税务机关申请退费。",
    en="The amount was compared with the bill to the cent when it was recorded, and is not amended by itself: what was "
    "paid too little goes into a supplementary bill, what was paid too much is claimed back at the tax office.",
)
AMOUNT_SETTLED = Text(
    zh="该征集单已缴款并完成校内报账，金额不能再更正；少缴部分列入补充征集单补缴，多缴部分向税务机关申请退费，并据此另行报账。",
    en="This bill is paid and settled, so its amount can no longer be amended: what was paid too little goes into a "
    "supplementary bill, what was paid too much is claimed back at the tax office, and is settled on its own.",
)
NOT_SETTLED = Text(
    zh="报账单尚未结算，无须更正：请在审批或结算环节退回修改。",
    en="The voucher is not settled yet: have it sent back at its approval or settlement instead.",
)
IN_HAND = Text(
    zh="参保资料正在填写、审核或更正中：请直接在该任务中改正，或将其退回。",
    en="The record is being filled in, verified or corrected: change it in that task, or send the task back.",
)
BILLED_TOO_HIGH = Text(
    zh="按更正后的工资，已列入征集单的保费多缴，不能在此减少：请按税务机关的退费程序申请退还多缴部分"
    "（差额可用“上下限与工资更正补差”计算）；台账和本资料仍为原工资。",
    en="By this wage too much was billed already, which cannot be lowered here: claim the excess by the refund "
    "procedure of the tax office (the calculator of make-up differences gives the amount); the books and this record "
    "keep the wage that was billed.",
)
CANCELLED = Text(zh="个案已撤销，其资料不再更正。", en="The case was cancelled: its record is not amended any more.")
NUMBER_OF_ANOTHER = Text(
    zh="该编号已登记在另一人名下，请核对后再提交。",
    en="This number is on record for another person: check it, then submit again.",
)
RECORD = Text(zh="参保资料", en="Record of the hire")
VOUCHER = Text(zh="报账单", en="Voucher")
_REGISTRATION = {  # field -> column of the registration's row, and the task that records it
    "handed_in_on": ("submitted_at", "registration.hand_in"),
    "receipt_no": ("receipt_no", "registration.hand_in"),
    "accepted_on": ("accepted_at", "registration.acceptance"),
    "approved_on": ("decided_at", "registration.result"),
    "number": ("number", ""),
}
_IN_ORDER = ("handed_in_on", "accepted_on", "approved_on")


@dataclass(frozen=True)
class Recorded:
    """One value: `of` and `about` say which one (agency and attempt, the bill); `refused` why it cannot be amended."""

    field: Amendable
    of: str
    about: Text
    value: str
    refused: Text | None = None


async def of_case(session: AsyncSession, process: Process) -> list[Recorded]:
    """All values on record in a process that the page of this process shows, in the order of their recording."""
    if process.kind == "enrolment":
        return [*await _of_hire(session, process), *await _of_registrations(session, process)]
    if process.kind == "tax_payment":
        return await _of_bills(session, process)
    if process.kind == "reimbursement":
        return await _of_voucher(session, process)
    return []


async def find(session: AsyncSession, process: Process, code: str, of: str) -> Recorded | None:
    """The value as it stands; None where there is none on record."""
    return next((r for r in await of_case(session, process) if (r.field.code, r.of) == (code, of)), None)


async def fault(session: AsyncSession, process: Process, recorded: Recorded, new: str) -> Text | None:
    """What is wrong with a well-formed new value, beside other values and in the world; None when nothing is."""
    if new == recorded.value:
        return Text(zh="新值与现值相同，无须更正。", en="This is the value on record already: nothing to amend.")
    if recorded.field.group == "hire":
        return await _record_fault(session, process, recorded.field.name, new)
    if recorded.field.shape == "date":
        return await _day_fault(session, process, recorded, date.fromisoformat(new))
    if recorded.field.code == "registration.number":
        agency = recorded.of.partition("/")[0]
        if await registrations.held_by_another(session, agency, new, process.subject or ""):
            return NUMBER_OF_ANOTHER
    return None


async def _record_fault(session: AsyncSession, process: Process, name: str, new: str) -> Text | None:
    """The checks of a record, as on the day on which the case began (what has expired since was valid then), as far as
    the new value brings a fault that was not there; and what an amended wage cannot take back."""
    hire = await people.hire_of(session, process.id)
    record = ForeignHire.model_validate(hire.model_dump() | {name: new})
    track = await retirement_tracks.of_person(session, process.subject)
    before, after = (
        enrolment_checks.faults(
            enrolment_checks.check(HireFacts.of(h), day_of(process.started_at), rule_tables.load().checks, track)
        )
        for h in (hire, record)
    )
    known = {(f.code, f.field) for f in before}
    found = next((f.message for f in after if (f.code, f.field) not in known), None)
    if found is None and name == "permit_issued":
        return await _handed_in_before(session, process.id, record.permit_issued)
    if found is None and name == "monthly_wage":
        moved = await wage_differences.of_case(session, process.id, hire.monthly_wage, record.monthly_wage)
        if any(d.billed and (d.unit < 0 or d.person < 0) for d in moved):
            return BILLED_TOO_HIGH
    return found


async def _handed_in_before(session: AsyncSession, process_id: str, permit: date) -> Text | None:
    """The legal time runs from the permit: what was handed in before it would have met a date not yet set."""
    rows = await registrations.of_case(session, process_id)
    first = min((day_of(r.submitted_at) for r in rows if r.submitted_at and r.state != "undone"), default=None)
    if first is None or permit <= first:
        return None
    title = FIELDS["registration.handed_in_on"].title
    return Text(
        zh=f"不能晚于{title.zh}（{first}）；两个日期都有误的，请先更正另一个。",
        en=f"Not after “{title.en}” ({first}): where both are wrong, amend the other first.",
    )


async def _day_fault(session: AsyncSession, process: Process, recorded: Recorded, new: date) -> Text | None:
    """What has happened lies not in the future, and the steps of a registration keep their order."""
    today = day_of(await process_now(session, process.id))
    if new > today:
        return Text(zh=f"日期不能晚于今天（{today}）。", en=f"The date cannot be after today ({today}).")
    if recorded.field.group == "payment":
        return await earliest_days.payment_fault(session, recorded.of, new)
    if recorded.field.name == "handed_in_on":
        early = await earliest_days.hand_in_fault(session, process, new, today)
        if early is not None:
            return early
    own = [
        r
        for r in await of_case(session, process)
        if r.of == recorded.of and r.field.group == "registration" and r.field.name in _IN_ORDER
    ]
    place = _IN_ORDER.index(recorded.field.name)
    for other in own:
        theirs, day = _IN_ORDER.index(other.field.name), date.fromisoformat(other.value)
        title = other.field.title
        if theirs < place and day > new:
            zh, en = f"不能早于{title.zh}（{day}）", f"before “{title.en}” ({day})"
        elif theirs > place and day < new:
            zh, en = f"不能晚于{title.zh}（{day}）", f"after “{title.en}” ({day})"
        else:
            continue
        return Text(
            zh=f"{zh}；两个日期都有误的，请先更正另一个。", en=f"Not {en}: where both are wrong, amend the other first."
        )
    return None


async def about(session: AsyncSession, code: str, of: str) -> Text:
    """Which one a reference means, also where the value itself is no longer on record."""
    group = FIELDS[code].group
    if group == "registration":
        agency, _, attempt = of.partition("/")
        return _at_agency(agency, int(attempt))
    if group == "payment":
        return _of_bill(await session.get_one(Bill, of))
    if group == "hire":
        return RECORD
    return VOUCHER


async def write(
    session: AsyncSession, process: Process, recorded: Recorded, new: str, *, source: str, actor: str
) -> None:
    """The new value in the old one's place, and lines of the ledger for what a wage moves. The caller has checked that
    it may change; `source` is the amendment."""
    group, name = recorded.field.group, recorded.field.name
    if group == "hire":
        record = (await people.hire_of(session, process.id)).model_dump() | {name: new}
        now = await process_now(session, process.id)
        hire = ForeignHire.model_validate(record)
        if name == "monthly_wage":
            old = Decimal(recorded.value)
            await wage_differences.write(session, process.id, old, hire.monthly_wage, actor=actor, now=now)
        row = await people.save_hire(session, process.id, process.subject or "", hire, source=source, now=now)
        if name == "permit_issued" and hire.certificate is Certificate.PENDING and row.exempt is not None:
            await watch_dates.watch_certificate(session, row, day_of(now))
    elif group == "registration":
        agency, _, attempt = recorded.of.partition("/")
        row = await registrations.get(session, process.id, agency, int(attempt))
        if row is None:
            raise LookupError(recorded.of)
        _write_registration(row, name, new)
    elif group == "payment":
        bill = await session.get_one(Bill, recorded.of)
        if name == "paid_on":
            bill.paid_on = date.fromisoformat(new)
        else:
            bill.certificate_no = new
    else:
        voucher = await vouchers.of_bill(session, recorded.of)
        if voucher is None:
            raise LookupError(recorded.of)
        setattr(voucher, name, new)
    await session.flush()


def _write_registration(row: Registration, name: str, new: str) -> None:
    if name == "number":
        row.number, row.number_hash = seal(new), number_hash(new)
    elif name == "receipt_no":
        row.receipt_no = new
    else:
        setattr(row, _REGISTRATION[name][0], at(date.fromisoformat(new), "12:00"))


# --- where they are --------------------------------------------------------------------------------------------------


async def _of_hire(session: AsyncSession, process: Process) -> list[Recorded]:
    """The record of a case, once it is verified; until then it is the tasks' own."""
    try:
        hire = await people.hire_of(session, process.id)
    except people.UnknownHire:
        return []
    kinds = ("enrolment.materials", "enrolment.verification", "registration.correction")
    of_record = select(Task.closed_at).where(Task.process_id == process.id, Task.kind.in_(kinds))
    asked = list(await session.scalars(of_record))
    if not asked:
        return []
    refused = CANCELLED if process.state == "cancelled" else IN_HAND if None in asked else None
    return [
        Recorded(field, "", RECORD, text_of(getattr(hire, field.name)), refused)
        for field in FIELDS.values()
        if field.group == "hire" and getattr(hire, field.name) is not None
    ]


async def _of_registrations(session: AsyncSession, process: Process) -> list[Recorded]:
    typed = await _typed(session, process.id)
    found: list[Recorded] = []
    for row in await registrations.of_case(session, process.id):
        of = f"{row.agency}/{row.attempt}"
        about = _at_agency(row.agency, row.attempt)
        for name, (column, task) in _REGISTRATION.items():
            value = _of_row(row, name, column)
            if value is None:
                continue
            refused = None
            if row.state == "undone":
                refused = UNDONE
            elif task and (task, of) not in typed:
                refused = FROM_AGENCY
            field = FIELDS[f"registration.{name}"]
            found.append(Recorded(field, of, about, value, refused))
    return found


def _at_agency(agency: str, attempt: int) -> Text:
    """Which registration: the first attempt needs no number."""
    titles = {a.id: a.title for a in policies.snapshot().agencies}
    title = titles.get(agency, Text(zh=agency, en=agency))
    if attempt == 1:
        return title
    return Text(zh=f"{title.zh}（第{attempt}次）", en=f"{title.en} (attempt {attempt})")


def _of_row(row: Registration, name: str, column: str) -> str | None:
    if name == "number":
        return registrations.number_of(row)
    if name == "approved_on" and row.state != "approved":
        return None
    value: str | datetime | None = getattr(row, column)
    return day_of(value).isoformat() if isinstance(value, datetime) else value


async def _typed(session: AsyncSession, process_id: str) -> set[tuple[str, str]]:
    """(kind of task, agency/attempt or bill) of what people have recorded by hand."""
    rows = await session.execute(
        select(Task.kind, Task.spec).where(
            Task.process_id == process_id,
            Task.state == "completed",
            Task.kind.in_([*{task for _, task in _REGISTRATION.values() if task}, "tax_payment.payment"]),
        )
    )
    found: set[tuple[str, str]] = set()
    for kind, spec in rows:
        data = spec["data"]
        found.add((kind, str(data.get("bill_id") or f"{data.get('agency')}/{data.get('attempt')}")))
    return found


async def _of_bills(session: AsyncSession, process: Process) -> list[Recorded]:
    if "levy" not in process.parameters:  # a row that nobody prepared: no month, no bills
        return []
    typed = await _typed(session, process.id)
    scope = PaymentScope.model_validate(process.parameters)
    bills = await session.scalars(
        select(Bill)
        .where(Bill.unit == scope.unit, Bill.levy == scope.levy, Bill.month == scope.month, Bill.paid_on.is_not(None))
        .order_by(Bill.round, Bill.created_at, Bill.id)
    )
    found: list[Recorded] = []
    for bill in bills:
        about = _of_bill(bill)
        machine = None if ("tax_payment.payment", bill.id) in typed else FROM_AGENCY
        never = AMOUNT_SETTLED if bill.status == "settled" else AMOUNT_PAID
        values = (
            ("paid_on", bill.paid_on.isoformat() if bill.paid_on else None, machine),
            ("certificate_no", bill.certificate_no, machine),
            ("amount", f"{bill.paid_amount:.2f}" if bill.paid_amount is not None else None, never),
        )
        found += [
            Recorded(FIELDS[f"payment.{name}"], bill.id, about, value, refused)
            for name, value, refused in values
            if value is not None
        ]
    return found


def _of_bill(bill: Bill) -> Text:
    title = _BILLS[bill.kind]
    return Text(zh=f"{title.zh}（第{bill.round}批）", en=f"{title.en} (round {bill.round})")


_BILLS = {
    "regular": Text(zh="当月征集单", en="Regular bill"),
    "supplementary": Text(zh="补充征集单", en="Supplementary bill"),
    "back_payment": Text(zh="补缴征集单", en="Back-payment bill"),
}


async def _of_voucher(session: AsyncSession, process: Process) -> list[Recorded]:
    bill_id = str(process.parameters.get("bill_id", ""))
    voucher: Voucher | None = await vouchers.of_bill(session, bill_id)
    if voucher is None:
        return []
    refused = None if voucher.status == "settled" else NOT_SETTLED
    values = ("voucher_no", "budget_line", "settlement_no")
    return [
        Recorded(FIELDS[f"voucher.{name}"], bill_id, VOUCHER, str(getattr(voucher, name)), refused)
        for name in values
        if getattr(voucher, name) is not None
    ]
