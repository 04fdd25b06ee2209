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
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, is_cancelled_exception

from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind, PolicySnapshot
from schemas.process import (
    ProcessCommand,
    ProcessSnapshot,
    ProcessStart,
    ProcessState,
    Reminder,
    Stage,
    StageState,
    TimelineEntry,
    Transition,
    Wake,
)
from schemas.tasks import Completion, CompletionAnswer, TaskSpec
from workflows import calls
from workflows.human_task import Desk, HumanTask, refuse_now

with workflow.unsafe.imports_passed_through():
    from domain import deadlines as deadline_rules
    from domain import ladder
    from domain.calendar import WorkCalendar, work_calendar
    from domain.times import at, day_of

T = TypeVar("T")

CASE_TYPE = SearchAttributeKey.for_keyword("CaseType")
STAGE = SearchAttributeKey.for_keyword("Stage")


class Process:
    """Base of all process workflows. Subclasses define `kind`, `plan_stages`, `body`, and where needed `undo`."""

    kind: str

    def __init__(self, start: ProcessStart) -> None:
        self.start = start
        self.id = start.process_id
        self.desk = Desk(self)
        self.policy = PolicySnapshot(version="", calendars=[], rules=[], ladder=[], durations=[], agencies=[])
        self.stages: list[Stage] = self.plan_stages()
        self.deadlines: dict[str, Deadline] = {}  # those of the case; targets of single tasks live with the task
        self._carried: dict[str, Deadline] = {}  # as the inbox knows them
        self._targets: dict[str, int] = {}
        self.fired: set[str] = set()
        self.reminders: list[Reminder] = []
        self.flags: list[str] = []
        self.suspended = False
        self.cancelling: ProcessCommand | None = None
        self.reason: str | None = None
        self.plan = 0  # counts up when deadlines or suspension change: wakes every clock
        self.wakes = 0  # counts signals
        self._ended: ProcessState | None = None
        self._version = 0
        self._projected = 0
        self._revision_base = 0
        self._changed: dict[str, HumanTask] = {}
        self._timeline: list[TimelineEntry] = []
        self._seq = 0
        self._started_at = self.now()
        self._closed_at: datetime | None = None

    # --- what a process defines -------------------------------------------------------------------------------------

    def plan_stages(self) -> list[Stage]:
        """The stages in their order; those with the same column run side by side."""
        raise TypeError(f"{type(self).__name__} names no stages")

    async def body(self) -> None:
        """The process itself, from the first task to the last."""
        raise TypeError(f"{type(self).__name__} has no body")

    async def undo(self) -> None:
        """Takes back what was done outside, by tasks. By default nothing was."""

    async def cancel_refusal(self) -> str | None:
        """Why the process cannot be cancelled now; None where it can."""
        return None

    # --- time and deadlines -----------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The process's time, UTC. The offset is the demo's clock, fixed when the process started."""
        return workflow.now() + timedelta(seconds=self.start.clock_offset_seconds)

    def today(self) -> date:
        """The Shanghai day."""
        return day_of(self.now())

    def deadline(
        self,
        rule_id: str,
        anchor: date | str,
        steps: Sequence[str] = (),
        *,
        as_id: str | None = None,
        authority: str = "",
    ) -> Deadline:
        """Computes a deadline from its rule; `as_id` names one of several of the same rule (one per agency)."""
        rule = self.policy.rule(rule_id)
        if authority:
            rule = rule.model_copy(update={"authority": authority})
        computed = deadline_rules.compute(rule, anchor, self.policy, remaining_steps=list(steps))
        known = self.deadlines.get(as_id or rule_id)
        return computed.model_copy(
            update={
                "id": as_id or rule_id,
                "generation": known.generation if known else 1,
                "breached": known.breached if known else False,
                "met_at": known.met_at if known else None,
            }
        )

    def internal(self, rule_id: str) -> Deadline:
        """The school's own target for a step, counted from today. Each occurrence is a deadline of its own."""
        self._targets[rule_id] = self._targets.get(rule_id, 0) + 1
        target = self.deadline(rule_id, self.today(), as_id=f"{rule_id}/{self._targets[rule_id]}")
        self._disarm_past(target)  # a target of two days is not announced seven days before: that was before it began
        return target

    def hold(self, deadline: Deadline) -> Deadline:
        """Registers a deadline of the case; a changed due day re-arms future rungs only."""
        known = self.deadlines.get(deadline.id)
        if known is not None and known.due_at != deadline.due_at:
            deadline = deadline.model_copy(update={"generation": known.generation + 1, "breached": False})
            self._disarm_past(deadline)
            self.desk.replace_deadline(deadline.id, deadline)
            self.note(
                "moved",
                Text(
                    zh=f"{deadline.title.zh}期限由 {known.due} 改为 {deadline.due}",
                    en=f"{deadline.title.en} moved from {known.due} to {deadline.due}",
                ),
                data={"deadline": deadline.id},
            )
            self.plan += 1
        self.deadlines[deadline.id] = deadline
        return deadline

    def meet(self, deadline_id: str, when: datetime | None = None) -> None:
        """The event that meets a deadline has happened; its clock falls silent."""
        known = self.deadlines.get(deadline_id)
        if known is None or known.met_at is not None:
            return
        met = known.model_copy(update={"met_at": when or self.now()})
        self.deadlines[deadline_id] = met
        self.desk.replace_deadline(deadline_id, met)
        if known.legal_kind is not LegalKind.INTERNAL:
            self.note(
                "met",
                Text(zh=f"已完成：{known.title.zh}", en=f"Met: {known.title.en}"),
                data={"deadline": deadline_id},
            )
        self.plan += 1
        self.touch()

    def reopen(self, deadline_id: str) -> None:
        """A refusal re-opens a deadline with its old due date."""
        known = self.deadlines.get(deadline_id)
        if known is not None and known.met_at is not None:
            self.deadlines[deadline_id] = known.model_copy(update={"met_at": None})
            self.plan += 1

    def breach(self, deadline: Deadline) -> None:
        """A statutory or payment date passed unmet: recorded with its consequence; nothing is decided by it."""
        broken = self.deadlines.get(deadline.id, deadline).model_copy(update={"breached": True})
        self.deadlines[deadline.id] = broken
        self.desk.replace_deadline(deadline.id, broken)
        cost = broken.consequence
        self.note(
            "breached",
            Text(
                zh=f"已逾期：{broken.title.zh}（{broken.due}）" + (f"。{cost.zh}" if cost else ""),
                en=f"Breached: {broken.title.en} ({broken.due})" + (f". {cost.en}" if cost else ""),
            ),
            data={"deadline": deadline.id},
        )

    def working_days_left(self, deadline: Deadline) -> int:
        """Working days from today to the due day, on the deadline's calendar; negative when overdue."""
        return self.calendar(deadline.authority).working_days_between(self.today(), deadline.due)

    def extended(self, deadline: Deadline, working_days: int) -> Deadline:
        """The same internal target, with so many working days left from today: how resuming gives time back."""
        calendar = self.calendar(deadline.authority)
        due = calendar.add_working_days(self.today(), working_days)
        shift = due - deadline.due
        moved = deadline.model_copy(
            update={
                "due": due,
                "due_at": deadline.due_at + shift,
                "internal_due": due,
                "latest_start": at(due, "08:30"),
                "generation": deadline.generation + 1,
            }
        )
        self._disarm_past(moved)
        if moved.id in self.deadlines:
            self.deadlines[moved.id] = moved
        return moved

    def _disarm_past(self, deadline: Deadline) -> None:
        """A moved deadline re-arms future rungs only: those already past are not fired a second time."""
        now = self.now()
        self.fired.update(r.key for r in ladder.rungs([deadline], self.policy.ladder, self.policy) if r.at <= now)

    def calendar(self, authority: str) -> WorkCalendar:
        return work_calendar(self.policy.calendar(authority))

    # --- stages, timeline, projection -------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage(self, code: str, waiting_on: str | None = None) -> AsyncGenerator[Stage]:
        """Enters a stage and leaves it as done, or as cancelled when the wait inside is cancelled."""
        stage = self.enter(code, waiting_on)
        try:
            yield stage
        except (asyncio.CancelledError, Exception):
            stage.state, stage.left_at, stage.waiting_on = StageState.CANCELLED, self.now(), None
            self.touch()
            raise
        self.leave(code)

    def find_stage(self, code: str) -> Stage:
        return next(s for s in self.stages if s.code == code)

    def enter(self, code: str, waiting_on: str | None = None) -> Stage:
        stage = self.find_stage(code)
        if stage.state is not StageState.ACTIVE:
            stage.state, stage.entered_at, stage.left_at = StageState.ACTIVE, self.now(), None
            self.note("stage_entered", Text(zh=f"进入：{stage.title.zh}", en=f"Entered: {stage.title.en}"))
            self._index(STAGE.value_set(code))
        stage.waiting_on = waiting_on
        self.touch()
        return stage

    def leave(self, code: str, state: StageState = StageState.DONE) -> None:
        stage = self.find_stage(code)
        stage.state, stage.left_at, stage.waiting_on = state, self.now(), None
        self.touch()

    def wait_on(self, code: str, waiting_on: str | None) -> None:
        """Says what a stage waits for (an agency, another process), or that it waits no longer."""
        self.find_stage(code).waiting_on = waiting_on
        self.touch()

    def note(
        self,
        kind: str,
        text: Text,
        *,
        actor: str | None = None,
        task_id: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Adds a line to the timeline. Ids and codes only: a timeline entry stands in the history."""
        self._seq += 1
        self._timeline.append(
            TimelineEntry(
                seq=self._revision_base + self._seq,
                at=self.now(),
                kind=kind,
                text=text,
                actor=actor,
                task_id=task_id,
                data=data or {},
            )
        )

    def touch(self, *tasks: HumanTask) -> None:
        """Something changed that the inbox must show."""
        self._version += 1
        for task in tasks:
            task.revision = self._revision_base + self._version
            self._changed[task.id] = task

    @staticmethod
    def _index(update: SearchAttributeUpdate[str]) -> None:
        """A search attribute for operators in the Temporal UI; people's lists come from PostgreSQL."""
        workflow.upsert_search_attributes([update])  # pyright: ignore[reportUnknownMemberType]

    def flag(self, name: str) -> None:
        if name not in self.flags:
            self.flags.append(name)

    async def projected(self) -> None:
        """Waits until everything changed so far is in the rows that people read."""
        target = self._version
        await workflow.wait_condition(lambda: self._projected >= target)

    async def _project(self) -> None:
        """Carries changes to the inbox, one activity per transition."""
        while True:
            await workflow.wait_condition(lambda: self._version > self._projected)
            # Let the process run on until it waits again: the answered task closes and the next opens in one write.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            version = self._version
            tasks, self._changed = list(self._changed.values()), {}
            timeline, self._timeline = self._timeline, []
            reminders, self.reminders = self.reminders, []
            transition = Transition(
                process=self._snapshot(self._revision_base + version),
                tasks=[t.snapshot(self.id) for t in tasks],
                timeline=timeline,
                reminders=reminders,
            )
            workflow.set_current_details(self._details())
            await calls.record_transition(transition, self._summary())
            self._projected = version

    def _state(self) -> ProcessState:
        if self._ended is not None:
            return self._ended
        if self.suspended:
            return ProcessState.SUSPENDED
        waiting = any(s.state is StageState.ACTIVE and s.waiting_on for s in self.stages)
        return ProcessState.WAITING if waiting and not self.desk.open_tasks else ProcessState.RUNNING

    def _snapshot(self, revision: int) -> ProcessSnapshot:
        changed = [d for i, d in self.deadlines.items() if self._carried.get(i) != d]
        dropped = [i for i in self._carried if i not in self.deadlines]
        self._carried = dict(self.deadlines)
        return ProcessSnapshot(
            id=self.id,
            kind=self.kind,
            revision=revision,
            state=self._state(),
            subject=self.start.subject,
            org_unit=self.start.org_unit,
            stages=[s.model_copy() for s in self.stages],
            deadlines=changed,
            dropped=dropped,
            started_at=self._started_at,
            closed_at=self._closed_at,
            reason=self.reason,
            flags=list(self.flags),
        )

    def _summary(self) -> str:
        active = [s.title.zh for s in self.stages if s.state is StageState.ACTIVE]
        return " ∥ ".join(active) or self._state().value

    def _details(self) -> str:
        """What the Temporal UI shows for the running process: who must do what by when."""
        lines = [f"**{self._summary()}** · {self._state().value}"]
        for task in self.desk.open_tasks:
            due = min((d.due for d in task.deadlines if d.met_at is None), default=None)
            lines.append(f"- {task.spec.title.zh} · {'/'.join(task.spec.roles)} · {due or '—'} · {task.state.value}")
        return "\n".join(lines)

    # --- running ----------------------------------------------------------------------------------------------------

    async def ask(self, spec: TaskSpec) -> Any:
        """Shorthand for `self.desk.ask`."""
        return await self.desk.ask(spec)

    async def supervised(self, what: Text, step: Callable[[], Awaitable[T]], stage: str) -> T:
        """Runs a step; an unexpected error becomes a task for an administrator, who mends the cause and retries.

        Any `FailureError` that left `run` would fail the case, any other exception would wedge it: neither may happen.
        """
        while True:
            try:
                return await step()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                if is_cancelled_exception(error):
                    raise asyncio.CancelledError from error
                if not workflow.in_workflow():
                    raise  # the coroutine is being closed outside of the workflow's loop: nobody waits for it
                workflow.logger.exception("a step of %s failed", self.id)
                cause = error.cause if isinstance(error, ActivityError) and error.cause else error
                kind = getattr(cause, "type", None) or type(cause).__name__
                self.note(
                    "incident",
                    Text(zh=f"自动步骤失败：{what.zh}（{kind}）", en=f"An automatic step failed: {what.en} ({kind})"),
                    data={"error": str(kind)},
                )
                await self.desk.ask(
                    TaskSpec(
                        key=self.desk.key("incident"),
                        kind="incident.resolve",
                        title=Text(zh=f"处理故障：{what.zh}", en=f"Resolve incident: {what.en}"),
                        roles=["admin"],
                        stage=stage,
                        outcomes=["retry"],
                        data={"error": str(kind), "message": str(cause)[:500]},
                    )
                )

    async def run_process(self) -> None:
        """From the first activity to the last projection."""
        opened = await calls.open_process(self.start)
        self.policy = PolicySnapshot.model_validate(opened.policy)
        self._revision_base = opened.revision_base
        # Updates that came before this point changed tasks of no older revision: there are none yet.
        self._index(CASE_TYPE.value_set(self.kind))
        self.note("started", Text(zh="流程开始", en="Process started"), actor=self.start.started_by)
        self.touch()
        projection = asyncio.create_task(self._project())
        main = asyncio.create_task(self.supervised(Text(zh="流程", en="process"), self.body, self.stages[0].code))
        try:
            await workflow.wait_condition(lambda: main.done() or self.cancelling is not None)
        except asyncio.CancelledError:
            # An operator cancelled in Temporal: the same as a cancel of ours, so that the agencies are undone too.
            self.cancelling = ProcessCommand(reason="cancelled by an operator", actor="operator")
        if self.cancelling is not None and not main.done():
            await self._cancel(main, self.cancelling)
            self._ended = ProcessState.CANCELLED
        else:
            await main
            self._ended = ProcessState.CLOSED
            self.note("closed", Text(zh="流程办结", en="Process closed"))
        self._closed_at = self.now()
        self.touch()
        await workflow.wait_condition(lambda: self._projected >= self._version and workflow.all_handlers_finished())
        projection.cancel()

    async def _cancel(self, main: "asyncio.Task[None]", command: ProcessCommand) -> None:
        main.cancel()
        try:
            await main
        except asyncio.CancelledError:
            workflow.logger.info("%s: steps stopped, undoing", self.id)
        self.suspended = False
        await self.supervised(Text(zh="撤销登记", en="undo"), self.undo, self.stages[0].code)
        for stage in self.stages:
            if stage.state is StageState.PENDING:
                stage.state = StageState.SKIPPED
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
        refusal = await self.cancel_refusal()
        if refusal is not None or self.cancelling is not None or self._ended is not None:
            raise refuse_now(refusal or "the process has ended or is being cancelled")
        self.cancelling = command
        self.reason = command.reason
        self.touch()
        await self.projected()

    @cancel.validator
    def _check_cancel(self, command: ProcessCommand) -> None:
        if self.cancelling is not None or self._ended is not None:
            raise refuse_now("the process has ended or is being cancelled")

    @workflow.update(name="suspend", description="Suspend the case; statutory and payment dates run on")
    async def suspend(self, command: ProcessCommand) -> None:
        self.suspended = True
        self.reason = command.reason
        self.desk.suspend()
        self.plan += 1
        self.note(
            "suspended",
            Text(
                zh=f"挂起：{command.reason}（法定与缴费期限继续计算）",
                en=f"Suspended: {command.reason} (statutory and payment dates run on)",
            ),
            actor=command.actor,
        )
        self.touch()
        await self.projected()

    @suspend.validator
    def _check_suspend(self, command: ProcessCommand) -> None:
        if self.suspended or self.cancelling is not None or self._ended is not None:
            raise refuse_now("only a running process can be suspended")

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
        if not self.suspended or self._ended is not None:
            raise refuse_now("only a suspended process can be resumed")

    @workflow.signal(name="wake", description="Something this process waits for has changed in the books")
    def wake(self, wake: Wake) -> None:
        self.wakes += 1
