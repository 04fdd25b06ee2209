"""Incidents: a table of faults, open and ended. Safe on a fresh database and on one with data."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table where it is missing."""
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables["incidents"])])


def downgrade() -> None:
    """What failed is told by the timelines only."""
    op.drop_table("incidents")
