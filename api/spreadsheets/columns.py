"""From cells to the fields of a foreign hire: each row of the list in clean values, with what was repaired and what is
wrong.

Invariants: every value that differs from what was typed is reported as a repair; nothing unreadable is dropped in
silence; a row keeps its original cells so that it can be handed back.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from api.spreadsheets.cells import (
    CellFault,
    parse_choice,
    parse_country,
    parse_date,
    parse_email,
    parse_number_text,
    parse_phone,
    text_of,
)
from api.spreadsheets.header_rows import Header, find_headers
from api.spreadsheets.heading_brackets import DATES
from api.spreadsheets.heading_parts import WAGE
from api.spreadsheets.headings import label, normalise, vocabulary
from api.spreadsheets.lists import WHO, kind_of_row, left_out, people_of
from api.spreadsheets.money import Amount, Measure, check_format, measure_of_heading, measure_of_title, parse_money
from api.spreadsheets.other_columns import refuse_rivals, unread
from api.spreadsheets.reader import MAX_ROWS, Cell, Sheet, SpreadsheetError, Workbook
from api.spreadsheets.repairs import NUMBERS, repair_of
from api.spreadsheets.units import Unit, find_unit
from schemas.base import Text

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
    """One data row: clean values by field, what was repaired, what is wrong, and the cells as they were. `number` is
    the row as the user's program shows it, `key` is unique in the whole file (the same in the first list)."""

    number: int
    table: "Table" = field(repr=False, compare=False)
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    repairs: list[Remark] = field(default_factory=list[Remark])
    faults: list[Remark] = field(default_factory=list[Remark])
    cells: list[Cell] = field(default_factory=list[Cell])

    @property
    def key(self) -> int:
        return self.table.base + self.number

    @property
    def place(self) -> Text:
        """Where the row stands, as people say it; with the sheet where the file has several lists."""
        return self.table.place(self.number)


@dataclass
class Table:
    """The list of one sheet. `columns` maps a field to its column index; `alone` says that the file has no other list;
    `base` is what is added to row numbers to make them unique in the file; `measure` is what heading or titles say of
    the wages; `separated`: the cells of a text file."""

    sheet: str
    header_row: int
    headings: list[str]
    columns: dict[str, int]
    rows: list[Row]
    alone: bool = True
    base: int = 0
    measure: Measure = field(default_factory=Measure)
    separated: bool = False

    def heading(self, name: str) -> str:
        """The file's own heading of a field, or our template's where the file has no such column."""
        index = self.columns.get(name)
        return self.headings[index].strip() if index is not None else label(name).zh

    def place(self, number: int | str) -> Text:
        """A row (or several, as words) of this list."""
        if self.alone:
            return Text(zh=f"第 {number} 行", en=f"row {number}")
        return Text(zh=f"工作表“{self.sheet}”第 {number} 行", en=f"row {number} of sheet {self.sheet!r}")


@dataclass
class People:
    """All lists of a file, in the order of its sheets; `notes` are remarks on the whole file, `unread` those on filled
    columns that were not read."""

    tables: list[Table]
    notes: list[Text] = field(default_factory=list[Text])
    unread: list[Remark] = field(default_factory=list[Remark])

    @property
    def rows(self) -> list[Row]:
        return [row for table in self.tables for row in table.rows]


def parse(workbook: Workbook, units: list[Unit]) -> People:
    """Reads all people of a file, from every sheet with a whole header.

    Errors: as `find_headers`; no_header and columns_missing also for a further sheet that holds people who stand in no
    other (nobody is left out in silence); columns_ambiguous, no_rows, too_many_rows.
    """
    headers = find_headers(workbook)
    whole = [h for h in headers if not h.missing]
    people = People([], left_out(workbook, headers))
    base = 0
    for header in whole:
        workbook.load_facts(header.sheet)
        separated = workbook.kind == "csv"
        table = _parse_table(header, units, people, alone=len(whole) == 1, base=base, separated=separated)
        people.tables.append(table)
        base += header.sheet.first_row + len(header.sheet.rows)
    if not people.rows:
        names = "、".join(f"“{h.sheet.name}”" for h in whole)
        names_en = ", ".join(repr(h.sheet.name) for h in whole)
        raise SpreadsheetError(
            "no_rows",
            f"工作表{names}只有表头，没有人员数据。请填写后再上传。",
            f"Sheet {names_en} has a header but no people. Fill it in and upload it again.",
        )
    if len(people.rows) > MAX_ROWS:
        raise SpreadsheetError(
            "too_many_rows",
            f"各工作表合计超过 {MAX_ROWS} 人。请拆分为多个文件后再上传。",
            f"The sheets hold more than {MAX_ROWS} people together. Split the file.",
        )
    return people


