"""Uploads and starts through HTTP, with a real PostgreSQL and a real Temporal server."""

import io
import itertools
import time
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import httpx2
import openpyxl
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import func, select, text
from temporalio.client import Client, WorkflowExecutionStatus

from api import engine, imports, problems, process_start, sign_in, starts
from cli.demo_people import DEMO_PASSWORD
from cli.demo_university import create_demo
from runtime.settings import Settings
from runtime.temporal import connect
from schemas.process import ProcessStart
from store import database as db
from store.tables.processes import Process, ProcessStartRow
from tests.imports import files

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST_NUMBERS = itertools.count(int(time.time()) % 10**6 * 100, 100)
HIRE: dict[str, Any] = {
    "name": "Anna Muster",
    "sex": "female",
    "country": "DEU",
    "birth": "1985-03-14",
    "id_number": "E12345678",
    "id_expires": "2031-01-31",
    "work_permit_no": "5100202699999999",
    "permit_issued": "2026-11-16",
    "permit_expires": "2027-11-16",
    "residence_expires": "2027-11-30",
    "org_unit": "business",
    "contract_start": "2026-11-20",
    "contract_end": "2028-11-19",
    "monthly_wage": "18000.00",
}


@pytest_asyncio.fixture(loop_scope="session")
async def app(database: Settings, client: Client) -> AsyncIterator[FastAPI]:
    async with db.session() as session:
        await create_demo(session)
        # All tests share one Temporal server: each gets case numbers of its own.
        await session.execute(text("SELECT setval('case_numbers', :first)"), {"first": next(FIRST_NUMBERS)})
    made = FastAPI()
    problems.install(made)
    for room in (sign_in, imports, process_start):
        made.include_router(room.router, prefix="/api/v1")
    engine.use_client(client)
    yield made
    engine.use_client(None)


async def signed_in(app: FastAPI, name: str) -> httpx2.AsyncClient:
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test/api/v1")
    answer = await http.post("/session", json={"username": name, "password": DEMO_PASSWORD})
    http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return http


async def upload(http: httpx2.AsyncClient, content: bytes, mode: str = "good_rows", name: str = "a.xlsx") -> Any:
    return await http.post("/imports/enrolment", files={"file": (name, content)}, data={"mode": mode})


