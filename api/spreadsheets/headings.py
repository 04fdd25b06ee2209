"""Headings: which column holds which field.

The words are data (`policies/import_columns.yaml`); nothing here knows a row or a value. Invariant: nothing is chosen
between two columns for one field, or two fields for one heading, without a better heading that says so.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import cast

from api.spreadsheets.heading_brackets import Brackets, brackets_of
from api.spreadsheets.heading_parts import WAGE, fields_of, fields_with_brackets, outside_brackets, vocabulary
from api.spreadsheets.money import measure_of_heading, wrong_heading
from api.spreadsheets.reader import Cell
from schemas.base import Text

LONGEST_HEADING = 60
TEMPLATE, LISTED, BY_PARTS = 0, 1, 2  # how good a heading is: ours, a known word, understood by its parts
WITHOUT_BRACKETS, SECOND = 3, 9  # added; and a column that is read only beside or instead of a better one


def fields() -> dict[str, list[str]]:
    return cast("dict[str, list[str]]", vocabulary()["fields"])


def label(name: str) -> Text:
    """What a field is called: the heading of our template, and its English name."""
    return Text(zh=fields()[name][0], en=vocabulary()["labels_en"][name])


def normalise(heading: str) -> str:
    """A heading for comparing: half width, lower case, without blanks, stars, brackets and punctuation."""
    text = unicodedata.normalize("NFKC", heading).lower()
    return re.sub(r"[\s*:;,.、·・_\-—()\[\]{}【】〔〕《》<>#\"'“”/\\]", "", text)


@cache
def _ranks() -> dict[str, list[tuple[int, str]]]:
    ranks: dict[str, list[tuple[int, str]]] = {}
    for name, words in fields().items():
        for rank, word in enumerate(words):
            ranks.setdefault(normalise(word), []).append((rank, name))
    return ranks


@cache
def second_words() -> set[str]:
    """Headings that are read only where a better column is absent or empty, and compared with it otherwise."""
    return {normalise(word) for words in vocabulary()["second"].values() for word in words}


@cache
def ignored_words() -> set[str]:
    """Headings of columns that say nothing the case needs."""
    return {normalise(word) for word in vocabulary()["ignored"]}


@dataclass(frozen=True)
class Reading:
    """How good a heading is, and the fields that it may mean; no fields: it is not understood. `refusal`: why a column
    is not read though its field is clear; `remark`: what is said of one that is read."""

    strength: int = SECOND
    names: tuple[str, ...] = ()
    refusal: Text | None = None
    remark: Text | None = None


@lru_cache(maxsize=8192)
def _reading(heading: str) -> Reading:
    if len(heading) > LONGEST_HEADING:
        return Reading()
    second = SECOND if normalise(heading) in second_words() else 0
    strength, names = _by_words(heading)
    brackets = Brackets()
    if not names:
        strength, names = _by_words(outside_brackets(heading))
        brackets = brackets_of(heading, names)
        second += WITHOUT_BRACKETS
    if not names or brackets.means_other:
        return Reading()
    refusal = brackets.refusal
    if names == (WAGE,) and (wrong := measure_of_heading(heading).wrong):
        refusal = wrong_heading(heading, wrong)
    return Reading(strength + second, names, refusal, brackets.remark)


def fields_meant(heading: str) -> bool:
    """Whether a heading means some field, be it one that is not read or one of several."""
    return bool(_reading(heading).names)


def _by_words(text: str) -> tuple[int, tuple[str, ...]]:
    listed = _ranks().get(normalise(text), [])
    ours = tuple(name for rank, name in listed if rank == 0)
    if listed:
        return (TEMPLATE if ours else LISTED), ours or tuple(dict.fromkeys(name for _, name in listed))
    return BY_PARTS, tuple(fields_of(text) or fields_with_brackets(text))


@dataclass(frozen=True)
class Match:
    """What the headings of one row are.

    `columns`: field -> column. Of the others: `rivals` say the same as the column that was taken and just as well
    (field -> columns); `surplus` are understood, but a better heading gives the field (column -> field); `unclear` may
    mean several fields (column -> fields); `unknown` are not understood; `refused` are understood and cannot be read
    (column -> why). `remarks` say something of columns that are read.
    """

    columns: dict[str, int] = field(default_factory=dict[str, int])
    rivals: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    surplus: dict[int, str] = field(default_factory=dict[int, str])
    unclear: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    unknown: list[int] = field(default_factory=list[int])
    refused: dict[int, Text] = field(default_factory=dict[int, Text])
    remarks: dict[int, Text] = field(default_factory=dict[int, Text])


def match_headings(cells: list[Cell]) -> Match:
    """Which field stands in which column: the best heading of a field first, each field and each column once."""
    match = Match()
    several: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    offers: dict[str, list[tuple[int, int]]] = {}
    for index, heading in _headings(cells):
        reading = _reading(heading)
        strength, names = reading.strength, reading.names
        if reading.remark is not None:
            match.remarks[index] = reading.remark
        if reading.refusal is not None:
            match.refused[index] = reading.refusal
        elif not names:
            if normalise(heading) not in ignored_words():
                match.unknown.append(index)
        elif len(names) == 1:
            offers.setdefault(names[0], []).append((strength, index))
        else:
            several.setdefault((strength, names), []).append(index)
    for name, columns in offers.items():
        best, match.columns[name] = min(columns)
        for strength, index in sorted(columns)[1:]:
            if strength == best < SECOND:
                match.rivals.setdefault(name, []).append(index)
            else:
                match.surplus[index] = name
    for (strength, names), columns in sorted(several.items()):
        _assign_one_of(match, names, columns, listed=strength % WITHOUT_BRACKETS < BY_PARTS)
    return match


def _assign_one_of(match: Match, names: tuple[str, ...], columns: list[int], *, listed: bool) -> None:
    """A listed word that fits several fields (姓名) is the one that no other column gives, the required one first. What
    is only understood by its parts (有效期至) is asked back."""
    free = [name for name in names if name not in match.columns]
    needed = [name for name in free if name in vocabulary()["required"]]
    chosen = (needed if len(needed) == 1 else free) if listed else []
    if len(chosen) == 1:
        match.columns[chosen[0]] = columns[0]
        if columns[1:]:
            match.rivals[chosen[0]] = columns[1:]
    elif free or not listed:
        match.unclear.update(dict.fromkeys(columns, names))
    else:
        match.surplus.update(dict.fromkeys(columns, names[0]))


def _headings(cells: list[Cell]) -> Iterator[tuple[int, str]]:
    for index, cell in enumerate(cells):
        if isinstance(cell, str) and normalise(cell):
            yield index, cell
