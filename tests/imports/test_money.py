"""Wages with a unit, a currency or a period beside them: converted and said so, or refused; never guessed."""

from decimal import Decimal
from typing import Any

import pytest

from api.spreadsheets import columns, reader
from api.spreadsheets.cells import CellFault
from api.spreadsheets.money import Measure, measure_of_heading, measure_of_title, measure_of_words, parse_money
from api.spreadsheets.units import Unit
from cli.demo_people import ORG_UNITS
from tests.imports import files

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]
WAGE = "monthly_wage"


def read(heading: str, cell: Any, *above: list[Any], below: list[Any] | None = None) -> columns.People:
    header, first = (list(row) for row in files.sample_rows()[:2])
    place = header.index("月工资")
    header[place], first[place] = heading, cell
    return columns.parse(reader.read(files.xlsx([*above, header, first, [], below or []]), "a.xlsx"), UNITS)


@pytest.mark.parametrize(
    ("heading", "cell", "unit"),
    [
        ("月工资(万元)", 1.8, "万元"), ("月工资（单位：万元）", "1.8", "万元"), ("月薪/千元", 18, "千元"),
        ("月薪(k)", "18", "k"), ("Monthly wage (k CNY)", 18, "k"), ("Monthly salary (RMB '000)", 18, "000"),
        ("Salary (10k)", 1.8, "10k"), ("税前月工资（万元/月，必填）", 1.8, "万元"), ("月工资", "1.8万", "万"),
        ("月工资", "18K/月", "K"), ("月工资(元)", "1.8万元", "万元"), ("月工资（万元）", "1.8万", "万"),
    ],
)  # fmt: skip
def test_a_unit_is_applied_and_said(heading: str, cell: Any, unit: str) -> None:
    [row] = read(heading, cell).rows
    assert (row.faults, row.values[WAGE]) == ([], Decimal("18000.00"))
    [said] = [r for r in row.repairs if r.field == WAGE]
    assert said.code == "amount_converted" and said.text.zh == f"按“{unit}”换算：{cell} → 18000.00 元。"
    assert said.text.en == f"Converted from {unit!r}: {cell} → 18000.00 yuan."


@pytest.mark.parametrize(
    "heading",
    [
        "月工资(元)", "月工资（CNY）", "Monthly wage (RMB)", "月工资（人民币元/月）", "月薪（税前，元）",
        "Monthly pay (yuan)", "Gross monthly salary (CNY, before tax)", "月工资（必填，单位：元，保留两位小数）",
        "月工资（例：18000.00）",
    ],
)  # fmt: skip
def test_yuan_in_the_heading_change_nothing_and_nothing_is_said(heading: str) -> None:
    [row] = read(heading, 18000).rows
    assert (row.values[WAGE], row.faults, row.repairs) == (Decimal("18000.00"), [], [])


@pytest.mark.parametrize(
    ("heading", "zh", "en"),
    [
        ("Monthly wage (USD)", "是外币", "foreign currency"), ("月工资（美元）", "是外币", "foreign currency"),
        ("月薪$", "是外币", "foreign currency"), ("Salary (€)", "是外币", "foreign currency"),
        ("月工资（港币）", "是外币", "foreign currency"), ("年薪", "按年计", "by the year"),
        ("年薪(万元)", "按年计", "by the year"), ("Annual salary", "按年计", "by the year"),
        ("Salary per year (CNY)", "按年计", "by the year"), ("工资（年）", "按年计", "by the year"),
        ("日薪", "按日计", "by the day"), ("月工资（日）", "按日计", "by the day"), ("时薪", "按小时", "by the hour"),
        ("周薪", "按周计", "by the week"), ("月工资（税后）", "税后", "net of tax"),
        ("基本工资", "一部分", "part of the wage"), ("月工资（含房补）", "“含房补”没有读懂", "'含房补' in brackets"),
        ("月工资（试用期）", "“试用期”没有读懂", "'试用期' in brackets"),
        ("Monthly wage (k/pension)", "“k/pension”没有读懂", "'k/pension' in brackets"),
    ],
)  # fmt: skip
def test_a_heading_of_no_yuan_a_month_is_refused_with_the_reason(heading: str, zh: str, en: str) -> None:
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(heading, 18000)
    text = refusal.value.text
    assert refusal.value.code == "columns_missing" and heading in text.zh and heading in text.en
    assert zh in text.zh and en in text.en


