"""From cells to the fields of a foreign hire: each row of the list in clean values, with what was repaired and what is
wrong.

Invariants: every value that differs from what was typed is reported as a repair; nothing unreadable is dropped in
silence; a row keeps its original cells so that it can be handed back.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from api.spreadsheets.cells import (
    CellFault,
    half_width,
    parse_choice,
    parse_country,
    parse_date,
    parse_money,
    parse_number_text,
    text_of,
)
from api.spreadsheets.headings import find_table, label, match_headings, normalise, vocabulary
from api.spreadsheets.reader import Cell, Sheet, SpreadsheetError, Workbook
from api.spreadsheets.units import Unit, find_unit
from schemas.base import Text

DATES = {
    "birth",
    "id_expires",
    "permit_issued",
    "permit_expires",
    "residence_expires",
    "contract_start",
    "contract_end",
}
NUMBERS = {"id_number", "work_permit_no"}
CHOICES = {"sex", "hire_kind", "certificate", "id_type"}


@dataclass(frozen=True)
class Remark:
    """Something said about a cell: a repair or a fault. `column` is the heading as the file has it."""

    column: str
    code: str
    text: Text
    field: str = ""


@dataclass
class Row:
    """One data row: clean values by field, what was repaired, what is wrong, and the cells as they were."""

    number: int
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    repairs: list[Remark] = field(default_factory=list[Remark])
    faults: list[Remark] = field(default_factory=list[Remark])
    cells: list[Cell] = field(default_factory=list[Cell])


@dataclass
class Table:
    """The list found in a file. `columns` maps a field to its column index; `notes` are remarks on the whole file."""

    sheet: str
    header_row: int
    headings: list[str]
    columns: dict[str, int]
    rows: list[Row]
    notes: list[Text] = field(default_factory=list[Text])

    def heading(self, name: str) -> str:
        """The file's own heading of a field, or our template's where the file has no such column."""
        index = self.columns.get(name)
        return self.headings[index].strip() if index is not None else label(name).zh


def parse(workbook: Workbook, units: list[Unit]) -> Table:
    """Reads all people of a file. Errors: as `find_table`, and no_rows."""
    sheet, index, columns = find_table(workbook)
    workbook.load_formulas(sheet)
    headings = [text_of(c) for c in sheet.rows[index]]
    table = Table(sheet.name, sheet.first_row + index, headings, columns, [])
    if len(workbook.sheets) > 1:
        table.notes.append(
            Text(
                zh=f"文件有 {len(workbook.sheets)} 个工作表，已读取“{sheet.name}”。",
                en=f"The file has {len(workbook.sheets)} sheets; {sheet.name!r} was read.",
            )
        )
    if index:
        table.notes.append(
            Text(
                zh=f"表头在第 {table.header_row} 行，其上的标题行已跳过。",
                en=f"The header is in row {table.header_row}; the title rows above it were skipped.",
            )
        )
    for number, cells in sheet.numbered()[index + 1 :]:
        kind = _kind_of_row(cells, columns)
        if kind == "person":
            table.rows.append(_parse_row(number, cells, table, sheet, units))
        elif kind == "other":
            table.notes.append(
                Text(
                    zh=f"第 {number} 行没有姓名和证件号码，未作为人员读取。",
                    en=f"Row {number} has neither name nor document number and was not read as a person.",
                )
            )
    if not table.rows:
        raise SpreadsheetError(
            "no_rows",
            f"工作表“{sheet.name}”只有表头，没有人员数据。请填写后再上传。",
            f"Sheet {sheet.name!r} has a header but no people. Fill it in and upload it again.",
        )
    return table


def _kind_of_row(cells: list[Cell], columns: dict[str, int]) -> str:
    """person, blank, or other (totals, notes under the list, the template's example row)."""
    filled = {name for name, index in columns.items() if index < len(cells) and text_of(cells[index])}
    if not any(text_of(c) for c in cells):
        return "blank"
    if match_headings(cells).keys() >= {"id_number", "contract_start"}:
        return "other"  # the header once more, as on printed pages
    first = next((text_of(c) for c in cells if text_of(c)), "")
    if re.match(r"^(示例|例[::如]|样例|合计|总计|小计|填表|说明|注[::])", first):
        return "other"
    return "person" if filled & {"name", "id_number", "work_permit_no"} and len(filled) >= 3 else "other"


def _parse_row(number: int, cells: list[Cell], table: Table, sheet: Sheet, units: list[Unit]) -> Row:
    row = Row(number, cells=list(cells))
    for name, index in table.columns.items():
        cell = cells[index] if index < len(cells) else None
        heading = table.heading(name)
        empty = not text_of(cell)
        if (number, index) in sheet.formulas:
            if empty:
                row.faults.append(Remark(heading, "formula_without_value", _FORMULA_EMPTY, name))
                continue
            row.repairs.append(
                Remark(
                    heading,
                    "formula_value_read",
                    Text(
                        zh=f"单元格是公式，已读取保存的结果“{text_of(cell)}”。",
                        en=f"The cell holds a formula; its stored value {text_of(cell)!r} was read.",
                    ),
                    name,
                )
            )
        if isinstance(cell, str) and re.match(r"^#(REF|VALUE|N/A|NAME|DIV/0|NUM|NULL)", cell.strip()):
            row.faults.append(Remark(heading, "formula_error", _FORMULA_ERROR, name))
            continue
        if empty or (text_of(cell) in ("-", "--", "/", "无") and name in ("name_zh", "phone", "email")):
            if name in vocabulary()["required"] and not (name == "country" and _second_country(cells, table)):
                row.faults.append(_missing(heading, name))
            continue
        try:
            value = _value(name, cell, units)
        except CellFault as fault:
            row.faults.append(Remark(heading, fault.code, fault.text, name))
            continue
        row.values[name] = value
        repair = _repair(heading, name, cell, value)
        if repair:
            row.repairs.append(repair)
    _check_country(row, cells, table)
    return row


def _missing(heading: str, name: str) -> Remark:
    return Remark(
        heading,
        "missing",
        Text(zh=f"缺少{label(name).zh}，请补填。", en=f"{label(name).en} is missing; please add it."),
        name,
    )


_FORMULA_EMPTY = Text(
    zh="单元格是公式，但文件中没有保存计算结果。请在表格软件中打开并保存一次，或改填数值。",
    en="The cell holds a formula without a stored value. Save the file in a spreadsheet program, or type the value.",
)
_FORMULA_ERROR = Text(
    zh="单元格的公式出错，没有得到结果。请改填正确的数值。",
    en="The formula of this cell failed. Type the value instead.",
)


def _value(name: str, cell: Cell, units: list[Unit]) -> Any:
    if name in DATES:
        return parse_date(cell)
    if name in NUMBERS:
        return parse_number_text(cell)
    if name == "phone":
        return re.sub(r"[\s-]", "", text_of(cell))
    if name == "email":
        return re.sub(r"\s", "", text_of(cell))
    if name == "monthly_wage":
        return parse_money(cell)
    if name == "country":
        return parse_country(cell)
    if name == "org_unit":
        return find_unit(cell, units)
    if name in CHOICES:
        text = label(name)
        return parse_choice(cell, vocabulary()["choices"][name], text.zh, text.en)
    return text_of(cell)


def _repair(heading: str, name: str, cell: Cell, value: Any) -> Remark | None:
    """What was changed in a cell where the change is more than another spelling of the same value."""
    if not isinstance(cell, str) or name in CHOICES or name in ("org_unit", "country"):
        return None
    typed = cell.strip()
    if name in DATES:
        if typed == value.isoformat():
            return None
        return Remark(
            heading,
            "date_text_read",
            Text(
                zh=f"文本“{typed}”已读作日期 {value.isoformat()}。",
                en=f"The text {typed!r} was read as {value.isoformat()}.",
            ),
            name,
        )
    clean = f"{value}" if not isinstance(value, Decimal) else typed
    if name in NUMBERS and re.search(r"\s", half_width(typed)):
        text = Text(
            zh=f"号码中的空格已去除：“{typed}” → “{clean}”。",
            en=f"Blanks in the number were removed: {typed!r} → {clean!r}.",
        )
        return Remark(heading, "blank_removed", text, name)
    if half_width(typed) != typed:
        text = Text(
            zh=f"全角字符或多余空格已更正：“{typed}” → “{clean}”。",
            en=f"Full-width signs were corrected: {typed!r} → {clean!r}.",
        )
        return Remark(heading, "full_width_corrected", text, name)
    if name in NUMBERS and typed != clean:
        text = Text(
            zh=f"小写字母已改为大写：“{typed}” → “{clean}”。", en=f"Letters were made capital: {typed!r} → {clean!r}."
        )
        return Remark(heading, "case_corrected", text, name)
    return None


def _second_country(cells: list[Cell], table: Table) -> tuple[str, Cell] | None:
    """The column with the country's name beside the one with its code."""
    words = {normalise(w) for w in vocabulary()["second"]["country"]}
    for index, heading in enumerate(table.headings):
        taken = index in table.columns.values()
        if not taken and normalise(heading) in words and index < len(cells) and text_of(cells[index]):
            return heading, cells[index]
    return None


def _check_country(row: Row, cells: list[Cell], table: Table) -> None:
    second = _second_country(cells, table)
    if second is None:
        return
    heading, cell = second
    try:
        other = parse_country(cell)
    except CellFault as fault:
        if "country" not in row.values:
            row.faults.append(Remark(heading, fault.code, fault.text, "country"))
        return
    known = row.values.setdefault("country", other)
    if known != other:
        row.faults.append(
            Remark(
                heading,
                "country_contradicts",
                Text(
                    zh=f"国籍代码 {known} 与国籍“{text_of(cell)}”不一致，请核对。",
                    en=f"The country code {known} and the country {text_of(cell)!r} disagree; please check.",
                ),
                "country",
            )
        )
