"""Messages through several channels: the outbox of mail becomes the outbox, with channel, reader, holding and bundle.

Safe on a database that the first version made from today's tables, and on one with data: what waits there as mail goes on
as mail to its recipient.
"""

from typing import Any, cast

import sqlalchemy as sa
from alembic import op

from store.tables import Base

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("channels", "message_settings")
COLUMNS: tuple[tuple[str, Any], ...] = (
    ("username", sa.String()),
    ("held_until", sa.DateTime(timezone=True)),
    ("bundle", sa.String()),
    ("taken_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    """Renames and adds what is missing."""
    bind = op.get_bind()
    Base.metadata.create_all(bind, tables=[cast("sa.Table", Base.metadata.tables[t]) for t in TABLES])
    if sa.inspect(bind).has_table("mail_outbox"):
        op.drop_index("ix_mail_outbox_pending", "mail_outbox", if_exists=True)
        op.execute("ALTER INDEX IF EXISTS ix_mail_outbox_task_id RENAME TO ix_outbox_task_id")
        op.drop_constraint("uq_mail_outbox_key", "mail_outbox", type_="unique")
        op.rename_table("mail_outbox", "outbox")
        op.add_column("outbox", sa.Column("channel", sa.String(), nullable=False, server_default="mail"))
        op.alter_column("outbox", "channel", server_default=None)
        op.alter_column("outbox", "recipient", nullable=True)
        for name, kind in COLUMNS:
            op.add_column("outbox", sa.Column(name, kind, nullable=True))
        op.create_foreign_key("fk_outbox_username", "outbox", "users", ["username"], ["username"], ondelete="CASCADE")
        op.create_unique_constraint("uq_outbox_key", "outbox", ["channel", "key"])
        op.create_index("ix_outbox_username", "outbox", ["username"])
        op.create_index(
            "ix_outbox_pending", "outbox", ["channel", "created_at"], postgresql_where=sa.text("state = 'pending'")
        )


def downgrade() -> None:
    """Back to the outbox of mail; what was to go through other channels is lost."""
    op.execute("DELETE FROM outbox WHERE channel <> 'mail' OR recipient IS NULL")
    op.drop_index("ix_outbox_pending", "outbox")
    op.drop_index("ix_outbox_username", "outbox")
    op.drop_constraint("uq_outbox_key", "outbox", type_="unique")
    for name, _ in COLUMNS:
        op.drop_column("outbox", name)
    op.drop_column("outbox", "channel")
    op.rename_table("outbox", "mail_outbox")
    op.create_unique_constraint("uq_mail_outbox_key", "mail_outbox", ["key"])
    for table in reversed(TABLES):
        op.drop_table(table)
