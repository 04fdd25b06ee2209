"""People taken off a bill: the bill's lines add up to the bill, the case's to what is due, on real PostgreSQL."""

from datetime import date
from decimal import Decimal

from sqlalchemy import select

from activities.bureaus import fetch_bill
from activities.ledger import (
    adjust_bill,
    case_books,
    compare_bill,
    freeze_bill,
    open_lines,
    record_payment,
    reverse_lines,
    take_off,
    take_off_leavers,
    write_lines,
)
from activities.withholding import withholding_list
from api import money_data
from runtime import clock
from schemas.calls import BillArg, BillDecision, CaseArg, FreezeArg, PaymentArg
from schemas.forms import ReasonForm
from schemas.process import CANCELLING
from schemas.tax_payment import NOT_ON_LIST, TAKEN_OFF_BY_US, BillKind, BillRef, PaymentForm, TakeOffForm
from store import database as db
from store import documents, ledger, people, premium_lines, taking_off, vouchers
from store.tables.ledger import Bill
from store.tables.processes import Process
from tests.ledger.conftest import SCOPE, Office, run, twice
from web.context_view import blocks

LATER = FreezeArg(scope=SCOPE, kind=BillKind.SUPPLEMENTARY, round=2)
WHY = "税务端查无此人，待核实"


async def cancelled(case: CaseArg, *, state: str = "running", flags: tuple[str, ...] = (CANCELLING,)) -> None:
    """The case's row as the cancel leaves it: at first flagged, at the end in its state."""
    async with db.session() as s:
        row = await s.get(Process, case.process_id) or Process(
            id=case.process_id, kind="enrolment", case_no=case.process_id, title="", search="", revision=0,
            started_by="clerk", started_at=clock.now(), subject=case.person_id, stages=[], active_stages=[],
            deadlines=[], waiting_on=[], parameters={}, clock_offset_seconds=0, state=state, flags=[],
        )  # fmt: skip
        s.add(row)
        row.state, row.flags = state, list(flags)


async def take(office: Office, bill: BillRef, *cases: CaseArg) -> BillRef:
    form = TakeOffForm(persons=[c.person_id for c in cases], reason=WHY)
    submission = await office.submit("tax_payment.visible", "take_off", form)
    return await twice(take_off, BillDecision(bill_id=bill.bill_id, submission_id=submission, actor="clerk"))


async def adds_up(bill_id: str, *cases: CaseArg) -> BillRef:
    """The bill's totals are the sum of its lines, and of what these cases have in force, to the cent."""
    async with db.session() as s:
        ref = await ledger.bill_ref(s, bill_id)
        lines = await ledger.lines_of_bill(s, bill_id)
        due = [x for c in cases for x in await premium_lines.lines_of_case(s, c.process_id)]
    assert Decimal(ref.unit_total) == sum(x.unit_amount for x in lines) == sum(x.unit_amount for x in due)
    assert Decimal(ref.person_total) == sum(x.person_amount for x in lines) == sum(x.person_amount for x in due)
    return ref


async def status(bill_id: str) -> str:
    async with db.session() as s:
        return (await ledger.get_bill(s, bill_id)).status


async def sum_of(case: CaseArg) -> Decimal:
    async with db.session() as s:
        lines = await premium_lines.lines_of_case(s, case.process_id)
    return sum((x.unit_amount + x.person_amount for x in lines), Decimal(0))


async def pay(office: Office, bill: BillRef) -> None:
    form = PaymentForm(paid_on=date(2026, 11, 18), certificate_no="351016261100000001", amount=bill.total)
    submission = await office.submit("tax_payment.payment", "paid", form)
    await run(record_payment, PaymentArg(bill_id=bill.bill_id, submission_id=submission, actor="clerk"))


async def upload_bill(bill_id: str, lines: list[str]) -> None:
    """The tax client's bill as a clerk uploads it."""
    content = "\n".join(["证件号码,险种,费款所属期,单位应缴,个人应缴", *lines]).encode()
    async with db.session() as s:
        await documents.store(
            s, content, filename="bill.csv", media_type="text/csv", code=f"bill_{bill_id}", uploaded_by="clerk",
            now=clock.now(), process_id=SCOPE.process_id, replaces=True,
        )  # fmt: skip


