"""What people arrange at the inbox: substitutes, copies, saved views, its lines of the timeline; delegated and urged tasks.

Safe on a database that the first version made from today's tables, and on one with data.
"""

from typing import Any, cast

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from store.tables import Base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("inbox_events", "substitutions", "copies", "saved_views", "default_views")
COLUMNS: tuple[tuple[str, str, Any], ...] = (
    ("tasks", "owner", sa.Text()),
    ("tasks", "urged_at", sa.DateTime(timezone=True)),
    ("tasks", "urged_by", sa.Text()),
    ("tasks", "completed_for", sa.Text()),
    ("submissions", "acting_for", sa.Text()),
    ("documents", "comment_id", sa.Integer()),
)
INDEXES = (
    ("ix_tasks_owner", "owner", "owner IS NOT NULL"),
    ("ix_tasks_completed_for", "completed_for", "completed_for IS NOT NULL"),
)


def upgrade() -> None:
    """Adds what is missing."""
    bind = op.get_bind()
    Base.metadata.create_all(bind, tables=[cast("sa.Table", Base.metadata.tables[t]) for t in TABLES])
    columns = {
        t: {c["name"] for c in sa.inspect(bind).get_columns(t)} for t in {t for t, _, _ in COLUMNS} | {"comments"}
    }
    for table, name, kind in COLUMNS:
        if name not in columns[table]:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    if "mentions" not in columns["comments"]:
        mentions = sa.Column("mentions", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}")
        op.add_column("comments", mentions)
    for name, column, where in INDEXES:
        op.create_index(name, "tasks", [column], postgresql_where=sa.text(where), if_not_exists=True)


def downgrade() -> None:
    """Drops it again; what was arranged is lost."""
    for name, _, _ in INDEXES:
        op.drop_index(name, "tasks", if_exists=True)
    op.drop_column("comments", "mentions")
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
    for table in reversed(TABLES):
        op.drop_table(table)
