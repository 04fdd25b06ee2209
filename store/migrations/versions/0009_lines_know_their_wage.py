"""Premium lines keep the declared wage and the scheme they were computed with. Lines written before have none; who
computes them again asks the record of their case. Safe on a fresh database and on one with data."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = ("declared numeric(14, 2)", "scheme varchar")


def upgrade() -> None:
    """Adds the columns where they are missing."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE premium_lines ADD COLUMN IF NOT EXISTS {column}")


def downgrade() -> None:
    """The explanation of a line still says the wage in words."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE premium_lines DROP COLUMN {column.split()[0]}")
