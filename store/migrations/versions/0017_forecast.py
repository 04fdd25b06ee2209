"""How fast steps are, and from when each open case will be late. Both are measured by the chores of the worker.

Safe on a fresh database and on one with data, whose cases are counted anew.
"""

from typing import Any, cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base
from store.tables.counting import INSTALL, RECOUNT

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEXES = (("processes", "ix_processes_unforecast"), ("tasks", "ix_tasks_finished"))


def upgrade() -> None:
    """Adds what is missing."""
    bind = op.get_bind()
    tables = cast("dict[str, sa.Table]", Base.metadata.tables)
    Base.metadata.create_all(bind, tables=[tables["step_speeds"]])
    op.execute("LOCK TABLE tasks, processes")
    for statement in (*INSTALL, *RECOUNT):
        op.execute(statement)
    for table, name in INDEXES:
        indexes: dict[Any, sa.Index] = {i.name: i for i in tables[table].indexes}
        indexes[name].create(bind, checkfirst=True)


def downgrade() -> None:
    """The columns stay: the triggers of today read them."""
    for _, name in INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    op.drop_table("step_speeds")
