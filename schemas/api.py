"""Bodies and answers of the JSON API under `/api/v1`; the pages show the same models.

Invariants: request bodies derive from `Body` (an unknown field is refused, so that a typing mistake is not swallowed);
answers hold bilingual `Text` where people read them. Workflow payloads are elsewhere.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.base import Body, Text
from schemas.countersign import CountersignView
from schemas.deadlines import CutOff, DeadlineView, PlannedStep
from schemas.forecast import Forecast
from schemas.process import Stage
from schemas.steps import ReturnTarget

TaskViewName = Literal["mine", "group", "behalf", "done", "started", "cc", "all"]


class Answer(BaseModel):
    """Base of everything the API answers."""


# --- problems --------------------------------------------------------------------------------------------------------


class Fault(Answer):
    """One thing that is wrong with a request. `pointer` is a JSON pointer: /data/birth, /documents/M01."""

    pointer: str
    code: str
    message: str


class ProblemView(Answer):
    """RFC 9457. `code` is stable and for programs, `detail` is for people in their language."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = None
    errors: list[Fault] = []


# --- people ----------------------------------------------------------------------------------------------------------


class SignIn(Body):
    model_config = ConfigDict(str_strip_whitespace=False)  # a blank may be part of a password

    username: str = Field(min_length=1, max_length=60, examples=["clerk"])
    password: str = Field(min_length=1, max_length=200, examples=["baoqi-demo"])


class UserView(Answer):
    """A user as others see it."""

    username: str
    name: Text
    roles: list[str] = []
    org_units: list[str] = []
    person_id: str | None = None


class SessionView(Answer):
    user: UserView
    csrf_token: str
    expires_at: datetime


# --- documents -------------------------------------------------------------------------------------------------------


class DocumentView(Answer):
    """A stored file; its content is at `/api/v1/documents/{id}`."""

    id: str
    process_id: str | None = None
    task_id: str | None = None
    code: str
    filename: str
    media_type: str
    size: int
    sha256: str
    uploaded_by: str
    uploaded_at: datetime


class DocumentSlot(Answer):
    """A document asked for by a task, with what was received for it (also from earlier tasks of the process)."""

    code: str
    title: Text
    required: bool
    accept: list[str]
    note: Text | None = None
    received: list[DocumentView] = []


# --- tasks -----------------------------------------------------------------------------------------------------------


class AddressQuery(BaseModel):
    """Filters as they stand in an address: an empty one (`?kind=&overdue=`, as forms send it) is no filter."""

    @model_validator(mode="before")
    @classmethod
    def empty_is_not_given(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        given = cast("Mapping[str, Any]", values)
        return {name: value for name, value in given.items() if value != ""}


LOOK_BACK = "look back at this moment; without a zone: Shanghai; a minute or second shows what stood at its end"


class TaskQuery(AddressQuery):
    """The filters of the inbox, as they stand in the address."""

    view: TaskViewName = "mine"
    q: str | None = Field(default=None, max_length=100)
    kind: str | None = Field(default=None, max_length=60)
    process_kind: str | None = Field(default=None, max_length=60)
    process_id: str | None = Field(default=None, max_length=200)
    org_unit: str | None = Field(default=None, max_length=60)
    holder: str | None = Field(default=None, max_length=60)
    subject: str | None = Field(default=None, max_length=60)
    overdue: bool | None = None
    due_today: bool | None = None
    at_risk: bool | None = None
    due_week: bool | None = Field(default=None, description="due later this week (until Sunday)")
    unclaimed: bool | None = Field(default=None, description="held by nobody for too long")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=400)


class InboxQuery(TaskQuery):
    """The inbox as it is, or as it was at a past moment, one's own or somebody else's."""

    at: str | None = Field(default=None, max_length=40, examples=["2026-11-20T09:15"], description=LOOK_BACK)
    as_user: str | None = Field(
        default=None, max_length=60, description="with `at`: whose inbox (supervisor, head, auditor, administrator)"
    )

    def filters(self) -> TaskQuery:
        return TaskQuery.model_validate(self.model_dump(exclude={"at", "as_user"}))


