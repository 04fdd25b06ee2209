"""An administrator can stop a channel, and reads in plain words what is wrong with it."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


COLUMNS = ("trouble VARCHAR", "stopped_at TIMESTAMPTZ", "stopped_by VARCHAR")


def upgrade() -> None:
    """What failed before has no kind of trouble; the next failure names it."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE channels ADD COLUMN IF NOT EXISTS {column}")


def downgrade() -> None:
    for column in COLUMNS:
        op.execute(f"ALTER TABLE channels DROP COLUMN {column.split()[0]}")
