"""Registration at one agency: the forms of the loop hand in → accepted → approved or refused → corrected → again.

The agency's number is personal data (it can contain the passport number) and always wins over one that we could derive.
"""

from datetime import date
from typing import Annotated

from pydantic import Field

from schemas.base import Text
from schemas.enrolment import ForeignHire
from schemas.forms import PERSONAL, EmptyForm, Form, Outcome, ReasonForm, label, register

# Letters and digits, with hyphens between. Which of them an authority uses is its own: its number always wins.
AGENCY_NUMBER = r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$"


class HandInForm(Form):
    """The application was handed in on the agency's site; the receipt is uploaded."""

    handed_in_on: date = Field(examples=["2026-11-24"], json_schema_extra=label("提交日期", "Handed in on"))
    receipt_no: str = Field(
        min_length=2, max_length=60, examples=["SL202611240001"], json_schema_extra=label("受理回执号", "Receipt no.")
    )


class AcceptedForm(Form):
    accepted_on: date = Field(examples=["2026-11-24"], json_schema_extra=label("受理日期", "Accepted on"))


class ApprovedForm(Form):
    """The agency approved. `number`: social-security number, or the medical person number."""

    approved_on: date = Field(examples=["2026-11-24"], json_schema_extra=label("办结日期", "Approved on"))
    number: Annotated[str, PERSONAL] = Field(
        min_length=4,
        max_length=40,
        pattern=AGENCY_NUMBER,
        examples=["DEU0C01X00T47"],
        json_schema_extra=label("参保编号", "Number given by the agency"),
    )


class RefusedForm(Form):
    """The agency refused, with a code of rejection_reasons.yaml; without a day it was today."""

    code: str = Field(
        pattern=r"^R\d{2}$", examples=["R08"], json_schema_extra=label("退回原因", "Reason", widget="reason")
    )
    note: str = Field(default="", max_length=300, json_schema_extra=label("窗口说明", "What the agency wrote"))
    refused_on: date | None = Field(default=None, json_schema_extra=label("退回日期", "Refused on"))


class CorrectionForm(ForeignHire):
    """The corrected record that the next application is filled from."""


class UndoneForm(Form):
    """The registration was taken back at the agency."""

    undone_on: date = Field(examples=["2026-11-24"], json_schema_extra=label("撤销日期", "Undone on"))
    remark: str = Field(default="", max_length=500, json_schema_extra=label("备注", "Remark", widget="textarea"))


register(
    "registration.hand_in",
    Text(zh="向机构提交参保申请", en="Hand in the application at the agency"),
    Outcome("handed_in", Text(zh="已提交", en="Handed in"), HandInForm),
)
register(
    "registration.acceptance",
    Text(zh="登记机构受理结果", en="Record whether the agency accepted"),
    Outcome("accepted", Text(zh="已受理", en="Accepted"), AcceptedForm),
    Outcome("refused", Text(zh="不予受理", en="Refused"), RefusedForm, tone="danger"),
)
register(
    "registration.result",
    Text(zh="登记机构办理结果", en="Record the result of the agency"),
    Outcome("approved", Text(zh="已办结", en="Approved"), ApprovedForm),
    Outcome("refused", Text(zh="被退回", en="Refused"), RefusedForm, tone="danger"),
)
register(
    "registration.correction",
    Text(zh="更正后重新提交", en="Correct and hand in again"),
    Outcome("corrected", Text(zh="已更正，重新提交", en="Corrected, hand in again"), CorrectionForm),
)
register(
    "registration.chase",
    Text(zh="向机构催办", en="Ask the agency how the matter stands"),
    Outcome("chased", Text(zh="已催办", en="Chased"), EmptyForm),
)
register(
    "registration.undo",
    Text(zh="在机构撤销登记", en="Undo the registration at the agency"),
    Outcome("undone", Text(zh="已撤销登记", en="Registration undone"), UndoneForm),
)
register(
    "registration.record_changed",
    Text(zh="参保信息已更改", en="Record has changed"),
    Outcome("corrected", Text(zh="已在经办机构更正", en="Corrected at the agency"), EmptyForm),
    Outcome("unaffected", Text(zh="无须更正", en="Nothing to correct"), ReasonForm, tone="secondary"),
)
