"""Answers about the rules themselves: values of a month, what a person paid by which rule, a date by a rule.

Yuan and rates are decimals written as text. Nothing personal stands in an address but the person's id.
"""

from datetime import date, datetime

from pydantic import Field

from schemas.api import Answer
from schemas.base import Body, Text
from schemas.calculations.base import Month, Rate, Yuan
from schemas.deadlines import DeadlineRule, DeadlineView, DerivationStep


class ReferenceView(Answer):
    """A source that a value cites by its short name."""

    id: str
    what: str
    address: str


class DatedView(Answer):
    """A value, and where it comes from. `published_on`: day, month or year of the notice as the source says; empty
    where it does not. `change_id`: the change of the rules that brought it, null when it was shipped."""

    scheme: str
    locality: str
    valid_from: date
    valid_to: date | None
    published_on: str
    source: str
    confidence: str
    sample: bool
    review_by: date | None
    change_id: int | None = None


class LimitView(DatedView):
    """Floor and cap in yuan a month."""

    floor: Yuan
    cap: Yuan


class RateView(DatedView):
    """Shares of the base: of the unit and of the person."""

    unit_rate: Rate
    person_rate: Rate


class RuleValueView(Answer):
    """One insurance for one month. `limits`: the insurance whose floor and cap apply. `gaps`: what the data do not
    hold."""

    insurance: str
    title: Text
    levy: str
    limits: str
    law: str
    limit: LimitView | None
    rate: RateView | None
    flags: list[str]
    gaps: list[Text]


class RuleValues(Answer):
    """All values for a month, a scheme and a place, as they were known on a day."""

    month: Month
    scheme: str
    locality: str
    known_on: date
    items: list[RuleValueView]
    references: list[ReferenceView]


class PersonFound(Answer):
    """A person whose amounts the viewer may read."""

    person_id: str
    name: str
    org_units: list[Text]


class PeopleFound(Answer):
    """`more`: there are others, so the words should be narrower. `unknown_number`: a number that nobody has."""

    items: list[PersonFound]
    more: bool = False
    unknown_number: bool = False


class PersonWords(Body):
    """`q`: name, pinyin, initials, or a full identity or agency number."""

    q: str = Field(min_length=1, max_length=100, examples=["anna"])


class LedgerLineView(Answer):
    """One line of the ledger with how it was computed. `corrects`: the line it changes by these amounts. `standing`:
    open, frozen, paid, settled. `withheld`: this_month, next_month, receivable, null when payroll has not said.
    `process_id` only where the viewer may open the case."""

    id: int
    insurance: str
    title: Text
    levy: str
    payment_month: Month
    base: Yuan
    unit_rate: Rate
    person_rate: Rate
    unit_amount: Yuan
    person_amount: Yuan
    explanation: Text
    source: str
    flags: list[str]
    corrects: int | None
    voids: bool
    reason: str | None
    standing: str
    paid_on: date | None
    certificate_no: str | None
    withheld: str | None
    written_at: datetime
    process_id: str | None


class PersonDeadline(DeadlineView):
    """A deadline of one of the person's cases."""

    process_id: str


class PersonMonth(Answer):
    """What one person was charged for one month, and the rules behind it.

    `months`: all months with lines, newest first. `category` and `scheme` are null when no record says them; the rules
    then cannot be chosen. `known_on`: the day whose knowledge `rules` shows, by default the day the lines were written.
    `deadlines`: of the person's cases, due in the month.
    """

    person_id: str
    name: str
    month: Month
    months: list[Month]
    category: str | None
    scheme: str | None
    known_on: date
    lines: list[LedgerLineView]
    unit_total: Yuan
    person_total: Yuan
    rules: RuleValues | None
    deadlines: list[PersonDeadline]
    references: list[ReferenceView]


class DeadlineRuleView(DeadlineRule):
    """A rule of `deadlines.yaml` with its event in words. `wants`: what is counted from: day, or month (a day serves as
    well); null where the law names no number, so that no date can be computed. `change_id` as in `LimitView`."""

    event: Text
    wants: str | None
    change_id: int | None = None


class DeadlineRules(Answer):
    items: list[DeadlineRuleView]


class DeadlineFound(Answer):
    """The date that a rule gives. `due` is the legal day, `internal_due` the last working day on or before it."""

    rule: DeadlineRuleView
    anchor: str
    authority: str
    n: int | None
    due: date
    due_at: datetime
    internal_due: date
    provisional: bool
    missing_years: list[int]
    sample: bool
    derivation: list[DerivationStep]
    references: list[ReferenceView]
