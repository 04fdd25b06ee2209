"""An order to take over rules names the version of the rules that were in force when it was given.

Safe on a database that the first version made from today's tables, and on one with data.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column where it is missing."""
    if "version" not in {c["name"] for c in sa.inspect(op.get_bind()).get_columns("policy_orders")}:
        op.add_column("policy_orders", sa.Column("version", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drops it again."""
    op.drop_column("policy_orders", "version")
