"""Incidents: automatic steps that keep failing or wait for a decision, and cases that have come to a halt."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Incident(Base):
    """One fault from its opening to its end. `failed` follows its task and is the workflow's; `retrying`, `stuck`
    and `untaken` are the worker's, which sees them first. Of what is `untaken` `activity_id` is the submission,
    the case or the policy order, and `step` the kind of the answered task, or which of the others
    (`schemas.incidents`)."""

    __tablename__ = "incidents"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]  # retrying, failed, stuck, untaken, nobody
    process_id: Mapped[str] = mapped_column(index=True)
    step: Mapped[str] = mapped_column(default="")  # name of the activity; empty: the process's own code
    activity_id: Mapped[str] = mapped_column(default="")
    error: Mapped[str]  # type of the error
    message: Mapped[str | None]  # a sentence of ours; never that of a foreign error, which can quote data
    attempts: Mapped[int] = mapped_column(default=1)
    opened_at: Mapped[datetime]
    last_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    ended: Mapped[str | None]  # succeeded, decided, failed (a decision is asked for), taken, refused, gone
    way: Mapped[str | None]
    decided_by: Mapped[str | None]
    reason: Mapped[str | None]
    retried_by: Mapped[str | None]
    task_id: Mapped[str | None]
    __table_args__ = (
        Index("ix_incidents_list", "last_at", "id"),
        Index("ix_incidents_open", "kind", "process_id", postgresql_where=text("closed_at IS NULL")),
    )
