"""An answer that is well formed and still wrong: 422 with the field named, nothing stored, nothing sent."""

import asyncio
import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api import person_alike
from domain.times import at
from runtime import clock
from schemas.amendment import FIELDS
from schemas.base import Text
from schemas.calls import FreezeArg, PaymentScope, RegistrationArg
from schemas.enrolment import ForeignHire, LineRequest
from store import alike, ledger, people, recorded, registrations
from store.database import session
from store.recorded import Recorded
from store.tables.ledger import AgencyLine
from store.tables.processes import Process, Submission, Task
from store.users import Viewer
from tests.api.conftest import Office, days, hire
from tests.api.test_tasks import key

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def answered(office: Any, task: str, user: str, outcome: str, data: dict[str, Any]) -> dict[str, str]:
    """pointer -> code of a refused answer."""
    client = await office.sign_in(user)
    body = {"outcome": outcome, "data": data, "version": 1}
    answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 422, answer.text
    assert office.temporal.calls == []
    async with session() as s:
        assert (await s.scalars(select(Submission))).all() == []
    return {e["pointer"]: e["code"] for e in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id_expires": "2026-01-01"}, "/data/id_expires"),
        ({"permit_expires": "2026-11-18"}, "/data/permit_expires"),
        ({"contract_end": "2026-01-01"}, "/data/contract_end"),
        ({"country": "ZZZ"}, "/data/country"),
        ({"name": "123"}, "/data/name"),
        ({"org_unit": "nowhere"}, "/data/org_unit"),
        ({"id_number": "??"}, "/data/id_number"),
        ({"phone": "abc😀"}, "/data/phone"),
        ({"email": "not an email"}, "/data/email"),
        ({"contract_end": "9999-12-31"}, "/data/contract_end"),
        ({"permit_issued": "1900-01-01"}, "/data/permit_issued"),
    ],
)
async def test_a_record_is_checked_as_an_uploaded_row_is(office: Any, change: dict[str, str], pointer: str) -> None:
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    college = await office.sign_in("college")
    known = (await college.get(f"/api/v1/tasks/{task}")).json()["data"]
    assert pointer in await answered(office, task, "college", "submit", known | change)


