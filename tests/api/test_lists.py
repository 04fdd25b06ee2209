"""The lists of the inbox: each count is its list, each row opens; copies, comments, saved views, search by number."""

import io
import zipfile
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import select

from runtime import clock
from schemas.base import Text
from schemas.calls import RegistrationArg
from schemas.process import TimelineEntry
from store.database import session
from store.registrations import ensure
from store.tables.office import Audit, Message
from store.tables.outbox import Outgoing
from store.tables.people import User, UserOrgUnit
from store.tables.processes import Process
from store.users import create_user
from tests.api.conftest import PASSWORD, USERS, Office, days, deadline
from tests.api.test_handover import do, messages_to
from tests.api.test_substitutes import away
from tests.api.test_tasks import PDF, key

VIEWS = ("mine", "group", "behalf", "done", "started", "cc", "all")
NUMBER = "C01X00T47"


async def test_every_count_is_its_list_and_every_row_opens(office: Office) -> None:
    """For everybody, with substitutes, delegation, copies and a college officer who has moved."""
    cases = [await office.case(id_number=f"C01X00T4{n}", org_unit="physics" if n % 2 else "business") for n in range(6)]
    tasks = []
    for n, case in enumerate(cases):
        unit = "physics" if n % 2 else "business"
        for k, (kind, roles, outcomes) in enumerate(
            (
                ("enrolment.materials", ["college"], ["submit"]),
                ("enrolment.verification", ["clerk"], ["approve"]),
                ("enrolment.verification", ["supervisor"], ["approve"]),
            )
        ):
            tasks.append(
                await office.task(
                    case, kind, key=f"{k}/1", roles=roles, outcomes=outcomes, org_unit=unit, revision=k + 1,
                    excluded=["clerk2"] if n == 3 else [], deadlines=[deadline(days(n - 2))],
                    process={"org_unit": unit},
                )
            )  # fmt: skip
    for who, task in (
        ("clerk", tasks[1]),
        ("clerk2", tasks[4]),
        ("supervisor", tasks[2]),
        ("college", tasks[0]),
        ("clerk", tasks[3]),
    ):
        assert (await do(office, who, task, "claim")).status_code == 200, (who, task)
    await do(office, "clerk", tasks[1], "delegate", to="clerk2", reason="协助")
    await away(office, "supervisor", "clerk", setter="admin")
    await away(office, "college2", "college")
    clerk = await office.sign_in("clerk")
    done = await clerk.post(
        f"/api/v1/tasks/{tasks[7]}/complete", json={"outcome": "approve", "data": {}, "version": 1}, headers=key()
    )
    assert done.status_code == 200
    await do(office, "clerk", tasks[7], "copies", usernames=["head", "college2", "supervisor"])
    case_copy = await clerk.post(f"/api/v1/processes/{cases[0]}/copies", json={"usernames": ["auditor", "college"]})
    assert case_copy.status_code == 201, case_copy.text
    async with session() as s:  # the officer who started a case and got a copy now works for another college
        (await s.get_one(Process, cases[2])).started_by = "college"
        row = await s.get_one(UserOrgUnit, ("college", "business"))
        await s.delete(row)
        s.add(UserOrgUnit(username="college", org_unit="physics"))
    seen: dict[str, int] = {}
    for name in USERS:
        client = await office.sign_in(name)
        for view in VIEWS:
            page = (await client.get("/api/v1/tasks", params={"view": view, "limit": 200})).json()
            assert page["total"] == len(page["items"]), (name, view)
            assert view == "all" or page["counts"][view] == page["total"], (name, view)
            assert page["counts"]["cc_unread"] == sum(t["unread"] for t in page["items"]) or view != "cc"
            for item in page["items"]:
                opened = await client.get(f"/api/v1/tasks/{item['id']}")
                assert opened.status_code == 200, (name, view, item["title"])
            for flag in ("overdue", "due_today", "at_risk"):
                part = (await client.get("/api/v1/tasks", params={"view": view, flag: "true", "limit": 200})).json()
                assert part["total"] == len(part["items"]) == page["counts"][flag], (name, view, flag)
            seen[view] = seen.get(view, 0) + page["total"]
    assert all(seen[view] for view in VIEWS), seen  # no view was tested empty only
    college = await office.sign_in("college")
    hidden = (await college.get("/api/v1/tasks", params={"view": "started"})).json()
    assert hidden["total"] == 0


