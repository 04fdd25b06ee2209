"""Reminders know whom they were for and by which message; escalations are acknowledged."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
COLUMNS = ("addressed_to VARCHAR", "acknowledged_at TIMESTAMPTZ", "acknowledged_by VARCHAR")


def upgrade() -> None:
    """What was sent before has no reader's role: it is shown, and waits for nobody's word."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE reminders ADD COLUMN IF NOT EXISTS {column}")
    op.create_index("ix_reminders_message_id", "reminders", ["message_id"], if_not_exists=True)


def downgrade() -> None:
    op.drop_index("ix_reminders_message_id", "reminders")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE reminders DROP COLUMN {column.split()[0]}")
