"""Enrolment of foreign staff: the record of a hire, the facts a case works with, and the forms of its tasks.

`ForeignHire` is personal data and lives in PostgreSQL; a workflow sees `EnrolmentFacts` only (dates, codes, ids).
Order 16 of MOHRSS (在中国境内就业的外国人参加社会保险暂行办法) is the law behind it.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.base import Payload, Text
from schemas.forms import PERSONAL, EmptyForm, Form, Outcome, label, register

KIND = "enrolment"


class HireKind(StrEnum):
    LOCAL_HIRE = "local_hire"  # 直聘
    POSTED = "posted"  # 派遣


class Certificate(StrEnum):
    """Certificate of coverage of the home institution (协议国参保证明)."""

    NONE = "none"
    HELD = "held"
    PENDING = "pending"


class Sex(StrEnum):
    MALE = "male"
    FEMALE = "female"


class ForeignHire(Form):
    """A foreign member of staff to be enrolled: one row of the college's spreadsheet, in clean values."""

    name: Annotated[str, PERSONAL] = Field(
        min_length=2,
        max_length=80,
        examples=["Anna Muster"],
        json_schema_extra=label("姓名（护照）", "Name as in passport"),
    )
    name_zh: Annotated[str | None, PERSONAL] = Field(
        default=None, max_length=40, json_schema_extra=label("中文名", "Chinese name")
    )
    sex: Annotated[Sex, PERSONAL] = Field(examples=["female"], json_schema_extra=label("性别", "Sex"))
    country: str = Field(
        pattern=r"^[A-Z]{3}$", examples=["DEU"], json_schema_extra=label("国籍代码", "Country (ISO alpha-3)")
    )
    birth: Annotated[date, PERSONAL] = Field(
        examples=["1985-03-14"], json_schema_extra=label("出生日期", "Date of birth")
    )
    id_type: str = Field(default="PASSPORT", json_schema_extra=label("证件类型", "Document type"))
    id_number: Annotated[str, PERSONAL] = Field(
        min_length=5, max_length=30, examples=["E12345678"], json_schema_extra=label("证件号码", "Document number")
    )
    id_expires: date = Field(examples=["2031-01-31"], json_schema_extra=label("证件有效期至", "Document valid until"))
    work_permit_no: Annotated[str, PERSONAL] = Field(
        min_length=4,
        max_length=30,
        examples=["5100202699999999"],
        json_schema_extra=label("工作许可证号", "Work permit no."),
    )
    permit_issued: date = Field(
        examples=["2026-11-16"], json_schema_extra=label("工作许可签发日期", "Work permit issued on")
    )
    permit_expires: date = Field(
        examples=["2027-11-16"], json_schema_extra=label("工作许可有效期至", "Work permit valid until")
    )
    residence_expires: date = Field(
        examples=["2027-11-30"], json_schema_extra=label("居留许可有效期至", "Residence permit valid until")
    )
    org_unit: str = Field(examples=["business"], json_schema_extra=label("所属学院", "College"))
    post: str = Field(
        default="外籍教师",
        max_length=60,
        json_schema_extra=label("岗位", "Post", help_zh="按申报表填写", help_en="As it goes into the agency's form"),
    )
    contract_start: date = Field(examples=["2026-11-20"], json_schema_extra=label("合同开始日期", "Contract from"))
    contract_end: date = Field(examples=["2028-11-19"], json_schema_extra=label("合同结束日期", "Contract until"))
    monthly_wage: Annotated[Decimal, PERSONAL] = Field(
        gt=0,
        le=Decimal("1000000"),
        decimal_places=2,
        examples=["18000.00"],
        json_schema_extra=label("月工资（元）", "Monthly wage (yuan)"),
    )
    phone: Annotated[str | None, PERSONAL] = Field(
        default=None, max_length=30, json_schema_extra=label("手机", "Phone")
    )
    email: Annotated[str | None, PERSONAL] = Field(
        default=None, max_length=120, json_schema_extra=label("邮箱", "E-mail")
    )
    hire_kind: HireKind = Field(default=HireKind.LOCAL_HIRE, json_schema_extra=label("聘用方式", "Kind of hire"))
    certificate: Certificate = Field(
        default=Certificate.NONE, json_schema_extra=label("协议国参保证明", "Certificate of coverage")
    )