def _parse_table(
    header: Header, units: list[Unit], people: People, *, alone: bool, base: int, separated: bool
) -> Table:
    sheet = header.sheet
    notes, headings = people.notes, [text_of(c) for c in header.cells]
    table = Table(
        sheet.name, sheet.first_row + header.index, headings, header.columns, [], alone, base, separated=separated
    )
    if header.top:
        where = table.place(sheet.first_row + header.top)
        notes.append(
            Text(
                zh=f"表头在{where.zh}，其上的标题行已跳过。",
                en=f"The header is in {where.en}; the title rows above it were skipped.",
            )
        )
    if header.top < header.index:
        where = table.place(f"{sheet.first_row + header.top}–{table.header_row}")
        notes.append(
            Text(
                zh=f"表头占{where.zh}，上下两行已合并读取，例如“{_joined_example(header)}”。",
                en=f"The header takes {where.en}; its two rows were read together, e.g. {_joined_example(header)!r}.",
            )
        )
    rows = people_of(header)
    refuse_rivals(header, rows)
    table.measure = _measure(header)
    notes += [said for index, said in header.match.remarks.items() if index in header.columns.values()]
    for heading, code, name, said in unread(header, rows):
        here = Text(zh=f"工作表“{sheet.name}”：{said.zh}", en=f"Sheet {sheet.name!r}: {said.en}")
        people.unread.append(Remark(heading, code, said if alone else here, name))
    skipped: list[int] = []
    for number, cells in sheet.numbered()[header.index + 1 :]:
        kind = kind_of_row(cells, header.columns)
        if kind == "person":
            table.rows.append(_parse_row(number, *_filled_down(number, cells, header), table, sheet, units))
        elif kind == "other":
            skipped.append(number)
    hidden = [row.number for row in table.rows if row.number in set(sheet.facts.hidden)]
    if hidden:
        where = table.place("、".join(str(n) for n in hidden[:20]) + ("…" if len(hidden) > 20 else ""))
        notes.append(
            Text(
                zh=f"{where.zh}在文件中是隐藏或筛选掉的，也已读取。不需要的请删除后重新上传。",
                en=f"Hidden or filtered in the file and read all the same: {where.en}. Delete what is not meant.",
            )
        )
    if skipped:
        some = "、".join(str(n) for n in skipped[:20]) + ("…" if len(skipped) > 20 else "")
        where = table.place(some)
        notes.append(
            Text(
                zh=f"{where.zh}没有姓名和证件号码，未作为人员读取。",
                en=f"Not read as people, for want of a name and a document number: {where.en}.",
            )
        )
    if not table.rows and not alone:
        notes.append(Text(zh=f"工作表“{sheet.name}”没有人员数据。", en=f"Sheet {sheet.name!r} holds no people."))
    return table


def _joined_example(header: Header) -> str:
    """A heading that was made of two rows."""
    lower = header.sheet.rows[header.index]
    joined = (i for i in header.columns.values() if i >= len(lower) or header.heading(i) != text_of(lower[i]))
    return header.heading(next(joined, min(header.columns.values())))


def _measure(header: Header) -> Measure:
    """What the list says of its wages: in the heading, else in a row above or below the people."""
    said = measure_of_heading(header.heading(header.columns[WAGE]))
    if said.factor is not None or said.wrong:
        return said
    rows = header.sheet.rows[: header.top] + header.sheet.rows[header.index + 1 :]
    others = (cells for cells in rows if kind_of_row(cells, header.columns) == "other")
    return next((found for cells in others if (found := measure_of_title(cells)) is not None), said)


def _filled_down(number: int, cells: list[Cell], header: Header) -> tuple[list[Cell], dict[int, int]]:
    """A row with the values of cells that are merged with one above, and where they stand: column -> row number. Who
    somebody is, is never taken from another row."""
    sheet, index, filled, source = header.sheet, number - header.sheet.first_row, list(cells), dict[int, int]()
    for name, column in header.columns.items():
        for first, last in header.tall.get(column, []) if name not in WHO else ():
            if first < index <= last and first > header.index and first < len(sheet.rows):
                above = sheet.rows[first]
                filled += [None] * (column + 1 - len(filled))
                filled[column] = above[column] if column < len(above) else None
                source[column] = sheet.first_row + first
    return filled, source


