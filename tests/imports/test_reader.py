"""The spreadsheet reader: what colleges send, and what they should not have sent."""

import io
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from api.spreadsheets import columns, headings, reader, refused
from api.spreadsheets.cell_facts import facts_of
from api.spreadsheets.cells import (
    CellFault,
    parse_country,
    parse_date,
    parse_email,
    parse_number_text,
    parse_phone,
)
from api.spreadsheets.money import parse_money
from api.spreadsheets.units import Unit, find_unit
from cli.demo_people import ORG_UNITS
from tests.imports import files

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]


def read(content: bytes, name: str = "list.xlsx") -> columns.Table:
    """The one list of a file."""
    [table] = read_all(content, name).tables
    return table


def read_all(content: bytes, name: str = "list.xlsx") -> columns.People:
    return columns.parse(reader.read(content, name), UNITS)


def test_sample_is_read_whole() -> None:
    table = read(files.SAMPLE.read_bytes())
    assert len(table.rows) == 13 and set(table.columns) == set(headings.fields())
    milan = table.rows[2]
    assert milan.values["id_number"] == "G12580876"
    assert [r.code for r in milan.repairs] == ["blank_removed"] and "G125 80876" in milan.repairs[0].text.zh
    first = table.rows[0].values
    assert first["contract_start"] == date(2026, 9, 20) and first["monthly_wage"] == Decimal("18000.00")
    assert (first["sex"], first["country"], first["org_unit"], first["hire_kind"], first["certificate"]) == (
        "male",
        "JPN",
        "business",
        "local_hire",
        "none",
    )
    assert [(r.number, f.code) for r in table.rows for f in r.faults] == [(11, "missing")]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (files.xls(files.sample_rows()), "a.xls"),
        (files.csv_text(files.sample_rows()).encode("utf-8"), "a.csv"),
        (files.csv_text(files.sample_rows()).encode("utf-8-sig"), "a.csv"),
        (files.csv_text(files.sample_rows()).encode("gbk"), "a.csv"),
        (files.csv_text(files.sample_rows(), "\t").encode("utf-16"), "a.csv"),
        (files.csv_text(files.sample_rows(), ";").encode("gb18030"), "a.csv"),
    ],
    ids=["xls", "utf8", "bom", "gbk", "utf16-tab", "gb18030-semicolon"],
)
def test_other_formats_hold_the_same_people(content: bytes, name: str) -> None:
    expected, found = read(files.SAMPLE.read_bytes()), read(content, name)
    assert [r.values for r in found.rows] == [r.values for r in expected.rows]


def test_other_headings_title_rows_and_text_dates() -> None:
    cells = {
        "序号": 1,
        "护照姓名": "Ａｎｎａ　Muster",
        "性　别": "Female",
        "国籍": "德国",
        "出生年月日（YYYY-MM-DD）": "1985年3月14日",
        "* 护照号码": "ｅ１２３４ ５６７８",
        "护照有效期": "20310131",
        "外国人工作许可证号": "5100202612345678",
        "签发日期": "2026-9-1",
        "工作许可证有效期": "2027/09/01",
        "居留证到期日期": "2027.9.16",
        "学院（部门）": "外国语学院",
        "聘期开始": 46270,
        "聘期结束": "Sep 4, 2028",
        "月薪（元）": "￥18,000",
    }
    header, row = list(cells), list(cells.values())
    table = read(files.xlsx([["附件1"], ["2026年外籍人员登记表"], [], header, row, [], ["填表人：张三"]]))
    assert table.header_row == 4 and len(table.rows) == 1
    person = table.rows[0]
    assert person.faults == []
    assert person.values == {
        "name": "Anna Muster",
        "sex": "female",
        "country": "DEU",
        "birth": date(1985, 3, 14),
        "id_number": "E12345678",
        "id_expires": date(2031, 1, 31),
        "work_permit_no": "5100202612345678",
        "permit_issued": date(2026, 9, 1),
        "permit_expires": date(2027, 9, 1),
        "residence_expires": date(2027, 9, 16),
        "org_unit": "foreign_languages",
        "contract_start": date(2026, 9, 5),
        "contract_end": date(2028, 9, 4),
        "monthly_wage": Decimal("18000.00"),
    }
    codes = {r.field: r.code for r in person.repairs}
    assert codes["name"] == "full_width_corrected" and codes["id_number"] == "blank_removed"
    assert codes["birth"] == "date_text_read"


