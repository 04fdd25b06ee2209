"""Many tasks or cases in one request: the same verbs as for one, with a result for each item.

An item is named by its id and carries a key of its own: the same key again gives the same answer, so a batch that was
cut off is sent again as it was. Values may be shared by all items; what an item says itself goes before them.
"""

from typing import Any, Literal

from pydantic import Field

from schemas.api import Answer, OnBehalf, ProblemView
from schemas.base import Body, Text
from schemas.incident_steps import Way

TaskVerb = Literal["claim", "release", "complete", "transfer", "reassign", "take_over", "urge"]
CaseVerb = Literal["suspend", "resume", "cancel"]
MOST_ITEMS = 200
KEY = Field(pattern=r"^[\x21-\x7e]{1,200}$", examples=["5f0c5b0e-7d2c-4a55-9a40-3b1f8c9d2f11"])


class BatchItem(Body):
    """One task. `version` and `data` are for `complete`; `data` goes before the batch's."""

    id: str = Field(max_length=60, examples=["5f0c5b0e-7d2c-4a55-9a40-3b1f8c9d2f12"])
    key: str = KEY
    version: int | None = Field(default=None, ge=1)
    data: dict[str, Any] = Field(default_factory=dict)
    on_behalf: OnBehalf | None = None


class TaskBatch(Body):
    """One verb for many tasks. `to` and `reason`: transfer and reassign; `reason`: take_over; `note`: urge;
    `outcome` and `data`: complete. `use_known`: each answer begins with what the task knows already (`data` and draft
    of `GET /tasks/{id}`)."""

    action: TaskVerb
    items: list[BatchItem] = Field(min_length=1, max_length=MOST_ITEMS)
    to: str | None = Field(default=None, max_length=60)
    reason: str | None = Field(default=None, max_length=500)
    note: str = Field(default="", max_length=200)
    outcome: str | None = Field(default=None, max_length=60)
    data: dict[str, Any] = Field(default_factory=dict)
    use_known: bool = False


class CaseItem(Body):
    id: str = Field(max_length=200, examples=["enrolment-2026-000001"])
    key: str = KEY


class CaseBatch(Body):
    """One command for many cases, with one reason."""

    action: CaseVerb
    items: list[CaseItem] = Field(min_length=1, max_length=MOST_ITEMS)
    reason: str = Field(min_length=2, max_length=500, examples=["学院推迟报到"])
    ground: Literal["permit_withdrawn", "left", "mistake", "other"] = "other"


class IncidentBatch(Body):
    """One decision for many incidents; every way but a retry needs the reason."""

    way: Way
    items: list[CaseItem] = Field(min_length=1, max_length=MOST_ITEMS)
    reason: str = Field(default="", max_length=500, examples=["社保局系统停机，改到窗口办理"])


class ItemResult(Answer):
    """What became of one item. `pending`: on its way; an answer to a task is kept (`submission` says where to look), a
    command is not confirmed yet and may still be carried out (`problem` says so). Only what the asker may see is
    named."""

    id: str
    key: str
    result: Literal["done", "pending", "refused"]
    problem: ProblemView | None = None
    submission: str | None = None
    title: Text | None = None
    process_id: str | None = None
    case_no: str | None = None
    subject_name: str | None = None
    agency: str | None = None  # of an incident: whom its step asks


class BatchResult(Answer):
    """One item's failure stops no other. The order is that of the request."""

    items: list[ItemResult]
    done: int
    pending: int
    refused: int
