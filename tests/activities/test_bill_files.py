"""Bills saved from the tax client: layouts of several kinds, and sentences for what cannot be read."""

from decimal import Decimal
from io import BytesIO
from typing import Any

import openpyxl
import pytest

import policies
from store.bill_files import UnreadableBill, read_bill
from store.import_files import parse_files

LAYOUT = parse_files(policies.read("agency_forms.yaml")).bills["tax_office"]
HEAD = ["姓名", "证件号码", "险种", "费款所属期", "单位应缴金额(元)", "个人应缴金额(元)"]


def sheet(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    target = BytesIO()
    book.save(target)
    return target.getvalue()


def test_title_rows_sums_and_dates_are_understood() -> None:
    content = sheet(
        ["社会保险费征集单"], HEAD, ["A", "e123 456", "企业职工基本养老保险费", 202611, 2880, "1,440.00"],
        ["A", "E123456", "大病医疗互助补充保险", "2026年11月", 108.06, 0], [], ["合计", "", "", "", 2988.06, 1440],
    )  # fmt: skip
    lines = read_bill(content, "bill.xlsx", LAYOUT)
    assert [(i.number, i.month, i.insurance, i.unit_amount, i.person_amount) for i in lines] == [
        ("E123456", "2026-11", "pension", Decimal("2880.00"), Decimal("1440.00")),
        ("E123456", "2026-11", "large_medical", Decimal("108.06"), Decimal("0.00")),
    ]


def test_one_amount_column_with_the_part_in_words_and_gbk() -> None:
    text = (
        "社会保障号码,征收品目,费款所属期起,应缴金额\n"
        "DEU0C01X00T47,职工基本医疗保险(单位缴纳),2026-11-01,1242.00\n"
        "DEU0C01X00T47,职工基本医疗保险(个人缴纳),2026-11-01,360.00\n"
    )
    lines = read_bill(text.encode("gb18030"), "bill.csv", LAYOUT)
    assert [(i.insurance, i.unit_amount, i.person_amount) for i in lines] == [
        ("medical", Decimal("1242.00"), Decimal("360.00"))
    ]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([["随便", "什么"]], "缺少列"),
        ([HEAD], "没有任何明细行"),
        ([HEAD, ["A", "E1", "车船税", 202611, 1, 1]], "第 2 行的险种"),
        ([HEAD, ["A", "E1", "养老", "十一月", 1, 1]], "第 2 行的费款所属期"),
        ([HEAD, ["A", "E1", "养老", 202611, "约十元", 1]], "第 2 行的金额不是数字"),
        ([HEAD, ["A", "E1", "养老", 202611, "1.005", 1]], "多于两位小数"),
    ],
)
def test_what_cannot_be_read_is_named_by_place(rows: list[list[Any]], why: str) -> None:
    with pytest.raises(UnreadableBill, match=why):
        read_bill(sheet(*rows), "bill.xlsx", LAYOUT)


def test_a_file_that_is_no_spreadsheet() -> None:
    with pytest.raises(UnreadableBill, match="电子表格"):
        read_bill(b"%PDF-1.4 not a sheet", "bill.xlsx", LAYOUT)
