"""What a change of the rules does to open deadlines, premiums, late fees and retirements, computed before anything is
written. Pure.

Invariants: deadlines are counted again by the very functions that a running case uses (`domain/recount.py`), amounts as
premium lines and the books' late fees are, so that what is shown before is what happens; what stays the same is not
listed. Nothing here knows where deadlines and lines are stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from domain.bulk_contributions import BulkLine, cents, month_lines, yuan
from domain.contributions import ContributionTables, LineTerms, PolicyGap, line_terms
from domain.deadlines import compute
from domain.late_fee import LateFeeRate, estimate
from domain.recount import recounted, with_published_years
from domain.retirement import STANDARD, RetirementGroup, RetirementRules, retirement
from schemas.base import Text
from schemas.deadlines import Deadline, PolicySnapshot
from schemas.policy import MovedDeadline

PENSION = "pension"
_NO_TRACK = Text(
    zh="规则中没有此人登记的退休口径，请先在人员页改选。",
    en="The rules do not know the track of retirement set for this person: choose another on the person's page.",
)
_BECAUSE = Text(zh="预览", en="preview")
_IN_FORCE = Text(zh="现行规则：", en="By the rules in force:")
_CHANGED = Text(zh="变更后的规则：", en="By the changed rules:")


@dataclass(frozen=True)
class OpenDeadline:
    """An unmet deadline of an open case, as it stands."""

    process_id: str
    case_no: str
    deadline: Deadline


@dataclass(frozen=True)
class DueLine:
    """A premium line that is written, or would be written today: whose, for which month, by which declared wage."""

    process_id: str
    case_no: str
    person_id: str
    month: str
    insurance: str
    scheme: str
    declared: Decimal


@dataclass(frozen=True)
class NotComputable:
    """A line or a late fee whose difference nobody can tell, and why. `insurance` is empty where a whole levy is meant,
    as for a fee."""

    process_id: str
    case_no: str
    person_id: str
    month: str
    insurance: str
    reason: Text
    levy: str = ""


@dataclass(frozen=True)
class AmountChange:
    """A line whose amounts differ, in yuan."""

    line: DueLine
    old_unit: Decimal
    old_person: Decimal
    new_unit: Decimal
    new_person: Decimal

    @property
    def unit(self) -> Decimal:
        return self.new_unit - self.old_unit

    @property
    def person(self) -> Decimal:
        return self.new_person - self.old_person


@dataclass(frozen=True)
class Arrears:
    """What one case owes of a levy for a month, in yuan: written and not paid."""

    process_id: str
    case_no: str
    person_id: str
    levy: str
    month: str
    owed: Decimal


@dataclass(frozen=True)
class FeeChange:
    """A late fee that differs, in yuan, if the arrears were paid on `paid_on`; each side by its own payment day."""

    arrears: Arrears
    paid_on: date
    old_due: date
    new_due: date
    old: Decimal
    new: Decimal


@dataclass(frozen=True)
class Insured:
    """Somebody insured for a pension. `group`: the line of `age_limits.yaml` (male, female); `track`: the one set at
    the person (`store/retirement_tracks.py`)."""

    process_id: str
    case_no: str
    person_id: str
    group: str
    birth_month: str
    track: str = STANDARD


@dataclass(frozen=True)
class RetirementChange:
    """A statutory month "YYYY-MM" or a number of needed contribution months that differs."""

    insured: Insured
    old_month: str
    new_month: str
    old_minimum: int
    new_minimum: int


@dataclass(frozen=True)
class FeeRules:
    """What a late fee is computed by: the rates, and the deadlines with their calendar for the payment day."""

    rates: Sequence[LateFeeRate]
    snapshot: PolicySnapshot

    def payment_day(self, month: str) -> date:
        """The legal payment day of a month."""
        return compute(self.snapshot.rule("DL-PAY-OTHER", month), month, self.snapshot, remaining_steps=[]).due


@dataclass(frozen=True)
class RetirementTables:
    """Ages by group, and the rules around them."""

    ages: Mapping[str, RetirementGroup]
    rules: RetirementRules


def moved_by(
    found: Iterable[OpenDeadline], old: PolicySnapshot, new: PolicySnapshot, now: datetime
) -> list[MovedDeadline]:
    """The open deadlines that a change from the rules `old` to `new` moves, plans anew or makes final.

    `automatic`: a year was published, and the case is told without anybody's order. The others move when their case
    takes the rules over.
    """
    published = with_published_years(old, new)
    moves: list[MovedDeadline] = []
    for item in found:
        deadline = item.deadline
        if published is not old and deadline.provisional:
            fresh = recounted(deadline, published, rules=False, why=_BECAUSE)
            if _differs(deadline, fresh):
                moves.append(_move(item, fresh, now, automatic=True))
                continue
        by_old = recounted(deadline, old, rules=True, why=_BECAUSE)
        by_new = recounted(deadline, new, rules=True, why=_BECAUSE)
        if _days(by_old) != _days(by_new):
            moves.append(_move(item, by_new, now, automatic=False))
    return _in_order(moves)


def finalised_by(found: Iterable[OpenDeadline], rules: PolicySnapshot) -> list[OpenDeadline]:
    """The provisional deadlines that another date, or finality, awaits because their year has been published."""
    return [
        item
        for item in found
        if item.deadline.provisional
        and _differs(item.deadline, recounted(item.deadline, rules, rules=False, why=_BECAUSE))
    ]


def moved_by_taking_over(found: Iterable[OpenDeadline], rules: PolicySnapshot, now: datetime) -> list[MovedDeadline]:
    """The open deadlines that move when their cases take over all of `rules`."""
    moves: list[MovedDeadline] = []
    for item in found:
        fresh = recounted(item.deadline, rules, rules=True, why=_BECAUSE)
        if _differs(item.deadline, fresh):
            moves.append(_move(item, fresh, now, automatic=False))
    return _in_order(moves)


def _differs(old: Deadline, new: Deadline) -> bool:
    return (_days(old), old.provisional) != (_days(new), new.provisional)


def _days(deadline: Deadline) -> tuple[datetime, date, datetime]:
    """The end, our own target before it, and when work on it must begin at the latest."""
    return deadline.due_at, deadline.internal_due, deadline.latest_start


def _move(item: OpenDeadline, fresh: Deadline, now: datetime, *, automatic: bool) -> MovedDeadline:
    old = item.deadline
    return MovedDeadline(
        process_id=item.process_id,
        case_no=item.case_no,
        deadline_id=old.id,
        title=old.title,
        old_due=old.due,
        new_due=fresh.due,
        old_due_at=old.due_at,
        new_due_at=fresh.due_at,
        old_internal=old.internal_due,
        new_internal=fresh.internal_due,
        old_start=old.latest_start,
        new_start=fresh.latest_start,
        replanned=old.due_at == fresh.due_at and _days(old) != _days(fresh),
        becomes_final=old.provisional and not fresh.provisional,
        becomes_late=old.due_at >= now > fresh.due_at,
        becomes_tight=old.latest_start >= now > fresh.latest_start and fresh.due_at >= now,
        automatic=automatic,
    )


def _in_order(moves: list[MovedDeadline]) -> list[MovedDeadline]:
    """What becomes late first, then by the new day."""
    return sorted(moves, key=lambda m: (not m.becomes_late, not m.becomes_tight, m.new_due, m.case_no, m.deadline_id))


def amounts_changed(
    lines: Iterable[DueLine], old: ContributionTables, new: ContributionTables, known_on: date
) -> tuple[list[AmountChange], list[NotComputable]]:
    """The lines whose amounts differ between two sets of tables as known on a day, and those that could not be computed
    because a table has no value for them."""
    groups: dict[tuple[str, str, str], list[DueLine]] = defaultdict(list)
    for line in lines:
        groups[line.month, line.scheme, line.insurance].append(line)
    found: list[AmountChange] = []
    missing: list[NotComputable] = []
    for (month, scheme, insurance), members in groups.items():
        declared = cents(m.declared for m in members)
        sides: list[BulkLine] = []
        reason: Text | None = None
        for tables, whose in ((old, _IN_FORCE), (new, _CHANGED)):
            try:
                sides += month_lines(declared, month, [insurance], scheme, known_on, tables)
            except PolicyGap as gap:
                reason = reason or _said(whose, gap.text)
        if reason is None:
            found += _changes(members, *sides)
        else:
            missing += [NotComputable(m.process_id, m.case_no, m.person_id, month, insurance, reason) for m in members]
    return sorted(found, key=lambda c: (c.line.case_no, c.line.month, c.line.insurance)), missing


def touched(
    lines: Iterable[NotComputable], schemes: Iterable[str], old: ContributionTables, new: ContributionTables, on: date
) -> list[NotComputable]:
    """Those of the lines that the change may touch: the terms of their month and insurance differ for some scheme, or
    there are none for any."""
    every = list(schemes)
    known: dict[tuple[str, str], bool] = {}
    found: list[NotComputable] = []
    for line in lines:
        if not line.insurance:  # nothing can be written for the levy at all
            found.append(line)
            continue
        key = line.month, line.insurance
        if key not in known:
            sides = [(_terms(*key, s, on, old), _terms(*key, s, on, new)) for s in every]
            known[key] = any(before != after for before, after in sides) or not any(before for before, _ in sides)
        if known[key]:
            found.append(line)
    return found


def _terms(month: str, insurance: str, scheme: str, known_on: date, tables: ContributionTables) -> list[LineTerms]:
    try:
        return line_terms(month, [insurance], scheme, known_on, tables)
    except PolicyGap:
        return []


def _said(whose: Text, reason: Text) -> Text:
    return Text(zh=whose.zh + reason.zh, en=f"{whose.en} {reason.en}")


def _changes(members: Sequence[DueLine], old: BulkLine, new: BulkLine) -> list[AmountChange]:
    differing = np.flatnonzero((old.unit != new.unit) | (old.person != new.person))
    return [
        AmountChange(
            members[i],
            *(yuan(int(side[i])) for side in (old.unit, old.person, new.unit, new.person)),
        )
        for i in map(int, differing)
    ]


def fees_changed(
    owing: Iterable[Arrears], old: FeeRules, new: FeeRules, today: date
) -> tuple[list[FeeChange], list[NotComputable]]:
    """The late fees on what is overdue today that differ, and those that could not be computed because there is no
    rate. They are estimated as paid today, or on the day on which another rate begins if that is later."""
    paid_on = max(today, _first_difference(old.rates, new.rates) or today)
    days: dict[str, tuple[date, date]] = {}
    found: list[FeeChange] = []
    missing: list[NotComputable] = []
    for item in owing:
        if item.month not in days:
            days[item.month] = old.payment_day(item.month), new.payment_day(item.month)
        due = days[item.month]
        if today <= min(due):
            continue
        fees: list[Decimal] = []
        reason: Text | None = None
        for rules, day, whose in ((old, due[0], _IN_FORCE), (new, due[1], _CHANGED)):
            try:
                fees.append(estimate(item.owed, day, paid_on, rules.rates).amount)
            except PolicyGap as gap:
                reason = reason or _said(whose, gap.text)
        if reason is not None:
            missing.append(
                NotComputable(item.process_id, item.case_no, item.person_id, item.month, "", reason, item.levy)
            )
        elif fees[0] != fees[1]:
            found.append(FeeChange(item, paid_on, *due, *fees))
    return sorted(found, key=lambda c: (c.arrears.case_no, c.arrears.month, c.arrears.levy)), missing


def _first_difference(old: Sequence[LateFeeRate], new: Sequence[LateFeeRate]) -> date | None:
    """The first day for which only one of the two has this rate."""
    differing = {(r.valid_from, r.daily_rate) for r in old} ^ {(r.valid_from, r.daily_rate) for r in new}
    return min((day for day, _ in differing), default=None)


def retirements_changed(
    people: Iterable[Insured], old: RetirementTables, new: RetirementTables
) -> tuple[list[RetirementChange], list[NotComputable]]:
    """Those who reach the statutory month of retirement earlier or later, or need other contribution months by then,
    each by the own track; and those whose track the one or the other rules do not know."""
    found: list[RetirementChange] = []
    missing: list[NotComputable] = []
    for one in people:
        tracks = [side.rules.tracks.get(one.track) for side in (old, new)]
        if None in tracks:
            missing.append(NotComputable(one.process_id, one.case_no, one.person_id, "", PENSION, _NO_TRACK))
            continue
        before, after = (
            retirement(one.birth_month, side.ages[one.group], side.rules, track)
            for side, track in zip((old, new), tracks, strict=True)
        )
        if (before.month, before.min_months) != (after.month, after.min_months):
            found.append(RetirementChange(one, before.month, after.month, before.min_months, after.min_months))
    return sorted(found, key=lambda c: (c.new_month, c.insured.case_no)), missing
