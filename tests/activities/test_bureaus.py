"""The gateway's activities against the simulated agencies over the loopback and real PostgreSQL.

Each test asks what the agencies' own log says: nothing twice, nothing left behind, nothing personal in what a workflow
would see.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
import pytest_asyncio
from sqlalchemy import select
from temporalio.exceptions import ApplicationError

from activities import agency_client
from activities.bureaus import (
    check_visible,
    fetch_bill,
    pay_bill,
    poll_application,
    submit_application,
    withdraw_registration,
)
from runtime import clock
from runtime.settings import Settings
from schemas.calls import BillArg, FreezeArg, PaymentScope, PollAnswer, RegistrationArg
from schemas.enrolment import LineRequest
from schemas.incident_faults import of_error, why_of
from schemas.tax_payment import BillKind
from simulators.launch import Running, running
from store import documents, ledger, people, registrations, wage_differences
from store.database import session
from store.sealed import number_hash, seal, unseal
from store.tables.ledger import AgencyLine, Bill, BillLine, PremiumLine
from tests.activities.gateway import MEDICAL, SOCIAL, TAX, Agencies, applications, by_hand, case, enrol, row_of, run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("agencies")) as started:
        yield started


@pytest_asyncio.fixture
async def agencies(server: Running, database: Settings) -> AsyncIterator[Agencies]:
    database.simulators_url = server.url
    made = Agencies(server.url)
    made.forget()
    yield made
    await agency_client.close()
    made.http.close()


async def test_handing_in_twice_is_one_application_and_the_number_is_stored(agencies: Agencies) -> None:
    arg = await case()
    assert (await run(submit_application, arg)).receipt and (await run(submit_application, arg)).receipt
    assert agencies.log(SOCIAL) == [("submitted", False)]
    assert await run(poll_application, arg) == PollAnswer(state="approved")
    row = await row_of(arg)
    number = registrations.number_of(row)
    assert number is not None and number.startswith("DEU0C") and number in agencies.in_force(SOCIAL)
    assert row.receipt_no and row.submitted_at and row.accepted_at and row.decided_at
    assert await run(poll_application, arg) == PollAnswer(state="approved")


async def test_an_answer_lost_on_the_way_is_asked_for_again_not_handed_in_again(agencies: Agencies) -> None:
    agencies.behave(SOCIAL, duplicate_responses=True)
    arg = await case()
    with pytest.raises(ApplicationError, match="自动重试") as caught:
        await run(submit_application, arg)
    assert caught.value.type == "AgencyUnavailable" and not caught.value.non_retryable
    await run(submit_application, arg)
    assert agencies.log(SOCIAL) == [("submitted", False), ("submitted", True)]
    assert (await row_of(arg)).receipt_no


async def test_a_record_corrected_after_a_lost_answer_does_not_apply_twice(agencies: Agencies) -> None:
    agencies.behave(SOCIAL, duplicate_responses=True)
    arg = await case()
    with pytest.raises(ApplicationError):
        await run(submit_application, arg)
    async with session() as s:
        hire = await people.hire_of(s, arg.process_id)
        corrected = hire.model_copy(update={"monthly_wage": Decimal("19000.00")})
        await people.save_hire(s, arg.process_id, arg.person_id, corrected, source="other side", now=clock.now())
    assert (await run(submit_application, arg)).receipt
    receipts = agencies.http.get(
        f"/{SOCIAL}/applications", params={"idempotency_key": f"{arg.process_id}:{SOCIAL}:1"}
    ).json()["items"]
    assert [r["receipt_no"] for r in receipts] == [(await row_of(arg)).receipt_no]


async def test_acceptance_comes_before_the_decision(agencies: Agencies) -> None:
    agencies.behave(MEDICAL, accept_after_seconds=0.4, decide_after_seconds=60)
    arg = await case(MEDICAL)
    await run(submit_application, arg)
    assert (await run(poll_application, arg)).state == "pending"
    await asyncio.sleep(0.5)
    assert (await run(poll_application, arg)).state == "accepted"
    assert (await row_of(arg)).accepted_at is not None
    agencies.behave(MEDICAL)
    assert (await run(poll_application, arg)).state == "approved"


async def test_two_refusals_then_approval_keep_each_attempt(agencies: Agencies) -> None:
    agencies.behave(SOCIAL, refuse=[{"times": 2, "code": "R02"}])
    arg = await case()
    states: list[tuple[str, str | None]] = []
    for attempt in (1, 2, 3):
        arg = arg.model_copy(update={"attempt": attempt})
        await run(submit_application, arg)
        answer = await run(poll_application, arg)
        states.append((answer.state, answer.code))
    assert states == [("refused", "R02"), ("refused", "R02"), ("approved", None)]
    async with session() as s:
        rows = await registrations.of_case(s, arg.process_id)
    assert [(r.state, r.refused_code) for r in rows] == [("refused", "R02"), ("refused", "R02"), ("approved", None)]


async def test_data_the_interface_cannot_read_is_a_refusal_to_correct(agencies: Agencies) -> None:
    arg = await case(id_number="C01-X00")
    assert not (await run(submit_application, arg)).receipt
    assert await run(poll_application, arg) == PollAnswer(state="refused", code="R02")
    assert (await row_of(arg)).receipt_no is None
    assert not (await run(submit_application, arg)).receipt


async def test_the_number_of_another_person_is_a_persons_to_decide_and_the_answer_is_not_lost(
    agencies: Agencies,
) -> None:
    """Somebody else's number was typed wrongly: it is the one that this person is given now."""
    arg = await case()
    await run(submit_application, arg)
    (number,) = {a["number"] for a in applications(agencies, arg)}
    other = await by_hand(SOCIAL, number.lower())
    with pytest.raises(ApplicationError, match="另一人名下") as caught:
        await run(poll_application, arg)
    assert (caught.value.type, caught.value.non_retryable) == ("NumberOfAnother", True)
    assert number.lower() not in str(caught.value).lower() and of_error(caught.value) == why_of("NumberOfAnother")
    row = await row_of(arg)
    assert (row.state, row.number) == ("submitted", None)
    async with session() as s:  # the wrong one is amended, and the step retried
        taken = await registrations.get(s, other.process_id, SOCIAL, 1)
        assert taken is not None
        await registrations.approve(s, taken, f"{number}9", clock.now())
    assert await run(poll_application, arg) == PollAnswer(state="approved")
    assert registrations.number_of(await row_of(arg)) == number


