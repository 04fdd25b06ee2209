"""The demo: its people, its lists, and its clock on a real development server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from api import import_checks
from api.spreadsheets import columns, reader
from api.spreadsheets.units import Unit
from cli import demo_clock as demo
from cli.demo_clock import fast_forward
from cli.demo_people import ORG_UNITS, demo_hires, demo_users, write_hires
from runtime import clock
from runtime.settings import Settings
from store import database as db
from store import demo_clock
from store.tables.processes import Process

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("today", [date(2026, 11, 24), date(2027, 6, 30), date(2027, 1, 1)])
def test_lists_hold_good_rows_and_the_faults_they_promise(seed: int, today: date) -> None:
    table = columns.parse(reader.read(write_hires(demo_hires(12, today, seed)), "demo.xlsx"), UNITS)
    found = import_checks.examine(table, today, None, {})
    assert [[(f.field, f.code) for f in c.faults] for c in found] == [
        [],
        [],
        [("id_expires", "R03")],
        [("permit_expires", "R03")],
        [("permit_issued", "missing")],
        *[[]] * 7,
    ]
    assert found[-1].same_as == 2 and [r.code for r in found[1].row.repairs] == ["blank_removed"]


def test_lists_of_any_length_and_the_same_for_the_same_seed() -> None:
    today = date(2026, 11, 24)
    assert [len(demo_hires(n, today, 1)) for n in (1, 5, 6, 40)] == [1, 5, 6, 40]
    assert all(len(demo_hires(12, date(2028, 2, 29), seed)) == 12 for seed in range(20))  # a leap day has no own year
    assert demo_hires(12, today, 7) == demo_hires(12, today, 7) != demo_hires(12, today, 8)


def test_thirteen_users_in_two_scopes() -> None:
    users = {u.username: u for u in demo_users()}
    assert sorted(users) == [
        "admin", "auditor", "clerk", "clerk2", "college", "college2", "employee", "finance", "head", "payroll",
        "policy", "policy2", "supervisor",
    ]  # fmt: skip

    scopes = set(users["college"].org_units), set(users["college2"].org_units)
    assert not scopes[0] & scopes[1] and scopes[0] | scopes[1] == {u.id for u in ORG_UNITS}


@activity.defn
async def hang() -> None:
    await asyncio.sleep(30)


@workflow.defn
class Busy:
    """An activity under way holds the clock back."""

    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            workflow.execute_activity(hang, start_to_close_timeout=timedelta(minutes=5)),
            workflow.sleep(timedelta(days=9)),
        )


@workflow.defn
class Ending:
    """Ends after a day, as a payment does when its month is over."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))


@workflow.defn
class Waiting:
    """Waits for three days, then for a word."""

    def __init__(self) -> None:
        self.woken_at: datetime | None = None
        self.done = False

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=3))
        self.woken_at = workflow.now()
        await workflow.wait_condition(lambda: self.done)

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.query
    def woken(self) -> datetime | None:
        return self.woken_at


@pytest_asyncio.fixture(loop_scope="session")
async def worker(client: Client, settings: Settings) -> AsyncIterator[Client]:
    async with Worker(
        client,
        task_queue=settings.temporal_task_queue,
        workflows=[Waiting, Busy, Ending],
        activities=[hang],
        graceful_shutdown_timeout=timedelta(),
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield client


async def case(client: Client, settings: Settings, process_id: str) -> Any:
    async with db.session() as session:
        session.add(
            Process(id=process_id, kind="enrolment", case_no=process_id, started_by="t", started_at=clock.real_now())
        )
    return await client.start_workflow(Waiting.run, id=process_id, task_queue=settings.temporal_task_queue)


async def offsets(*ids: str) -> list[int]:
    async with db.session() as session:
        return [(await session.get_one(Process, i)).clock_offset_seconds for i in ids]


@pytest.mark.asyncio(loop_scope="session")
async def test_the_clock_goes_forward_for_one_case_and_for_all(database: Settings, worker: Client) -> None:
    day = 86400
    one, two = await case(worker, database, "ff-1"), await case(worker, database, "ff-2")
    assert await fast_forward(worker, "ff-1", timedelta(days=2)) == (["ff-1"], [])
    assert await one.query(Waiting.woken) is None and await offsets("ff-1", "ff-2") == [2 * day, 0]
    async with db.session() as session:
        assert await demo_clock.stored(session) == 0

    assert await fast_forward(worker, None, timedelta(days=4)) == (["ff-1", "ff-2"], [])
    assert await offsets("ff-1", "ff-2") == [2 * day, 0]
    async with db.session() as session:
        assert await demo_clock.stored(session) == 4 * day
    for handle in (one, two):
        woken = await handle.query(Waiting.woken)
        assert woken is not None and woken - datetime.now(UTC) > timedelta(days=2, hours=23)
        await handle.signal(Waiting.finish)
        await handle.result()

    async with db.session() as session:  # the row says open, the workflow has ended: named, not moved
        assert (await session.get_one(Process, "ff-1")).closed_at is None
    assert await fast_forward(worker, "ff-1", timedelta(days=1)) == ([], ["ff-1"])
    assert await offsets("ff-1") == [2 * day]


@pytest.mark.asyncio(loop_scope="session")
async def test_what_ends_on_the_way_has_arrived(database: Settings, worker: Client) -> None:
    async with db.session() as session:
        session.add(Process(id="e-1", kind="x", case_no="e-1", started_by="t", started_at=clock.real_now()))
    handle = await worker.start_workflow(Ending.run, id="e-1", task_queue=database.temporal_task_queue)
    assert await fast_forward(worker, None, timedelta(days=5)) == (["e-1"], [])
    await handle.result()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_case_that_cannot_move_is_named_and_its_clock_stays_true(
    database: Settings, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 3)
    async with db.session() as session:
        session.add(Process(id="b-1", kind="x", case_no="b-1", started_by="t", started_at=clock.real_now()))
    handle = await worker.start_workflow(Busy.run, id="b-1", task_queue=database.temporal_task_queue)
    assert await fast_forward(worker, "b-1", timedelta(days=5)) == ([], ["b-1"])
    assert await offsets("b-1") == [0]
    info = (await handle.describe()).raw_description.workflow_extended_info.time_skipping_info
    assert not info.effective_config.enabled  # called off: it cannot go on behind our back
    assert await fast_forward(worker, None, timedelta(days=5)) == ([], ["b-1"])
    assert await offsets("b-1") == [-5 * 86400]  # the demo went on without it
    await handle.terminate()
