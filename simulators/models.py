"""Bodies of the agencies' HTTP API, and the behaviour that a test or a demo can set.

These are the agencies' own formats: the school's side reads and writes them in `activities/agency_client.py` without
sharing these classes, as it would with real agencies. Amounts are decimal strings in yuan with two places.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.base import Body, Month

Agency = Literal["social_bureau", "medical_bureau", "tax_office"]
BUREAUS: tuple[str, ...] = ("social_bureau", "medical_bureau")
AGENCIES: tuple[str, ...] = (*BUREAUS, "tax_office")
LEVY_OF = {"social_bureau": "social", "medical_bureau": "medical"}
BUREAU_OF = {levy: bureau for bureau, levy in LEVY_OF.items()}
INSURANCES = {
    "social_bureau": ("pension", "unemployment", "work_injury"),
    "medical_bureau": ("medical", "maternity", "large_medical"),
}
Money = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]


class Application(Body):
    """An application to enrol one person, as a bureau's interface takes it."""

    kind: Literal["enrolment"] = "enrolment"
    name: str = Field(min_length=1, max_length=120)
    id_type: str = Field(min_length=1, max_length=40)
    id_number: str = Field(pattern=r"^[A-Z0-9]{5,18}$")
    country: str = Field(pattern=r"^[A-Z]{3}$")
    birth: date
    sex: Literal["M", "F"]
    employer: str = Field(min_length=1, max_length=60)
    start_month: Month
    base: Money
    insurances: list[str] = Field(min_length=1)
    phone: str | None = None
    email: str | None = None


class VisibilityQuery(Body):
    """Many persons asked about at once, by the numbers of the levy's own bureau."""

    levy: Literal["social", "medical"]
    numbers: list[str] = Field(max_length=20000)


class MakeUp(Body):
    """A make-up declaration (补差) of a month that is paid: the wage that it should have been paid by."""

    month: Month
    base: Money


class BillItem(Body):
    """One person on a bill, by the number of the levy's own bureau: the months to pay for the first time, and those
    whose payment is made up. A month is one or the other."""

    number: str
    months: list[Month] = []
    make_up: list[MakeUp] = []

    @model_validator(mode="after")
    def _each_month_once(self) -> "BillItem":
        named = [*self.months, *(m.month for m in self.make_up)]
        if not named:
            raise ValueError("months or make_up: at least one is needed")
        if len(set(named)) < len(named):
            raise ValueError("a month stands more than once among months and make_up")
        return self


class BillRequest(Body):
    unit: str = Field(min_length=1)
    levy: Literal["social", "medical"]
    kind: Literal["regular", "supplementary", "back_payment"] = "regular"
    items: list[BillItem] = Field(min_length=1)


class PaymentRequest(Body):
    bill_no: str
    amount: Money


class Refuse(Body):
    """The next `times` applications (of this `id_number`, where one is given) are refused with `code`."""

    times: int = Field(default=1, ge=1)
    code: str = Field(default="R01", min_length=1)
    reason: str | None = None
    id_number: str | None = None


class BillError(Body):
    """Every new bill is wrong by `cents` in the unit's part of `insurance`, on the first line that has it, until the
    behaviour is set anew; with `times` only that many bills."""

    insurance: str
    cents: int
    times: int | None = Field(default=None, ge=1)


class Behaviour(Body):
    """How an agency behaves. PUT replaces the whole: a field left out goes back to its default.

    `accept_after_seconds` counts from handing in, `decide_after_seconds` from acceptance, `sync_after_seconds` (tax
    office) from approval at the bureau; changing them also moves applications still under way. During an outage every
    path but behaviour and log answers 503. `duplicate_responses`: the first answer to every new key is lost on the way
    (the agency did the work, the caller gets 504 and has to ask again with the same key).
    """

    accept_after_seconds: float = Field(default=1.0, ge=0)
    decide_after_seconds: float = Field(default=1.0, ge=0)
    sync_after_seconds: float = Field(default=0.5, ge=0)
    refuse: list[Refuse] = Field(default_factory=list[Refuse])
    outage: bool = False
    outage_seconds: float | None = Field(default=None, ge=0)
    duplicate_responses: bool = False
    bill_error: BillError | None = None

    @field_validator("refuse", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        """A single refusal may be given without the list, or as its bare code."""
        if value is None:
            return []
        entries: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
        return [{"code": entry} if isinstance(entry, str) else entry for entry in entries]