def test_right_sheet_is_picked() -> None:
    content = files.xlsx(files.sample_rows(), title="名单", more={"说明": [["填表说明"], ["姓名与护照一致"]]})
    people = read_all(content)
    assert people.tables[0].sheet == "名单" and "已读取“名单”" in people.notes[0].zh
    assert [n.zh for n in people.notes[1:]] == ["未读取“说明”：没有人员表头。"]


def test_every_list_of_a_workbook_is_read_each_under_its_own_headings() -> None:
    header, *rows = files.sample_rows()
    other = [["外国语学院名单"], ["工号", *header], *[["x", *r] for r in rows[6:8]]]
    people = read_all(files.xlsx([header, *rows[:2]], title="乙", more={"甲": other, "空": [], "丙": [header]}))
    first, second, third = people.tables[1], people.tables[2], people.tables[0]
    assert [t.sheet for t in people.tables] == ["丙", "甲", "乙"] and third.rows == []
    expected = read(files.SAMPLE.read_bytes()).rows
    assert [r.values for r in first.rows] == [r.values for r in expected[6:8]]
    assert [r.values for r in second.rows] == [r.values for r in expected[:2]]
    assert first.rows[0].place.zh == "工作表“甲”第 3 行" and second.rows[0].number == 2
    keys = [r.key for r in people.rows]
    assert keys == sorted(set(keys))
    assert "工作表“丙”没有人员数据。" in [n.zh for n in people.notes]


def test_nobody_on_another_sheet_is_left_out_in_silence() -> None:
    header, *rows = files.sample_rows()
    wages = [["姓名", "证件号码", "所属学院", "岗位", "月工资"], *[[r[0], r[7], r[13], r[14], r[17]] for r in rows[:2]]]
    people = read_all(files.xlsx([header, *rows[:3]], title="名单", more={"工资": wages}))
    assert [t.sheet for t in people.tables] == ["名单"] and "“工资”缺少" in people.notes[1].zh
    stranger = [*wages, ["Someone Else", "X1234567", "商学院", "教师", 9000]]
    for more, code in (({"工资": stranger}, "columns_missing"), ({"续表": rows[3:5]}, "no_header")):
        with pytest.raises(reader.SpreadsheetError) as refusal:
            read_all(files.xlsx([header, *rows[:3]], title="名单", more=more))
        assert refusal.value.code == code and next(iter(more)) in refusal.value.text.zh


def test_a_hidden_sheet_is_named() -> None:
    book = openpyxl.load_workbook(files.SAMPLE)
    book.create_sheet("旧名单").sheet_state = "hidden"
    stream = io.BytesIO()
    book.save(stream)
    assert "旧名单" in read_all(stream.getvalue()).notes[0].zh


def test_stored_value_of_a_formula_is_read_and_said_so() -> None:
    rows = files.sample_rows()[:2]
    content = files.xlsx(rows)
    sheet = reader.zipfile.ZipFile(reader.io.BytesIO(content)).read("xl/worksheets/sheet1.xml").decode()
    wage = sheet.index('r="R2"')
    formula = sheet[:wage] + sheet[wage:].replace("<v>18000</v>", "<f>9000*2</f><v>18000</v>", 1)
    assert formula != sheet
    table = read(files.with_part(content, "xl/worksheets/sheet1.xml", formula.encode()))
    assert table.rows[0].values["monthly_wage"] == Decimal("18000.00")
    assert [(r.code, r.field) for r in table.rows[0].repairs] == [("formula_value_read", "monthly_wage")]

    rows[1][17] = "=9000*2"  # written by a program that never computed it
    empty = read(files.xlsx(rows)).rows[0]
    assert [(f.code, f.field) for f in empty.faults] == [("formula_without_value", "monthly_wage")]


def test_a_formula_with_an_empty_result_is_an_empty_cell() -> None:
    rows = files.sample_rows()[:2]
    for column in (1, 18, 21):  # Chinese name, phone, certificate: none of them required
        rows[1][column] = '=IF(A2="","",A2)'
    never = read(files.xlsx(rows)).rows[0]
    assert never.faults == []
    assert {r.code for r in never.repairs} == {"formula_without_value"} and len(never.repairs) == 3

    def computed(content: bytes, cell: str) -> bytes:
        """The cell as a program writes it that computed the empty text."""
        part = "xl/worksheets/sheet1.xml"
        sheet = reader.zipfile.ZipFile(reader.io.BytesIO(content)).read(part).decode()
        typed = re.sub(f'(<c r="{cell}")([^>]*>)', r'\1 t="str"\2', sheet)
        assert typed != sheet
        return files.with_part(content, part, typed.encode())

    content = files.xlsx(rows)
    for cell in ("B2", "S2", "V2"):
        content = computed(content, cell)
    row = read(content).rows[0]
    assert (row.faults, row.repairs) == ([], []) and not {"name_zh", "phone", "certificate"} & row.values.keys()

    rows[1][7] = '=IF(A2="","",A2)'
    required = read(computed(files.xlsx(rows), "H2")).rows[0]
    assert [(f.code, f.field) for f in required.faults] == [("formula_without_value", "id_number")]
    assert "请直接填写" in required.faults[0].text.zh


