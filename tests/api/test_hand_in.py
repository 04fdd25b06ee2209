"""Handing in for many at an agency on whose site a clerk works: one list, one file, one receipt, results row by row.

Real PostgreSQL, Temporal, worker; both bureaus in mode `portal`.
"""

import asyncio
import io
import json
from datetime import date
from typing import Any

import httpx2
import openpyxl
import pytest
from sqlalchemy import select

from api import starts
from domain.times import at
from runtime import clock
from runtime.settings import Settings
from store import applications, documents, registrations
from store.database import session
from store.tables.imports import Import, ImportRow
from store.tables.office import Audit, Document
from store.tables.processes import Process, Submission, Task
from store.tables.registrations import Registration
from tests.api.conftest import Office
from tests.api.test_any_day import put_today_on
from tests.contract import PDF, Json, aperform, busy, work
from tests.imports.files import csv_text, xlsx

SOCIAL = "/api/v1/agencies/social_bureau"
DAY = "2026-11-24"
PEOPLE = {"college": ["college"], "clerk": ["clerk"]}  # with their roles


@pytest.fixture
async def portal(school: Office, database: Settings) -> Office:
    database.agency_modes = {"social_bureau": "portal", "medical_bureau": "portal"}
    await put_today_on(at(date.fromisoformat(DAY), "10:00"))
    return school


def number(n: int) -> str:
    """A document number of the test."""
    return f"H{7000000 + n}"


def at_bureau(item: Json) -> bool:
    return item["kind"].startswith("registration.")


async def handed_over(office: Office, count: int, first: int = 0) -> list[str]:
    """Cases of so many people, worked on until each waits for its hand-ins; in the order of the people."""
    cases = [
        await office.case(
            id_number=number(n), name=f"Anna {chr(65 + n // 26)}{chr(97 + n % 26)}ster", permit_issued="2026-11-10",
            permit_expires="2027-11-09", contract_start="2026-11-12",
        )
        for n in range(first, first + count)
    ]  # fmt: skip
    assert await starts.start_pending(cases) == count
    wanted = select(Task.id).where(
        Task.process_id.in_(cases), Task.kind == "registration.hand_in", Task.closed_at.is_(None)
    )
    for _ in range(300):
        for who in await aperform(await office.sign_in("clerk"), busy(PEOPLE, at_bureau)):
            await aperform(await office.sign_in(who), work(at_bureau, lambda _: None))
        async with session() as s:
            if len(list(await s.scalars(wanted))) == 2 * count:
                return cases
        await asyncio.sleep(0.3)
    raise AssertionError("not everybody waits for a hand-in")


async def listed(client: httpx2.AsyncClient) -> Json:
    answer = await client.get(f"{SOCIAL}/hand-in")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def receipt(client: httpx2.AsyncClient, people: list[Json], *, key: str = "k", **changes: Any) -> httpx2.Response:
    items = [
        {"id": p["task"]["id"], "key": f"{key}-{p['task']['id']}", "version": p["task"]["version"]} for p in people
    ]
    form = {"receipt_no": "SL202611240099", "handed_in_on": DAY, "items": json.dumps(items), **changes}
    return await client.post(f"{SOCIAL}/hand-in", data=form, files={"file": ("回执.pdf", PDF)})


