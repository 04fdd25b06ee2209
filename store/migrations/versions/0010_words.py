"""Words of cases and titles, so that a search does not read every task. Safe on a fresh database and on one with data."""

from typing import cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base
from store.tables.words import FILL, INSTALL, TRIGGERS

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = ("case_words", "title_words")


def upgrade() -> None:
    """Makes the tables where they are missing, and fills them from the cases and tasks that there are."""
    op.execute("LOCK TABLE tasks, processes")
    Base.metadata.create_all(op.get_bind(), tables=[cast("sa.Table", Base.metadata.tables[t]) for t in TABLES])
    for statement in (*INSTALL, *FILL):
        op.execute(statement)


def downgrade() -> None:
    """A search reads every task again."""
    for table, name, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(f"DROP FUNCTION {name}()")
    for table in TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION search_grams(text)")
