"""The worker process: workflows, activities, chores; started by `baoqi worker`, stopped by SIGTERM or Ctrl-C.

A stop lets running activities finish (20 s); what does not finish is retried by another worker. It waits for Temporal
and the database to come up instead of failing, so that the order of starting does not matter; it ends with a sentence
when Temporal refuses the settings.
"""

import asyncio
import signal
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client

from activities import agency_client
from runtime import collector
from runtime.logging import logger
from runtime.refusals import TemporalRefused, TemporalUnreachable
from runtime.settings import Settings
from runtime.temporal import connect
from store import database, demo_clock, policies
from worker.chores import CHORES
from worker.wiring import build_chores, build_worker, following_clock

log = logger(__name__)
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0


async def _patiently_connect(settings: Settings) -> Client:
    wait = FIRST_WAIT
    while True:
        try:
            return await connect(settings)
        except TemporalRefused:
            raise  # waiting does not mend a wrong key or certificate
        except TemporalUnreachable as error:
            log.warning("temporal_not_reached", error=str(error))
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


async def _patiently_load_clock() -> None:
    wait = FIRST_WAIT
    while True:
        try:
            await demo_clock.refresh()
            return await policies.refresh()
        except (SQLAlchemyError, OSError) as error:
            log.warning("database_not_reached", error=type(error).__name__)
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


async def run(settings: Settings, ready_file: Path | None = None) -> None:
    """Works until told to stop. `ready_file` is written when tasks can be taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_start(settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return
    worker = build_worker(starting.result(), settings)
    chores = build_chores(CHORES)
    async with following_clock(), worker:
        chores.start()
        collector.settle()
        log.info("worker_ready", queue=settings.temporal_task_queue, namespace=settings.temporal_namespace)
        if ready_file is not None:
            ready_file.write_text("ready\n")
        await stop.wait()
        log.info("worker_stopping")
        chores.shutdown(wait=False)
    await agency_client.close()
    await database.dispose()


async def _start(settings: Settings) -> Client:
    await _patiently_load_clock()
    return await _patiently_connect(settings)
