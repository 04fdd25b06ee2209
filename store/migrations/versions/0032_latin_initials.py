"""People are found by the initials of their passport's name too: those on record get them, with their cases and tasks."""

from alembic import op
from sqlalchemy import text

from store.people import initials_of, latin_initials, pinyin_of

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_PERSON = text("UPDATE persons SET initials = :initials WHERE id = :id")
_CASES = text(
    "UPDATE processes SET search = replace(search, :old, :new) WHERE subject = :id AND strpos(search, :new) = 0"
)
_TASKS = text(
    "UPDATE tasks SET search = replace(search, :old, :new) "
    "WHERE process_id IN (SELECT id FROM processes WHERE subject = :id) AND strpos(search, :new) = 0"
)


def upgrade() -> None:
    """Puts the initials behind the name as it stands in the words of cases and tasks."""
    op.execute("LOCK TABLE tasks, processes")
    found: list[dict[str, str]] = []
    for person_id, name, name_zh in op.get_bind().execute(text("SELECT id, name, name_zh FROM persons")):
        short, old = latin_initials(name), f" {name.lower()} {pinyin_of(name)}"
        if short:
            known = {"id": person_id, "initials": initials_of(name, name_zh)}
            found.append({**known, "old": old, "new": f"{old} {short}"})
    op.execute("ALTER TABLE tasks DISABLE TRIGGER USER")  # nothing that is counted changes, and no title
    for statement in (_PERSON, _CASES, _TASKS) if found else ():
        names = statement.compile().params
        op.get_bind().execute(statement, [{k: row[k] for k in names} for row in found])
    op.execute("ALTER TABLE tasks ENABLE TRIGGER USER")


def downgrade() -> None:
    """Words too many harm nobody."""
