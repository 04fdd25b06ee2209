"""What rows mean together: every overlap, gap, doubled row and impossible day is found, in both languages."""

import re
from datetime import date

import pytest

import policies
from domain.policy_findings import Finding, check, errors

TEXTS = policies.read_all()
TODAY = date(2026, 11, 25)
LIMITS, FEES, BENEFITS = "contribution_limits.csv", "late_fee.yaml", "benefits.yaml"
MONTHS, TREATIES, FILING = "min_contribution_months.csv", "treaties.yaml", "tax_filing_due.csv"
FEE_AGAIN = """  - valid_from: 2011-07-01
    daily_rate: "0.0008"
    source: x
    confidence: confirmed
    sample: false
"""


def replaced(name: str, old: str, new: str) -> dict[str, str]:
    assert old in TEXTS[name], (name, old)
    return {**TEXTS, name: TEXTS[name].replace(old, new, 1)}


def without(name: str, start: str) -> dict[str, str]:
    """The texts without the line that begins so."""
    kept = [x for x in TEXTS[name].splitlines(True) if not x.startswith(start)]
    assert len(kept) + 1 == len(TEXTS[name].splitlines()), (name, start)
    return {**TEXTS, name: "".join(kept)}


def with_line(name: str, line: str) -> dict[str, str]:
    return {**TEXTS, name: TEXTS[name].rstrip("\n") + "\n" + line}


def without_year(year: int) -> dict[str, str]:
    blocks = re.split(r"(?m)^(?=  - year: )", TEXTS["calendar.yaml"])
    kept = [b for b in blocks if not b.startswith(f"  - year: {year}")]
    assert len(kept) + 1 == len(blocks)
    return {**TEXTS, "calendar.yaml": "".join(kept)}


def again(name: str, start: str) -> dict[str, str]:
    """The texts with the block of a YAML list from `start` to the next key of the top twice."""
    text = TEXTS[name]
    block = re.search(rf"(?ms)^{re.escape(start)}.*?(?=^\S|^  - |\Z)", text)
    assert block is not None
    return {**TEXTS, name: text.replace(block[0], block[0].rstrip("\n") + "\n" + block[0], 1)}


@pytest.mark.parametrize(
    ("texts", "kind", "file", "says"),
    [
        (replaced(LIMITS, "pension,all,SC,2025-01-01", "pension,all,SC,2023-01-01"), "overlap", LIMITS, "2024-01-01"),
        (with_line(FEES, FEE_AGAIN), "overlap", FEES, "2011-07-01"),
        (again("undeclared.yaml", "  - valid_from: 2011-07-01"), "overlap", "undeclared.yaml", "2011-07-01"),
        (again(BENEFITS, "  - valid_from: 2011-01-01"), "overlap", BENEFITS, "injury_grant"),
        (again(BENEFITS, "  - valid_from: 2011-07-01"), "overlap", BENEFITS, "unemployment_months"),
        (again("retirement.yaml", '  - valid_from: "2025-01"'), "overlap", "retirement.yaml", "2025-01"),
        (again("make_up_routing.yaml", "  - valid_from: 2024-01-01"), "overlap", "make_up_routing.yaml", "2024-01-01"),
        (without(MONTHS, "2034,"), "gap", MONTHS, "2034"),
        (with_line(MONTHS, "2034,999,x,confirmed,false,\n"), "doubled", MONTHS, "2034"),
        (with_line(TREATIES, TEXTS[TREATIES].splitlines()[7] + "\n"), "doubled", TREATIES, "DEU"),
        (replaced(TREATIES, "country: DEU", "country: DEX"), "country", TREATIES, "DEX"),
        (without_year(2025), "gap", "calendar.yaml", "2025"),
        (without(FILING, "2025,"), "gap", FILING, "2025"),
        (replaced(FILING, "2026,15,20,", "2026,15,14,"), "filing", FILING, "2026-01-14"),
        (replaced(FILING, "2026,15,20,24,16,20", "2026,15,20,24,17,20"), "filing", FILING, "2026-03-17"),
        (replaced(FILING, "2026,15,20,24", "2026,15,20,28"), "filing", FILING, "2026-02-28"),
        (replaced(FILING, "17,15,26,16,15", "17,15,31,16,15"), "filing", FILING, "2026-10-31"),
    ],
)
def test_what_rows_mean_together_is_checked(texts: dict[str, str], kind: str, file: str, says: str) -> None:
    found = errors(texts)
    assert {(f.level, f.kind, f.file) for f in found} == {("error", kind, file)}, found
    assert says in found[0].text.en and says in found[0].text.zh
    assert re.search("[\u4e00-\u9fff]", found[0].text.zh) and found[0].line


def overlaps(texts: dict[str, str]) -> list[Finding]:
    return [f for f in check(texts, TODAY) if f.kind == "overlap"]


def test_a_correction_is_no_overlap_and_a_change_within_a_period_is_said() -> None:
    row = "pension,all,SC,{},{},4700,23500,2024,,7831.00,2026-11-20,x,confirmed,false,,x\n"
    assert overlaps(TEXTS) == []
    assert overlaps(with_line(LIMITS, row.format("2025-01-01", "2025-12-31"))) == []  # the same period again
    within = overlaps(with_line(LIMITS, row.format("2025-07-01", "2025-12-31")))
    assert [(f.level, f.line) for f in within] == [("warning", TEXTS[LIMITS].count("\n") + 1)]
    assert "2025-07-01" in within[0].text.en and "2025-12-31" in within[0].text.zh
    two_years = overlaps(with_line(LIMITS, row.format("2024-01-01", "2025-12-31")))
    assert [f.level for f in two_years] == ["error"]  # corrects 2024 and takes 2025 with it


def test_a_class_left_out_of_a_set_of_rates_is_said() -> None:
    name = "work_injury_rates.csv"
    found = [f for f in check(without(name, "3,0.007,2025-01-01"), TODAY) if f.file == name and f.kind == "gap"]
    assert [("lack class 3" in f.text.en, "类别 3" in f.text.zh) for f in found] == [(True, True)]
    assert not [f for f in check(TEXTS, TODAY) if f.file == name and f.kind == "gap"]
