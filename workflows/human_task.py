"""The human task: ask a person for something and wait, with the deadline clock running beside it.

Every process asks in the same few lines: `await self.desk.ask(TaskSpec(...))`, and gets a result, or `Returned`. A
completion is an Update: `check` is its validator (nothing is recorded when it refuses), `accept` changes state
synchronously, so that of two people at once the second is refused. The inbox row follows by `Process` projection.
Holders are the inbox's own and unknown here.
"""

import asyncio
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from schemas.base import Text
from schemas.deadlines import Deadline
from schemas.forms import outcome as form_outcome
from schemas.forms import public_model
from schemas.steps import Way
from schemas.tasks import Completion, Refusal, TaskResult, TaskSnapshot, TaskSpec, TaskState
from workflows.clock import Clock

with workflow.unsafe.imports_passed_through():
    from domain.deadlines import resumed
    from domain.times import day_of

if TYPE_CHECKING:
    from workflows.casefile import CaseFile
    from workflows.countersign import Countersign


class Diverted(Exception):
    """Leaves a step because the process goes another way: no fault, and nothing to mend. Whoever runs the step takes
    it."""


class Returned(Diverted):
    """Leaves `Desk.ask` instead of a result: the work goes back to an earlier step (`workflows/returning.py`).

    `way`: straight back to who returned it, or all steps again. `withdrawn`: not the holder of the task returned it,
    but who did the step before took the own answer back; `former` is that answer (a submission's id), `answered` the
    key of its task.
    """

    def __init__(
        self,
        *,
        to: str,
        way: Way,
        reason: str,
        actor: str,
        task_key: str,
        withdrawn: bool = False,
        former: str | None = None,
        answered: str | None = None,
    ) -> None:
        super().__init__(f"{task_key} goes back to {to}")
        self.to = to
        self.way: Way = way
        self.reason = reason
        self.actor = actor
        self.task_key = task_key
        self.withdrawn = withdrawn
        self.former = former
        self.answered = answered


