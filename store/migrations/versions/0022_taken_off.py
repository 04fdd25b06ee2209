"""Lines that were taken off a bill before its payment. Nobody was before. Safe on a fresh database and on one with data."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table where it is missing."""
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables["taken_off"])])


def downgrade() -> None:
    """Who was taken off which bill is forgotten; the lines stay."""
    op.drop_table("taken_off")