def test_such_a_column_beside_the_wage_is_named_and_not_read() -> None:
    header, first = (list(row) for row in files.sample_rows()[:2])
    content = files.xlsx([[*header, "年薪（万元）"], [*first, 21.6]])
    people = columns.parse(reader.read(content, "a.xlsx"), UNITS)
    assert people.rows[0].values[WAGE] == Decimal("18000.00")
    assert [(u.column, u.code) for u in people.unread] == [("年薪（万元）", "column_refused")]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("USD 3000", "amount_currency"), ("$3000", "amount_currency"), ("3000美元/月", "amount_currency"),
        ("HK$20000", "amount_currency"), ("NT$ 50000", "amount_currency"),
        ("€2,500", "amount_currency"), ("HKD 20000", "amount_currency"), ("216000/年", "amount_period"),
        ("年薪21.6万", "amount_period"), ("CNY 216,000 per year", "amount_period"), ("900/天", "amount_period"),
        ("18000(税后)", "amount_not_gross"), ("1.8", "amount_too_small"), (18, "amount_too_small"),
        ("-18000", "amount_unreadable"), ("(18000)", "amount_unreadable"), ("~18000", "amount_unreadable"),
        ("18000+", "amount_unreadable"), ("约18000", "amount_unreadable"), ("18000-20000", "amount_unreadable"),
        ("18,00", "amount_unreadable"), ("18.000", "amount_unreadable"), ("18.000,00", "amount_unreadable"),
        ("18000+房补3000", "amount_unreadable"), ("面议", "amount_unreadable"), (True, "amount_unreadable"),
    ],
)  # fmt: skip
def test_a_cell_of_no_yuan_a_month_is_a_fault(cell: Any, code: str) -> None:
    with pytest.raises(CellFault) as fault:
        parse_money(cell)
    assert fault.value.code == code and "18000.00" in fault.value.text.zh and "18000.00" in fault.value.text.en


@pytest.mark.parametrize(
    "cell",
    [
        "18,000元/月",
        "￥18000",
        "RMB 18,000",
        "18 000",
        "１８０００",
        "18000元整",
        "'18000",
        "18000（含税）",
        "18000 per month",
    ],
)  # fmt: skip
def test_an_amount_with_words_is_read_and_said_with_before_and_after(cell: str) -> None:
    [row] = read("月工资", cell).rows
    assert row.values[WAGE] == Decimal("18000.00")
    [said] = row.repairs
    assert (said.code, said.text.zh) == ("amount_read", f"“{cell}”已读作 18000.00 元。") and cell in said.text.en


def test_the_unit_may_stand_above_or_below_the_list() -> None:
    for above, below in (
        ([["外籍人员名单"], ["填报单位：商学院", "单位：万元"]], None),
        ([["（金额单位：人民币万元）"]], None),
        ([], ["注：工资单位为万元"]),
    ):
        [row] = read("月工资", 1.8, *above, below=below).rows
        assert row.values[WAGE] == Decimal("18000.00") and "万元" in row.repairs[-1].text.zh
    [row] = read("月工资", 18000, ["填报单位：商学院"]).rows
    assert (row.values[WAGE], row.repairs) == (Decimal("18000.00"), [])
    [row] = read("月工资", 3000, ["Currency: USD"]).rows
    assert [(f.field, f.code) for f in row.faults] == [(WAGE, "amount_currency")]
    assert measure_of_title(["单位：商学院", "unit: Business School", 7, None]) is None


def test_a_cell_of_another_unit_than_the_heading_is_a_fault() -> None:
    for heading, cell in (("月工资(万元)", "18000元"), ("月工资(千元)", "1.8万")):
        [row] = read(heading, cell).rows
        assert [(f.field, f.code) for f in row.faults] == [(WAGE, "amount_unit_contradicts")]


def test_words_of_measures() -> None:
    assert measure_of_words("万元") == Measure(Decimal(10000), "万元") and measure_of_words("商学院") is None
    assert measure_of_words("千元 万元") is None, "two units"
    assert measure_of_heading("工资（日元）").wrong == "foreign" and measure_of_heading("月工资") == Measure()
    assert parse_money(18000.000000000004).yuan == Decimal("18000.00"), "as a program shows it"
