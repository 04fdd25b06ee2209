"""Make-up differences 补差: what limits or rates published late, or a wage corrected later, change in billed months.

Invariants: per person and month, each part is a difference of rounded amounts, never a rounded difference, so that
the make-up bill plus the old one equals the new one to the cent. Each person and insurance ends in exactly one class.
Who declares is local practice, thus data (`policies/make_up_routing.yaml`), found by the day of the batch run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from domain.contributions import clamp, to_cent
from domain.dated_rows import PolicyGap, newest
from domain.times import month_of, months_between

ZERO = Decimal("0.00")
Pair = tuple[Decimal, Decimal]
Span = tuple[str, str]


class Routing(StrEnum):
    """Who settles the difference of one person and insurance."""

    BATCH = "batch"
    SELF_DECLARE = "self_declare"
    SELF_DECLARE_BY_FORMER_UNIT = "self_declare_by_former_unit"
    ALREADY_DECLARED = "already_declared"
    NOT_AFFECTED = "not_affected"


class Standing(StrEnum):
    """Where a person stands to the unit; all but `active` since a day (of retirement: a month)."""

    ACTIVE = "active"
    STOPPED = "stopped"
    RETIRED = "retired"
    MOVED = "moved"


@dataclass(frozen=True)
class MakeUpPractice:
    """From a day of the batch run on: for each standing the insurances in the batch, and who declares the others."""

    valid_from: date
    batch: Mapping[Standing, frozenset[str]]
    otherwise: Mapping[Standing, Routing]
    source: str
    published_on: date | None = None


@dataclass(frozen=True)
class MakeUp:
    """What has changed: floor and cap before and after, rates (unit, person) and months concerned an insurance."""

    limits_old: Pair
    limits_new: Pair
    rates: Mapping[str, Pair]
    windows: Mapping[str, Span]
    batch_run: date


@dataclass(frozen=True)
class MadeUpPerson:
    """A person as far as the difference needs it. `declared`: the wage that was billed; `corrected`: what it should
    have been, where it was wrong. `paid`: months paid in this unit, ends included. `since`: day of the standing, the
    first of the month for a retirement."""

    declared: Decimal
    paid: Span
    standing: Standing
    since: date | None
    already_declared: frozenset[str] = frozenset()
    corrected: Decimal | None = None


@dataclass(frozen=True)
class Difference:
    """Of one person and insurance, in yuan; negative where less is due than was billed."""

    unit: Decimal
    person: Decimal
    months: int
    routing: Routing


def practice_on(batch_run: date, practices: Sequence[MakeUpPractice]) -> MakeUpPractice:
    """The practice in force on the day of the batch run; PolicyGap when the data hold none."""
    practice = newest(practices, batch_run)
    if practice is None:
        raise PolicyGap(
            f"make_up_routing.yaml 中没有 {batch_run} 适用的补差办法。",
            f"make_up_routing.yaml has no practice for {batch_run}.",
        )
    return practice


def bases(person: MadeUpPerson, make_up: MakeUp) -> Pair:
    """The person's base before and after, in whole yuan."""
    due = person.declared if person.corrected is None else person.corrected
    return clamp(person.declared, *make_up.limits_old)[0], clamp(due, *make_up.limits_new)[0]


def difference(
    person: MadeUpPerson, insurance: str, make_up: MakeUp, practices: Sequence[MakeUpPractice]
) -> Difference:
    """What one insurance of one person is to be topped up by, over the months paid within its window, and by whom.
    PolicyGap when who declares depends on a practice that the data do not hold: active persons need none."""
    old, new = bases(person, make_up)
    (first, last), (paid_from, paid_to) = make_up.windows[insurance], person.paid
    months = len(months_between(max(first, paid_from), min(last, paid_to)))
    unit_rate, person_rate = make_up.rates[insurance]
    unit = months * (to_cent(new * unit_rate) - to_cent(old * unit_rate))
    own = months * (to_cent(new * person_rate) - to_cent(old * person_rate))
    if not months or old == new:
        return Difference(ZERO, ZERO, 0, Routing.NOT_AFFECTED)
    return Difference(unit, own, months, _routing(person, insurance, make_up, practices))


def of_totals(base_total: Decimal, old: Decimal, new: Decimal) -> Decimal:
    """What a changed rate makes of one month's sum of bases: a difference of rounded amounts, in yuan."""
    return to_cent(base_total * new) - to_cent(base_total * old)


def _routing(person: MadeUpPerson, insurance: str, make_up: MakeUp, practices: Sequence[MakeUpPractice]) -> Routing:
    if insurance in person.already_declared:
        return Routing.ALREADY_DECLARED
    # The agency's batch goes by the wage that it knows: what a correction changes must be declared.
    told = person.corrected is not None and bases(person, make_up) != bases(replace(person, corrected=None), make_up)
    standing = person.standing
    if person.since is None or _still_active(person.since, standing, make_up.batch_run):
        return Routing.SELF_DECLARE if told else Routing.BATCH
    practice = practice_on(make_up.batch_run, practices)
    in_batch = insurance in practice.batch[standing] and not told
    return Routing.BATCH if in_batch else practice.otherwise[standing]


def _still_active(since: date, standing: Standing, batch_run: date) -> bool:
    """Whether the person was still active when the batch ran."""
    if standing is Standing.RETIRED:
        return month_of(since) > month_of(batch_run)
    return since > batch_run
