"""What rows were before they changed, from which a case and an inbox are shown as they were at a past minute.

A trigger on each followed table keeps the old version of a row that changes, goes or comes (`was` is empty where there
was no row before). Views of the same names in the schema `baoqi_past` show the rows as they were at the instant in the
setting `baoqi.at`; `store/past.py` reads through them.

Invariants: all rows of one transaction change at one instant, which is taken when it commits, while it still has its
locks, so the versions of a row follow one another without gap or overlap and no half of a transaction is ever shown;
the instant is that of the installation's clock. The key of a row never changes. What is encrypted in a row is not kept
a second time. Triggers and views are made from the columns that the database has, anew after each migration (`lay`),
and are away while one runs (`lift`), so a migration needs not think of them; only a new column that may not be empty
and has no default must be filled in `kept.was` as well. Whatever erases data of a person must empty `kept.was` of these
rows too.

Versions that ended before the first moment that may be asked for are dropped (`store/past.py`). The next one of such a
row then begins at no known time, which is right for every moment that may be asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

SCHEMA = "baoqi_past"
AT = "current_setting('baoqi.at')::timestamptz"
SINCE = "kept_since"  # the setting that says from when on old rows are kept: the first moment that may be asked for


class Kept(Base):
    """A row as it was from `since` until `until` (not included); `was` without what is encrypted."""

    __tablename__ = "kept"
    about: Mapped[str] = mapped_column(primary_key=True)  # the table
    key: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    process_id: Mapped[str | None]
    was: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    __table_args__ = (
        Index("ix_kept_case", "process_id", "about", postgresql_where=sa.text("process_id IS NOT NULL")),
        Index("ix_kept_until", "until", postgresql_using="brin"),
    )


@dataclass(frozen=True)
class Followed:
    """A table: its key, the column with the case, encrypted columns of which only whether they are there is kept, and
    columns that say nothing to a reader."""

    table: str
    key: tuple[str, ...] = ("id",)
    case: str = "process_id"
    emptied: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


FOLLOWED = (
    Followed(
        "processes", case="id", left_out=("forecast_revision", "late_from", "legal_due_at")
    ),  # computed anew at any time
    Followed("tasks", emptied=("draft",), left_out=("draft_at",)),
    Followed("timeline", key=("process_id", "seq")),
    Followed("inbox_events"),
    Followed("documents"),
    Followed("comments"),
    Followed("copies"),
    Followed("hires", emptied=("record",)),
    Followed("persons", case="", emptied=("secrets",), left_out=("updated_at",)),
    Followed("substitutions", case=""),
    Followed("user_roles", key=("username", "role"), case=""),
    Followed("user_org_units", key=("username", "org_unit"), case=""),
    Followed("step_speeds", key=("step",), case=""),
)
FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION keeping_instant() RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  known text := current_setting('baoqi.instant', true);
BEGIN
  IF coalesce(known, '') = '' THEN
    known := clock_timestamp() + interval '1 second' * coalesce(
      (SELECT (s.value #>> '{}')::integer FROM settings s WHERE s.key = 'clock_offset_seconds'), 0);
    PERFORM set_config('baoqi.instant', known, true);
  END IF;
  RETURN known;
END $$
""",
    r"""
CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  there jsonb := coalesce(was, to_jsonb(NEW));
  id text;
  name text;
BEGIN
  SELECT string_agg(there ->> k, '/' ORDER BY n) INTO id
    FROM unnest(string_to_array(TG_ARGV[0], ',')) WITH ORDINALITY u(k, n);
  FOREACH name IN ARRAY string_to_array(TG_ARGV[2], ',') LOOP
    IF was ->> name IS NOT NULL THEN was := was || jsonb_build_object(name, '\x'); END IF;
  END LOOP;
  INSERT INTO kept (about, key, process_id, since, until, was) VALUES (
    TG_TABLE_NAME, id, there ->> TG_ARGV[1],
    coalesce((SELECT max(k.until) FROM kept k WHERE k.about = TG_TABLE_NAME AND k.key = id), '-infinity'),
    keeping_instant(), was - string_to_array(TG_ARGV[3], ',')
  ) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$
""",
)
REMOVE_FUNCTIONS = ("DROP FUNCTION IF EXISTS keep()", "DROP FUNCTION IF EXISTS keeping_instant()")


