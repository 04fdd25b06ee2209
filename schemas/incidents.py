"""Incidents 故障: an automatic step that keeps failing, one that waits for a decision, a case that has come to a halt,
what its case has not taken (an answer, its own start, an order to take over rules), and a task that nobody may do.

`StepDecision` is what a workflow takes; what people send derives from `Body`, what they read from `Answer`. Nobody and
nothing but a person decides an incident: time never does.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from schemas.api import AddressQuery, Answer
from schemas.base import Body, Payload, Text
from schemas.forms import EmptyForm, Outcome, ReasonForm, register
from schemas.incident_steps import WAY_TITLE, Way

IncidentKind = Literal["retrying", "failed", "stuck", "untaken", "nobody"]
TASK_KIND = "incident.resolve"
START, ORDER = "process.start", "policy.order"  # the `step` of what is untaken and is no answer to a task


class StepDecision(Payload):
    """Update argument of `decide_step`: a step that the machine keeps trying is done another way."""

    activity_id: str
    way: Way
    reason: str
    actor: str


class DecideBody(Body):
    """How it goes on, and why (a retry needs no reason)."""

    way: Way
    reason: str = Field(default="", max_length=500, examples=["社保局系统停机，改到窗口办理"])


class IncidentQuery(AddressQuery):
    """Filters of the desk; a filter that is not given lets everything through."""

    state: Literal["open", "closed", "all"] = "open"
    kind: IncidentKind | None = None
    step: Annotated[str | None, Field(max_length=60)] = None
    process_kind: Annotated[str | None, Field(max_length=40)] = None
    process_id: Annotated[str | None, Field(max_length=200)] = None
    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class IncidentItem(Answer):
    """One incident. `what`, `why` and `advice` are sentences for people; `fault` and `engine_url` are given to
    administrators only."""

    id: str
    kind: IncidentKind
    process_id: str
    case_no: str
    process_kind: str
    title: Text
    agency: str | None  # whom the step asks
    subject: str | None
    subject_name: str | None
    org_unit: str | None
    org_unit_name: Text | None
    step: str
    what: Text
    why: Text
    advice: Text
    attempts: int
    opened_at: datetime
    last_at: datetime
    closed_at: datetime | None
    ended: Text | None
    way: Way | None
    decided_by: str | None
    decided_by_name: Text | None
    reason: str | None
    retried_by: str | None
    answered_by: str | None  # whose answer, start or order is not taken
    answered_by_name: Text | None
    task_id: str | None
    actions: list[Way]
    fault: str | None
    engine_url: str | None


class IncidentPage(Answer):
    """Newest last failure first."""

    items: list[IncidentItem]
    total: int


register(
    TASK_KIND,
    Text(zh="处理故障", en="Resolve incident"),
    Outcome("retry", WAY_TITLE[Way.RETRY], EmptyForm),
    Outcome("correct", WAY_TITLE[Way.CORRECT], ReasonForm, tone="secondary"),
    Outcome("take_off", WAY_TITLE[Way.TAKE_OFF], ReasonForm, tone="secondary"),
    Outcome("by_hand", WAY_TITLE[Way.BY_HAND], ReasonForm, tone="secondary"),
    Outcome("skip", WAY_TITLE[Way.SKIP], ReasonForm, tone="danger"),
)
