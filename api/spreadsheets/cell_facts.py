"""What a file knows of its cells besides their values: formulas, errors, number formats, what is hidden, and from which
day dates are counted. From the XML of an .xlsx itself (a library would load every style for it), by xlrd for an .xls.

Invariant: a value is never shown here otherwise than it was stored. The XML is a stranger's: entities that grow are
stopped by expat (2.4.1 and later), sizes by `reader`. Must not be done here: say what a cell means.
"""

import io
import re
import struct
import zipfile
from dataclasses import dataclass, field
from typing import Any, cast
from xml.etree import ElementTree

import xlrd
from xlrd.biffh import XLRDError
from xlrd.compdoc import CompDocError

Place = tuple[int, int]  # row number as programs show it, column from 0
_TELLING = re.compile(r'"[^"]*"|\[\$[^\]-]|\\[^\s()\-.,]|[$€£%]|[0#?],+(?![0#?,])')  # more than digits and separators
_PERCENT = {"9": "0%", "10": "0.00%"}


_BROKEN = (
    zipfile.BadZipFile, ElementTree.ParseError, XLRDError, CompDocError, struct.error, AssertionError, LookupError,
    ValueError, TypeError,
)  # fmt: skip


@dataclass
class CellFacts:
    """`formulas`: whether a result is stored (an empty text is one). `errors`: #REF! and its like. `formats`: number
    formats that show more than the number. `hidden`: rows."""

    formulas: dict[Place, bool] = field(default_factory=dict[Place, bool])
    errors: dict[Place, str] = field(default_factory=dict[Place, str])
    formats: dict[Place, str] = field(default_factory=dict[Place, str])
    hidden: list[int] = field(default_factory=list[int])
    date_1904: bool = False


class FactsUnreadable(Exception):
    """The file holds values that were read, but its inner parts cannot be."""


def facts_of(content: bytes, kind: str, sheet: str) -> CellFacts:
    """The facts of one sheet of an .xlsx or .xls; of a .csv there are none.

    Errors: `FactsUnreadable`.
    """
    try:
        return _of_xlsx(content, sheet) if kind == "xlsx" else _of_xls(content, sheet) if kind == "xls" else CellFacts()
    except _BROKEN as error:
        raise FactsUnreadable(str(error)) from error


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]  # both namespaces of the format are in use


def _of_xlsx(content: bytes, sheet: str) -> CellFacts:
    facts = CellFacts()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
        settings = next((e for e in book.iter() if _name(e) == "workbookPr"), None)
        facts.date_1904 = settings is not None and settings.get("date1904", "0") in ("1", "true")
        path = _sheet_path(archive, book, sheet)
        if path is None:
            return facts
        styles = _styles(archive)
        with archive.open(path) as stream:
            for _, element in ElementTree.iterparse(stream):  # noqa: S314
                if _name(element) == "row":
                    if element.get("hidden") in ("1", "true") and element.get("r", "").isdigit():
                        facts.hidden.append(int(element.get("r", "")))
                    element.clear()
                elif _name(element) == "c":
                    _cell(element, facts, styles)
                    element.clear()
    return facts


def _cell(element: ElementTree.Element, facts: CellFacts, styles: dict[str, str]) -> None:
    match = re.fullmatch(r"([A-Z]+)(\d+)", element.get("r", ""))
    if match is None:
        return
    place = int(match[2]), column_index(match[1])
    parts = {_name(child): child.text or "" for child in element}
    if "f" in parts:
        facts.formulas[place] = element.get("t") == "str" or bool(parts.get("v"))
    if element.get("t") == "e":
        facts.errors[place] = parts.get("v") or "#VALUE!"
    if (code := styles.get(element.get("s", ""))) is not None:
        facts.formats[place] = code


def _styles(archive: zipfile.ZipFile) -> dict[str, str]:
    """Style of a cell -> its number format, where the format shows more than the number."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    sheet = ElementTree.fromstring(archive.read("xl/styles.xml"))  # noqa: S314
    codes = dict(_PERCENT)
    codes |= {e.get("numFmtId", ""): e.get("formatCode", "") for e in sheet.iter() if _name(e) == "numFmt"}
    styles = next((list(e) for e in sheet.iter() if _name(e) == "cellXfs"), [])
    found = {str(i): codes.get(e.get("numFmtId", ""), "") for i, e in enumerate(styles)}
    return {style: code for style, code in found.items() if _TELLING.search(code)}


def _sheet_path(archive: zipfile.ZipFile, book: ElementTree.Element, sheet: str) -> str | None:
    sheets = (e for e in book.iter() if _name(e) == "sheet" and e.get("name") == sheet)
    relation = next((value for e in sheets for key, value in e.attrib.items() if key.endswith("}id")), None)
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    target = next((r.get("Target") for r in relations if r.get("Id") == relation), None)
    if target is None:
        return None
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def column_index(letters: str) -> int:
    """A column from 0: A is 0, AA is 26."""
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - 64
    return index - 1


def _of_xls(content: bytes, name: str) -> CellFacts:
    book = cast("Any", xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=io.StringIO()))
    sheet = book.sheet_by_name(name)
    facts = CellFacts(date_1904=book.datemode == 1)
    facts.hidden = sorted(row + 1 for row, info in sheet.rowinfo_map.items() if info.hidden)
    for row in range(sheet.nrows):
        for column in range(sheet.row_len(row)):
            cell = sheet.cell(row, column)
            if cell.ctype == xlrd.XL_CELL_ERROR:
                facts.errors[row + 1, column] = xlrd.error_text_from_code.get(cell.value, "#VALUE!")
            elif cell.ctype == xlrd.XL_CELL_NUMBER:
                code = str(book.format_map[book.xf_list[cell.xf_index].format_key].format_str)
                if _TELLING.search(code):
                    facts.formats[row + 1, column] = code
    return facts
