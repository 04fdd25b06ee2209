"""What is typed into a search box, as words: which of them name cases, and which stand in the titles of tasks.

The whole text may also be a receipt of an agency: then all cases with it are found beside those that the words name,
in lists of tasks and of cases alike. A receipt is nobody's personal number and is compared as it is.

Invariant: a task or case is found exactly when each word stands in its `search`; the index of pieces (`case_words`) and
that of titles only say where to look. Cases with the words are looked up first and handed on as a list. A word that
stands in titles and in cases' words leads to the tasks with these titles and to those of these cases, each by its
index. Only where very many cases are named (`MOST`: a year, a part of every case number) the list itself is read: there
every few tasks have it, and a page is full soon. Both indexes are of today: whoever looks back reads the list, where
names may have been others.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from runtime import clock
from store.tables.processes import Process, Task
from store.tables.registrations import Registration
from store.tables.words import LONGEST, CaseWords, TitleWords

MOST = 10_000  # cases that are looked up one by one


@dataclass(frozen=True)
class Word:
    """One word, lower case. `titles`: those in which it stands, lower case; `cases`: beside them the cases in whose
    words it stands as well, None where they are too many or not known."""

    text: str
    titles: tuple[str, ...] = ()
    cases: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Said:
    """What was typed: its words, the cases that have all of those that stand in no title (None: too many or not known),
    and the spellings in which it is a receipt on record."""

    words: tuple[Word, ...] = ()
    named: tuple[str, ...] | None = None
    receipts: tuple[str, ...] = ()


def split(text: str | None) -> list[str]:
    return (text or "").lower().split()


async def read(session: AsyncSession, text: str | None) -> Said:
    """A search for tasks. Nothing is asked where nothing was typed."""
    found = tuple([await _read(session, word) for word in split(text)])
    named = await _cases(session, [word.text for word in found if not word.titles])
    return Said(found, named, await receipts(session, text))


async def receipts(session: AsyncSession, text: str | None) -> tuple[str, ...]:
    """The spellings of the text that are receipts on record: as typed, half width, without blanks, in either case."""
    typed = (text or "").strip()
    if not typed:
        return ()
    plain = unicodedata.normalize("NFKC", typed)
    tight = "".join(plain.split())
    spelt = {typed, plain, *(form for one in (plain, tight) for form in (one, one.upper(), one.lower()))}
    known = select(Registration.receipt_no).where(Registration.receipt_no.in_(spelt)).distinct()
    return tuple(sorted(no for no in await session.scalars(known) if no is not None))


def _or_received(
    process_id: InstrumentedAttribute[str], found: list[ColumnElement[bool]], receipts: Sequence[str]
) -> list[ColumnElement[bool]]:
    """What the words find, or a case with one of these receipts."""
    if not receipts:
        return found
    return [
        or_(and_(*found), process_id.in_(select(Registration.process_id).where(Registration.receipt_no.in_(receipts))))
    ]


async def _read(session: AsyncSession, word: str) -> Word:
    if clock.looked_at():
        return Word(word)
    titles = select(TitleWords.title).where(TitleWords.words.contains(word, autoescape=True)).distinct()
    found = tuple(sorted(await session.scalars(titles)))
    return Word(word, found, await _cases(session, [word]) if found else None)


async def _cases(session: AsyncSession, words: Sequence[str]) -> tuple[str, ...] | None:
    """The cases with all these words; None where they are too many, or no index knows them.

    They are asked for themselves and handed on as a list: a statement that finds them within would be planned once for
    rare and common words, and then reads the whole list in its order to find somebody whose name is rare.
    """
    if clock.looked_at() or not any(_pieces(word) for word in words):
        return None
    has = [CaseWords.words.contains(word, autoescape=True) for word in words]
    cases = tuple(await session.scalars(select(CaseWords.process_id).where(*has, _grams(words)).limit(MOST + 1)))
    return cases if len(cases) <= MOST else None


def of_task(said: Said) -> list[ColumnElement[bool]]:
    """Tasks with all these words, in their case's words or in their title; or of a case with the receipt."""
    titled = [word for word in said.words if word.titles]
    found = [_led(word.titles, word.cases) for word in titled if word.cases is not None]
    looked = titled
    if said.named is not None:
        found.append(_of(said.named))
    else:
        looked = list(said.words)
        found += _of_cases(Task.process_id, [word.text for word in said.words if not word.titles])
    found += [Task.search.contains(word.text, autoescape=True) for word in looked]
    return _or_received(Task.process_id, found, said.receipts)


def _led(titles: Sequence[str], cases: Sequence[str]) -> ColumnElement[bool]:
    """Tasks with one of these titles, or of one of these cases: two indexes, read side by side."""
    titled = func.lower(Task.title_zh).in_(titles)
    return or_(titled, _of(cases)) if cases else titled


def _of(cases: Sequence[str]) -> ColumnElement[bool]:
    return Task.process_id == any_(literal(list(cases), ARRAY(Text)))


def of_process(text: str | None, receipts: Sequence[str] = ()) -> list[ColumnElement[bool]]:
    """Processes with all these words, or with one of the receipts (`receipts` says which the text is)."""
    words = split(text)
    found = [Process.search.contains(word, autoescape=True) for word in words]
    return _or_received(Process.id, [*found, *_of_cases(Process.id, words)], receipts)


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
