"""Deadlines as values: the rule (data from `policies/deadlines.yaml`), the computed deadline and its derivation.

Invariants: a computed deadline carries everything needed to explain itself; times are aware datetimes in UTC, dates are
Shanghai dates. Computing is in `domain/deadlines.py`, waiting in `workflows/clock.py`; nothing here knows the time.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Payload, Text
from schemas.countersign import SignRule


class LegalKind(StrEnum):
    """How binding a date is. The order is the order of the inbox on one day."""

    STATUTORY = "statutory"  # 法定
    PAYMENT = "payment"  # 缴费
    NORM = "norm"  # the authority's own service norm 办结时限
    INTERNAL = "internal"  # the school's own target 校内


LEGAL_RANK = {LegalKind.STATUTORY: 0, LegalKind.PAYMENT: 1, LegalKind.NORM: 2, LegalKind.INTERNAL: 3}


class Unit(StrEnum):
    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"
    MONTHS = "months"
    DAY_OF_MONTH = "day_of_month"
    LAST_WORKING_DAY_OF_MONTH = "last_working_day_of_month"


class ShiftPolicy(StrEnum):
    NONE = "none"
    NEXT_WORKING_DAY = "next_working_day"
    TAX_ART109 = "tax_art109"


class CalendarYear(Payload):
    """One year of the State Council's arrangement. `rest`/`work` hold ISO days or "from/to" ranges, ends included."""

    year: int
    rest: list[str] = []
    work: list[str] = []
    public_holidays: list[str] = []
    provisional: bool = False
    doc: str | None = None
    names: dict[str, Text] = {}  # an entry of rest, work or public_holidays -> the name of the holiday


class OwnDays(Payload):
    """Days of one authority alone (`policies/authority_days.yaml`): closed, or at work, whatever the arrangement says.
    Without `valid_to` it is one day."""

    authority: str
    what: Literal["rest", "work"]
    valid_from: date
    valid_to: date | None = None
    name: Text
    published_on: date | None = None  # of two that contradict each other the one published later corrects the other


class Calendar(Payload):
    """The calendar of one authority. `closes_at` is the hour ("17:00", Shanghai) at which its due day ends."""

    authority: str
    title: Text | None = None  # whose it is, for the derivation; None for a calendar that is nobody's
    years: list[CalendarYear]
    own: list[OwnDays] = []
    closes_at: str = "17:00"
    version: str = "1"
    extending_rest_days: int | None = None  # so many rest days of a holiday in a row lengthen a tax period (art. 109)


class DeadlineRule(Payload):
    """One line of `deadlines.yaml`: what must be done how long after which event, under which article."""

    id: str
    title: Text
    anchor: str  # the event counted from, e.g. work_permit_issued, stage_opened, agency_accepted, month
    n: int | None = None
    unit: Unit
    legal_kind: LegalKind
    authority: str = "school"  # whose calendar counts and whose closing hour ends the due day
    met_by: str  # the event that meets it, e.g. handed_in:social_bureau
    shift_policy: ShiftPolicy = ShiftPolicy.NONE
    source: str
    confidence: str
    sample: bool = False
    consequence: Text | None = None  # what a breach costs
    valid_from: date | None = None  # events from this day on; None: the data name no beginning
    valid_to: date | None = None
    published_on: date | None = None  # None: the source names no day

    def holds(self, day: date, known_on: date | None = None) -> bool:
        """Whether it is in force for an event of that day, as known on another (None: all that the data say)."""
        known = known_on is None or self.published_on is None or self.published_on <= known_on
        return known and (self.valid_from or date.min) <= day <= (self.valid_to or date.max)


def _newest_last(rule: DeadlineRule) -> tuple[date, date]:
    """Of two rules from one day the one published later corrects the other."""
    return rule.valid_from or date.min, rule.published_on or date.min


class DerivationStep(Payload):
    """One line of the explanation. `kind`: article, anchor, counted, skipped, shift, result, provisional, extended."""

    kind: str
    text: Text
    days: list[str] = []  # ISO days skipped or counted by name


