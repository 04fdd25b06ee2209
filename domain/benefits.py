"""Benefits that checks use: disability grant, maternity allowance, months of unemployment benefit.

All numbers are dated data (`policies/benefits.yaml`); amounts are `Decimal`, yuan, rounded half up to the
cent. What an agency decides wins over what is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from domain.contributions import to_cent
from domain.dated_rows import Listed, PolicyGap, newest
from schemas.base import Text

L = TypeVar("L", bound=Listed)


@dataclass(frozen=True)
class InjuryGrantRule:
    """Months of the own wage by grade; the own wage lies between these shares of the regional average."""

    valid_from: date
    months: Mapping[int, int]
    floor_share: Decimal
    cap_share: Decimal
    source: str
    sample: bool
    article: Text | None = None
    published_on: date | None = None


@dataclass(frozen=True)
class AllowanceMethod:
    """A day's part of the monthly wage: times, then divided by."""

    times: int
    divided_by: int
    source: str
    sample: bool


@dataclass(frozen=True)
class MaternityRule:
    """Days of leave paid by the fund, and how a day is counted. `local_method`: the one of this school's place."""

    valid_from: date
    leave_days: int
    difficult_days: int
    further_infant_days: int
    methods: Mapping[str, AllowanceMethod]
    local_method: str
    source: str
    sample: bool
    article: Text | None = None
    published_on: date | None = None


@dataclass(frozen=True)
class UnemploymentRule:
    """(months paid from, months of benefit at most), and which reasons of leaving admit a claim."""

    valid_from: date
    steps: Sequence[tuple[int, int]]
    reasons: Mapping[str, bool]
    source: str
    sample: bool
    article: Text | None = None
    published_on: date | None = None


@dataclass(frozen=True)
class BenefitRules:
    injury: Sequence[InjuryGrantRule]
    maternity: Sequence[MaternityRule]
    unemployment: Sequence[UnemploymentRule]


def in_force(rules: Sequence[L], on: date) -> L:
    """The row in force on a day; PolicyGap when there is none."""
    found = newest(rules, on)
    if found is None:
        raise PolicyGap(f"benefits.yaml 中没有 {on} 适用的数据。", f"benefits.yaml has no row for {on}.")
    return found


def injury_grant(avg_wage: Decimal, regional: Decimal, grade: int, rule: InjuryGrantRule) -> tuple[Decimal, Decimal]:
    """Own wage and one-off grant in yuan, of an average contribution wage of the 12 months before (工伤保险条例 arts
    35-37, 64). ValueError for a grade that the data do not know."""
    if grade not in rule.months:
        raise ValueError(f"There is no grade {grade}. 没有 {grade} 级伤残。")
    own = to_cent(min(max(avg_wage, regional * rule.floor_share), regional * rule.cap_share))
    return own, to_cent(own * rule.months[grade])


def maternity_allowance(
    unit_wage: Decimal, infants: int, method: str, rule: MaternityRule, *, difficult: bool
) -> tuple[int, Decimal]:
    """Days paid by the fund and the allowance in yuan, of the unit's average monthly wage (社会保险法 art. 56)."""
    days = rule.leave_days + (rule.difficult_days if difficult else 0) + rule.further_infant_days * (infants - 1)
    how = rule.methods[method]
    return days, to_cent(unit_wage * how.times * days / how.divided_by)


def unemployment_months(paid_months: int, reason: str, rule: UnemploymentRule) -> tuple[bool, int]:
    """Whether a claim is admissible, and the most months of benefit (社会保险法 arts 45-46)."""
    reached = [most for paid_from, most in rule.steps if paid_months >= paid_from]
    if not reached or not rule.reasons[reason]:
        return False, 0
    return True, max(reached)
