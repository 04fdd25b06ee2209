"""Whatever is sent, by the API's own description of itself: no answer is a 5xx, and each refusal is a problem."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest_asyncio
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case

from runtime.clock import real_now
from store.database import session
from store.users import create_token
from tests.api.conftest import Office

LEFT_OUT = ("/api/v1/events", "/readyz")  # the one never ends, the other is 503 without Temporal
EXAMPLES = 150


@pytest_asyncio.fixture(loop_scope="session")
async def address(office: Office) -> AsyncIterator[str]:
    """The app on a port of its own, in this event loop."""
    server = uvicorn.Server(uvicorn.Config(office.app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def test_nothing_sent_makes_a_server_error(office: Office, address: str) -> None:
    case = await office.case()
    await office.task(case)
    async with session() as s:
        token = await create_token(s, "clerk", "fuzz", real_now())
    schema = schemathesis.openapi.from_dict(office.app.openapi())
    operations = [r.ok() for r in schema.get_all_operations() if r.ok().path not in LEFT_OUT]
    assert len(operations) > 20
    strategy = st.one_of([o.as_strategy() for o in operations])
    seen: list[int] = []

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def fuzz(case: Case) -> None:
        answer = case.call(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert answer.status_code < 500, (case.method, case.path, answer.text[:400])
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0] == "application/problem+json", (case.path, answer.text[:200])
        seen.append(answer.status_code)

    await asyncio.to_thread(fuzz)
    assert len(seen) >= EXAMPLES // 2


async def test_characters_that_no_database_takes_are_refused_with_a_sentence(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    answers: list[httpx2.Response] = [
        await clerk.get("/api/v1/tasks", params={"q": "a\0b"}),
        await clerk.get("/api/v1/processes/a%00b"),
        await clerk.post("/api/v1/session", json={"username": "a\0b", "password": "x"}),
    ]
    assert {a.status_code for a in answers} == {422}, [a.text for a in answers]
    assert {a.json()["code"] for a in answers} == {"bad_character"}
