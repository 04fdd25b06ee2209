"""Changes of the rules at run time, as data: what is proposed, what it would do, and what became of it.

Invariants: a change says where it comes from (`source`) and why (`reason`); nothing in it is personal.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.base import Body, Text

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}\.(yaml|csv)$", examples=["contribution_limits.csv"])]
Key = Annotated[str, Field(max_length=200, examples=["rules[DL-REG-FOR]"])]
Confidence = Literal["confirmed", "known", "uncertain"]


class ChangeKind(StrEnum):
    ROW = "row"  # one more row of a table or of a list; a row of the same key without dates is replaced
    FIELDS = "fields"  # fields of one entry of a YAML file
    YEAR = "year"  # the whole arrangement of a calendar year: its publication
    DAY = "day"  # one day of a published year
    REVOKE = "revoke"  # takes an applied change back, as if it had never been applied


class ChangeState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    APPLIED = "applied"


class PolicyChange(BaseModel):
    """What the overlay needs of a change (`domain/policy_changes.py`).

    `key`: rows: empty, or the list of a YAML file ("rates"); fields: the way to the entry ("rules[DL-REG-FOR]"); year:
    "2027"; day: "2027-02-04"; revoke: the id of the change. `new`: the row's columns, the fields, {doc, rest, work,
    names}, {kind: rest | work | plain, zh, en}, or nothing. Amounts, rates and days are strings.
    """

    model_config = ConfigDict(frozen=True)
    id: int = 0  # of the stored change; 0 as long as it is none
    file: str
    kind: ChangeKind
    key: str = ""
    new: dict[str, Any]
    source: str
    confidence: str = "confirmed"
    sample: bool = False
    published_on: date | None = None
    review_by: date | None = None
    applied_at: datetime | None = None


class ProposeBody(Body):
    """A change that somebody proposes. See `PolicyChange` for `key` and `new`."""

    file: FileName
    kind: ChangeKind
    key: Key = ""
    new: Annotated[dict[str, Any], Field(max_length=40)]
    reason: Said
    source: Said
    confidence: Confidence = "confirmed"
    sample: bool = False
    published_on: date | None = None
    review_by: date | None = None


class DecisionBody(Body):
    """A note beside a decision; needed where something is refused."""

    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""


class TakeOverBody(Body):
    """Which running cases take over the rules in force: those named, or all that are open."""

    process_ids: Annotated[list[str], Field(max_length=1000)] | None = None
    reason: Said


class Impact(BaseModel):
    """The figures of a preview as they were when the change was applied, and how many cases were told."""

    deadlines_moved: int
    deadlines_final: int
    cases_late: int
    people: int
    total_difference: str
    cases_told: int
    fees: int = 0
    fee_difference: str = "0.00"
    people_months: int = 0
    lines_not_computable: int = 0
    deadlines_replanned: int = 0


class ChangeView(BaseModel):
    """A change as people see it. `old`: what was in force before (at the proposal, or when it was applied).
    `taken_back`: it was applied, and another change has taken it back."""

    id: int
    file: str
    kind: ChangeKind
    key: str
    title: Text
    new: dict[str, Any]
    old: dict[str, Any] | None
    reason: str
    source: str
    confidence: str
    sample: bool
    published_on: date | None
    review_by: date | None
    state: ChangeState
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str
    applied_by: str | None
    applied_at: datetime | None
    number: int | None
    version: str | None
    impact: Impact | None
    taken_back: bool = False
    actions: list[str] = []


class MovedDeadline(BaseModel):
    """An open deadline that another rule or calendar counts differently. `becomes_late`: its new end has passed
    already; `becomes_tight`: the time left is shorter than our own steps need. `replanned`: the end stays, our own
    target or latest start moves. `automatic`: moves when the change is applied, without anybody's order."""

    process_id: str
    case_no: str
    deadline_id: str
    title: Text
    old_due: date
    new_due: date
    old_due_at: datetime
    new_due_at: datetime
    old_internal: date
    new_internal: date
    old_start: datetime
    new_start: datetime
    replanned: bool
    becomes_final: bool
    becomes_late: bool
    becomes_tight: bool
    automatic: bool


class OfPerson(BaseModel):
    """Whom a line of a preview is about, and in which case. `case_no` is empty for a line of a month's list, which no
    case wrote."""

    person_id: str
    name: str
    process_id: str
    case_no: str


class ChangedAmount(OfPerson):
    """The premium of one person, month and insurance by the rules in force and by the changed ones, in yuan."""

    month: str
    insurance: str
    old_unit: str
    old_person: str
    new_unit: str
    new_person: str
    difference: str


class ChangedFee(OfPerson):
    """The late fee on what one case owes for a past month, if it were paid on `paid_on`, in yuan."""

    levy: str
    month: str
    owed: str
    old_due: date
    new_due: date
    paid_on: date
    old: str
    new: str
    difference: str


class NotComputableLine(OfPerson):
    """A premium line or late fee that cannot be computed by the one or the other rules. `insurance` is empty where a
    whole levy is meant."""

    month: str
    insurance: str
    levy: str
    reason: Text


class ChangedMonths(OfPerson):
    """When somebody reaches the statutory month of retirement ("YYYY-MM"), and the months of contribution needed.
    `track`: the one set at the person, by which both are computed."""

    track: str
    old_retire: str
    new_retire: str
    old_months: int
    new_months: int


class PersonDifference(BaseModel):
    """All changed amounts of one person added up, in yuan: premiums of unit and person, and late fees."""

    person_id: str
    name: str
    months: list[str]
    unit: str
    person: str
    fee: str
    total: str