def test_unknown_college_offers_near_names() -> None:
    for typed, meant in (("外语学院", "外国语学院"), ("电气学院", "电气工程学院"), ("数学院", "数学学院")):
        with pytest.raises(CellFault) as fault:
            find_unit(typed, UNITS)
        assert fault.value.code == "org_unit_unknown" and meant in fault.value.text.zh
    assert find_unit(" 商 学 院 ", UNITS) == "business" and find_unit("Law School", UNITS) == "law"


def test_each_unreadable_cell_is_named() -> None:
    rows = files.sample_rows()[:2]
    for column, value in ((2, "未知"), (3, "ZZZ"), (4, None), (5, "2026-02-30"), (8, "03/04/2030"), (9, "5.1002E+15"),
                          (13, "银河学院"), (16, "长期"), (17, "面议")):  # fmt: skip
        rows[1][column] = value
    row = read(files.xlsx(rows)).rows[0]
    assert {f.field: f.code for f in row.faults} == {
        "sex": "choice_unknown",
        "country": "country_unknown",
        "birth": "date_impossible",
        "id_expires": "date_ambiguous",
        "work_permit_no": "digits_lost",
        "org_unit": "org_unit_unknown",
        "contract_end": "date_unreadable",
        "monthly_wage": "amount_unreadable",
    }
    assert {f.column for f in row.faults} <= set(rows[0])


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-9-1", date(2026, 9, 1)),
        ("2026/09/01", date(2026, 9, 1)),
        ("２０２６年９月１日", date(2026, 9, 1)),
        ("2026.09.01", date(2026, 9, 1)),
        (20260901, date(2026, 9, 1)),
        ("20260901", date(2026, 9, 1)),
        (46266, date(2026, 9, 1)),
        ("46266", date(2026, 9, 1)),
        (datetime(2026, 9, 1, 13, 5), date(2026, 9, 1)),
        ("2026-09-01 00:00:00", date(2026, 9, 1)),
        ("2026-09-01T00:00:00", date(2026, 9, 1)),
        ("13/09/2026", date(2026, 9, 13)),
        ("1 Sep 2026", date(2026, 9, 1)),
        ("1st September, 2026", date(2026, 9, 1)),
        ("01-Sep-2026", date(2026, 9, 1)),
    ],
)
def test_dates(cell: Any, day: date) -> None:
    assert parse_date(cell) == day


@pytest.mark.parametrize("cell", ["26-9-1", "2026-9", "明年", "3/4/2026", "20261301", 7, True])
def test_no_date(cell: Any) -> None:
    with pytest.raises(CellFault):
        parse_date(cell)


def test_numbers_money_countries() -> None:
    assert parse_number_text(" g125 80876 ") == "G12580876" and parse_number_text(12345678) == "12345678"
    with pytest.raises(CellFault):
        parse_number_text(5100202627565618)
    assert parse_money("1.8万").yuan == parse_money("18000元/月").yuan == Decimal("18000.00")
    rows = files.sample_rows()[:2]
    rows[1][17] = "1.8万"
    [said] = read(files.xlsx(rows)).rows[0].repairs
    assert said.code == "amount_converted" and "18000.00" in said.text.zh
    for bad in ("abc", "18000.005", "NaN", ""):
        with pytest.raises(CellFault):
            parse_money(bad)
    assert [parse_country(c) for c in ("jpn", "JP", "日本", "Japan", "英国", "UK", "韩国", "塞尔维亚籍", "Serbia")] == [
        "JPN", "JPN", "JPN", "JPN", "GBR", "GBR", "KOR", "SRB", "SRB",
    ]  # fmt: skip


@pytest.mark.parametrize("good", ["+49 30 123456", "138-0000-0000", "028-85405678转123", "13800000000/02885405678"])
def test_phones(good: str) -> None:
    assert parse_phone(good) == re.sub(r"[\s-]", "", good)
    for bad in ("abc", "1234", "call me 12345"):
        with pytest.raises(CellFault):
            parse_phone(bad)


