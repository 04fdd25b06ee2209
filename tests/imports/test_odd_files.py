"""Odd files as they come: what is in them is read right or refused with a sentence, never silently otherwise."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
import xlsxwriter
import xlwt
from openpyxl.utils import get_column_letter

from api.spreadsheets import columns, reader
from api.spreadsheets.cells import CellFault, parse_date
from api.spreadsheets.units import Unit
from cli.demo_people import ORG_UNITS
from tests.imports import files

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]
HEADER, *PEOPLE = files.sample_rows()[:3]
WAGE, START = HEADER.index("月工资"), HEADER.index("合同开始日期")
SHEET = "xl/worksheets/sheet1.xml"


def read(content: bytes, name: str = "a.xlsx") -> columns.People:
    return columns.parse(reader.read(content, name), UNITS)


EXPECTED = [row.values for row in read(files.SAMPLE.read_bytes()).rows[:2]]


def book(change: Callable[[Any], None], rows: list[list[Any]] | None = None) -> bytes:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows or [HEADER, *PEOPLE]:
        sheet.append(row)
    change(sheet)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def put(column: str, value: Any) -> list[list[Any]]:
    first = list(PEOPLE[0])
    first[HEADER.index(column)] = value
    return [HEADER, first, PEOPLE[1]]


def from_1904(*, formatted: bool) -> bytes:
    stream = io.BytesIO()
    made = xlsxwriter.Workbook(stream, {"date_1904": True})
    sheet, day = made.add_worksheet(), made.add_format({"num_format": "yyyy-mm-dd"})
    for r, row in enumerate([HEADER, *PEOPLE]):
        for c, cell in enumerate(row):
            if isinstance(cell, datetime) and formatted:
                sheet.write_datetime(r, c, cell, day)
            elif cell is not None:
                sheet.write(r, c, (cell - datetime(1904, 1, 1)).days if isinstance(cell, datetime) else cell)
    made.close()
    return stream.getvalue()


def xls(style: Callable[[int, int], Any], *, from_1904: bool = False, hide: int | None = None) -> bytes:
    made = xlwt.Workbook()
    made.dates_1904 = from_1904
    sheet = made.add_sheet("人员")
    first = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)
    for r, row in enumerate([HEADER, *PEOPLE]):
        for c, cell in enumerate(row):
            if cell is not None:
                sheet.write(r, c, (cell - first).days if isinstance(cell, datetime) else cell, style(r, c))
    if hide is not None:
        sheet.row(hide).hidden = True
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


PLAIN, DAY, DOLLAR = (
    xlwt.easyxf(),
    xlwt.easyxf(num_format_str="yyyy-mm-dd"),
    xlwt.easyxf(num_format_str='"US$"#,##0.00'),
)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (from_1904(formatted=True), "a.xlsx"), (from_1904(formatted=False), "a.xlsx"),
        (xls(lambda r, c: PLAIN, from_1904=True), "a.xls"),
        (xls(lambda r, c: DAY if r and isinstance(PEOPLE[r - 1][c], datetime) else PLAIN, from_1904=True), "a.xls"),
        (xls(lambda r, c: PLAIN), "a.xls"),
    ],
)  # fmt: skip
def test_days_counted_from_1904_or_1900_are_the_same_days(content: bytes, name: str) -> None:
    assert [row.values for row in read(content, name).rows] == EXPECTED


@pytest.mark.parametrize("error", ["#REF!", "#N/A", "#DIV/0!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!"])
@pytest.mark.parametrize("column", ["月工资", "聘用方式", "协议国参保证明"])
def test_a_cell_whose_formula_failed_is_a_fault_and_no_empty_cell(error: str, column: str) -> None:
    content = book(lambda sheet: None, put(column, 18000))
    letter = get_column_letter(HEADER.index(column) + 1)
    xml = zipfile.ZipFile(io.BytesIO(content)).read(SHEET).decode()
    failed = re.sub(rf'<c r="{letter}2"([^>]*)>.*?</c>', rf'<c r="{letter}2" t="e"><v>{error}</v></c>', xml)
    [row, _] = read(files.with_part(content, SHEET, failed.encode())).rows
    assert [(f.column, f.code) for f in row.faults] == [(column, "formula_error")] and row.repairs == []


@pytest.mark.parametrize(
    ("code", "value", "fault"),
    [
        ('"US$"#,##0.00', 3000, "amount_currency"), ("[$$-409]#,##0.00", 3000, "amount_currency"),
        ("[$€-2] #,##0.00", 3000, "amount_currency"), ("[$USD] #,##0", 3000, "amount_currency"),
        ('#,##0"元/年"', 216000, "amount_period"), ('0.0"万"', 180, "amount_format"), ("0%", 180, "amount_format"),
        ('0.0,"k"', 18000, "amount_format"), ("#,##0.0,", 18000, "amount_format"),
        ("#,##0.00", 18000, ""), ('"¥"#,##0.00', 18000, ""), ('_ "¥"* #,##0.00_ ', 18000, ""),
        ("[$¥-804]#,##0.00", 18000, ""), ('#,##0"元"', 18000, ""), ("[DBNum2]General", 18000, ""),
    ],
)  # fmt: skip
def test_a_wage_that_is_shown_as_no_yuan_is_a_fault(code: str, value: int, fault: str) -> None:
    def change(sheet: Any) -> None:
        sheet.cell(2, WAGE + 1, value).number_format = code

    [row, _] = read(book(change)).rows
    assert [f.code for f in row.faults] == ([fault] if fault else [])
    assert fault or row.values == EXPECTED[0]


def test_the_old_format_tells_the_same_of_its_cells() -> None:
    shown = xls(lambda r, c: DOLLAR if r == 1 and c == WAGE else PLAIN, hide=2)
    people = read(shown, "a.xls")
    assert [f.code for row in people.rows for f in row.faults] == ["amount_currency"]
    assert any("第 3 行在文件中是隐藏" in note.zh for note in people.notes)


def test_hidden_rows_are_read_and_said() -> None:
    def change(sheet: Any) -> None:
        sheet.row_dimensions[3].hidden = True

    people = read(book(change))
    assert [row.values for row in people.rows] == EXPECTED
    [note] = people.notes
    assert "第 3 行" in note.zh and "row 3" in note.en


@pytest.mark.parametrize(
    "content",
    [
        files.csv_text([HEADER, *PEOPLE]).encode("utf-16-le"), files.csv_text([HEADER, *PEOPLE], "|").encode(),
        b"\xfe\xff" + files.csv_text([HEADER, *PEOPLE], ";").encode("utf-16-be"),
        ("sep=;\r\n" + files.csv_text([HEADER, *PEOPLE], ";")).encode(),
    ],
    ids=["utf16-no-mark", "bar", "utf16-be", "sep-line"],
)  # fmt: skip
def test_text_files_of_other_programs(content: bytes) -> None:
    assert [row.values for row in read(content, "a.csv").rows] == EXPECTED


def test_a_separator_in_a_value_moves_nothing_in_silence() -> None:
    short = [row[: WAGE + 1] for row in (HEADER, *PEOPLE)]
    text = files.csv_text(short).replace("18000", "100,000", 1)
    first, second = read(text.encode(), "a.csv").rows
    assert [f.code for f in first.faults] == ["row_longer"] and second.faults == []
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(files.csv_text([HEADER, *PEOPLE]).replace("Noah", '"Noah', 1).encode(), "a.csv")
    assert refusal.value.code == "csv_quotes" and "双引号" in refusal.value.text.zh


@pytest.mark.parametrize("total", ["合计", "合 计", "总人数：2人", "共 2 人", "Total", "小计", "审核人：张三"])
def test_a_row_of_totals_is_nobody(total: str) -> None:
    row: list[Any] = [total, *[None] * (len(HEADER) - 1)]
    row[WAGE], row[HEADER.index("所属学院")], row[HEADER.index("岗位")] = 38000, "x", "y"
    people = read(files.xlsx([HEADER, *PEOPLE, [], row]))
    assert [r.values for r in people.rows] == EXPECTED and "第 5 行" in people.notes[-1].zh


@pytest.mark.parametrize("text", ["1-Sep-26", "26.9.1", "1/9/26", "26年9月1日"])
def test_a_year_of_two_digits_is_asked_back(text: str) -> None:
    with pytest.raises(CellFault) as fault:
        parse_date(text)
    assert fault.value.code == "date_two_digit_year" and text in fault.value.text.zh and text in fault.value.text.en
    assert parse_date(44818, date_1904=True) == date(2026, 9, 15)


def test_many_empty_formatted_rows_and_broken_parts() -> None:
    def tall(sheet: Any) -> None:
        for number in range(4, 30_000):
            sheet.cell(number, 1).number_format = "0.00"

    assert [row.values for row in read(book(tall)).rows] == EXPECTED
    whole = book(lambda sheet: None)
    for part, content in (
        (SHEET, zipfile.ZipFile(io.BytesIO(whole)).read(SHEET)[:900]),
        ("xl/workbook.xml", b""),
        ("xl/styles.xml", b"<x"),
    ):
        with pytest.raises(reader.SpreadsheetError) as refusal:
            read(files.with_part(whole, part, content))
        assert refusal.value.code == "file_corrupt"