class EnrolmentFacts(Payload):
    """What the case may know of a hire: no name, no number."""

    country: str
    permit_issued: date
    permit_expires: date
    contract_start: date
    contract_end: date
    hire_kind: HireKind
    certificate: Certificate
    org_unit: str
    category: str = "FOREIGN_WORK_PERMIT"
    insurances: list[str] = []  # after exemption
    findings: list[str] = []  # codes of what the automatic checks noticed
    applications: dict[
        str, str
    ] = {}  # agency -> keyed hash of what an application there says of the person, and papers
    today: date  # the Shanghai day on which the facts were read


class MaterialsForm(ForeignHire):
    """The college confirms the record and uploads the papers; what it corrects here replaces the old value."""


class Defect(BaseModel):
    """One thing that is missing or wrong: a code of rejection_reasons.yaml, what it concerns, and a sentence."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^R\d{2}$", examples=["R06"], json_schema_extra=label("代码", "Code"))
    concerns: str = Field(default="", max_length=60, json_schema_extra=label("材料或字段", "Document or field"))
    note: str = Field(default="", max_length=300, json_schema_extra=label("说明", "What is wrong"))


class ApproveForm(Form):
    """Verification passed. `exempt` are the insurances not paid under a treaty: proposed by data, confirmed here."""

    exempt: list[str] = Field(
        default_factory=list, json_schema_extra=label("免缴险种", "Exempt insurances", widget="exempt")
    )
    certificate: Certificate = Field(
        default=Certificate.NONE, json_schema_extra=label("参保证明", "Certificate of coverage")
    )
    remark: str = Field(default="", max_length=500, json_schema_extra=label("备注", "Remark", widget="textarea"))


class ReturnForm(Form):
    """Return once, with all defects."""

    defects: list[Defect] = Field(
        min_length=1, max_length=40, examples=[[{"code": "R06"}]], json_schema_extra=label("全部问题", "All defects")
    )


class ExemptionProposal(Payload):
    """What data proposes about treaty exemption; a person confirms it at verification."""

    exempt: list[str] = []
    reason: str | None = None
    text: Text | None = None
    certificate_by: date | None = None
    max_months: int | None = None


class CaseBooks(Payload):
    """Where the money of one case stands, asked from the ledger: levy -> counts."""

    written: dict[str, int] = {}
    unpaid: dict[str, int] = {}
    unsettled: list[str] = []  # bill ids paid but not yet settled by finance
    frozen: bool = False  # a line already stands on a bill, which has to let it go when the case is cancelled
    taken_off: dict[str, int] = {}  # levy -> lines that were taken off a bill and wait for a later one
    late_fee: dict[str, str] = {}


class LineRequest(Payload):
    """Write the premium lines of one levy, from the contract's month to `payment_month`."""

    process_id: str
    person_id: str
    levy: str
    payment_month: str
    insurances: list[str]
    not_same_month: bool = False


register(
    "enrolment.materials",
    Text(zh="提交参保材料", en="Submit the materials"),
    Outcome("submit", Text(zh="提交材料", en="Submit materials"), MaterialsForm),
)
register(
    "enrolment.verification",
    Text(zh="审核参保材料", en="Verify the materials"),
    Outcome("approve", Text(zh="审核通过", en="Approve"), ApproveForm),
    Outcome("return", Text(zh="一次性退回补正", en="Return with all defects"), ReturnForm, tone="danger"),
)
register(
    "enrolment.partial_payment",
    Text(zh="是否先缴已办结一方", en="Pay the approved side now?"),
    Outcome("pay_approved", Text(zh="先缴已办结一方", en="Pay the approved side now"), EmptyForm),
    Outcome("wait", Text(zh="等待另一方", en="Wait for the other side"), EmptyForm, tone="secondary"),
)
register(
    "enrolment.payment_month",
    Text(zh="选择补缴月份", en="Choose the month"),
    Outcome("pay_now", Text(zh="本月补缴（含滞纳金）", en="Pay now with late fee"), EmptyForm),
    Outcome("next_month", Text(zh="转下月缴纳", en="Pay next month"), EmptyForm, tone="secondary"),
)
