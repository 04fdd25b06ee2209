"""What was done as part of a batch: one row an item, so that the same batch sent again does nothing twice.

Only what was done has a row, written in the transaction of the act itself; a refused item may be sent again. Answers to
tasks are not here: they have their own keys in `submissions`.
"""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class BatchAct(Base):
    """One act of one user under one key."""

    __tablename__ = "batch_acts"
    username: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    object: Mapped[str]  # the task or case
    digest: Mapped[str]  # of what was asked for
    at: Mapped[datetime]
