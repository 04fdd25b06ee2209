"""Headings: which column holds which field, in which sheet, under which header row.

The words are data (`policies/import_columns.yaml`); nothing here knows a row or a value.
"""

import re
import unicodedata
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


def find_table(workbook: Workbook) -> tuple[Sheet, int, dict[str, int]]:
    """The sheet and the header row that know most headings.

    Returns: the sheet, the index of the header in its rows, field -> column index.
    Errors: `SpreadsheetError` no_header, columns_missing.
    """
    best: tuple[Sheet, int, dict[str, int]] | None = None
    for sheet in workbook.sheets:
        for index, cells in enumerate(sheet.rows[:HEADER_SEARCH_ROWS]):
            columns = match_headings(cells)
            if len(columns) >= HEADER_MIN_FIELDS and (best is None or len(columns) > len(best[2])):
                best = (sheet, index, columns)
    if best is None:
        names = "、".join(s.name for s in workbook.sheets)
        raise SpreadsheetError(
            "no_header",
            f"没有找到外籍人员信息的表头（已查看：{names}）。请确认上传的是《{vocabulary()['sheet']}》，"
            "表头应包含姓名、证件号码、工作许可证号、所属学院、合同开始日期等列。",
            f"No header of a list of foreign hires was found (looked at: {names}). The header needs columns such as "
            "name, document number, work permit number, college and contract start.",
        )
    missing = [f for f in vocabulary()["required"] if f not in best[2]]
    if missing:
        zh = "、".join(label(f).zh for f in missing)
        en = ", ".join(label(f).en for f in missing)
        raise SpreadsheetError(
            "columns_missing",
            f"工作表“{best[0].name}”缺少以下列：{zh}。请补充这些列后再上传。",
            f"Sheet {best[0].name!r} lacks these columns: {en}. Add them and upload the file again.",
        )
    return best
