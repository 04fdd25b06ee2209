"""Unmet deadlines are counted by day, authority and legal kind. What there is is counted anew."""

from alembic import op

from store.tables.counting import INSTALL, RECOUNT

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Installs today's triggers and counts by them."""
    op.execute("LOCK TABLE tasks, processes")
    for statement in (*INSTALL, *RECOUNT):
        op.execute(statement)


def downgrade() -> None:
    """Nothing: what an older program does not ask for does not disturb its sums."""
