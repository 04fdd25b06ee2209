"""The calculations against published values and by properties."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import policies
from domain.calculations import CALCULATIONS, Context, Rules
from domain.contributions import ContributionTables, premium, to_yuan
from domain.policy import calendar_years
from domain.tables import category_insurances, contribution_tables
from schemas.calculations.difference import RoutingCode
from schemas.calculations.insurances import Category, Insurance, Locality

TEXTS = policies.read_all()
CONTEXT = Context(Rules(TEXTS), date(2026, 11, 25))
D = Decimal
DAYS = st.dates(date(2024, 2, 1), date(2026, 10, 31))
MONEY = st.decimals(D("0.01"), D("99999.99"), places=2)
RATE = st.decimals(D(0), D("0.3"), places=4)
RATES = st.dictionaries(st.sampled_from(list(Insurance)), st.tuples(RATE, RATE), min_size=1)


def compute(name: str, **given: Any) -> dict[str, Any]:
    calculation = CALCULATIONS[name]
    return calculation.run(calculation.input.model_validate(given), CONTEXT).model_dump(mode="json")


def days(start: date, n: int, unit: str, **more: Any) -> dict[str, Any]:
    return compute("add-days", start=start.isoformat(), n=n, unit=unit, **more)


@given(DAYS, st.integers(1, 60))
def test_counting_on_and_back_over_working_days_meets_again(start: date, n: int) -> None:
    first = date.fromisoformat(days(start, 1, "working_days")["due"])  # a working day to begin with
    there = date.fromisoformat(days(first, n, "working_days")["due"])
    assert days(there, -n, "working_days")["due"] == first.isoformat()


@given(DAYS, st.integers(-60, 60), st.sampled_from(["none", "next_working_day", "tax_art109"]))
def test_more_days_never_end_earlier_and_the_internal_day_is_at_work(start: date, n: int, shift: str) -> None:
    for unit in ("calendar_days", "working_days"):
        found, more = days(start, n, unit, shift="none"), days(start, n + 1, unit, shift="none")
        assert found["due"] < more["due"] or (unit == "working_days" and n <= 0)
        assert found["due"] <= more["due"]
        moved = days(start, n, unit, shift=shift)
        assert moved["due"] >= found["due"]
        internal = date.fromisoformat(moved["internal_due"])
        assert internal <= date.fromisoformat(moved["due"])
        assert CONTEXT.rules.calendar.is_working_day(internal)
        assert moved["provisional"] == bool(moved["missing_years"])


@given(DAYS, st.integers(-60, 60))
def test_our_calendar_given_as_an_own_one_gives_the_same_days(start: date, n: int) -> None:
    own = {str(y.year): {"rest": y.rest, "work": y.work} for y in calendar_years(TEXTS) if not y.provisional}
    ours, theirs = days(start, n, "working_days"), days(start, n, "working_days", calendar=own)
    assume(not ours["provisional"])  # of a year that is not published ours knows the public holidays, theirs nothing
    assert {k: v for k, v in ours.items() if k != "steps"} == {k: v for k, v in theirs.items() if k != "steps"}


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2024, [22, 18, 21, 22, 21, 19, 23, 22, 21, 19, 21, 22]),
        (2025, [19, 19, 21, 22, 19, 20, 23, 21, 23, 18, 20, 23]),
        (2026, [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23]),
    ],
)
def test_the_last_working_day_is_reached_by_counting_the_days_of_the_month(year: int, expected: list[int]) -> None:
    for month, n in enumerate(expected, start=1):
        eve = date(year, month, 1) - timedelta(days=1)
        end = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        assert days(eve, n, "working_days")["due"] == days(end, 0, "calendar_days")["internal_due"], (year, month)


@given(MONEY, MONEY, MONEY, RATES)
def test_totals_are_sums_of_rounded_lines_and_the_base_stays_between_floor_and_cap(
    declared: D, one: D, other: D, rates: dict[Insurance, tuple[D, D]]
) -> None:
    floor, cap = sorted((one, other))
    written = {i.value: [str(u), str(p)] for i, (u, p) in rates.items()}
    found = compute("contribution", declared=str(declared), limits=[str(floor), str(cap)], rates=written)
    base = D(found["base"])
    assert to_yuan(floor) <= base <= to_yuan(cap)
    if floor <= declared <= cap:
        assert abs(base - declared) <= D("0.5")
    assert list(found["lines"]) == list(written)
    for side in (0, 1):
        lines = [D(line[side]) for line in found["lines"].values()]
        assert D(found["total"][side]) == sum(lines)
        for (name, line), (_, rate) in zip(found["lines"].items(), written.items(), strict=True):
            exact = base * D(rate[side])
            assert abs(D(line[side]) - exact) <= D("0.005"), name
            assert D(line[side]).as_tuple().exponent == -2
    assert found["flags"] == []


@given(st.lists(MONEY, min_size=2, max_size=2), MONEY)
def test_the_base_grows_with_the_wage(wages: list[D], cap: D) -> None:
    low, high = (
        compute("contribution", declared=str(w), limits=["0", str(cap)], rates={"pension": ["0.16", "0.08"]})
        for w in sorted(wages)
    )
    assert D(low["base"]) <= D(high["base"])


@given(
    MONEY,
    st.integers(4072, 4400),
    st.sampled_from(["0.16", "0.006", "0.0032", "0.069"]),
    st.sampled_from(["0.08", "0.004", "0.0032", "0.02"]),
    st.sampled_from(["active", "stopped 2023-05-31", "retired through the unit 2023-06"]),
)
def test_old_bill_plus_difference_is_the_new_bill_to_the_cent(
    declared: D, floor: int, unit: str, own: str, status: str
) -> None:
    old, new, rates = ["4071", "20355"], [str(floor), str(5 * floor)], {"pension": [unit, own]}
    found = compute(
        "difference", limits_old=old, limits_new=new, rates=rates, windows={"pension": ["2023-01", "2023-07"]},
        batch_run="2023-08-18",
        persons=[{"id": "P", "declared": str(declared), "paid": ["2023-03", "2023-05"], "status": status}],
    )["P"]  # fmt: skip
    before, after = (
        compute("contribution", declared=str(declared), limits=limits, rates=rates)["lines"]["pension"]
        for limits in (old, new)
    )
    for side in (0, 1):
        assert 3 * D(before[side]) + D(found["pension"][side]) == 3 * D(after[side])
    assert found["pension"][2] in list(RoutingCode)
    assert (found["pension"][2] == "not_affected") == (found["base"][0] == found["base"][1])


@given(MONEY, MONEY)
@settings(max_examples=60)
def test_a_wage_corrected_and_corrected_back_costs_nothing(declared: D, corrected: D) -> None:
    limits, rates = ["4246", "21228"], {"pension": ["0.16", "0.08"], "unemployment": ["0.006", "0.004"]}

    def due(was: D, is_now: D) -> dict[str, Any]:
        person = {"id": "P", "declared": str(was), "declared_new": str(is_now), "paid": ["2023-03", "2023-05"]}
        return compute(
            "difference", limits_old=limits, limits_new=limits, rates=rates, batch_run="2023-08-18",
            windows={"pension": ["2023-01", "2023-07"], "unemployment": ["2023-04", "2023-07"]},
            persons=[person | {"status": "active"}],
        )["P"]  # fmt: skip

    there, back = due(declared, corrected), due(corrected, declared)
    for insurance in rates:
        for side in (0, 1):
            assert D(there[insurance][side]) == -D(back[insurance][side])
        changed = there["base"][0] != there["base"][1]
        assert there[insurance][2] == ("self_declare" if changed else "not_affected")


@given(MONEY, DAYS, st.integers(-30, 400))
def test_a_late_fee_grows_by_the_day_and_is_nothing_in_time(owed: D, due: date, late: int) -> None:
    def fee(n: int) -> dict[str, Any]:
        paid = (due + timedelta(days=n)).isoformat()
        return compute("late-fee", owed=str(owed), due=due.isoformat(), paid=paid)

    found = fee(late)
    assert found["days"] == max(0, late)
    assert D(found["amount"]) <= D(fee(late + 1)["amount"])
    if late <= 0:
        assert found["amount"] == "0.00"


@given(st.dictionaries(st.sampled_from([f"2025-{m:02d}" for m in range(1, 13)]), MONEY, min_size=1), RATE, RATE)
def test_a_changed_rate_there_and_back_costs_nothing(totals: dict[str, D], old: D, new: D) -> None:
    written = {m: str(v) for m, v in totals.items()}
    there = compute("rate-difference", base_totals=written, old=str(old), new=str(new))
    back = compute("rate-difference", base_totals=written, old=str(new), new=str(old))
    assert set(there) == {*written, "sum"}
    assert all(D(there[k]) == -D(back[k]) for k in there)
    assert D(there["sum"]) == sum(D(v) for k, v in there.items() if k != "sum")


def test_insurances_that_share_a_line_are_rounded_once() -> None:
    """All of medical on one line: 8.3 % of 4589 is 380.89; apart it is 316.64 + 36.71 + 27.53 = 380.88."""
    apart = CONTEXT.rules.contributions
    medical = "limits: medical, sample: false"
    shared = TEXTS["billing_lines.yaml"].replace(medical, f"{medical}, shares: [maternity, large_medical]")
    together = contribution_tables({**TEXTS, "billing_lines.yaml": shared})

    def amounts(tables: ContributionTables) -> dict[str, tuple[D, D]]:
        found = premium(D(4589), "2025-10", ["medical_maternity"], "enterprise", date(2025, 11, 1), tables)
        return {a.insurance: (a.unit_amount, a.person_amount) for a in found}

    assert amounts(together) == {"medical": (D("380.89"), D("91.78"))}
    assert amounts(apart) == {
        "medical": (D("316.64"), D("91.78")),
        "maternity": (D("36.71"), D("0.00")),
        "large_medical": (D("27.53"), D("0.00")),
    }


def test_what_the_schemas_list_is_what_the_data_hold() -> None:
    tables = contribution_tables(TEXTS)
    assert {c.value for c in Category} == set(category_insurances(TEXTS))
    assert {i.value for i in Insurance} == {*tables.lines, *tables.groups}
    assert {place.value for place in Locality} == set(tables.localities)
    assert {r.locality for r in [*tables.limits, *tables.rates]} <= set(tables.localities)


def test_a_value_of_which_only_the_year_of_publication_is_known_says_so() -> None:
    def said(known_on: str) -> str:
        return str(compute("contribution", declared="8000", period="2026-03", known_on=known_on)["steps"])

    assert "是否已公布不能确定" in said("2026-03-15")
    assert "是否已公布不能确定" not in said("2026-11-24")  # the data held it by then


@pytest.mark.parametrize(
    ("name", "field", "good", "wrong"),
    [
        ("retirement", "birth", "1970-05", ["abc", "1970-13", "1899-01", "2200-01", "197005"]),
        ("late-fee", "due", "2026-10-25", ["abc", "1899-12-31", "2200-01-01", "2026-13-01"]),
        ("rate-difference", "base_totals", {"2025-01": "1"}, [{"abc": "1"}, {"2025-13": "1"}, {"2025-01": "x"}]),
        ("add-days", "calendar", {"2026": {}}, [{"26": {}}, {"1899": {}}]),
    ],
)
def test_the_schema_of_an_input_refuses_what_the_input_refuses(
    name: str, field: str, good: Any, wrong: list[Any]
) -> None:
    calculation = CALCULATIONS[name]
    schema = jsonschema_rs.validator_for(calculation.input.model_json_schema())
    given = {**calculation.examples[0], field: good}
    assert schema.is_valid(given) and calculation.input.model_validate(given)
    for value in wrong:
        with pytest.raises(ValidationError):
            calculation.input.model_validate({**given, field: value})
        assert not schema.is_valid({**given, field: value}), value