async def test_days_far_away_in_a_record_are_faults_of_the_answer(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    college = await office.sign_in("college")
    known = (await college.get(f"/api/v1/tasks/{task}")).json()["data"]
    dated = [name for name in ForeignHire.model_fields if re.fullmatch(r"\d{4}-\d\d-\d\d", str(known.get(name)))]
    assert len(dated) == 7
    for name, day in itertools.product(dated, ("9999-12-31", "1900-01-01")):
        pointers = await answered(office, task, "college", "submit", known | {name: day})
        assert {f"/data/{name}", "/data/birth"} & set(pointers), (name, day)


async def test_a_hand_in_lies_not_before_the_permit_and_an_answer_not_before_the_hand_in(office: Office) -> None:
    permit, handed, accepted = days(-12), days(-10), days(-8)
    case = await office.case(permit_issued=permit.isoformat())
    at_bureau = {"authority": "social_bureau", "data": {"agency": "social_bureau", "attempt": 1}}
    task = await office.task(case, "registration.hand_in", key="h/1", outcomes=["handed_in"], **at_bureau)
    early: dict[str, Any] = {"handed_in_on": days(-13).isoformat(), "receipt_no": "SL77"}
    assert await answered(office, task, "clerk", "handed_in", early) == {"/data/handed_in_on": "before_begin"}
    long_ago = early | {"handed_in_on": "2020-01-01"}
    said = await refused(office, task, "handed_in", long_ago)
    assert f"工作许可签发日期（{permit}）" in said["zh"] and f"issued ({permit})" in said["en"]
    async with session() as s:
        person = (await s.get_one(Process, case)).subject or ""
        arg = RegistrationArg(process_id=case, person_id=person, agency="social_bureau", attempt=1)
        row = await registrations.ensure(s, arg)
        registrations.submitted(row, "SL77", at(handed, "12:00"))
        process = await s.get_one(Process, case)
        handed_in = await recorded.find(s, process, "registration.handed_in_on", "social_bureau/1")
        assert handed_in is not None
        assert await recorded.fault(s, process, handed_in, permit.isoformat()) is None
        wrong = await recorded.fault(s, process, handed_in, days(-13).isoformat())
        assert wrong is not None and "工作许可签发日期" in wrong.zh, "the amendment holds to the same bound"
        on_record = Recorded(FIELDS["hire.permit_issued"], "", recorded.RECORD, permit.isoformat())
        assert await recorded.fault(s, process, on_record, handed.isoformat()) is None
        moved = await recorded.fault(s, process, on_record, days(-9).isoformat())
        assert moved is not None and f"提交日期（{handed}）" in moved.zh
    kinds = (
        ("registration.acceptance", "accepted", "accepted_on", {}),
        ("registration.result", "approved", "approved_on", {"number": "DEU0C01X00T47"}),
        ("registration.result", "refused", "refused_on", {"code": "R08"}),
        ("registration.undo", "undone", "undone_on", {}),
    )
    for n, (kind, outcome, field, data) in enumerate(kinds, 2):
        task = await office.task(case, kind, key=f"{n}", outcomes=[outcome], revision=n, **at_bureau)
        data = data | {field: days(-11).isoformat()}
        assert await answered(office, task, "clerk", outcome, data) == {f"/data/{field}": "before_hand_in"}, kind
    async with session() as s:
        row = await registrations.ensure(s, arg)
        registrations.accepted(row, at(accepted, "12:00"))
    task = await office.task(case, "registration.result", key="9", outcomes=["approved"], revision=9, **at_bureau)
    result = {"approved_on": days(-9).isoformat(), "number": "DEU0C01X00T47"}
    assert await answered(office, task, "clerk", "approved", result) == {"/data/approved_on": "before_acceptance"}


async def waiting(office: Office, n: int) -> tuple[str, str]:
    """Somebody whose application lies accepted at the bureau: the document number, and the task for the result."""
    number = f"K{8000000 + n}"
    case = await office.case(id_number=number, name=f"Anna {chr(65 + n)}lster", permit_issued=days(-12).isoformat())
    async with session() as s:
        person = (await s.get_one(Process, case)).subject or ""
        arg = RegistrationArg(process_id=case, person_id=person, agency="social_bureau", attempt=1)
        row = await registrations.ensure(s, arg)
        registrations.submitted(row, f"SL{n}", at(days(-10), "12:00"))
        registrations.accepted(row, at(days(-10), "12:00"))
    at_bureau = {"authority": "social_bureau", "data": {"agency": "social_bureau", "attempt": 1}}
    task = await office.task(case, "registration.result", key="result/1", outcomes=["approved", "refused"], **at_bureau)
    return number, task


async def test_one_number_is_given_to_one_person_however_it_is_recorded(office: Office) -> None:
    people_ = [await waiting(office, n) for n in range(4)]
    (first, task), (second, other), *more = people_
    client = await office.sign_in("clerk")

    async def approve(of: str, number: str) -> tuple[int, dict[str, str]]:
        data = {"approved_on": days(-1).isoformat(), "number": number}
        body = {"outcome": "approved", "data": data, "version": 1}
        answer = await client.post(f"/api/v1/tasks/{of}/complete", json=body, headers=key())
        return answer.status_code, {e["pointer"]: e["code"] for e in answer.json().get("errors", [])}

    async def rows(*typed: dict[str, str]) -> list[tuple[str, list[str]]]:
        answer = await client.post("/api/v1/agencies/social_bureau/results", json={"rows": list(typed)})
        assert answer.status_code == 200, answer.text
        return [(r["outcome"], [f["code"] for f in r["faults"]]) for r in answer.json()["rows"]]

    for wrong in ("不合格号码!!", "DEU0 C01", "----", "DEU0/C01", "DEU0C01；"):
        assert await approve(task, wrong) == (422, {"/data/number": "string_pattern_mismatch"}), wrong
    assert await rows({"id_number": first, "number": "不合格号码!!"}) == [("refused", ["string_pattern_mismatch"])]
    said = await refused(office, task, "approved", {"approved_on": days(0).isoformat(), "number": "号码!!"})
    assert "连字符" in said["zh"] and "hyphens" in said["en"]

    # Two clerks at once with one number for two people: one of them is told, before anything is on record.
    at_once = await asyncio.gather(approve(task, "DEU0-X001"), approve(other, "deu0-x001"))
    assert sorted(at_once, key=str) == [(200, {}), (422, {"/data/number": "number_of_another"})]
    if at_once[0][0] != 200:
        first, task, second, other = second, other, first, task
    assert await rows({"id_number": second, "number": "DEU0-X001"}) == [("refused", ["number_of_another"])]
    async with session() as s:
        process = (await s.get_one(Task, task)).process_id
        row = (await registrations.newest(s, [process], "social_bureau"))[process]
        await registrations.approve(s, row, "DEU0-X001", at(days(-1), "12:00"))
    assert await approve(other, "DEU0-X001") == (422, {"/data/number": "number_of_another"})
    both = [{"id_number": number, "number": "DEU0X002"} for number, _ in more]
    assert await rows(*both) == [("refused", ["number_twice"])] * 2
    assert await rows(both[0], both[1] | {"number": "DEU0X003"}) == [("done", []), ("done", [])]

    # What is on record is not changed by a list, and a row that says otherwise is no row without a change.
    known = {"id_number": first, "number": "DEU0-X001"}
    assert await rows(known) == [("unchanged", [])]
    assert await rows(known | {"day": days(-1).isoformat()}) == [("unchanged", [])]
    assert await rows(known | {"day": days(-2).isoformat()}) == [("refused", ["other_day"])]
    assert await rows(known | {"number": "DEU0-X009"}) == [("refused", ["other_number"])]
    async with session() as s:  # amended after the row was taken
        process = (await s.get_one(Task, more[0][1])).process_id
        row = (await registrations.newest(s, [process], "social_bureau"))[process]
        await registrations.approve(s, row, "DEU0X004", at(days(0), "12:00"))
    assert await rows(both[0]) == [("refused", ["other_number"])]


async def test_whom_the_agencys_server_has_approved_needs_no_row(office: Office) -> None:
    number = "K8000009"
    case = await office.case(id_number=number, permit_issued=days(-12).isoformat())
    async with session() as s:
        process = await s.get_one(Process, case)
        arg = RegistrationArg(process_id=case, person_id=process.subject or "", agency="social_bureau", attempt=1)
        await registrations.approve(s, await registrations.ensure(s, arg), "DEU0X010", clock.now())
        case_no = process.case_no
    client = await office.sign_in("clerk")
    for named, lang, words in (("id_number", "zh", "请删除此行"), ("case_no", "en", "remove the row")):
        typed = {named: number if named == "id_number" else case_no, "number": "DEU0X010"}
        answer = await client.post(f"/api/v1/agencies/social_bureau/results?lang={lang}", json={"rows": [typed]})
        (row,) = answer.json()["rows"]
        (fault,) = row["faults"]
        assert (row["outcome"], fault["code"]) == ("refused", "approved_already"), answer.text
        assert words in fault["message"]


async def refused(office: Office, task: str, outcome: str, data: dict[str, Any]) -> dict[str, str]:
    """The only sentence of a refused answer, in both languages."""
    client = await office.sign_in("clerk")
    body = {"outcome": outcome, "data": data, "version": 1}
    said: dict[str, str] = {}
    for language in ("zh", "en"):
        headers = key() | {"Accept-Language": language}
        answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)
        [error] = answer.json()["errors"]
        said[language] = error["message"]
    return said


