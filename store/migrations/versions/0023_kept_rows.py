"""Old versions of the rows that a case page and an inbox show are kept from now on. Safe on a fresh database and on one
with data: what is there counts as it is from today. Triggers and views come after every migration (`keeping.lay`)."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base
from store.tables.keeping import FUNCTIONS, REMOVE_FUNCTIONS, SINCE

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table, and says from when on rows are kept."""
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables["kept"])])
    for statement in FUNCTIONS:
        op.execute(statement)
    since = sa.text("INSERT INTO settings VALUES (:key, to_jsonb(keeping_instant())) ON CONFLICT DO NOTHING")
    op.execute(since.bindparams(key=SINCE))


def downgrade() -> None:
    """What was kept is forgotten."""
    op.drop_table("kept")
    for statement in REMOVE_FUNCTIONS:
        op.execute(statement)
    op.execute(sa.text("DELETE FROM settings WHERE key = :key").bindparams(key=SINCE))