class Basis(Payload):
    """What a deadline was counted from, so that it can be counted again when rules change (`domain/recount.py`).

    `anchor`: an ISO day, or a month. `n`, `unit`, `shift_policy`: as they were used, whatever the rule says today.
    `kept`: the number is what was left after a suspension and not the rule's.
    """

    rule: str
    anchor: str
    n: int | None = None
    unit: Unit
    shift_policy: ShiftPolicy = ShiftPolicy.NONE
    steps: list[str] = []  # our own steps before the event that meets it, for the latest start
    kept: bool = False


class PlannedStep(Payload):
    """One of our own steps before a date, planned backwards: it must begin at `latest_start` and be done at the end of
    `latest_end`, or the date is missed. Its days are working days."""

    step: str
    working_days: int
    latest_start: datetime
    latest_end: date


class Deadline(Payload):
    """A computed deadline. `due` is the legal day; `due_at` the instant it ends; `internal_due` the last working day on
    or before it; `latest_start` the instant at which work must have begun for the date to be kept (slack as an
    instant)."""

    id: str
    title: Text
    legal_kind: LegalKind
    authority: str = "school"
    due: date
    due_at: datetime
    internal_due: date
    latest_start: datetime
    plan: list[PlannedStep] = []  # our own remaining steps, the first one first
    provisional: bool = False
    missing_years: list[int] = []
    sample: bool = False
    met_by: str
    met_at: datetime | None = None
    breached: bool = False
    source: str = ""
    consequence: Text | None = None
    anchored_on: date | None = None  # the day counted from; reminders before it or on it make no sense
    generation: int = 1  # counts up when the date moves; part of the key of every reminder
    basis: Basis | None = None  # None: set by a decision, not counted
    derivation: list[DerivationStep] = []

    @property
    def steps(self) -> list[str]:
        """Our own steps before the event that meets it, also when a decision has set the date."""
        return self.basis.steps if self.basis is not None else [p.step for p in self.plan]


def is_target(deadline: Deadline) -> bool:
    """Whether it is the target of one task (rule `INT-…`), given anew to who is asked later. The kind does not tell: a
    date of the case can be the school's own as well (the month's end of a reimbursement), and is one for all."""
    return deadline.id.startswith("INT-")


class Rung(Payload):
    """One rung of a reminder ladder (`policies/ladders.yaml`).

    `to`: holder, supervisor, head. `offset`: working days before the due day (positive) or after it (negative), 0 on
    the day. `at`: Shanghai hour. `kinds`: legal kinds it applies to. `on_breach`: fires at `due_at` itself.
    """

    id: str
    to: str
    offset: int = 0
    at: str = "08:30"
    kinds: list[LegalKind]
    on_breach: bool = False


class RungInstant(Payload):
    """A rung with the instant at which it fires, already moved off rest days."""

    key: str  # f"{deadline_id}:{generation}:{rung_id}"
    deadline_id: str
    rung: str
    to: str
    at: datetime


class StepDuration(Payload):
    """How many working days one of our own steps takes (`policies/step_durations.yaml`, sample)."""

    step: str
    working_days: int


class AgencyPolicy(Payload):
    """One line of `agencies.yaml`: an authority outside the school (or the school itself)."""

    id: str  # school, social_bureau, medical_bureau, tax_office
    title: Text
    mode: str = "http"  # portal | http
    calendar: str = "school"
    staff_change_cutoff_day: int | None = None  # what is handed in later counts for the next month
    staff_change_cutoff_shift: ShiftPolicy = ShiftPolicy.NONE
    norm_working_days: int
    chase_working_days: int
    insurances: list[str] = []
    levy: str | None = None  # social | medical
    sample: bool = False


class ChecklistItem(Payload):
    """One line of `materials.yaml` for a category. `when` is empty (always), or the condition under which it is
    required: if_treaty_claimed, if_exemption_claimed, if_prior_service, if_transfer."""

    code: str
    title: Text
    required: bool = True
    when: str = ""
    accept: list[str] = ["pdf", "png", "jpg", "jpeg"]
    note: Text | None = None


class UnknownRule(LookupError):
    """The policy data hold no rule of this name."""


