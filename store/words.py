"""What is typed into a search box, as words: which of them name cases, and which stand in the titles of tasks.

Invariant: a task or case is found exactly when each word stands in its `search`; the index of pieces (`case_words`) and
that of titles only say where to look. A word that stands in titles and in cases' words leads to the tasks with these
titles and to those of these cases, each by its index. Only where it names very many cases (`MOST`: a year, a part of
every case number) the list itself is read: there every few tasks have it, and a page is full soon. Both indexes are of
today: whoever looks back reads the list, where names may have been others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from runtime import clock
from store.tables.processes import Process, Task
from store.tables.words import LONGEST, CaseWords, TitleWords

MOST = 1000  # cases that are looked up one by one


@dataclass(frozen=True)
class Word:
    """One word, lower case. `titles`: those in which it stands, lower case; `cases`: beside them the cases in whose
    words it stands as well, None where they are too many or not known."""

    text: str
    titles: tuple[str, ...] = ()
    cases: tuple[str, ...] | None = None


def split(text: str | None) -> list[str]:
    return (text or "").lower().split()


async def read(session: AsyncSession, text: str | None) -> list[Word]:
    """The words of a search for tasks. Nothing is asked where nothing was typed."""
    return [await _read(session, word) for word in split(text)]


async def _read(session: AsyncSession, word: str) -> Word:
    if clock.looked_at():
        return Word(word)
    titles = select(TitleWords.title).where(TitleWords.words.contains(word, autoescape=True)).distinct()
    found = tuple(sorted(await session.scalars(titles)))
    if not found or not _pieces(word):
        return Word(word, found)
    named = select(CaseWords.process_id).where(CaseWords.words.contains(word, autoescape=True), _grams([word]))
    cases = tuple(await session.scalars(named.limit(MOST + 1)))
    return Word(word, found, cases if len(cases) <= MOST else None)


def of_task(words: Sequence[Word]) -> list[ColumnElement[bool]]:
    """Tasks with all these words, in their case's words or in their title."""
    found = [Task.search.contains(word.text, autoescape=True) for word in words]
    found += [_led(word.titles, word.cases) for word in words if word.titles and word.cases is not None]
    return [*found, *_of_cases(Task.process_id, [word.text for word in words if not word.titles])]


def _led(titles: Sequence[str], cases: Sequence[str]) -> ColumnElement[bool]:
    """Tasks with one of these titles, or of one of these cases: two indexes, read side by side."""
    titled = func.lower(Task.title_zh).in_(titles)
    return or_(titled, Task.process_id == any_(literal(list(cases), ARRAY(Text)))) if cases else titled


def of_process(text: str | None) -> list[ColumnElement[bool]]:
    """Processes with all these words."""
    words = split(text)
    return [*(Process.search.contains(word, autoescape=True) for word in words), *_of_cases(Process.id, words)]


def _of_cases(process_id: InstrumentedAttribute[str], words: Sequence[str]) -> list[ColumnElement[bool]]:
    """That the case is one of those with all pieces of these words."""
    if clock.looked_at() or not any(_pieces(word) for word in words):
        return []
    return [process_id.in_(select(CaseWords.process_id).where(_grams(words)))]


def _grams(words: Sequence[str]) -> ColumnElement[bool]:
    """That a case has all pieces of these words."""
    pieces = sorted({piece for word in words for piece in _pieces(word)})
    return func.search_grams(CaseWords.words).bool_op("@>")(literal(pieces, ARRAY(Text)))


def _pieces(word: str) -> list[str]:
    """The longest pieces of a word that the index has; none for one Latin letter."""
    size = min(LONGEST, len(word))
    if size == 1 and word.isascii():
        return []
    return [word[place : place + size] for place in range(len(word) - size + 1)]