async def test_while_the_permit_is_to_come_nothing_was_handed_in_before_the_case_began(
    office: Office,
) -> None:
    case = await office.case(permit_issued=days(20).isoformat(), permit_expires=days(300).isoformat())
    task = await office.task(case, "registration.hand_in", key="h/1", outcomes=["handed_in"])
    early = {"handed_in_on": days(-1).isoformat(), "receipt_no": "SL77"}
    assert f"本案发起日期（{days(0)}）" in (await refused(office, task, "handed_in", early))["zh"]


async def test_the_number_of_another_person_is_named(office: Any) -> None:
    await office.case(id_number="C01X00T55", name="Berta Beispiel")
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    college = await office.sign_in("college")
    known = (await college.get(f"/api/v1/tasks/{task}")).json()["data"]
    wrong = await answered(office, task, "college", "submit", known | {"id_number": "C01X00T55"})
    assert wrong == {"/data/id_number": "number_taken"}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"name": "Berta Beispiel"}, ["NAME_DIFFERS"]),
        ({"id_number": "C01X00T55"}, ["NUMBER_DIFFERS"]),
        ({"name": "MUSTER Anna"}, []),
        ({"post": "讲师"}, []),
    ],
)
async def test_name_or_number_unlike_the_record_is_said_to_the_clerk(
    office: Any, change: dict[str, str], codes: list[str]
) -> None:
    case = await office.case()
    async with session() as s:
        person = (await s.get_one(Process, case)).subject
        assert person
        await people.save_hire(s, case, person, hire(**change), source="correction", now=clock.now())
    client = await office.sign_in("clerk")
    context = (await client.get(f"/api/v1/tasks/{await office.task(case)}")).json()["context"]
    named = {f["code"]: f for f in context["findings"] if f["code"].endswith("_DIFFERS")}
    assert list(named) == codes
    assert all(f["severity"] == "watch" and f["message"]["zh"] and f["message"]["en"] for f in named.values())


