"""Odd spreadsheets for the tests, made on the spot: the sample's rows under other headings, types and encodings."""

import csv
import io
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import xlwt

SAMPLE = Path(__file__).parents[2] / "samples" / "foreign_hires_2026-10.xlsx"


def sample_rows() -> list[list[Any]]:
    """Header and rows of the sample."""
    sheet = openpyxl.load_workbook(SAMPLE).active
    assert sheet is not None
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def xlsx(rows: list[list[Any]], *, title: str = "Sheet1", more: dict[str, list[list[Any]]] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name, others in (more or {}).items():
        extra = book.create_sheet(name, 0)
        for row in others:
            extra.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def xls(rows: list[list[Any]]) -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("人员")
    day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if isinstance(cell, date | datetime):
                sheet.write(r, c, cell, day)
            elif cell is not None:
                sheet.write(r, c, cell)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def csv_text(rows: list[list[Any]], separator: str = ",") -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator)
    for row in rows:
        writer.writerow(["" if c is None else c.strftime("%Y/%m/%d") if isinstance(c, date) else c for c in row])
    return stream.getvalue()


def with_part(content: bytes, name: str, part: bytes) -> bytes:
    """The same .xlsx with one more (or another) part inside."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename != name:
                new.writestr(entry, old.read(entry.filename))
        new.writestr(name, part)
    return stream.getvalue()
