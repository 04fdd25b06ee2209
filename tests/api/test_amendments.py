"""Amendment 更正 of values on record, by HTTP on real servers: two people, both values kept, open and closed cases."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.amendments import tell_amended
from api import starts
from runtime import clock
from runtime.settings import Settings
from schemas.amendment import FIELDS, AmendmentArg
from schemas.calls import RegistrationArg
from schemas.tasks import Refusal
from simulators.launch import Running
from store import amendments, ledger, people, policy_impact, premium_lines, registrations, rule_tables
from store.database import session
from store.recorded import RECORD, Recorded
from store.sealed import unseal
from store.tables.desk import Substitution
from store.tables.notices import NoticeRow
from store.tables.office import Audit
from store.tables.outbox import Outgoing
from store.tables.people import Hire, WatchDate
from store.tables.processes import Process
from tests.api.conftest import Office, days
from tests.api.program import Program, behave
from tests.contract import Json, aperform, complete

PDF = b"%PDF-1.4\n%%EOF\n"
SOCIAL = "social_bureau/1"


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


@pytest.fixture
def by_hand(database: Settings) -> None:
    """Mode portal everywhere: every value on record was typed by somebody."""
    database.agency_modes = dict.fromkeys(("social_bureau", "medical_bureau", "tax_office"), "portal")


@pytest_asyncio.fixture(loop_scope="session")
async def case(school: Office, agencies: Running, by_hand: None) -> str:
    behave(agencies.url)
    made = await school.case(
        contract_start="2026-11-01",
        permit_issued=days(-12).isoformat(),
        id_number="F77777777",
        email="anna@example.edu",
    )
    assert await starts.start_pending([made]) == 1
    return made


async def on_record(client: httpx2.AsyncClient, process: str, field: str, of: str | None = None) -> Json:
    view = (await client.get(f"/api/v1/processes/{process}/amendments")).json()
    return next(v for v in view["values"] if v["field"] == field and of in (None, v["of"]))


async def propose(client: httpx2.AsyncClient, process: str, known: Json, new: str, **more: Any) -> httpx2.Response:
    body = {"field": known["field"], "of": known["of"], "was": known["value"], "value": new, "reason": "登记时看错"}
    headers = more.pop("headers", key())
    return await client.post(f"/api/v1/processes/{process}/amendments", json=body | more, headers=headers)


async def until(wanted: Callable[[], Awaitable[Any]]) -> Any:
    for _ in range(600):
        found = await wanted()
        if found:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("it never came")


async def asked(client: httpx2.AsyncClient, amendment: str) -> Json:
    """The task of the second person."""

    async def look() -> Json | None:
        view = (await client.get(f"/api/v1/processes/{amendment}")).json()
        return next((t for t in view["tasks"] if t["closed_at"] is None), None)

    item = await until(look)
    return (await client.get(f"/api/v1/tasks/{item['id']}")).json()


async def decide(client: httpx2.AsyncClient, task: Json, outcome: str = "confirm", **data: str) -> httpx2.Response:
    body = {"outcome": outcome, "data": data, "version": task["version"]}
    return await client.post(f"/api/v1/tasks/{task['id']}/complete", json=body, headers=key())


async def ended(client: httpx2.AsyncClient, process: str, amendment: str) -> Json:
    """The amendment once it is decided and its process closed."""

    async def look() -> Json | None:
        if (await client.get(f"/api/v1/processes/{amendment}")).json()["closed_at"] is None:
            return None
        view = (await client.get(f"/api/v1/processes/{process}/amendments")).json()
        return next(a for a in view["amendments"] if a["id"] == amendment)

    return await until(look)


async def amended(school: Office, process: str, field: str, new: str, by: str = "supervisor") -> Json:
    """Proposed by the clerk, confirmed by somebody else."""
    clerk, second = await school.sign_in("clerk"), await school.sign_in(by)
    answer = await propose(clerk, process, await on_record(clerk, process, field), new)
    assert answer.status_code == 201, answer.text
    task = await asked(second, answer.json()["id"])
    assert (await decide(second, task)).status_code in (200, 202)
    return await ended(clerk, process, answer.json()["id"])


async def said(client: httpx2.AsyncClient, process: str) -> list[str]:
    return [t["text"]["zh"] for t in (await client.get(f"/api/v1/processes/{process}")).json()["timeline"]]


async def do(client: httpx2.AsyncClient, process: str, kind: str, stage: str | None = None, **data: Any) -> None:
    """One task of a case, once it is open."""

    async def look() -> Json | None:
        view = (await client.get(f"/api/v1/processes/{process}")).json()
        found = [t for t in view["tasks"] if t["kind"] == kind and t["closed_at"] is None]
        return next((t for t in found if stage in (None, t["stage"])), None)

    item = await until(look)
    answer = await aperform(client, complete(item["id"], **data))
    assert answer.status_code in (200, 202), answer.text


async def test_a_wrong_day_in_an_open_case_is_amended_by_two_and_its_dates_follow(school: Office, case: str) -> None:
    college, clerk, clerk2, auditor = [await school.sign_in(n) for n in ("college", "clerk", "clerk2", "auditor")]

    async def open_materials() -> Json | None:
        values = (await clerk.get(f"/api/v1/processes/{case}/amendments")).json()["values"]
        return next((v for v in values if v["field"] == "hire.permit_issued"), None)

    permit = await until(open_materials)
    assert not permit["amendable"] and "任务" in permit["why_not"]["zh"], "while the college has the record in hand"
    await do(college, case, "enrolment.materials")
    await do(clerk, case, "enrolment.verification")
    await do(clerk, case, "registration.hand_in", "social_bureau", receipt_no="SL001")
    room = f"/api/v1/processes/{case}"
    norm = "DL-AGENCY-NORM@social_bureau/1"

    async def counted() -> Json | None:
        now = {d["id"]: d for d in (await clerk.get(room)).json()["deadlines"]}
        return now if norm in now else None

    before = await until(counted)
    value = await on_record(clerk, case, "registration.handed_in_on")
    assert (value["of"], value["value"], value["amendable"]) == (SOCIAL, days(0).isoformat(), True)
    earlier = days(-5).isoformat()  # a week-end alone would move nothing

    for who, changes, expected in (
        (college, {}, (403, "not_allowed")),
        (auditor, {}, (403, "not_allowed")),
        (clerk, {"field": "registration.approved_on"}, (422, "bad_form")),  # not on record yet
        (clerk, {"was": days(-1).isoformat()}, (409, "stale_version")),
        (clerk, {"value": days(1).isoformat()}, (422, "bad_form")),
        (clerk, {"value": "yesterday"}, (422, "bad_form")),
        (clerk, {"value": value["value"]}, (422, "bad_form")),
        (clerk, {"reason": "x"}, (422, "bad_form")),
        (clerk, {"document_id": "nothing"}, (422, "bad_form")),
    ):
        answer = await propose(who, case, value, earlier, **changes)
        assert (answer.status_code, answer.json()["code"]) == expected, answer.text
    paper = await clerk.post(
        f"{room}/documents", files={"file": ("d.pdf", PDF, "application/pdf")}, data={"code": "amendment_proof"}
    )
    assert paper.status_code == 201, paper.text
    once = key()
    for _ in range(2):  # the same click twice
        answer = await propose(clerk, case, value, earlier, document_id=paper.json()["id"], headers=once)
        assert answer.status_code == 201, answer.text
    other = await propose(clerk, case, value, days(-1).isoformat(), headers=once)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    twice = await propose(clerk2, case, value, earlier)
    assert (twice.status_code, twice.json()["code"]) == (409, "amendment_pending")
    assert (await on_record(clerk, case, "registration.handed_in_on"))["value"] == value["value"], "one is not enough"

    task = await asked(clerk2, answer.json()["id"])
    assert (task["kind"], task["roles"]) == ("amendment.confirm", ["clerk", "supervisor"])
    assert task["deadlines"][0]["legal_kind"] == "internal", "it has a date, and with it reminders"
    assert task["context"]["value_old"] == value["value"] and task["context"]["value_new"] == earlier
    assert task["context"]["files"][0]["id"] == paper.json()["id"]
    foretold = task["context"]["dates_moved"]
    assert [m["due_old"] for m in foretold] == [before[norm]["due"]], "what moves is said before it is confirmed"
    own = await decide(clerk, task)
    assert (own.status_code, own.json()["code"]) == (403, "four_eyes")
    async with session() as s:  # whoever stands in for the proposer is no second person
        s.add(
            Substitution(
                absent="clerk", substitute="clerk2", first_day=days(0), last_day=days(1), reason="出差",
                set_by="clerk", set_at=clock.now(),
            )
        )  # fmt: skip
    by_substitute = await decide(clerk2, task)
    assert (by_substitute.status_code, by_substitute.json()["code"]) == (403, "four_eyes")
    supervisor = await school.sign_in("supervisor")
    assert (await decide(supervisor, task)).status_code == 200
    done = await ended(clerk, case, answer.json()["id"])
    assert (done["state"], done["old"], done["new"]) == ("applied", value["value"], earlier)
    assert (done["proposed_by"], done["decided_by"], done["reason"]) == ("clerk", "supervisor", "登记时看错")

    async def moved() -> Json | None:
        now = {d["id"]: d for d in (await clerk.get(room)).json()["deadlines"]}
        return now if now[norm]["due"] != before[norm]["due"] else None

    after = await until(moved)
    assert foretold[0]["due_new"] == after[norm]["due"] < before[norm]["due"]
    assert after["DL-REG-FOR@social_bureau"]["met_at"][:10] == earlier
    lines = await said(clerk, case)
    assert sum("已更正：社保局提交日期由" in x and earlier in x and "clerk" in x for x in lines) == 1
    assert any(before[norm]["due"] in x and after[norm]["due"] in x for x in lines), "old and new day of what moved"
    assert any(value["value"] in x and "完成日期" in x for x in lines)
    async with session() as s:
        trail = list(await s.scalars(select(Audit).where(Audit.object == case, Audit.action.like("process.amend%"))))
    assert [(a.action, a.actor) for a in trail] == [
        ("process.amend_proposed", "clerk"), ("process.amend_applied", "supervisor")
    ]  # fmt: skip
    assert trail[1].data["old"] == value["value"] and trail[1].data["new"] == earlier

    # The day of the permit moves the date of the law, and a clerk looks whether the bureau has to be told.
    law = {d["id"]: d["due"] for d in (await clerk.get(room)).json()["deadlines"] if d["id"].startswith("DL-REG-FOR")}
    wrong = await propose(clerk, case, await on_record(clerk, case, "hire.permit_issued"), days(900).isoformat())
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_form"), "the checks of a record hold"
    endless = await propose(clerk, case, await on_record(clerk, case, "hire.permit_expires"), "9999-12-31")
    assert endless.status_code == 422 and "2199-12-31" in endless.json()["detail"]
    unborn = await propose(clerk, case, await on_record(clerk, case, "hire.permit_issued"), "1900-01-01")
    assert unborn.status_code == 422 and "尚未出生" in unborn.json()["detail"], "no date of the law counts from it"
    issued = days(-14).isoformat()
    answer = await propose(clerk, case, await on_record(clerk, case, "hire.permit_issued"), issued)
    task = await asked(supervisor, answer.json()["id"])
    foretold = task["context"]["dates_moved"]
    assert sorted(m["due_old"] for m in foretold) == sorted(law.values())
    assert (await decide(supervisor, task)).status_code in (200, 202)
    assert (await ended(clerk, case, answer.json()["id"]))["state"] == "applied"

    async def asked_of_the_record() -> Json | None:
        view = (await clerk.get(room)).json()
        return view if "registration.record_changed" in [t["kind"] for t in view["tasks"]] else None

    view = await until(asked_of_the_record)
    now = {d["id"]: d["due"] for d in view["deadlines"] if d["id"] in law}
    assert all(now[i] < law[i] for i in law)
    assert sorted(m["due_new"] for m in foretold) == sorted(now.values())
    async with session() as s:
        hire = await people.hire_of(s, case)
        assert hire.permit_issued.isoformat() == issued
        versions = list(await s.scalars(select(Hire.source).where(Hire.process_id == case)))
    assert any(v.startswith("amendment-") for v in versions), "and every earlier record is kept"

    # Of what is proposed one is rejected with a note, one withdrawn, and nothing changes.
    receipt = await on_record(clerk, case, "registration.receipt_no")
    rejected = (await propose(clerk, case, receipt, "SL002")).json()["id"]
    assert (
        await decide(supervisor, await asked(supervisor, rejected), "reject", reason="回执上是001")
    ).status_code == 200
    assert (await ended(clerk, case, rejected))["note"] == "回执上是001"
    withdrawn = (await propose(clerk, case, receipt, "SL003")).json()["id"]
    await asked(clerk, withdrawn)
    stopped = await clerk.post(f"/api/v1/processes/{withdrawn}/cancel", json={"reason": "提错了"}, headers=key())
    assert stopped.status_code == 200, stopped.text
    assert (await ended(clerk, case, withdrawn))["state"] == "withdrawn"
    assert (await on_record(clerk, case, "registration.receipt_no"))["value"] == "SL001"


async def test_a_closed_case_has_its_number_amended_and_the_person_is_told(school: Office, case: str) -> None:
    program = await Program.of(school)
    view = await program.until_ended(case)
    assert view["state"] == "closed", "\n".join(t["text"]["zh"] for t in view["timeline"])
    clerk, supervisor, college = [await school.sign_in(n) for n in ("clerk", "supervisor", "college")]
    number = await on_record(clerk, case, "registration.number", SOCIAL)
    masked = await on_record(college, case, "registration.number", SOCIAL)
    assert masked["masked"] and number["value"] not in str(masked)
    new = f"{number['value']}9"
    done = await amended(school, case, "registration.number", new, by="clerk2")
    assert (done["state"], done["old"], done["new"]) == ("applied", number["value"], new) or done["of"] != SOCIAL
    async with session() as s:
        agency, _, _ = done["of"].partition("/")
        row = await registrations.approved(s, view["subject"], agency)
        assert row is not None and registrations.number_of(row) == new
        assert await registrations.held_by_another(s, agency, new, "somebody else")
        notice = await s.get_one(NoticeRow, case)
        mails = list(await s.scalars(select(Outgoing.key).where(Outgoing.key.contains(done["id"]))))
    assert new in str(unseal(notice.body)), "the notice says the right number"
    assert mails, "and the person is told of it"
    text = "".join(await said(clerk, case))
    assert "已更正" in text and new not in text and number["value"] not in text, "no number in the timeline"
    theirs = (await college.get(f"/api/v1/processes/{case}/amendments")).json()
    assert theirs["amendments"] and new not in str(theirs) and not theirs["may_propose"]

    # The record of a closed case, with the date that is watched.
    until_day = days(500).isoformat()
    assert (await amended(school, case, "hire.permit_expires", until_day))["state"] == "applied"
    async with session() as s:
        watched = await s.scalar(
            select(WatchDate.on).where(WatchDate.process_id == case, WatchDate.kind == "permit_expires")
        )
    assert watched is not None and watched.isoformat() == until_day

    # A number of another person is refused.
    second = await school.case(id_number="F88888888")
    async with session() as s:
        arg = RegistrationArg(process_id=second, person_id=await _subject(s, second), agency=agency, attempt=1)
        await registrations.approve(s, await registrations.ensure(s, arg), "CHN0ANOTHER1", clock.now())
    current = await on_record(clerk, case, "registration.number", done["of"])
    taken = await propose(clerk, case, current, "CHN0ANOTHER1")
    assert taken.status_code == 422 and "另一人" in taken.json()["detail"]

    # What waits for its confirmation while the value changes otherwise cannot be confirmed, only rejected.
    stale = (await propose(clerk, case, current, f"{new}8")).json()["id"]
    task = await asked(supervisor, stale)
    async with session() as s:
        row = await registrations.approved(s, view["subject"], agency)
        assert row is not None
        await registrations.approve(s, row, f"{new}7", clock.now())
    answer = await decide(supervisor, task)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_version")
    assert (await decide(supervisor, task, "reject", reason="已有变化")).status_code == 200
    assert (await ended(clerk, case, stale))["state"] == "rejected"

    # Money: certificate and day of payment by supervisor or head; the amount of a settled bill never.
    month = next(p for p in (await clerk.get("/api/v1/processes", params={"kind": "tax_payment"})).json()["items"])[
        "id"
    ]
    amount = await on_record(clerk, month, "payment.amount")
    assert not amount["amendable"] and "补充征集单" in amount["why_not"]["zh"]
    refused = await propose(clerk, month, amount, "1.00")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_amendable")
    certificate = (
        await propose(clerk, month, await on_record(clerk, month, "payment.certificate_no"), "35101699")
    ).json()
    task = await asked(clerk, certificate["id"])
    assert task["roles"] == ["supervisor", "head"]
    assert (await decide(await school.sign_in("clerk2"), task)).status_code == 403
    assert (await decide(supervisor, task)).status_code == 200
    assert (await ended(clerk, month, certificate["id"]))["state"] == "applied"
    assert (await on_record(clerk, month, "payment.certificate_no", certificate["of"]))["value"] == "35101699"
    paid = await on_record(clerk, month, "payment.paid_on")
    if clock.today().day > 1:  # none is paid before the month of its bill
        day = (clock.today() - timedelta(days=1)).isoformat()
        assert (await amended(school, month, "payment.paid_on", day))["old"] == paid["value"]
    voucher = next(p for p in (await clerk.get("/api/v1/processes", params={"kind": "reimbursement"})).json()["items"])[
        "id"
    ]
    assert (await amended(school, voucher, "voucher.settlement_no", "JS-9"))["state"] == "applied"
    finance = await school.sign_in("finance")
    assert (await on_record(finance, voucher, "voucher.settlement_no"))["value"] == "JS-9"


async def test_an_amended_wage_of_a_closed_case_is_made_up_and_paid(school: Office, agencies: Running) -> None:
    """Through the tax office's interface, where it is a make-up declaration of a month that is paid."""
    behave(agencies.url)
    case = await school.case(contract_start="2026-11-01", id_number="F66666666", email="anna@example.edu")
    assert await starts.start_pending([case]) == 1
    program = await Program.of(school)
    assert (await program.until_ended(case))["state"] == "closed"
    clerk = await school.sign_in("clerk")
    wage = await on_record(clerk, case, "hire.monthly_wage")
    async with session() as s:
        said_before = str(unseal((await s.get_one(NoticeRow, case)).body))
    lower = await propose(clerk, case, wage, "17000.00")
    assert lower.status_code == 422 and "退费" in lower.json()["detail"], "what was billed is not lowered"
    assert (await amended(school, case, "hire.monthly_wage", "19000.00"))["state"] == "applied"
    async with session() as s:
        said_after = str(unseal((await s.get_one(NoticeRow, case)).body))
        before = (await premium_lines.case_books(s, case)).unpaid
        lines, _ = await policy_impact.due_lines(s, rule_tables.load(), clock.today())
    assert said_after != said_before, "the notice has the right amounts"
    assert {line.declared for line in lines if line.process_id == case} == {Decimal("19000.00")}
    assert before == {"social": 3, "medical": 3}

    async def paid() -> bool:
        await program.round()
        async with session() as s:
            return not (await premium_lines.case_books(s, case)).unpaid

    await until(paid)
    async with session() as s:
        lines = await ledger.lines_of_case(s, case)
        month = max(line.payment_month for line in lines)
        for levy in ("social", "medical"):
            due = await premium_lines.premiums(s, case, levy, min(line.payment_month for line in lines))
            ours = sum(x.unit_amount + x.person_amount for x in lines if x.levy == levy)
            assert ours == sum(a.unit_amount + a.person_amount for a in due), f"{levy} {month}"


