"""Headings as colleges write them: what is understood, what must not be, and what is said of the rest."""

from pathlib import Path

import pytest
import yaml

from api.spreadsheets import columns, reader
from api.spreadsheets.headings import label, match_headings
from api.spreadsheets.units import Unit
from cli.demo_people import ORG_UNITS
from tests.imports import files

UNITS = [Unit(u.id, u.zh, u.en) for u in ORG_UNITS]
ROWS = files.sample_rows()[:3]
EXPECTED = [r.values for r in columns.parse(reader.read(files.SAMPLE.read_bytes(), "a.xlsx"), UNITS).rows[:2]]
WORDS: dict[str, dict[str, list[str]]] = yaml.safe_load(
    (Path(__file__).parent / "heading_words.yaml").read_text("utf-8")
)
VARIANTS = {
    "permit_expires": [
        "工作许可到期", "工作许可到期日", "许可到期日", "许可证有效期至", "工作许可证到期",
        "有效期至（工作许可）", "工作许可：截止日期", "外国人工作许可证有效期限", "工作许可证失效日",
        "Permit expiry date", "Permit valid until", "Permit expires on", "Work permit expiration date",
        "Expiry of work permit", "Work-permit valid to",
    ],
    "permit_issued": [
        "发证日", "发证日期", "签发日", "签发日期", "许可签发日", "工作许可证签发时间", "签发日期（工作许可）",
        "许可证发证日", "Date issued", "Permit issue date", "Issued on", "Date of issue (work permit)",
        "Work permit: issued",
    ],
    "residence_expires": [
        "居留证到期日", "居留许可到期", "居留许可证截止日", "居留到期", "居留证件有效期至",
        "居留许可有效期至（年/月/日）", "Residence permit expiry", "Residence permit valid through",
        "Expiration date of residence permit",
    ],
    "id_expires": [
        "护照到期", "护照有效期至", "护照到期时间", "护照截止日", "有效期至(护照)", "证件到期",
        "护照有效期 Passport expiry", "Passport expiration date", "Passport valid to", "Document expiry date",
        "Passport exp. date",
    ],
    "contract_end": [
        "合同截止日", "合同终止日期", "合同到期", "合同（止）", "聘期截止", "合同期限至", "劳动合同到期时间",
        "End of contract", "Contract end date", "Contract expiry", "Contract end", "Employment end date",
    ],
    "contract_start": [
        "合同开始时间", "合同起始日", "合同（起）", "合同期限自", "合同生效日", "聘期起始日期",
        "起始日期（合同）", "Contract begin date", "Contract start", "Start of contract",
        "Contract commencement date", "Employment start date",
    ],
    "org_unit": [
        "所在院系", "学院名称", "用人部门", "所属二级学院", "所在学院（部门）", "学院/系", "College/School",
        "Department", "Name of college",
    ],
    "country": [
        "国家或地区", "国籍/地区", "国籍（国家）", "国籍 Nationality", "Nationality", "Country/Region",
        "Country of citizenship",
    ],
    "name": [
        "英文姓名", "姓名(英文)", "姓名", "姓名（与护照一致）", "外籍人员姓名",
        "姓名 Full name (as in passport)", "Full name", "Name (English)", "Employee name",
    ],
    "birth": [
        "出生日期（与护照一致）", "出生日期 Date of birth", "出生日", "Date of birth", "DOB", "Birth-date",
        "Birthday",
    ],
    "id_number": [
        "护照号", "证件号", "护照No.", "号码（护照）", "护照证件号码", "Passport no.", "Passport #",
        "No. of passport", "ID/Passport No.",
    ],
    "work_permit_no": [
        "工作许可证号", "许可证编号", "工作许可证（号码）", "工作许可No.", "外国人就业证号", "Permit no.",
        "Work permit number",
    ],
    "phone": [
        "手机号", "联系手机", "手机（常用）", "本人电话号码", "Cell phone", "Mobile phone no.",
        "Contact phone",
    ],
    "email": [
        "邮箱", "电子邮件地址", "联系邮箱", "E-mail", "E-mail address", "邮箱（E-mail）",
    ],
    "monthly_wage": [
        "月薪", "申报工资", "月工资（元/月）", "每月收入", "月薪（税前，元）", "Monthly salary",
        "Salary (monthly)", "Monthly pay (CNY)",
    ],
    "certificate": [
        "参保证明（有/无）", "是否有参保证明", "协议国参保证明情况", "Holds certificate of coverage",
        "Coverage certificate (yes/no)",
    ],
    "name_zh": [
        "姓名（中文）", "中文姓名", "中文名字", "Name (Chinese)",
    ],
}  # fmt: skip


