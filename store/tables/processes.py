"""Projected processes, tasks and timelines, and the answers people gave.

Two writers and no shared column: the workflow (through `record_transition`) owns state, version, deadlines and result;
the inbox owns holder, draft and comments. `revision` orders the workflow's writes; an older one never overwrites.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import FetchedValue, ForeignKey, Index, LargeBinary, Sequence, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

URGENCY_ORDER = ("sort_day", "legal_rank", "sort_at", "case_no", "id")
DONE = "state IN ('completed', 'returned')"
CASE_NUMBERS = Sequence("case_numbers", metadata=Base.metadata)


class Process(Base):
    """A process as people read it. `id` is the workflow id."""

    __tablename__ = "processes"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(index=True)
    case_no: Mapped[str] = mapped_column(index=True)
    title: Mapped[str] = mapped_column(default="")
    search: Mapped[str] = mapped_column(default="")  # case number, names and pinyin, lower case
    state: Mapped[str] = mapped_column(default="running")
    subject: Mapped[str | None] = mapped_column(index=True)
    org_unit: Mapped[str | None] = mapped_column(index=True)
    stages: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    active_stages: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    deadlines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    waiting_on: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    revision: Mapped[int] = mapped_column(default=0)
    started_by: Mapped[str]
    started_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    policy_version: Mapped[str] = mapped_column(default="", server_default="")  # of the rules it works by
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    clock_offset_seconds: Mapped[int] = mapped_column(default=0)
    next_due_at: Mapped[datetime | None]  # earliest end of an unmet deadline
    latest_start: Mapped[datetime | None]  # earliest latest start of an unmet deadline
    # Written by the forecast (`store/forecast.py`):
    legal_due_at: Mapped[datetime | None]  # earliest end of an unmet deadline that is no internal target
    late_from: Mapped[datetime | None]  # from when on it will be late for that
    forecast_revision: Mapped[int] = mapped_column(default=-1, server_default="-1")  # the revision that was forecast
    __table_args__ = (
        Index("ix_processes_open_due", "next_due_at", postgresql_where=text("closed_at IS NULL")),
        Index("ix_processes_list", "started_at", "id"),
        Index(
            "ix_processes_unforecast",
            "id",
            postgresql_where=text("closed_at IS NULL AND forecast_revision <> revision"),
        ),
        Index("ix_processes_not_begun", "id", postgresql_where=text("revision = 0 AND closed_at IS NULL")),
        # Whether there is a case that its starter may not read any more is known from the index alone.
        Index("ix_processes_starter", "started_by", postgresql_include=["id", "kind", "org_unit", "subject"]),
    )


class ProcessStartRow(Base):
    """The outbox of starts: stored with the case, started in Temporal after the commit, asked again until it stands."""

    __tablename__ = "process_starts"
    process_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    start: Mapped[dict[str, Any]] = mapped_column(JSONB)  # schemas.process.ProcessStart
    state: Mapped[str] = mapped_column(default="pending")  # pending, started, failed
    idempotency_key: Mapped[str | None]
    body_hash: Mapped[str | None]
    started_by: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("started_by", "idempotency_key", name="uq_process_starts_key"),
        Index("ix_process_starts_pending", "created_at", postgresql_where=text("state = 'pending'")),
    )


class Timeline(Base):
    __tablename__ = "timeline"
    process_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    actor: Mapped[str | None]
    task_id: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class Task(Base):
    """A human task. The columns from `holder` on are the inbox's, all others the workflow's."""

    __tablename__ = "tasks"
    id: Mapped[str] = mapped_column(primary_key=True)
    process_id: Mapped[str] = mapped_column(index=True)
    process_kind: Mapped[str]
    case_no: Mapped[str]
    key: Mapped[str]
    kind: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    search: Mapped[str] = mapped_column(default="")
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    excluded: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    org_unit: Mapped[str | None]
    subject: Mapped[str | None]
    stage: Mapped[str]
    authority: Mapped[str | None]
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    deadlines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    state: Mapped[str]
    version: Mapped[int]
    revision: Mapped[int]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    completed_by: Mapped[str | None]
    completed_for: Mapped[str | None]  # the absent person for whom a substitute did it
    on_behalf: Mapped[bool] = mapped_column(default=False)
    submission_id: Mapped[str | None]
    sort_day: Mapped[date]
    legal_rank: Mapped[int]
    sort_at: Mapped[datetime]  # latest start of the most urgent deadline; the far future where there is none
    next_due_at: Mapped[datetime | None]
    latest_start: Mapped[datetime | None]
    holder: Mapped[str | None] = mapped_column(ForeignKey("users.username"))
    held_since: Mapped[datetime | None]
    draft: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted: a draft holds what a form holds
    draft_at: Mapped[datetime | None]
    owner: Mapped[str | None]  # who delegated it to the holder and gets it back
    urged_at: Mapped[datetime | None]
    urged_by: Mapped[str | None]
    # Written by triggers (`store/tables/counting.py`):
    group_id: Mapped[int] = mapped_column(ForeignKey("task_groups.id"), server_default=FetchedValue())
    clock_offset_seconds: Mapped[int] = mapped_column(server_default="0")  # as the process has it
    started_by: Mapped[str] = mapped_column(server_default="")  # as the process has it
    __table_args__ = (
        UniqueConstraint("process_id", "key"),
        # Order and urgency of the open tasks of many cases (a common name) are known from the index alone.
        Index(
            "ix_tasks_of_case",
            "process_id",
            postgresql_include=[*URGENCY_ORDER, "next_due_at", "latest_start", "clock_offset_seconds", "closed_at"],
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_tasks_inbox", *URGENCY_ORDER, postgresql_where=text("closed_at IS NULL")),
        Index(
            "ix_tasks_free", "group_id", *URGENCY_ORDER, postgresql_where=text("closed_at IS NULL AND holder IS NULL")
        ),
        Index("ix_tasks_started", "started_by", *URGENCY_ORDER, postgresql_where=text("closed_at IS NULL")),
        Index("ix_tasks_held", "holder", *URGENCY_ORDER, postgresql_where=text("closed_at IS NULL")),
        Index("ix_tasks_kind", "kind", *URGENCY_ORDER, postgresql_where=text("closed_at IS NULL")),
        Index("ix_tasks_title", text("lower(title_zh)"), *URGENCY_ORDER, postgresql_where=text("closed_at IS NULL")),
        Index("ix_tasks_subject", "subject", postgresql_where=text("closed_at IS NULL")),
        Index("ix_tasks_owner", "owner", postgresql_where=text("owner IS NOT NULL")),
        Index("ix_tasks_done", "completed_by", "closed_at", "id", postgresql_where=text(DONE)),
        Index("ix_tasks_closed", "closed_at", postgresql_where=text("state = 'completed'")),
        Index("ix_tasks_finished", "kind", "closed_at", postgresql_where=text("state = 'completed'")),
        Index("ix_tasks_completed_for", "completed_for", postgresql_where=text("completed_for IS NOT NULL")),
    )


class Submission(Base):
    """An answer to a task: durable before Temporal is asked, sent again until it has an outcome."""

    __tablename__ = "submissions"
    id: Mapped[str] = mapped_column(primary_key=True)  # uuid
    task_id: Mapped[str]
    process_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    idempotency_key: Mapped[str]
    body_hash: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)  # the whole form, encrypted JSON
    outcome: Mapped[str]
    version: Mapped[int]
    actor: Mapped[str]
    acting_for: Mapped[str | None]  # the absent person whose substitute the actor is
    on_behalf: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str | None]
    document_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="pending")  # pending, done, refused
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # the refusal: {status, code}
    reply: Mapped[bytes | None] = mapped_column(LargeBinary)  # what was said when it was done, encrypted JSON
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("task_id", "idempotency_key", name="uq_submissions_key"),
        Index("ix_submissions_pending", "created_at", postgresql_where=text("status = 'pending'")),
    )


class Comment(Base):
    __tablename__ = "comments"
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str] = mapped_column(index=True)
    process_id: Mapped[str]
    author: Mapped[str] = mapped_column(ForeignKey("users.username"))
    text: Mapped[str]
    mentions: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    at: Mapped[datetime]


class ReminderRow(Base):
    """A rung that fired, for one recipient. Its insert is the claim: it happens once."""

    __tablename__ = "reminders"
    key: Mapped[str] = mapped_column(primary_key=True)  # process/task/rung key
    recipient: Mapped[str] = mapped_column(primary_key=True)
    process_id: Mapped[str] = mapped_column(index=True)
    task_id: Mapped[str | None]
    rung: Mapped[str]
    due_at: Mapped[datetime]  # when the rung was due
    at: Mapped[datetime]  # when it was recorded
    message_id: Mapped[int | None] = mapped_column(index=True)
    addressed_to: Mapped[str | None]  # holder, supervisor, head
    acknowledged_at: Mapped[datetime | None]  # of an escalation: one of those who were told has seen it
    acknowledged_by: Mapped[str | None]