async def test_a_cancelled_case_leaves_the_bill_and_adds_up_to_nothing(office: Office) -> None:
    stays, leaves = await office.case(monthly_wage=Decimal("23456.78")), await office.case()
    bill = await office.billed(stays, leaves)
    await office.agency_says(BillArg(bill_id=bill.bill_id))
    assert (await run(take_off_leavers, BillArg(bill_id=bill.bill_id))) == bill, "nobody has left"
    await cancelled(leaves)
    assert (await run(reverse_lines, leaves)).frozen, "the bill has its lines: it takes them off itself"
    found = await twice(take_off_leavers, BillArg(bill_id=bill.bill_id))
    assert (found.persons, found.lines, found.taken_off) == (1, 3, 3)
    assert await adds_up(bill.bill_id, stays) == found
    assert await sum_of(leaves) == 0
    books = await run(case_books, leaves)
    assert (books.unpaid, books.frozen, books.taken_off) == ({}, False, {})
    assert not (await run(compare_bill, BillArg(bill_id=bill.bill_id))).equal, "the agency has to be asked anew"
    await office.agency_says(BillArg(bill_id=bill.bill_id))
    assert (await run(compare_bill, BillArg(bill_id=bill.bill_id))).equal
    await pay(office, found)
    await run(withholding_list, BillArg(bill_id=bill.bill_id))
    async with db.session() as s:
        assert set(await vouchers.withheld(s, bill.bill_id)) == {stays.person_id}
        split = await vouchers.split(s, bill.bill_id)
    assert sum(split.values()) == Decimal(found.unit_total) + Decimal(found.person_total)


async def test_lines_that_were_corrected_leave_with_their_corrections(office: Office) -> None:
    case, other = await office.case(), await office.case()
    bill = await office.billed(case, other)
    arg = BillArg(bill_id=bill.bill_id)
    await office.agency_says(arg, cents=7)
    submission = await office.submit("tax_payment.confirm", "adjust", ReasonForm(reason="按征集单"))
    await run(adjust_bill, BillDecision(bill_id=bill.bill_id, submission_id=submission, actor="clerk"))
    for one in (case, other):
        await cancelled(one, state="cancelled", flags=())
    found = await twice(take_off_leavers, arg)
    assert (found.persons, found.lines, found.taken_off, found.unit_total) == (0, 0, 7, "0.00")
    assert await sum_of(case) == await sum_of(other) == 0


async def test_who_is_taken_off_by_a_clerk_goes_to_a_later_bill(office: Office) -> None:
    stays, hidden = await office.case(), await office.case(monthly_wage=Decimal("9876.54"))
    bill = await office.billed(stays, hidden)
    found = await take(office, bill, hidden)
    assert (found.persons, found.taken_off) == (1, 3)
    await adds_up(bill.bill_id, stays)
    books = await run(case_books, hidden)
    assert (books.unpaid, books.taken_off, books.frozen) == ({"social": 3}, {"social": 3}, False)
    assert (await run(open_lines, SCOPE)).current == 3
    await pay(office, found)
    later = await run(freeze_bill, LATER)
    assert (later.persons, later.lines, later.taken_off) == (1, 3, 0)
    await adds_up(later.bill_id, hidden)
    assert Decimal(found.unit_total) + Decimal(later.unit_total) == Decimal(bill.unit_total)
    assert Decimal(found.person_total) + Decimal(later.person_total) == Decimal(bill.person_total)
    assert (await run(case_books, hidden)).taken_off == {}
    again = await take(office, later, hidden)  # still not visible: once more
    assert (again.lines, await status(later.bill_id)) == (0, "void")
    async with db.session() as s:
        (one,) = await taking_off.taken_off(s, later.bill_id)
    assert (one.person_id, one.reason, one.taken_by, one.cancelled) == (hidden.person_id, WHY, "clerk", False)
    assert one.amount == await sum_of(hidden) > 0


async def test_a_clerk_who_takes_off_a_cancelled_case_reverses_it(office: Office) -> None:
    stays, gone = await office.case(), await office.case()
    bill = await office.billed(stays, gone)
    await cancelled(gone)
    await take(office, bill, gone)
    assert await sum_of(gone) == 0
    async with db.session() as s:
        (one,) = await taking_off.taken_off(s, bill.bill_id)
    assert one.cancelled and one.amount > 0


async def test_who_was_taken_off_and_is_cancelled_later_is_reversed(office: Office) -> None:
    stays, hidden = await office.case(), await office.case()
    bill = await office.billed(stays, hidden)
    await take(office, bill, hidden)
    await cancelled(hidden)
    assert (await twice(reverse_lines, hidden)).unpaid == {}
    assert await sum_of(hidden) == 0
    assert (await run(open_lines, SCOPE)).current == 0
    await adds_up(bill.bill_id, stays)


