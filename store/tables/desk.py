"""What people arrange among themselves at the inbox: substitutes, copies, saved views, and a line for each such act.

Invariants: none of these rows is written by a workflow; a task row itself says who holds it (`tasks.holder`) and who
lent it (`tasks.owner`). Lines of `inbox_events` are only ever added and hold no personal data.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class InboxEvent(Base):
    """A line of a case's timeline that the inbox wrote: transferred, delegated, urged, copied."""

    __tablename__ = "inbox_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str] = mapped_column(index=True)
    task_id: Mapped[str | None]
    at: Mapped[datetime]  # on the case's clock, as the workflow's lines are
    kind: Mapped[str]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    actor: Mapped[str]
    acting_for: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class Substitution(Base):
    """代理: `substitute` does the tasks of `absent` from the first to the last day (Shanghai), both included."""

    __tablename__ = "substitutions"
    id: Mapped[int] = mapped_column(primary_key=True)
    absent: Mapped[str] = mapped_column(ForeignKey("users.username"))
    substitute: Mapped[str] = mapped_column(ForeignKey("users.username"))
    first_day: Mapped[date]
    last_day: Mapped[date]
    reason: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # ended before its last day
    ended_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="days"),
        CheckConstraint("absent <> substitute", name="two_people"),
        Index("ix_substitutions_substitute", "substitute", postgresql_where=text("ended_at IS NULL")),
        Index("ix_substitutions_absent", "absent", postgresql_where=text("ended_at IS NULL")),
    )


class Copy(Base):
    """抄送: a person who should know of a task, or of a whole case (`task_id` is empty), with the read mark."""

    __tablename__ = "copies"
    id: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str] = mapped_column(index=True)
    task_id: Mapped[str | None] = mapped_column(index=True)
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"))
    added_by: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint(
            "username", "process_id", "task_id", name="uq_copies_once", postgresql_nulls_not_distinct=True
        ),
        Index("ix_copies_user", "username", "task_id", "process_id"),
    )


class SavedView(Base):
    """A named set of inbox filters. `shared_with` is a role whose people see it too; empty: the owner alone."""

    __tablename__ = "saved_views"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    query: Mapped[dict[str, Any]] = mapped_column(JSONB)  # schemas.api.TaskQuery without page and cursor
    shared_with: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("owner", "name", name="uq_saved_views_name"),)


class DefaultView(Base):
    """The view with which a person's inbox opens."""

    __tablename__ = "default_views"
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), primary_key=True)
    view_id: Mapped[int] = mapped_column(ForeignKey("saved_views.id", ondelete="CASCADE"), index=True)
