"""A worker that had no processor for longer than the SDK allows a step: the case goes on, and nobody starts it anew."""

import asyncio
import time

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner

from runtime.settings import Settings
from worker import wiring

PAUSE = 2.5  # seconds; the SDK takes 2 for a deadlock
paused: list[str] = []


def pause() -> None:
    """Like Python's collector in the middle of a step: it takes its time, once, and cannot be interrupted."""
    if paused:
        return
    end = time.monotonic() + PAUSE
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except BaseException as error:  # noqa: BLE001 -- the interrupt of the SDK is one; the collector lets none through
            paused.append(type(error).__name__)


@workflow.defn
class Counting:
    """Counts what it is told; the second time is the one with the pause."""

    def __init__(self) -> None:
        self.count = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.count == 3)
        return self.count

    @workflow.update
    async def add(self) -> int:
        if self.count == 1:
            pause()
        self.count += 1
        return self.count


async def test_a_step_that_paused_is_done_again_and_the_case_goes_on(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused.clear()
    monkeypatch.setattr(wiring, "WORKFLOWS", [Counting])
    monkeypatch.setattr(wiring, "workflow_runner", UnsandboxedWorkflowRunner)
    async with wiring.build_worker(client, settings):
        handle = await client.start_workflow(
            "Counting", id=f"counting-{settings.temporal_task_queue}", task_queue=settings.temporal_task_queue
        )
        async with asyncio.timeout(120):
            assert [await handle.execute_update("add") for _ in range(3)] == [1, 2, 3]
            assert await handle.result() == 3
    assert paused == ["_InterruptDeadlockError"]  # the SDK did take it for a deadlock
