"""Persons known again under another document number: hashes of the work permit, and of name, birth and country.

Safe on a database that the first version made from today's tables, and on one with data, whose hashes are made here
with the installation's key.
"""

import sqlalchemy as sa
from alembic import op

from store.alike import hashes
from store.sealed import unseal

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = ("permit_hash", "who_hash")


def upgrade() -> None:
    """Adds what is missing and makes the hashes of those who are there."""
    bind = op.get_bind()
    if COLUMNS[0] in {c["name"] for c in sa.inspect(bind).get_columns("persons")}:
        return
    for column in COLUMNS:
        op.add_column("persons", sa.Column(column, sa.String(), nullable=False, server_default=""))
    persons = sa.table("persons", *map(sa.column, ("id", "name", "country", "secrets", *COLUMNS)))
    for row in bind.execute(sa.select(persons.c.id, persons.c.name, persons.c.country, persons.c.secrets)).all():
        secrets = unseal(row.secrets)
        made = hashes(
            name=row.name, birth=secrets["birth"], country=row.country, work_permit_no=secrets["work_permit_no"]
        )
        bind.execute(persons.update().where(persons.c.id == row.id).values(**made))
    for column in COLUMNS:
        op.alter_column("persons", column, server_default=None)
        op.create_index(f"ix_persons_{column}", "persons", [column])


def downgrade() -> None:
    """A person is known by the document number alone."""
    for column in COLUMNS:
        op.drop_index(f"ix_persons_{column}", "persons")
        op.drop_column("persons", column)