async def test_a_copy_is_for_those_who_may_see_and_carries_a_read_mark(office: Office) -> None:
    task = await office.task(await office.case())
    refused = await do(office, "clerk", task, "copies", usernames=["college2"])
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "may_not_see")
    made = await do(office, "clerk", task, "copies", usernames=["head", "college", "head"])
    assert [c["username"] for c in made.json()] == ["head", "college"]
    again = await do(office, "clerk", task, "copies", usernames=["head"])
    assert len(again.json()) == 2 and len(await messages_to("head")) == 1
    head = await office.sign_in("head")
    page = (await head.get("/api/v1/tasks", params={"view": "cc"})).json()
    assert (page["counts"]["cc"], page["counts"]["cc_unread"], page["items"][0]["unread"]) == (1, 1, True)
    assert (await head.post(f"/api/v1/tasks/{task}/read")).status_code == 204
    page = (await head.get("/api/v1/tasks", params={"view": "cc"})).json()
    assert (page["counts"]["cc"], page["counts"]["cc_unread"], page["items"][0]["unread"]) == (1, 0, False)
    shown = (await (await office.sign_in("clerk")).get(f"/api/v1/tasks/{task}")).json()["copies"]
    assert [bool(c["read_at"]) for c in shown] == [True, False]
    assert (await do(office, "auditor", task, "copies", usernames=["head"])).status_code == 403
    oneself = await do(office, "clerk", task, "copies", usernames=["clerk"])
    assert (oneself.status_code, oneself.json()["errors"][0]["code"]) == (422, "oneself")


async def test_a_mention_tells_the_person_and_a_file_is_checked(office: Office) -> None:
    task = await office.task(await office.case())
    client = await office.sign_in("clerk")
    said = await do(office, "clerk", task, "comment", text="@clerk2 请看一下，@head同志请知悉，护照 C01X00T47")
    assert said.status_code == 201, said.text
    assert [m["zh"] for m in said.json()["mentions"]] == ["clerk2同志", "head同志"], said.text
    for name in ("clerk2", "head"):
        told = await messages_to(name)
        assert len(told) == 1 and "提到您" in told[0] and NUMBER not in told[0]
    assert await messages_to("clerk") == []
    async with session() as s:  # outside of the pages too, and whatever becomes of the task
        mails = {(m.username, m.task_id) for m in await s.scalars(select(Outgoing))}
        assert mails == {("clerk2", None), ("head", None)}
    refused = await do(office, "clerk", task, "comment", text="@college2 请看")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "may_not_see")
    async with session() as s:
        (await s.get_one(User, "payroll")).name_zh = "head同志"
    namesakes = await do(office, "clerk", task, "comment", text="@head同志")
    assert namesakes.status_code == 422 and "@payroll" in namesakes.json()["detail"]
    place = f"/api/v1/tasks/{task}/attachments"
    sent = await client.post(place, data={"text": "回执"}, files={"file": ("回执.pdf", PDF)})
    assert sent.status_code == 201, sent.text
    blank = await client.post(place, data={"text": "  "}, files={"file": ("回执.pdf", PDF)})
    assert blank.status_code == 422 and blank.json()["errors"][0]["pointer"] == "/text", blank.text
    document = sent.json()["attachments"][0]
    assert document["filename"] == "回执.pdf"
    answer = await client.get(f"/api/v1/documents/{document['id']}")
    assert answer.content == PDF and answer.headers["content-disposition"].startswith("inline")
    stranger = await office.sign_in("college2")
    assert (await stranger.get(f"/api/v1/documents/{document['id']}")).status_code == 404
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("readme.txt", "no document")
    for name, content in (("a.exe", b"MZ"), ("a.pdf", b"MZ"), ("a.docx", box.getvalue()), ("a.png", b"")):
        bad = await client.post(place, data={"text": "x"}, files={"file": (name, content)})
        assert (bad.status_code, bad.json()["code"]) == (422, "bad_file"), name
    shown = (await client.get(f"/api/v1/tasks/{task}")).json()["comments"]
    assert [len(c["attachments"]) for c in shown] == [0, 1]  # a refused file leaves no comment behind


