"""What is said of a changed cell: before and after, which look different; and nothing where nothing was changed."""

from datetime import datetime
from typing import Any

import pytest

from api.spreadsheets import columns, reader
from api.spreadsheets.units import Unit
from cli.demo_people import ORG_UNITS
from tests.imports import files

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]


def repairs(heading: str, cell: Any) -> list[tuple[str, str, str]]:
    header, first = (list(row) for row in files.sample_rows()[:2])
    first[header.index(heading)] = cell
    [row] = columns.parse(reader.read(files.xlsx([header, first]), "a.xlsx"), UNITS).rows
    assert row.faults == []
    return [(r.code, r.text.zh, r.text.en) for r in row.repairs]


@pytest.mark.parametrize(
    ("heading", "cell", "code", "shown"),
    [
        ("合同结束日期", 46997, "date_number_read", ["46997", "2028-09-01", "请核对"]),
        ("合同结束日期", 20280901, "date_number_read", ["20280901", "2028-09-01"]),
        ("合同结束日期", "46997", "date_text_read", ["46997", "2028-09-01"]),
        ("合同结束日期", "2028.9.1", "date_text_read", ["2028.9.1", "2028-09-01"]),
        ("月工资", "￥18000", "amount_read", ["￥18000", "18000.00"]),
        ("证件号码", "Ｅ１２３４５６７８", "full_width_corrected", ["Ｅ１２３４５６７８", "E12345678"]),
        ("证件号码", "e12345678", "case_corrected", ["e12345678", "E12345678"]),
        ("证件号码", "E12 345\u00a0678", "blank_removed", ["E12345678"]),
        ("证件号码", "E12345\u200b678", "invisible_removed", ["U+200B", "E12345678"]),
        ("证件号码", "'E12345678", "apostrophe_removed", ["'E12345678", "E12345678"]),
        ("证件号码", 123456789, "number_from_figure", ["123456789"]),
        ("姓名(护照)", "Haruto\u00a0Tanaka", "invisible_removed", ["U+00A0", "Haruto Tanaka"]),
        ("姓名(护照)", "Haruto  Tanaka", "blank_removed", ["Haruto Tanaka"]),
        ("手机", "138-0000-0000", "blank_removed", ["138-0000-0000", "13800000000"]),
        ("邮箱", "a @example.edu", "blank_removed", ["a @example.edu", "a@example.edu"]),
    ],
)
def test_a_change_is_said_with_before_and_after(heading: str, cell: Any, code: str, shown: list[str]) -> None:
    [(said, zh, en)] = repairs(heading, cell)
    assert said == code and all(word in zh for word in shown)
    assert all(word in en for word in shown if word.isascii()), en
    for text in (zh, en):
        if "→" in text:
            before, after = text.rstrip("。.").split("→")
            assert before.strip()[-len(after.strip()) :] != after.strip(), "nothing changed to the eye"


UNCHANGED: list[tuple[str, Any]] = [
    ("合同结束日期", datetime(2028, 9, 1)), ("合同结束日期", " 2028-09-01 "), ("月工资", 18000),
    ("月工资", "18000"), ("月工资", "18000.00"), ("证件号码", " E12345678"), ("姓名(护照)", "Haruto Tanaka"),
    ("手机", "13800000000"), ("手机", 13800000000), ("性别", "男"), ("所属学院", "商学院"),
]  # fmt: skip


@pytest.mark.parametrize(("heading", "cell"), UNCHANGED)
def test_another_spelling_of_the_same_value_is_not_talked_about(heading: str, cell: Any) -> None:
    assert repairs(heading, cell) == []