async def test_a_start_by_hand_under_another_name_is_named(office: Any) -> None:
    case = await office.case()
    async with session() as s:
        (await s.get_one(Process, case)).state = "cancelled"  # no case counts, the person is still on record
    other = hire(name="Berta Beispiel").model_dump(mode="json", exclude_none=True)
    clerk = await office.sign_in("clerk")
    answer = await clerk.post("/api/v1/processes", json={"kind": "enrolment", "input": other}, headers=key())
    assert answer.status_code == 422, answer.text
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/input/name", "name_differs")]


async def test_medical_is_never_exempt(office: Any) -> None:
    task = await office.task(await office.case())
    wrong = await answered(office, task, "clerk", "approve", {"exempt": ["medical", "pension"]})
    assert wrong == {"/data/exempt": "not_exemptible"}


@pytest.mark.parametrize(
    ("change", "ground"),
    [
        ({"birth": "1985-03-14"}, "姓名、出生日期和国籍相同，工作许可证号相同"),
        ({"work_permit_no": "5100202600000001"}, "姓名、出生日期和国籍相同"),
        ({"name": "Berta Beispiel", "birth": "1990-01-01"}, "工作许可证号相同"),
    ],
)
async def test_who_may_be_the_person_of_another_case_is_approved_with_a_reason_only(
    office: Any, change: dict[str, str], ground: str
) -> None:
    first = await office.case()
    task = await office.task(await office.case(id_number="C01X00T55", **change))
    client = await office.sign_in("clerk")
    said = (await client.get(f"/api/v1/tasks/{task}")).json()["context"]["findings"][0]
    assert (said["code"], said["severity"]) == ("PERSON_ALIKE", "fault")
    assert f"案件 {first.removeprefix('enrolment-')} 的人员（{ground}" in said["message"]["zh"]
    assert "double enrolment" in said["message"]["en"]
    assert await answered(office, task, "clerk", "approve", {"remark": "  "}) == {"/data/remark": "person_alike"}
    body = {"outcome": "approve", "data": {"remark": "两本护照照片、出生地不同"}, "version": 1}
    answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 200, answer.text


async def test_a_case_of_another_person_or_a_cancelled_one_asks_nothing_at_verification(office: Any) -> None:
    first = await office.case()
    task = await office.task(await office.case(id_number="C01X00T55", birth="1985-03-14"))
    async with session() as s:
        (await s.get_one(Process, first)).state = "cancelled"
    await office.case(id_number="C01X00T66")
    client = await office.sign_in("clerk")
    context = (await client.get(f"/api/v1/tasks/{task}")).json()["context"]
    assert "PERSON_ALIKE" not in {f["code"] for f in context["findings"]}
    body = {"outcome": "approve", "data": {}, "version": 1}
    answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 200, answer.text


async def test_a_college_reads_of_no_other_case_in_the_materials(office: Any) -> None:
    await office.case()
    case = await office.case(id_number="C01X00T55", birth="1985-03-14")
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    context = (await (await office.sign_in("college")).get(f"/api/v1/tasks/{task}")).json()["context"]
    assert "PERSON_ALIKE" not in {f["code"] for f in context["findings"]}


async def test_a_form_of_before_does_not_bring_back_a_document_that_a_clerk_replaced(office: Any) -> None:
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    client = await office.sign_in("college")
    old = (await client.get(f"/api/v1/tasks/{task}")).json()["data"]
    clerk = Viewer("clerk", Text(zh="经办人", en="Clerk"), frozenset({"clerk"}))
    async with session() as s:
        renewed = hire(id_number="C01X00T99", id_expires="2036-01-31")
        [twin] = await alike.cases(s, renewed)
        await person_alike.replace_document(s, clerk, twin, renewed, "test")
    assert await answered(office, task, "college", "submit", old) == {"/data/id_number": "document_replaced"}
    new = (await client.get(f"/api/v1/tasks/{task}")).json()["data"]
    assert (new["id_number"], new["id_expires"]) == ("C01X00T99", "2036-01-31")
    body = {"outcome": "submit", "data": new, "version": 1}
    answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 200, answer.text


