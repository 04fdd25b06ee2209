"""Task groups and tallies, and indexes in the order of the inbox: lists and counts that stay fast with many tasks.

Safe on a database that the first version made from today's tables, and on one with data, whose tasks are placed and
counted here.
"""

from typing import Any, cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base
from store.tables.counting import FUNCTIONS, INSTALL, RECOUNT, TRIGGERS

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("task_groups", "tallies")
NEW = (
    "ix_tasks_free",
    "ix_tasks_held",
    "ix_tasks_kind",
    "ix_tasks_subject",
    "ix_tasks_done",
)
OLD = ("ix_tasks_roles", "ix_tasks_holder", "ix_tasks_completed_by")


def upgrade() -> None:
    """Adds what is missing, then places and counts what there is."""
    bind = op.get_bind()
    tables = cast("dict[str, sa.Table]", Base.metadata.tables)
    Base.metadata.create_all(bind, tables=[tables[t] for t in TABLES])
    op.execute("LOCK TABLE tasks, processes")
    known = {c["name"] for c in sa.inspect(bind).get_columns("tasks")}
    if "group_id" not in known:
        op.add_column("tasks", sa.Column("group_id", sa.Integer(), nullable=True))
        op.add_column("tasks", sa.Column("clock_offset_seconds", sa.Integer(), nullable=False, server_default="0"))
    op.execute(FUNCTIONS[0])
    op.execute(
        "UPDATE tasks t SET group_id = task_group_of(t.roles, t.org_unit), clock_offset_seconds = p.clock_offset_seconds "
        "FROM processes p WHERE p.id = t.process_id AND t.group_id IS NULL"
    )
    op.alter_column("tasks", "group_id", nullable=False)
    if "group_id" not in known:
        op.create_foreign_key("fk_tasks_group_id_task_groups", "tasks", "task_groups", ["group_id"], ["id"])
    indexes: dict[Any, sa.Index] = {i.name: i for t in ("tasks", "processes") for i in tables[t].indexes}
    for name in NEW:
        indexes[name].create(bind, checkfirst=True)
    for name in OLD:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    for statement in (*INSTALL, *RECOUNT):
        op.execute(statement)


def downgrade() -> None:
    """Counts by looking at every task again."""
    for table, name, *_ in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in (
        "task_group_of(text[], text)", "tallies_of_task(tasks)", "tallies_of_process(processes)", "place_task()",
        "tally_task()", "tally_process()", "follow_process()",
    ):  # fmt: skip
        op.execute(f"DROP FUNCTION {function}")
    for name in NEW:
        op.execute(f"DROP INDEX {name}")
    op.drop_index("ix_processes_started_by", "processes", if_exists=True)
    op.create_index("ix_tasks_holder", "tasks", ["holder"], postgresql_where=sa.text("closed_at IS NULL"))
    op.create_index(
        "ix_tasks_roles", "tasks", ["roles"], postgresql_using="gin", postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index("ix_tasks_completed_by", "tasks", ["completed_by"])
    op.drop_column("tasks", "clock_offset_seconds")
    op.drop_column("tasks", "group_id")
    for table in TABLES:
        op.drop_table(table)
