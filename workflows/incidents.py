"""An unexpected error never fails or wedges a case: it becomes a task for an administrator.

Any `FailureError` that left `run` would fail the case, any other exception would wedge it. Invariants: a step that
failed is run again as a whole only when it is one of ours that can be; a failed activity is asked for alone, so that
nothing is done twice; cancellation and returns pass through.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from schemas.base import Text
from schemas.process import StageState
from schemas.tasks import TaskSpec
from workflows.casefile import CaseFile
from workflows.human_task import Returned

T = TypeVar("T")


class Incidents(CaseFile):
    """Between the case's file and what runs it."""

    async def supervised(self, what: Text, step: Callable[[], Awaitable[T]], stage: str) -> T:
        """Runs a step; an unexpected error becomes a task for an administrator, who mends the cause and retries.

        A failed activity does not come here: `Calls` asks for it alone (`call_failed`), so that nothing is done twice.
        """
        while True:
            try:
                return await step()
            except (asyncio.CancelledError, Returned):
                raise  # whoever runs the step takes it back
            except Exception as error:
                if is_cancelled_exception(error):
                    raise asyncio.CancelledError from error
                if not workflow.in_workflow():
                    raise  # the coroutine is being closed outside of the workflow's loop: nobody waits for it
                workflow.logger.exception("a step of %s failed", self.id)
                await self._incident(what, error, stage)

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts what people asked for beside the process (a confirmation): the case does not wait for it, it ends with
        the case."""
        self.asides = [t for t in self.asides if not t.done()]
        self.asides.append(self.spawn(work))

    def active_stage(self) -> str:
        """Where a task stands that belongs to no step: the first stage that is going on."""
        return next((s.code for s in self.stages if s.state is StageState.ACTIVE), self.stages[0].code)

    async def call_failed(self, name: str, error: ActivityError) -> None:
        """An activity failed for good. Returns when an administrator says that the cause is mended."""
        workflow.logger.warning("%s of %s failed: %s", name, self.id, error.cause)
        what = Text(zh=f"自动步骤 {name}", en=f"automatic step {name}")
        await self._incident(what, error.cause or error, self.active_stage())

    async def _incident(self, what: Text, error: BaseException, stage: str) -> None:
        kind = str(getattr(error, "type", None) or type(error).__name__)
        self.note(
            "incident",
            Text(zh=f"自动步骤失败：{what.zh}（{kind}）", en=f"An automatic step failed: {what.en} ({kind})"),
            data={"error": kind},
        )
        await self.desk.ask(
            TaskSpec(
                key=self.desk.key("incident"),
                kind="incident.resolve",
                title=Text(zh=f"处理故障：{what.zh}", en=f"Resolve incident: {what.en}"),
                roles=["admin"],
                stage=stage,
                outcomes=["retry"],
                deadlines=[d for d in self.deadlines.values() if d.met_at is None],
                data={"error": kind, "message": str(error)[:500]},
            )
        )
