"""A real PostgreSQL is stopped in mid-case and started again: the case goes on, and no authority sees anything twice.

The database is one of its own, started outside of the product, so that nobody starts it again before the test does.
While it is away a task is open, and a call to a bureau is under way: the simulated bureaus are held in the very moment
(SIGSTOP), take the application in when the database is gone, and their answer finds no place to be written down.
"""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import httpx2 as httpx
import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client

from embedded.ports import Ports
from embedded.postgres import Postgres, embedded_postgres
from embedded.processes import Child
from runtime.settings import Settings
from runtime.temporal import connect
from tests.contract import V1, Json, hire
from tests.e2e.installation import AS_ROOT, installation
from tests.e2e.office import Office
from tests.e2e.product import AGENCIES, BUREAUS, Product, assert_board_counts_its_lists, assert_no_incident

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]
OUTSIDE_STEP = "submit_application"
# The database is away until this attempt: an authority's own outage would by then be waited for half a minute and more.
ATTEMPTS = 7
OWN_PATIENCE = timedelta(seconds=11)  # ten, and what the server adds of its own


class Database:
    """A PostgreSQL that can be stopped and started."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.child: Child | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self.server.prepare)
        self.child = await Child.start(self.server.launch())
        await self.child.wait_ready()
        await self.server.ensure_database()

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop()
            self.child = None


@pytest_asyncio.fixture(loop_scope="session")
async def database_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    folder = tmp_path_factory.mktemp("outage")
    port = Ports(folder / "ports.json").choose("postgres", 21500)
    made = Database(embedded_postgres(Settings(data_dir=folder), port))
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def running(database_server: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    folder = tmp_path_factory.mktemp("ours")
    url = database_server.server.database_url.replace("postgresql+psycopg://", "postgresql://")
    with installation("root" if AS_ROOT else "ordinary", folder) as made:
        product = Product(made, "data", BAOQI_DATABASE_URL=url)
        await asyncio.to_thread(product.start)
        yield product
        await asyncio.to_thread(product.stop)


async def until(what: Callable[[], Awaitable[bool]], words: str, seconds: float = 180) -> None:
    """Waits for something outside of the pages, which say nothing while the database is away."""
    for _ in range(int(seconds / 0.2)):
        if await what():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"never came: {words}")


async def pending(client: Client, case: str) -> list[PendingActivityInfo]:
    found = await client.get_workflow_handle(case).describe()
    return list(found.raw_description.pending_activities)


def finish(office: Office, case: str, kind: str, person: str) -> None:
    task = office.wait(lambda: office.open_tasks(case, kind))[0]["id"]
    assert office[person].complete(task).status_code == 200


def begin(product: Product, office: Office) -> tuple[str, str, list[str]]:
    """A case at the bureaus, its call held on the way, and one that waits for its college."""
    hired = [hire() for _ in range(2)]
    there, at_college = (office.start(**h) for h in hired)
    finish(office, there, "enrolment.materials", "college")
    os.kill(product.pids()["simulators"], signal.SIGSTOP)
    finish(office, there, "enrolment.verification", "clerk")
    return there, at_college, sorted(h["id_number"] for h in hired)


def answer_to(office: Office, case: str) -> tuple[str, Json]:
    """The address and the body with which the college hands in."""
    task = office.wait(lambda: office.open_tasks(case, "enrolment.materials"))[0]["id"]
    view = office["college"].get(f"/tasks/{task}")
    for paper in (d for d in view["documents"] if d["required"] and not d["received"]):
        office["college"].provide(task, paper)
    body = {"outcome": view["outcomes"][0]["code"], "data": view["data"]}
    return f"/tasks/{task}/complete", body | {"version": office["college"].get(f"/tasks/{task}")["version"]}


def assert_says_so(person: httpx.Client, api: str, click: Callable[[], httpx.Response]) -> None:
    """What people and programs hear meanwhile: a sentence, in both languages, and nothing of the machinery."""
    for language, sentence in (("zh", "系统后台暂时无法访问，您的数据没有丢失"), ("en", "nothing is lost, try again")):
        heard = person.get(f"{V1}/tasks", params={"view": "group", "lang": language})
        page = person.get("/inbox", params={"lang": language}, headers={"Accept": "text/html"})
        assert (heard.status_code, heard.json()["code"]) == (503, "unavailable")
        assert heard.headers["Retry-After"] and sentence in heard.json()["detail"]
        assert page.status_code == 503 and sentence in page.text and page.text.startswith("<!doctype html>")
        part = person.get("/inbox", params={"lang": language}, headers={"HX-Request": "true"})
        assert part.status_code == 503 and sentence in part.text and part.headers["HX-Retarget"] == "#said"
        assert "sqlalchemy" not in (heard.text + page.text + part.text).lower()
    assert click().status_code == 503
    assert httpx.get(f"{api}/healthz").status_code == 200, "the process itself lives"
    assert httpx.get(f"{api}/readyz", timeout=30).status_code == 503


async def test_a_database_that_goes_away_and_comes_back_delays_and_no_more(
    running: Product, database_server: Database
) -> None:
    product = running
    pids = product.pids()
    assert "postgres" not in pids, "nobody of ours starts it again"
    for agency in AGENCIES:
        product.behave(agency)
    office = await asyncio.to_thread(product.office)
    client = await connect(product.settings())
    there, at_college, numbers = await asyncio.to_thread(begin, product, office)
    try:

        async def on_the_way() -> bool:
            """Both bureaus are being asked at this moment."""
            now = [a for a in await pending(client, there) if a.activity_type.name == OUTSIDE_STEP]
            started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            return len(now) == len(BUREAUS) and all(a.state == started for a in now)

        await until(on_the_way, "both hand-ins are on their way")
        address, body = await asyncio.to_thread(answer_to, office, at_college)
        await database_server.stop()
    finally:
        os.kill(pids["simulators"], signal.SIGCONT)

    key = {"Idempotency-Key": str(uuid.uuid4())}
    click = lambda: office["college"].write("POST", address, json=body, headers=key)  # noqa: E731
    await asyncio.to_thread(assert_says_so, office["clerk"].http, product.run["api"], click)

    async def tried_often() -> bool:
        now = [a for a in await pending(client, there) if a.activity_type.name == OUTSIDE_STEP]
        assert len(now) == len(BUREAUS), "no hand-in ended without being written down"
        waits = [(a.attempt, a.current_retry_interval.ToTimedelta(), a.last_failure.message) for a in now]
        assert all(wait <= OWN_PATIENCE for _, wait, _ in waits), waits
        return all(a.attempt >= ATTEMPTS for a in now)

    await until(tried_often, f"{ATTEMPTS} attempts of both hand-ins")
    await asyncio.to_thread(assert_says_so, office["clerk"].http, product.run["api"], click)
    for bureau in BUREAUS:
        assert len(await asyncio.to_thread(product.applications, bureau)) == 1, "it came in while nobody could note it"

    await database_server.start()
    await until(_answers(product.run["api"]), "the API is ready again")
    first, again = await asyncio.to_thread(click), await asyncio.to_thread(click)
    assert first.status_code == 200, first.text
    assert (again.status_code, again.json()) == (200, first.json())

    await asyncio.to_thread(office.work, office.to_state("closed", there, at_college))
    for bureau in BUREAUS:
        assert sorted(product.applications(bureau)) == numbers, "each person once"
        repeated = [e for e in product.log(bureau) if e["path"].endswith("/applications") and e["repeat"]]
        assert repeated, "the application whose answer was lost was sent again, under its key"
        assert sorted(r["id_number"] for r in product.registrations(bureau)) == numbers
    product.assert_nothing_twice()
    assert_no_incident(office, there, at_college)
    open_faults = office["admin"].get("/incidents")["items"]
    assert not open_faults, "what failed meanwhile has recovered by itself"
    assert_board_counts_its_lists(office)
    assert product.pids() == pids, "no process of ours ended over it"
    office.close()


def _answers(api: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        answer = await asyncio.to_thread(httpx.get, f"{api}/readyz", timeout=30)
        return answer.status_code == 200

    return ready
