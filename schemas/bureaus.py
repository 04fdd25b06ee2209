"""What the agencies' interfaces answer, and the layout of the spreadsheets they import.

Invariants: these models hold personal data (numbers) and stay between the HTTP client, the store and the files: none of
them is ever an argument or a result of a workflow's activity (those are in `schemas/calls.py`). Unknown fields of an
agency's answer are ignored, because agencies add fields without asking us.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.base import Text
from schemas.calculations.base import refused
from schemas.policy_values import Sourced


class AgencyAnswer(BaseModel):
    """Base of everything read from an agency."""

    model_config = ConfigDict(extra="ignore")


class AgencyState(StrEnum):
    """Where an application stands at the agency, in its own words."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ApplicationAnswer(AgencyAnswer):
    """The progress of one application. `number` is the agency's number of the person, once approved."""

    receipt_no: str
    state: AgencyState
    number: str | None = None
    code: str | None = None
    reason: str | None = None
    submitted_at: datetime | None = None
    accepted_at: datetime | None = None
    decided_at: datetime | None = None


class BillItemAnswer(AgencyAnswer):
    """One person, month and insurance on the agency's bill; amounts in yuan."""

    number: str
    month: str
    insurance: str
    base: Decimal | None = None  # a bill saved from the tax client may leave it out
    unit_amount: Decimal
    person_amount: Decimal


class BillAnswer(AgencyAnswer):
    """A bill (征集单) as the tax office made it."""

    bill_no: str
    state: str
    total: Decimal
    items: list[BillItemAnswer]
    certificate_no: str | None = None
    paid_at: datetime | None = None


class FoundApplications(AgencyAnswer):
    """The applications under one idempotency key: one, or none when it never arrived."""

    items: list[ApplicationAnswer] = []


class Receipt(AgencyAnswer):
    receipt_no: str
    submitted_at: datetime | None = None


class MissingPersons(AgencyAnswer):
    """Numbers that the tax client does not show yet."""

    missing: list[str]


class Done(AgencyAnswer):
    """An acknowledgement without content that we use."""

    state: str = ""


class PaymentAnswer(AgencyAnswer):
    certificate_no: str
    paid_at: datetime


class CellFormat(StrEnum):
    """How a value is written. `text` cells are text for ever: identity numbers keep every digit and are no formula."""

    TEXT = "text"
    DATE = "date"  # 2026-11-24
    MONTH = "month"  # 202611
    MONEY = "money"  # a number with two places
    INTEGER = "integer"


class Layout(BaseModel):
    """A layout and what a change of the rules says of it."""

    model_config = ConfigDict(extra="forbid")
    source: str
    confidence: str
    sample: bool = False
    published_on: date | None = None
    review_by: date | None = None


class FormColumn(BaseModel):
    """One column of an agency's import file. Exactly one of `source` (a field of the record) and `const` is set."""

    model_config = ConfigDict(extra="forbid")
    heading: str
    source: str | None = None
    const: str | None = None
    format: CellFormat = CellFormat.TEXT
    values: dict[str, str] = Field(default_factory=dict)  # our code -> the agency's word
    required: bool = False
    width: int = 14

    @model_validator(mode="after")
    def _one_origin(self) -> "FormColumn":
        if (self.source is None) == (self.const is None):
            raise refused(
                "not_one_origin",
                f"“{self.heading}”须且只能有 source 或 const 之一。",
                f"Column {self.heading} needs exactly one of source and const.",
            )
        return self


class AgencyForm(Layout):
    """The import layout of one agency (`policies/agency_forms.yaml`)."""

    code: str
    title: Text
    sheet: str
    filename: str
    columns: list[FormColumn] = Field(min_length=1)


class BillLayout(Layout):
    """How a bill saved from the tax client is read: headings by meaning, and the words for insurances and parts."""

    headings: dict[str, list[str]]  # number, month, insurance, unit, person, amount
    insurances: list["InsuranceWord"]
    parts: list["PartWord"]


class ResultHeadings(BaseModel):
    """Possible headings of each column of a result file, the best first."""

    model_config = ConfigDict(extra="forbid")
    id_number: list[str] = Field(min_length=1)
    case_no: list[str] = Field(min_length=1)
    name: list[str]
    number: list[str] = Field(min_length=1)
    code: list[str] = Field(min_length=1)
    day: list[str]
    note: list[str]


class ResultLayout(Layout):
    """How a result file of an agency is read: who, the number given or the code of the refusal, and the day."""

    headings: ResultHeadings


class InsuranceWord(Sourced):
    word: str
    insurance: str


class PartWord(Sourced):
    word: str
    part: str  # unit | person


class AgencyFiles(BaseModel):
    """The whole of `agency_forms.yaml`."""

    model_config = ConfigDict(extra="forbid")
    applications: dict[str, AgencyForm]
    bills: dict[str, BillLayout]
    results: ResultLayout
