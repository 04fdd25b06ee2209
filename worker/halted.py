"""The sweep of the incident desk: cases whose workflow task keeps failing are found, and incidents that are over end.

A workflow task fails when our own code does (a bug, or a change that a history does not fit); Temporal tries it again
for ever, and its search attribute `TemporalReportedProblems` names the case after some failures in a row. Invariant:
one case that cannot be looked at stops nothing; it is logged and looked at again by the next sweep.
"""

from collections.abc import Awaitable, Callable

from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from api import engine
from runtime import clock
from runtime.logging import logger
from store import incidents
from store.database import session
from store.incidents import Fault
from store.tables.incidents import Incident

HALTED = "TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'"
LOOK_BACK = 20  # events: the failure is among the last of its history
log = logger(__name__)


async def sweep_incidents() -> int:
    """Chore. Returns how many cases stand still."""
    client = await engine.client()
    halted = [execution async for execution in client.list_workflows(HALTED)]
    for execution in halted:
        await _alone(execution.id, lambda e=execution: _halted(client, e))
    async with session() as s:
        standing, retrying = await incidents.open_of(s, "stuck"), await incidents.open_of(s, "retrying")
    now_halted = {e.id for e in halted}
    for incident in standing:
        if incident.process_id not in now_halted:
            await _alone(incident.process_id, lambda i=incident: _end(i, "succeeded"))
    for incident in retrying:
        await _alone(incident.process_id, lambda i=incident: _still_tried(client, i))
    return len(halted)


async def _alone(process_id: str, look: Callable[[], Awaitable[None]]) -> None:
    try:
        await look()
    except Exception:
        log.exception("incident_sweep_postponed", process=process_id)


async def _halted(client: Client, execution: WorkflowExecution) -> None:
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    description = await handle.describe()
    attempts = description.raw_description.pending_workflow_task.attempt
    fault = await _last_failure(client, execution)
    async with session() as s:
        if not await incidents.known_process(s, execution.id):
            log.warning("halted_without_a_case", process=execution.id)
            return
        found = await incidents.halt_of(s, execution.id)
        await incidents.failing(s, found, "stuck", execution.id, fault, clock.real_now(), attempts=attempts)


async def _last_failure(client: Client, execution: WorkflowExecution) -> Fault:
    """The type of the error and Temporal's name for it. The message stays in Temporal, where it is encrypted."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=Execution(workflow_id=execution.id, run_id=execution.run_id),
        maximum_page_size=LOOK_BACK,
    )
    answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
    for event in answer.history.events:
        if event.HasField("workflow_task_failed_event_attributes"):
            failed = event.workflow_task_failed_event_attributes
            cause = WorkflowTaskFailedCause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
            return Fault(failed.failure.application_failure_info.type or "WorkflowTaskFailed", cause)
    return Fault("WorkflowTaskFailed")


async def _still_tried(client: Client, incident: Incident) -> None:
    """A call that is no longer waited for (cancelled, taken over, its case ended) is no incident."""
    try:
        found = await client.get_workflow_handle(incident.process_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return await _end(incident, "gone")
    waits = {a.activity_id for a in found.raw_description.pending_activities}
    if found.status is not WorkflowExecutionStatus.RUNNING or incident.activity_id not in waits:
        await _end(incident, "gone")


async def _end(incident: Incident, ended: str) -> None:
    async with session() as s:
        await incidents.end(s, incident.id, ended, clock.real_now())