def test_an_address_that_no_mail_reaches_is_a_fault() -> None:
    assert parse_email(" a.b@cs.example.edu ") == "a.b@cs.example.edu" and parse_email("李@例.中国") == "李@例.中国"
    rows = files.sample_rows()[:2]
    for bad in ("not-an-email", "a@b", "a@b.c", "a@b.cn, c@d.cn", "@x.cn"):
        rows[1][18], rows[1][19] = "abc", bad
        row = read(files.xlsx(rows)).rows[0]
        assert [(f.field, f.code) for f in row.faults] == [("phone", "phone_unreadable"), ("email", "email_unreadable")]


def encrypted() -> bytes:
    return reader.OLE_MAGIC + b"\x00" * 512 + "EncryptedPackage".encode("utf-16-le") + b"\x00" * 512


@pytest.mark.parametrize(
    ("content", "name", "code", "status"),
    [
        (b"", "a.xlsx", "file_empty", 422),
        (b"x" * (50 * 1024 * 1024), "a.csv", "file_too_large", 413),
        (files.SAMPLE.read_bytes(), "a.xlsm", "macro_file", 422),
        (files.with_part(files.SAMPLE.read_bytes(), "xl/vbaProject.bin", b"macro"), "a.xlsx", "macro_file", 422),
        (files.xlsx([[]]), "a.xlsx", "sheet_empty", 422),
        (files.xlsx([["科目", "摘要", "金额"], ["其他应付款", "代扣", 3]]), "a.xlsx", "no_header", 422),
        (files.xlsx(files.sample_rows()[:1]), "a.xlsx", "no_rows", 422),
        (files.xlsx([r[:9] + r[11:] for r in files.sample_rows()]), "a.xlsx", "columns_missing", 422),
        (files.SAMPLE.read_bytes()[:3000], "a.xlsx", "file_corrupt", 422),
        (b"PK\x03\x04" + b"\x01" * 99, "a.xlsx", "file_corrupt", 422),
        (reader.OLE_MAGIC + b"\x00" * 600, "a.xls", "file_corrupt", 422),
        (encrypted(), "a.xlsx", "file_protected", 422),
        (b"%PDF-1.7 \x01\x02", "a.pdf", "file_type_unknown", 415),
        (b"%PDF-1.7\n1 0 obj\n", "a.csv", "file_type_unknown", 415),
        (b"<html><table></table></html>", "a.xls", "file_corrupt", 422),
    ],
)
def test_bad_files_are_refused_by_name(content: bytes, name: str, code: str, status: int) -> None:
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(content, name)
    assert (refusal.value.code, refusal.value.status) == (code, status)
    assert len(refusal.value.text.zh) > 10 and len(refusal.value.text.en) > 10


@pytest.mark.parametrize(("size", "shown"), [(50 * 1024**2, "50"), (20 * 1024**2 + 1, "20.1"), (2 * 1024**3, "2048")])
def test_a_file_that_is_too_large_is_told_its_size(size: int, shown: str) -> None:
    with pytest.raises(reader.SpreadsheetError) as refusal:
        reader.check_size(size)
    assert f"有 {shown} MB" in refusal.value.text.zh and f"has {shown} MB" in refusal.value.text.en
    reader.check_size(reader.MAX_BYTES)


def test_an_archive_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = files.with_part(files.SAMPLE.read_bytes(), "xl/media/x.bin", b"\x00" * (reader.MAX_UNPACKED_BYTES + 1))
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(bomb)
    assert refusal.value.code == "file_too_large"


def test_missing_columns_are_listed() -> None:
    rows = [r[:9] + r[11:] for r in files.sample_rows()]
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(files.xlsx(rows))
    assert "工作许可证号" in refusal.value.text.zh and "工作许可签发日期" in refusal.value.text.zh


def test_refused_rows_can_be_uploaded_again() -> None:
    table = read(files.SAMPLE.read_bytes())
    bad = table.rows[9]
    content = refused.write(
        [(table.sheet, table.headings, [(refused.to_json(bad.cells), [f.text.zh for f in bad.faults])])]
    )
    again = read(content)
    assert again.headings[:-1] == table.headings and again.headings[-1] == refused.PROBLEMS
    assert again.rows[0].values == bad.values and again.rows[0].cells[-1] == "缺少工作许可签发日期，请补填。"
    twice = refused.write([(again.sheet, again.headings, [(refused.to_json(again.rows[0].cells), ["x"])])])
    assert read(twice).headings == again.headings


def test_text_never_becomes_a_formula() -> None:
    content = refused.write([("a", ["姓名"], [(['=HYPERLINK("http://x")'], ["y"])])])
    sheet = reader.read(content, "a.xlsx").sheets[0]
    assert sheet.rows[1][0] == '=HYPERLINK("http://x")' and not facts_of(content, "xlsx", sheet.name).formulas
