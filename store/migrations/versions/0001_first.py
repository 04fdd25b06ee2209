"""All tables of the first version.

Made from the table definitions themselves, with the rules attached to them (the append-only ledger); later versions
change single tables.
"""

from alembic import op

from store.tables import Base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates every table, index, sequence and trigger."""
    Base.metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drops everything again."""
    Base.metadata.drop_all(op.get_bind())
