"""Answers about the ladder of a case: who was told when and through what, and who has acknowledged an escalation."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from schemas.api import AddressQuery, Answer, ProblemView
from schemas.base import Body, Text

Key = Annotated[str, Field(min_length=1, max_length=400)]


class WayView(Answer):
    """What a message went through besides the pages; never an address."""

    channel: str
    title: Text
    state: Literal["pending", "sent", "failed", "dropped"]
    sent_at: datetime | None = None


class ToldView(Answer):
    username: str
    name: Text | None = None
    read_at: datetime | None = None
    ways: list[WayView] = []


class RungView(Answer):
    """One rung that fired. `level` says whom it was for; empty for those of an older version. `ended_at`: since when
    there is nothing left to do about it, because its task (or, of an automatic step, its case) is closed: who did the
    task, and whether it was finished, sent back or not needed any more."""

    key: str
    process_id: str
    case_no: str
    process_kind: str
    kind_title: Text
    task_id: str | None = None
    task_title: Text | None = None
    level: Literal["holder", "supervisor", "head"] | None = None
    at: datetime
    told: list[ToldView]
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended: Literal["completed", "returned", "obsolete"] | None = None
    may_acknowledge: bool = False


class EscalationPage(Answer):
    items: list[RungView]
    total: int


class EscalationQuery(AddressQuery):
    """Open escalations, the oldest first."""

    state: Literal["open"] = "open"
    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class AcknowledgedItem(Answer):
    """What became of one: `rung` as it is now, only where the asker may see it."""

    key: str
    result: Literal["done", "refused"]
    problem: ProblemView | None = None
    rung: RungView | None = None


class AcknowledgeResult(Answer):
    """One that cannot be acknowledged stops no other. The order is that of the request."""

    items: list[AcknowledgedItem]
    done: int
    refused: int


class AcknowledgeBody(Body):
    keys: list[Key] = Field(min_length=1, max_length=100)
