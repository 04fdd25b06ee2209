"""The first reply to an answer, kept for whoever asks again with the same key. Safe on a fresh database and on old ones."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column where it is missing; older answers are told as the process now is."""
    if "reply" not in {c["name"] for c in sa.inspect(op.get_bind()).get_columns("submissions")}:
        op.add_column("submissions", sa.Column("reply", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """The same key is told how the process now is."""
    op.drop_column("submissions", "reply")
