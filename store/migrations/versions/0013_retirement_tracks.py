"""The track of retirement set at a person. Nobody has one before; everybody retires by the own post until one is set.
Safe on a fresh database and on one with data."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table where it is missing."""
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables["retirement_tracks"])])


def downgrade() -> None:
    """What was set is lost: everybody retires by the own post."""
    op.drop_table("retirement_tracks")
