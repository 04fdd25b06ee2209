"""Answers about messages to a user and about the audit trail."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.api import Answer
from schemas.base import Body, Text

Address = Annotated[str, Field(max_length=200)]
Hour = Annotated[str, Field(max_length=5, description="HH:MM in Shanghai", examples=["22:00"])]


class MessageView(Answer):
    id: int
    text: Text
    link: str | None = None
    at: datetime
    read_at: datetime | None = None
    escalations: list[str] = []  # those that it tells of and nobody has acknowledged: `POST /escalations/acknowledge`
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None


class MessagePage(Answer):
    items: list[MessageView]
    unread: int
    total: int


class ChannelWish(Answer):
    """One channel that is set up here: whether its user wants it, and under which address."""

    channel: str
    title: Text
    chosen: bool
    address: str | None = None


class MessageSettingsView(Answer):
    """How a user wants to be told. Not `readable`: addresses cannot be read at present, and not be changed."""

    channels: list[ChannelWish]
    quiet_from: Hour | None = None
    quiet_to: Hour | None = None
    digest: bool = False
    readable: bool = True


class MessageSettingsBody(Body):
    """All of it at once. `addresses` by channel; one that is left out, or empty, is forgotten."""

    channels: list[Annotated[str, Field(max_length=20)]] = Field(max_length=20, examples=[["mail"]])
    addresses: dict[Annotated[str, Field(max_length=20)], Address] = Field(default={}, max_length=20)
    quiet_from: Hour | None = None
    quiet_to: Hour | None = None
    digest: bool = False


class ChannelView(Answer):
    """A channel as administrators see it. `why` in plain words: what a channel itself says may hold an address."""

    channel: str
    title: Text
    state: Literal["not_set_up", "stopped", "failing", "working", "unused"]
    why: Text | None = None
    failing_since: datetime | None = None
    next_try_at: datetime | None = None
    sent_at: datetime | None = None
    stopped_at: datetime | None = None
    stopped_by: str | None = None
    waiting: int
    oldest: datetime | None = None
    refused: int


class RefusedView(Answer):
    """A message that a channel refused; `reader` is a user, empty for a person on record. Never an address."""

    id: int
    channel: str
    subject: str
    reader: str | None = None
    at: datetime
    attempts: int
    state: Literal["failed", "pending"]
    being_sent: bool
    why: Text
    next_try_at: datetime | None = None


class ChannelPage(Answer):
    channels: list[ChannelView]
    refused: list[RefusedView]


class SentAgain(Answer):
    count: int


class AuditView(Answer):
    id: int
    at: datetime
    actor: str
    action: str
    object: str
    data: dict[str, Any] = {}
    on_behalf: bool = False


class AuditPage(Answer):
    items: list[AuditView]
    next_cursor: str | None = None
