"""The inbox and completing a task, through HTTP on real PostgreSQL."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import select, update

from api.completion import resend_pending_submissions
from runtime import clock
from runtime.settings import get_settings
from schemas.base import Text
from schemas.deadlines import LegalKind
from schemas.tasks import DocumentRequest, Refusal
from store.database import session
from store.people import hire_of
from store.tables.office import Audit, Document
from store.tables.processes import Process, Submission, Task
from tests.api.conftest import Office, days, deadline

PDF = b"%PDF-1.7\n1 0 obj\n"


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


async def test_inbox_orders_by_urgency_and_pages_without_gaps(office: Office) -> None:
    """Day of latest start, then statutory before internal, then case number; pages join without loss."""
    wanted: list[str] = []
    plan = [(3, LegalKind.INTERNAL), (3, LegalKind.STATUTORY), (1, LegalKind.INTERNAL), (9, LegalKind.PAYMENT)]
    made: list[tuple[int, int, str]] = []
    for n, (due, kind) in enumerate(plan):
        case = await office.case(id_number=f"C01X00T4{n}")
        task = await office.task(case, deadlines=[deadline(days(due), kind=kind)])
        made.append((due, 0 if kind is LegalKind.STATUTORY else 1, task))
    wanted = [t for _, _, t in sorted(made)]
    clerk = await office.sign_in("clerk")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (
            await clerk.get(
                "/api/v1/tasks", params={"view": "group", "limit": 1, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        assert page["total"] == 4
        seen += [t["id"] for t in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == wanted


@pytest.mark.parametrize(
    "path", ["tasks?kind=&overdue=&at_risk=&limit=&cursor=&view=", "processes?kind=&state=&overdue="]
)
async def test_an_empty_filter_is_none(office: Office, path: str) -> None:
    await office.task(await office.case())
    clerk = await office.sign_in("clerk")
    name, _, _ = path.partition("?")
    whole = (await clerk.get(f"/api/v1/{name}")).json()
    given = await clerk.get(f"/api/v1/{path}")
    assert given.status_code == 200, given.text
    assert [i["id"] for i in given.json()["items"]] == [i["id"] for i in whole["items"]]
    assert given.json()["total"] == whole["total"]
    assert (await clerk.get(f"/api/v1/{name}?overdue=perhaps")).status_code == 422


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("tasks?overdu=true&view=all", "at_risk"),  # a model of filters
        ("processes?overdu=true", "overdue"),
        ("incidents?overdu=true", "process_kind"),
        ("escalations?overdu=true", "state"),
        ("figures.xlsx?overdu=true", "months"),
        ("deadlines?overdu=true&from=2026-11-01", "from"),  # parameters, one of them under another name
        ("processes/x?overdu=true", "at"),
        ("board?overdu=true&lang=zh", "lang"),  # no parameters at all
        ("messages?overdu=true", "lang"),
    ],
)
async def test_a_misspelt_filter_is_refused_and_the_known_are_named(office: Office, path: str, known: str) -> None:
    """With the filter left out in silence the list would be that of everything."""
    clerk = await office.sign_in("clerk")
    zh = await clerk.get(f"/api/v1/{path}")
    en = (await clerk.get(f"/api/v1/{path.replace('&lang=zh', '')}&lang=en")).json()
    assert (zh.status_code, zh.json()["code"]) == (422, "unknown_parameter"), zh.text
    (fault,) = zh.json()["errors"]
    assert fault["pointer"] == "/query/overdu" and "“overdu”" in fault["message"]
    assert known in fault["message"].partition("可用：")[2].rstrip("。").split("、")
    assert en["detail"].startswith("There is no query parameter 'overdu' here") and known in en["detail"]
    stranger = await office.anonymous().get(f"/api/v1/{path}")
    assert (stranger.status_code, stranger.json()["code"]) == (401, "not_signed_in"), "and learns nothing of filters"


async def test_college_sees_its_own_tasks_only(office: Office) -> None:
    ours = await office.case()
    theirs = await office.case(id_number="X9988776", org_unit="physics")
    mine = await office.task(ours, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    other = await office.task(
        theirs, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"], org_unit="physics",
        process={"org_unit": "physics"},
    )  # fmt: skip
    college = await office.sign_in("college")
    page = (await college.get("/api/v1/tasks", params={"view": "group"})).json()
    assert [t["id"] for t in page["items"]] == [mine]
    assert (await college.get(f"/api/v1/tasks/{other}")).status_code == 404
    assert (await college.post(f"/api/v1/tasks/{other}/claim")).status_code == 404


async def test_data_of_a_task_is_accepted_as_it_is(office: Office) -> None:
    """Contract: what GET gives in `data`, sent back with outcomes[0], is accepted; the row is closed in the answer."""
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    college = await office.sign_in("college")
    view = (await college.get(f"/api/v1/tasks/{task}")).json()
    assert view["data"]["name"] == "Anna Muster" and view["data"]["monthly_wage"] == "18000.00"
    assert set(view["data"]) <= set(view["outcomes"][0]["schema"]["properties"])
    body = {"outcome": view["outcomes"][0]["code"], "data": view["data"], "version": view["version"]}
    answer = await college.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 200, answer.text
    assert answer.json()["task"]["state"] == "completed" and answer.json()["process"]["id"] == case
    async with session() as s:
        row = (await s.scalars(select(Submission))).one()
        assert row.status == "done" and b"Muster" not in row.body
        task_row = await s.get_one(Task, task)
        assert "name" not in task_row.result["data"] and task_row.result["data"]["country"] == "DEU"  # type: ignore[index]
        assert (await hire_of(s, case)).name == "Anna Muster"


async def test_same_key_same_answer_other_body_422(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk = await office.sign_in("clerk")
    headers = key()
    body = {"outcome": "approve", "data": {}, "version": 1}
    first, second = [await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers) for _ in range(2)]
    assert first.status_code == second.status_code == 200
    assert len([c for c in office.temporal.calls if c[0] == "complete_task"]) == 1
    other = await clerk.post(f"/api/v1/tasks/{task}/complete", json={**body, "data": {"remark": "x"}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    again = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert (again.status_code, again.json()["code"]) == (409, "task_closed")


async def test_two_people_at_once_one_winner(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clients = [await office.sign_in(n) for n in ("clerk", "clerk2")]
    body = {"outcome": "approve", "data": {}, "version": 1}
    answers = await asyncio.gather(
        *(c.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key()) for c in clients)
    )
    assert sorted(a.status_code for a in answers) == [200, 409]
    refused = next(a for a in answers if a.status_code == 409).json()
    assert refused["code"] in ("task_held", "task_closed")


async def test_claimed_task_names_its_holder(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk, clerk2 = await office.sign_in("clerk"), await office.sign_in("clerk2")
    taken = await clerk.post(f"/api/v1/tasks/{task}/claim")
    assert taken.json()["holder"] == "clerk" and taken.json()["state"] == "reserved"
    answer = await clerk2.post(f"/api/v1/tasks/{task}/claim")
    assert answer.status_code == 409 and "clerk同志" in answer.json()["detail"]
    english = await clerk2.post(f"/api/v1/tasks/{task}/claim", headers={"Accept-Language": "en-GB,en"})
    assert "Clerk holds this task now" in english.json()["detail"]
    refused = await clerk2.post(f"/api/v1/tasks/{task}/release")
    assert refused.status_code == 403 and "clerk同志手上" in refused.json()["detail"]
    assert (await clerk.post(f"/api/v1/tasks/{task}/release")).json()["holder"] is None
    assert (await clerk2.post(f"/api/v1/tasks/{task}/claim")).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"version": 7}, 409, "stale_version"),
        ({"outcome": "burn"}, 422, "bad_outcome"),
        ({"data": {"exempt": "all", "typo": 1}}, 422, "bad_form"),
    ],
)
async def test_refused_before_the_process_is_asked(
    office: Office, change: dict[str, object], status: int, code: str
) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk = await office.sign_in("clerk")
    body = {"outcome": "approve", "data": {}, "version": 1, **change}
    answer = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    if code == "bad_form":
        assert {e["pointer"] for e in problem["errors"]} == {"/data/exempt", "/data/typo"}
        assert all(ord(e["message"][0]) > 0x4E00 for e in problem["errors"])
    assert office.temporal.calls == []
    async with session() as s:
        assert (await s.scalars(select(Submission))).all() == []
        assert (await s.get_one(Task, task)).holder is None


async def test_missing_documents_are_named_and_an_upload_mends_it(office: Office) -> None:
    case = await office.case()
    wanted = [DocumentRequest(code="M01", title=Text(zh="护照信息页", en="Passport data page"), accept=["pdf"])]
    task = await office.task(
        case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"], documents=wanted
    )
    college = await office.sign_in("college")
    view = (await college.get(f"/api/v1/tasks/{task}")).json()
    body = {"outcome": "submit", "data": view["data"], "version": 1}
    answer = await college.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/documents/M01"
    url = f"/api/v1/tasks/{task}/documents"
    for name, content, code in (
        ("a.exe", PDF, "bad_file"), ("a.pdf", b"MZ....", "bad_file"), ("a.pdf", b"", "bad_file"),
    ):  # fmt: skip
        bad = await college.post(url, data={"code": "M01"}, files={"file": (name, content)})
        assert (bad.status_code, bad.json()["code"]) == (422, code), name
    good = await college.post(url, data={"code": "M01"}, files={"file": ("../护照.pdf", PDF)})
    assert good.status_code == 201 and good.json()["filename"] == "护照.pdf"
    assert (await college.get(f"/api/v1/documents/{good.json()['id']}")).content == PDF
    assert (await (await office.sign_in("college2")).get(f"/api/v1/documents/{good.json()['id']}")).status_code == 404
    async with session() as s:
        row = await s.get_one(Document, good.json()["id"])
    assert PDF not in (get_settings().documents_dir / row.path).read_bytes()
    assert (await college.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())).status_code == 200


async def test_a_file_that_is_no_bill_is_refused_at_the_upload(office: Office) -> None:
    """Nothing but a file that the comparison can read comes as far as the comparison."""
    payment = await office.case()
    wanted = [DocumentRequest(code="bill_b1", title=Text(zh="征集单明细", en="Bill in detail"), accept=["xlsx", "csv"])]
    task = await office.task(
        payment, "tax_payment.bill", key="bill/1", outcomes=["uploaded"], org_unit=None, documents=wanted,
        process={"kind": "tax_payment"},
    )  # fmt: skip
    clerk = await office.sign_in("clerk")
    url, body = f"/api/v1/tasks/{task}", {"outcome": "uploaded", "data": {}, "version": 1}
    head = "证件号码,险种,费款所属期,单位应缴,个人应缴\n"
    for content in (b"nonsense", b'"' + b"x" * 200_000, head.encode("gb18030")):
        for language, why in (("zh-CN", "征集单明细无法读取"), ("en", "The bill cannot be read")):
            bad = await clerk.post(
                f"{url}/documents", data={"code": "bill_b1"}, files={"file": ("bill.csv", content)},
                headers={"Accept-Language": language},
            )  # fmt: skip
            assert (bad.status_code, bad.json()["code"]) == (422, "bad_file")
            (fault,) = bad.json()["errors"]
            assert (fault["pointer"], fault["code"]) == ("/documents/bill_b1", "unreadable_bill")
            assert fault["message"] == bad.json()["detail"] and why in fault["message"]
    refused = await clerk.post(f"{url}/complete", json=body, headers=key())
    assert refused.json()["errors"][0]["code"] == "document_missing", "a refused file is no upload"
    bill = (head + "C01X00T47,养老,202611,2880.00,1440.00\n").encode()
    good = await clerk.post(f"{url}/documents", data={"code": "bill_b1"}, files={"file": ("b.csv", bill)})
    assert good.status_code == 201, good.text
    assert (await clerk.post(f"{url}/complete", json=body, headers=key())).status_code == 200


async def test_acting_for_a_college_needs_reason_and_scan(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    clerk = await office.sign_in("clerk")
    view = (await clerk.get(f"/api/v1/tasks/{task}")).json()
    assert view["behalf_of"] == ["college"]
    body = {"outcome": "submit", "data": view["data"], "version": 1}
    bare = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert bare.status_code == 422 and bare.json()["errors"][0]["pointer"] == "/on_behalf"
    scan = await clerk.post(
        f"/api/v1/tasks/{task}/documents", data={"code": "on_behalf"}, files={"file": ("letter.pdf", PDF)}
    )
    body["on_behalf"] = {"reason": "学院来电委托", "document_id": scan.json()["id"]}
    done = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert done.status_code == 200 and done.json()["task"]["on_behalf"] is True
    async with session() as s:
        trail = (await s.scalars(select(Audit).where(Audit.action == "task.complete"))).one()
    assert trail.on_behalf


async def test_four_eyes_and_roles(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, roles=["clerk"], excluded=["clerk"])
    body = {"outcome": "approve", "data": {}, "version": 1}
    for name, code in (("clerk", "four_eyes"), ("auditor", "not_allowed"), ("admin", "not_allowed")):
        client = await office.sign_in(name)
        answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
        assert (answer.status_code, answer.json()["code"]) == (403, code), name
    clerk2 = await office.sign_in("clerk2")
    assert (await clerk2.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())).status_code == 200


async def nobody_does_it_meanwhile(office: Office, task: str, body: dict[str, Any]) -> None:
    """While an answer is on its way the task is neither offered nor moved nor answered again."""
    clerk, clerk2, boss = [await office.sign_in(name) for name in ("clerk", "clerk2", "supervisor")]
    give = {"to": "clerk2", "reason": "请假"}
    for who, verb, sent in (
        (clerk, "transfer", give), (clerk, "delegate", give), (clerk, "release", {}), (clerk, "complete", body),
        (boss, "reassign", give), (boss, "release", {}), (boss, "take_over", {"reason": "有急事"}),
    ):  # fmt: skip
        refused = (await who.post(f"/api/v1/tasks/{task}/{verb}", json=sent, headers=key())).json()
        assert refused["code"] == "answer_on_its_way", (verb, refused)
    moved = {"action": "transfer", "items": [{"id": task, "key": "m"}], **give}
    batch = (await clerk.post("/api/v1/tasks/batch", json=moved)).json()
    assert batch["items"][0]["problem"]["code"] == "answer_on_its_way"
    assert (await clerk2.post(f"/api/v1/tasks/{task}/claim")).json()["code"] == "task_held"
    for who in (clerk, clerk2, boss):
        (line,) = (await who.get("/api/v1/tasks", params={"view": "all"})).json()["items"]
        for seen in (line, (await who.get(f"/api/v1/tasks/{task}")).json()):
            assert seen["answer_on_its_way"] and set(seen["actions"]) <= {"comment", "copy"}


async def test_no_answer_is_202_and_the_chore_settles_it(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk = await office.sign_in("clerk")
    office.temporal.silent = True
    body = {"outcome": "approve", "data": {}, "version": 1}
    headers = key()
    answer = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)
    assert answer.status_code == 202
    place = answer.headers["location"]
    assert (await clerk.get(place)).json()["status"] == "pending"
    assert await resend_pending_submissions() == 0  # too young to be asked again
    await nobody_does_it_meanwhile(office, task, body)
    office.temporal.silent = False
    async with session() as s:
        await s.execute(update(Submission).values(created_at=clock.real_now() - clock.timedelta(minutes=1)))
    assert await resend_pending_submissions() == 1
    assert (await clerk.get(place)).json()["status"] == "done"
    assert not (await clerk.get(f"/api/v1/tasks/{task}")).json()["answer_on_its_way"]
    ids = {i for _, i in office.temporal.calls}
    assert ids == {f"{task}/{headers['Idempotency-Key']}"}
    # The 202 was a promise: the outcome takes its place, and stays whatever becomes of the process.
    first = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)
    assert (first.status_code, first.json()["task"]["state"]) == (200, "completed")
    async with session() as s:
        (await s.get_one(Process, case)).state = "suspended"
    again = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_the_same_key_hears_the_same_when_the_process_has_gone_on(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk = await office.sign_in("clerk")
    place, headers = f"/api/v1/tasks/{task}/complete", key()
    body = {"outcome": "approve", "data": {}, "version": 1}
    first, rival = await asyncio.gather(*(clerk.post(place, json=body, headers=headers) for _ in range(2)))
    assert (first.status_code, first.json()) == (200, rival.json())
    async with session() as s:
        process = await s.get_one(Process, case)
        process.state, process.flags = "suspended", ["late_at_birth"]
    assert (await clerk.get(f"/api/v1/processes/{case}")).json()["state"] == "suspended"
    again = await clerk.post(place, json=body, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    async with session() as s:
        kept = await s.scalar(select(Submission.reply))
    assert kept is not None and case.encode() not in kept  # it names a person: not in clear text


async def test_unknown_task_is_asked_again_and_a_refusal_is_kept(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk = await office.sign_in("clerk")
    office.temporal.refuse = [Refusal.TASK_UNKNOWN, Refusal.TASK_SUSPENDED]
    body = {"outcome": "approve", "data": {}, "version": 1}
    headers = key()
    first = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)
    second = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)
    assert [first.status_code, second.status_code] == [409, 409]
    assert first.json()["code"] == second.json()["code"] == "task_suspended"
    assert len(office.temporal.calls) == 2


async def test_comment_is_seen_by_others_not_by_auditors_hand(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk, auditor = await office.sign_in("clerk"), await office.sign_in("auditor")
    assert (await clerk.post(f"/api/v1/tasks/{task}/comment", json={"text": "已电话联系"})).status_code == 201
    assert (await auditor.post(f"/api/v1/tasks/{task}/comment", json={"text": "x"})).status_code == 403
    assert [c["text"] for c in (await auditor.get(f"/api/v1/tasks/{task}")).json()["comments"]] == ["已电话联系"]
