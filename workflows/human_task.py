"""The human task: ask a person for something and wait, with the deadline clock running beside it.

Every process asks in the same few lines: `await self.desk.ask(TaskSpec(...))`. A completion is an Update: `check` is
its validator (nothing is recorded when it refuses), `accept` changes state synchronously, so that of two people at once
the second is refused. The inbox row follows by `Process` projection. Holders are the inbox's own and unknown here.
"""

import asyncio
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from temporalio.exceptions import ApplicationError

from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind
from schemas.forms import outcome as form_outcome
from schemas.forms import public_model
from schemas.tasks import Completion, Refusal, TaskResult, TaskSnapshot, TaskSpec, TaskState
from workflows.clock import Clock

if TYPE_CHECKING:
    from workflows.casefile import CaseFile


def task_id(process_id: str, key: str) -> str:
    """The task's id: stable for a process and a key, and without meaning to a reader."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:{process_id}/{key}"))


class HumanTask:
    """One open or finished task, as the workflow knows it."""

    def __init__(self, process: "CaseFile", spec: TaskSpec) -> None:
        self.spec = spec
        self.id = task_id(process.id, spec.key)
        self.state = TaskState.SUSPENDED if process.suspended else TaskState.READY
        self.version = 1
        self.opened_at = process.now()
        self.closed_at: datetime | None = None
        self.result: TaskResult | None = None
        self.deadlines: list[Deadline] = list(spec.deadlines)
        self.remaining: dict[str, int] = {}  # working days left of internal targets while suspended
        self.revision = 0

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
        self._process = process
        self.tasks: dict[str, HumanTask] = {}
        self._occurrences: dict[str, int] = {}

    def key(self, name: str) -> str:
        """The next key for a step that may come again: verification/1, verification/2…"""
        self._occurrences[name] = self._occurrences.get(name, 0) + 1
        return f"{name}/{self._occurrences[name]}"

    @property
    def open_tasks(self) -> list[HumanTask]:
        return [t for t in self.tasks.values() if t.is_open]

    async def ask(self, spec: TaskSpec) -> TaskResult:
        """Opens a task and waits for its completion. When the wait is cancelled the task becomes obsolete."""
        process = self._process
        task = HumanTask(process, spec)
        # The task enters workflow state before its row is written: a completion that arrives meanwhile finds it.
        self.tasks[task.id] = task
        if process.suspended:
            self._freeze(task)
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
        except asyncio.CancelledError:
            # Not `finally`: a coroutine that is closed when its workflow leaves the worker's cache may not act.
            task.state = TaskState.OBSOLETE
            task.version += 1
            task.closed_at = process.now()
            process.note(
                "task_obsolete",
                Text(zh=f"不再需要：{spec.title.zh}", en=f"No longer needed: {spec.title.en}"),
                task_id=task.id,
            )
            process.touch(task)
            raise
        if task.result is None:
            raise RuntimeError(f"task {task.id} ended without a result")
        return task.result

    def check(self, completion: Completion) -> HumanTask:
        """The validator: raises `ApplicationError` with a `Refusal` type, and changes nothing."""
        task = self.tasks.get(completion.task_id)
        if task is None:
            raise _refuse(Refusal.TASK_UNKNOWN, "no such task in this process yet")
        if task.state is TaskState.SUSPENDED:
            raise _refuse(Refusal.TASK_SUSPENDED, "the case is suspended")
        if task.state is not TaskState.READY:
            raise _refuse(Refusal.TASK_CLOSED, "the task is closed")
        if completion.version != task.version:
            raise _refuse(Refusal.STALE_VERSION, f"version {completion.version} is not {task.version}")
        if completion.actor in task.spec.excluded:
            raise _refuse(Refusal.FOUR_EYES, "someone else must decide this")
        if completion.outcome not in task.spec.outcomes:
            raise _refuse(Refusal.BAD_OUTCOME, completion.outcome)
        try:
            public_model(form_outcome(task.spec.kind, completion.outcome).form).model_validate(completion.data)
        except ValidationError as error:
            raise _refuse(Refusal.BAD_FORM, "; ".join(".".join(map(str, e["loc"])) for e in error.errors())) from None
        return task

    def accept(self, completion: Completion) -> HumanTask:
        """Completes the task. Synchronous: between check and change nothing else can run."""
        task = self.check(completion)
        task.state = TaskState.COMPLETED
        task.version += 1
        task.closed_at = self._process.now()
        task.result = TaskResult(
            outcome=completion.outcome,
            data=completion.data,
            actor=completion.actor,
            on_behalf=completion.on_behalf,
            submission_id=completion.submission_id,
            at=self._process.now(),
        )
        title = form_outcome(task.spec.kind, completion.outcome).title
        self._process.note(
            "task_completed",
            Text(zh=f"{task.spec.title.zh}：{title.zh}", en=f"{task.spec.title.en}: {title.en}"),
            actor=completion.actor,
            task_id=task.id,
            data={"outcome": completion.outcome, "on_behalf": completion.on_behalf},
        )
        self._process.touch(task)
        return task

    def suspend(self) -> None:
        """Suspends every open task; what is left of internal targets is kept, statutory dates run on."""
        for task in self.open_tasks:
            task.state = TaskState.SUSPENDED
            task.version += 1
            self._freeze(task)
            self._process.touch(task)

    def resume(self) -> None:
        for task in self.open_tasks:
            task.state = TaskState.READY
            task.version += 1
            task.deadlines = [self._thaw(task, d) for d in task.deadlines]
            task.remaining = {}
            self._process.touch(task)

    def replace_deadline(self, old_id: str, deadline: Deadline) -> None:
        """A deadline moved (corrected anchor, new calendar): every open task that carries it carries the new one."""
        for task in self.open_tasks:
            if any(d.id == old_id for d in task.deadlines):
                task.deadlines = [deadline if d.id == old_id else d for d in task.deadlines]
                self._process.touch(task)

    def _freeze(self, task: HumanTask) -> None:
        for deadline in task.deadlines:
            if deadline.legal_kind is LegalKind.INTERNAL:
                task.remaining[deadline.id] = self._process.working_days_left(deadline)

    def _thaw(self, task: HumanTask, deadline: Deadline) -> Deadline:
        left = task.remaining.get(deadline.id)
        return deadline if left is None else self._process.extended(deadline, left)


def _refuse(kind: Refusal, message: str, *details: Any) -> ApplicationError:
    return ApplicationError(message, *details, type=kind.value, non_retryable=True)


def refuse_now(message: str) -> ApplicationError:
    """A command (cancel, suspend, resume) that the process cannot take in its present state."""
    return _refuse(Refusal.NOT_ALLOWED_NOW, message)
