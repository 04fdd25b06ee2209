"""The agreements and insurances that cases of a version keep. Cases that run already work by the rules in force until
they take over a version. Safe on a fresh database and on one with data."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table where it is missing."""
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables["case_rules"])])


def downgrade() -> None:
    """Cases work by the rules in force again."""
    op.drop_table("case_rules")
