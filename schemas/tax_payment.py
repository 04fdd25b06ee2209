"""The month's tax payment: one process per paying unit, levy and premium month; payloads and forms.

A bill is one list frozen for payment: `regular` (the month's first), `supplementary` (lines that came later) or
`back_payment` (earlier months). People can be taken off it until it is paid (移出本次缴费). Amounts in payloads are
strings of yuan with two places.
"""

from datetime import date
from decimal import Decimal

from pydantic import Field

from schemas.base import Payload, Text
from schemas.forms import EmptyForm, Form, Outcome, ReasonForm, label, register

KIND = "tax_payment"
# words of people who leave a bill: why, where nobody said it, and what becomes of their lines
CASE_CANCELLED = Text(zh="参保已撤销", en="the enrolment was cancelled")
NO_NUMBER = Text(zh="尚无参保编号", en="no number yet")
NOT_VISIBLE = Text(zh="税务端未见", en="not visible at the tax client")
WAS_REVERSED = Text(zh="已冲销，不再缴纳", en="reversed, no longer due")
NOT_ON_LIST = Text(zh="税务端已征集，不在本单名单内", en="billed, but not on our list")
TAKEN_OFF_BY_US = Text(zh="税务端已征集，已由我方移出", en="billed, but taken off by us")
TO_A_LATER_BILL = Text(zh="转后续征集单缴纳", en="due with a later bill")


def to_remove(persons: int) -> Text:
    """What is done about people on the tax office's bill who are not on our list."""
    return Text(
        zh=f"征集单上有 {persons} 人不在本单名单内。请在税务客户端将其移出，再选“重新取数核对”取新的征集单；"
        "由人工上传的，上传重新导出的明细。更正台账不能消除此差异。",
        en=f"Persons on the tax office's bill who are not on our list: {persons}. Remove them at the tax client, then "
        "choose “Fetch and compare again”; where the bill is uploaded, upload the one exported anew. Correcting our "
        "lines does not remove this difference.",
    )


class BillKind:
    REGULAR = "regular"
    SUPPLEMENTARY = "supplementary"
    BACK_PAYMENT = "back_payment"


class BillRef(Payload):
    """A frozen bill as the process knows it."""

    bill_id: str
    kind: str
    lines: int
    persons: int
    unit_total: str
    person_total: str
    late_fee: str = "0.00"
    sample: bool = False
    taken_off: int = 0  # lines that stood on it and were taken off: a change tells that people have left

    @property
    def total(self) -> Decimal:
        """What is paid: both parts and the late fee, yuan."""
        return Decimal(self.unit_total) + Decimal(self.person_total) + Decimal(self.late_fee)


class BillComparison(Payload):
    """Our lines beside the agency's, per person and insurance, and what ours add up to."""

    bill_id: str
    equal: bool
    unit_total: str
    person_total: str
    differing_lines: int = 0
    difference: str = "0.00"
    correctable: bool = True  # lines of ours differ; who is on the agency's bill alone is no line of ours


class OpenLines(Payload):
    """Lines of this unit, levy and payment month that stand on no bill yet."""

    current: int = 0
    earlier: int = 0


class TakeOffForm(Form):
    """People taken off a bill that is not paid yet, because the tax office does not show them or bills them wrongly.
    What is due for them goes to a later bill; where their case is cancelled it is reversed."""

    persons: list[str] = Field(
        min_length=1,
        max_length=5000,
        examples=[["0b0e7c1e-7f0e-5d5c-9a3f-1d1c5b6a7e90"]],
        json_schema_extra=label("移出人员", "People to take off", widget="persons"),
    )
    reason: str = Field(
        min_length=2,
        max_length=500,
        examples=["税务端查无此人，待核实后补缴"],
        json_schema_extra=label("理由", "Reason", widget="textarea"),
    )


class PaymentForm(Form):
    """The payment as made at the tax authority, with the certificate for all lines."""

    paid_on: date = Field(examples=["2026-11-24"], json_schema_extra=label("缴款日期", "Paid on"))
    certificate_no: str = Field(
        min_length=4,
        max_length=60,
        examples=["351016261100000001"],
        json_schema_extra=label("完税证明号", "Certificate no."),
    )
    amount: Decimal = Field(
        ge=0, decimal_places=2, examples=["1000.00"], json_schema_extra=label("缴款金额（元）", "Amount (yuan)")
    )


TAKE_OFF = Outcome("take_off", Text(zh="移出本次缴费", en="Take off the bill"), TakeOffForm, tone="danger")
register(
    "tax_payment.freeze",
    Text(zh="锁定缴费名单", en="Freeze the list"),
    Outcome("freeze", Text(zh="锁定名单", en="Freeze the list"), EmptyForm),
)
register(
    "tax_payment.visible",
    Text(zh="确认参保人员在税务端可见", en="Make sure everyone is visible at the tax client"),
    Outcome("visible", Text(zh="税务端均可见", en="All visible at the tax client"), EmptyForm),
    TAKE_OFF,
)
register(
    "tax_payment.bill",
    Text(zh="上传税务端征集单明细", en="Upload the tax client's bill"),
    Outcome("uploaded", Text(zh="已上传", en="Uploaded"), EmptyForm),
)
register(
    "tax_payment.confirm",
    Text(zh="核对征集单", en="Compare the bill"),
    Outcome("confirm", Text(zh="核对无误", en="Confirm"), EmptyForm),
    Outcome("recheck", Text(zh="重新取数核对", en="Fetch and compare again"), EmptyForm, tone="secondary"),
    Outcome("adjust", Text(zh="按征集单更正台账", en="Correct our lines to the bill"), ReasonForm, tone="danger"),
    TAKE_OFF,
)
register(
    "tax_payment.approval",
    Text(zh="审批征集单缴费", en="Approve payment of the bill"),
    Outcome("approve", Text(zh="批准缴费", en="Approve payment"), EmptyForm),
    Outcome("return", Text(zh="退回核对", en="Return to comparison"), ReasonForm, tone="danger"),
)
register(
    "tax_payment.payment",
    Text(zh="缴款并登记完税证明", en="Pay and record the certificate"),
    Outcome("paid", Text(zh="登记缴款", en="Record the payment"), PaymentForm),
)
