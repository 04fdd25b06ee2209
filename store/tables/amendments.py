"""Amendments 更正: a value on record, the value proposed in its place, and who decided. Rows stay for ever.

`id` is the id of the process that asks for the confirmation, `process_id` the case whose value it is. Both values are
encrypted: a number is personal data.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Amendment(Base):
    """`state`: proposed, applied, rejected, withdrawn, void. One proposal a value at a time."""

    __tablename__ = "amendments"
    id: Mapped[str] = mapped_column(ForeignKey("processes.id"), primary_key=True)
    process_id: Mapped[str] = mapped_column(ForeignKey("processes.id"), index=True)
    field: Mapped[str]  # of schemas.amendment.FIELDS
    of: Mapped[str]  # agency/attempt, a bill's id, or empty
    old: Mapped[bytes] = mapped_column(LargeBinary)
    new: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    document_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="proposed")
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    note: Mapped[str | None]
    __table_args__ = (
        Index(
            "uq_amendments_proposed",
            "process_id",
            "field",
            "of",
            unique=True,
            postgresql_where=text("state = 'proposed'"),
        ),
    )