async def person_of(case: str) -> str:
    """A login for the person whom a case is about."""
    async with session() as s:
        user = await create_user(s, "anna", PASSWORD, name_zh="穆安娜", roles=["employee"])
        user.person_id = (await s.get_one(Process, case)).subject
    return "anna"


async def test_whom_a_case_is_about_reads_no_internal_remarks(office: Office) -> None:
    case = await office.case()
    lines = [
        TimelineEntry(seq=n, at=clock.now(), kind=kind, text=Text(zh=f"{kind}内部理由", en=f"{kind} internal"))
        for n, kind in enumerate(("extended", "suspended", "incident"))
    ]
    theirs = await office.task(case, timeline=lines, data={"remark": "内部理由"})
    own = await office.task(
        case, "enrolment.materials", key="materials/1", roles=["employee"], outcomes=["submit"], revision=2
    )
    anna = await person_of(case)
    async with session() as s:
        (await s.get_one(Process, case)).reason = "内部理由"
    for task in (theirs, own):
        assert (await do(office, "clerk", task, "comment", text="内部理由 @clerk2")).status_code == 201
        assert (await do(office, "clerk", task, "copies", usernames=["head"], note="内部理由")).status_code == 201
    for verb, given in (
        ("claim", {}),
        ("transfer", {"to": "clerk2", "reason": "内部理由"}),
        ("urge", {"note": "内部理由"}),
    ):
        answer = await do(office, "clerk", theirs, verb, **given)
        assert answer.status_code == 200, (verb, answer.text)
    assert (await do(office, "clerk", own, "comment", text="请补签名 @anna")).status_code == 201
    at = (clock.now() + timedelta(seconds=1)).isoformat()
    clerk, employee, college = [await office.sign_in(n) for n in ("clerk", anna, "college")]
    attached = await clerk.post(
        f"/api/v1/tasks/{own}/attachments", data={"text": "内部理由"}, files={"file": ("内部.pdf", PDF)}
    )
    document = attached.json()["attachments"][0]["id"]
    clock.set_offset(timedelta(seconds=2))
    for query in ({}, {"at": at}):
        for place, texts in ((f"processes/{case}", 0), (f"tasks/{theirs}", 0), (f"tasks/{own}", 1)):
            for reader in (clerk, college):  # who works with the case reads everything
                assert "内部理由" in (await reader.get(f"/api/v1/{place}", params=query)).text, (place, query)
            read = await employee.get(f"/api/v1/{place}", params=query)
            assert read.status_code == 200 and "内部" not in read.text, (place, query, read.text)
            assert len(read.json().get("comments", [])) == texts
    kinds = [e["kind"] for e in (await employee.get(f"/api/v1/processes/{case}")).json()["timeline"]]
    assert kinds == ["extended", "suspended"]
    assert (await employee.get(f"/api/v1/documents/{document}")).status_code == 404
    assert (await college.get(f"/api/v1/documents/{document}")).status_code == 200


async def test_whom_a_case_is_about_comments_on_own_tasks_and_tells_nobody(office: Office) -> None:
    case = await office.case()
    theirs = await office.task(case)
    own = await office.task(
        case, "enrolment.materials", key="materials/1", roles=["employee"], outcomes=["submit"], revision=2
    )
    anna = await person_of(case)
    employee = await office.sign_in(anna)
    assert (await do(office, anna, own, "comment", text="护照下周补交")).status_code == 201
    refused = await do(office, anna, theirs, "comment", text="什么时候办好？")
    assert refused.status_code == 403 and "您本人办理" in refused.json()["detail"]
    mentioned = await do(office, anna, own, "comment", text="@head 请批准")
    assert (mentioned.status_code, mentioned.json()["errors"][0]["code"]) == (422, "may_not_mention")
    for place in (f"tasks/{own}", f"processes/{case}"):
        copied = await employee.post(f"/api/v1/{place}/copies", json={"usernames": ["supervisor"]})
        assert copied.status_code == 403 and "您本人的个案" in copied.json()["detail"]
    offered = [(await employee.get(f"/api/v1/tasks/{t}")).json()["actions"] for t in (own, theirs)]
    assert ["comment" in a for a in offered] == [True, False] and all("copy" not in a for a in offered)
    assert [c["text"] for c in (await employee.get(f"/api/v1/tasks/{own}")).json()["comments"]] == ["护照下周补交"]
    assert await messages_to("head") == []


