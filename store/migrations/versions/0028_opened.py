"""Tallies are looked up by what they count too; the days on which free tasks were opened are tallied for themselves, so
that no other count reads them."""

import sqlalchemy as sa
from alembic import op

from store.tables.counting import INSTALL, RECOUNT

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes anew, installs today's triggers and counts by them."""
    op.execute("LOCK TABLE tasks, processes")
    _index("about", "what", "at", "key")
    op.drop_index("ix_tallies_holder", "tallies", if_exists=True)  # a new database has it already
    op.create_index(
        "ix_tallies_holder", "tallies", ["what", "at", "key"],
        postgresql_include=["clock", "n"], postgresql_where=sa.text("about = 'holder'"),
    )  # fmt: skip
    # Rows come and go all day; only of a page that was tidied up is the index enough.
    op.execute("ALTER TABLE tallies SET (autovacuum_vacuum_scale_factor = 0.02)")
    for statement in (*INSTALL, *RECOUNT):
        op.execute(statement)


def downgrade() -> None:
    """The index of before; what is counted is counted anew by whoever upgrades again."""
    op.execute("ALTER TABLE tallies RESET (autovacuum_vacuum_scale_factor)")
    op.drop_index("ix_tallies_holder", "tallies")
    _index("about", "at", "key")


def _index(*columns: str) -> None:
    op.drop_index("ix_tallies_sum", "tallies", if_exists=True)
    op.create_index("ix_tallies_sum", "tallies", columns)
