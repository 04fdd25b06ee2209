"""Tasks that somebody may not do are tallied under a name of their own, so that no other count reads them."""

import sqlalchemy as sa
from alembic import op

from store.tables.counting import INSTALL, RECOUNT

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Installs today's triggers and counts by them."""
    op.execute("LOCK TABLE tasks, processes")
    op.drop_index("ix_tallies_names", "tallies", if_exists=True)  # a new database has it already
    op.create_index(
        "ix_tallies_names", "tallies", ["names"], postgresql_using="gin", postgresql_where=sa.text("names <> '{}'")
    )
    for statement in (*INSTALL, *RECOUNT):
        op.execute(statement)


def downgrade() -> None:
    """What is counted is counted anew by whoever upgrades again."""
    op.drop_index("ix_tallies_names", "tallies")