async def results(client: httpx2.AsyncClient, content: bytes, name: str = "结果.xlsx", **form: str) -> Json:
    answer = await client.post(f"{SOCIAL}/results/file", data=form, files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def attempts(cases: list[str]) -> dict[str, Registration]:
    async with session() as s:
        return await registrations.newest(s, cases, "social_bureau")


def said(view: Json) -> list[tuple[str, list[str]]]:
    return [(r["outcome"], [f["code"] for f in r["faults"]]) for r in view["rows"]]


async def test_fifty_people_go_by_one_file_one_receipt_and_one_list_of_results(portal: Office) -> None:
    cases = await handed_over(portal, 50)
    clerk = await portal.sign_in("clerk")
    counts = {a["id"]: (a["mode"], a["ready"], a["waiting"]) for a in (await clerk.get("/api/v1/agencies")).json()}
    assert counts == {"social_bureau": ("portal", 50, 0), "medical_bureau": ("portal", 50, 0)}
    seen = await listed(clerk)
    assert (seen["ready_total"], len(seen["ready"]), seen["waiting_total"]) == (50, 50, 0)
    form = applications.agency_files().applications["social_bureau"]
    headings = [c.heading for c in form.columns]
    for person in seen["ready"]:
        assert [f["heading"] for f in person["fields"]] == headings and person["gaps"] == []

    # The file is the list in the agency's layout, and each row is the one of the person's own application.
    ids = [p["task"]["id"] for p in seen["ready"]]
    file = await clerk.post(f"{SOCIAL}/hand-in/file", json={"tasks": ids})
    assert file.status_code == 200 and "attachment" in file.headers["content-disposition"]
    rows = list(openpyxl.load_workbook(io.BytesIO(file.content)).worksheets[0].iter_rows(values_only=True))
    assert list(rows[0]) == headings and [r[0] for r in rows[1:]] == list(range(1, 51))
    place = headings.index("证件号码")
    assert {str(r[place]) for r in rows[1:]} == {number(n) for n in range(50)}
    async with session() as s:
        single = await documents.latest(s, seen["ready"][7]["task"]["process_id"], form.code)
        assert single is not None
        own = openpyxl.load_workbook(io.BytesIO(documents.read_file(single))).worksheets[0]
    assert [c.value for c in own[2]][1:] == list(rows[8])[1:]

    # One receipt for 49 of them; sent again it does nothing twice.
    last, chosen = seen["ready"][-1], seen["ready"][:-1]
    answer = (await receipt(clerk, chosen)).json()
    assert (answer["done"], answer["pending"], answer["refused"]) == (49, 0, 0), answer
    assert (await receipt(clerk, chosen)).json()["items"] == answer["items"]
    handed = await attempts(cases)
    mine = [p["task"]["process_id"] for p in chosen]
    assert {handed[c].receipt_no for c in mine} == {"SL202611240099"}
    assert last["task"]["process_id"] not in {c for c in handed if handed[c].receipt_no}
    async with session() as s:
        kept = list(await s.scalars(select(Document).where(Document.code == "receipt")))
        assert sorted(d.process_id or "" for d in kept) == sorted(mine), "one receipt a case"
    seen = await listed(clerk)
    assert (seen["ready_total"], seen["waiting_total"]) == (1, 49)
    assert {(w["receipt_no"], w["handed_in_on"]) for w in seen["waiting"]} == {("SL202611240099", DAY)}

    # 49 rows: most approved, three refused. Acceptance is not recorded by hand: the number says it.
    by_case = {c: n for n, c in enumerate(cases)}
    refused = {mine[3]: "R08", mine[11]: "R02 证件号码错误", mine[30]: "影像不清晰或格式、大小不符"}
    table = [["序号", "姓 名", "证件号码", "个人编号", "失败原因", "审核日期"]] + [
        [i, None, number(by_case[c]), None if c in refused else f"DEU0H{by_case[c]:07d}", refused.get(c), "2026/11/24"]
        for i, c in enumerate(mine, 1)
    ]
    view = await results(clerk, xlsx(table))
    assert view["counts"] == {"done": 49, "unchanged": 0, "pending": 0, "refused": 0}, view
    rows_of = await attempts(cases)
    assert {c: rows_of[c].refused_code for c in refused} == {mine[3]: "R08", mine[11]: "R02", mine[30]: "R08"}
    for c in set(mine) - set(refused):
        assert rows_of[c].state == "approved"
        assert registrations.number_of(rows_of[c]) == f"DEU0H{by_case[c]:07d}"
        assert rows_of[c].decided_at.astimezone(clock.SHANGHAI).date() == date(2026, 11, 24)  # type: ignore[union-attr]

    # The same file again, and as GBK text from another clerk: nothing changes.
    before = await state_of(cases)
    assert (await results(clerk, xlsx(table)))["counts"]["unchanged"] == 49
    other = await portal.sign_in("clerk2")
    again = await results(other, csv_text(table).encode("gbk"), "结果.csv")
    assert again["counts"] == {"done": 0, "unchanged": 49, "pending": 0, "refused": 0}
    assert await state_of(cases) == before
    assert (await clerk.get(f"/api/v1/imports/{view['id']}/refused.xlsx")).status_code == 404


async def state_of(cases: list[str]) -> dict[str, tuple[Any, ...]]:
    """Each case with its tasks of the social bureau, to be compared."""
    async with session() as s:
        joined = select(Task, Process).join(Process, Process.id == Task.process_id).where(Task.process_id.in_(cases))
        rows = await s.execute(joined.where(Task.authority == "social_bureau").order_by(Task.key))
        found: dict[str, tuple[Any, ...]] = {}
        for t, p in rows:
            found[p.id] = (*found.get(p.id, ()), t.key, t.state, t.version, t.submission_id)
        return found


async def test_each_wrong_row_has_its_sentence_and_comes_back(portal: Office) -> None:
    cases = await handed_over(portal, 6)
    clerk = await portal.sign_in("clerk")
    people = {p["task"]["process_id"]: p for p in (await listed(clerk))["ready"]}
    assert (await receipt(clerk, [people[c] for c in cases[:5]])).json()["done"] == 5
    of_case = [c.removeprefix("enrolment-") for c in cases]
    header = ["姓名", "证件号码*", "业务编号", "参保编号", "退回代码", "窗口说明", "办结日期"]
    table = [
        ["某某局办理结果"],
        header,
        [None, number(0), None, None, None, None, DAY],  # neither number nor code
        [None, number(1), None, "DEU0A000001", None, None, DAY],
        [None, number(1), None, "DEU0A000002", None, None, DAY],  # the same person once more
        [None, "X9999999", None, "DEU0A000003", None, None, DAY],  # nobody
        [None, number(2), None, None, "不知道", None, DAY],
        [None, number(3), None, "DEU0A000005", "R08", None, DAY],
        [None, number(4), None, "DEU0A000006", None, None, "2026-11-25"],  # tomorrow
        [None, number(5), None, "DEU0A000007", None, None, DAY],  # not handed in
        ["Someone Else", None, of_case[2], "DEU0A000008", None, None, DAY],  # the same person as in row 7
        ["合计", None, None, "8", None, None, None],
    ]
    view = await results(clerk, xlsx(table, more={"说明": [["填表说明"]]}))
    assert said(view) == [
        ("refused", ["result_missing"]), ("refused", ["person_twice"]), ("refused", ["person_twice"]),
        ("refused", ["person_unknown"]), ("refused", ["code_unknown", "person_twice"]), ("refused", ["both_given"]),
        ("refused", ["future_date"]), ("refused", ["not_handed_in"]), ("refused", ["name_differs", "person_twice"]),
    ]  # fmt: skip
    assert [r["row"] for r in view["rows"]] == list(range(3, 12)), "as the user's program counts"
    assert "说明" in view["notes"][0]
    later = next(r for r in view["rows"] if r["row"] == 9)
    assert later["faults"][0]["column"] == "办结日期" and "2026-11-24" in later["faults"][0]["message"]

    back = await clerk.get(f"/api/v1/imports/{view['id']}/refused.xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(back.content)).worksheets[0]
    returned = list(sheet.iter_rows(values_only=True))
    assert returned[0] == (*header, "问题说明") and len(returned) == 10
    assert "请填写" in str(returned[5][-1]) or "代码" in str(returned[5][-1])

    # Corrected and uploaded again, as it came back: the good rows are done, each by its own task.
    lines = [list(r) for r in returned]
    lines[1][3], lines[7][6] = "DEU0A000000", DAY  # the number, and the day
    view = await results(clerk, xlsx([lines[0], lines[1], lines[7]]))
    assert said(view) == [("done", []), ("done", [])]
    done = await attempts(cases)
    assert [done[cases[i]].state for i in (0, 4)] == ["approved", "approved"]
    assert {done[cases[i]].state for i in (1, 2, 3)} == {"submitted"}

    # One who was approved under a number is not approved under another one by a list.
    lines[1][3] = "DEU0A0000XX"
    assert said(await results(clerk, xlsx([lines[0], lines[1]]))) == [("refused", ["other_number"])]
    assert registrations.number_of((await attempts(cases))[cases[0]]) == "DEU0A000000"


async def test_results_typed_as_a_table_and_one_failure_stops_no_other(portal: Office) -> None:
    cases = await handed_over(portal, 3)
    clerk, other = await portal.sign_in("clerk"), await portal.sign_in("clerk2")
    people = {p["task"]["process_id"]: p for p in (await listed(clerk))["ready"]}
    assert (await other.post(f"/api/v1/tasks/{people[cases[1]]['task']['id']}/claim")).status_code == 200
    answer = (await receipt(clerk, [people[c] for c in cases], handed_in_on="2026-11-22")).json()
    assert [i["result"] for i in answer["items"]] == ["done", "refused", "done"]
    assert answer["items"][1]["problem"]["code"] == "task_held"
    async with session() as s:
        assert (
            await s.scalar(select(Document.id).where(Document.process_id == cases[1], Document.code == "receipt"))
            is None
        )

    of_case = [c.removeprefix("enrolment-") for c in cases]
    body = {
        "day": DAY,
        "rows": [
            {"case_no": of_case[0], "number": "DEU0A0000A1"},
            {"case_no": of_case[1], "number": "DEU0A0000A2"},
            {"case_no": of_case[2].lower(), "code": "r08", "note": "照片不清", "day": "2026-11-23"},
        ],
    }
    view = (await clerk.post(f"{SOCIAL}/results", json=body)).json()
    assert said(view) == [("done", []), ("refused", ["not_handed_in"]), ("done", [])]
    row = (await attempts(cases))[cases[2]]
    assert (row.refused_code, row.refused_note) == ("R08", "照片不清")
    assert row.decided_at is not None and row.decided_at.astimezone(clock.SHANGHAI).date() == date(2026, 11, 23)
    assert said((await clerk.post(f"{SOCIAL}/results", json=body)).json()) == [
        ("unchanged", []), ("refused", ["not_handed_in"]), ("unchanged", []),
    ]  # fmt: skip
    async with session() as s:  # what was said of people is kept, and nowhere in the clear
        kept = [*await s.scalars(select(ImportRow.body)), *await s.scalars(select(Import.body))]
        keys = await s.scalars(select(Submission.idempotency_key).where(Submission.process_id.in_(cases)))
    assert kept and not any(b"DEU0A" in body for body in kept) and not any("DEU0A" in key for key in keys)
    shown = await other.get(f"{SOCIAL}/results/{view['id']}", headers={"Accept-Language": "en"})
    assert "record the receipt first" in shown.json()["rows"][1]["faults"][0]["message"]
    assert (await clerk.get(f"/api/v1/agencies/medical_bureau/results/{view['id']}")).status_code == 404
    assert (await clerk.get(f"/api/v1/imports/{view['id']}")).status_code == 404, "it is no list of hires"


async def test_a_suspended_case_is_refused_and_taken_later_by_the_same_row(portal: Office) -> None:
    [case] = await handed_over(portal, 1)
    clerk = await portal.sign_in("clerk")
    assert (await receipt(clerk, (await listed(clerk))["ready"])).json()["done"] == 1
    command = {"reason": "学院推迟报到"}
    body = {"rows": [{"id_number": number(0), "number": "DEU0A0000B1", "day": DAY}]}
    stop = await clerk.post(f"/api/v1/processes/{case}/suspend", json=command, headers={"Idempotency-Key": "s"})
    assert stop.status_code == 200, stop.text
    assert said((await clerk.post(f"{SOCIAL}/results", json=body)).json()) == [("refused", ["task_suspended"])]
    await clerk.post(f"/api/v1/processes/{case}/resume", json=command, headers={"Idempotency-Key": "r"})
    assert said((await clerk.post(f"{SOCIAL}/results", json=body)).json()) == [("done", [])]


async def test_two_clerks_with_one_list_at_once_record_each_row_once(portal: Office) -> None:
    cases = await handed_over(portal, 4)
    clerk, other = await portal.sign_in("clerk"), await portal.sign_in("clerk2")
    people = (await listed(clerk))["ready"]
    both = await asyncio.gather(receipt(clerk, people, key="one"), receipt(other, people, key="two"))
    by_task = zip(*(answer.json()["items"] for answer in both), strict=True)
    for pair in by_task:
        assert sorted(i["result"] for i in pair) == ["done", "refused"], pair
    async with session() as s:
        kept = list(await s.scalars(select(Document.process_id).where(Document.code == "receipt")))
    assert set(kept) == set(cases)

    table = [["证件号码", "参保编号", "退回代码"], *([number(n), f"DEU0C{n:07d}", None] for n in range(3))]
    content = xlsx([*table, [number(3), None, "R08"]])
    views = await asyncio.gather(results(clerk, content), results(other, content))
    for pair in zip(*(said(v) for v in views), strict=True):
        assert {outcome for outcome, _ in pair} <= {"done", "unchanged", "pending"} and ("done", []) in pair, pair
    rows = await attempts(cases)
    assert [rows[c].state for c in cases] == ["approved"] * 3 + ["refused"]
    async with session() as s:
        answers = select(Submission.task_id).where(Submission.process_id.in_(cases), Submission.status == "done")
        done = list(await s.scalars(answers))
    assert len(done) == len(set(done)), "one answer a task"


async def test_what_was_returned_or_cancelled_in_the_middle_is_said_by_its_row(portal: Office) -> None:
    cases = await handed_over(portal, 3)
    clerk = await portal.sign_in("clerk")
    people = (await listed(clerk))["ready"]
    of_case = {p["task"]["process_id"]: p for p in people}
    stop = await clerk.post(
        f"/api/v1/processes/{cases[0]}/cancel", json={"reason": "合同未签"}, headers={"Idempotency-Key": "c"}
    )
    assert stop.status_code == 200, stop.text
    answer = (await receipt(clerk, people)).json()
    assert (answer["done"], answer["refused"]) == (2, 1)
    assert {i["process_id"]: i["result"] for i in answer["items"]}[cases[0]] == "refused"
    assert of_case[cases[0]]["task"]["id"] in {i["id"] for i in answer["items"] if i["problem"]}

    acceptance = await open_task(cases[1], "registration.acceptance")
    back = await clerk.post(
        f"/api/v1/tasks/{acceptance.id}/return",
        json={"to": "materials", "reason": "提交的材料有误", "version": acceptance.version},
        headers={"Idempotency-Key": "back"},
    )
    assert back.status_code == 200, back.text
    await open_task(cases[1], "registration.undo")
    body = {"rows": [{"id_number": number(n), "number": f"DEU0D000000{n}", "day": DAY} for n in range(3)]}
    view = (await clerk.post(f"{SOCIAL}/results", json=body)).json()
    assert said(view) == [("refused", ["nothing_waits"]), ("refused", ["nothing_waits"]), ("done", [])]


async def test_a_refusal_of_the_second_attempt_is_another_one_than_that_of_the_first(portal: Office) -> None:
    [case] = await handed_over(portal, 1)
    clerk = await portal.sign_in("clerk")
    assert (await receipt(clerk, (await listed(clerk))["ready"], handed_in_on="2026-11-23")).json()["done"] == 1
    row = {"id_number": number(0), "code": "R08"}
    body = {"rows": [row]}
    assert said((await clerk.post(f"{SOCIAL}/results", json=body)).json()) == [("done", [])]
    assert said((await clerk.post(f"{SOCIAL}/results", json=body)).json()) == [("unchanged", [])]
    correction = await open_task(case, "registration.correction")
    record = (await clerk.get(f"/api/v1/tasks/{correction.id}")).json()["data"]
    corrected = await clerk.post(
        f"/api/v1/tasks/{correction.id}/complete",
        json={"outcome": "corrected", "data": record, "version": correction.version},
        headers={"Idempotency-Key": "again"},
    )
    assert corrected.status_code == 200, corrected.text
    await open_task(case, "registration.hand_in")
    assert (await receipt(clerk, (await listed(clerk))["ready"], key="second")).json()["done"] == 1
    await open_task(case, "registration.acceptance")

    # The first list again changes nothing, and says how a second refusal is written; an old day is none.
    assert said((await clerk.post(f"{SOCIAL}/results", json=body)).json()) == [("unchanged", ["recorded_before"])]
    old = {"rows": [row | {"day": "2026-11-23"}]}
    assert said((await clerk.post(f"{SOCIAL}/results", json=old)).json()) == [("refused", ["before_hand_in"])]
    new = {"rows": [row | {"day": DAY}]}
    assert said((await clerk.post(f"{SOCIAL}/results", json=new)).json()) == [("done", [])]
    latest = (await attempts([case]))[case]
    assert (latest.attempt, latest.refused_code) == (2, "R08")


async def open_task(case: str, kind: str) -> Task:
    """The open task of a kind at the social bureau, once the process has come to it."""
    wanted = select(Task).where(
        Task.process_id == case, Task.kind == kind, Task.authority == "social_bureau", Task.closed_at.is_(None)
    )
    for _ in range(200):
        async with session() as s:
            task = await s.scalar(wanted)
        if task is not None:
            return task
        await asyncio.sleep(0.3)
    raise AssertionError(f"{kind} is not open")


async def test_who_may_what_is_wrong_as_a_whole_and_what_is_written_down(portal: Office, database: Settings) -> None:
    cases = await handed_over(portal, 2)
    clerk = await portal.sign_in("clerk")
    people = (await listed(clerk))["ready"]
    ids = [p["task"]["id"] for p in people]
    for who in ("college", "auditor", "head", "payroll"):
        client = await portal.sign_in(who)
        assert (await client.get(f"{SOCIAL}/hand-in")).status_code == 403, who
        assert (await client.post(f"{SOCIAL}/hand-in/file", json={"tasks": ids})).status_code == 403, who
        assert (await receipt(client, people)).status_code == 403, who
        assert (await client.post(f"{SOCIAL}/results", json={"rows": [{"case_no": "x"}]})).status_code == 403, who
    assert (await clerk.get("/api/v1/agencies/tax_office/hand-in")).status_code == 404
    supervisor = await portal.sign_in("supervisor")
    assert (await listed(supervisor))["ready_total"] == 0, "clerks' work, until it is taken over"

    for changes, pointer in (
        ({"receipt_no": "x"}, "/receipt_no"), ({"handed_in_on": "gestern"}, "/handed_in_on"),
        ({"items": "[]"}, "/items"),
        ({"items": json.dumps([{"id": ids[0], "key": "a", "version": 1}, {"id": ids[0], "key": "b", "version": 2}])},
         "/items/1/id"),
    ):  # fmt: skip
        answer = await receipt(clerk, people, **changes)
        assert answer.status_code == 422, changes
        assert pointer in [e["pointer"] for e in answer.json()["errors"]], answer.text
    form = {"receipt_no": "SL1", "handed_in_on": DAY, "items": json.dumps([{"id": ids[0], "key": "a", "version": 1}])}
    program = await clerk.post(f"{SOCIAL}/hand-in", data=form, files={"file": ("x.pdf", b"MZ no pdf")})
    assert (program.status_code, program.json()["code"]) == (422, "bad_file")
    many = [{"id": f"t{n}", "key": f"k{n}", "version": 1} for n in range(201)]
    above = await receipt(clerk, people, items=json.dumps(many))
    assert (above.status_code, above.json()["errors"][0]["code"]) == (422, "too_many")
    limit, database.upload_limit_bytes = database.upload_limit_bytes, 20
    large = await receipt(clerk, people)
    database.upload_limit_bytes = limit
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    long_ago = (await receipt(clerk, people, key="old", handed_in_on="2020-01-01")).json()
    assert [[e["pointer"] for e in i["problem"]["errors"]] for i in long_ago["items"]] == [["/data/handed_in_on"]] * 2
    assert all("2026-11-10" in i["problem"]["errors"][0]["message"] for i in long_ago["items"]), "since the permit"
    medical = await clerk.post("/api/v1/agencies/medical_bureau/hand-in", data=form, files={"file": ("x.pdf", PDF)})
    assert medical.json()["items"][0]["problem"]["code"] == "not_a_hand_in"
    assert {r.state for r in (await attempts(cases)).values()} <= {"filled"}
    for content, name, code in (
        (b"", "a.xlsx", "file_empty"), (xlsx([["a", "b"], [1, 2]]), "a.xlsx", "no_header"),
        (xlsx([["证件号码", "参保编号"]]), "a.xlsx", "no_rows"),
        (xlsx([["证件号码", "参保编号"], *([f"A{i:07d}", "DEU0"] for i in range(201))]), "a.xlsx", "too_many_rows"),
    ):  # fmt: skip
        answer = await clerk.post(f"{SOCIAL}/results/file", files={"file": (name, content)})
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    assert (await clerk.post(f"{SOCIAL}/hand-in/file", json={"tasks": ids})).status_code == 200
    assert (await receipt(clerk, people[:1])).json()["done"] == 1
    gone = await clerk.post(f"{SOCIAL}/hand-in/file", json={"tasks": ids})
    assert (gone.status_code, [e["pointer"] for e in gone.json()["errors"]]) == (422, ["/tasks/0"])
    assert people[0]["task"]["case_no"] in gone.json()["detail"] and people[0]["task"]["subject_name"] in gone.text
    async with session() as s:
        acts = [
            (a.action, a.object)
            for a in await s.scalars(select(Audit).where(Audit.object.in_(ids), Audit.actor == "clerk"))
        ]
    for task_id in ids:
        assert ("application.read", task_id) in acts and ("application.file", task_id) in acts
    assert ("task.complete", ids[0]) in acts and ("task.complete", ids[1]) not in acts
