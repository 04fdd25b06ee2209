"""Headers of two rows, and cells merged down a list: joined and said so; a group is never left out."""

import io
from typing import Any

import openpyxl
import pytest
import xlwt

from api.spreadsheets import columns, reader, refused
from api.spreadsheets.units import Unit
from cli.demo_people import ORG_UNITS
from tests.imports import files

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]
# The upper text, the lower text, and the column of the sample below them; a group is written once.
COLUMNS: list[tuple[str | None, str | None, str | None]] = [
    ("序号", None, None),
    ("基本信息", "姓名", "姓名(护照)"), (None, "性别", "性别"), (None, "国籍", "国籍代码"),
    (None, "出生日期", "出生日期"),
    ("护照", "号码", "证件号码"), (None, "有效期至", "证件有效期至"), (None, "签发日期", "出生日期"),
    ("工作许可信息", "编号", "工作许可证号"), (None, "签发日期", "工作许可签发日期"),
    (None, "有效期至", "工作许可有效期至"),
    ("居留许可有效期至", None, "居留许可有效期至"), ("用人学院", None, "所属学院"),
    ("合同", "开始", "合同开始日期"), (None, "结束", "合同结束日期"), (None, "月工资", "月工资"),
    ("紧急联系人", "姓名", "邮箱"), (None, "电话", "证件号码"),
]  # fmt: skip
FIELDS = [
    "birth", "contract_end", "contract_start", "country", "id_expires", "id_number", "monthly_wage", "name", "org_unit",
    "permit_expires", "permit_issued", "residence_expires", "sex", "work_permit_no",
]  # fmt: skip


def rows(people: int = 2) -> list[list[Any]]:
    header, *sample = files.sample_rows()
    upper, lower = [up for up, _, _ in COLUMNS], [low for _, low, _ in COLUMNS]
    taken = [[row[header.index(own)] if own else None for _, _, own in COLUMNS] for row in sample[:people]]
    return [upper, lower, *taken]


def spans(first: int) -> list[tuple[int, int, int, int]]:
    """What a user merges: groups over their columns, single headings over both rows (row, row, column, column)."""
    starts = [i for i, (up, _, _) in enumerate(COLUMNS) if up]
    found: list[tuple[int, int, int, int]] = []
    for start, end in zip(starts, [*starts[1:], len(COLUMNS)], strict=True):
        found.append((first, first, start, end - 1) if COLUMNS[start][1] else (first, first + 1, start, start))
    return found


def as_xlsx(title: bool = False, content: list[list[Any]] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [*([["外籍人员信息采集表"]] if title else []), *(content or rows())]:
        sheet.append(row)
    if title:
        sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(COLUMNS))
    for r0, r1, c0, c1 in spans(2 if title else 1):
        sheet.merge_cells(start_row=r0, end_row=r1, start_column=c0 + 1, end_column=c1 + 1)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def as_xls() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("人员")
    upper, lower, *people = rows()
    for r0, r1, c0, c1 in spans(0):
        sheet.write_merge(r0, r1, c0, c1, upper[c0])
    for column, text in enumerate(lower):
        if text:
            sheet.write(1, column, text)
    day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for r, row in enumerate(people, start=2):
        for c, cell in enumerate(row):
            if cell is not None:
                sheet.write(r, c, cell, day) if hasattr(cell, "year") else sheet.write(r, c, cell)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def read(content: bytes, name: str = "a.xlsx") -> columns.People:
    return columns.parse(reader.read(content, name), UNITS)


def expected() -> list[dict[str, Any]]:
    sample = read(files.SAMPLE.read_bytes()).rows[:2]
    return [{name: row.values[name] for name in FIELDS} for row in sample]


@pytest.mark.parametrize(
    ("content", "name", "first"),
    [
        (as_xlsx(), "a.xlsx", 1), (as_xlsx(title=True), "a.xlsx", 2), (files.xlsx(rows()), "a.xlsx", 1),
        (as_xls(), "a.xls", 1),
        (files.csv_text(rows()).encode("gbk"), "a.csv", 1),
    ],
    ids=["xlsx", "xlsx-title", "xlsx-not-merged", "xls", "csv"],
)  # fmt: skip
def test_two_rows_are_joined_and_said(content: bytes, name: str, first: int) -> None:
    people = read(content, name)
    assert [row.values for row in people.rows] == expected()
    assert [row.number for row in people.rows] == [first + 2, first + 3] and not any(r.faults for r in people.rows)
    note = people.notes[-1]
    assert f"第 {first}–{first + 1} 行" in note.zh and "护照 号码" in note.zh and "rows were read together" in note.en
    # A date of the passport is none of the work permit, and somebody else's name and number are nobody's here.
    assert [u.column for u in people.unread] == ["护照 签发日期", "紧急联系人 姓名", "紧急联系人 电话"]


def test_a_group_decides_what_a_column_is() -> None:
    content = [row[:9] + row[10:] for row in rows()]  # no 签发日期 of the work permit: the passport's does not stand in
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(files.xlsx(content))
    assert refusal.value.code == "columns_missing" and "工作许可签发日期" in refusal.value.text.zh
    assert "护照 签发日期" in refusal.value.text.zh


def test_a_unit_below_its_heading_is_read_with_it() -> None:
    header, first, second = files.sample_rows()[:3]
    units = [None if title != "月工资" else "（万元）" for title in header]
    for row in (first, second):
        row[17] = 1.8
    people = read(files.xlsx([header, units, first, second]))
    assert [str(row.values["monthly_wage"]) for row in people.rows] == ["18000.00", "18000.00"]


def test_a_first_person_is_no_second_row_of_the_header() -> None:
    for content in (
        files.csv_text(files.sample_rows()[:2]),
        files.csv_text([["单位", "商学院"], *files.sample_rows()[:2]]),
    ):
        people = read(content.encode(), "a.csv")
        assert len(people.rows) == 1 and "合并读取" not in "".join(n.zh for n in people.notes)


def test_refused_rows_of_such_a_list_can_be_uploaded_again() -> None:
    table = read(as_xlsx()).tables[0]
    lines = [(refused.to_json(row.cells), ["x"]) for row in table.rows]
    again = read(refused.write([(table.sheet, table.headings, lines)]))
    assert [row.values for row in again.rows] == expected()


def test_a_college_merged_down_the_list_holds_for_all_its_rows() -> None:
    header, *people = (list(row) for row in files.sample_rows()[:4])
    college, name = header.index("所属学院"), header.index("姓名(护照)")
    for row in people[1:]:
        row[college] = None
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [header, *people]:
        sheet.append(row)
    sheet.merge_cells(start_row=2, end_row=4, start_column=college + 1, end_column=college + 1)
    sheet.merge_cells(start_row=3, end_row=4, start_column=name + 1, end_column=name + 1)
    stream = io.BytesIO()
    book.save(stream)
    found = read(stream.getvalue()).rows
    assert [row.values.get("org_unit") for row in found] == ["business"] * 3
    assert [r.text.zh for r in found[1].repairs] == ["合并单元格：“商学院”取自第 2 行。"]
    assert [f.field for f in found[2].faults] == ["name"], "who somebody is, is taken from no other row"
    assert found[1].cells[college] == "商学院", "so that a row handed back is whole"
    plain = read(files.xlsx([header, *people])).rows
    assert [f.code for f in plain[1].faults] == ["missing"], "an empty cell is no merged one"
