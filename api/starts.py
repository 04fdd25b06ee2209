"""From a stored start to a running workflow: asked after the commit, and asked again by a chore until it stands.

Invariants: ids only go to Temporal; a start is made once (the workflow id is the case's id and is never used again); no
transaction is open around the call; an outage of Temporal delays a start and never loses it.
"""

import asyncio
from collections.abc import Sequence

import structlog
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from api import engine
from runtime.settings import get_settings
from runtime.temporal import CASE_TYPE
from schemas.amendment import KIND as AMENDMENT
from schemas.enrolment import KIND as ENROLMENT
from schemas.process import ProcessStart
from store import database
from store import imports as store
from store.tables.processes import ProcessStartRow

WORKFLOWS = {ENROLMENT: "Enrolment", AMENDMENT: "Amendment"}
AT_ONCE = 8
SECONDS = 8

log = structlog.get_logger(__name__)


async def start_pending(process_ids: Sequence[str] | None = None) -> int:
    """Starts what is pending (of these cases, or of all). Gives the number of workflows that now run.

    Without arguments it is the chore that asks again what Temporal did not confirm.
    """
    async with database.session() as session:
        rows = await store.pending_starts(session, process_ids)
    if not rows:
        return 0
    client = await engine.client()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: ProcessStartRow) -> bool:
        async with gate:
            try:
                error = await _start(client, row.kind, ProcessStart.model_validate(row.start))
            except Exception as fault:  # one that cannot be made stops no other
                log.exception("start_failed", process=row.process_id)
                error = type(fault).__name__
        async with database.session() as session:
            await store.mark_start(session, row.process_id, error)
        if error:
            log.warning("start_delayed", process=row.process_id, error=error)
        return error is None

    return sum(await asyncio.gather(*(one(row) for row in rows)))


async def _start(client: Client, kind: str, start: ProcessStart) -> str | None:
    """One attempt; None when the workflow runs, else what went wrong."""
    try:
        async with asyncio.timeout(SECONDS):
            await client.start_workflow(
                WORKFLOWS[kind],
                start,
                id=start.process_id,
                task_queue=get_settings().temporal_task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=TypedSearchAttributes([SearchAttributePair(CASE_TYPE, kind)]),
            )
    except WorkflowAlreadyStartedError:
        return None  # an earlier attempt reached the server after all
    except TimeoutError:
        return f"no answer within {SECONDS} s"
    except (RPCError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return None
