"""A process: stages, timeline, deadlines, projection, suspension, cancellation. Every process workflow derives from it.

A process is a coroutine over human tasks (`body`), and this class runs it:
- what changes is collected and carried to the inbox by one activity per transition, ordered by `revision`
  (a counter, not a flag: a change during the write is not lost);
- an Update returns after the rows it changed are written, so that people read their own writes;
- an unexpected error never fails or wedges a case: `supervised` turns it into a task for an administrator;
- cancelling closes open tasks, runs `undo` (tasks at the agencies), and ends as cancelled.

Do not open child workflows that wait for people, and do not call activities other than through `workflows/calls.py`.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow

from schemas.base import Text
from schemas.incident_steps import WHOLE_PART
from schemas.process import CANCELLING, ProcessCommand, ProcessStart, ProcessState, StageState, Wake
from schemas.tasks import Completion, CompletionAnswer
from workflows.calls import Calls, open_process
from workflows.casefile import CASE_TYPE
from workflows.human_task import Diverted, computing, refuse_now
from workflows.policy_update import PolicyUpdates

with workflow.unsafe.imports_passed_through():
    from domain import policy

STOP_AGAIN = timedelta(seconds=1)


class Process(PolicyUpdates):
    """Base of all process workflows. Subclasses define `kind`, `plan_stages`, `body`, and where needed `undo`."""

    def __init__(self, start: ProcessStart) -> None:
        super().__init__(start)
        self.calls = Calls(self, self.call_failed)

    async def body(self) -> None:
        """The process itself, from the first task to the last."""
        raise TypeError(f"{type(self).__name__} has no body")

    async def undo(self) -> None:
        """Takes back what was done outside, by tasks. By default nothing was."""

    def cancel_refusal(self, command: ProcessCommand) -> str | None:
        """A code for why the process cannot be cancelled now (the API has the sentences); None where it can."""
        return None

    async def _whole(self) -> None:
        """The body; a declared way back that nobody takes is our own mistake, and must not end the case."""
        try:
            await self.body()
        except Diverted as back:
            raise RuntimeError(f"{self.kind} does not take it back: {back}") from back

    # --- running ----------------------------------------------------------------------------------------------------

    async def run_process(self) -> None:
        """From the first activity to the last projection."""
        await self._open()
        # Updates that came before this point changed tasks of no older revision: there are none yet.
        self.index(CASE_TYPE.value_set(self.kind))
        self.note("started", Text(zh="流程开始", en="Process started"), actor=self.start.started_by)
        self.touch()
        projection = asyncio.create_task(self._project())
        main = asyncio.create_task(
            self.supervised(Text(zh="流程", en="process"), self._whole, self.stages[0].code, WHOLE_PART)
        )
        try:
            await workflow.wait_condition(lambda: main.done() or self.cancelling is not None)
        except asyncio.CancelledError:
            # An operator cancelled in Temporal: the same as a cancel of ours, so that the agencies are undone too.
            self._begin_cancelling(ProcessCommand(reason="cancelled by an operator", actor="operator"))
        if self.cancelling is None:
            await main
            await self.stop_all(self.asides)
        if self.cancelling is not None:  # also where it came with the last answer: who cancelled was told so
            await self._cancel(main, self.cancelling)
            self._ended = ProcessState.CANCELLED
        else:
            self._ended = ProcessState.CLOSED
            self.note("closed", Text(zh="流程办结", en="Process closed"))
        self._closed_at = self.now()
        self.touch()
        await workflow.wait_condition(lambda: self._projected >= self._version and workflow.all_handlers_finished())
        projection.cancel()

    async def _open(self) -> None:
        """A method of its own, so that what the activity gave does not stay in memory as long as the case is open."""
        opened = await open_process(self.start)
        self.policy = policy.carried(opened.policy)
        self._revision_base = opened.revision_base

    async def stop_all(self, steps: "Sequence[asyncio.Task[Any]]") -> None:
        """Cancels coroutines until they have ended: one `cancel()` is swallowed when an activity that a step waits for
        ends at the same moment. Never in a `finally` (see `workflows/registration.py: stop`)."""
        while not all(t.done() for t in steps):
            for task in steps:
                task.cancel()
            try:
                await workflow.wait_condition(
                    lambda: all(t.done() for t in steps), timeout=STOP_AGAIN, timeout_summary="stopping all steps"
                )
            except TimeoutError:
                workflow.logger.info("%s: a step went on, stopping it again", self.id)

    def _begin_cancelling(self, command: ProcessCommand) -> None:
        """Known in the books from here on: what is no longer due because of it is not paid."""
        self.cancelling, self.stopping = command, True
        self.flag(CANCELLING)
        self.note(
            "cancelling",
            Text(zh=f"开始撤销：{command.reason}", en=f"Cancelling began: {command.reason}"),
            actor=command.actor,
        )
        self.touch()

    async def _cancel(self, main: "asyncio.Task[None]", command: ProcessCommand) -> None:
        steps = [main, *self.branches]
        await self.stop_all(steps)
        self.suspended = self.stopping = False
        await self.supervised(Text(zh="撤销登记", en="undo"), self.undo, self.stages[0].code, WHOLE_PART)
        for stage in self.stages:
            if stage.state is StageState.PENDING:
                stage.state = StageState.SKIPPED
        self.flags.remove(CANCELLING)
        self.note(
            "cancelled",
            Text(zh=f"流程已撤销：{command.reason}", en=f"Process cancelled: {command.reason}"),
            actor=command.actor,
        )

    # --- what people and other processes send -----------------------------------------------------------------------

    @workflow.update(name="complete_task", description="Complete a human task")
    async def complete_task(self, completion: Completion) -> CompletionAnswer:
        task = self.desk.accept(completion)
        await self.projected()
        return CompletionAnswer(task_id=task.id, state=task.state, outcome=completion.outcome, version=task.version)

    @complete_task.validator
    def _check_completion(self, completion: Completion) -> None:
        self.desk.check(completion)

    @workflow.update(name="cancel", description="Cancel the case; what was done outside is undone by tasks")
    async def cancel(self, command: ProcessCommand) -> None:
        self.reason = command.reason
        self._begin_cancelling(command)
        await self.projected()

    @cancel.validator
    def _check_cancel(self, command: ProcessCommand) -> None:
        refusal = self.cancel_refusal(command)
        if refusal is not None or self.cancelling is not None or self._ended is not None:
            raise refuse_now(refusal or "the process has ended or is being cancelled")

    @workflow.update(name="suspend", description="Suspend the case; statutory and payment dates run on")
    async def suspend(self, command: ProcessCommand) -> None:
        self.suspended = True
        self.reason = command.reason
        self.desk.suspend()
        self.plan += 1
        self.note(
            "suspended",
            Text(
                zh=f"中止：{command.reason}（法定与缴费期限继续计算）",
                en=f"Suspended: {command.reason} (statutory and payment dates run on)",
            ),
            actor=command.actor,
        )
        self.touch()
        await self.projected()

    @suspend.validator
    def _check_suspend(self, command: ProcessCommand) -> None:
        if self.cancelling is not None or self._ended is not None:
            raise refuse_now("only a running process can be suspended")
        if self.suspended:
            raise refuse_now("suspended_already")

    @workflow.update(name="resume", description="Resume a suspended case")
    async def resume(self, command: ProcessCommand) -> None:
        self.suspended = False
        self.reason = None
        self.desk.resume()
        self.plan += 1
        self.note("resumed", Text(zh=f"恢复：{command.reason}", en=f"Resumed: {command.reason}"), actor=command.actor)
        self.touch()
        await self.projected()

    @resume.validator
    def _check_resume(self, command: ProcessCommand) -> None:
        if self.cancelling is not None or self._ended is not None:
            raise refuse_now("only a suspended process can be resumed")
        if not self.suspended:
            raise refuse_now("not_suspended")
        with computing(f"targets of {self.id} after its suspension"):
            self.desk.resumed_dates()

    @workflow.signal(name="wake", description="Something this process waits for has changed in the books")
    def wake(self, wake: Wake) -> None:
        self.wakes += 1
        self.topics[wake.topic] = self.topics.get(wake.topic, 0) + 1
