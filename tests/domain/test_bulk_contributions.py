"""Many people at once: the same cents as one person at a time, for any wage, scheme and month."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from domain.bulk_contributions import CLAMPED, cents, month_lines, totals, yuan
from domain.contributions import premium
from domain.contributions import totals as totals_of_one
from domain.tables import contribution_tables

TABLES = contribution_tables(policies.read_all())
INSURANCES = {
    "enterprise": ["pension", "unemployment", "work_injury", "medical_maternity"],
    "public_institution": ["pension", "annuity", "unemployment", "work_injury", "medical_maternity"],
}
wages = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("100000"), places=2)


@given(
    st.lists(wages, min_size=1, max_size=20),
    st.sampled_from(sorted(INSURANCES)),
    st.sampled_from(["2024-03", "2024-07", "2025-01", "2026-11"]),
)
def test_each_line_equals_the_single_computation(declared: list[Decimal], scheme: str, month: str) -> None:
    known_on = date(2026, 11, 24)
    lines = month_lines(cents(declared), month, INSURANCES[scheme], scheme, known_on, TABLES)
    unit = person = Decimal("0.00")
    for number, wage in enumerate(declared):
        alone = premium(wage, month, INSURANCES[scheme], scheme, known_on, TABLES)
        for amount, line in zip(alone, lines, strict=True):
            assert amount.insurance == line.terms.line.insurance
            assert amount.base == int(line.base[number])
            assert amount.unit_amount == yuan(int(line.unit[number]))
            assert amount.person_amount == yuan(int(line.person[number]))
            assert amount.clamped == CLAMPED[line.clamped[number]]
            assert amount.flags == line.terms.flags
        own = totals_of_one(alone)
        unit, person = unit + own[0], person + own[1]
    assert totals(lines) == (unit, person)


@pytest.mark.parametrize("wage", ["0", "-5", "100.001"])
def test_a_wage_that_is_no_positive_number_of_cents_is_refused(wage: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        cents([Decimal(wage)])
