"""What a derivation says: the article, what moved a day and why, what counting passed over."""

from datetime import date
from typing import Any

import pytest

import policies
from domain.calculations import CALCULATIONS, Context, Rules
from domain.deadlines import add_days
from schemas.deadlines import Unit

RULES = Rules(policies.read_all())


def compute(name: str, given: dict[str, Any]) -> dict[str, Any]:
    calculation = CALCULATIONS[name]
    answer = calculation.run(calculation.input.model_validate(given), Context(RULES, date(2026, 9, 25)))
    return answer.model_dump(mode="json")


@pytest.mark.parametrize(
    ("name", "given", "said", "unsaid"),
    [
        ("tax-due", {"year": 2027, "nominal_day": 15}, "2027-09：2027-09-15 为中秋节，顺延至 2027-09-16", "顺延 0"),
        ("tax-due", {"year": 2027, "nominal_day": 15}, "2027-05：2027-05-15 为周六，顺延至 2027-05-17", "顺延 0"),
        (
            "add-days",
            {"start": "2026-12-01", "n": 14, "unit": "calendar_days", "shift": "tax_art109"},
            "到期",
            "顺延",
        ),
        (
            "add-days",
            {"start": "2027-09-01", "n": 14, "unit": "calendar_days", "shift": "tax_art109"},
            "按征管法实施细则第109条，2027-09-15 为中秋节，顺延至 2027-09-16",
            "顺延 0",
        ),
        (
            "plan-back",
            {"due": "2026-10-12", "plan": [{"step": "核对", "working_days": 5}]},
            "不计入：2026-10-01–10-07 国庆节、2026-10-11 周末",
            "其间休息",
        ),
        (
            "plan-back",
            {"due": "2026-10-12", "plan": [{"step": "核对", "working_days": 5}]},
            "依据：全国年节及纪念日放假办法（国务院令795）",
            "其间休息",
        ),
    ],
)
def test_a_derivation_says_what_moved_a_day_and_what_was_passed_over(
    name: str, given: dict[str, Any], said: str, unsaid: str
) -> None:
    steps = [s["text"]["zh"] for s in compute(name, given)["steps"]]
    assert any(said in s for s in steps) and not any(unsaid in s for s in steps), steps


def test_rest_days_of_a_plan_are_listed_by_date() -> None:
    found = compute("plan-back", {"due": "2026-10-12", "plan": [{"step": "核对", "working_days": 5}]})
    passed = next(s for s in found["steps"] if s["kind"] == "skipped")
    assert {"2026-10-01", "2026-10-07"} <= set(passed["days"]), passed


@pytest.mark.parametrize(
    ("months", "zh", "en"),
    [(-3, "3 个月前的对应日", "3 months earlier"), (3, "3 个月后的对应日", "3 months later")],
)
def test_months_are_counted_in_words_either_way(months: int, zh: str, en: str) -> None:
    said = add_days(date(2026, 11, 30), months, Unit.MONTHS, RULES.calendar).steps[0].text
    assert zh in said.zh and en in said.en and "-" not in said.zh
