"""Task groups and tallies: what keeps lists and counts of an inbox cheap, however many tasks there are.

A group is the set of tasks that the same people may do: the same roles, and the college where a college does them. A
tally says how many open tasks or processes have something in common, and when they become urgent; a count is a sum of
tallies. Both are written by triggers, in the transaction that writes the task or process, so that nobody can forget.

Invariants: `tallies_of_task` and `tallies_of_process` are the only places that say what is counted; a writer only adds
rows (`n` is 1 or -1) and never waits for another writer; folding rows together (`store/tallies.py`) changes no sum.
"""

from datetime import datetime

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class TaskGroup(Base):
    """Who may do a task. `roles` are sorted; `org_unit` is empty unless a college is among them."""

    __tablename__ = "task_groups"
    id: Mapped[int] = mapped_column(primary_key=True)
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    org_unit: Mapped[str]
    __table_args__ = (
        UniqueConstraint("roles", "org_unit", name="uq_task_groups_roles"),
        Index("ix_task_groups_any", "roles", postgresql_using="gin"),  # people asked by name make many groups
    )


class Tally(Base):
    """So many more (or fewer) open tasks or processes of a sort.

    `about` and `key`: `free` and `held` (a group's id), `free_excluded` and `held_excluded` (the same, of the tasks
    that `names` may not do, to be taken off), `holder` (a login; empty for free ones), `opened` (free ones, `at` the
    Shanghai day of their opening), `started` (open ones, by who started the case), `done` (who completed or returned
    it: the only ones counted when closed), `process` (empty), `agency` (who is waited for), `stage` (an active one),
    `date` (the authority of an unmet deadline, whose legal kind is the `kind` and whose day is the instant). `kind`: of
    task or process; empty for `holder`, `opened` and `started`. `what`: `open`, `waiting`, or `due`, `start`, `legal`
    and `late`, which count what becomes overdue, at risk, overdue by the law, or will be so by the forecast, `at` an
    instant of the installation's clock; `clock` is what the case is ahead of it. What counts at any hour stands `at`
    the epoch, as does what has long been overdue or at risk.
    """

    __tablename__ = "tallies"
    id: Mapped[int] = mapped_column(primary_key=True)
    about: Mapped[str]
    key: Mapped[str]
    kind: Mapped[str]
    org_unit: Mapped[str]
    names: Mapped[list[str]] = mapped_column(ARRAY(Text))
    clock: Mapped[int]
    what: Mapped[str]
    at: Mapped[datetime]
    n: Mapped[int]
    fresh: Mapped[bool]  # not folded yet
    __table_args__ = (
        Index("ix_tallies_sum", "about", "what", "at", "key"),
        # The board reads those of every holder: from the index alone, wherever the rows lie.
        Index(
            "ix_tallies_holder",
            "what",
            "at",
            "key",
            postgresql_include=["clock", "n"],
            postgresql_where=text("about = 'holder'"),
        ),
        # Of thousands who are excluded from something, a reader takes off what excludes one or two.
        Index("ix_tallies_names", "names", postgresql_using="gin", postgresql_where=text("names <> '{}'")),
        Index("ix_tallies_fresh", "id", postgresql_where=text("fresh")),
    )


COLUMNS = "about, key, kind, org_unit, names, clock, what, at"
AGENCIES = "ARRAY['social_bureau', 'medical_bureau', 'tax_office']"
OPEN_STATES = "'running', 'waiting', 'suspended'"

FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION task_group_of(wanted text[], unit text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  sorted text[] := ARRAY(SELECT DISTINCT r FROM unnest(wanted) r ORDER BY r);
  place text := CASE WHEN 'college' = ANY(wanted) THEN coalesce(unit, '') ELSE '' END;
  found integer;
BEGIN
  LOOP
    SELECT g.id INTO found FROM task_groups g WHERE g.roles = sorted AND g.org_unit = place;
    IF found IS NOT NULL THEN RETURN found; END IF;
    INSERT INTO task_groups (roles, org_unit) VALUES (sorted, place) ON CONFLICT DO NOTHING;
  END LOOP;
END $$
""",
    """
CREATE OR REPLACE FUNCTION tallies_of_task(t tasks)
RETURNS TABLE (about text, key text, kind text, org_unit text, names text[], clock integer, what text, at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT s.about, s.key, s.kind, '', s.names, t.clock_offset_seconds, w.what, w.instant
  FROM (VALUES
    (CASE WHEN t.holder IS NULL THEN 'free' ELSE 'held' END, t.group_id::text, t.kind, '{}'::text[]),
    (CASE WHEN t.holder IS NULL THEN 'free_excluded' ELSE 'held_excluded' END, t.group_id::text, t.kind,
      nullif(t.excluded, '{}')),
    ('holder', coalesce(t.holder, ''), '', '{}')
  ) AS s (about, key, kind, names), (VALUES
    ('open', 'epoch'::timestamptz),
    ('due', t.next_due_at - t.clock_offset_seconds * interval '1 second'),
    ('start', least(t.latest_start, t.next_due_at) - t.clock_offset_seconds * interval '1 second')
  ) AS w (what, instant)
  WHERE t.closed_at IS NULL AND s.names IS NOT NULL
    AND (w.what = 'open' OR t.next_due_at IS NOT NULL)
  UNION ALL
  SELECT 'opened', '', '', '', '{}', 0, 'open', CASE WHEN t.state = 'suspended' THEN '9999-12-30' ELSE
    date_trunc('day', t.opened_at - t.clock_offset_seconds * interval '1 second', 'Asia/Shanghai') END
  WHERE t.closed_at IS NULL AND t.holder IS NULL
  UNION ALL
  SELECT 'started', t.started_by, '', '', '{}', 0, 'open', 'epoch' WHERE t.closed_at IS NULL
  UNION ALL
  SELECT 'done', d.name, t.kind, '', '{}', t.clock_offset_seconds, 'open', 'epoch'
  FROM (VALUES (t.completed_by), (nullif(t.completed_for, t.completed_by))) AS d (name)
  WHERE t.state IN ('completed', 'returned') AND d.name IS NOT NULL
$$
""",
    f"""
CREATE OR REPLACE FUNCTION tallies_of_process(p processes)
RETURNS TABLE (about text, key text, kind text, org_unit text, names text[], clock integer, what text, at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT s.about, s.key, p.kind, coalesce(p.org_unit, ''), '{{}}'::text[], p.clock_offset_seconds, w.what, w.instant
  FROM (
    SELECT split_part(a, '/', 1), split_part(a, '/', 2) FROM unnest('{{process/}}'::text[]
      || ARRAY(SELECT 'agency/' || w FROM unnest({AGENCIES}) w WHERE w = ANY (p.waiting_on))
      || ARRAY(SELECT 'stage/' || g FROM unnest(p.active_stages) g)) a
  ) AS s (about, key), (VALUES
    ('open', 'epoch'::timestamptz, p.state IN ({OPEN_STATES})),
    ('waiting', 'epoch', p.waiting_on && {AGENCIES}),
    ('due', p.next_due_at - p.clock_offset_seconds * interval '1 second', p.next_due_at IS NOT NULL),
    ('legal', p.legal_due_at - p.clock_offset_seconds * interval '1 second', p.legal_due_at IS NOT NULL),
    ('late', least(p.late_from, p.legal_due_at) - p.clock_offset_seconds * interval '1 second',
      p.legal_due_at IS NOT NULL),
    ('start', least(p.latest_start, p.next_due_at) - p.clock_offset_seconds * interval '1 second',
      p.next_due_at IS NOT NULL)
  ) AS w (what, instant, counts)
  WHERE p.closed_at IS NULL AND w.counts
  UNION ALL
  SELECT 'date', d.value ->> 'authority', d.value ->> 'legal_kind', coalesce(p.org_unit, ''), '{{}}', 0, 'date',
    (d.value ->> 'due')::timestamp AT TIME ZONE 'Asia/Shanghai'
  FROM jsonb_array_elements(p.deadlines) d
  WHERE p.closed_at IS NULL AND d.value ->> 'met_at' IS NULL
$$
""",
    """
CREATE OR REPLACE FUNCTION place_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.group_id := task_group_of(NEW.roles, NEW.org_unit);
  IF TG_OP = 'INSERT' THEN
    SELECT p.clock_offset_seconds, p.started_by INTO NEW.clock_offset_seconds, NEW.started_by
      FROM processes p WHERE p.id = NEW.process_id;
    NEW.clock_offset_seconds := coalesce(NEW.clock_offset_seconds, 0);
    NEW.started_by := coalesce(NEW.started_by, '');
  END IF;
  RETURN NEW;
END $$
""",
    *(
        f"""
CREATE OR REPLACE FUNCTION tally_{row}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO tallies ({COLUMNS}, n, fresh)
    SELECT {COLUMNS}, sum(sign), true FROM (
      SELECT *, -1 AS sign FROM tallies_of_{row}(OLD) UNION ALL SELECT *, 1 FROM tallies_of_{row}(NEW)
    ) r GROUP BY {COLUMNS} HAVING sum(sign) <> 0;
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO tallies ({COLUMNS}, n, fresh) SELECT r.*, 1, true FROM tallies_of_{row}(NEW) r;
  ELSE
    INSERT INTO tallies ({COLUMNS}, n, fresh) SELECT r.*, -1, true FROM tallies_of_{row}(OLD) r;
  END IF;
  RETURN NULL;
END $$
"""
        for row in ("task", "process")
    ),
    """
CREATE OR REPLACE FUNCTION follow_process() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tasks SET clock_offset_seconds = NEW.clock_offset_seconds, started_by = NEW.started_by
    WHERE process_id = NEW.id;
  RETURN NULL;
END $$
""",
)


def _changed(columns: str) -> str:
    old, new = (", ".join(f"{side}.{c}" for c in columns.split()) for side in ("OLD", "NEW"))
    return f"({old}) IS DISTINCT FROM ({new})"


_TASK = (
    "group_id kind holder excluded next_due_at latest_start closed_at clock_offset_seconds "
    "state completed_by completed_for opened_at started_by"
)
_PROCESS = (
    "kind org_unit state active_stages waiting_on next_due_at latest_start legal_due_at late_from deadlines "
    "closed_at clock_offset_seconds"
)
TRIGGERS = (
    ("tasks", "place_task", "BEFORE INSERT OR UPDATE OF roles, org_unit", "true", "place_task"),
    ("tasks", "tally_task", "AFTER INSERT OR DELETE", "true", "tally_task"),
    ("tasks", "tally_task_change", "AFTER UPDATE", _changed(_TASK), "tally_task"),
    ("processes", "tally_process", "AFTER INSERT OR DELETE", "true", "tally_process"),
    ("processes", "tally_process_change", "AFTER UPDATE", _changed(_PROCESS), "tally_process"),
    (
        "processes", "follow_process", "AFTER UPDATE OF clock_offset_seconds, started_by",
        _changed("clock_offset_seconds started_by"), "follow_process",
    ),
)  # fmt: skip
INSTALL = (
    "ALTER TABLE processes ADD COLUMN IF NOT EXISTS late_from timestamptz",
    "ALTER TABLE processes ADD COLUMN IF NOT EXISTS legal_due_at timestamptz",
    "ALTER TABLE processes ADD COLUMN IF NOT EXISTS forecast_revision integer NOT NULL DEFAULT -1",
    "ALTER TABLE tasks ADD COLUMN IF NOT EXISTS started_by text NOT NULL DEFAULT ''",
    *FUNCTIONS,
    *(
        f"CREATE OR REPLACE TRIGGER {name} {event} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {function}()"
        for table, name, event, when, function in TRIGGERS
    ),
)
RECOUNT = (
    "DELETE FROM tallies",
    *(
        f"INSERT INTO tallies ({COLUMNS}, n, fresh) SELECT r.*, count(*), false "
        f"FROM {table} t, LATERAL tallies_of_{row}(t) r GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
        for table, row in (("tasks", "task"), ("processes", "process"))
    ),
)
