"""Uploaded spreadsheets and what became of each row.

Cells hold personal data, so `cells` and `remarks` are one encrypted JSON (`body`); the other columns carry no name and
no number. An import is a record of what happened: its rows are written once and never changed. A preview, and
an upload in which somebody looks like the person of a case, keep the file itself (in `body`) until rows are started.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Import(Base):
    """One upload. `kind`: enrolment, or agency_results. `mode`: preview (nothing started) or good_rows."""

    __tablename__ = "imports"
    id: Mapped[str] = mapped_column(primary_key=True)  # uuid
    kind: Mapped[str]
    mode: Mapped[str]
    filename: Mapped[str]
    sha256: Mapped[str]
    uploaded_by: Mapped[str] = mapped_column(ForeignKey("users.username"), index=True)
    created_at: Mapped[datetime]
    # Encrypted JSON: sheets with their headings, notes; file or started_as of a preview.
    body: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRow(Base):
    """One row of an upload. `outcome`: started, refused, duplicate, changed; of an agency's results: done, unchanged,
    pending, refused."""

    __tablename__ = "import_rows"
    import_id: Mapped[str] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)  # in the file's order; the first list's own row numbers
    outcome: Mapped[str]
    process_id: Mapped[str | None] = mapped_column(index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted JSON: sheet and row, cells, name, repairs...