class PolicySnapshot(Payload):
    """Everything of the rules that one case needs, loaded once and kept in its history (replay stays deterministic)."""

    version: str
    case_rules: str = ""  # names the agreements and insurances that belong to it (`store/case_rules.py` has them)
    calendars: list[Calendar]
    rules: list[DeadlineRule]
    ladder: list[Rung]
    durations: list[StepDuration]
    agencies: list[AgencyPolicy]
    checklists: dict[str, list[ChecklistItem]] = {}  # by category, from materials.yaml
    partial_payment_days: int = 0  # working days before the payment day at which an open side is decided upon
    partial_payment_grace_minutes: int = 60
    tax_payment_countersign_above: Decimal | None = None  # yuan; above it the bill is signed as `tax_payment_sign` says
    tax_payment_sign: SignRule = SignRule()
    reimbursement_countersign_above: Decimal | None = None  # the same of a voucher, both its parts together
    reimbursement_sign: SignRule = SignRule(roles=["supervisor"])

    def agency(self, agency_id: str) -> AgencyPolicy:
        return next(a for a in self.agencies if a.id == agency_id)

    def signed_by(self, what: Literal["tax_payment", "reimbursement"], amount: Decimal) -> SignRule:
        """Who approves so much, and how: above the school's limit as its settings say, else a supervisor alone."""
        above, rule = (
            (self.tax_payment_countersign_above, self.tax_payment_sign)
            if what == "tax_payment"
            else (self.reimbursement_countersign_above, self.reimbursement_sign)
        )
        return rule if above is not None and amount > above else SignRule(roles=["supervisor"])

    def rule(self, rule_id: str, event: date | str | None = None) -> DeadlineRule:
        """The rule for an event of that day or month; the newest without one. An event before all that the data hold
        goes by the oldest. UnknownRule where there is none."""
        found = sorted((r for r in self.rules if r.id == rule_id), key=_newest_last, reverse=True)
        if not found:
            raise UnknownRule(rule_id)
        if event is None:
            return found[0]
        day = date.fromisoformat(f"{event}-01") if isinstance(event, str) else event
        return next((r for r in found if r.holds(day)), None) or found[-1]

    def rule_known(self, rule_id: str, event: date | str, known_on: date) -> DeadlineRule | None:
        """The rule for an event as it was known on a day; None where the data hold none."""
        day = date.fromisoformat(f"{event}-01") if isinstance(event, str) else event
        found = [r for r in self.rules if r.id == rule_id and r.holds(day, known_on)]
        return max(found, key=_newest_last, default=None)

    def calendar(self, authority: str) -> Calendar:
        """The calendar of an authority (each agency names its calendar; the school's own is `school`)."""
        by_authority = {c.authority: c for c in self.calendars}
        if authority in by_authority:
            return by_authority[authority]
        return by_authority[self.agency(authority).calendar]


class DeadlineView(Payload):
    """A deadline as the API shows it (contract: id, due, internal_due, legal_kind, latest_start, provisional,
    derivation)."""

    id: str
    title: Text
    due: date
    due_at: datetime
    internal_due: date
    legal_kind: LegalKind
    latest_start: datetime
    plan: list[PlannedStep] = Field(default_factory=list[PlannedStep])
    slack_days: int | None = None  # working days until the latest start; negative when it has passed; None once met
    provisional: bool = False
    sample: bool = False
    met_at: datetime | None = None
    breached: bool = False
    overdue: bool = False
    consequence: Text | None = None
    derivation: list[DerivationStep] = Field(default_factory=list[DerivationStep])


class CutOff(Payload):
    """An agency's cut-off of a month for staff changes. `hand_in_by`: the last working day on or before it;
    `latest_start`: when our remaining steps must begin for it; `planned`: the day of the hand-in, done or expected;
    `counts_for`: the month for which that hand-in counts, the next one when `late`."""

    agency: str
    title: Text
    month: str
    due: date
    due_at: datetime
    hand_in_by: date
    latest_start: datetime
    planned: date
    handed_in: bool
    late: bool
    counts_for: str
    says: Text
    sample: bool = False
    provisional: bool = False
    derivation: list[DerivationStep] = []
