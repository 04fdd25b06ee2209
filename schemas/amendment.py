"""Amendment 更正 of a value that a task has recorded: which values, the payloads of its process, its forms and bodies.

A value that is on record is never typed over: one person proposes another value with a reason, a second one confirms
it, and both values stay on record. `FIELDS` is the whole list of what can be amended; each entry names the form in
which the value is typed first, so that it is checked by the same rules. Values travel as text (a day as 2026-11-24,
yuan with two places) and never through a workflow: they can be personal.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.api import Answer
from schemas.base import Body, Payload, Text
from schemas.calls import Carrying, PaymentScope
from schemas.enrolment import ForeignHire
from schemas.forms import EmptyForm, Form, Outcome, ReasonForm, is_personal, register
from schemas.registration import AcceptedForm, ApprovedForm, HandInForm
from schemas.reimbursement import SettlementForm, VoucherForm
from schemas.tax_payment import PaymentForm

KIND = "amendment"
CONFIRM = "amendment.confirm"
OFFICE = ("clerk", "supervisor")  # a record of the office's own work
MONEY = ("supervisor", "head")  # what a payment or a premium rests on
Shape = Literal["text", "date", "money"]


@dataclass(frozen=True)
class Amendable:
    """One value that can be amended: where it is typed first, and whose word confirms it. `code` is `group.name`."""

    group: str
    form: type[Form]
    name: str
    confirmed_by: tuple[str, ...] = OFFICE

    @property
    def code(self) -> str:
        return f"{self.group}.{self.name}"

    @property
    def title(self) -> Text:
        """The form's own label, so that the value has one name everywhere."""
        extra = cast("dict[str, Any]", self.form.model_fields[self.name].json_schema_extra)
        return Text(zh=str(extra["title_zh"]), en=str(extra["title_en"]))

    @property
    def personal(self) -> bool:
        return is_personal(self.form.model_fields[self.name])

    @property
    def shape(self) -> Shape:
        kind = self.form.model_fields[self.name].annotation
        return "date" if kind is date else "money" if kind is Decimal else "text"

    def clean(self, value: str) -> str:
        """The value as the form takes it, as text. pydantic's ValidationError where the form would refuse it."""
        return text_of(_checker(self)(value=value).model_dump()["value"])


def text_of(value: Any) -> str:
    """A day, an amount or words, as amendments carry them."""
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


def _checker(field: Amendable) -> type[BaseModel]:
    info = field.form.model_fields[field.name]
    config = ConfigDict(str_strip_whitespace=True)
    given: Any = (info.annotation, info)
    return create_model(f"{field.form.__name__}Value", __config__=config, value=given)


WAGE = "hire.monthly_wage"
FIELDS: dict[str, Amendable] = {
    f.code: f
    for f in (
        Amendable("registration", HandInForm, "handed_in_on"),
        Amendable("registration", HandInForm, "receipt_no"),
        Amendable("registration", AcceptedForm, "accepted_on"),
        Amendable("registration", ApprovedForm, "approved_on"),
        Amendable("registration", ApprovedForm, "number"),
        Amendable("hire", ForeignHire, "permit_issued"),
        Amendable("hire", ForeignHire, "permit_expires"),
        Amendable("hire", ForeignHire, "residence_expires"),
        Amendable("hire", ForeignHire, "id_expires"),
        Amendable("hire", ForeignHire, "work_permit_no"),
        Amendable("hire", ForeignHire, "contract_end"),
        Amendable("hire", ForeignHire, "monthly_wage", MONEY),
        Amendable("payment", PaymentForm, "paid_on", MONEY),
        Amendable("payment", PaymentForm, "certificate_no", MONEY),
        Amendable("payment", PaymentForm, "amount", MONEY),
        Amendable("voucher", VoucherForm, "voucher_no", MONEY),
        Amendable("voucher", VoucherForm, "budget_line", MONEY),
        Amendable("voucher", SettlementForm, "settlement_no", MONEY),
    )
}


# --- what travels through Temporal -----------------------------------------------------------------------------------


class AmendmentDecision(Carrying):
    """What the second person decided: confirm or reject; withdraw when the proposal was cancelled. `id` is that of the
    amendment and of its process."""

    id: str
    outcome: Literal["confirm", "reject", "withdraw"]
    actor: str
    submission_id: str | None = None


class AmendmentDecided(Payload):
    """Where the amendment stands now: applied, rejected, withdrawn, or void because the value could not be changed any
    more. `pay`: the payments that wait for lines which it has added."""

    state: str
    pay: list[PaymentScope] = []


class AmendmentArg(Payload):
    id: str


class Amended(Payload):
    """Update argument of `take_amendment`: a value that a running process keeps or counts by has changed in the books.
    `old` and `new` are days; whatever else has changed, the process reads again."""

    id: str
    field: str
    of: str
    old: date | None = None
    new: date | None = None
    actor: str


# --- what people send and read ---------------------------------------------------------------------------------------


class AmendBody(Body):
    """A proposal. `of` says which one (agency and attempt, a bill); `was` is the value as the proposer saw it."""

    field: str = Field(min_length=1, max_length=60, examples=["registration.number"])
    of: str = Field(default="", max_length=80, examples=["social_bureau/1"])
    was: str = Field(max_length=1000)
    value: str = Field(min_length=1, max_length=1000, examples=["DEU0C01X00T48"])
    reason: str = Field(min_length=2, max_length=500, examples=["登记时看错一位"])
    document_id: str | None = Field(default=None, max_length=64, description="uploaded to the case before")


class RecordedView(Answer):
    """A value on record. `masked`: personal, and shown in full only to those who work with it. `why_not` says why it
    cannot be amended, and what to do instead."""

    field: str
    of: str
    title: Text
    about: Text
    shape: Shape
    value: str
    masked: bool = False
    amendable: bool
    why_not: Text | None = None


class AmendmentView(Answer):
    """An amendment with both values. `state`: proposed, applied, rejected, withdrawn, void."""

    id: str
    case_no: str
    field: str
    of: str
    title: Text
    about: Text
    old: str
    new: str
    masked: bool = False
    reason: str
    document_id: str | None = None
    state: str
    proposed_by: str
    proposed_by_name: Text | None = None
    proposed_at: datetime
    decided_by: str | None = None
    decided_by_name: Text | None = None
    decided_at: datetime | None = None
    note: str | None = None


class AmendmentsView(Answer):
    """What is on record in a case, and every amendment of it, newest first."""

    values: list[RecordedView]
    amendments: list[AmendmentView]
    may_propose: bool


class ConfirmAmendmentForm(EmptyForm):
    """The second person says that the new value is right."""


register(
    CONFIRM,
    Text(zh="确认更正", en="Confirm an amendment"),
    Outcome("confirm", Text(zh="确认更正", en="Confirm the amendment"), ConfirmAmendmentForm),
    Outcome("reject", Text(zh="不予更正", en="Do not amend"), ReasonForm, tone="danger"),
)
