"""Changes of the rules, orders to running cases, and the version of the rules that a case works by.

Safe on a database that the first version made from today's tables, and on one with data.
"""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("policy_changes", "policy_orders")


def upgrade() -> None:
    """Adds what is missing."""
    bind = op.get_bind()
    Base.metadata.create_all(bind, tables=[cast("sa.Table", Base.metadata.tables[t]) for t in TABLES])
    if "policy_version" not in {c["name"] for c in sa.inspect(bind).get_columns("processes")}:
        op.add_column("processes", sa.Column("policy_version", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drops it again; changes that were applied are lost, the shipped rules hold."""
    op.drop_column("processes", "policy_version")
    for table in reversed(TABLES):
        op.drop_table(table)
