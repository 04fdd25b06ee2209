"""Headings: which column holds which field, in which sheet, under which header row.

The words are data (`policies/import_columns.yaml`); nothing here knows a row or a value. Invariant: nothing is chosen
between two columns for one field, or two fields for one heading, without a better heading that says so.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import cast

from api.spreadsheets.cells import text_of
from api.spreadsheets.heading_brackets import Brackets, brackets_of
from api.spreadsheets.heading_parts import WAGE, fields_of, fields_with_brackets, outside_brackets, vocabulary
from api.spreadsheets.money import measure_of_heading, wrong_heading
from api.spreadsheets.reader import Cell, Sheet, SpreadsheetError, Workbook
from schemas.base import Text

HEADER_SEARCH_ROWS = 30
HEADER_MIN_FIELDS = 5
LONGEST_HEADING = 60
TEMPLATE, LISTED, BY_PARTS = 0, 1, 2  # how good a heading is: ours, a known word, understood by its parts
WITHOUT_BRACKETS, SECOND = 3, 9  # added; and a column that is read only beside or instead of a better one
_NAMED_AT_MOST = 12


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


@dataclass(frozen=True)
class Header:
    """A header that was found: its sheet, its index in the sheet's rows, and what its headings are."""

    sheet: Sheet
    index: int
    match: Match

    @property
    def columns(self) -> dict[str, int]:
        return self.match.columns

    @property
    def free(self) -> list[str]:
        """Fields that no column gives."""
        return [name for name in fields() if name not in self.columns]

    @property
    def missing(self) -> list[str]:
        """Required fields without a column."""
        return [name for name in vocabulary()["required"] if name not in self.columns]

    def heading(self, index: int) -> str:
        """A heading of the file in one line, cut where it is long."""
        cell = self.sheet.rows[self.index][index]
        text = " ".join(cell.split()) if isinstance(cell, str) else text_of(cell)
        return text if len(text) <= LONGEST_HEADING else text[: LONGEST_HEADING - 1] + "…"


def find_headers(workbook: Workbook) -> list[Header]:
    """In each sheet the row that knows most headings, in the order of the sheets; those that lack a column as well.

    Errors: `SpreadsheetError` no_header when no sheet has one, columns_missing when none is complete.
    """
    found: list[Header] = []
    for sheet in workbook.sheets:
        rows = [Header(sheet, i, match_headings(cells)) for i, cells in enumerate(sheet.rows[:HEADER_SEARCH_ROWS])]
        rows = [h for h in rows if len(h.columns) >= HEADER_MIN_FIELDS]
        if rows:
            found.append(max(rows, key=lambda h: len(h.columns)))
    if not found:
        names = "、".join(s.name for s in workbook.sheets)
        raise SpreadsheetError(
            "no_header",
            f"没有找到外籍人员信息的表头（已查看：{names}）。请确认上传的是《{vocabulary()['sheet']}》，"
            "表头应包含姓名、证件号码、工作许可证号、所属学院、合同开始日期等列。",
            f"No header of a list of foreign hires was found (looked at: {names}). The header needs columns such as "
            "name, document number, work permit number, college and contract start.",
        )
    if all(h.missing for h in found):
        raise columns_missing(max(found, key=lambda h: len(h.columns)))
    return found


def columns_missing(header: Header) -> SpreadsheetError:
    """The refusal of a list whose header is not whole: what is lacking, and which headings were not understood."""
    zh = "、".join(f"“{label(f).zh}”" for f in header.missing)
    en = ", ".join(f"{label(f).zh} ({label(f).en})" for f in header.missing)
    said = [unclear(header.heading(i), names) for i, names in header.match.unclear.items()]
    said += list(header.match.refused.values())
    unknown = [header.heading(i) for i in header.match.unknown]
    if unknown:
        more = len(unknown) > _NAMED_AT_MOST
        names = [f"“{n}”" for n in unknown[:_NAMED_AT_MOST]]
        names_en = [repr(n) for n in unknown[:_NAMED_AT_MOST]]
        said.append(
            Text(
                zh=f"没有读懂的列名：{'、'.join(names)}{'等' if more else ''}。如其中有缺少的列，请改为上述列名；",
                en=f"Headings that were not understood: {', '.join(names_en)}{' and more' if more else ''}. If a "
                "missing column is among them, give it the heading above;",
            )
        )
    ask = Text(zh="请补充缺少的列后重新上传。", en="Add the missing columns and upload the file again.")
    if unknown:
        ask = Text(zh="否则请补充该列，然后重新上传。", en="otherwise add the column. Then upload the file again.")
    return SpreadsheetError(
        "columns_missing",
        f"工作表“{header.sheet.name}”缺少以下列：{zh}。" + "".join(t.zh for t in [*said, ask]),
        f"Sheet {header.sheet.name!r} lacks these columns: {en}. " + " ".join(t.en for t in [*said, ask]),
    )


def unclear(heading: str, names: tuple[str, ...]) -> Text:
    """What is said of a heading that may mean several fields."""
    zh, en = "、".join(f"“{label(n).zh}”" for n in names), ", ".join(f"{label(n).zh} ({label(n).en})" for n in names)
    return Text(
        zh=f"列名“{heading}”可能是{zh}，请写明是哪一个。",
        en=f"The heading {heading!r} may mean {en}: say which.",
    )
