"""Internal reimbursement 校内报账, one process per paid bill, with the withholding that goes before it.

The voucher's person part equals the sum of the withheld lines, to the cent.
"""

from pydantic import Field

from schemas.base import Payload, Text
from schemas.forms import EmptyForm, Form, Outcome, ReasonForm, label, register

KIND = "reimbursement"


class VoucherForm(Form):
    """The voucher as booked. Its split by part, insurance and college is computed, not typed."""

    voucher_no: str = Field(
        min_length=2, max_length=40, examples=["BZ-202611-0001"], json_schema_extra=label("报账单号", "Voucher no.")
    )
    budget_line: str = Field(
        default="人员经费-社会保障缴费",
        max_length=60,
        json_schema_extra=label("经费项目", "Budget line", help_zh="按财务科目名称", help_en="As the books call it"),
    )


class SettlementForm(Form):
    settlement_no: str = Field(
        min_length=2, max_length=40, examples=["JS-202611-0001"], json_schema_extra=label("结算单号", "Settlement no.")
    )


class VoucherRef(Payload):
    """The voucher as the process knows it: totals as strings of yuan."""

    voucher_id: str
    bill_id: str
    unit_total: str
    person_total: str
    withheld_total: str


register(
    "withholding.confirm",
    Text(zh="代扣个人缴费", en="Withhold the person part"),
    Outcome("this_month", Text(zh="本月工资代扣", en="Withheld this month"), EmptyForm),
    Outcome("next_month", Text(zh="下月工资代扣", en="Withhold next month"), EmptyForm, tone="secondary"),
    Outcome("receivable", Text(zh="转应收款", en="Book as receivable"), EmptyForm, tone="secondary"),
)
register(
    "reimbursement.voucher",
    Text(zh="编制报账单", en="Prepare the voucher"),
    Outcome("prepared", Text(zh="提交报账单", en="Submit voucher"), VoucherForm),
)
register(
    "reimbursement.approval",
    Text(zh="审批报账单", en="Approve the voucher"),
    Outcome("approve", Text(zh="同意报账", en="Approve"), EmptyForm),
    Outcome("return", Text(zh="退回修改", en="Return"), ReasonForm, tone="danger"),
)
register(
    "reimbursement.settlement",
    Text(zh="财务结算", en="Settle"),
    Outcome("settled", Text(zh="已结算", en="Settled"), SettlementForm),
)
