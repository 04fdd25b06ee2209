"""The unmet deadlines of open cases stand in rows of their own. What there is is written by today's trigger."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base
from store.tables.dates import FILL, INSTALL, REMOVE

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table where it is missing, and fills it while nobody writes."""
    cast("dict[str, sa.Table]", Base.metadata.tables)["case_dates"].create(op.get_bind(), checkfirst=True)
    op.execute("LOCK TABLE processes")
    for statement in (*INSTALL, *FILL):
        op.execute(statement)


def downgrade() -> None:
    """A case keeps its deadlines in its own row."""
    for statement in REMOVE:
        op.execute(statement)
