"""The human task: what a process asks of a person, how it travels, and what comes back.

Words are WS-HumanTask's. Two writers share a task row and never a column: the workflow owns `state`, `version`,
deadlines and result (through `TaskSnapshot`), the inbox owns holder, drafts, comments and documents received.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from schemas.base import Payload, Text
from schemas.countersign import SignGroup
from schemas.deadlines import Deadline
from schemas.steps import ReturnTarget


class TaskState(StrEnum):
    """Life cycle. The workflow writes ready, suspended, completed, returned, obsolete; reserved (someone holds it) and
    in_progress (the holder has a draft) are shown by the inbox while the workflow's own state is ready."""

    READY = "ready"
    RESERVED = "reserved"
    IN_PROGRESS = "in_progress"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    RETURNED = "returned"  # 退回: whoever had it sent the work back to an earlier step
    OBSOLETE = "obsolete"


OPEN_STATES = (TaskState.READY, TaskState.SUSPENDED)


class DocumentRequest(Payload):
    """A document asked for. `accept` holds file suffixes without the dot."""

    code: str
    title: Text
    required: bool = True
    accept: list[str] = ["pdf", "png", "jpg", "jpeg"]
    note: Text | None = None


class TaskSpec(Payload):
    """What a process asks for. `kind` names the form models (`schemas.forms`); `step` names its duration for the slack;
    `subject` is a person's id; `excluded` are users who may not complete it (four eyes); `data` are ids and codes
    only. `return_to`: the earlier steps to which it may be returned; `after`: the key of the task whose answer opened
    it and may be withdrawn while nobody has acted on this one; `former`: the answer that was given when the step was
    done before, to begin with; `again`: the key of the task that this one goes on with, in the same hands and with
    their draft. `runs_on`: it can be done while the case is suspended."""

    key: str  # unique in the process, with occurrence: "verification/1"
    kind: str  # "enrolment.verification"
    title: Text
    roles: list[str]
    org_unit: str | None = None
    subject: str | None = None
    stage: str
    step: str | None = None
    outcomes: list[str]
    documents: list[DocumentRequest] = []
    deadlines: list[Deadline] = []
    excluded: list[str] = []
    authority: str | None = None  # the agency it concerns
    data: dict[str, Any] = {}
    return_to: list[ReturnTarget] = []
    after: str | None = None
    former: str | None = None  # a submission's id
    again: str | None = None
    runs_on: bool = False
    sign: SignGroup | None = None  # where it is one signature of a countersign


class TaskResult(Payload):
    """How a task ended: the outcome, the public part of the form, who did it, and the id of the stored answer (empty
    where it was returned: `data` then says to which step, in which way and why)."""

    outcome: str
    data: dict[str, Any] = {}
    actor: str
    on_behalf: bool = False
    submission_id: str
    at: datetime


class TaskSnapshot(Payload):
    """A task row as the workflow projects it; `revision` orders the writes."""

    id: str
    process_id: str
    revision: int
    spec: TaskSpec
    state: TaskState
    version: int
    opened_at: datetime
    closed_at: datetime | None = None
    result: TaskResult | None = None
    deadlines: list[Deadline] = []


class Completion(Payload):
    """The Update that completes a task. Its id is `f"{task_id}/{Idempotency-Key}"`. `data` is the public part of the
    form; personal fields are already stored with the submission."""

    task_id: str
    outcome: str
    data: dict[str, Any] = Field(default_factory=dict)
    version: int
    actor: str
    on_behalf: bool = False
    submission_id: str


class CompletionAnswer(Payload):
    """What the Update gives back, once the row is closed."""

    task_id: str
    state: TaskState
    outcome: str
    version: int


class Refusal(StrEnum):
    """`ApplicationError.type` of a refused Update; the API maps it to a status."""

    TASK_UNKNOWN = "TaskUnknown"  # asked again by the API with the same id
    TASK_CLOSED = "TaskClosed"  # 409
    TASK_SUSPENDED = "TaskSuspended"  # 409
    STALE_VERSION = "StaleVersion"  # 409
    FOUR_EYES = "FourEyes"  # 403
    BAD_FORM = "BadForm"  # 422
    BAD_OUTCOME = "BadOutcome"  # 422
    NOT_ALLOWED_NOW = "NotAllowedNow"  # 409: cancel, suspend, resume in a state that forbids it
    BAD_TARGET = "BadTarget"  # 422: not a step to which this task may be returned, or not in this way
    BAD_DATE = "BadDate"  # 422: a day to which this date cannot be moved
    TOO_LATE = "TooLate"  # 409: the next person has acted, so an answer can no longer be withdrawn
    SIGNS_ALREADY = "SignsAlready"  # 422: 加签 of somebody who is asked already
    SIGNER_REQUIRED = "SignerRequired"  # 409: 减签 of a signer whom the rules demand
    PROGRAM_FAULT = "ProgramFault"  # 500: an error of ours in what was to be computed; nothing has changed
    NOT_YOURS = "NotYours"  # 403: somebody else's answer
