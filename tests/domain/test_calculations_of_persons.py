"""Calculations about persons and benefits: against the tables of the facts, and what must hold for any input."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.benefits import in_force, injury_grant, maternity_allowance, unemployment_months
from domain.calculations import CALCULATIONS, Context, Rules
from domain.identity import plain
from domain.medical_years import MedicalYearsRule, Period, medical_years
from domain.retirement import choose, month_number, retirement
from domain.times import add_to_month
from tests.domain.test_cases import RULES, TODAY, compute
from tests.domain.test_identity import EXAMPLES, rows

REASONS = {
    "510000198507100068": "check_digit",
    "510000198102290018": "date",
    "5100001985071000": "length",
    "510000209907100067": "date",
    "840000199201300024": "area",
    "951392190001010030": "check_digit",
    "811398199012310028": "format",
    "JPN510000010142": "check_digit",
    "E1234 678": "format",
    "DE0C01X00T47": "format",
}
# Without a type these are read as what their shape says, which is not what the example means them to be.
SHAPED_ALIKE = {"811398199012310028": "HMT", "DE0C01X00T47": "PASSPORT"}


@pytest.mark.parametrize("vector", rows("retirement_vectors.csv"), ids=lambda v: f"{v['group']}-{v['birth']}")
def test_retirement_vectors(vector: dict[str, str]) -> None:
    found = compute("retirement", {"group": vector["group"], "birth": vector["birth"]})
    assert [str(found[k]) for k in ("delay", "age", "retire", "min_months")] == [
        vector[k] for k in ("delay_months", "age", "retire", "min_months")
    ]
    assert (found["elastic"] is None) is (vector["retire"] < "2025-01")
    assert "allowed" not in found


def test_there_are_48_retirement_vectors() -> None:
    assert len(rows("retirement_vectors.csv")) == 48


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e['type']}-{e['value']}" for e in EXAMPLES])
def test_identity_examples(example: dict[str, str]) -> None:
    value = example["value"]
    named = compute("identity", {"value": value, "type": example["type"]})
    assert (named["valid"], named.get("reason")) == (example["valid"] == "true", REASONS.get(value)), example["why"]
    alone = compute("identity", {"value": value})
    assert alone["type"] == SHAPED_ALIKE.get(value, example["type"])
    if value not in SHAPED_ALIKE:
        assert alone == named


def test_a_birth_is_judged_by_the_day_that_is_passed_in() -> None:
    value = {"value": "510000209907100067"}
    assert compute("identity", value, date(2099, 7, 9))["reason"] == "date"
    assert compute("identity", value, date(2099, 7, 10)).get("reason") is None


@given(st.text(max_size=24))
def test_normalising_twice_is_normalising_once(raw: str) -> None:
    assert plain(plain(raw)) == plain(raw)
    found = compute("identity", {"value": raw})
    assert found["valid"] is ("reason" not in found)
    again = compute("identity", {"value": found["normalised"]})
    assert again == found


MONTHS = st.integers(month_number("1955-01"), month_number("2010-12")).map(
    lambda n: add_to_month("1955-01", n - month_number("1955-01"))
)
GROUPS = st.sampled_from(["male60", "female55", "female50"])


@given(GROUPS, MONTHS, st.integers(-60, 60), st.integers(0, 400), st.booleans())
def test_a_choice_is_possible_within_the_window_only(
    group: str, birth: str, offset: int, months: int, agreement: bool
) -> None:
    rules = RULES.retirement
    found = retirement(birth, rules.groups[group], rules)
    earlier = retirement(add_to_month(birth, -1), rules.groups[group], rules)
    assert earlier.month < found.month  # who is born later retires later
    chosen = add_to_month(found.month, offset)
    choice = choose(found, chosen, rules, contribution_months=months, agreement=agreement)
    assert choice.allowed is (choice.reason is None)
    if found.elastic is None:
        assert not choice.allowed or offset == 0
        return
    first, last = found.elastic
    assert first <= found.month <= last
    assert found.age_months - (month_number(found.month) - month_number(first)) >= (rules.groups[group].base_years * 12)
    if choice.allowed:
        assert first <= chosen <= last
        assert agreement or offset <= 0


RULE = MedicalYearsRule(180, 240, 4, date(2009, 1, 1))


@given(st.integers(1, 300), st.integers(1, 40))
def test_a_gap_never_makes_it_earlier_and_paying_back_undoes_it(before: int, gap: int) -> None:
    start = "2010-01"
    end = add_to_month(start, before - 1)
    periods = [Period(start, end), Period(add_to_month(end, gap + 1), None)]
    broken, mended = (medical_years(RULE, periods, backpaid=b) for b in (False, True))
    assert (broken.paid_before_gap, broken.gap_months) == (before, gap)
    assert broken.continuity_kept is (gap <= 4)
    assert mended.continuity_kept and mended.delay_months == 0
    assert broken.delay_months is not None and broken.delay_months >= 0
    assert broken.without_gap == mended.eligible == add_to_month(start, 179)
    if before >= 180:
        assert broken.delay_months == 0


def test_several_gaps_count_together() -> None:
    periods = [Period("2010-01", "2012-12"), Period("2013-03", "2015-12"), Period("2017-01", None)]
    found = medical_years(RULE, periods, backpaid=False)
    assert (found.paid_before_gap, found.gap_months, found.continuity_kept) == (36 + 34, 12, False)
    assert found.cumulative_reached == add_to_month("2017-01", 240 - 70 - 1)
    assert found.continuous_reached == add_to_month("2017-01", 179)
    for wrong in ([], [Period("2012-01", None), Period("2013-01", None)], [Period("2012-05", "2012-01")]):
        with pytest.raises(ValueError, match="缴费时间"):
            medical_years(RULE, wrong, backpaid=False)


WAGES = st.decimals(0, 100000, places=2)


@given(WAGES, st.decimals(1, 20000, places=2), st.integers(1, 9))
def test_the_own_wage_is_clamped_and_a_worse_grade_gives_more(wage: Decimal, regional: Decimal, grade: int) -> None:
    rule = in_force(RULES.benefits.injury, TODAY)
    own, grant = injury_grant(wage, regional, grade, rule)
    assert regional * rule.floor_share - Decimal("0.01") < own < regional * rule.cap_share + Decimal("0.01")
    assert grant >= injury_grant(wage, regional, grade + 1, rule)[1]


@given(WAGES, st.integers(1, 5))
def test_more_days_give_no_less_allowance(wage: Decimal, infants: int) -> None:
    rule = in_force(RULES.benefits.maternity, TODAY)
    days, amount = maternity_allowance(wage, infants, "/30", rule, difficult=False)
    more, higher = maternity_allowance(wage, infants, "/30", rule, difficult=True)
    assert (more - days, higher >= amount) == (15, True)


@given(st.integers(0, 500), st.integers(0, 500))
def test_more_months_paid_give_no_fewer_months_of_benefit(a: int, b: int) -> None:
    rule = in_force(RULES.benefits.unemployment, TODAY)
    low, high = (unemployment_months(n, "dismissed", rule)[1] for n in sorted((a, b)))
    assert low <= high


@given(
    st.sampled_from([*sorted(RULES.treaties.treaties), "HKG", "MAC", "TWN", "USA"]),
    st.sampled_from(["posted", "local_hire"]),
    st.dates(date(2019, 1, 1), date(2026, 11, 1)),
    st.none() | st.integers(0, 200),
    st.booleans(),
)
def test_an_exemption_never_covers_medical_and_refunds_only_what_is_exempt(
    country: str, kind: str, permit: date, after: int | None, paid: bool
) -> None:
    certificate = None if after is None else date.fromordinal(permit.toordinal() + after)
    month = f"{permit:%Y-%m}"
    answer: dict[str, Any] = compute(
        "exemption",
        {
            "country": country,
            "kind": kind,
            "permit": str(permit),
            "certificate": str(certificate) if certificate else None,
            "paid_from": month if paid else None,
        },
    )
    assert {"medical", "maternity", "work_injury"} <= set(answer["still_due"])
    assert not set(answer["exempt"]) & set(answer["still_due"])
    assert bool(answer["exempt"]) is ("reason" not in answer) is (answer["from"] is not None)
    if certificate is None:
        assert answer["reason"] in ("no_certificate", "no_agreement", "agreement_not_in_force", "not_posted")
    for refunded in answer["refund_months"]:
        assert answer["from"] <= refunded < f"{certificate:%Y-%m}"


def test_every_procedure_names_only_what_is_there() -> None:
    tables = Rules(RULES.texts).procedures
    for procedure in tables.procedures:
        found = compute("procedure-needs", {"category": "CONTRACT_MAINLAND", "procedure": procedure})
        assert found["insurances"] and found["agencies"] and found["documents"], procedure
        assert all(d["title"]["zh"] and d["title"]["en"] for d in found["documents"])
    optional = compute("procedure-needs", {"category": "CONTRACT_MAINLAND", "procedure": "retirement"})
    asked = {d["code"]: d["required"] for d in optional["documents"]}
    chosen = compute(
        "procedure-needs",
        {"category": "CONTRACT_MAINLAND", "procedure": "retirement", "conditions": ["if_early_retirement"]},
    )
    assert (asked["M65"], {d["code"]: d["required"] for d in chosen["documents"]}["M65"]) == (False, True)


def test_enumerations_of_the_models_are_those_of_the_data() -> None:
    tables = RULES.procedures
    schema = CALCULATIONS["procedure-needs"].schemas(Context(RULES, TODAY))["input"]["$defs"]
    assert set(schema["ProcedureName"]["enum"]) == set(tables.procedures)
    assert set(schema["Category"]["enum"]) == set(tables.insured)
    groups = CALCULATIONS["retirement"].schemas(Context(RULES, TODAY))["input"]["$defs"]
    assert set(groups["Group"]["enum"]) == set(RULES.retirement.groups)
    assert set(groups["RetirementTrack"]["enum"]) == set(RULES.retirement.tracks)
