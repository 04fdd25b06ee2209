"""What was done as part of a batch, so that a batch sent again does nothing twice.

Safe on a database that the first version made from today's tables, and on one with data.
"""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("batch_acts",)


def upgrade() -> None:
    """Adds what is missing."""
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables[t]) for t in TABLES])


def downgrade() -> None:
    """Drops it again; a batch sent again is then done again."""
    for table in reversed(TABLES):
        op.drop_table(table)
