"""The board counts cases by stage, and tasks that nobody took for too long. What there is is counted anew."""

from alembic import op

from store.tables.counting import INSTALL, RECOUNT

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Installs today's triggers and counts by them."""
    op.execute("LOCK TABLE tasks, processes")
    for statement in (*INSTALL, *RECOUNT):
        op.execute(statement)


def downgrade() -> None:
    """Nothing: what an older program does not ask for does not disturb its sums."""
