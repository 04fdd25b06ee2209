"""The agencies' import files: layout from data, text cells, no formulas, gaps named at once."""

from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

import openpyxl
import pytest

import policies
from schemas.enrolment import ForeignHire
from store.import_files import IncompleteRecord, parse_files, workbook

RECORD: dict[str, Any] = {
    "name": "=HYPERLINK(\"http://x\")", "name_zh": None, "id_type": "PASSPORT", "id_number": "0012345678",
    "country": "DEU", "sex": "female", "birth": date(1985, 3, 14), "id_expires": date(2031, 1, 31),
    "work_permit_no": "5100202699999999", "permit_expires": date(2027, 11, 16), "contract_start": date(2026, 11, 20),
    "contract_end": date(2028, 11, 19), "insurances": ["pension", "work_injury"], "start_month": "2026-11",
    "base": Decimal("18000.10"), "phone": "+86 149", "email": "@cmd",
}  # fmt: skip


def cells(content: bytes) -> dict[str, Any]:
    sheet = openpyxl.load_workbook(BytesIO(content)).worksheets[0]
    return {str(sheet.cell(1, c).value): sheet.cell(2, c) for c in range(1, sheet.max_column + 1)}


def test_the_layout_is_data_and_ids_stay_text() -> None:
    form = parse_files(policies.read("agency_forms.yaml")).applications["social_bureau"]
    row = cells(workbook(form, [RECORD]))
    assert list(row) == [c.heading for c in form.columns]
    assert (row["证件号码"].value, row["证件号码"].data_type, row["证件号码"].number_format) == ("0012345678", "s", "@")
    assert row["就业证件号码"].value == "5100202699999999"
    assert (row["证件类型"].value, row["性别"].value) == ("护照", "女")
    assert row["参保险种"].value == "企业职工基本养老保险、工伤保险"
    assert (row["参保起始年月"].value, row["出生日期"].value) == ("202611", "1985-03-14")
    assert (row["申报缴费工资"].value, row["申报缴费工资"].data_type) == (18000.1, "n")


@pytest.mark.parametrize("heading", ["姓名", "手机号码", "电子邮箱"])
def test_what_a_person_typed_is_never_a_formula(heading: str) -> None:
    form = parse_files(policies.read("agency_forms.yaml")).applications["social_bureau"]
    cell = cells(workbook(form, [RECORD]))[heading]
    assert cell.data_type == "s" and cell.quotePrefix and str(cell.value)[0] in "=+@"


def test_all_gaps_are_named_at_once() -> None:
    form = parse_files(policies.read("agency_forms.yaml")).applications["medical_bureau"]
    with pytest.raises(IncompleteRecord) as caught:
        workbook(form, [RECORD | {"birth": None, "id_number": ""}])
    assert caught.value.headings == ["证件号码", "出生日期"]
    assert "0012345678" not in str(caught.value)


def test_every_source_is_a_field_of_the_record() -> None:
    known = set(ForeignHire.model_fields) | {"row", "insurances", "start_month", "base"}
    for form in parse_files(policies.read("agency_forms.yaml")).applications.values():
        assert {c.source for c in form.columns if c.source} <= known
        assert form.sample and form.source


def test_a_column_with_two_origins_is_refused() -> None:
    text = policies.read("agency_forms.yaml").replace("const: 新参保", "const: 新参保, source: name")
    with pytest.raises(ValueError, match="增加原因"):
        parse_files(text)
    with pytest.raises(ValueError, match=r"agency_forms\.yaml"):
        parse_files("social_bureau: [")
