"""An unexpected error never fails or wedges a case: it becomes a task, and a person decides how the case goes on.

Any `FailureError` that left `run` would fail the case, any other exception would wedge it. Invariants: a step that
failed is run again as a whole only when it is one of ours that can be; a failed activity is asked for alone, so that
nothing is done twice, and so is a step of ours: what is answered and signed stays (where a whole part must run again
the incident says so first); which ways a person has stands in `schemas/incident_steps.py`, who decided and why in the
timeline; no time-out decides; cancellation and returns pass through.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from schemas.base import Text
from schemas.incident_faults import kind_of, of_error
from schemas.incident_steps import ONE_STEP, REDONE, WAY_TITLE, Way, step_of
from schemas.incidents import TASK_KIND, StepDecision
from schemas.process import StageState
from schemas.tasks import Refusal, TaskSpec
from workflows.calls import Calls
from workflows.casefile import CaseFile
from workflows.human_task import Diverted, refusal, refuse_now

T = TypeVar("T")


class Incidents(CaseFile):
    """Between the case's file and what runs it."""

    calls: Calls

    async def supervised(self, what: Text, step: Callable[[], Awaitable[T]], stage: str, redone: str = ONE_STEP) -> T:
        """Runs a step; an unexpected error becomes a task for an administrator, who mends the cause and retries.

        Each question to a person is a step of its own (what is computed for it included), so that a fault in one throws
        away none that was answered. Around it the whole part is supervised (`redone`) against what is left.
        A failed activity does not come here: `Calls` asks for it alone (`call_failed`), so that nothing is done twice.
        """
        while True:
            try:
                return await step()
            except (asyncio.CancelledError, Diverted):
                raise  # whoever runs the step takes it back
            except Exception as error:
                if is_cancelled_exception(error):
                    raise asyncio.CancelledError from error
                if not workflow.in_workflow():
                    raise  # the coroutine is being closed outside of the workflow's loop: nobody waits for it
                workflow.logger.exception("a step of %s failed", self.id)
                await self._incident(what, error, stage, redone=redone)

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts what people asked for beside the process (a confirmation): the case does not wait for it, it ends with
        the case."""
        self.asides = [t for t in self.asides if not t.done()]
        self.asides.append(self.spawn(work))

    def active_stage(self) -> str:
        """Where a task stands that belongs to no step: the first stage that is going on."""
        return next((s.code for s in self.stages if s.state is StageState.ACTIVE), self.stages[0].code)

    async def call_failed(self, name: str, activity_id: str, error: ActivityError) -> Way:
        """An activity failed for good. Returns the way that a person has decided."""
        workflow.logger.warning("%s of %s failed: %s", name, self.id, error.cause)
        step = step_of(name)
        what = Text(zh=f"自动步骤「{step.title.zh}」", en=f"automatic step: {step.title.en}")
        return await self._incident(what, error.cause or error, self.active_stage(), name, activity_id)

    async def _incident(
        self, what: Text, error: BaseException, stage: str, name: str = "", activity_id: str = "", redone: str = ""
    ) -> Way:
        kind, why = kind_of(error), of_error(error)
        step = step_of(name)
        self.note(
            "incident",
            Text(zh=f"自动步骤失败：{what.zh}。{why.zh}", en=f"An automatic step failed: {what.en}. {why.en}"),
            data={"error": kind, "step": name},
        )
        result = await self.desk.ask(
            TaskSpec(
                key=self.desk.key("incident"),
                kind=TASK_KIND,
                title=Text(zh=f"处理故障：{what.zh}", en=f"Resolve incident: {what.en}"),
                roles=step.roles(),
                stage=stage,
                outcomes=[way.value for way in step.ways],
                deadlines=[d for d in self.deadlines.values() if d.met_at is None],
                data={
                    "cause": why.model_dump(),
                    "error": kind,
                    "message": str(error)[:500],
                    "step": name,
                    "activity_id": activity_id or redone,
                    **({"redone": REDONE[redone].model_dump()} if redone else {}),
                },
            )
        )
        way = Way(result.outcome)
        self._decided(name, activity_id, way, str(result.data.get("reason") or ""), result.actor)
        return way

    def _decided(self, name: str, activity_id: str, way: Way, reason: str, actor: str) -> None:
        title, chosen = step_of(name).title, WAY_TITLE[way]
        self.note(
            "incident_decided",
            Text(
                zh=f"「{title.zh}」：{chosen.zh}" + (f"（{reason}）" if reason else ""),
                en=f"To {title.en}: {chosen.en}" + (f" ({reason})" if reason else ""),
            ),
            actor=actor,
            data={"step": name, "activity_id": activity_id, "way": way.value},
        )

    @workflow.update(name="decide_step", description="A step that the machine keeps trying is done another way")
    async def decide_step(self, decision: StepDecision) -> None:
        name = self._decidable_step(decision)
        self._decided(name, decision.activity_id, decision.way, decision.reason, decision.actor)
        self.calls.decide(decision.activity_id, decision.way)
        self.touch()
        await self.projected()

    @decide_step.validator
    def _check_step(self, decision: StepDecision) -> None:
        self._decidable_step(decision)

    def _decidable_step(self, decision: StepDecision) -> str:
        """The name of the step that the machine still tries, where it knows this way; a retry is no decision of the
        case."""
        name = self.calls.running(decision.activity_id)
        if name is None or self.suspended or self.stopping or self._ended is not None:
            raise refuse_now("the machine does not try this step now")
        if decision.way is Way.RETRY or decision.way not in step_of(name).ways:
            raise refusal(Refusal.BAD_OUTCOME, f"{name} knows no way {decision.way.value}")
        return name