async def test_an_outage_is_retryable_and_its_sentence_names_the_agency(agencies: Agencies, database: Settings) -> None:
    arg = await case(MEDICAL)
    agencies.behave(MEDICAL, outage=True)
    with pytest.raises(ApplicationError, match=r"医保局.*the medical bureau") as caught:
        await run(submit_application, arg)
    assert not caught.value.non_retryable
    database.simulators_url = "http://127.0.0.1:9"
    with pytest.raises(ApplicationError, match="ConnectError") as caught:
        await run(submit_application, arg)
    assert not caught.value.non_retryable
    assert agencies.log(MEDICAL) == []


async def test_polling_before_handing_in_is_a_fault_of_the_caller(agencies: Agencies) -> None:
    with pytest.raises(ApplicationError, match="尚无受理回执") as caught:
        await run(poll_application, await case())
    assert caught.value.non_retryable


@pytest.mark.parametrize("stand", ["approved", "open", "answer lost", "never sent"])
async def test_withdrawing_leaves_nothing_however_far_it_got(agencies: Agencies, stand: str) -> None:
    arg = await case()
    if stand == "approved":
        await enrol(arg)
    elif stand == "open":
        agencies.behave(SOCIAL, accept_after_seconds=60)
        await run(submit_application, arg)
    elif stand == "answer lost":
        agencies.behave(SOCIAL, duplicate_responses=True)
        with pytest.raises(ApplicationError):
            await run(submit_application, arg)
    before = agencies.log(SOCIAL)
    agencies.behave(SOCIAL, accept_after_seconds=60 if stand == "open" else 0)
    await run(withdraw_registration, arg)
    agencies.behave(SOCIAL)
    key = f"{arg.process_id}:{SOCIAL}:1"
    found = agencies.http.get(f"/{SOCIAL}/applications", params={"idempotency_key": key}).json()["items"]
    numbers = {a["number"] for a in found if a["number"]}
    assert not numbers & agencies.in_force(SOCIAL)
    assert {a["state"] for a in found} <= {"approved", "withdrawn"}
    await run(withdraw_registration, arg)
    withdrawals = [repeat for outcome, repeat in agencies.log(SOCIAL)[len(before) :] if outcome == "withdrawn"]
    assert withdrawals.count(False) == (0 if stand == "never sent" else 1)


async def bill_of(*args: RegistrationArg, levy: str = "social", months: tuple[str, ...] = ("2026-10",)) -> str:
    """A frozen bill with one line a person and month."""
    bill_id = str(uuid.uuid4())
    async with session() as s:
        s.add(Bill(id=bill_id, unit="school", levy=levy, month="2026-10", round=1, kind="regular",
                   status="frozen", created_at=clock.now()))  # fmt: skip
        await s.flush()
        for arg in args:
            for month in months:
                line = PremiumLine(
                    process_id=arg.process_id, person_id=arg.person_id, unit="school", levy=levy, premium_month=month,
                    payment_month="2026-10", insurance="pension", base=Decimal(18000), unit_rate=Decimal("0.16"),
                    person_rate=Decimal("0.08"), unit_amount=Decimal(2880), person_amount=Decimal(1440),
                    org_unit="business", flags=[], explanation_zh="", explanation_en="", source="test",
                    created_by="test", created_at=clock.now(),
                )  # fmt: skip
                s.add(line)
                await s.flush()
                s.add(BillLine(line_id=line.id, bill_id=bill_id))
    return bill_id


