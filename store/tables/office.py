"""Documents, messages to users, the audit trail and settings. What leaves the house is in `outbox.py`.

A document's content lies encrypted in a file below the data folder; its row says what it is and its hash. Audit rows
are only ever added.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Document(Base):
    __tablename__ = "documents"
    id: Mapped[str] = mapped_column(primary_key=True)  # uuid
    process_id: Mapped[str | None] = mapped_column(index=True)
    task_id: Mapped[str | None] = mapped_column(index=True)
    comment_id: Mapped[int | None]  # the comment that it came with
    code: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    path: Mapped[str]  # below the data folder
    uploaded_by: Mapped[str]
    uploaded_at: Mapped[datetime]
    replaced_by: Mapped[str | None]


class Message(Base):
    """A notice to one user, shown in the pages."""

    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"))
    key: Mapped[str | None] = mapped_column(unique=True)  # of notices that must reach a user once
    text_zh: Mapped[str]
    text_en: Mapped[str]
    link: Mapped[str | None]
    process_id: Mapped[str | None]
    task_id: Mapped[str | None] = mapped_column(index=True)
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_messages_user", "username", "at"),
        Index("ix_messages_unread", "username", postgresql_where=text("read_at IS NULL")),
    )


class Audit(Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(index=True)
    action: Mapped[str]
    object: Mapped[str] = mapped_column(index=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    on_behalf: Mapped[bool] = mapped_column(default=False)


class Setting(Base):
    __tablename__ = "settings"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
