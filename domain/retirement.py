"""Statutory retirement month of the gradual scheme (全国人大常委会决定 2024-09-13), from dated data.

Only year and month of birth matter. The first cohort is already delayed by one month: the common wrong version
forgets it.
"""

from dataclasses import dataclass

from domain.times import add_to_month


@dataclass(frozen=True)
class RetirementGroup:
    """One line of `age_limits.yaml`: age in years before the scheme, first cohort "YYYY-MM", births a step, most
    months."""

    base_years: int
    first_cohort: str
    step: int
    max_delay_months: int


def delay_months(birth_month: str, group: RetirementGroup) -> int:
    """Months by which retirement is later than the old age, for a birth in "YYYY-MM"."""
    since = _number(birth_month) - _number(group.first_cohort)
    return 0 if since < 0 else min(since // group.step + 1, group.max_delay_months)


def statutory_month(birth_month: str, group: RetirementGroup) -> str:
    """The month "YYYY-MM" of statutory retirement."""
    return add_to_month(birth_month, group.base_years * 12 + delay_months(birth_month, group))


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7])
