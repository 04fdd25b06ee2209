"""Words that a search box looks for among many cases: the words of a case in pieces of one to three characters.

Chinese names have two or three characters, too short for the usual three-letter pieces and too many for reading every
task. The words stand beside the case and not in its row or in its tasks: those change with each step, and each change
would write all pieces anew.

Invariants: written by triggers only, in the transaction that writes the case or task; the pieces leave no case out and
may name one too many, so whoever asks looks at the words themselves as well (`store/words.py`).
"""

from sqlalchemy import DDL, Index, event, func
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

LONGEST = 3  # characters of a piece, here and in the function

GRAMS = """
CREATE OR REPLACE FUNCTION search_grams(said text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(DISTINCT substr(word, place, size)), '{}')
  FROM regexp_split_to_table(said, E'\\\\s+') AS word, generate_series(1, 3) AS size,
    generate_series(1, char_length(word) - size + 1) AS place
  WHERE size > 1 OR ascii(substr(word, place, 1)) > 127  -- one Latin letter is in nearly every name
$$
"""


class CaseWords(Base):
    """The words of a case: number, names, pinyin and initials, as `processes.search` has them."""

    __tablename__ = "case_words"
    process_id: Mapped[str] = mapped_column(primary_key=True)
    words: Mapped[str]


Index(
    "ix_case_words_grams",
    func.search_grams(CaseWords.words),
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},  # a case is written once and looked for often
)
event.listen(CaseWords.__table__, "before_create", DDL(GRAMS.replace("%", "%%")))


class TitleWords(Base):
    """The words of task titles, each set once: there are some hundreds, however many tasks there are. `title` is the
    Chinese title in lower case, by which open tasks are found (`ix_tasks_title`)."""

    __tablename__ = "title_words"
    words: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(server_default="")


_FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION keep_case_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO case_words (process_id, words) VALUES (NEW.id, NEW.search)
  ON CONFLICT (process_id) DO UPDATE SET words = excluded.words WHERE case_words.words <> excluded.words;
  RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE FUNCTION keep_title_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO title_words (words, title) VALUES (coalesce(
    (SELECT substr(NEW.search, char_length(p.search) + 2) FROM processes p
     WHERE p.id = NEW.process_id AND starts_with(NEW.search, p.search || ' ')), NEW.search), lower(NEW.title_zh))
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$
""",
)
TRIGGERS = (
    ("processes", "keep_case_words", "AFTER INSERT OR UPDATE OF search"),
    ("tasks", "keep_title_words", "AFTER INSERT OR UPDATE OF search"),
)
INSTALL = (
    *_FUNCTIONS,
    *(
        f"CREATE OR REPLACE TRIGGER {name} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        for table, name, event in TRIGGERS
    ),
)
FILL = (
    "INSERT INTO case_words (process_id, words) SELECT id, search FROM processes ON CONFLICT DO NOTHING",
    "INSERT INTO title_words (words, title) SELECT DISTINCT CASE WHEN starts_with(t.search, p.search || ' ') "
    "THEN substr(t.search, char_length(p.search) + 2) ELSE t.search END, lower(t.title_zh) "
    "FROM tasks t JOIN processes p ON p.id = t.process_id ON CONFLICT DO NOTHING",
)
