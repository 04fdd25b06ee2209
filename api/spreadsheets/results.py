"""An agency's result file: who, the number that was given or the code of the refusal, and the day.

The headings are data (`results` of `policies/agency_forms.yaml`). Invariants: a row is read as it stands, nothing is
guessed: a code is a code of the list or its very sentence; every cell is kept, so that a row can be handed back.
Must not be done here: look for persons or tasks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from api.spreadsheets.cells import CellFault, parse_date, parse_number_text, text_of
from api.spreadsheets.columns import Remark
from api.spreadsheets.header_rows import HEADER_SEARCH_ROWS
from api.spreadsheets.headings import normalise
from api.spreadsheets.reader import Cell, Sheet, SpreadsheetError, Workbook
from api.spreadsheets.refused import to_json
from schemas.base import Text
from schemas.batch import MOST_ITEMS
from schemas.bureaus import ResultHeadings

FIELDS = ("id_number", "case_no", "name", "number", "code", "day", "note")
WHO = ("id_number", "case_no")
_NOTHING = {"", "-", "--", "—", "——", "/", "无", "n/a"}
_NO_PERSON = re.compile(r"^(合计|总计|小计|填表|说明|注|示例|例)\s*[:：]?")
_CODE = re.compile(r"^(R\d{2})(?!\d)", re.IGNORECASE)


@dataclass
class Said:
    """One row in clean values; `number` and `code` are empty when the cell is. `cells` are as they stood, as JSON."""

    row: int
    sheet: str = ""
    cells: list[Any] = field(default_factory=list[Any])
    id_number: str = ""
    case_no: str = ""
    name: str = ""
    number: str = ""
    code: str = ""
    day: date | None = None
    note: str = ""
    columns: dict[str, str] = field(default_factory=dict[str, str])  # field -> the heading of the file
    faults: list[Remark] = field(default_factory=list[Remark])

    def fault(self, name: str, code: str, zh: str, en: str) -> None:
        self.faults.append(Remark(self.columns.get(name, ""), code, Text(zh=zh, en=en), name))


@dataclass
class Results:
    """All rows of a file; `sheets` are the lists with their headings."""

    rows: list[Said]
    sheets: list[tuple[str, list[str]]]
    notes: list[Text] = field(default_factory=list[Text])


def read_results(workbook: Workbook, headings: ResultHeadings, reasons: Mapping[str, Text]) -> Results:
    """Reads every sheet that has the columns of a result.

    Errors: `SpreadsheetError` no_header when none has, no_rows, too_many_rows.
    """
    found = Results([], [])
    skipped: list[str] = []
    for sheet in workbook.sheets:
        header = _header(sheet, headings)
        if header is None:
            if any(text_of(c) for row in sheet.rows for c in row):
                skipped.append(sheet.name)
            continue
        index, columns = header
        names = [text_of(c) for c in sheet.rows[index]]
        found.sheets.append((sheet.name, names))
        for number, cells in sheet.numbered()[index + 1 :]:
            if _is_row(cells, columns):
                found.rows.append(_said(sheet.name, number, cells, columns, names, reasons))
    if not found.sheets:
        raise _no_header(headings)
    if not found.rows:
        raise SpreadsheetError(
            "no_rows",
            "表头下面没有任何人员。请确认填写了办理结果后再上传。",
            "There is nobody below the header. Fill in the results and upload the file again.",
        )
    if len(found.rows) > MOST_ITEMS:
        raise SpreadsheetError(
            "too_many_rows",
            f"文件有 {len(found.rows)} 行结果，一次最多登记 {MOST_ITEMS} 行。请拆分后分次上传。",
            f"The file has {len(found.rows)} results; at most {MOST_ITEMS} are recorded at once. Split it.",
        )
    if skipped:
        zh, en = "、".join(f"“{n}”" for n in skipped), ", ".join(repr(n) for n in skipped)
        found.notes.append(
            Text(zh=f"未读取工作表{zh}：没有办理结果的表头。", en=f"Not read, for want of a header: {en}.")
        )
    if workbook.hidden:
        zh, en = "、".join(f"“{n}”" for n in workbook.hidden), ", ".join(repr(n) for n in workbook.hidden)
        found.notes.append(Text(zh=f"隐藏的工作表{zh}未读取。", en=f"Hidden sheets were not read: {en}."))
    return found


def say(said: Said, values: Mapping[str, Cell], reasons: Mapping[str, Text]) -> Said:
    """Puts the cells of a row into clean values; what cannot be read is a fault of the row."""
    readers = {"id_number": parse_number_text, "case_no": parse_number_text, "number": parse_number_text,
               "day": parse_date, "code": lambda c: _code(c, reasons), "name": text_of, "note": text_of}  # fmt: skip
    for name in FIELDS:
        cell = values.get(name)
        if text_of(cell).lower() in _NOTHING:
            continue
        try:
            setattr(said, name, readers[name](cell))
        except CellFault as fault:
            said.faults.append(Remark(said.columns.get(name, ""), fault.code, fault.text, name))
    return said


def headings_of(cells: list[Cell], headings: ResultHeadings) -> dict[str, int]:
    """Field -> column: for each field the best heading that no field before it took."""
    texts = [normalise(text_of(c)) if isinstance(c, str) else "" for c in cells]
    columns: dict[str, int] = {}
    for name in FIELDS:
        for word in getattr(headings, name):
            place = next((i for i, t in enumerate(texts) if t == normalise(word) and i not in columns.values()), None)
            if place is not None:
                columns[name] = place
                break
    return columns


def _header(sheet: Sheet, headings: ResultHeadings) -> tuple[int, dict[str, int]] | None:
    """The first row that names persons and what became of them."""
    for index, cells in enumerate(sheet.rows[:HEADER_SEARCH_ROWS]):
        columns = headings_of(cells, headings)
        if columns.keys() & set(WHO) and columns.keys() & {"number", "code"}:
            return index, columns
    return None


def _is_row(cells: list[Cell], columns: dict[str, int]) -> bool:
    """Whether a row says something of somebody: no blank row, no total, no note under the list."""
    if not any(text_of(cells[i]) for i in columns.values() if i < len(cells)):
        return False
    first = next((text_of(c) for c in cells if text_of(c)), "")
    return _NO_PERSON.match(first) is None


def _said(
    sheet: str,
    number: int,
    cells: list[Cell],
    columns: dict[str, int],
    names: list[str],
    reasons: Mapping[str, Text],
) -> Said:
    said = Said(number, sheet, to_json(cells), columns={f: names[i] for f, i in columns.items()})
    return say(said, {f: cells[i] if i < len(cells) else None for f, i in columns.items()}, reasons)


def _code(cell: Cell, reasons: Mapping[str, Text]) -> str:
    """A code of the list: R08, "R08 影像不清晰", or the sentence of a code. CellFault code_unknown."""
    text = text_of(cell)
    match = _CODE.match(text)
    if match and match[1].upper() in reasons:
        return match[1].upper()
    for code, sentence in reasons.items():
        if normalise(text) in (normalise(sentence.zh), normalise(sentence.en)):
            return code
    first, last = min(reasons), max(reasons)
    raise CellFault(
        "code_unknown",
        f"“{text[:40]}”不是退回原因代码。请按原因表填写代码（{first} 至 {last}），窗口的原话可写在“窗口说明”一列。",
        f"{text[:40]!r} is no code of a refusal. Write a code of the list ({first} to {last}); the agency's own words "
        "may stand in a column 窗口说明.",
    )


def _no_header(headings: ResultHeadings) -> SpreadsheetError:
    who, number, code = headings.id_number[0], headings.number[0], headings.code[0]
    return SpreadsheetError(
        "no_header",
        f"没有找到办理结果的表头：须有“{who}”（或“{headings.case_no[0]}”）一列，以及“{number}”或“{code}”一列。"
        "请补上列名后重新上传。",
        f"No header of a list of results: it needs a column {who} (document number) or {headings.case_no[0]} (case "
        f"number), and a column {number} (number given) or {code} (code of the refusal). Add it and upload again.",
    )
