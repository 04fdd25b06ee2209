"""Tasks know who started their case, so that a list of these is read in its order and its length is a sum; tasks that
somebody may not do are tallied under a name of their own, so that no other count reads them."""

import sqlalchemy as sa
from alembic import op

from store.tables.counting import INSTALL, RECOUNT
from store.tables.processes import URGENCY_ORDER

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NEW = (("ix_tasks_started", "tasks"), ("ix_processes_starter", "processes"), ("ix_tallies_names", "tallies"))


def upgrade() -> None:
    """Fills the column, in old versions of rows too, and counts by it."""
    op.execute("LOCK TABLE tasks, processes")
    op.execute("DROP TRIGGER IF EXISTS move_clock ON processes")
    op.execute("DROP FUNCTION IF EXISTS move_clock()")
    for statement in INSTALL:
        op.execute(statement)
    op.execute("ALTER TABLE tasks DISABLE TRIGGER USER")
    op.execute("UPDATE tasks t SET started_by = p.started_by FROM processes p WHERE p.id = t.process_id")
    op.execute("ALTER TABLE tasks ENABLE TRIGGER USER")
    op.execute(
        "UPDATE kept k SET was = k.was || jsonb_build_object('started_by', p.started_by) FROM processes p "
        "WHERE k.about = 'tasks' AND k.was IS NOT NULL AND p.id = k.process_id"
    )
    for index, table in NEW:
        op.drop_index(index, table, if_exists=True)  # a new database has it already
    op.create_index(
        "ix_tasks_started", "tasks", ["started_by", *URGENCY_ORDER], postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "ix_processes_starter", "processes", ["started_by"], postgresql_include=["id", "kind", "org_unit", "subject"]
    )
    op.create_index(
        "ix_tallies_names", "tallies", ["names"], postgresql_using="gin", postgresql_where=sa.text("names <> '{}'")
    )
    op.drop_index("ix_processes_started_by", "processes", if_exists=True)
    for statement in RECOUNT:
        op.execute(statement)


def downgrade() -> None:
    """What is counted is counted anew by whoever upgrades again."""
    op.create_index(
        "ix_processes_started_by", "processes", ["started_by"], postgresql_where=sa.text("closed_at IS NULL")
    )
    for index, table in NEW:
        op.drop_index(index, table)
