"""An index of finished tasks by the time of their end, for figures by month."""

from typing import Any, cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index where it is missing."""
    table = cast("dict[str, sa.Table]", Base.metadata.tables)["tasks"]
    indexes: dict[Any, sa.Index] = {i.name: i for i in table.indexes}
    indexes["ix_tasks_closed"].create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Reads all tasks for the figures again."""
    op.execute("DROP INDEX IF EXISTS ix_tasks_closed")
