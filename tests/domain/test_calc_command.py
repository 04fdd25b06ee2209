"""`baoqi calc` as a program uses it: one object in, one out; each refusal names the field; no server, no folder."""

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.calc import calc
from domain.calculations import CALCULATIONS

app = typer.Typer()
app.command("calc")(calc)
app.command("other")(lambda: None)
DAYS = {"start": "2026-11-24", "n": 30, "unit": "calendar_days"}


def run(*arguments: str, given: Any = None) -> Result:
    text = given if isinstance(given, str | bytes) else json.dumps(given)
    return CliRunner().invoke(app, ["calc", *arguments], input=text)


def test_one_object_in_one_object_out() -> None:
    found = run("add-days", given=DAYS)
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["due"] == "2026-12-24"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**DAYS, "start": "2026-11-31"}, "start: "),
        ({**DAYS, "start": 5}, "start: "),
        ({**DAYS, "n": 2.5}, "n: "),
        ({**DAYS, "unit": "weeks"}, "calendar_days、working_days"),
        ({**DAYS, "days": 3}, "days: "),
        ({"n": 3, "unit": "calendar_days"}, "start: "),
        ({**DAYS, "calendar": {"26": {}}}, "calendar.26"),
        ([1], "应为对象"),
        ('{"n": 1,\n "n": 2}', "n: "),
        ('{"n": 1,\n 2}', "第 2 行第 2 列"),
        (b"\xff\xfe{}", "UTF-8"),
        ("[" * 100_000, "嵌套"),
        ('{"n": %s}' % ("9" * 5000), "位数过多"),
        ({**DAYS, "start": "20２６-11-24"}, "start: "),
    ],
)  # fmt: skip
def test_a_bad_input_is_named_in_both_languages_with_exit_code_2(given: Any, said: str) -> None:
    found = run("add-days", given=given)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert said in found.stderr
    lines = found.stderr.strip().splitlines()
    assert len(lines) >= 2 and lines[0].startswith("✗ ") and lines[1].startswith("  ")


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("contribution", {"declared": "3000", "period": "2019-01"}, "period"),
        ("undeclared", {"last_month": "100.00", "month": "1999-01"}, "month"),
        ("late-fee", {"owed": "100.00", "due": "1999-01-15", "paid": "1999-02-15"}, "paid"),
    ],
)
def test_a_time_for_which_the_rules_hold_no_value_is_named_by_its_field(name: str, given: Any, field: str) -> None:
    found = run(name, given=given)
    assert found.exit_code == 2
    assert found.stderr.startswith(f"✗ {field}: "), found.stderr


def test_an_unknown_name_offers_near_ones() -> None:
    found = run("add_day", given=DAYS)
    assert found.exit_code == 2
    assert "add-days" in found.stderr


def test_the_list_names_all_and_schema_prints_both_schemas() -> None:
    listed = run()
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(CALCULATIONS)
    schemas = json.loads(run("add-days", "--schema").stdout)
    assert schemas["input"]["$defs"]["CountedUnit"]["enum"] == ["calendar_days", "working_days"]
    assert schemas["input"]["additionalProperties"] is False
    assert schemas["output"]["examples"][0]["due"] == "2026-12-24"