async def test_a_bill_that_everybody_left_is_void_and_freezes_nothing_again(office: Office) -> None:
    cases = [await office.case(), await office.case()]
    bill = await office.billed(*cases)
    for case in cases:
        await cancelled(case)
    found = await twice(take_off_leavers, BillArg(bill_id=bill.bill_id))
    assert (found.lines, found.persons, await status(bill.bill_id)) == (0, 0, "void")
    assert await adds_up(bill.bill_id, *cases) == found
    assert (await run(freeze_bill, LATER)).lines == 0


async def test_nobody_leaves_a_bill_that_is_paid_or_has_its_certificate(office: Office) -> None:
    case, other = await office.case(), await office.case()
    bill = await office.billed(case, other)
    await cancelled(case)
    async with db.session() as s:
        row = await s.get_one(Bill, bill.bill_id)
        row.certificate_no = "351016261100000009"
    assert (await run(take_off_leavers, BillArg(bill_id=bill.bill_id))) == bill
    async with db.session() as s:
        (await s.get_one(Bill, bill.bill_id)).certificate_no = None
    await pay(office, bill)
    assert (await take(office, bill, case)).lines == bill.lines
    assert await sum_of(case) > 0
    async with db.session() as s:
        assert await s.scalar(select(Bill.status).where(Bill.id == bill.bill_id)) == "paid"


async def test_a_cancelled_case_writes_no_lines_any_more(office: Office) -> None:
    """An answer of the bureau and the cancel cross: a call that comes late leaves nothing that nobody would reverse."""
    case = await office.case()
    await cancelled(case)
    assert (await twice(write_lines, office.request(case))).written == {}
    assert (await run(open_lines, SCOPE)).current == 0


async def test_who_is_on_the_agencys_bill_alone_is_a_difference_with_a_name(office: Office) -> None:
    """Somebody taken off, somebody of ours who never stood on the bill, and somebody whom nobody knows: no failed step,
    and nobody else waits."""
    stays, gone = await office.case(), await office.case(name="Berta Beispiel", name_zh=None)
    await office.case(name="Carla Beispiel", name_zh=None, id_number="C7700001")
    bill = await office.billed(stays, gone)
    await take(office, bill, gone)
    arg = BillArg(bill_id=bill.bill_id)
    async with db.session() as s:
        of = [(await people.hire_of(s, case.process_id)).id_number for case in (stays, gone)]
        due = [(x.insurance, x.unit_amount, x.person_amount) for x in await ledger.lines_of_bill(s, bill.bill_id)]
    ours = [f"{of[0]},{i},202611,{unit},{person}" for i, unit, person in due]
    others = [f"{number},pension,202611,{yuan},0" for number, yuan in ((of[1], 9), ("C7700001", 8), ("C7700002", 0))]
    await upload_bill(bill.bill_id, [*ours, *others])
    await run(fetch_bill, arg)
    found = await run(compare_bill, arg)
    assert (found.equal, found.differing_lines, found.difference) == (False, 3, "17.00")
    assert not found.correctable, "no line of ours differs"
    submission = await office.submit("tax_payment.confirm", "adjust", ReasonForm(reason="按征集单"))
    adjusted = await run(adjust_bill, BillDecision(bill_id=bill.bill_id, submission_id=submission, actor="clerk"))
    assert not adjusted.equal, "our lines are right as they are"
    async with db.session() as s:
        context = await money_data.bill(s, bill.bill_id)
    marked = {x["person_name"] or x["number_on_bill"]: x["mark"] for x in context["comparison"] if not x["equal"]}
    assert marked == {
        "Berta Beispiel": TAKEN_OFF_BY_US.model_dump(),
        "Carla Beispiel": NOT_ON_LIST.model_dump(),
        "C7700002": NOT_ON_LIST.model_dump(),
    }
    for lang, words in (("zh", "请在税务客户端将其移出"), ("en", "Remove them at the tax client")):
        (block,) = [b for b in blocks(context, {}, lang) if b.id == "ctx-comparison"]
        assert any(words in note.text and note.tone == "bad" for note in block.notes)
        assert "C7700002" in [cell.text for cells, _ in block.rows for cell in cells]
    await upload_bill(bill.bill_id, [*ours[1:], *others])
    await run(fetch_bill, arg)
    assert (await run(compare_bill, arg)).correctable, "a line of ours differs as well"
    await upload_bill(bill.bill_id, ours)
    await run(fetch_bill, arg)
    assert (await run(compare_bill, arg)).equal
    async with db.session() as s:
        assert "not_on_list" not in await money_data.bill(s, bill.bill_id)