async def test_materials_that_come_back_begin_with_the_new_document(office: Any) -> None:
    case = await office.case()
    first = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    client = await office.sign_in("college")
    data = (await client.get(f"/api/v1/tasks/{first}")).json()["data"] | {"post": "讲师"}
    body = {"outcome": "submit", "data": data, "version": 1}
    answer = await client.post(f"/api/v1/tasks/{first}/complete", json=body, headers=key())
    assert answer.status_code == 200, answer.text
    clerk = Viewer("clerk", Text(zh="经办人", en="Clerk"), frozenset({"clerk"}))
    async with session() as s:
        former = (await s.scalars(select(Submission.id))).one()
        renewed = hire(id_number="C01X00T99", id_expires="2036-01-31")
        [twin] = await alike.cases(s, renewed)
        await person_alike.replace_document(s, clerk, twin, renewed, "test")
    again = await office.task(
        case,
        "enrolment.materials",
        key="materials/2",
        roles=["college"],
        outcomes=["submit"],
        former=former,
        revision=5,
    )
    shown = (await client.get(f"/api/v1/tasks/{again}")).json()["data"]
    assert (shown["id_number"], shown["id_expires"], shown["post"]) == ("C01X00T99", "2036-01-31", "讲师")


async def test_who_is_taken_off_stands_on_the_bill_and_nobody_without_a_number_is_visible(office: Any) -> None:
    case = await office.case(id_number="C01X00T61")
    other = await office.case(id_number="C01X00T62", name="Berta Beispiel")
    scope = PaymentScope(unit="school", levy="social", month=f"{clock.today():%Y-%m}")
    async with session() as s:
        person, stranger = [(await s.get_one(Process, x)).subject or "" for x in (case, other)]
        await ledger.write_lines(
            s,
            LineRequest(
                process_id=case, person_id=person, levy="social", payment_month=scope.month,
                insurances=["pension", "unemployment"],
            ),
        )  # fmt: skip
        bill = await ledger.freeze_bill(s, FreezeArg(scope=scope, kind="regular", round=1))
        s.add(Process(id=scope.process_id, kind="tax_payment", case_no=scope.process_id, started_by="system",
                      started_at=clock.now()))  # fmt: skip
    paying = await office.task(
        scope.process_id, "tax_payment.payment", key="payment/1", outcomes=["paid"], org_unit=None,
        data={"bill_id": bill.bill_id}, process={"kind": "tax_payment"},
    )  # fmt: skip
    early = (clock.today().replace(day=1) - timedelta(days=1)).isoformat()
    paid = {"paid_on": early, "certificate_no": "35101626", "amount": str(bill.total)}
    assert await answered(office, paying, "clerk", "paid", paid) == {"/data/paid_on": "before_month"}
    async with session() as s:
        process = await s.get_one(Process, scope.process_id)
        on_record = Recorded(FIELDS["payment.paid_on"], bill.bill_id, recorded.RECORD, days(0).isoformat())
        wrong = await recorded.fault(s, process, on_record, early)
        assert wrong is not None and "第一天" in wrong.zh
    task = await office.task(
        scope.process_id, "tax_payment.visible", key="visible/1", outcomes=["visible", "take_off"], org_unit=None,
        data={"bill_id": bill.bill_id}, process={"kind": "tax_payment"}, revision=2,
    )  # fmt: skip
    chosen = {"persons": [person, stranger], "reason": "税务端查无此人"}
    async with session() as s:
        s.add(AgencyLine(bill_id=bill.bill_id, person_id=stranger, premium_month=scope.month, insurance="pension",
                         unit_amount=9, person_amount=0))  # fmt: skip
    comparing = await office.task(
        scope.process_id, "tax_payment.confirm", key="confirm/1", outcomes=["recheck", "take_off"], org_unit=None,
        data={"bill_id": bill.bill_id}, process={"kind": "tax_payment"}, revision=3,
    )  # fmt: skip
    client = await office.sign_in("clerk2")
    body = {"outcome": "adjust", "data": {"reason": "按征集单"}, "version": 1}
    refused = await client.post(f"/api/v1/tasks/{comparing}/complete", json=body, headers=key())
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_outcome")
    assert "请在税务客户端将其移出" in refused.json()["detail"], "it is said what to do instead"
    assert await answered(office, task, "clerk", "take_off", chosen) == {"/data/persons": "not_on_bill"}
    assert "/data/persons" in await answered(office, task, "clerk", "take_off", chosen | {"persons": []})
    assert await answered(office, task, "clerk", "visible", {}) == {"/outcome": "number_missing"}
    clerk = await office.sign_in("clerk")
    context = (await clerk.get(f"/api/v1/tasks/{task}")).json()["context"]
    assert [(p["person_id"], p["number"], p["differs"]) for p in context["people"]] == [(person, None, True)]
