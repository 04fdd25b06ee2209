"""Headings: which column holds which field, in which sheet, under which header row.

The words are data (`policies/import_columns.yaml`); nothing here knows a row or a value.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import yaml

import policies
from api.spreadsheets.reader import Cell, Sheet, SpreadsheetError, Workbook
from schemas.base import Text

HEADER_SEARCH_ROWS = 30
HEADER_MIN_FIELDS = 5


@cache
def vocabulary() -> dict[str, Any]:
    """The data file of headings and words."""
    return cast("dict[str, Any]", yaml.safe_load(policies.path("import_columns.yaml").read_text(encoding="utf-8")))


def fields() -> dict[str, list[str]]:
    return cast("dict[str, list[str]]", vocabulary()["fields"])


def label(name: str) -> Text:
    """What a field is called: the heading of our template, and its English name."""
    return Text(zh=fields()[name][0], en=vocabulary()["labels_en"][name])


def normalise(heading: str) -> str:
    """A heading for comparing: half width, lower case, without blanks, stars, brackets and punctuation."""
    text = unicodedata.normalize("NFKC", heading).lower()
    return re.sub(r"[\s*:;,.、·・_\-—()\[\]{}【】〔〕《》<>#\"'“”/\\]", "", text)


def _without_brackets(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading)
    return normalise(re.sub(r"[(\[【〔][^)\]】〕]*[)\]】〕]", "", text))


@cache
def _ranks() -> dict[str, list[tuple[int, str]]]:
    ranks: dict[str, list[tuple[int, str]]] = {}
    for name, words in fields().items():
        for rank, word in enumerate(words):
            ranks.setdefault(normalise(word), []).append((rank, name))
    return ranks


def match_headings(cells: list[Cell]) -> dict[str, int]:
    """Which field stands in which column: the best word first, each field and each column once."""
    candidates: list[tuple[int, int, str]] = []
    for index, cell in enumerate(cells):
        if not isinstance(cell, str) or len(cell) > 60:
            continue
        for penalty, key in ((0, normalise(cell)), (100, _without_brackets(cell))):
            candidates += [(rank + penalty, index, name) for rank, name in _ranks().get(key, [])]
    found: dict[str, int] = {}
    for _, index, name in sorted(candidates):
        if name not in found and index not in found.values():
            found[name] = index
    return found


@dataclass(frozen=True)
class Header:
    """A header that was found: its sheet, its index in the sheet's rows, and field -> column index."""

    sheet: Sheet
    index: int
    columns: dict[str, int]

    @property
    def missing(self) -> list[str]:
        """Required fields without a column."""
        return [name for name in vocabulary()["required"] if name not in self.columns]


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
    """The refusal of a list whose header is not whole."""
    zh = "、".join(label(f).zh for f in header.missing)
    en = ", ".join(label(f).en for f in header.missing)
    return SpreadsheetError(
        "columns_missing",
        f"工作表“{header.sheet.name}”缺少以下列：{zh}。请补充这些列后再上传。",
        f"Sheet {header.sheet.name!r} lacks these columns: {en}. Add them and upload the file again.",
    )
