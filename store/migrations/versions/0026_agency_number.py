"""The agency's bill keeps who is on it and on no list of ours, with the number that stands there, encrypted."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now a bill with such a person was not kept."""
    op.execute("ALTER TABLE agency_lines ADD COLUMN IF NOT EXISTS number BYTEA")


def downgrade() -> None:
    """Without their numbers the lines of unknown people say nothing."""
    op.execute("DELETE FROM agency_lines WHERE number IS NOT NULL")
    op.execute("ALTER TABLE agency_lines DROP COLUMN number")
