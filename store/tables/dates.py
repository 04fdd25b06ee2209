"""The unmet deadlines of open cases, one row each, in the order in which they fall due: what a list of dates pages by.

A case keeps its deadlines in its own row (`processes.deadlines`), where no index gives those of all cases by day.

Invariants: written by a trigger only, in the transaction that writes the case; a row stands here exactly while its case
is open and the deadline unmet; `kind`, `org_unit` and `subject` are the case's, by which one asks who may
read which.
"""

from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class CaseDate(Base):
    """One unmet deadline. `id` is the deadline's within its case."""

    __tablename__ = "case_dates"
    process_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    due: Mapped[date]
    due_at: Mapped[datetime]
    legal_kind: Mapped[str]
    authority: Mapped[str]
    kind: Mapped[str]
    org_unit: Mapped[str | None]
    subject: Mapped[str | None]
    __table_args__ = (
        Index("ix_case_dates_due", "due_at", "process_id", "id"),
        Index("ix_case_dates_unit", "org_unit", "due_at", "process_id", "id"),
        Index("ix_case_dates_subject", "subject"),
    )


INSTALL = (
    """
CREATE OR REPLACE FUNCTION case_dates_of(p processes) RETURNS SETOF case_dates LANGUAGE sql STABLE AS $$
  SELECT DISTINCT ON (d ->> 'id') p.id, d ->> 'id', (d ->> 'due')::date, (d ->> 'due_at')::timestamptz,
    d ->> 'legal_kind', coalesce(d ->> 'authority', ''), p.kind, p.org_unit, p.subject
  FROM jsonb_array_elements(p.deadlines) d
  WHERE p.closed_at IS NULL AND d ->> 'met_at' IS NULL
$$
""",
    """
CREATE OR REPLACE FUNCTION keep_case_dates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM case_dates c WHERE c.process_id = OLD.id
      AND (TG_OP = 'DELETE' OR c.id NOT IN (SELECT w.id FROM case_dates_of(NEW) w));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO case_dates SELECT * FROM case_dates_of(NEW)
    ON CONFLICT (process_id, id) DO UPDATE SET due = excluded.due, due_at = excluded.due_at,
      legal_kind = excluded.legal_kind, authority = excluded.authority, kind = excluded.kind,
      org_unit = excluded.org_unit, subject = excluded.subject
    WHERE case_dates.* IS DISTINCT FROM excluded.*;
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE TRIGGER keep_case_dates AFTER INSERT OR DELETE ON processes
FOR EACH ROW EXECUTE FUNCTION keep_case_dates()
""",
    """
CREATE OR REPLACE TRIGGER keep_case_dates_change AFTER UPDATE ON processes FOR EACH ROW
WHEN ((OLD.deadlines, OLD.closed_at, OLD.org_unit, OLD.subject)
  IS DISTINCT FROM (NEW.deadlines, NEW.closed_at, NEW.org_unit, NEW.subject))
EXECUTE FUNCTION keep_case_dates()
""",
)
FILL = (
    "DELETE FROM case_dates",
    "INSERT INTO case_dates SELECT w.* FROM processes p, LATERAL case_dates_of(p) w WHERE p.closed_at IS NULL",
)
REMOVE = (
    "DROP TRIGGER IF EXISTS keep_case_dates ON processes",
    "DROP TRIGGER IF EXISTS keep_case_dates_change ON processes",
    "DROP FUNCTION IF EXISTS keep_case_dates()",
    "DROP FUNCTION IF EXISTS case_dates_of(processes)",
    "DROP TABLE IF EXISTS case_dates",
)
