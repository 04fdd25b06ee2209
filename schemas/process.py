"""A process: its stages, its states, its timeline, and the one payload that carries a transition to the inbox.

Temporal owns where a process stands; the rows made from `Transition` are a projection, written by one idempotent
activity per transition (`activities/inbox.py`), ordered by `revision`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.base import Payload, Text
from schemas.deadlines import Deadline, RungInstant
from schemas.tasks import TaskSnapshot


class ProcessState(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"  # for an authority or another process; no task of ours is open
    SUSPENDED = "suspended"
    CLOSED = "closed"
    CANCELLED = "cancelled"


DEMO_DATA = "demo_data"  # a flag: the case was made with the demo university, no workflow has run it
CANCELLING = "cancelling"  # a flag: the case was cancelled and is not yet undone at the agencies


class StageState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    DONE = "done"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Stage(Payload):
    """One stage. Stages with the same `column` run side by side. `waiting_on` is an agency or a process id, and
    `waiting_also` names the others where it waits for several."""

    code: str
    title: Text
    column: int
    state: StageState = StageState.PENDING
    entered_at: datetime | None = None
    left_at: datetime | None = None
    waiting_on: str | None = None
    waiting_also: list[str] = []
    note: Text | None = None

    @property
    def waits(self) -> list[str]:
        """All that it waits for."""
        return [self.waiting_on, *self.waiting_also] if self.waiting_on else []

    def wait_on(self, *names: str) -> None:
        """From now on it waits for these, or for nothing."""
        self.waiting_on, self.waiting_also = (names[0] if names else None), list(names[1:])


class TimelineEntry(Payload):
    """One line of the history that people read. `kind`: started, stage_entered, stage_left, task_opened,
    task_completed, task_obsolete, reminded, escalated, breached, met, submitted, accepted, approved, refused, chased,
    suspended, resumed, cancelled, closed, incident, note. `data` holds ids and codes, never personal data."""

    seq: int
    at: datetime
    kind: str
    text: Text
    actor: str | None = None
    task_id: str | None = None
    data: dict[str, Any] = {}


class Reminder(Payload):
    """Rungs that became due for one task at one wake-up, for one kind of recipient, as one message. `keys` are unique
    for ever: the insert is the claim."""

    task_id: str | None
    to: str  # holder | supervisor | head
    roles: list[str] = []  # who is meant by `holder` where no task is open (an automatic step) or nobody holds it
    rungs: list[RungInstant]
    text: Text
    at: datetime


class ProcessSnapshot(Payload):
    """The process's row. `deadlines` holds those that changed since the last transition (they are merged by id), so
    that a long case does not carry all of them through its history again and again; `dropped` names those that
    ended."""

    id: str
    kind: str
    revision: int
    state: ProcessState
    subject: str | None = None  # person id
    org_unit: str | None = None
    stages: list[Stage]
    deadlines: list[Deadline] = []
    dropped: list[str] = []
    started_at: datetime
    closed_at: datetime | None = None
    reason: str | None = None  # why cancelled or suspended
    policy_version: str = ""  # of the rules that the case works by
    flags: list[str] = []  # not_same_month, late_at_birth, sample, cancelling, ...


class Transition(Payload):
    """What changed since the last one: applied in one transaction, applied twice it changes nothing."""

    process: ProcessSnapshot
    tasks: list[TaskSnapshot] = []
    timeline: list[TimelineEntry] = []
    reminders: list[Reminder] = []


class ProcessStart(Payload):
    """The argument of every process workflow. `clock_offset_seconds` is the demo's clock (0 in real life)."""

    process_id: str
    started_by: str
    subject: str | None = None
    org_unit: str | None = None
    clock_offset_seconds: int = 0
    parameters: dict[str, str] = {}


class ProcessOpened(Payload):
    """What the first activity of a process gives back: the rules snapshot, and the revision to go on from when a
    process of the same id ran before."""

    policy: dict[str, Any] = {}
    revision_base: int = 0


class ProcessCommand(Payload):
    """Update argument of cancel, suspend and resume. `ground`: permit_withdrawn, left, mistake, other."""

    reason: str
    actor: str
    ground: str = "other"


class PolicyUpdate(Payload):
    """Update argument: take over newer rules. `scope`: calendar (only years published since, so that provisional dates
    become final) or all (everything of the version in force). The rules themselves are loaded by an activity."""

    id: str  # of the order; the same order again changes nothing
    scope: str
    reason: Text
    actor: str


class PolicyAnswer(Payload):
    """What an update of the rules did to a case: the version it now works by, and how many deadlines moved."""

    version: str
    moved: int = 0


LEFT = "left"  # topic of a wake-up: a case on a bill of this payment was cancelled


class Wake(Payload):
    """Signal: something this process waits for has changed in the books (premiums paid, bill settled, lines written,
    somebody left). It carries no state: the process asks an activity what is true."""

    topic: str
    ref: str | None = None
