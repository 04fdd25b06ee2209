"""A wrong row of a list is corrected for the same first day; what was known before is still answered as then."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import policies
from domain import benefit_tables, policy, policy_findings, policy_origin, tables
from domain.benefits import in_force
from domain.calculations import CALCULATIONS, Context, Rules
from domain.calendar import work_calendar
from domain.policy import PolicyError
from domain.policy_changes import overlay
from schemas.policy import ChangeKind, PolicyChange

TEXTS = policies.read_all()
NOTICED, BEFORE = date(2026, 11, 20), date(2026, 11, 19)
TODAY = date(2026, 11, 24)


def change(file: str, kind: str, key: str, new: dict[str, Any], on: date | None = NOTICED) -> PolicyChange:
    return PolicyChange(file=file, kind=ChangeKind(kind), key=key, new=new, source="更正", published_on=on)


def laid(*changes: PolicyChange) -> dict[str, str]:
    """The texts with the changes, held to the check of shipped files."""
    texts = overlay(TEXTS, changes)
    policy_findings.refuse(texts)
    return texts


def answer(name: str, given: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
    calculation = CALCULATIONS[name]
    return calculation.run(calculation.input.model_validate(given), Context(Rules(texts), TODAY)).model_dump(
        mode="json"
    )


@pytest.mark.parametrize(
    ("file", "new", "name", "given", "field", "old", "corrected"),
    [
        ("late_fee.yaml", {"valid_from": "2011-07-01", "daily_rate": "0.0006"}, "late-fee",
         {"owed": "10000", "due": "2026-10-25", "paid": "2026-11-04"}, "amount", "50.00", "60.00"),
        ("undeclared.yaml", {"valid_from": "2011-07-01", "factor": "1.20"}, "undeclared",
         {"last_month": "1000", "month": "2026-10"}, "amount", "1100.00", "1200.00"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_corrected_and_what_was_known_before_is_answered_as_then(
    file: str, new: dict[str, Any], name: str, given: dict[str, Any], field: str, old: str, corrected: str
) -> None:
    texts = laid(change(file, "row", "rates", new))
    assert answer(name, given, texts)[field] == corrected
    assert answer(name, given | {"known_on": NOTICED.isoformat()}, texts)[field] == corrected
    assert answer(name, given | {"known_on": BEFORE.isoformat()}, texts)[field] == old
    again = laid(change(file, "row", "rates", new), change(file, "row", "rates", new, date(2026, 11, 21)))
    assert answer(name, given, again)[field] == corrected
    for later in (None, NOTICED):  # not later than what it corrects: it would be chance which of the two held
        with pytest.raises(PolicyError, match="later day of publication") as refused:
            laid(change(file, "row", "rates", new), change(file, "row", "rates", new, later))
        assert "公布日期" in refused.value.text.zh


def test_the_wrong_row_keeps_its_own_origin() -> None:
    wrong = change("late_fee.yaml", "row", "rates", {"valid_from": "2026-01-01", "daily_rate": "0.005"}, None)
    right = change("late_fee.yaml", "row", "rates", {"valid_from": "2026-01-01", "daily_rate": "0.0005"})
    texts = laid(wrong, right)
    values = [v for v in policy_findings.values("late_fee.yaml", texts) if v.key == "rates[2026-01-01]"]
    assert [policy_origin.origin(v, [wrong, right]) for v in values] == [wrong, right]
    assert [r.daily_rate for r in tables.late_fee_rates(texts)][1:] == [Decimal("0.005"), Decimal("0.0005")]


def test_benefits_and_the_medical_years_of_a_place_go_by_the_correction() -> None:
    steps = [{"paid_months": 12, "benefit_months": 6}]
    reasons = {"contract_not_renewed_by_employer": True, "dismissed": True, "mutual_on_employer_proposal": True,
               "resigned": False}  # fmt: skip
    texts = laid(
        change("benefits.yaml", "row", "unemployment_months", {"valid_from": "2011-07-01", "steps": steps,
               "reasons": reasons}),
        change("medical_years.yaml", "row", "rules", {
            "id": "chengdu", "title": {"zh": "成都", "en": "Chengdu"}, "locality": "CD", "valid_from": "2009-01-01",
            "first_insured_on_or_after": "2009-01-01", "continuous_months": 120, "cumulative_months": 240,
            "gap_tolerance_months": 4,
        }),
        change("medical_years.yaml", "row", "rules", {
            "id": "chengdu", "title": {"zh": "成都", "en": "Chengdu"}, "locality": "CD", "valid_from": "2030-01-01",
            "first_insured_on_or_after": "2009-01-01", "continuous_months": 360, "cumulative_months": 360,
            "gap_tolerance_months": 4,
        }),
    )  # fmt: skip
    assert in_force(benefit_tables.benefit_rules(texts).unemployment, TODAY).steps == [(12, 6)]
    found = answer("medical-years", {"periods": [["2010-01", None]], "backpaid": False}, texts)
    assert found["continuous_reached"] == "2019-12"  # 120 months, and not the 360 of a rule that has not begun


def test_a_deadline_is_corrected_for_its_own_first_day() -> None:
    first = change("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"valid_from": "2026-01-01", "n": "3"}, None)
    right = change("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"valid_from": "2026-01-01", "n": "20"})
    snapshot = policy.snapshot(laid(first, right))
    event = date(2026, 11, 1)
    assert snapshot.rule("DL-REG-FOR", event).n == 20
    known = [snapshot.rule_known("DL-REG-FOR", event, on) for on in (BEFORE, NOTICED)]
    assert [r.n for r in known if r is not None] == [3, 20]
    unpublished = change("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"valid_from": "2026-01-01", "n": "21"}, None)
    assert policy.snapshot(laid(first, right, unpublished)).rule("DL-REG-FOR", event).n == 21


def test_a_day_of_an_authority_that_was_entered_wrongly_is_taken_back() -> None:
    day = {"authority": "tax_office", "valid_from": "2026-12-24", "name": {"zh": "停办", "en": "Closed"}}
    closed = change("authority_days.yaml", "row", "days", day | {"what": "rest"}, None)
    opened = change("authority_days.yaml", "row", "days", day | {"what": "work"})
    calendar = work_calendar(policy.snapshot(laid(closed)).calendar("tax_office"))
    assert calendar.is_rest(date(2026, 12, 24))
    for changes in ((closed, opened), (opened, closed)):  # the later publication counts, not the order
        calendar = work_calendar(policy.snapshot(laid(*changes)).calendar("tax_office"))
        assert calendar.is_working_day(date(2026, 12, 24))