async def first(client: httpx2.AsyncClient, kind: str) -> str:
    """The newest process of a kind."""
    return (await client.get("/api/v1/processes", params={"kind": kind})).json()["items"][0]["id"]


async def _subject(s: Any, process_id: str) -> str:
    return str((await s.get_one(Process, process_id)).subject)


async def test_what_an_authoritys_own_system_said_is_not_amended_here(school: Office, agencies: Running) -> None:
    behave(agencies.url)
    case = await school.case(contract_start="2026-11-01", id_number="F99999999")
    assert await starts.start_pending([case]) == 1
    clerk, college = await school.sign_in("clerk"), await school.sign_in("college")
    await do(college, case, "enrolment.materials")
    await do(clerk, case, "enrolment.verification")

    async def look() -> list[Json]:
        values = (await clerk.get(f"/api/v1/processes/{case}/amendments")).json()["values"]
        return [v for v in values if v["field"] == "registration.number"]

    numbers = await until(look)
    assert numbers[0]["amendable"]
    receipt = await on_record(clerk, case, "registration.receipt_no", numbers[0]["of"])
    assert not receipt["amendable"] and "经办机构系统" in receipt["why_not"]["zh"]
    refused = await propose(clerk, case, receipt, "SL777")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_amendable")


async def test_a_case_that_cannot_count_by_the_value_is_a_failed_step_and_told_again(office: Office) -> None:
    case = await office.case()
    async with session() as s:
        process = await s.get_one(Process, case)
        permit = Recorded(FIELDS["hire.permit_issued"], "", RECORD, "2026-11-16")
        row = await amendments.propose(
            s, process, permit, "2026-11-10", reason="误读", document_id=None, actor="clerk", excluded=["clerk"],
            key=None, body_hash="",
        )  # fmt: skip
    telling = ActivityEnvironment(client=office.temporal)  # pyright: ignore[reportArgumentType]
    office.temporal.refuse = [Refusal.PROGRAM_FAULT, Refusal.NOT_ALLOWED_NOW]
    with pytest.raises(ApplicationError, match="期限仍为原值") as failed:
        await telling.run(tell_amended, AmendmentArg(id=row.id))
    assert failed.value.non_retryable, "a person decides when it is tried again"
    assert await telling.run(tell_amended, AmendmentArg(id=row.id)) == 0  # it ends: nothing is counted any more
    assert await telling.run(tell_amended, AmendmentArg(id=row.id)) == 1
    assert office.temporal.calls == [("take_amendment", row.id)] * 3