class TaskItem(Answer):
    """One line of the inbox. `due` is the legal day of the most urgent unmet deadline."""

    id: str
    process_id: str
    process_kind: str
    process_title: str
    case_no: str
    kind: str
    of_process_id: str | None = None  # of a confirmation: the case whose value is to be amended
    of_case_no: str | None = None
    title: Text
    stage: str
    state: str
    version: int
    roles: list[str]
    org_unit: str | None = None
    org_unit_name: Text | None = None
    subject: str | None = None
    subject_name: str | None = None
    holder: str | None = None
    holder_name: Text | None = None
    held_since: datetime | None = None
    substitute: str | None = None  # stands in for the holder today
    substitute_name: Text | None = None
    owner: str | None = None  # who delegated it to the holder
    owner_name: Text | None = None
    urged_at: datetime | None = None
    urged_by_name: Text | None = None
    answer_on_its_way: bool = False  # sent, and neither taken nor refused by the process yet
    unread: bool = False  # copied to the viewer, who has not opened it
    opened_at: datetime
    closed_at: datetime | None = None
    outcome: str | None = None
    outcome_title: Text | None = None
    completed_by: str | None = None
    completed_for: str | None = None  # the absent person whose substitute did it
    on_behalf: bool = False
    due: date | None = None
    due_at: datetime | None = None
    internal_due: date | None = None
    latest_start: datetime | None = None
    legal_kind: str | None = None
    deadline_title: Text | None = None
    provisional: bool = False
    sample: bool = False
    working_days_left: int | None = None
    overdue: bool = False
    due_today: bool = False
    at_risk: bool = False
    actions: list[str] = []


class TaskCounts(Answer):
    """How many tasks each view holds for this user, and how urgent the current list is."""

    mine: int = 0
    group: int = 0
    behalf: int = 0
    done: int = 0
    started: int = 0
    cc: int = 0
    cc_unread: int = 0
    overdue: int = 0
    due_today: int = 0
    at_risk: int = 0


class TaskPage(Answer):
    items: list[TaskItem]
    next_cursor: str | None = None
    total: int
    counts: TaskCounts
    as_of: datetime | None = Field(default=None, description="the past moment that is shown; null: now")


class OutcomeView(Answer):
    """One way to finish the task. `schema` is the JSON Schema of `data`; `tone` is a hint for the button."""

    code: str
    title: Text
    tone: str = "primary"
    schema_: dict[str, Any] = Field(serialization_alias="schema")


class CommentView(Answer):
    id: int
    author: str
    author_name: Text | None = None
    text: str
    mentions: list[Text] = []
    not_found: list[str] = []  # words after an @ that name nobody: said once, to whoever wrote the comment
    attachments: list[DocumentView] = []
    at: datetime


class CopyView(Answer):
    """抄送: who was told, by whom, and when it was read."""

    username: str
    name: Text | None = None
    added_by: str
    added_by_name: Text | None = None
    note: str = ""
    at: datetime
    read_at: datetime | None = None
    whole_case: bool = False


class TaskView(TaskItem):
    """Everything needed to finish a task. `data` can be sent as it is with `outcomes[0]`; `context` is for reading."""

    outcomes: list[OutcomeView]
    data: dict[str, Any] = {}
    context: dict[str, Any] = {}
    documents: list[DocumentSlot] = []
    deadlines: list[DeadlineView] = []
    cut_offs: list[CutOff] = []
    comments: list[CommentView] = []
    copies: list[CopyView] = []
    draft: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None  # what was answered, once completed
    authority: str | None = None
    return_to: list[ReturnTarget] = []  # earlier steps to which it may be returned
    countersign: CountersignView | None = None
    behalf_of: list[str] = []  # roles for whom this user would act (代办); empty when acting for oneself
    acting_for: str | None = None  # the absent person whose substitute this user is for the task
    acting_for_name: Text | None = None
    as_of: datetime | None = Field(default=None, description="the past moment that is shown; null: now")


class OnBehalf(Body):
    """代办: a clerk does a college's or an employee's task for them, with the reason and a scan of the request."""

    reason: str = Field(min_length=2, max_length=500, examples=["学院来电委托，原件已留存"])
    document_id: str = Field(description="a document uploaded to this task with code `on_behalf`")


class CompleteBody(Body):
    outcome: str = Field(max_length=60, examples=["submit"])
    data: dict[str, Any] = Field(default_factory=dict)
    version: int = Field(ge=1, examples=[1])
    on_behalf: OnBehalf | None = None


