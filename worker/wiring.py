"""Puts the worker's parts together and keeps clock and rules of a process right.

The clock: `baoqi demo fast-forward` writes one row of `settings`; each process reads it at its start and every few
seconds, and with it the changes of the rules that were applied meanwhile. Chores run in one worker at a time, however
many workers there are: each takes a lock in the database first.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from temporalio.client import Client
from temporalio.worker import Worker

from activities.registry import all_activities
from runtime.clock import real_now
from runtime.logging import logger
from runtime.settings import Settings
from store import demo_clock, policies
from store.database import engine
from worker.activations import OneAtATime
from worker.failures import FailuresSorted
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS

CLOCK_SECONDS = 5
POOL_FOR_CHORES = 5
FIRST_RUN_SECONDS = 30  # a worker that is started anew often would else never come to what is done once an hour
# How long a step waits for the worker that has its case in memory before any may take it. When thousands of reminders
# are due at once they queue for longer than a moment, and each that gives up is read anew from its whole history: half
# as dear again, and all later for it. So it is as long as a reminder may be late. The price: after a crash of a worker
# alone, Temporal needs some seconds to see that it is gone, and a click into one of its cases in these waits this long.
WAITS_FOR_ITS_WORKER = timedelta(seconds=60)
Chore = Callable[[], Awaitable[object]]
log = logger(__name__)


def build_worker(client: Client, settings: Settings) -> Worker:
    """The worker of the product's only task queue."""
    return Worker(
        client,
        task_queue=settings.temporal_task_queue,
        workflows=WORKFLOWS,
        activities=all_activities(),
        workflow_runner=workflow_runner(),
        workflow_task_executor=OneAtATime(),
        interceptors=[FailuresSorted()],
        # Fewer than the database pool gives, chores need some too: who waits for a connection waits in its time-out.
        max_concurrent_activities=max(1, settings.database_pool_size - POOL_FOR_CHORES),
        # What is not kept is read anew from its whole history when something happens to it.
        max_cached_workflows=settings.temporal_cached_cases,
        sticky_queue_schedule_to_start_timeout=WAITS_FOR_ITS_WORKER,
        graceful_shutdown_timeout=timedelta(seconds=20),
    )


async def _follow_clock() -> None:
    while True:
        try:
            await demo_clock.refresh()
            await policies.refresh()
        except (SQLAlchemyError, OSError) as error:
            # The last known offset stays right: it moves only when somebody moves the demo.
            log.warning("clock_not_read", error=type(error).__name__)
        await asyncio.sleep(CLOCK_SECONDS)


@asynccontextmanager
async def following_clock() -> AsyncIterator[None]:
    """Keeps clock and rules of this process right for the length of the block."""
    task = asyncio.create_task(_follow_clock())
    try:
        yield
    finally:
        task.cancel()


async def run_alone(chore: Chore) -> None:
    """Runs a chore unless another worker is at it. A chore that fails is logged and comes again with its interval."""
    name = getattr(chore, "__name__", repr(chore))
    key = zlib.crc32(f"chore/{name}".encode())
    try:
        async with engine().connect() as connection:
            held = await connection.execution_options(isolation_level="AUTOCOMMIT")
            taken = await held.execute(text("SELECT pg_try_advisory_lock(7216, :key)"), {"key": key - 2**31})
            if not taken.scalar_one():
                return
            try:
                await chore()
            finally:
                await held.execute(text("SELECT pg_advisory_unlock(7216, :key)"), {"key": key - 2**31})
    except (DBAPIError, OSError) as error:
        log.warning("chore_postponed", chore=name, error=type(error).__name__)
    except Exception:
        log.exception("chore_failed", chore=name)


def build_chores(chores: Sequence[tuple[float, Chore]]) -> AsyncIOScheduler:
    """A scheduler with every chore at its interval, first soon after the start; missed runs are made up once."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    started = real_now()
    for seconds, chore in chores:
        scheduler.add_job(
            run_alone,
            "interval",
            args=[chore],
            seconds=seconds,
            next_run_time=started + timedelta(seconds=min(seconds, FIRST_RUN_SECONDS)),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    return scheduler
