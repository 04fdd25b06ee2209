"""Cases that have not written their first row are found without reading all of them."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_processes_not_begun ON processes (id) WHERE revision = 0 AND closed_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_processes_not_begun")
