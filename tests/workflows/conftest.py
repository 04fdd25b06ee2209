"""Workflow tests on the real development server with time skipping: each workflow has its own clock.

One server for the whole run, one task queue per test, the sandbox and data converter of the real worker. A year passes
in a second by `skip`, which moves one workflow's clock; nothing moves by itself.
"""

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment
from temporalio.worker import Worker

from schemas.process import ProcessStart
from tests.workflows.office import Office
from tests.workflows.signing import Signing
from worker.activations import OneAtATime
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS

Begin = Callable[..., Any]
STEPS = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}  # fmt: skip


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """The development server, started once; skipping is armed by `Stage.skip` only."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="error",
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        data_converter=pydantic_data_converter,
        search_attributes=[SearchAttributeKey.for_keyword("CaseType")],
    )
    yield environment
    await environment.shutdown()


class Stage:
    """One test's worker and office."""

    def __init__(self, environment: WorkflowEnvironment, office: Office, queue: str) -> None:
        self.environment = environment
        self.office = office
        self.queue = queue

    async def begin(
        self, workflow: str = "Enrolment", *, at: datetime | None = None, **parameters: str
    ) -> WorkflowHandle[Any, Any]:
        """Starts a process; `at` is the instant at which its clock stands."""
        process_id = f"{workflow.lower()}-{uuid.uuid4().hex[:8]}"
        offset = 0
        if at is not None:
            now = datetime.now(at.tzinfo)
            offset = round((at - now).total_seconds())
        start = ProcessStart(
            process_id=process_id,
            started_by="clerk",
            subject=str(uuid.uuid4()),
            org_unit="business",
            clock_offset_seconds=offset,
            parameters=parameters,
        )
        return await self.environment.client.start_workflow(workflow, start, id=process_id, task_queue=self.queue)

    async def skip(self, handle: WorkflowHandle[Any, Any], span: timedelta) -> None:
        """Moves the workflow's clock by `span`, or to its end; every timer on the way fires at its instant."""
        await self.environment.fast_forward(handle, span)

    async def quiet(self, handle: WorkflowHandle[Any, Any]) -> list[Any]:
        """The history but for the steps of the program, once nothing is on its way any more."""
        seen: list[Any] = [None]
        while True:
            history = await handle.fetch_history()
            found = [e.event_type for e in history.events if e.event_type not in STEPS]
            if found == seen:
                return found
            seen = found
            await asyncio.sleep(0.3)

    async def happened(self, handle: WorkflowHandle[Any, Any], event: Any) -> None:
        """Until the history holds such an event."""
        for _ in range(600):
            if event in [e.event_type for e in (await handle.fetch_history()).events]:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{event} never happened")

    async def arrived(self, handle: WorkflowHandle[Any, Any], update_id: str) -> None:
        """Until the server holds an Update that nobody has looked at yet."""
        client = self.environment.client
        asked = UpdateRef(workflow_execution=WorkflowExecution(workflow_id=handle.id), update_id=update_id)
        request = PollWorkflowExecutionUpdateRequest(namespace=client.namespace, update_ref=asked)
        for _ in range(600):
            try:
                await client.workflow_service.poll_workflow_execution_update(request)
                return
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            await asyncio.sleep(0.05)
        raise AssertionError(f"{update_id} never arrived")


@pytest.fixture
def stage(skipping: WorkflowEnvironment) -> Callable[..., AbstractAsyncContextManager[Stage]]:
    """`async with stage(office) as s:` a worker of its own queue with the office's activities. With the `queue` of a
    stage that has ended another worker goes on with its processes."""

    @contextlib.asynccontextmanager
    async def open_stage(office: Office, queue: str | None = None, **options: Any) -> AsyncIterator[Stage]:
        queue = queue or f"test-{uuid.uuid4().hex[:8]}"
        async with Worker(
            skipping.client,
            task_queue=queue,
            workflows=[*WORKFLOWS, Signing],
            activities=office.activities(),
            workflow_runner=workflow_runner(),
            workflow_task_executor=OneAtATime(),
            **options,
        ):
            yield Stage(skipping, office, queue)

    return open_stage