async def lines_of(bill_id: str) -> dict[tuple[str, str, str], tuple[Decimal, Decimal]]:
    async with session() as s:
        rows = await s.scalars(select(AgencyLine).where(AgencyLine.bill_id == bill_id))
        return {(r.person_id, r.premium_month, r.insurance): (r.unit_amount, r.person_amount) for r in rows}


async def bill_row(bill_id: str) -> Bill:
    async with session() as s:
        return await s.get_one(Bill, bill_id)


async def test_a_bill_is_fetched_compared_paid_once_and_certified(agencies: Agencies) -> None:
    first, second = await case(), await case(monthly_wage=Decimal("30000.00"))
    await enrol(first)
    await enrol(second)
    arg = BillArg(bill_id=await bill_of(first, second, months=("2026-10", "2026-11")))
    assert (await run(check_visible, arg)).visible
    await run(fetch_bill, arg, "fetch_bill/x/1")
    await run(fetch_bill, arg, "fetch_bill/x/1")
    lines = await lines_of(arg.bill_id)
    assert len(lines) == 12
    assert lines[(first.person_id, "2026-10", "pension")] == (Decimal("2880.00"), Decimal("1440.00"))
    assert lines[(second.person_id, "2026-11", "pension")] == (Decimal("3758.88"), Decimal("1879.44"))
    bill = await bill_row(arg.bill_id)
    assert bill.agency_bill_no and bill.agency_total == sum(u + p for u, p in lines.values())
    agencies.behave(TAX, duplicate_responses=True)
    with pytest.raises(ApplicationError):
        await run(pay_bill, arg)
    await run(pay_bill, arg)
    await run(pay_bill, arg)
    paid = await bill_row(arg.bill_id)
    assert paid.certificate_no and paid.paid_on == clock.today() and paid.paid_amount == bill.agency_total
    assert agencies.log(TAX) == [("billed", False), ("billed", True), ("paid", False), ("paid", True)]
    async with session() as s:
        assert paid.certificate_document is not None
        document, content = await documents.read(s, paid.certificate_document)
    assert document.code == "certificate" and content.startswith(b"%PDF")


async def test_fetching_again_replaces_the_agencys_lines(agencies: Agencies) -> None:
    person = await case()
    await enrol(person)
    arg = BillArg(bill_id=await bill_of(person))
    agencies.behave(TAX, bill_error={"insurance": "pension", "cents": 5, "times": 1})
    key = (person.person_id, "2026-10", "pension")
    await run(fetch_bill, arg, "fetch_bill/x/1")
    assert (await lines_of(arg.bill_id))[key][0] == Decimal("2880.05")
    await run(fetch_bill, arg, "fetch_bill/x/2")
    assert (await lines_of(arg.bill_id))[key][0] == Decimal("2880.00")
    await run(pay_bill, arg)


async def test_nobody_is_visible_before_the_synchronisation(agencies: Agencies) -> None:
    person, unknown = await case(), await case()
    agencies.behave(TAX, sync_after_seconds=60)
    await enrol(person)
    arg = BillArg(bill_id=await bill_of(person, unknown))
    answer = await run(check_visible, arg)
    assert (answer.visible, answer.missing) == (False, 2)
    assert sorted(answer.persons) == sorted([person.person_id, unknown.person_id])
    with pytest.raises(ApplicationError, match="尚无参保编号") as caught:
        await run(fetch_bill, arg)
    assert caught.value.non_retryable, "no number comes by itself: a clerk decides"
    alone = BillArg(bill_id=await bill_of(person, months=("2026-12",)))
    with pytest.raises(ApplicationError, match="R19") as caught:
        await run(fetch_bill, alone)
    assert not caught.value.non_retryable


