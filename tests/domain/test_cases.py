"""Signed cases: each entry of `cases/*.yaml` is computed by the shipped rules and must give what it expects.

A social-security officer can read the files: `calculation`, `article`, `given`, `expect`, `note`. `today` is the day
on which is computed (2026-11-25 where it is not named). `expect` may name a part of the answer only; a list is compared
whole. A case that must be turned down has `refused: <pointer>` in place of `expect`; an
empty pointer where the rules hold no value.
"""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import policies
from domain.calculations import CALCULATIONS, Context, Refused, Rules
from domain.policy import PolicyError
from schemas.messages_of_fields import faults_of

FOLDER = Path(__file__).parent / "cases"
FIELDS = {"id", "calculation", "article", "given", "expect", "refused", "note", "today"}
TODAY = date(2026, 11, 25)
WORDED = ("Text", "DerivationStep")  # shown by their own words, without heads
RULES = Rules(policies.read_all())


def _cases() -> list[Any]:
    found: list[Any] = []
    for file in sorted(FOLDER.glob("*.yaml")):
        for number, case in enumerate(yaml.safe_load(file.read_text(encoding="utf-8")), start=1):
            found.append(pytest.param(case, id=f"{file.stem}-{case.get('id', number)}"))
    return found


def compute(name: str, given: Any, today: date = TODAY) -> dict[str, Any]:
    calculation = CALCULATIONS[name]
    answer = calculation.run(calculation.input.model_validate(given), Context(RULES, today))
    return answer.model_dump(mode="json")


def part_of(expected: Any, found: Any) -> bool:
    """Whether all that is expected is there: of an object the named fields, all else as a whole."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(k in found and part_of(v, found[k]) for k, v in expected.items())
    return expected == found


@pytest.mark.parametrize("case", _cases())
def test_case(case: dict[str, Any]) -> None:
    assert set(case) <= FIELDS, set(case) - FIELDS
    assert case["article"], "the article is missing"
    assert case["note"], "the note is missing"
    assert ("expect" in case) != ("refused" in case)
    today = date.fromisoformat(case["today"]) if "today" in case else TODAY
    if "refused" in case:
        with pytest.raises((Refused, PolicyError, ValidationError)) as caught:
            compute(case["calculation"], case["given"], today)
        error = caught.value
        invalid = [p for p, _, _ in faults_of(error.errors())] if isinstance(error, ValidationError) else []
        found = invalid or [error.pointer if isinstance(error, Refused) else ""]
        assert case["refused"] in found, found
        return
    answer = compute(case["calculation"], case["given"], today)
    assert part_of(case["expect"], answer), answer


@pytest.mark.parametrize("name", CALCULATIONS)
def test_the_example_of_each_schema_computes_and_each_field_has_its_words(name: str) -> None:
    calculation = CALCULATIONS[name]
    schemas = calculation.schemas(Context(RULES, TODAY))
    assert schemas["input"]["examples"] and schemas["output"]["examples"]
    for schema in schemas.values():
        inside = {k: v for k, v in schema.get("$defs", {}).items() if k not in WORDED}
        for part in (schema, *inside.values()):  # the columns of a table on the page too
            for field, words in part.get("properties", {}).items():
                assert words.get("title_zh") and words.get("title_en"), (name, field)