class Preview(BaseModel):
    """What a change would do; nothing is written. Lists are cut at a length, the counts are whole.

    `deadlines_moved`: the end moves; `deadlines_replanned`: the end stays, our own target or latest start moves.
    `deadlines_automatic` of the deadlines move or become final by themselves, the others when their case takes the
    rules over. `not_computable`: premium lines and late fees of which nobody can tell the difference, each with the
    reason; they are in none of the sums.
    `people` are those whose amounts in yuan differ, `people_months` those who retire later or earlier, or who need more
    or fewer contribution months by then.
    """

    deadlines_moved: int
    deadlines_replanned: int
    deadlines_final: int
    deadlines_automatic: int
    cases_touched: int
    cases_late: int
    cases_tight: int
    people: int
    lines: int
    fees: int
    people_months: int
    unit_difference: str
    person_difference: str
    fee_difference: str
    total_difference: str
    lines_not_computable: int
    findings: list[Text]
    deadlines: list[MovedDeadline]
    persons: list[PersonDifference]
    amounts: list[ChangedAmount]
    late_fees: list[ChangedFee]
    retirements: list[ChangedMonths]
    not_computable: list[NotComputableLine]


class ValueView(BaseModel):
    """One value of the rules with where it comes from. `change`: how it can be changed. `change_id`: the change that
    brought it, None when it was shipped."""

    file: str
    key: str
    fields: dict[str, Any]
    source: str
    confidence: str
    sample: bool
    valid_from: str | None
    valid_to: str | None
    published_on: str | None
    review_by: str | None
    review_overdue: bool
    change: ChangeKind
    change_id: int | None


class ValueHistory(BaseModel):
    """One value, the rows that say the same thing for other dates (newest first, the value among them), and every
    change of it that was ever proposed, newest first: each holds what stood before it."""

    value: ValueView
    series: list[ValueView]
    changes: list[ChangeView]


class ChangeForm(BaseModel):
    """What a change of one kind asks for. `schema_`: JSON Schema of `new`; `values`: what is in force, to begin with.
    `undated`: the value has no dates, so the new one takes its place."""

    model_config = ConfigDict(populate_by_name=True)
    file: str
    kind: ChangeKind
    key: str
    title: Text
    schema_: dict[str, Any] = Field(alias="schema")
    values: dict[str, Any]
    undated: bool


class NoticeBody(Body):
    """The text of the State Council's notice, or a list: a day or range, off or at work, the name, line by line."""

    year: Annotated[int, Field(ge=2000, le=2100)]
    text: Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=20000)]  # lines are counted


class NoticeFaultView(BaseModel):
    """`line`: of the text, from 1; 0 is the whole."""

    line: int
    text: Text


class NoticeView(BaseModel):
    """A notice as it was understood. It can be proposed when `faults` is empty: `new` is what such a change holds.
    `outside`: days of other years that it names, to be changed there. `ignored`: what it only encourages."""

    year: int
    published_on: date | None
    new: dict[str, Any]
    outside: list[date]
    ignored: list[str]
    faults: list[NoticeFaultView]


class FileView(BaseModel):
    """One file of the rules: its title, how many values it has, and what is to be said about them."""

    file: str
    title: Text
    values: int
    samples: int
    overdue: int
    changed: int
    columns: list[str]


class VersionView(BaseModel):
    """A version of the rules: what made it, and how many open cases work by the part of it that cases carry.

    `number`: 0 are the files alone; None stands for versions of older files, and for those with a later year added.
    """

    number: int | None
    version: str
    case_version: str
    change_id: int | None
    title: Text
    applied_by: str | None
    applied_at: datetime | None
    open_cases: int


class VersionCase(BaseModel):
    """An open case that works by a version."""

    process_id: str
    case_no: str


class VersionDetail(VersionView):
    """A version with its open cases, the oldest first; the list is cut at a length, `open_cases` is whole."""

    cases: list[VersionCase]


class CaseBehind(BaseModel):
    """A running case that works by other rules than those in force. `moved`: deadlines that taking over would move or
    make final; `becomes_late`, `becomes_tight`: one of them. `order`: the state of its last order, if it had any."""

    process_id: str
    case_no: str
    version: str
    moved: int
    becomes_late: bool
    becomes_tight: bool
    order: str | None


class ChangedCase(BaseModel):
    """What taking over changes of a case beside its deadlines: the insurances paid, and what the agreements propose to
    be exempt (None where that stays, or a person has confirmed it)."""

    process_id: str
    case_no: str
    old_insurances: list[str]
    new_insurances: list[str]
    old_exemption: Text | None
    new_exemption: Text | None


class OrderView(BaseModel):
    """What became of an order to one case. `moved`: deadlines; `error`: why it has not been done."""

    process_id: str
    case_no: str
    state: str
    moved: int | None
    error: str | None
    reason: Text
    actor: str
    created_at: datetime
    done_at: datetime | None


class TakeOverView(BaseModel):
    """Running cases and the rules in force: which are behind, what an update would move, and how far orders are. Lists
    are cut at a length, the counts are whole. `may_order`: whether the reader may give orders."""

    version: str
    behind: int
    pending: int
    done: int
    failed: int
    cases: list[CaseBehind]
    deadlines: list[MovedDeadline]
    changes: list[ChangedCase]
    orders: list[OrderView]
    may_order: bool


class TakeOverSelection(Body):
    """Cases whose deadlines are to be looked at before they take over."""

    process_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]


class TakeOverItem(BaseModel):
    """What became of one case: ordered now, an order waits already, or it is not behind (it has ended, works by the
    rules in force, or does not exist)."""

    process_id: str
    case_no: str
    result: Literal["ordered", "waiting", "not_behind"]


class TakeOverDone(BaseModel):
    """`ordered` counts all; the list of items is cut at a length."""

    ordered: int
    items: list[TakeOverItem]
