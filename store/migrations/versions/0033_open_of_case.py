"""The open tasks of a case have an index of their own: the finished ones beside them are many."""

import sqlalchemy as sa
from alembic import op

from store.tables.processes import URGENCY_ORDER

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_tasks_of_case", "tasks", if_exists=True)  # a new database has it already
    op.create_index(
        "ix_tasks_of_case", "tasks", ["process_id"],
        postgresql_include=[*URGENCY_ORDER, "next_due_at", "latest_start", "clock_offset_seconds", "closed_at"],
        postgresql_where=sa.text("closed_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_tasks_of_case", "tasks")
