"""Which rows of a sheet are people, and which sheets of a file hold none: so that nobody is left out in silence.

Invariants: a sheet that is not read is named in a note; one that holds people who stand in no sheet that is read
refuses the whole file with its name. Must not be done here: read values for the case (`columns` does).
"""

import re

from api.spreadsheets.cells import CellFault, parse_date, text_of
from api.spreadsheets.header_rows import Header, columns_missing
from api.spreadsheets.headings import label, match_headings
from api.spreadsheets.reader import Cell, Sheet, SpreadsheetError, Workbook
from schemas.base import Text

WHO = ("id_number", "work_permit_no", "name")


def kind_of_row(cells: list[Cell], columns: dict[str, int]) -> str:
    """person, blank, or other (totals, notes under the list, the template's example row)."""
    filled = {name for name, index in columns.items() if index < len(cells) and text_of(cells[index])}
    if not any(text_of(c) for c in cells):
        return "blank"
    if _is_header(cells, columns):
        return "other"  # once more, as on printed pages
    first = next((text_of(c) for c in cells if text_of(c)), "")
    if re.match(
        r"(示例|例[:如]|样例|合\s*计|总\s*计|小\s*计|共\s*计|总\s*数|总人数|共\s*\d+\s*人|填表|制表|审核|说明|注:|(sub)?total\b)",
        first.lower(),
    ):
        return "other"
    return "person" if filled & set(WHO) and len(filled) >= 3 else "other"


def _is_header(cells: list[Cell], columns: dict[str, int]) -> bool:
    """Whether a row is the header again. One cell tells it of most rows, which matters in a list of thousands."""
    place = columns.get("id_number")
    if place is not None and (place >= len(cells) or not match_headings([cells[place]]).columns):
        return False
    return match_headings(cells).columns.keys() >= {"id_number", "contract_start"}


def left_out(workbook: Workbook, headers: list[Header]) -> list[Text]:
    """What to say about a file of several sheets: which were read, which were not and why.

    Errors: `SpreadsheetError` columns_missing or no_header for a sheet with people of its own that cannot be read.
    """
    whole = [h for h in headers if not h.missing]
    known = {key for h in whole for row in people_of(h) for key in _keys(row, h.columns)}
    notes: list[Text] = []
    if len(workbook.sheets) > 1:
        names, names_en = _named([h.sheet.name for h in whole])
        notes.append(
            Text(
                zh=f"文件有 {len(workbook.sheets)} 个工作表，已读取{names}。",
                en=f"The file has {len(workbook.sheets)} sheets; read: {names_en}.",
            )
        )
    for header in headers:
        if not header.missing:
            continue
        if any(_keys(row, header.columns)[0] not in known for row in people_of(header)):
            raise columns_missing(header)
        columns = "、".join(label(f).zh for f in header.missing)
        columns_en = ", ".join(label(f).en for f in header.missing)
        notes.append(
            Text(
                zh=f"工作表“{header.sheet.name}”缺少{columns}，未读取；其中没有其他工作表以外的人员。",
                en=f"Sheet {header.sheet.name!r} lacks {columns_en} and was not read; it names nobody who is not in "
                "another sheet.",
            )
        )
    with_header = {h.sheet.name for h in headers}
    silent = [s for s in workbook.sheets if s.name not in with_header and any(text_of(c) for r in s.rows for c in r)]
    for sheet in silent:
        if any(_looks_like_people(sheet, h.columns) for h in whole):
            raise SpreadsheetError(
                "no_header",
                f"工作表“{sheet.name}”像是人员名单，但没有找到表头，无法读取。请在该表补上表头后再上传。",
                f"Sheet {sheet.name!r} looks like a list of people but has no header that is known. Add the header and "
                "upload the file again.",
            )
    if silent:
        names, names_en = _named([s.name for s in silent])
        notes.append(Text(zh=f"未读取{names}：没有人员表头。", en=f"Not read, for want of a header: {names_en}."))
    if workbook.hidden:
        names, names_en = _named(workbook.hidden)
        notes.append(
            Text(
                zh=f"隐藏的工作表{names}未读取；如有人员，请取消隐藏后再上传。",
                en=f"Hidden sheets were not read: {names_en}. If people stand there, unhide them and upload again.",
            )
        )
    return notes


def _named(names: list[str]) -> tuple[str, str]:
    return "、".join(f"“{n}”" for n in names), ", ".join(repr(n) for n in names)


def people_of(header: Header) -> list[list[Cell]]:
    """The rows below a header that are people."""
    return [r for r in header.sheet.rows[header.index + 1 :] if kind_of_row(r, header.columns) == "person"]


def _keys(cells: list[Cell], columns: dict[str, int]) -> list[tuple[str, str]]:
    """By what a person is known again in another sheet, the surest first: numbers, then the name."""
    keys: list[tuple[str, str]] = []
    for name in WHO:
        index = columns.get(name, len(cells))
        text = re.sub(r"\s", "", text_of(cells[index])).upper() if index < len(cells) else ""
        if text:
            keys.append((name, text))
    return keys


def _looks_like_people(sheet: Sheet, columns: dict[str, int]) -> bool:
    """Whether rows without a header have days where a whole list has birth and start of the contract."""

    def has_day(cells: list[Cell], name: str) -> bool:
        try:
            parse_date(cells[columns[name]] if columns[name] < len(cells) else None)
        except CellFault:
            return False
        return True

    return any(has_day(row, "birth") and has_day(row, "contract_start") for row in sheet.rows)