async def test_saved_views_are_private_or_shared_and_one_is_the_default(office: Office) -> None:
    clerk, clerk2, head = [await office.sign_in(n) for n in ("clerk", "clerk2", "head")]
    body = {"name": "本周紧急", "query": {"view": "group", "at_risk": True, "limit": 5}, "shared_with": None}
    made = await clerk.post("/api/v1/views", json=body)
    assert made.status_code == 201 and made.json()["query"] == {"view": "group", "at_risk": True}, made.text
    assert (await clerk.post("/api/v1/views", json=body)).json()["code"] == "name_taken"
    assert (await clerk2.get("/api/v1/views")).json() == []
    place = f"/api/v1/views/{made.json()['id']}"
    assert (await clerk2.put(place, json=body)).status_code == 404
    assert (await clerk.put(place, json=body | {"shared_with": "head"})).status_code == 403
    assert (await clerk.put(place, json=body | {"shared_with": "clerk"})).status_code == 200
    assert [v["name"] for v in (await clerk2.get("/api/v1/views")).json()] == ["本周紧急"]
    assert (await head.get("/api/v1/views")).json() == []
    refused = await clerk2.delete(place)
    assert refused.status_code == 403 and "clerk同志建立" in refused.json()["detail"]
    assert (await clerk2.put("/api/v1/views/default", json={"view_id": made.json()["id"]})).status_code == 204
    assert [v["is_default"] for v in (await clerk2.get("/api/v1/views")).json()] == [True]
    assert [v["is_default"] for v in (await clerk.get("/api/v1/views")).json()] == [False]
    assert (await head.put("/api/v1/views/default", json={"view_id": made.json()["id"]})).status_code == 404
    blank = await clerk.post("/api/v1/views", json=body | {"name": " "})
    assert blank.status_code == 422 and blank.json()["errors"][0]["pointer"] == "/name", blank.text
    for query, at, said in (
        ({"nonsense": 1, "view": "group"}, "/query/nonsense", ("没有“nonsense”这个查询参数", "at_risk")),
        ({"view": "theirs"}, "/query/view", ("应为以下之一", "group")),
        ({"q": NUMBER}, "/query/q", ("不能存入视图",)),
    ):
        bad = await clerk.post("/api/v1/views", json={"name": "x", "query": query})
        (fault,) = bad.json()["errors"]
        assert (bad.status_code, fault["pointer"]) == (422, at), bad.text
        assert all(words in fault["message"] for words in said) and NUMBER not in bad.text, fault
    assert (await clerk.delete(place)).status_code == 204
    assert (await clerk2.get("/api/v1/views")).json() == []


async def test_what_one_started_is_listed_with_its_state_also_without_a_task(office: Office) -> None:
    """A case that waits has no open task for the view `started`; the list of cases has it, and the page counts it."""
    with_task, waits, ended = [await office.case(id_number=f"X77665{n}") for n in range(3)]
    others = await office.case(id_number="X776699")
    await office.task(with_task)
    async with session() as s:
        (await s.get_one(Process, others)).started_by = "clerk2"
        (await s.get_one(Process, waits)).state = "waiting"
        (await s.get_one(Process, ended)).state = "closed"
    clerk = await office.sign_in("clerk")

    async def started(client: Any, who: str, **more: str) -> dict[str, str]:
        page = (await client.get("/api/v1/processes", params={"started_by": who} | more)).json()
        assert page["total"] == len(page["items"])
        return {row["id"]: row["state"] for row in page["items"]}

    mine = {with_task: "running", waits: "waiting", ended: "closed"}
    assert await started(clerk, "me") == await started(clerk, "clerk") == mine
    assert await started(clerk, "clerk2") == {others: "running"} and await started(clerk, "nobody") == {}
    assert set(await started(clerk, "me", state="open")) == {with_task, waits}
    assert await started(await office.sign_in("college2"), "clerk") == {}, "of another college"