class DraftBody(Body):
    data: dict[str, Any] = Field(default_factory=dict)


class CommentBody(Body):
    text: str = Field(min_length=1, max_length=2000, examples=["已电话联系学院"])
    mentions: list[str] = Field(
        default_factory=list, max_length=20, description="logins; `@name` in the text counts too"
    )


class SubmissionView(Answer):
    """An answer on its way: pending until the process has taken it, then done or refused."""

    id: str
    task_id: str
    status: Literal["pending", "done", "refused"]
    outcome: str
    problem: ProblemView | None = None


# --- processes -------------------------------------------------------------------------------------------------------


class ProcessKindView(Answer):
    kind: str
    title: Text
    input_schema: dict[str, Any]
    startable: bool = True


class ProcessQuery(AddressQuery):
    """The filters of the list of processes, as they stand in the address."""

    kind: str | None = Field(default=None, max_length=60)
    state: str | None = Field(default=None, max_length=60, description="one state, or several with commas, or `open`")
    overdue: bool | None = None
    due_today: bool | None = None
    at_risk: bool | None = None
    forecast_late: bool | None = Field(default=None, description="will be late at the usual speed of its steps")
    waiting_for: str | None = Field(default=None, max_length=60, description="an agency, or `any`")
    org_unit: str | None = Field(default=None, max_length=60)
    subject: str | None = Field(default=None, max_length=60)
    stage: str | None = Field(default=None, max_length=60)
    flag: str | None = Field(default=None, max_length=60)
    started_by: str | None = Field(default=None, max_length=60, description="a login, or `me`")
    q: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=400)


class ProcessItem(Answer):
    id: str
    kind: str
    kind_title: Text
    case_no: str
    title: str
    state: str
    subject: str | None = None
    subject_name: str | None = None
    org_unit: str | None = None
    org_unit_name: Text | None = None
    active_stages: list[Text] = []
    waiting_on: list[str] = []
    holders: list[str] = []
    due: date | None = None
    due_at: datetime | None = None
    latest_start: datetime | None = None
    overdue: bool = False
    due_today: bool = False
    at_risk: bool = False
    flags: list[str] = []
    started_by: str
    started_at: datetime
    closed_at: datetime | None = None


class ProcessPage(Answer):
    items: list[ProcessItem]
    next_cursor: str | None = None
    total: int


class TimelineView(Answer):
    """A line of a case's history. `seq` numbers the process's own lines; what the inbox did has none."""

    seq: int | None = None
    at: datetime
    kind: str
    text: Text
    actor: str | None = None
    actor_name: Text | None = None
    acting_for: str | None = None
    acting_for_name: Text | None = None
    task_id: str | None = None
    data: dict[str, Any] = {}


class StagePlan(PlannedStep):
    """The step of an open stage that must begin first for the dates of the case to be kept. `slack_days`: working days
    until then, negative when it has passed."""

    stage: str
    slack_days: int


class ProcessView(ProcessItem):
    """A case in full. `now` is the case's clock (the demo's can be ahead)."""

    stages: list[Stage]
    stage_plans: list[StagePlan] = []
    deadlines: list[DeadlineView]
    cut_offs: list[CutOff] = []
    tasks: list[TaskItem]
    timeline: list[TimelineView]
    documents: list[DocumentView] = []
    copies: list[CopyView] = []
    countersigns: list[CountersignView] = []
    forecasts: list[Forecast] = []
    actions: list[str] = []
    reason: str | None = None
    now: datetime
    as_of: datetime | None = Field(default=None, description="the past moment that is shown; null: now")


class CommandBody(Body):
    reason: str = Field(min_length=2, max_length=500, examples=["本人放弃入职"])
    ground: Literal["permit_withdrawn", "left", "mistake", "other"] = "other"


# --- calculations ----------------------------------------------------------------------------------------------------


class CalculationItem(Answer):
    name: str
    title: Text
    summary: Text


class CalculationList(Answer):
    items: list[CalculationItem]


class CalculationSchema(CalculationItem):
    """A calculation with the JSON Schemas of what it takes and gives."""

    input: dict[str, Any]
    output: dict[str, Any]