def _parse_row(
    number: int, cells: list[Cell], merged: dict[int, int], table: Table, sheet: Sheet, units: list[Unit]
) -> Row:
    row = Row(number, table, cells=list(cells))
    for name, index in table.columns.items():
        cell = cells[index] if index < len(cells) else None
        heading = table.heading(name)
        empty = not text_of(cell)
        needed = name in vocabulary()["required"] and not (name == "country" and _second_country(cells, table))
        if isinstance(cell, str) and re.fullmatch(r"#(N/A|DIV/0!|[A-Z_]+[!?])", cell.strip()):
            row.faults.append(Remark(heading, "formula_error", _FORMULA_ERROR, name))
            continue
        formula = sheet.facts.formulas.get((number, index))
        if formula is not None and empty:
            # An empty result (=IF(A2="","",A2), as templates have it) is an empty cell; one never computed is said.
            if needed:
                row.faults.append(Remark(heading, "formula_without_value", _FORMULA_EMPTY, name))
            elif not formula:
                row.repairs.append(Remark(heading, "formula_without_value", _FORMULA_LEFT, name))
            continue
        if formula is not None:
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
        if index in merged and not empty:
            text = Text(
                zh=f"合并单元格：“{text_of(cell)}”取自第 {merged[index]} 行。",
                en=f"A merged cell: {text_of(cell)!r} was taken from row {merged[index]}.",
            )
            row.repairs.append(Remark(heading, "merged_cell_read", text, name))
        if empty or (text_of(cell) in ("-", "--", "/", "无") and name in ("name_zh", "phone", "email")):
            if needed:
                row.faults.append(_missing(heading, name))
            continue
        try:
            if name == WAGE:
                check_format(cell, sheet.facts.formats.get((number, index), ""))
            value = _value(name, cell, units, table.measure, date_1904=sheet.facts.date_1904)
        except CellFault as fault:
            row.faults.append(Remark(heading, fault.code, fault.text, name))
            continue
        row.values[name] = value.yuan if isinstance(value, Amount) else value
        repair = None if name in CHOICES or name in ("org_unit", "country") else repair_of(name, cell, value)
        if repair:
            row.repairs.append(Remark(heading, *repair, name))
    _check_country(row, cells, table)
    if table.separated and any(text_of(cell) for cell in cells[len(table.headings) :]):
        row.faults.append(Remark(label("name").zh, "row_longer", _ROW_LONGER))
    return row


def _missing(heading: str, name: str) -> Remark:
    return Remark(
        heading,
        "missing",
        Text(zh=f"缺少{label(name).zh}，请补填。", en=f"{label(name).en} is missing; please add it."),
        name,
    )


_FORMULA_EMPTY = Text(
    zh="该列必填，但单元格是公式且结果为空。请直接填写内容；如在表格软件中能看到结果，请打开并保存一次后再上传。",
    en="The column is required, but the cell is a formula with an empty result. Type the value itself; if your program "
    "shows a result, open the file there, save it and upload it again.",
)
_FORMULA_LEFT = Text(
    zh="单元格是公式，文件中没有保存结果，已按空白处理。如应有内容，请直接填写。",
    en="The cell is a formula without a stored result and was taken as empty. If it should hold something, type it.",
)
_ROW_LONGER = Text(
    zh="本行的单元格比表头多，可能有内容含分隔符（如 18,000），使后面各列错位。请给该内容加双引号或去掉分隔符。",
    en="The row has more cells than the header: a separator inside a value (18,000) may have moved the columns after "
    "it. Put the value in double quotes or remove the separator.",
)
_FORMULA_ERROR = Text(
    zh="单元格的公式出错，没有得到结果。请改填正确的数值。",
    en="The formula of this cell failed. Type the value instead.",
)


def _value(name: str, cell: Cell, units: list[Unit], measure: Measure, *, date_1904: bool) -> Any:
    if name in DATES:
        return parse_date(cell, date_1904=date_1904)
    if name in NUMBERS:
        return parse_number_text(cell)
    if name == "phone":
        return parse_phone(cell)
    if name == "email":
        return parse_email(cell)
    if name == WAGE:
        return parse_money(cell, measure)
    if name == "country":
        return parse_country(cell)
    if name == "org_unit":
        return find_unit(cell, units)
    if name in CHOICES:
        text = label(name)
        return parse_choice(cell, vocabulary()["choices"][name], text.zh, text.en)
    return text_of(cell)


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
