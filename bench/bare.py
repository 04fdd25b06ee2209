"""The measure to compare with: a Temporal workflow that takes the same number of updates and does nothing else.

No inbox, no activity, no database, no HTTP, no encryption: `execute_update` of a validator and a counter, on the same
server and namespace, with its own task queue and its own worker process (`python -m bench.bare ADDRESS NAMESPACE`).
"""

import asyncio
import os
import sys
import time
import uuid
from dataclasses import dataclass

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

QUEUE = "bench-bare"


@dataclass
class Click:
    task: str
    outcome: str
    version: int


@workflow.defn(name="BenchBare")
class Bare:
    """Ends after so many accepted updates."""

    def __init__(self) -> None:
        self.taken = 0

    @workflow.run
    async def run(self, updates: int) -> int:
        await workflow.wait_condition(lambda: self.taken >= updates and workflow.all_handlers_finished())
        return self.taken

    @workflow.update(name="complete_task")
    async def complete_task(self, click: Click) -> int:
        self.taken += 1
        return self.taken

    @complete_task.validator
    def _check(self, click: Click) -> None:
        if click.version != 1:
            raise ValueError("stale")


async def click_through(client: Client, clerks: int, cases: int, rounds: int) -> tuple[float, list[float]]:
    """`clerks` at once click through `cases` workflows, `rounds` updates each: seconds in all, and of each click."""
    handles: list[WorkflowHandle[Bare, int]] = [
        await client.start_workflow(Bare.run, rounds, id=f"bench-bare-{uuid.uuid4()}", task_queue=QUEUE)
        for _ in range(cases)
    ]
    taken: list[float] = []

    async def clerk(mine: list[WorkflowHandle[Bare, int]]) -> None:
        for n in range(rounds):
            for handle in mine:
                start = time.perf_counter()
                click = Click(f"{handle.id}/{n}", "submit", 1)
                await handle.execute_update(Bare.complete_task, click, id=str(uuid.uuid4()))
                taken.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(clerk(handles[i::clerks]) for i in range(clerks)))
    return time.perf_counter() - start, taken


async def _work(address: str, namespace: str) -> None:
    client = await Client.connect(address, namespace=namespace)
    async with Worker(client, task_queue=QUEUE, workflows=[Bare]):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(_work(sys.argv[1], sys.argv[2]))
    except KeyboardInterrupt:
        os._exit(0)
