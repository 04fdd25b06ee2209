"""What the gateway reads from the books and writes into them, each function one short transaction.

The gateway (`activities/bureaus.py`) asks agencies and opens no transaction; this module opens transactions and asks no
agency. Everything is idempotent: the same answer stored twice changes nothing. It writes registrations (one row per
case, agency and attempt), the agency's lines beside our bill, and the certificate; premium lines it only reads.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from activities.final import final
from runtime import clock
from schemas.base import Text
from schemas.bureaus import ApplicationAnswer, BillAnswer, BillItemAnswer, PaymentAnswer
from schemas.calls import PaymentScope, RegistrationArg
from store import applications, documents, number_search, people, registrations
from store import policies as rules
from store.bill_files import read_bill
from store.database import session
from store.premium_lines import ZERO
from store.sealed import number_hash, seal
from store.tables.ledger import AgencyLine, Bill, BillLine, PremiumLine
from store.tables.processes import Process

CERTIFICATE = "certificate"


@dataclass(frozen=True)
class Attempt:
    """What is known of one attempt at one agency."""

    receipt_no: str | None
    refused_code: str | None
    approved: bool


@dataclass(frozen=True)
class Application:
    """The body to hand in, and how far this case's clock is ahead of the machine's."""

    body: dict[str, Any]
    offset_seconds: float


@dataclass
class PersonOnBill:
    """One person of a bill; `number` is the one of the levy's own bureau. `months` are billed for the first time;
    `make_up` are those whose first bill is another one, with the wage that they should have been billed by."""

    person_id: str
    months: set[str] = field(default_factory=set[str])
    make_up: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    number: str | None = None
    id_number: str | None = None
    registration: RegistrationArg | None = None


@dataclass(frozen=True)
class BillBook:
    """A frozen bill of ours, and what the tax office has said about it so far."""

    bill_id: str
    process_id: str
    unit: str
    levy: str
    kind: str
    persons: list[PersonOnBill]
    agency_bill_no: str | None
    agency_total: Decimal | None
    certificate_no: str | None
    offset_seconds: float


async def offset_of(process_id: str) -> float:
    """Seconds that a case's clock is ahead of the machine's: the demo's offset and the case's own; 0 in real life."""
    async with session() as s:
        process = await s.get(Process, process_id)
    return clock.offset().total_seconds() + (process.clock_offset_seconds if process else 0)


async def attempt(arg: RegistrationArg) -> Attempt | None:
    async with session() as s:
        row = await registrations.get(s, arg.process_id, arg.agency, arg.attempt)
    if row is None:
        return None
    refused = row.refused_code if row.state == "refused" else None
    return Attempt(receipt_no=row.receipt_no, refused_code=refused, approved=row.state == "approved")


async def application(arg: RegistrationArg) -> Application:
    """The application from the record as it stands."""
    async with session() as s:
        try:
            hire, insurances = await applications.hire_and_insurances(s, arg.process_id, arg.agency)
        except people.UnknownHire:
            text = Text(zh="该业务没有人员信息，无法申报。", en="This case has no person's record to apply with.")
            raise final("UnknownHire", text) from None
    body = applications.interface_body(hire, insurances)
    return Application(body=body, offset_seconds=await offset_of(arg.process_id))


async def record_receipt(arg: RegistrationArg, receipt_no: str, at: datetime | None) -> None:
    async with session() as s:
        registrations.submitted(await registrations.ensure(s, arg), receipt_no, at or clock.now())


async def record_accepted(arg: RegistrationArg, answer: ApplicationAnswer) -> None:
    async with session() as s:
        registrations.accepted(await registrations.ensure(s, arg), answer.accepted_at or clock.now())


async def record_approved(arg: RegistrationArg, answer: ApplicationAnswer) -> None:
    """Stores the agency's number, which wins over any that we could derive, and when it accepted and decided.

    A number of another person is for somebody of the office to clear up: a non-retryable NumberOfAnother, and nothing
    stored. The answer is not lost, the agency gives it again when it is asked again.
    """
    async with session() as s:
        row = await registrations.ensure(s, arg)
        registrations.accepted(row, answer.accepted_at or clock.now())
        try:
            await registrations.approve(s, row, answer.number or "", answer.decided_at or clock.now())
        except registrations.NumberOfAnother:
            raise final("NumberOfAnother") from None


async def record_refused(arg: RegistrationArg, code: str, answer: ApplicationAnswer | None = None) -> None:
    """Stores a refusal; without `answer` the interface itself refused the data, and there was no acceptance."""
    async with session() as s:
        row = await registrations.ensure(s, arg)
        if answer is not None:
            registrations.accepted(row, answer.accepted_at or clock.now())
        note = (answer.reason if answer else None) or ""
        registrations.refuse(row, code, note, (answer.decided_at if answer else None) or clock.now())


async def bill(bill_id: str) -> BillBook:
    """A bill with its persons, their numbers at the levy's bureau, and the agency's bill as far as it is known.

    Raises a non-retryable ApplicationError when there is no such bill.
    """
    async with session() as s:
        found = await s.get(Bill, bill_id)
        if found is None:
            raise final("UnknownBill", Text(zh=f"没有这张征集单：{bill_id}。", en=f"There is no bill {bill_id}."))
        agency = next(a.id for a in rules.snapshot().agencies if a.levy == found.levy)
        corrected = aliased(BillLine)
        lines = await s.execute(
            select(PremiumLine, corrected.bill_id)
            .join(BillLine, BillLine.line_id == PremiumLine.id)
            .outerjoin(corrected, corrected.line_id == PremiumLine.corrects)
            .where(BillLine.bill_id == bill_id)
            .order_by(PremiumLine.id)
        )
        persons: dict[str, PersonOnBill] = {}
        for line, corrected_on in lines:
            if line.person_id not in persons:
                persons[line.person_id] = await _person(s, line.process_id, line.person_id, agency)
            person = persons[line.person_id]
            person.months.add(line.premium_month)
            if corrected_on not in (None, bill_id) and line.declared is not None:
                person.make_up[line.premium_month] = line.declared  # the last line has the wage known last
        for person in persons.values():
            person.months -= person.make_up.keys()
        scope = PaymentScope(unit=found.unit, levy=found.levy, month=found.month)
    return BillBook(
        bill_id=bill_id,
        process_id=scope.process_id,
        unit=found.unit,
        levy=found.levy,
        kind=found.kind,
        persons=list(persons.values()),
        agency_bill_no=found.agency_bill_no,
        agency_total=found.agency_total,
        certificate_no=found.certificate_no,
        offset_seconds=await offset_of(scope.process_id),
    )


async def _person(s: AsyncSession, process_id: str, person_id: str, agency: str) -> PersonOnBill:
    person = PersonOnBill(person_id=person_id, id_number=(await people.hire_of(s, process_id)).id_number)
    row = await registrations.approved(s, person_id, agency)
    if row is not None:
        person.number = registrations.number_of(row)
        person.registration = RegistrationArg(
            process_id=row.process_id, person_id=person_id, agency=agency, attempt=row.attempt
        )
    return person


async def store_bill(book: BillBook, answer: BillAnswer) -> None:
    """Stores the agency's lines in place of those fetched before, with its bill number and total."""
    await _store_lines(book, answer.items, answer.bill_no, answer.total)


