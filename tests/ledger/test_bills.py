"""Bills: frozen once, compared to the cent, corrected by lines, paid once; withholding, voucher and settlement."""

import asyncio
import io
from datetime import date
from decimal import Decimal
from itertools import count

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from temporalio.exceptions import ApplicationError

from activities.ledger import (
    adjust_bill,
    case_books,
    compare_bill,
    freeze_bill,
    open_lines,
    record_payment,
    reverse_lines,
    write_lines,
)
from activities.reimbursement import prepare_voucher, settle_voucher
from activities.withholding import record_withholding, withholding_list
from schemas.calls import BillArg, BillDecision, CaseArg, FreezeArg, PaymentArg
from schemas.forms import ReasonForm
from schemas.reimbursement import SettlementForm, VoucherForm, VoucherRef
from schemas.tax_payment import BillKind, PaymentForm
from store import database as db
from store import ledger, vouchers
from store.tables.ledger import Bill, Withholding
from tests.ledger.conftest import SCOPE, Office, run, twice

REGULAR = FreezeArg(scope=SCOPE, kind=BillKind.REGULAR, round=1)


async def bill_row(bill_id: str) -> Bill:
    async with db.session() as s:
        return await ledger.get_bill(s, bill_id)


async def pay(office: Office, bill_id: str) -> None:
    form = PaymentForm(paid_on=date(2026, 11, 18), certificate_no="351016261100000001", amount=Decimal("1.00"))
    submission = await office.submit("tax_payment.payment", "paid", form)
    await twice(record_payment, PaymentArg(bill_id=bill_id, submission_id=submission, actor="clerk"))


async def test_a_round_freezes_once_and_later_lines_wait(office: Office) -> None:
    first, second = await office.case(), await office.case(org_unit="physics")
    for case in (first, second):
        await run(write_lines, office.request(case))
    bill = await twice(freeze_bill, REGULAR)
    assert (bill.lines, bill.persons, bill.sample) == (6, 2, True)
    late = await office.case()
    await run(write_lines, office.request(late))
    again = await run(freeze_bill, REGULAR)
    assert again == bill, "a retry must not take later lines"
    more = await run(freeze_bill, FreezeArg(scope=SCOPE, kind=BillKind.SUPPLEMENTARY, round=2))
    assert (more.lines, more.persons) == (3, 1) and more.bill_id != bill.bill_id
    assert (await run(open_lines, SCOPE)).current == 0


async def test_earlier_months_go_into_a_back_payment_bill_with_their_fee(office: Office) -> None:
    case = await office.case(contract_start=date(2026, 9, 7), permit_issued=date(2026, 9, 1))
    await run(write_lines, office.request(case))
    regular = await run(freeze_bill, REGULAR)
    back = await run(freeze_bill, REGULAR.model_copy(update={"kind": BillKind.BACK_PAYMENT}))
    assert (regular.lines, back.lines) == (3, 6)
    assert regular.late_fee == "0.00" and Decimal(back.late_fee) > 0


async def test_two_processes_never_bill_and_reverse_the_same_line(office: Office) -> None:
    case = await office.case()
    await run(write_lines, office.request(case))
    bill, _ = await asyncio.gather(run(freeze_bill, REGULAR), run(reverse_lines, case))
    books = await run(case_books, case)
    assert (bill.lines, books.unpaid.get("social", 0)) in ((3, 3), (0, 0))


async def test_one_cent_is_a_difference_and_the_correction_names_its_line(office: Office) -> None:
    case = await office.case()
    arg = BillArg(bill_id=(await office.billed(case)).bill_id)
    await office.agency_says(arg, cents=1)
    found = await twice(compare_bill, arg)
    assert (found.equal, found.differing_lines, found.difference) == (False, 1, "0.01")
    submission = await office.submit("tax_payment.confirm", "adjust", ReasonForm(reason="税务端按上浮费率"))
    decision = BillDecision(bill_id=arg.bill_id, submission_id=submission, actor="clerk", outcome="adjust")
    assert (await twice(adjust_bill, decision)).equal
    async with db.session() as s:
        lines = await ledger.lines_of_bill(s, arg.bill_id)
    added = [x for x in lines if x.correction]
    assert len(added) == 1 and added[0].corrects in {x.id for x in lines if not x.correction}
    assert (added[0].unit_amount, added[0].person_amount) == (Decimal("0.01"), Decimal("0.00"))
    assert "税务端按上浮费率" in added[0].explanation_zh and added[0].created_by == "clerk"