def replaced(field: str, heading: str) -> bytes:
    """The sample's first people with another heading over one field, and no second column for the country."""
    second = ROWS[0].index("国籍")
    [header, *people] = [row[:second] + row[second + 1 :] for row in ROWS]
    assert header.count(label(field).zh) == 1
    return files.xlsx([[heading if cell == label(field).zh else cell for cell in header], *people])


def read(content: bytes) -> columns.Table:
    [table] = columns.parse(reader.read(content, "a.xlsx"), UNITS).tables
    return table


@pytest.mark.parametrize(("field", "heading"), [(f, h) for f, headings in VARIANTS.items() for h in headings])
def test_ordinary_variants_are_read(field: str, heading: str) -> None:
    assert [row.values for row in read(replaced(field, heading)).rows] == EXPECTED


@pytest.mark.parametrize(
    ("field", "heading"),
    [
        ("contract_start", "合同编号"), ("contract_start", "合同签订日期"), ("contract_end", "合同起止日期"),
        ("contract_end", "试用期截止日"), ("contract_start", "入职日期"), ("permit_issued", "护照签发日期"),
        ("permit_issued", "签发日期（护照）"), ("permit_issued", "居留许可签发日期"),
        ("permit_issued", "发证机关"), ("permit_expires", "签证有效期至"), ("id_expires", "有效期至"),
        ("permit_expires", "Expiry date"), ("work_permit_no", "居留许可号码"), ("name", "配偶姓名"),
        ("name", "紧急联系人姓名"), ("name", "First name"), ("monthly_wage", "年薪"),
        ("monthly_wage", "Annual salary"), ("monthly_wage", "工资卡号"), ("birth", "出生地"),
        ("country", "护照签发国"), ("country", "Country of birth"), ("org_unit", "部门编号"),
        ("org_unit", "派遣单位"), ("id_number", "员工编号"), ("id_number", "身份证号"),
    ],
)  # fmt: skip
def test_what_says_something_else_is_not_read_as_the_field(field: str, heading: str) -> None:
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(replaced(field, heading))
    assert refusal.value.code == "columns_missing"
    for text in (refusal.value.text.zh, refusal.value.text.en):
        assert heading in text and label(field).zh in text, text


def understood_as(heading: str, field: str) -> set[str]:
    """The fields that a heading is taken for where it stands instead of ours for `field`."""
    header = [cell for cell in ROWS[0] if cell != "国籍"]  # no second column for the country
    place = header.index(label(field).zh)
    header[place] = heading
    return {name for name, column in match_headings(header).columns.items() if column == place}


@pytest.mark.parametrize("field", WORDS["meant"])
def test_what_offices_of_colleges_write_is_understood(field: str) -> None:
    assert [heading for heading in WORDS["meant"][field] if understood_as(heading, field) != {field}] == []


@pytest.mark.parametrize("field", WORDS["not_meant"])
def test_what_stands_beside_it_in_their_lists_is_taken_for_no_field(field: str) -> None:
    taken = {heading: found for heading in WORDS["not_meant"][field] if (found := understood_as(heading, field))}
    assert taken == {}


@pytest.mark.parametrize("heading", ["合同开始日期（拟）", "工作许可签发日期（首次）", "Contract start (tentative)"])
def test_an_unknown_word_in_brackets_of_a_date_is_named_and_not_dropped(heading: str) -> None:
    field = "permit_issued" if "许可" in heading else "contract_start"
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(replaced(field, heading))
    word = heading.replace("（", "(").split("(")[1][:-1]
    assert f"括号中的“{word}”没有读懂" in refusal.value.text.zh and f"{word!r} in brackets" in refusal.value.text.en


def test_an_unknown_word_in_brackets_of_another_column_is_named_and_the_column_read() -> None:
    people = columns.parse(reader.read(replaced("name", "姓名（勿用昵称）"), "a.xlsx"), UNITS)
    assert [row.values for row in people.rows] == EXPECTED
    [note] = people.notes
    assert "“勿用昵称”没有读懂" in note.zh and "'勿用昵称'" in note.en
    assert columns.parse(reader.read(replaced("name", "姓名（英文，必填）"), "a.xlsx"), UNITS).notes == []


@pytest.mark.parametrize("heading", ["紧急联系人电话", "学院电话", "年龄", "手机品牌", "备用邮箱密码", "护照类型说明"])
def test_a_heading_beside_the_good_ones_takes_no_field(heading: str) -> None:
    assert match_headings([*ROWS[0], heading]).unknown == ([] if heading == "年龄" else [len(ROWS[0])])
    table = read(files.xlsx([[*ROWS[0], heading], *[[*row, "x"] for row in ROWS[1:]]]))
    assert [row.values for row in table.rows] == EXPECTED and len(ROWS[0]) not in table.columns.values()