def task_id(process_id: str, key: str) -> str:
    """The task's id: stable for a process and a key, and without meaning to a reader."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:{process_id}/{key}"))


class HumanTask:
    """One open or finished task, as the workflow knows it."""

    def __init__(self, process: "CaseFile", spec: TaskSpec) -> None:
        self.spec = spec
        self.id = task_id(process.id, spec.key)
        self.state = TaskState.SUSPENDED if process.suspended and not spec.runs_on else TaskState.READY
        self.version = 1
        self.opened_at = process.now()
        self.closed_at: datetime | None = None
        self.result: TaskResult | None = None
        self.deadlines: list[Deadline] = list(spec.deadlines)
        self.suspended_at: datetime | None = None
        self.revision = 0
        self.returned: Returned | None = None
        self.taken_back = False  # 撤回: the answer stands in the record and counts no more

    def close(self, state: TaskState, now: datetime) -> None:
        """The task ends in this state; what was read of it before is stale."""
        self.state = state
        self.version += 1
        self.closed_at = now

    @property
    def is_open(self) -> bool:
        return self.state in (TaskState.READY, TaskState.SUSPENDED)

    def snapshot(self, process_id: str) -> TaskSnapshot:
        return TaskSnapshot(
            id=self.id,
            process_id=process_id,
            revision=self.revision,
            spec=self.spec.model_copy(update={"deadlines": []}),  # they travel once, as they stand now
            state=self.state,
            version=self.version,
            opened_at=self.opened_at,
            closed_at=self.closed_at,
            result=self.result,
            deadlines=self.deadlines,
        )


class Desk:
    """All tasks of one process."""

    def __init__(self, process: "CaseFile") -> None:
        self.process = process
        self.tasks: dict[str, HumanTask] = {}
        self.countersigns: dict[str, Countersign] = {}  # those that ran and run, by their group
        self._occurrences: dict[str, int] = {}
        self._answered: list[HumanTask] = []  # in the order of the answers
        self._stopped_at: datetime | None = None
        self._pauses: list[tuple[datetime, datetime]] = []  # suspensions that are over

    def key(self, name: str) -> str:
        """The next key for a step that may come again: verification/1, verification/2…"""
        self._occurrences[name] = self._occurrences.get(name, 0) + 1
        return f"{name}/{self._occurrences[name]}"

    def id_of(self, key: str) -> str:
        return task_id(self.process.id, key)

    def latest(self, name: str) -> str | None:
        """The key of the newest answer to a step that was not taken back; None where there is none."""
        answers = [t.spec.key for t in self._answered if t.spec.key.startswith(f"{name}/") and not t.taken_back]
        return answers[-1] if answers else None

    def countersign_of(self, task: HumanTask) -> "Countersign | None":
        """The countersign in which a task is one signature, or whose decision opened it."""
        came = task
        if task.spec.sign is None and task.spec.after is not None:
            came = self.tasks[self.id_of(task.spec.after)]
        return None if came.spec.sign is None else self.countersigns[came.spec.sign.id]

    def signers(self, task: HumanTask) -> list[str]:
        """Who has signed what this task sends back."""
        found = self.countersign_of(task)
        return [] if found is None else found.signers

    @property
    def open_tasks(self) -> list[HumanTask]:
        return [t for t in self.tasks.values() if t.is_open]

    async def ask(self, spec: TaskSpec) -> TaskResult:
        """Opens a task and waits for its completion. When the wait is cancelled or fails the task becomes obsolete."""
        process = self.process
        task = HumanTask(process, spec)
        # The task enters workflow state before its row is written: a completion that arrives meanwhile finds it.
        self.tasks[task.id] = task
        if task.state is TaskState.SUSPENDED:
            task.suspended_at = process.now()
        process.note("task_opened", Text(zh=f"待办：{spec.title.zh}", en=f"To do: {spec.title.en}"), task_id=task.id)
        process.touch(task)
        clock = Clock(
            process,
            lambda: task.deadlines,
            lambda: not task.is_open,
            subject=spec.title,
            task_id=task.id,
            roles=spec.roles,
            paused=lambda: task.state is TaskState.SUSPENDED,
        )
        try:
            await clock.wait()
        except (asyncio.CancelledError, Exception):
            # Not `finally`: a coroutine that is closed when its workflow leaves the worker's cache may not act.
            if task.is_open and workflow.in_workflow():
                task.close(TaskState.OBSOLETE, process.now())
                process.note(
                    "task_obsolete",
                    Text(zh=f"不再需要：{spec.title.zh}", en=f"No longer needed: {spec.title.en}"),
                    actor=process.cancelling.actor if process.cancelling else None,
                    task_id=task.id,
                )
                process.touch(task)
            raise
        if task.returned is not None:
            raise task.returned
        if task.result is None:
            raise RuntimeError(f"task {task.id} ended without a result")
        return task.result

    def open_task(self, task_id: str, version: int | None = None) -> HumanTask:
        """The task if it can be acted upon now, else the refusal that says why not. `version`: as it was read."""
        task = self.tasks.get(task_id)
        if task is None:
            raise refusal(Refusal.TASK_UNKNOWN, "no such task in this process yet")
        if self.process.stopping or not task.is_open:
            raise refusal(Refusal.TASK_CLOSED, "the task is closed")
        if task.state is TaskState.SUSPENDED:
            raise refusal(Refusal.TASK_SUSPENDED, "the case is suspended")
        if version is not None and version != task.version:
            raise refusal(Refusal.STALE_VERSION, f"version {version} is not {task.version}")
        return task

    def check(self, completion: Completion) -> HumanTask:
        """The validator: raises `ApplicationError` with a `Refusal` type, and changes nothing."""
        task = self.open_task(completion.task_id, completion.version)
        if completion.actor in task.spec.excluded:
            raise refusal(Refusal.FOUR_EYES, "someone else must decide this")
        if completion.outcome not in task.spec.outcomes:
            raise refusal(Refusal.BAD_OUTCOME, completion.outcome)
        try:
            public_model(form_outcome(task.spec.kind, completion.outcome).form).model_validate(completion.data)
        except ValidationError as error:
            raise refusal(Refusal.BAD_FORM, "; ".join(".".join(map(str, e["loc"])) for e in error.errors())) from None
        return task

    def accept(self, completion: Completion) -> HumanTask:
        """Completes the task. Synchronous: between check and change nothing else can run."""
        task = self.check(completion)
        task.close(TaskState.COMPLETED, self.process.now())
        task.result = TaskResult(
            outcome=completion.outcome,
            data=completion.data,
            actor=completion.actor,
            on_behalf=completion.on_behalf,
            submission_id=completion.submission_id,
            at=self.process.now(),
        )
        self._answered.append(task)
        title = form_outcome(task.spec.kind, completion.outcome).title
        self.process.note(
            "task_completed",
            Text(zh=f"{task.spec.title.zh}：{title.zh}", en=f"{task.spec.title.en}: {title.en}"),
            actor=completion.actor,
            task_id=task.id,
            data={"outcome": completion.outcome, "on_behalf": completion.on_behalf},
        )
        self.process.touch(task)
        return task

    def suspend(self) -> None:
        """Suspends every open task. Internal targets keep what is left of them now, statutory dates run on."""
        now = self._stopped_at = self.process.now()
        for task in self.open_tasks:
            if task.spec.runs_on:
                continue
            task.state = TaskState.SUSPENDED
            task.version += 1
            task.suspended_at = now
            self.process.touch(task)

    def resumed_dates(self) -> list[tuple[HumanTask, list[Deadline]]]:
        """The suspended tasks with their deadlines as they are after the suspension; changes nothing."""
        now = self.process.now()
        resuming = [t for t in self.open_tasks if t.state is TaskState.SUSPENDED]
        return [(t, [self._after(d, t.suspended_at, now) for d in t.deadlines]) for t in resuming]

    def _after(self, deadline: Deadline, stopped_at: datetime | None, now: datetime) -> Deadline:
        """A deadline after a suspension; one that had passed before it stays."""
        if stopped_at is None or deadline.due_at <= stopped_at:
            return deadline
        return resumed(deadline, day_of(stopped_at), day_of(now), self.process.policy)

    def going_on(self, deadline: Deadline, since: datetime | None) -> Deadline:
        """A target that goes on with a new task of the same step: the suspensions after its last one was closed (while
        nobody was asked, so that no open task carried it through them) take nothing of it."""
        after = deadline
        for stopped_at, resumed_at in self._pauses:
            if since is not None and stopped_at >= since:
                after = self._after(after, stopped_at, resumed_at)
        if after.generation != deadline.generation:
            self.process.disarm_past(after)
        return after

    def resume(self) -> None:
        for task, deadlines in self.resumed_dates():
            task.state = TaskState.READY
            task.version += 1
            for before, after in zip(task.deadlines, deadlines, strict=True):
                if after.generation != before.generation:
                    self.process.disarm_past(after)
            task.deadlines = deadlines
            task.suspended_at = None
            self.process.touch(task)
        if self._stopped_at is not None:
            self._pauses.append((self._stopped_at, self.process.now()))
            self._stopped_at = None

    def replace_deadline(self, old_id: str, deadline: Deadline) -> None:
        """A deadline moved (corrected anchor, new calendar): every open task that carries it carries the new one."""
        for task in self.open_tasks:
            if any(d.id == old_id for d in task.deadlines):
                task.deadlines = [deadline if d.id == old_id else d for d in task.deadlines]
                self.process.touch(task)


def refusal(kind: Refusal, message: str, *details: Any) -> ApplicationError:
    """What an Update is refused with; the API has the sentences."""
    return ApplicationError(message, *details, type=kind.value, non_retryable=True)


@contextmanager
def computing(what: str) -> Generator[None]:
    """Around what an Update computes before it changes anything, best in its validator: an error of ours in here
    refuses this Update and is logged with its trace. Elsewhere such an error fails the workflow task, and the case
    stands for everybody until the program is mended; that is right only where something may have changed already."""
    try:
        yield
    except FailureError:
        raise
    except Exception as error:
        workflow.logger.exception("%s", what)
        raise refusal(Refusal.PROGRAM_FAULT, f"{what}: {error!r}") from error


def refuse_now(message: str) -> ApplicationError:
    """A command (cancel, suspend, resume) that the process cannot take in its present state."""
    return refusal(Refusal.NOT_ALLOWED_NOW, message)