async def test_opposite_faults_do_not_cancel_out(office: Office) -> None:
    arg = BillArg(bill_id=(await office.billed(await office.case())).bill_id)
    await office.agency_says(arg)
    async with db.session() as s:
        for sign, insurance in ((1, "pension"), (-1, "unemployment")):
            await s.execute(
                update(ledger.AgencyLine)
                .where(ledger.AgencyLine.insurance == insurance)
                .values(unit_amount=ledger.AgencyLine.unit_amount + Decimal(sign) / 100)
            )
    found = await run(compare_bill, arg)
    assert (found.equal, found.differing_lines, found.difference) == (False, 2, "0.02")


async def test_what_only_the_agency_bills_is_booked_on_the_clerks_word(office: Office) -> None:
    case = await office.case()
    arg = BillArg(bill_id=(await office.billed(case)).bill_id)
    await office.agency_says(
        arg, person_id=case.person_id, premium_month="2026-11", insurance="annuity",
        unit_amount=Decimal("10.00"), person_amount=Decimal("5.00"),
    )  # fmt: skip
    submission = await office.submit("tax_payment.confirm", "adjust", ReasonForm(reason="按征集单"))
    decision = BillDecision(bill_id=arg.bill_id, submission_id=submission, actor="clerk")
    assert (await twice(adjust_bill, decision)).equal
    async with db.session() as s:
        added = next(x for x in await ledger.lines_of_bill(s, arg.bill_id) if x.insurance == "annuity")
    assert (added.base, added.unit_amount) == (0, Decimal("10.00")) and added.corrects is not None


async def test_someone_elses_bill_is_never_taken_over(office: Office) -> None:
    arg = BillArg(bill_id=(await office.billed(await office.case())).bill_id)
    stranger = await office.case()
    await office.agency_says(
        arg, person_id=stranger.person_id, premium_month="2026-11", insurance="pension",
        unit_amount=Decimal("10.00"), person_amount=Decimal("5.00"),
    )  # fmt: skip
    submission = await office.submit("tax_payment.confirm", "adjust", ReasonForm(reason="按征集单"))
    decision = BillDecision(bill_id=arg.bill_id, submission_id=submission, actor="clerk")
    assert not (await twice(adjust_bill, decision)).equal


async def test_paid_once_and_the_case_hears_of_it(office: Office) -> None:
    case = await office.case()
    bill = await office.billed(case)
    assert (await run(case_books, case)).frozen
    await pay(office, bill.bill_id)
    row = await bill_row(bill.bill_id)
    assert (row.status, row.paid_on, row.paid_by) == ("paid", date(2026, 11, 18), "clerk")
    books = await run(case_books, case)
    assert books.unpaid == {} and books.unsettled == [bill.bill_id] and books.late_fee == {}


async def test_without_a_certificate_nothing_is_paid(office: Office) -> None:
    bill = await office.billed(await office.case())
    with pytest.raises(ApplicationError, match="完税证明"):
        await run(record_payment, PaymentArg(bill_id=bill.bill_id))
    assert (await bill_row(bill.bill_id)).status == "frozen"


async def test_a_paid_bill_is_not_adjusted(office: Office) -> None:
    arg = BillArg(bill_id=(await office.billed(await office.case())).bill_id)
    await office.agency_says(arg, cents=5)
    await pay(office, arg.bill_id)
    submission = await office.submit("tax_payment.confirm", "adjust", ReasonForm(reason="太晚了"))
    await run(adjust_bill, BillDecision(bill_id=arg.bill_id, submission_id=submission, actor="clerk"))
    async with db.session() as s:
        assert not [x for x in await ledger.lines_of_bill(s, arg.bill_id) if x.correction]


async def reimburse(office: Office, bill_id: str) -> BillDecision:
    """Withholding confirmed; the decision to prepare the voucher with."""
    await run(withholding_list, BillArg(bill_id=bill_id))
    form = VoucherForm(voucher_no="BZ-202611-0001")
    submission = await office.submit("reimbursement.voucher", "prepared", form)
    return BillDecision(bill_id=bill_id, submission_id=submission, actor="clerk", outcome="prepared")