def lift(connection: sa.Connection) -> None:
    """Takes triggers and views away, where they are."""
    connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    known = set(sa.inspect(connection).get_table_names())
    for one in FOLLOWED:
        for trigger in ("keep_row", "keep_change") if one.table in known else ():
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger} ON {one.table}")


def lay(connection: sa.Connection) -> None:
    """Makes triggers and views for the columns that there are; nothing where no rows are kept yet (the first version
    makes all tables of today, the functions come with theirs)."""
    inspector = sa.inspect(connection)
    if connection.exec_driver_sql("SELECT to_regproc('keep')").scalar_one() is None:
        return
    home = str(inspector.default_schema_name)  # where the installation's tables are
    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    columns: dict[str, list[Any]] = {one.table: list(inspector.get_columns(one.table)) for one in FOLLOWED}
    for one in FOLLOWED:
        names = [str(c["name"]) for c in columns[one.table]]
        for statement in (*_triggers(one, names), _view(one, columns[one.table], home)):
            connection.exec_driver_sql(statement)
    names_of = {table: [str(c["name"]) for c in columns[table]] for table in columns}
    connection.exec_driver_sql(_tallies(names_of, home))


def _triggers(one: Followed, names: list[str]) -> tuple[str, str]:
    """Deferred: they run when the transaction commits. A change of what is not kept is none."""
    compared = [n for n in names if n not in (*one.emptied, *one.left_out)]
    old, new = (
        ", ".join([*(f"{side}.{n}" for n in compared), *(f"{side}.{n} IS NULL" for n in one.emptied)])
        for side in ("OLD", "NEW")
    )
    arguments = ", ".join(f"'{','.join(a)}'" for a in (one.key, (one.case,), one.emptied, one.left_out))
    how = f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {{when}} EXECUTE FUNCTION keep({arguments})"
    return (
        f"CREATE CONSTRAINT TRIGGER keep_row AFTER INSERT OR DELETE ON {one.table} {how.format(when='')}",
        f"CREATE CONSTRAINT TRIGGER keep_change AFTER UPDATE ON {one.table} "
        + how.format(when=f"WHEN (ROW({old}) IS DISTINCT FROM ROW({new}))"),
    )


def _view(one: Followed, columns: list[Any], home: str) -> str:
    """Rows that have not changed since, and old versions that were valid."""
    present = ", ".join(f"t.{c['name']}" for c in columns)
    old = ", ".join(f"{_kept(one, c)} AS {c['name']}" for c in columns)
    key = " || '/' || ".join(f"t.{name}::text" for name in one.key)
    return f"""
CREATE VIEW {SCHEMA}.{one.table} AS
SELECT {present} FROM {home}.{one.table} t
WHERE NOT EXISTS (
  SELECT FROM {home}.kept k WHERE k.about = '{one.table}' AND k.key = {key} AND k.until > {AT})
UNION ALL
SELECT {old} FROM {home}.kept k CROSS JOIN LATERAL jsonb_populate_record(NULL::{home}.{one.table}, k.was) r
WHERE k.about = '{one.table}' AND k.since <= {AT} AND k.until > {AT} AND k.was IS NOT NULL"""


def _kept(one: Followed, column: Any) -> str:
    """What indexes find stands in columns of its own; a column that is younger than the row has its default."""
    name = column["name"]
    if isinstance(column["type"], sa.Text | sa.String):
        if one.key == (name,):
            return "k.key"
        if one.case == name:
            return "k.process_id"
    default = column["default"]
    if column["nullable"] or default is None or str(default).startswith("nextval"):
        return f"r.{name}"
    return f"coalesce(r.{name}, {default})"


def _tallies(columns: dict[str, list[str]], home: str) -> str:
    """Counted anew from the rows, by the same functions that the triggers of `counting.py` use."""
    rows = {table: f"ROW({', '.join(f't.{n}' for n in names)})::{home}.{table}" for table, names in columns.items()}
    parts = " UNION ALL ".join(
        f"SELECT r.* FROM {SCHEMA}.{table} t CROSS JOIN LATERAL {home}.tallies_of_{row}({rows[table]}) r"
        for table, row in (("tasks", "task"), ("processes", "process"))
    )
    return f"CREATE VIEW {SCHEMA}.tallies AS SELECT 0 AS id, x.*, 1 AS n, false AS fresh FROM ({parts}) x"
