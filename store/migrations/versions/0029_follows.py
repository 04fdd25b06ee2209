"""A message that asks whoever has a task to do something follows the task from hand to hand."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What waits already stays with whom it was written to."""
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS follows BOOLEAN NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE outbox DROP COLUMN follows")
