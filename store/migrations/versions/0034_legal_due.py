"""Cases know the first of their dates that are no targets of the school, by which the forecast says who will be late;
suspended tasks are not unclaimed."""

from alembic import op

from store.tables.counting import INSTALL, RECOUNT

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Fills the column of open cases, and counts by it."""
    op.execute("LOCK TABLE tasks, processes")
    for statement in INSTALL:
        op.execute(statement)
    op.execute("ALTER TABLE processes DISABLE TRIGGER USER")
    op.execute(
        "UPDATE processes p SET legal_due_at = (SELECT min((d.value ->> 'due_at')::timestamptz) "
        "FROM jsonb_array_elements(p.deadlines) d WHERE d.value ->> 'met_at' IS NULL "
        "AND d.value ->> 'legal_kind' <> 'internal') WHERE p.closed_at IS NULL"
    )
    op.execute("ALTER TABLE processes ENABLE TRIGGER USER")
    for statement in RECOUNT:
        op.execute(statement)


def downgrade() -> None:
    """What is counted is counted anew by whoever upgrades again."""
