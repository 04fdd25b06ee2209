"""Registrations at the agencies: one row per attempt, never overwritten by a later attempt.

The number an agency gives is personal data (it can contain the passport number): encrypted, with a keyed hash for
look-up. It always wins over one that we could derive.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Registration(Base):
    """One attempt at one agency. `state`: filled, submitted, accepted, approved, refused, undone."""

    __tablename__ = "registrations"
    id: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str]
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    agency: Mapped[str]
    attempt: Mapped[int]
    state: Mapped[str] = mapped_column(default="filled")
    receipt_no: Mapped[str | None] = mapped_column(index=True)
    number: Mapped[bytes | None] = mapped_column(LargeBinary)
    number_hash: Mapped[str | None] = mapped_column(index=True)
    refused_code: Mapped[str | None]
    refused_note: Mapped[str | None]
    submitted_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("process_id", "agency", "attempt"),
        Index("ix_registrations_case", "process_id", "agency"),
    )
