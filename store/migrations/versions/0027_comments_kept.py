"""Comments are followed as well, so that a task is shown with those that it had. What is there came when it was written."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A comment never changes: before it was written there was none."""
    op.execute(
        "INSERT INTO kept (about, key, process_id, since, until) "
        "SELECT 'comments', id::text, process_id, '-infinity', at FROM comments ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    """What was kept of them is forgotten."""
    op.execute("DELETE FROM kept WHERE about = 'comments'")
