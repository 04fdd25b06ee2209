"""The rows that did not start, as a spreadsheet to be corrected and uploaded again.

Same headings, same cells, and one more column with a sentence per fault. The column is called 问题说明, which the
reader knows and skips. Text stays text: nothing that a person typed can become a formula.
"""

import io
from datetime import date, datetime
from typing import Any

import xlsxwriter

from api.spreadsheets.columns import normalise
from api.spreadsheets.reader import Cell

PROBLEMS = "问题说明"
_OLD = {normalise(PROBLEMS)}


def to_json(cells: list[Cell]) -> list[Any]:
    """Cells as JSON values; days are tagged so that they come back as days."""
    plain: list[Any] = []
    for cell in cells:
        if isinstance(cell, datetime):
            plain.append({"date": cell.date().isoformat()})
        elif isinstance(cell, date):
            plain.append({"date": cell.isoformat()})
        elif cell is None or isinstance(cell, str | int | float | bool):
            plain.append(cell)
        else:
            plain.append(str(cell))
    return plain


def write(lists: list[tuple[str, list[str], list[tuple[list[Any], list[str]]]]]) -> bytes:
    """An .xlsx of lists: each the name of a sheet, its original headings, and (cells as JSON values, sentences)."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(
        stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    taken: set[str] = set()
    for name, headings, rows in lists:
        _write_sheet(book, _sheet_name(name, taken), headings, rows)
    book.close()
    return stream.getvalue()


def _write_sheet(book: Any, name: str, headings: list[str], rows: list[tuple[list[Any], list[str]]]) -> None:
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True, "bg_color": "#E8EEF7", "border": 1, "text_wrap": True, "valign": "top"})
    day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
    text = book.add_format({"num_format": "@"})
    red = book.add_format({"font_color": "#B00020", "text_wrap": True, "valign": "top"})
    keep = [i for i, h in enumerate(headings) if normalise(h) not in _OLD]
    for column, index in enumerate(keep):
        sheet.write_string(0, column, headings[index], bold)
        sheet.set_column(column, column, 16)
    sheet.write_string(0, len(keep), PROBLEMS, bold)
    sheet.set_column(len(keep), len(keep), 60)
    for line, (cells, sentences) in enumerate(rows, start=1):
        for column, index in enumerate(keep):
            cell = cells[index] if index < len(cells) else None
            if isinstance(cell, dict):
                sheet.write_datetime(line, column, datetime.fromisoformat(str(cell["date"])), day)
            elif isinstance(cell, bool):
                sheet.write_boolean(line, column, cell)
            elif isinstance(cell, int | float):
                sheet.write_number(line, column, cell)
            elif cell is not None:
                sheet.write_string(line, column, str(cell), text)
        sheet.write_string(line, len(keep), "\n".join(sentences), red)
    sheet.freeze_panes(1, 1)


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that a program takes, and that no other sheet has."""
    clean = "".join("_" if c in "[]:*?/\\" else c for c in name).strip("'")[:31] or "Sheet1"
    number = 1
    while clean.lower() in taken:
        number += 1
        clean = f"{clean[:26]} ({number})"
    taken.add(clean.lower())
    return clean