def test_a_heading_that_fits_several_fields_is_asked_back() -> None:
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(replaced("permit_expires", "到期日"))
    text = refusal.value.text
    assert (
        "列名“到期日”可能是“证件有效期至”、“工作许可有效期至”、“居留许可有效期至”" in text.zh and "say which" in text.en
    )


def test_two_columns_for_one_field_agree_or_are_named() -> None:
    [header, *people] = ROWS
    issued = header.index("工作许可签发日期")
    two = ["发证日期" if i == issued else h for i, h in enumerate(header)] + ["签发日期"]
    same = read(files.xlsx([two, *[[*row, row[issued]] for row in people]]))
    assert [row.values for row in same.rows] == EXPECTED
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(files.xlsx([two, *[[*row, row[4]] for row in people]]))
    assert refusal.value.code == "columns_ambiguous"
    for text in (refusal.value.text.zh, refusal.value.text.en):
        assert "发证日期" in text and "签发日期" in text and "工作许可签发日期" in text
    # Our own heading beside another one leaves nothing open.
    table = read(files.xlsx([[*header, "签发日期"], *[[*row, row[4]] for row in people]]))
    assert [row.values for row in table.rows] == EXPECTED


def test_two_columns_of_the_name_alone_are_not_taken_for_two_names() -> None:
    header = ["姓名" if h in (label("name").zh, label("name_zh").zh) else h for h in ROWS[0]]
    swapped = [header, *[[row[1] or "田中春人", row[0], *row[2:]] for row in ROWS[1:]]]
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(files.xlsx(swapped))
    assert refusal.value.code == "columns_ambiguous" and "姓名" in refusal.value.text.zh


def test_many_headings_that_are_not_understood_are_cut_short() -> None:
    header = [*[h for h in ROWS[0] if h != "证件号码"], *[f"其他{'很' * 40}长{i}" for i in range(30)]]
    with pytest.raises(reader.SpreadsheetError) as refusal:
        read(files.xlsx([header, *ROWS[1:]]))
    assert "等" in refusal.value.text.zh and len(refusal.value.text.zh) < 1000


def unread(content: bytes) -> list[tuple[str, str]]:
    return [(r.column, r.code) for r in columns.parse(reader.read(content, "a.xlsx"), UNITS).unread]


def test_the_sample_leaves_no_column_unread() -> None:
    assert columns.parse(reader.read(files.SAMPLE.read_bytes(), "a.xlsx"), UNITS).unread == []


def test_a_filled_column_that_is_not_read_is_named() -> None:
    [header, *people] = ROWS
    lost = {"手机": "国内联系", "协议国参保证明": "证明材料"}
    renamed = [lost.get(str(h), h) for h in header]
    found = columns.parse(reader.read(files.xlsx([renamed, *people]), "a.xlsx"), UNITS).unread
    assert [(r.column, r.code) for r in found] == [("国内联系", "column_unknown"), ("证明材料", "column_unknown")]
    for text in (found[1].text.zh, found[1].text.en):
        assert "证明材料" in text and "协议国参保证明" in text and "手机" in text and "2" in text
    # Empty ones, ours for faults, and those that say nothing the case needs are left out in silence.
    quiet = [[*header, "其他", "备注", "问题说明", "工号"], *[[*row, None, "x", "y", 7] for row in people]]
    assert unread(files.xlsx(quiet)) == []


def test_columns_beside_a_better_one_without_heading_or_with_several_meanings_are_named() -> None:
    [header, *people] = ROWS
    wide = [[*header, "部门", None, "截止日期", "国家"], *[[*row, "英语系", "x", row[4], row[4]] for row in people]]
    assert unread(files.xlsx(wide)) == [
        ("部门", "column_surplus"),
        ("X", "column_unnamed"),
        ("截止日期", "column_unclear"),
    ]
    same = [[*header, "部门"], *[[*row, row[header.index("所属学院")]] for row in people]]
    assert unread(files.xlsx(same)) == []


def test_an_unread_column_of_several_lists_names_its_sheet() -> None:
    [header, *people] = ROWS
    lists = {"甲": [[*header, "颜色"], [*people[0], "红"]]}
    found = columns.parse(reader.read(files.xlsx([header, people[1]], title="乙", more=lists), "a.xlsx"), UNITS).unread
    assert [r.text.zh.startswith("工作表“甲”") and "1 行" in r.text.zh for r in found] == [True]
