"""Values on record can be amended by two people: the amendments with both values."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table where it is missing."""
    cast("dict[str, sa.Table]", Base.metadata.tables)["amendments"].create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    op.drop_table("amendments")