async def test_a_wage_corrected_after_the_payment_is_made_up_and_paid_once(agencies: Agencies) -> None:
    person = await case()
    await enrol(person)
    due = LineRequest(
        process_id=person.process_id, person_id=person.person_id, levy="social", payment_month="2026-10",
        insurances=["pension", "unemployment", "work_injury"],
    )  # fmt: skip
    async with session() as s:
        await ledger.write_lines(s, due)
        scope = PaymentScope(unit="school", levy="social", month="2026-10")
        first = await ledger.freeze_bill(s, FreezeArg(scope=scope, kind=BillKind.REGULAR, round=1))
        old, new = Decimal("18000.00"), Decimal("19000.00")
        await wage_differences.write(s, person.process_id, old, new, actor="clerk", now=clock.now())
        (later,) = await wage_differences.to_pay(s, person.process_id)
        bill = await ledger.freeze_bill(s, FreezeArg(scope=later, kind=BillKind.BACK_PAYMENT, round=1))
    more = BillArg(bill_id=bill.bill_id)
    await run(fetch_bill, BillArg(bill_id=first.bill_id), "fetch_bill/x/1")
    with pytest.raises(ApplicationError, match="原征集单尚未缴款") as caught:
        await run(fetch_bill, more, "fetch_bill/x/2")
    assert not caught.value.non_retryable, "it comes by itself once the first bill is paid"
    await run(pay_bill, BillArg(bill_id=first.bill_id))
    for activity in (fetch_bill, fetch_bill, pay_bill, pay_bill):
        await run(activity, more, "fetch_bill/x/3")
    async with session() as s:
        assert (await ledger.compare_bill(s, more.bill_id)).equal
    assert (await bill_row(more.bill_id)).paid_amount == Decimal("254.00")
    assert [repeat for outcome, repeat in agencies.log(TAX) if outcome == "paid"] == [False, False]


async def test_the_demo_tells_the_tax_office_what_a_clerk_did_by_hand(agencies: Agencies, database: Settings) -> None:
    arg = await by_hand(MEDICAL, f"5101{uuid.uuid4().int % 10**10:010d}")
    bill = BillArg(bill_id=await bill_of(arg, levy="medical"))
    database.demo = False
    assert (await run(check_visible, bill)).missing == 1
    database.demo = True
    await run(check_visible, bill)
    assert (await run(check_visible, bill)).visible
    assert agencies.log(MEDICAL) == [("entered", False)]
    await run(fetch_bill, bill)
    assert (await lines_of(bill.bill_id))[(arg.person_id, "2026-10", "medical")][0] == Decimal("1242.00")


async def upload(bill_id: str, number: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["证件号码", "险种", "费款所属期", "单位应缴", "个人应缴"])
    sheet.append([number, "企业职工基本养老保险", "202610", "2880.01", "1440.00"])
    target = BytesIO()
    book.save(target)
    async with session() as s:
        await documents.store(
            s, target.getvalue(), filename="征集单.xlsx", media_type="application/octet-stream", uploaded_by="clerk",
            code=f"bill_{bill_id}", now=clock.now(), process_id="tax_payment-school-social-2026-10", replaces=True,
        )  # fmt: skip


async def test_an_uploaded_bill_is_read_instead_of_asking(agencies: Agencies) -> None:
    arg = await by_hand(SOCIAL, f"DEU0{uuid.uuid4().hex[:8].upper()}")
    async with session() as s:
        passport = (await people.hire_of(s, arg.process_id)).id_number
    bill = BillArg(bill_id=await bill_of(arg))
    await upload(bill.bill_id, passport)
    await run(fetch_bill, bill)
    assert await lines_of(bill.bill_id) == {
        (arg.person_id, "2026-10", "pension"): (Decimal("2880.01"), Decimal("1440.00"))
    }
    assert agencies.log(TAX) == []
    with pytest.raises(ApplicationError, match="尚未取得税务征集单"):
        await run(pay_bill, bill)
    await upload(bill.bill_id, "E99999999")
    await run(fetch_bill, bill)
    async with session() as s:
        ((person, number),) = (await ledger.strangers(s, bill.bill_id)).items()
    assert number and unseal(number) == "E99999999" and b"E99999999" not in number and "E99999999" not in person


async def test_two_people_with_one_number_are_refused_with_a_sentence(agencies: Agencies) -> None:
    number = f"DEU0{uuid.uuid4().hex[:8].upper()}"
    first, second = await by_hand(SOCIAL, number), await by_hand(SOCIAL, f"{number}2")
    async with session() as s:  # as records of old can have it
        row = await registrations.approved(s, second.person_id, SOCIAL)
        assert row is not None
        row.number, row.number_hash = seal(number), number_hash(number)
    bill = BillArg(bill_id=await bill_of(first, second))
    await run(check_visible, bill)
    with pytest.raises(ApplicationError, match="number_twice") as caught:
        await run(fetch_bill, bill)
    assert caught.value.non_retryable


async def test_an_agency_started_again_after_kill_9_knows_the_application(database: Settings, tmp_path: Path) -> None:
    with running(tmp_path / "own") as first:
        database.simulators_url = first.url
        arg = await case()
        await run(submit_application, arg)
        first.kill()
        with pytest.raises(ApplicationError):
            await run(poll_application, arg)
        with running(tmp_path / "own", first.port) as again:
            Agencies(again.url).behave(SOCIAL)
            assert (await run(poll_application, arg)).state == "approved"
            assert Agencies(again.url).log(SOCIAL) == [("submitted", False)]
    await agency_client.close()
