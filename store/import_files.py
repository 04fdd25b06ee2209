"""Builds an agency's import file (.xlsx) from records, by a layout that is data. Pure: no database, no clock.

Invariants: text columns are text cells (an identity number keeps every digit and its leading zeros), and no value a
person typed can become a formula, neither here nor when the cell is edited later (quote prefix). A required value that
is missing is refused before anything is written, with all gaps named at once.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import xlsxwriter
import yaml
from pydantic import ValidationError

from schemas.base import Text
from schemas.bureaus import AgencyFiles, AgencyForm, CellFormat, FormColumn

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class IncompleteRecord(Exception):
    """Required columns have no value. `headings` are the agency's own words; no value is quoted."""

    def __init__(self, form: AgencyForm, headings: Sequence[str]) -> None:
        self.headings = list(headings)
        names, quoted = "、".join(headings), ", ".join(f"“{h}”" for h in headings)
        self.text = Text(
            zh=f"无法生成{form.title.zh}：缺少 {names}。请在材料或更正环节补全后再提交。",
            en=f"The {form.title.en} cannot be filled: {quoted} missing. Complete the record first.",
        )
        super().__init__(f"{self.text.zh} {self.text.en}")


def parse_files(text: str) -> AgencyFiles:
    """The content of `agency_forms.yaml`; ValueError with the place when the file is not as it must be."""
    try:
        return AgencyFiles.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise ValueError(
            f"agency_forms.yaml 格式有误，请改正后再试。The file agency_forms.yaml is broken: {error}"
        ) from error


def workbook(form: AgencyForm, records: Sequence[Mapping[str, Any]]) -> bytes:
    """The spreadsheet: one heading row, one row a record. `records` map the layout's `source` names to values.

    Raises IncompleteRecord when a required value is missing, KeyError when the layout names an unknown field.
    """
    rows = [row_of(form, record, number) for number, record in enumerate(records, 1)]
    gaps = [c.heading for i, c in enumerate(form.columns) if c.required and any(row[i] in (None, "") for row in rows)]
    if gaps:
        raise IncompleteRecord(form, gaps)
    target = BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    head = book.add_format({"bold": True, "border": 1, "bg_color": "#DDE7F3", "num_format": "@"})
    text = book.add_format({"num_format": "@"})
    text.set_quote_prefix()
    number, whole = book.add_format({"num_format": "0.00"}), book.add_format({"num_format": "0"})
    sheet = book.add_worksheet(form.sheet)
    sheet.freeze_panes(1, 0)
    for index, column in enumerate(form.columns):
        sheet.set_column(index, index, column.width)
        sheet.write_string(0, index, column.heading, head)
    for line, row in enumerate(rows, start=1):
        for index, (column, value) in enumerate(zip(form.columns, row, strict=True)):
            if value in (None, ""):
                sheet.write_blank(line, index, None, text)
            elif column.format is CellFormat.MONEY:
                sheet.write_number(line, index, value, number)  # pyright: ignore[reportArgumentType]  # takes Decimal too
            elif column.format is CellFormat.INTEGER:
                sheet.write_number(line, index, int(value), whole)
            else:
                sheet.write_string(line, index, str(value), text)
    book.close()
    return target.getvalue()


def row_of(form: AgencyForm, record: Mapping[str, Any], number: int) -> list[str | Decimal | int | None]:
    """One record's cells in the order of the layout."""
    return [value_of(column, record, number) for column in form.columns]


def gaps(form: AgencyForm, record: Mapping[str, Any]) -> list[str]:
    """The required headings for which a record has no value."""
    return [c.heading for c in form.columns if c.required and value_of(c, record, 1) in (None, "")]


def value_of(column: FormColumn, record: Mapping[str, Any], number: int) -> str | Decimal | int | None:
    """One cell's value in the agency's words. Lists are joined with 、; `row` is the running number."""
    if column.const is not None:
        return column.const
    raw = number if column.source == "row" else record[column.source or ""]
    if raw is None or raw == "":
        return None
    if isinstance(raw, (list, tuple)):
        return "、".join(column.values.get(str(item), str(item)) for item in raw)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    match column.format:
        case CellFormat.DATE:
            return (raw.date() if isinstance(raw, datetime) else raw).isoformat() if isinstance(raw, date) else str(raw)
        case CellFormat.MONTH:
            return str(raw).replace("-", "")
        case CellFormat.MONEY:
            return Decimal(str(raw)).quantize(Decimal("0.01"))
        case CellFormat.INTEGER:
            return int(raw)
        case CellFormat.TEXT:
            return column.values.get(str(raw), str(raw))
