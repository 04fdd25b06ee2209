"""Answers about messages to a user and about the audit trail."""

from datetime import datetime
from typing import Any

from schemas.api import Answer
from schemas.base import Text


class MessageView(Answer):
    id: int
    text: Text
    link: str | None = None
    at: datetime
    read_at: datetime | None = None


class MessagePage(Answer):
    items: list[MessageView]
    unread: int
    total: int


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
