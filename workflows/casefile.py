"""The file of one case: its time, its deadlines, its stages and timeline, and their projection into the inbox.

What changes is collected here and carried to the inbox by one activity per transition, ordered by `revision` (a
counter, not a flag: a change during the write is not lost). A call into our own books takes it along: a step and its
rows are then one activity and one transaction. One write is on its way at a time. How a process runs, and what people
send to it, is in `workflows/process.py`. Nothing here decides anything: a breach is recorded, never acted upon.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind, PolicySnapshot, RungInstant
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
)
from workflows.calls import record_transition
from workflows.clock import Clock, breach_of_moved
from workflows.human_task import Desk, HumanTask, Returned

with workflow.unsafe.imports_passed_through():
    from domain import deadlines as deadline_rules
    from domain import ladder
    from domain.calendar import WorkCalendar, work_calendar
    from domain.times import at, day_of

T = TypeVar("T")

CASE_TYPE = SearchAttributeKey.for_keyword("CaseType")


class CaseFile:
    """What a process knows of itself. `kind` and `plan_stages` are given by each process."""

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
        self.branches: list[asyncio.Task[Any]] = []
        self.asides: list[asyncio.Task[None]] = []  # what people asked for beside the process
        self.decided: dict[str, Deadline] = {}  # dates as an authority decided them (workflows/dates.py)
        self._deciding: dict[str, str] = {}  # deadline -> the decision that waits for its confirmation
        self.suspended = False
        self.cancelling: ProcessCommand | None = None
        self.stopping = False  # cancelled, and its steps not yet stopped: none of them takes an answer any more
        self.reason: str | None = None
        self.plan: int = 0  # counts up when deadlines or suspension change: wakes every clock
        self.wakes: int = 0  # counts signals
        self.topics: dict[str, int] = {}  # the same by topic, for who is woken often and waits for one thing
        self._ended: ProcessState | None = None
        self._version = 0
        self._projected = 0
        self._writing = False
        self._given_back: Transition | None = None
        self._revision_base = 0
        self._changed: dict[str, HumanTask] = {}
        self._timeline: list[TimelineEntry] = []
        self._seq = 0
        self._started_at = self.now()
        self._closed_at: datetime | None = None

    def plan_stages(self) -> list[Stage]:
        """The stages in their order; those with the same column run side by side."""
        raise TypeError(f"{type(self).__name__} names no stages")

    def withdrawal_refused(self, task: HumanTask) -> bool:
        """Whether something has begun outside because of this task's answer, so that it can no longer be withdrawn."""
        return False

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
        rule = self.policy.rule(rule_id, anchor)
        known = self.decided.get(as_id or rule_id)
        if known is not None:  # an authority's decision is not counted again
            planned = deadline_rules.replan(known, self.policy, remaining_steps=steps)
            return planned.model_copy(update={"title": rule.title})
        if authority:
            rule = rule.model_copy(update={"authority": authority})
        computed = deadline_rules.compute(rule, anchor, self.policy, remaining_steps=list(steps))
        return computed.model_copy(update={"id": as_id or rule_id})

    def internal(self, step: str) -> Deadline:
        """The school's own target for a step, counted from today. Each occurrence is a deadline of its own."""
        rule_id = f"INT-{step.upper().replace('_', '-')}"
        self._targets[rule_id] = self._targets.get(rule_id, 0) + 1
        target = self.deadline(rule_id, self.today(), [step], as_id=f"{rule_id}/{self._targets[rule_id]}")
        self.disarm_past(target)  # a target of two days is not announced seven days before: that was before it began
        return target

    def internal_again(self, target: Deadline) -> Deadline:
        """A target of the same step, counted from today: its next occurrence."""
        rule_id = target.id.partition("/")[0]
        return self.internal(rule_id.removeprefix("INT-").lower().replace("-", "_"))

    def hold(self, deadline: Deadline) -> Deadline:
        """Registers a deadline of the case; a changed due day re-arms its ladder."""
        known = self.deadlines.get(deadline.id)
        if known is not None:
            deadline = deadline_rules.renewed(known, deadline)
        self.deadlines[deadline.id] = deadline
        if known is not None and known.due_at != deadline.due_at:
            self.rearm(known, deadline)
            self.desk.replace_deadline(deadline.id, deadline)
            self.note(
                "moved",
                Text(
                    zh=f"{deadline.title.zh}期限由 {known.due} 改为 {deadline.due}",
                    en=f"{deadline.title.en} moved from {known.due} to {deadline.due}",
                ),
                data={"deadline": deadline.id},
            )
            breach_of_moved(self, deadline)
            self.plan += 1
        return self.deadlines[deadline.id]

    def drop(self, deadline_id: str, why: Text) -> None:
        """What the deadline was for is no more: it is neither met nor missed, and its clock falls silent."""
        known = self.deadlines.pop(deadline_id, None)
        if known is None:
            return
        self.note(
            "no_longer_due",
            Text(zh=f"{known.title.zh}不再适用：{why.zh}", en=f"{known.title.en} no longer applies: {why.en}"),
            data={"deadline": deadline_id},
        )
        self.plan += 1
        self.touch()

    def meet(self, deadline_id: str, when: datetime | None = None) -> None:
        """The event that meets a deadline has happened; its clock falls silent."""
        known = self.deadlines.get(deadline_id)
        if known is None or known.met_at is not None:
            return
        met = deadline_rules.met(known, when or self.now())
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

    def met_otherwise(self, deadline_id: str, when: datetime) -> None:
        """What met a deadline happened at another instant than was recorded: in time or late goes by the new one."""
        known = self.deadlines.get(deadline_id)
        if known is None or known.met_at is None:
            return
        met = deadline_rules.met(known, when)
        self.deadlines[deadline_id] = met
        self.desk.replace_deadline(deadline_id, met)
        late = (f"，晚于期限 {met.due}", f", after {met.due}") if met.breached else ("", "")
        self.note(
            "met_otherwise",
            Text(
                zh=f"{known.title.zh}完成日期由 {day_of(known.met_at)} 改为 {day_of(when)}{late[0]}",
                en=f"{known.title.en}: met on {day_of(when)} instead of {day_of(known.met_at)}{late[1]}",
            ),
            data={"deadline": deadline_id},
        )
        self.plan += 1
        self.touch()

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Starts a branch or a side task of the process, and remembers it: a cancelled process waits for all of them.

        One `cancel()` is not enough. It is swallowed when an activity that the task waits for ends in the same step.
        """
        task = asyncio.create_task(work)
        self.branches = [t for t in self.branches if not t.done()]
        self.branches.append(task)
        return task

    def done_on(self, day: date, authority: str) -> datetime:
        """The instant of what people say happened on a day: its closing hour, or now when that is earlier."""
        return min(self.now(), at(day, self.policy.calendar(authority).closes_at))

    @asynccontextmanager
    async def watched(self, deadline_ids: Sequence[str], subject: Text) -> AsyncGenerator[None]:
        """Runs the clock beside a wait on a machine, where no task is open that would carry the deadlines."""
        done = False
        clock = Clock(
            self,
            lambda: [self.deadlines[i] for i in deadline_ids if i in self.deadlines],
            lambda: done,
            subject=subject,
            roles=["clerk"],
        )
        reminding = self.spawn(clock.wait())
        try:
            yield
        finally:
            done = True
            reminding.cancel()

    def reopen(self, deadline_id: str) -> None:
        """A refusal re-opens a deadline with its old due date."""
        known = self.deadlines.get(deadline_id)
        if known is None or known.met_at is None:
            return
        opened = deadline_rules.reopened(known)
        # Reminders that fell into the time in which it was met are not sent after the event; a breach still is one.
        self.fired.update(r.key for r in self._past_rungs(opened) if r.at < opened.due_at)
        self.deadlines[deadline_id] = opened
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

    def _past_rungs(self, deadline: Deadline) -> list[RungInstant]:
        """Rungs whose instant has come and that have not fired."""
        return ladder.due_rungs(ladder.rungs([deadline], self.policy.ladder, self.policy), self.fired, self.now())

    def disarm_past(self, deadline: Deadline) -> None:
        """Rungs that were past when the deadline began say nothing."""
        self.fired.update(r.key for r in self._past_rungs(deadline))

    def rearm(self, old: Deadline, new: Deadline) -> None:
        """A moved deadline re-arms future rungs; moved into the past, its last ones too: a clock fires them at once."""
        past = self._past_rungs(new)
        told = ladder.told_at_once(past, self.fired, old, new, self.now())
        self.fired.update(r.key for r in past if r not in told)

    def calendar(self, authority: str) -> WorkCalendar:
        return work_calendar(self.policy.calendar(authority))

    # --- stages, timeline, projection -------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage(self, code: str, *waiting_on: str) -> AsyncGenerator[Stage]:
        """Enters a stage and leaves it as done; as pending when the work inside is returned, as cancelled when the wait
        is cancelled."""
        stage = self.enter(code, *waiting_on)
        try:
            yield stage
        except Returned:
            self.leave(code, StageState.PENDING)
            raise
        except (asyncio.CancelledError, Exception):
            self.leave(code, StageState.CANCELLED)
            raise
        self.leave(code)

    def find_stage(self, code: str) -> Stage:
        return next(s for s in self.stages if s.code == code)

    def enter(self, code: str, *waiting_on: str) -> Stage:
        stage = self.find_stage(code)
        if stage.state is not StageState.ACTIVE:
            stage.state, stage.entered_at, stage.left_at = StageState.ACTIVE, self.now(), None
            self.note("stage_entered", Text(zh=f"进入：{stage.title.zh}", en=f"Entered: {stage.title.en}"))
        stage.wait_on(*waiting_on)
        self.touch()
        return stage

    def leave(self, code: str, state: StageState = StageState.DONE) -> None:
        stage = self.find_stage(code)
        stage.state, stage.left_at = state, self.now()
        stage.wait_on()
        self.touch()

    def wait_on(self, code: str, *waiting_on: str) -> None:
        """Says all that a stage waits for (agencies, other processes); nothing: it waits no longer."""
        self.find_stage(code).wait_on(*waiting_on)
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
    def index(update: SearchAttributeUpdate[str]) -> None:
        """A search attribute for operators in the Temporal UI: set once. What changes with each step would cost every
        click an event and a write of the server's lists; people's lists come from PostgreSQL."""
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
            await workflow.wait_condition(lambda: self._version > self._projected and not self._writing)
            # Let the process run on until it waits again: the answered task closes and the next opens in one write, or
            # goes with the call that the process makes now.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            transition = self.take()
            if transition is not None:
                await record_transition(transition, self._summary())
                self.written(transition)

    def take(self) -> Transition | None:
        """What changed since the last write, for the one who writes it and then says `written` or `not_written`; None
        when nothing changed, or while another write is on its way."""
        if self._writing or self._version == self._projected:
            return None
        self._writing = True
        if self._given_back is not None:
            return self._given_back
        tasks, self._changed = list(self._changed.values()), {}
        timeline, self._timeline = self._timeline, []
        reminders, self.reminders = self.reminders, []
        workflow.set_current_details(self._details())
        return Transition(
            process=self._snapshot(self._revision_base + self._version),
            tasks=[t.snapshot(self.id) for t in tasks],
            timeline=timeline,
            reminders=reminders,
        )

    def written(self, transition: Transition) -> None:
        self._projected = transition.process.revision - self._revision_base
        self._writing, self._given_back = False, None

    def not_written(self, transition: Transition) -> None:
        """The call that carried it failed: it is written before anything newer."""
        self._writing, self._given_back = False, transition

    def _state(self) -> ProcessState:
        if self._ended is not None:
            return self._ended
        if self.suspended:
            return ProcessState.SUSPENDED
        waiting = any(s.state is StageState.ACTIVE and s.waits for s in self.stages)
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
            policy_version=self.policy.version,
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
