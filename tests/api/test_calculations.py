"""The calculations by HTTP: the same shapes as the command, refusals by pointer, signed-in users only."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case

from domain.calculations import CALCULATIONS
from runtime.clock import real_now
from store.database import session
from store.users import create_token
from tests.api.conftest import Office

DAYS = {"start": "2026-11-24", "n": 30, "unit": "calendar_days"}
EXAMPLES = 120


async def test_list_schema_and_answer(office: Office) -> None:
    clerk = await office.sign_in("auditor")
    items = (await clerk.get("/api/v1/calculations")).json()["items"]
    assert [i["name"] for i in items] == list(CALCULATIONS)
    for item in items:
        found = (await clerk.get(f"/api/v1/calculations/{item['name']}")).json()
        example, expected = found["input"]["examples"][0], found["output"]["examples"][0]
        answer = await clerk.post(f"/api/v1/calculations/{item['name']}", json=example)
        assert answer.status_code == 200, (item["name"], answer.text)
        assert answer.json() == expected, item["name"]


async def test_a_bad_field_is_named_by_pointer_in_the_language_asked_for(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    bad = DAYS | {"start": "2026-13-01", "calendar": {"2026": {"rest": ["2027-01-01"]}}, "more": 1}
    answer = await clerk.post("/api/v1/calculations/add-days", json=bad, headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_form")
    assert answer.headers["content-type"] == "application/problem+json"
    errors = {e["pointer"]: e for e in answer.json()["errors"]}
    assert set(errors) == {"/start", "/more"}
    assert errors["/start"]["code"] == "bad_date"
    assert errors["/start"]["message"].startswith("Not a valid date")
    del bad["more"]
    answer = await clerk.post("/api/v1/calculations/add-days", json=bad | {"start": "2026-11-24"})
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/calendar/2026/rest/0"]
    assert "2026" in answer.json()["errors"][0]["message"]


async def test_what_is_no_json_is_refused_with_a_sentence_also_elsewhere(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    for text in ("{", "[" * 100_000, '{"n": ' + "9" * 5000 + "}"):
        answer = await clerk.post("/api/v1/session", content=text, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_form")
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == ("", "json_invalid") and "JSON" in error["message"]


async def test_a_field_given_twice_is_refused_wherever_json_is_taken(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    taking = [
        (method, path)
        for path, methods in office.app.openapi()["paths"].items()
        for method, route in methods.items()
        if "application/json" in route.get("requestBody", {}).get("content", {})
    ]
    assert len(taking) > 60
    for method, path in taking:
        answer = await clerk.request(
            method, re.sub(r"{\w+}", "1", path), content='{"reason": "a", "reason": "b"}',
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 422, f"{method} {path}: {answer.text}"
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/reason", "given_twice")], path


async def test_who_is_not_signed_in_is_told_that_before_the_missing_body(office: Office) -> None:
    async with office.anonymous() as nobody:
        assert (await nobody.post("/api/v1/calculations/add-days")).status_code == 401
    missing = await (await office.sign_in("clerk")).post("/api/v1/calculations/add-days")
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (422, "json_invalid")


async def test_unknown_names_offer_near_ones_and_nobody_asks_without_signing_in(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    for answer in (
        await clerk.get("/api/v1/calculations/add-day"),
        await clerk.post("/api/v1/calculations/add-day", json={}),
    ):
        assert answer.status_code == 404
        assert "add-days" in answer.json()["detail"]
    async with office.anonymous() as nobody:
        assert (await nobody.get("/api/v1/calculations")).status_code == 401
        assert (await nobody.post("/api/v1/calculations/add-days", json=DAYS)).status_code == 401


@pytest_asyncio.fixture(loop_scope="session")
async def address(office: Office) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(office.app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.mark.parametrize("by_the_schema", [True, False])
async def test_whatever_is_sent_is_computed_or_refused_with_a_field(
    office: Office, address: str, by_the_schema: bool
) -> None:
    async with session() as s:
        token = await create_token(s, "clerk", "fuzz", real_now())
    schema = schemathesis.openapi.from_dict(office.app.openapi()).include(
        path_regex="^/api/v1/calculations/", method="POST"
    )
    mode = schemathesis.GenerationMode.POSITIVE if by_the_schema else schemathesis.GenerationMode.NEGATIVE
    operations = [r.ok() for r in schema.get_all_operations()]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(operations) == len(CALCULATIONS)
    seen: list[int] = []

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    @given(case=st.one_of([o.as_strategy(generation_mode=mode) for o in operations]))
    def fuzz(case: Case) -> None:
        answer = case.call(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert answer.status_code in (200, 422), (case.path, case.body, answer.text[:400])
        if answer.status_code == 422:
            assert answer.headers["content-type"][0] == "application/problem+json"
            assert answer.json()["errors"], answer.text[:400]
        seen.append(answer.status_code)

    await asyncio.to_thread(fuzz)
    assert len(seen) >= EXAMPLES // 2
    assert (200 in seen) if by_the_schema else (422 in seen)