async def test_a_spreadsheet_becomes_running_workflows_and_a_file_of_faults(app: FastAPI, client: Client) -> None:
    http = await signed_in(app, "clerk")
    answer = await upload(http, files.SAMPLE.read_bytes())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["counts"] == {"started": 9, "refused": 3, "duplicate": 1, "changed": 0}
    assert [r["row"] for r in body["rows"]] == list(range(2, 15))
    for row in body["rows"]:
        if row["outcome"] == "started":
            execution = await client.get_workflow_handle(row["process_id"]).describe()
            assert execution.status is WorkflowExecutionStatus.RUNNING and execution.workflow_type == "Enrolment"
        else:
            assert row["faults"] and all(f["message"] and f["code"] and f["column"] for f in row["faults"])
    async with db.session() as session:
        states = set(await session.scalars(select(ProcessStartRow.state)))
    assert states == {"started"}

    refused = await http.get(f"/imports/{body['id']}/refused.xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(refused.content)).active
    assert sheet is not None
    lines = list(sheet.iter_rows(values_only=True))
    assert len(lines) == 5 and lines[0][:-1] == tuple(files.sample_rows()[0]) and lines[0][-1] == "问题说明"
    assert [line[0] for line in lines[1:]] == ["Priya Sharma", "Emily Clarke", "Pedro Silva", "Haruto Tanaka"]
    assert "缺少工作许可签发日期" in str(lines[3][-1])

    # Corrected and handed in again, the row starts.
    fixed = [list(line) for line in lines]
    fixed[3][10] = fixed[3][15]
    again = (await upload(http, files.xlsx(fixed))).json()
    assert [r["outcome"] for r in again["rows"]] == ["refused", "refused", "started", "duplicate"]
    english = await http.get(f"/imports/{body['id']}", headers={"Accept-Language": "en"})
    assert "same person" in english.json()["rows"][12]["faults"][0]["message"]


async def test_nothing_is_lost_while_temporal_is_away(app: FastAPI, client: Client, settings: Settings) -> None:
    away = settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
    engine.use_client(await connect(away, lazy=True))
    http = await signed_in(app, "clerk")
    body = (await upload(http, files.xlsx(files.sample_rows()[:3]))).json()
    assert body["counts"]["started"] == 2
    async with db.session() as session:
        rows = list(await session.scalars(select(ProcessStartRow)))
    assert {r.state for r in rows} == {"pending"} and all(r.error and r.attempts == 1 for r in rows)
    engine.use_client(client)
    assert await starts.start_pending() == 2 and await starts.start_pending() == 0
    for row in rows:
        assert (await client.get_workflow_handle(row.process_id).describe()).status is WorkflowExecutionStatus.RUNNING


async def test_bad_files_and_people_who_may_not(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    for content, name, status, code in (
        (b"x" * (50 * 1024 * 1024), "a.csv", 413, "file_too_large"),
        (b"", "a.xlsx", 422, "file_empty"),
        (b"%PDF-1.4", "a.pdf", 415, "file_type_unknown"),
        (files.xlsx([["a", "b"], [1, 2]]), "a.xlsx", 422, "no_header"),
    ):
        answer = await upload(http, content, name=name)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json" and len(answer.json()["detail"]) > 10
    assert (await http.post("/imports/enrolment", data={"mode": "preview"})).status_code == 422
    assert (await http.post("/imports/payroll", files={"file": ("a", b"x")})).json()["code"] == "import_kind_unknown"
    for name in ("admin", "auditor", "employee", "supervisor"):
        other = await signed_in(app, name)
        assert (await upload(other, files.SAMPLE.read_bytes())).status_code == 403
        assert (await other.post("/processes", json={"kind": "enrolment", "input": HIRE})).status_code == 403
    mine = (await upload(http, files.SAMPLE.read_bytes(), "preview")).json()
    assert (await (await signed_in(app, "college")).get(f"/imports/{mine['id']}")).status_code == 404
    assert (await (await signed_in(app, "supervisor")).get(f"/imports/{mine['id']}")).status_code == 200


async def test_one_process_by_hand_once_per_key_and_person(app: FastAPI, client: Client) -> None:
    http = await signed_in(app, "clerk")
    body, key = {"kind": "enrolment", "input": HIRE}, {"Idempotency-Key": "k-1"}
    first = await http.post("/processes", json=body, headers=key)
    assert first.status_code == 201 and first.headers["location"].endswith(first.json()["id"])
    assert {w["code"] for w in first.json()["watch"]} == {"W01"}
    handle = client.get_workflow_handle(first.json()["id"])
    history = await handle.fetch_history()
    payload = history.events[0].workflow_execution_started_event_attributes.input.payloads
    [start] = await client.data_converter.decode(payload, [ProcessStart])
    assert start.process_id == handle.id and "Anna" not in start.model_dump_json()

    again = await http.post("/processes", json=body, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    other = {"kind": "enrolment", "input": {**HIRE, "post": "讲师"}}
    assert (await http.post("/processes", json=other, headers=key)).json()["code"] == "idempotency_key_reused"
    spaced = {"kind": "enrolment", "input": {**HIRE, "id_number": "e12 345678"}}
    duplicate = await http.post("/processes", json=spaced, headers={"Idempotency-Key": "k-2"})
    assert (duplicate.status_code, duplicate.json()["code"]) == (409, "duplicate_case")
    async with db.session() as session:
        assert (await session.execute(select(func.count()).select_from(Process))).scalar_one() == 1


async def test_a_preview_is_started_once_from_the_file_it_kept(app: FastAPI) -> None:
    http, other = await signed_in(app, "clerk"), await signed_in(app, "auditor")
    seen = (await upload(http, files.xlsx(files.sample_rows()[:4]), "preview")).json()
    assert (await other.post(f"/imports/{seen['id']}/start")).status_code == 403
    started = (await http.post(f"/imports/{seen['id']}/start")).json()
    assert started["mode"] == "good_rows" and started["counts"]["started"] == seen["counts"]["started"] == 3
    assert all(r["process_id"] for r in started["rows"]) and started["filename"] == seen["filename"]
    assert (await http.post(f"/imports/{seen['id']}/start")).json() == started
    assert (await http.post(f"/imports/{started['id']}/start")).json()["code"] == "not_a_preview"
    async with db.session() as session:
        assert (await session.execute(select(func.count()).select_from(Process))).scalar_one() == 3


async def test_what_is_allowed_is_said_in_the_language_asked_for(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")

    async def said(lang: str) -> str:
        wrong = {"file": ("a.xlsx", b"x")}
        answer = await http.post("/imports/enrolment", files=wrong, data={"mode": "all"}, params={"lang": lang})
        [fault] = answer.json()["errors"]
        assert fault["pointer"] == "/mode"
        return fault["message"]

    zh, en = await said("zh"), await said("en")
    assert zh == "应为以下之一：preview、good_rows。" and en == "It must be one of: preview, good_rows."
    assert await said("both") == f"{zh} {en}"


async def test_broken_json_points_at_the_whole_body(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    answer = await http.post("/processes", content=b'{"kind": ', headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("", "json_invalid")]


async def test_each_fault_of_a_record_is_pointed_at(app: FastAPI) -> None:
    http = await signed_in(app, "college")

    async def faults(**changes: Any) -> dict[str, str]:
        answer = await http.post("/processes", json={"kind": "enrolment", "input": {**HIRE, **changes}})
        assert answer.status_code == 422, answer.text
        return {e["pointer"]: e["code"] for e in answer.json()["errors"]}

    assert await faults(permit_expires="2026-11-18", id_expires="2026-01-01") == {
        "/input/permit_expires": "R03",
        "/input/id_expires": "R03",
    }
    assert await faults(name="123", name_zh="45") == {"/input/name": "bad_value", "/input/name_zh": "bad_value"}
    assert await faults(org_unit="law") == {"/input/org_unit": "org_unit_not_yours"}
    assert set(await faults(birth="never", salary=1)) == {"/input/birth", "/input/salary"}
    assert await faults(id_number="5.1E+15", phone="abc", email="not-an-email", birth="never") == {
        "/input/id_number": "digits_lost",
        "/input/phone": "phone_unreadable",
        "/input/email": "email_unreadable",
        "/input/birth": "date_from_datetime_parsing",
    }
    assert await faults(phone="abc") == {"/input/phone": "phone_unreadable"}
    unknown = await http.post("/processes", json={"kind": "tax_payment", "input": {}})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "kind_unknown")


async def test_a_filled_column_that_was_not_read_is_named_in_the_answer(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    [header, *people] = files.sample_rows()[:3]
    renamed = ["证明材料" if h == "协议国参保证明" else h for h in header]
    seen = (await upload(http, files.xlsx([renamed, *people]), "preview")).json()
    assert [(c["column"], c["code"]) for c in seen["unread"]] == [("证明材料", "column_unknown")]
    assert "2 行" in seen["unread"][0]["message"] and seen["counts"]["started"] == 2
    english = (await http.get(f"/imports/{seen['id']}", headers={"Accept-Language": "en"})).json()
    assert "was not read" in english["unread"][0]["message"]
    assert (await upload(http, files.SAMPLE.read_bytes(), "preview")).json()["unread"] == []


async def test_a_row_whose_name_is_a_number_is_refused_at_the_name(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    [header, person] = files.sample_rows()[:2]
    heading = next(h for h in header if "姓名" in str(h))
    numbered = [123 if h == heading else v for h, v in zip(header, person, strict=True)]
    seen = (await upload(http, files.xlsx([header, numbered]), "preview")).json()
    assert seen["counts"]["started"] == 0
    [row] = seen["rows"]
    assert [(f["column"], f["code"]) for f in row["faults"]] == [(heading, "bad_value")]


async def test_a_row_with_a_day_too_far_away_stops_no_other(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    [header, *people] = files.sample_rows()[:4]
    heading = next(h for h in header if "合同" in str(h) and ("开始" in str(h) or "起" in str(h)))
    far = ["9999-12-31" if h == heading else v for h, v in zip(header, people[0], strict=True)]
    seen = (await upload(http, files.xlsx([header, far, *people[1:]]), "preview")).json()
    first, *others = seen["rows"]
    assert [(f["column"], f["code"]) for f in first["faults"]] == [(heading, "beyond")]
    assert "2199-12-31" in first["faults"][0]["message"] and not any(r["faults"] for r in others)
    assert seen["counts"]["started"] == len(others)


async def test_a_person_with_a_second_passport_is_decided_about_over_http(app: FastAPI) -> None:
    http, college = await signed_in(app, "clerk"), await signed_in(app, "college")
    first = (await http.post("/processes", json={"kind": "enrolment", "input": HIRE})).json()
    renewed = {**HIRE, "id_number": "C87654321", "id_expires": "2036-01-31"}

    async def start(who: httpx2.AsyncClient, decision: str | None = None, **more: str) -> Any:
        return await who.post(
            "/processes", json={"kind": "enrolment", "input": {**renewed, **more}, "decision": decision}
        )

    for who, words in ((http, "更新该案件的证件号码"), (college, "社保经办人")):
        alike = await start(who)
        assert (alike.status_code, alike.json()["code"]) == (409, "person_alike") and words in alike.json()["detail"]
    assert (await start(college, "another_person")).status_code == 403
    assert (await start(http, "sister")).status_code == 422
    same = await start(http, "same_person")
    assert (same.status_code, same.json()["id"]) == (200, first["id"])
    assert (await start(http)).json()["code"] == "duplicate_case"
    another = await start(http, "another_person", id_number="C11111111")
    assert another.status_code == 201 and another.json()["id"] != first["id"]
    again = await start(http, "same_person", id_number="C22222222")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_replace"), "two cases are open"


async def test_decisions_about_rows_over_http(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    header, first, *_ = files.sample_rows()
    await upload(http, files.xlsx([header, first]))
    twins = [[*first[:7], number, *first[8:]] for number in ("TZ1111111", "TZ2222222")]
    sheet = files.xlsx([header, *twins])
    seen = (await upload(http, sheet, "preview")).json()
    assert [(r["outcome"], r["key"], r["decisions"]) for r in seen["rows"]] == [
        ("refused", 2, ["another_person", "same_person"]),
        ("refused", 3, ["another_person", "same_person"]),
    ]
    both = await http.post(f"/imports/{seen['id']}/start", json={"another_person": [2], "same_person": [2]})
    assert (both.status_code, both.json()["errors"][0]["code"]) == (422, "said_both")
    done = (await http.post(f"/imports/{seen['id']}/start", json={"another_person": [2]})).json()
    assert [r["outcome"] for r in done["rows"]] == ["started", "refused"] and done["can_start"]
    form = {"mode": "good_rows", "another_person": "3"}
    last = await http.post("/imports/enrolment", files={"file": ("a.xlsx", sheet)}, data=form)
    assert [r["outcome"] for r in last.json()["rows"]] == ["duplicate", "started"] and not last.json()["can_start"]


FAR = ("9999-12-31", "1900-01-01")


async def test_days_far_away_are_said_in_sentences_and_stop_no_other_row(app: FastAPI) -> None:
    http = await signed_in(app, "clerk")
    for name, day in itertools.product((n for n, v in HIRE.items() if str(v)[4:5] == "-"), FAR):
        answer = await http.post("/processes", json={"kind": "enrolment", "input": HIRE | {name: day}})
        assert answer.status_code == 422, (name, day, answer.text)
        assert all(e["message"] and e["pointer"].startswith("/input/") for e in answer.json()["errors"])
    head, good = files.sample_rows()[:2]
    rows, places = [head, good], [i for i, cell in enumerate(good) if isinstance(cell, date)]
    assert len(places) == 7
    for place, day in itertools.product(places, FAR):
        rows += [[*good[:place], cell, *good[place + 1 :]] for cell in (day, datetime.fromisoformat(day))]
    for content, name in ((files.xlsx(rows), "a.xlsx"), (files.csv_text(rows).encode(), "a.csv")):
        answer = await upload(http, content, mode="preview", name=name)
        assert answer.status_code == 200, answer.text
        first, *others = answer.json()["rows"]
        assert first["outcome"] == "started" and len(others) == 28
        assert all(r["outcome"] == "refused" and all(f["message"] for f in r["faults"]) for r in others)