async def test_a_receipt_finds_every_case_that_was_handed_in_with_it(office: Office) -> None:
    """One receipt covers a whole hand-in; it may be short, have Chinese characters, or look like a number."""
    receipts = {"SR-2026-1128": 3, "SR-77": 2, "成社收（2026）11号": 2}
    cases: dict[str, set[str]] = {}
    n = 0
    for receipt, many in receipts.items():
        for _ in range(many):
            n += 1
            case = await office.case(id_number=f"X99887{n:02}")
            await office.task(case, key=f"v/{n}")
            async with session() as s:
                person = str((await s.get_one(Process, case)).subject)
                arg = RegistrationArg(process_id=case, person_id=person, agency="social_bureau", attempt=1)
                (await ensure(s, arg)).receipt_no = receipt
            cases.setdefault(receipt, set()).add(case)
    clerk = await office.sign_in("clerk")
    for receipt, expected in cases.items():
        for typed in (receipt, f" {receipt.lower()} "):
            for found in (
                await clerk.get("/api/v1/processes", params={"q": typed, "limit": 1}),
                await clerk.get("/api/v1/tasks", params={"q": typed, "view": "group", "limit": 1}),
                await clerk.post("/api/v1/tasks/search", json={"q": typed}),
            ):
                assert found.json()["total"] == len(expected), (typed, found.request.url)
            rows = (await clerk.get("/api/v1/processes", params={"q": typed})).json()["items"]
            assert {row["id"] for row in rows} == expected, typed
            rows = (await clerk.get("/api/v1/tasks", params={"q": typed, "view": "group"})).json()["items"]
            assert {row["process_id"] for row in rows} == expected, typed
        kept = await clerk.post("/api/v1/views", json={"name": receipt, "query": {"q": receipt}})
        assert kept.status_code == 201, kept.text
    for other in ("SR-2026", "SR-7", "X9988701"):
        assert (await clerk.get("/api/v1/processes", params={"q": other})).json()["total"] == 0, other


async def test_search_by_name_pinyin_case_receipt_and_number_and_the_number_goes_nowhere(office: Office) -> None:
    case = await office.case(id_number=NUMBER)
    task = await office.task(case)
    await office.task(await office.case(id_number="X9988776", name="Boris Beispiel", name_zh="博乐思"), key="v/2")
    async with session() as s:
        process = await s.get_one(Process, case)
        row = await ensure(
            s, RegistrationArg(process_id=case, person_id=str(process.subject), agency="social_bureau", attempt=1)
        )
        row.receipt_no = "SL202611240001"
        case_no = process.case_no
    clerk = await office.sign_in("clerk")
    with structlog.testing.capture_logs() as logs:
        for text in (
            "muster",
            "穆安娜",
            "muanna",
            "man",
            case_no,
            "SL202611240001",
            NUMBER,
            "c01x 00t47",
            "Ｃ01X00T47",
        ):
            found = await clerk.post("/api/v1/tasks/search", json={"q": text})
            assert [t["id"] for t in found.json()["items"]] == [task], text
        unknown = await clerk.post("/api/v1/tasks/search", json={"q": "D77X88T99"})
        assert unknown.json()["total"] == 0
        college2 = await office.sign_in("college2")
        assert (await college2.post("/api/v1/tasks/search", json={"q": NUMBER})).json()["total"] == 0
    async with session() as s:
        kept = [str(a.data) + a.object for a in await s.scalars(select(Audit))]
        kept += [m.text_zh + m.text_en for m in await s.scalars(select(Message))]
    assert NUMBER not in str(logs) + "".join(kept)