async def test_the_list_for_payroll_is_text_and_adds_up(office: Office) -> None:
    """A name that looks like a formula stays a name."""
    cases = [await office.case(name='=HYPERLINK("x")', name_zh=None), await office.case(org_unit="physics")]
    bill = await office.billed(*cases)
    await pay(office, bill.bill_id)
    document_id = await twice(withholding_list, BillArg(bill_id=bill.bill_id))
    sheet = openpyxl.load_workbook(io.BytesIO(await office.file(document_id))).worksheets[0]
    rows = list(sheet.iter_rows(min_row=2))
    assert {c.data_type for row in rows[:-1] for c in row[:4]} == {"s"}
    assert any(row[0].value == '=HYPERLINK("x")' for row in rows)
    assert {row[1].value for row in rows[:-1]} == {"商学院", "物理学院"}
    amounts = [Decimal(str(row[5].value)) for row in rows]
    assert sum(amounts[:-1]) == amounts[-1] == Decimal(bill.person_total) > 0


@pytest.mark.parametrize("how", ["this_month", "next_month", "receivable"])
async def test_payroll_confirms_for_everyone(office: Office, how: str) -> None:
    bill = await office.billed(await office.case(), await office.case())
    await pay(office, bill.bill_id)
    decision = BillDecision(bill_id=bill.bill_id, submission_id="", actor="payroll", outcome=how)
    await run(withholding_list, BillArg(bill_id=bill.bill_id))
    await run(record_withholding, decision)
    async with db.session() as s:
        rows = await vouchers.list_withholdings(s, bill.bill_id)
    assert [(w.how, w.confirmed_by) for w in rows] == [(how, "payroll")] * 2
    assert sum(w.amount for w in rows) == Decimal(bill.person_total)


async def test_the_voucher_is_split_by_part_insurance_and_college(office: Office) -> None:
    first, second = await office.case(), await office.case(org_unit="physics", monthly_wage=Decimal("9000.37"))
    bill = await office.billed(first, second)
    await pay(office, bill.bill_id)
    voucher = await prepared_again(office, bill.bill_id)
    assert voucher.person_total == voucher.withheld_total == bill.person_total
    assert voucher.unit_total == bill.unit_total
    async with db.session() as s:
        split = await vouchers.split(s, bill.bill_id)
    assert set(split) == {
        (part, insurance, college)
        for college in ("business", "physics")
        for part, insurance in (
            ("unit", "pension"), ("unit", "unemployment"), ("unit", "work_injury"),
            ("person", "pension"), ("person", "unemployment"),
        )
    }  # fmt: skip
    settlement = await office.submit("reimbursement.settlement", "settled", SettlementForm(settlement_no="JS-1"))
    await twice(settle_voucher, BillDecision(bill_id=bill.bill_id, submission_id=settlement, actor="finance"))
    assert (await run(case_books, first)).unsettled == []
    assert (await bill_row(bill.bill_id)).status == "settled"


async def prepared_again(office: Office, bill_id: str) -> VoucherRef:
    """Prepares the voucher twice, as after a return: one voucher, the same amounts."""
    decision = await reimburse(office, bill_id)
    first = await run(prepare_voucher, decision)
    assert await run(prepare_voucher, decision) == first
    return first


async def test_a_voucher_that_does_not_match_the_withholding_is_refused(office: Office) -> None:
    bill = await office.billed(await office.case())
    await pay(office, bill.bill_id)
    decision = await reimburse(office, bill.bill_id)
    async with db.session() as s:
        await s.execute(update(Withholding).values(amount=Withholding.amount + Decimal("0.01")))
    with pytest.raises(ApplicationError) as refused:
        await run(prepare_voucher, decision)
    assert refused.value.type == "PartsDiffer" and refused.value.non_retryable


ROUNDS = count(1)  # each example makes a bill of its own in the same month


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(
        st.tuples(st.decimals(min_value="1", max_value="90000", places=2), st.sampled_from(["business", "physics"])),
        min_size=1,
        max_size=4,
    )
)
async def test_bill_voucher_and_withholding_agree_to_the_cent(
    office: Office, people: list[tuple[Decimal, str]]
) -> None:
    cases: list[CaseArg] = [await office.case(monthly_wage=wage, org_unit=college) for wage, college in people]
    bill = await office.billed(*cases, number=next(ROUNDS))
    assert bill.persons == len(cases)
    async with db.session() as s:
        split = await vouchers.split(s, bill.bill_id)
        taken = sum(w.amount for w in await vouchers.list_withholdings(s, bill.bill_id))
    assert taken == vouchers.part(split, "person") == Decimal(bill.person_total)
    assert vouchers.part(split, "unit") == Decimal(bill.unit_total)
    assert sum(split.values()) == Decimal(bill.unit_total) + Decimal(bill.person_total)
