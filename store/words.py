"""What is typed into a search box, as words: which of them name cases, and which may stand in the titles of tasks.

Invariant: a task or case is found exactly when each word stands in its `search`; the index of pieces (`case_words`)
only says where to look. A word of a title is looked for by reading the list in its order, which is quick, because
titles are common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from store.tables.processes import Process, Task
from store.tables.words import LONGEST, CaseWords, TitleWords


@dataclass(frozen=True)
class Word:
    """One word, lower case. `in_titles`: it stands in the title of some task."""

    text: str
    in_titles: bool


def split(text: str | None) -> list[str]:
    return (text or "").lower().split()


async def read(session: AsyncSession, text: str | None) -> list[Word]:
    """The words of a search for tasks; one statement, and none where nothing was typed."""
    words = split(text)
    if not words:
        return []
    in_titles = [exists().where(TitleWords.words.contains(word, autoescape=True)).select() for word in words]
    found = (await session.execute(select(*(one.scalar_subquery() for one in in_titles)))).one()
    return [Word(word, bool(title)) for word, title in zip(words, found, strict=True)]


def of_task(words: Sequence[Word]) -> list[ColumnElement[bool]]:
    """Tasks with all these words, in their case's words or in their title."""
    found = [Task.search.contains(word.text, autoescape=True) for word in words]
    return [*found, *_of_cases(Task.process_id, [word.text for word in words if not word.in_titles])]


def of_process(text: str | None) -> list[ColumnElement[bool]]:
    """Processes with all these words."""
    words = split(text)
    return [*(Process.search.contains(word, autoescape=True) for word in words), *_of_cases(Process.id, words)]


def _of_cases(process_id: InstrumentedAttribute[str], words: Sequence[str]) -> list[ColumnElement[bool]]:
    """That the case is one of those with all pieces of these words."""
    pieces = sorted({piece for word in words for piece in _pieces(word)})
    if not pieces:
        return []
    cases = select(CaseWords.process_id).where(
        func.search_grams(CaseWords.words).bool_op("@>")(literal(pieces, ARRAY(Text)))
    )
    return [process_id.in_(cases)]


def _pieces(word: str) -> list[str]:
    """The longest pieces of a word that the index has; none for one Latin letter."""
    size = min(LONGEST, len(word))
    if size == 1 and word.isascii():
        return []
    return [word[place : place + size] for place in range(len(word) - size + 1)]
