"""Open tasks are found by a word of their title: the titles stand beside their words. What there is is read again."""

from alembic import op

from store.tables.words import FILL, INSTALL

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds column and index where they are missing, and reads the titles of the tasks that there are."""
    op.execute("LOCK TABLE tasks, processes")
    op.execute("ALTER TABLE title_words ADD COLUMN IF NOT EXISTS title text NOT NULL DEFAULT ''")
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_tasks_title ON tasks "
        "(lower(title_zh), sort_day, legal_rank, sort_at, case_no, id) WHERE closed_at IS NULL"
    )
    for statement in (*INSTALL, "DELETE FROM title_words", *FILL):
        op.execute(statement)


def downgrade() -> None:
    """The column stays, with its default: an older program does not ask for it."""
    op.execute("DROP INDEX IF EXISTS ix_tasks_title")
