"""Notices to persons, and which rungs of their watched dates have been told.

A notice holds numbers and amounts of one person: its body is encrypted. Both tables are claimed by insert, so that a
retried activity or chore tells nobody twice.
"""

from datetime import date, datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class NoticeRow(Base):
    """One notice of a case to its person. `mail`: queued, or no_mail when there is no usable address on record."""

    __tablename__ = "notices"
    process_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)  # schemas.notices.Notice, encrypted JSON
    mail: Mapped[str]
    at: Mapped[datetime]


class WatchRung(Base):
    """A rung of a watched date that was told; a date that moves has its rungs again."""

    __tablename__ = "watch_rungs"
    watch_id: Mapped[int] = mapped_column(ForeignKey("watch_dates.id", ondelete="CASCADE"), primary_key=True)
    on: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
