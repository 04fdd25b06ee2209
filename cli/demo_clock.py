"""Moves the demo's clock: the virtual time of running cases on a development server that allows it, then the rows.

For demos only (`frontend.WorkflowTimeSkippingEnabled`). Invariants: a row's offset is what its process is really ahead
of the demo's clock; a move that does not arrive in time is called off and named; the clock never goes back.
"""

import asyncio
from datetime import UTC, timedelta
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from temporalio.api.common.v1 import TimeSkippingConfig, WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from cli.http import fail
from runtime import clock
from runtime.settings import get_settings
from runtime.temporal import connect
from store import audit, database, demo_clock
from store.tables.office import Setting
from store.tables.processes import Process

PATIENCE_SECONDS = 60  # an activity that hangs holds a case's clock back; then it is named instead of waited for


async def command(case: str | None, days: int) -> tuple[list[str], list[str]]:
    """As `fast_forward`, with this process's settings and connections of its own."""
    try:
        return await fast_forward(await connect(get_settings()), case, timedelta(days=days))
    finally:
        await database.dispose()


async def fast_forward(client: Client, case: str | None, by: timedelta) -> tuple[list[str], list[str]]:
    """Moves one case, or all open processes and the demo's clock itself.

    `processes.clock_offset_seconds` keeps how far a case is ahead of the demo's clock, by what it has really moved.

    Returns: processes moved, or ended on the way; processes that did not move in time.
    """
    async with database.session() as session:
        query = select(Process.id).where(Process.closed_at.is_(None)).order_by(Process.started_at)
        if case is not None:
            query = query.where((Process.id == case) | (Process.case_no == case))
        ids = list(await session.scalars(query))
    if case is not None and not ids:
        fail(f"没有在办的案件 {case}。", f"There is no open case {case}.")
    skipper = TimeSkipper(client)
    outcomes = await asyncio.gather(*(_move(skipper, process_id, by) for process_id in ids))
    seconds = int(by.total_seconds())
    demo = seconds if case is None else 0  # a row holds what its case is ahead of (or behind) the demo's clock
    async with database.session() as session:
        for process_id, (moved_by, _) in zip(ids, outcomes, strict=True):
            await session.execute(
                update(Process)
                .where(Process.id == process_id)
                .values(clock_offset_seconds=Process.clock_offset_seconds + moved_by - demo)
            )
        if case is None:
            ahead = await demo_clock.stored(session) + seconds
            statement = insert(Setting).values(key=demo_clock.KEY, value=ahead)
            await session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": ahead}))
        audit.record(session, "demo", "demo.fast_forward", case or "all", days=by.days, moved=len(ids))
    reached = {i: moved_by >= seconds or ended for i, (moved_by, ended) in zip(ids, outcomes, strict=True)}
    return [i for i in ids if reached[i]], [i for i in ids if not reached[i]]


async def _move(skipper: TimeSkipper, process_id: str, by: timedelta) -> tuple[int, bool]:
    """Moves one workflow. Gives the seconds it has moved, less than asked where it ended or an activity held it back,
    and whether it was running and ended on the way.

    A move that does not arrive in time is called off, so that it cannot go on behind our back.
    """
    handle = skipper.client.get_workflow_handle(process_id)
    running = False
    try:
        before, running = await _ahead(handle), await _runs(handle)
        try:
            arrived = await asyncio.wait_for(skipper.fast_forward(handle, by), PATIENCE_SECONDS)
        except TimeoutError:
            await _call_off(skipper.client, process_id)
            arrived = False
        moved = await _ahead(handle) - before
        # The server's reading of the two clocks can differ by a second; a move that arrived is exact.
        seconds = int(by.total_seconds()) if arrived else max(0, round(moved.total_seconds()))
        return seconds, running and not await _runs(handle)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            return 0, running and not await _runs(handle)
        if error.status in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.INVALID_ARGUMENT):
            fail(
                "该 Temporal 服务器不支持快进（需 frontend.WorkflowTimeSkippingEnabled=true 的开发服务器）。",
                "This Temporal server cannot skip time (a development server with "
                "frontend.WorkflowTimeSkippingEnabled=true can).",
            )
        raise


async def _runs(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def _ahead(handle: WorkflowHandle[Any, Any]) -> timedelta:
    """How far a workflow's clock is ahead of the machine's; zero for one that never skipped."""
    description = await handle.describe()
    extended = description.raw_description.workflow_extended_info
    if not extended.HasField("time_skipping_info"):
        return timedelta()
    return extended.time_skipping_info.current_time.ToDatetime(UTC) - clock.real_now()


async def _call_off(client: Client, process_id: str) -> None:
    """Ends a fast-forward that is still armed."""
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=process_id),
        workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=TimeSkippingConfig(enabled=False)),
        update_mask=FieldMask(paths=["time_skipping_config"]),
        identity=client.identity,
    )
    await client.workflow_service.update_workflow_execution_options(request, retry=True)
