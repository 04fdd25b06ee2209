"""Arguments and results of the activities that workflows call by name (`workflows/calls.py`): ids and codes only."""

from datetime import date

from schemas.base import Payload
from schemas.process import Transition


class Carrying(Payload):
    """A call into our own books. `transition`: what has changed in the process until then; it is written in the same
    transaction, so that a step and its rows are one activity."""

    transition: Transition | None = None


class CaseArg(Payload):
    process_id: str
    person_id: str


class AppliedForm(Carrying):
    """Take over the personal fields stored with a submission."""

    process_id: str
    person_id: str
    submission_id: str


class ExemptionDecision(Carrying):
    process_id: str
    person_id: str
    exempt: list[str]
    certificate: str
    actor: str


class RegistrationArg(Payload):
    """One attempt at one agency. The idempotency key of the hand-in is f"{process_id}:{agency}:{attempt}"."""

    process_id: str
    person_id: str
    agency: str
    attempt: int


class RegistrationEvent(RegistrationArg, Carrying):
    """`event`: handed_in, accepted, approved, refused, undone. `submission_id` holds the form (and the number)."""

    event: str
    submission_id: str | None = None
    on: date | None = None
    code: str | None = None


class SubmitAnswer(Payload):
    receipt: bool


class PollAnswer(Payload):
    """`state`: pending, accepted, approved, refused. The number itself is stored, never returned."""

    state: str
    code: str | None = None


class PaymentScope(Payload):
    """What one tax_payment process pays: `month` is the premium month."""

    unit: str
    levy: str
    month: str

    @property
    def process_id(self) -> str:
        return f"tax_payment-{self.unit}-{self.levy}-{self.month}"


class FreezeArg(Payload):
    scope: PaymentScope
    kind: str
    round: int


class BillArg(Payload):
    bill_id: str


class BillDecision(Payload):
    bill_id: str
    submission_id: str
    actor: str
    outcome: str = ""


class PaymentArg(Payload):
    bill_id: str
    submission_id: str | None = None
    actor: str = "system"


class WakeCases(Payload):
    bill_id: str
    topic: str


class LateFeeArg(Payload):
    process_id: str
    levy: str
    payment_month: str
    paid_on: date


class LateFee(Payload):
    """Estimated fee in yuan (string with two places) over so many days late."""

    amount: str
    days: int


class Visibility(Payload):
    """Whether everyone on a bill is visible at the tax client (R19), how many are not, and their ids."""

    visible: bool
    missing: int = 0
    persons: list[str] = []