async def store_uploaded_bill(book: BillBook) -> bool:
    """Stores the lines of the bill that a clerk uploaded (document `bill_{bill_id}`); False when there is none.

    Raises UnreadableBill when the file cannot be read.
    """
    async with session() as s:
        document = await documents.latest(s, book.process_id, f"bill_{book.bill_id}")
    if document is None:
        return False
    lines = read_bill(documents.read_file(document), document.filename, applications.agency_files().bills["tax_office"])
    total = sum((line.unit_amount + line.person_amount for line in lines), ZERO)
    await _store_lines(book, lines, None, total)
    return True


async def _store_lines(book: BillBook, items: list[BillItemAnswer], bill_no: str | None, total: Decimal) -> None:
    """Replaces the agency's lines as a whole. Who is on its bill and not on our list has lines as well, by person where
    we know the number: the comparison names them."""
    by_number: dict[str, str] = {}
    for person in book.persons:
        by_number |= {number: person.person_id for number in (person.number, person.id_number) if number}
    async with session() as s:
        others = {item.number for item in items} - by_number.keys()
        by_number |= await number_search.persons_of(s, others)
        lines: dict[tuple[str, str, str], AgencyLine] = {}
        for item in items:
            known = by_number.get(item.number)
            key = (known or number_hash(item.number), item.month, item.insurance)
            if key not in lines:
                lines[key] = AgencyLine(
                    bill_id=book.bill_id,
                    person_id=key[0],
                    premium_month=item.month,
                    insurance=item.insurance,
                    unit_amount=ZERO,
                    person_amount=ZERO,
                    number=None if known else seal(item.number),
                )
            lines[key].unit_amount += item.unit_amount  # one person may stand there under two numbers
            lines[key].person_amount += item.person_amount
        await s.execute(delete(AgencyLine).where(AgencyLine.bill_id == book.bill_id))
        s.add_all(lines.values())
        row = await s.get_one(Bill, book.bill_id)
        row.agency_bill_no, row.agency_total = bill_no, total


async def store_payment(book: BillBook, payment: PaymentAnswer, content: bytes, media_type: str) -> None:
    """Stores the certificate with its file; `record_payment` closes the bill from it."""
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{book.bill_id}/{payment.certificate_no}"))
    suffix = "pdf" if media_type == "application/pdf" else "bin"
    async with session() as s:
        await documents.store(
            s,
            content,
            filename=f"{payment.certificate_no}.{suffix}",
            media_type=media_type,
            code=CERTIFICATE,
            uploaded_by="system",
            now=clock.now(),
            process_id=book.process_id,
            document_id=document_id,
        )
        row = await s.get_one(Bill, book.bill_id)
        row.certificate_no, row.certificate_document = payment.certificate_no, document_id
        row.paid_amount = book.agency_total
        row.paid_on = payment.paid_at.astimezone(clock.SHANGHAI).date()
