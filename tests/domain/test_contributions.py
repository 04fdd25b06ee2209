"""Premiums to the cent, with what was known on the day of computing."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from domain.contributions import PolicyGap, clamp, limit_for, premium, rate_for, to_cent, totals
from domain.late_fee import estimate
from domain.tables import category_insurances, contribution_tables, late_fee_rates
from domain.times import months_between

TEXTS = policies.read_all()
TABLES = contribution_tables(TEXTS)
FEES = late_fee_rates(TEXTS)
D = Decimal
FOREIGN = category_insurances(TEXTS)["FOREIGN_WORK_PERMIT"]


def test_foreign_hire_of_2026_is_a_sample_through_and_through() -> None:
    scheme, insurances = FOREIGN
    found = {a.insurance: a for a in premium(D("18000"), "2026-11", insurances, scheme, date(2026, 11, 24), TABLES)}
    assert {k: (a.unit_amount, a.person_amount) for k, a in found.items()} == {
        "pension": (D("2880.00"), D("1440.00")),
        "unemployment": (D("108.00"), D("72.00")),
        "work_injury": (D("72.00"), D("0.00")),
        "medical": (D("1242.00"), D("360.00")),
        "maternity": (D("144.00"), D("0.00")),
        "large_medical": (D("108.00"), D("0.00")),
    }
    assert all(a.sample for a in found.values())
    assert totals(found.values()) == (D("4554.00"), D("1872.00"))
    assert "2880.00" in found["pension"].explain().zh


def test_worked_example_of_the_difference() -> None:
    """Declared 4300: floor 4511 until the notice of 2025-09-22 raised it to 4588; eight months, pension 16/8."""
    months = months_between("2025-01", "2025-08")
    old = [premium(D("4300"), m, ["pension"], "enterprise", date(2025, 8, 31), TABLES)[0] for m in months]
    new = [premium(D("4300"), m, ["pension"], "enterprise", date(2025, 9, 22), TABLES)[0] for m in months]
    assert {(a.unit_amount, a.person_amount) for a in old} == {(D("721.76"), D("360.88"))}
    assert {(a.unit_amount, a.person_amount) for a in new} == {(D("734.08"), D("367.04"))}
    assert all(a.flags == ("limit_of_last_year",) for a in old)
    assert all(a.flags == () and a.clamped == "floor" for a in new)
    unit = sum((n.unit_amount - o.unit_amount for n, o in zip(new, old, strict=True)), D(0))
    person = sum((n.person_amount - o.person_amount for n, o in zip(new, old, strict=True)), D(0))
    assert (unit, person) == (D("98.56"), D("49.28"))


@pytest.mark.parametrize(
    ("insurance", "scheme", "month", "known_on", "floor", "old"),
    [
        ("pension", "enterprise", "2021-12", date(2021, 11, 9), "3416", False),
        ("pension", "public_institution", "2021-12", date(2021, 11, 9), "3726", False),
        ("pension", "enterprise", "2021-12", date(2021, 11, 8), "2697", True),
        ("medical", "enterprise", "2024-06", date(2026, 1, 1), "4246", False),
        ("medical", "enterprise", "2024-07", date(2026, 1, 1), "4511", False),
        ("unemployment", "enterprise", "2024-05", date(2026, 1, 1), "4511", False),
        ("pension", "enterprise", "2027-02", date(2027, 2, 10), "4699", True),
    ],
)
def test_limits_by_period_and_knowledge(
    insurance: str, scheme: str, month: str, known_on: date, floor: str, old: bool
) -> None:
    limit, last_year = limit_for(insurance, scheme, month, known_on, TABLES)
    assert (limit.floor, last_year) == (D(floor), old)


@pytest.mark.parametrize(
    ("insurance", "scheme", "month", "known_on", "unit", "expired"),
    [
        ("work_injury", "enterprise", "2025-01", date(2025, 1, 10), "0.0032", True),  # billed at the old rate first
        ("work_injury", "enterprise", "2025-01", date(2025, 1, 23), "0.004", False),
        ("work_injury", "enterprise", "2023-05", date(2026, 1, 1), "0.0032", False),
        ("unemployment", "enterprise", "2027-01", date(2027, 1, 15), "0.006", True),
        ("pension", "public_institution", "2018-03", date(2026, 1, 1), "0.20", False),
        ("pension", "enterprise", "2019-04", date(2026, 1, 1), "0.19", False),
        ("pension", "enterprise", "2019-05", date(2026, 1, 1), "0.16", False),
        ("annuity", "public_institution", "2026-11", date(2026, 11, 24), "0.08", False),
    ],
)
def test_rates_by_period_and_knowledge(
    insurance: str, scheme: str, month: str, known_on: date, unit: str, expired: bool
) -> None:
    rate, in_use = rate_for(insurance, scheme, month, known_on, TABLES)
    assert (rate.unit, in_use) == (D(unit), expired)


def test_gaps_and_bad_wages_are_named() -> None:
    with pytest.raises(PolicyGap, match="2018-01") as gap:
        premium(D("5000"), "2018-01", ["medical"], "enterprise", date(2026, 1, 1), TABLES)
    assert "没有上下限数据（现有数据自 2022-07 起）" in gap.value.text.zh
    with pytest.raises(PolicyGap, match="as known on 2024-05-01"):
        premium(D("5000"), "2024-03", ["work_injury"], "enterprise", date(2024, 5, 1), TABLES)
    with pytest.raises(PolicyGap, match="annuity"):
        premium(D("5000"), "2026-01", ["annuity"], "enterprise", date(2026, 11, 1), TABLES)
    with pytest.raises(PolicyGap, match="housing"):
        premium(D("5000"), "2026-01", ["housing"], "enterprise", date(2026, 11, 1), TABLES)
    for wage in (D("0"), D("-1"), D("NaN")):
        with pytest.raises(ValueError, match="positive"):
            premium(wage, "2026-01", ["pension"], "enterprise", date(2026, 11, 1), TABLES)


def test_a_value_after_its_review_day_says_so() -> None:
    found = premium(D("9000"), "2027-01", ["work_injury"], "enterprise", date(2027, 1, 5), TABLES)[0]
    assert "review_overdue" in found.flags


def test_half_a_cent_goes_up() -> None:
    """6015 x 8.75 % = 526.3125 and 6015 x 0.75 % = 45.1125: rounded apart 571.42, as published."""
    assert to_cent(D("6015") * D("0.0875")) + to_cent(D("6015") * D("0.0075")) == D("571.42")
    assert to_cent(D("0.005")) == D("0.01")


WAGES = st.decimals(min_value="0.01", max_value="200000", places=2)


@given(WAGES, st.sampled_from(months_between("2025-01", "2026-12")))
def test_properties_of_any_premium(wage: Decimal, month: str) -> None:
    scheme, insurances = FOREIGN
    found = premium(wage, month, insurances, scheme, date(2026, 12, 31), TABLES)
    assert [a.insurance for a in found] == TABLES.expand(insurances)
    for a in found:
        assert a.floor <= a.base <= a.cap
        assert a.base == a.base.to_integral_value()
        assert a.unit_amount.as_tuple().exponent == a.person_amount.as_tuple().exponent == -2
        assert abs(a.unit_amount - a.base * a.unit_rate) <= D("0.005")
        assert (a.clamped == "floor") is (wage < a.floor)
        assert (a.clamped == "cap") is (wage > a.cap)
    assert totals(found)[0] == sum(a.unit_amount for a in found)


@given(WAGES, WAGES)
def test_base_grows_with_the_wage(one: Decimal, two: Decimal) -> None:
    low, high = sorted((one, two))
    assert clamp(low, D(4699), D(23493))[0] <= clamp(high, D(4699), D(23493))[0]


def test_levies_split_the_insurances() -> None:
    assert TABLES.of_levy(FOREIGN[1], "social") == ["pension", "unemployment", "work_injury"]
    assert TABLES.of_levy(FOREIGN[1], "medical") == ["medical", "maternity", "large_medical"]


@pytest.mark.parametrize(
    ("due", "paid", "days", "fee"),
    [
        (date(2026, 10, 25), date(2026, 10, 25), 0, "0.00"),
        (date(2026, 10, 25), date(2026, 10, 26), 1, "0.50"),
        (date(2026, 10, 25), date(2026, 11, 24), 30, "15.00"),
        (date(2026, 10, 25), date(2026, 9, 1), 0, "0.00"),
    ],
)
def test_late_fee(due: date, paid: date, days: int, fee: str) -> None:
    found = estimate(D("1000.00"), due, paid, FEES)
    assert (found.days, found.amount) == (days, D(fee))
    assert "86" in found.source


def test_late_fee_without_a_rate() -> None:
    with pytest.raises(PolicyGap, match="2010-01-01"):
        estimate(D("1000.00"), date(2009, 12, 1), date(2010, 1, 1), FEES)


@pytest.mark.parametrize(
    ("insurance", "scheme", "month", "known_on", "zh", "en"),
    [
        ("maternity", "all", "2021-05", date(2026, 1, 1), "2020-01-01 至 2021-12-31 为", "2020-01-01 to 2021-12-31"),
        ("unemployment", "all", "1999-01", date(2027, 1, 2), "现有数据自 1999-01-22 起", "begin in 1999-01-22"),
        ("unemployment", "all", "2028-01", date(2026, 11, 25), "最多沿用至 2027-12", "until 2027-12 at most"),
        ("pension", "all", "2021-03", date(2026, 1, 1), "请改查其中一种：城镇企业职工、机关", "ask for enterprise or"),
        ("work_injury", "all", "2015-09", date(2026, 1, 1), "现有数据自 2015-10 起", "begin in 2015-10"),
    ],
)  # fmt: skip
def test_why_there_is_no_rate(insurance: str, scheme: str, month: str, known_on: date, zh: str, en: str) -> None:
    with pytest.raises(PolicyGap) as gap:
        rate_for(insurance, scheme, month, known_on, TABLES)
    assert zh in gap.value.text.zh and en in gap.value.text.en, gap.value.text


def test_an_expired_rate_bridges_what_was_not_known_to_be_a_gap() -> None:
    assert rate_for("maternity", "all", "2020-12", date(2020, 12, 1), TABLES)[1]
    with pytest.raises(PolicyGap, match="2020-12 at most"):
        rate_for("maternity", "all", "2021-01", date(2021, 1, 1), TABLES)
