"""The shipped data parse; a broken file is refused with a sentence that names the place."""

import csv
import io
import re
from enum import StrEnum

import pytest

import policies
from domain.calculations import CALCULATIONS
from domain.differences import Standing
from domain.policy import PolicyError, snapshot
from domain.policy_check import check_all
from domain.tables import contribution_tables, countries, treaty_table
from schemas.calculations.difference import RoutingCode
from schemas.calculations.exemption import ExemptionReason
from schemas.calculations.identity import IdentityReason
from schemas.calculations.insurances import Flag, Insurance
from schemas.calculations.unemployment_months import LeavingReason
from schemas.deadlines import LegalKind, ShiftPolicy

TEXTS = policies.read_all()


def test_everything_parses() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", check_all(TEXTS))


def test_the_words_of_the_rules_are_in_the_glossary_once() -> None:
    rows = list(csv.DictReader(io.StringIO(TEXTS["glossary.csv"])))
    names = [r["code_name"] for r in rows]
    assert all(r["zh"] and r["en"] for r in rows)
    assert len(set(names)) == len(names)
    assert len({r["zh"] for r in rows}) == len(rows)
    kinds: list[type[StrEnum]] = [
        Insurance, Flag, RoutingCode, Standing, ExemptionReason, IdentityReason, LeavingReason, ShiftPolicy, LegalKind,
    ]  # fmt: skip
    words = {member.value for kind in kinds for member in kind} | {c.replace("-", "_") for c in CALCULATIONS}
    assert words - set(names) == set()


def test_reading_by_name() -> None:
    assert policies.read("late_fee.yaml") == TEXTS["late_fee.yaml"]
    with pytest.raises(FileNotFoundError, match="没有名为"):
        policies.path("../pyproject.toml.yaml")


def test_what_is_uncertain_is_a_sample() -> None:
    found = snapshot(TEXTS)
    for rule in found.rules:
        assert rule.source
        assert rule.sample or "uncertain" not in rule.confidence, rule.id
    tables = contribution_tables(TEXTS)
    for row in [*tables.limits, *tables.rates]:
        assert row.source
        assert row.sample or row.confidence != "uncertain"


def test_rules_the_processes_need() -> None:
    found = snapshot(TEXTS)
    kinds = {r.id: r.legal_kind for r in found.rules}
    assert kinds["DL-REG-FOR"] is LegalKind.STATUTORY
    assert kinds["DL-PAY-OTHER"] is kinds["DL-PAY-PUB"] is LegalKind.PAYMENT
    assert kinds["DL-AGENCY-NORM"] is LegalKind.NORM
    assert {k for k, v in kinds.items() if k.startswith("INT-") and v is not LegalKind.INTERNAL} == set()
    steps = {d.step: d.working_days for d in found.durations}
    assert (steps["materials"], steps["verification"], steps["hand_in"]) == (5, 2, 1)
    assert {a.id for a in found.agencies} == {"school", "social_bureau", "medical_bureau", "tax_office"}
    assert all(found.calendar(a.id).closes_at == "17:00" for a in found.agencies)
    assert found.partial_payment_days == 2


def test_modes_come_from_the_settings() -> None:
    found = snapshot(TEXTS, {"social_bureau": "portal"})
    assert found.agency("social_bureau").mode == "portal"
    assert found.agency("medical_bureau").mode == "http"
    for wrong in ({"post_office": "portal"}, {"tax_office": "fax"}):
        with pytest.raises(PolicyError, match="无效"):
            snapshot(TEXTS, wrong)


def test_years_can_be_narrowed() -> None:
    found = snapshot(TEXTS, years=range(2026, 2028))
    assert [y.year for y in found.calendar("tax_office").years] == [2026, 2027]


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("calendar.yaml", '"2026-01-04"', '"2026-01-02"', "2026-01-02"),
        ("calendar.yaml", '"2026-01-04"', '"2025-01-04"', "2025-01-04"),
        ("calendar.yaml", '"2026-01-04"', '"2026-13-04"', "2026"),
        ("calendar.yaml", "    provisional: true\n", "", "2027"),
        ("deadlines.yaml", "{id: DL-REG-HMT,", "{id: DL-REG-FOR,", "DL-REG-FOR 重复"),
        ("deadlines.yaml", "unit: day_of_month", "unit: moon", "unit"),
        ("deadlines.yaml", "authority: tax_office", "authority: post_office", "post_office"),
        ("deadlines.yaml", "rules:", "rules: [", "不是合法的 YAML"),
        ("ladders.yaml", "offset: 7", "offset: seven", "offset"),
        ("ladders.yaml", "default:", "other:", "default"),
        ("agencies.yaml", "mode: http", "mode: fax", "mode"),
        ("process_settings.yaml", "partial_payment_days: 2", "", "partial_payment_days"),
        ("contribution_limits.csv", ",4699,23493,", ",4699,469,", "contribution_limits.csv:"),
        ("contribution_rates.csv", ",0.16,0.08,", ",16,8,", "contribution_rates.csv:"),
        ("contribution_rates.csv", ",0.16,0.08,", ",x,0.08,", "contribution_rates.csv:"),
        ("billing_lines.yaml", "work_injury_class: 2", "work_injury_class: 9", "风险类别 9"),
        ("late_fee.yaml", '"0.0005"', "0.0005", "daily_rate"),
        ("tax_filing_due.csv", "2026,15,20,24", "2026,15,20,31", "tax_filing_due.csv"),
        ("undeclared.yaml", '"1.10"', "1.10", "undeclared.yaml"),
        ("make_up_routing.yaml", "otherwise: self_declare}", "otherwise: nobody}", "make_up_routing.yaml"),
        ("treaties.yaml", "certificate_rule: DL-TREATY-CERT", "certificate_rule: DL-NONE", "DL-NONE"),
        ("treaties.yaml", "in_force: 2002-04-04", "in_force: soon", "treaties.yaml"),
        ("materials.yaml", "{code: M08, required: true}", "{code: M88, required: true}", "M88"),
        ("materials.yaml", "if_treaty_claimed", "maybe", "materials.yaml"),
        ("rejection_reasons.yaml", "code: R07", "code: Q07", "rejection_reasons.yaml"),
        ("identity.yaml", "^[A-Z0-9]{6,9}$", "^[A-Z0-9{6,9}$", "identity.yaml"),
        ("age_limits.yaml", '"1965-01"', '"1965-21"', "age_limits.yaml"),
        ("categories.yaml", "medical_maternity", "dental", "dental"),
        ("countries.csv", "DEU,DE", "deu,DE", "countries.csv:"),
        ("benefits.yaml", 'floor_share: "0.6"', 'floor_share: "6"', "benefits.yaml"),
        ("benefits.yaml", 'cap_share: "3"', "cap_share: 3", "benefits.yaml"),
        ("retirement.yaml", "early_rule: DL-RET-EARLY", "early_rule: DL-NONE", "retirement.yaml"),
        ("retirement.yaml", "group: male,", "group: men,", "retirement.yaml"),
        ("min_contribution_months.csv", "2030,186", "2030,many", "min_contribution_months.csv"),
        ("medical_years.yaml", "continuous_months: 180", "continuous_months: x", "medical_years.yaml"),
        ("procedures.yaml", "DL-NORM-PENSION", "DL-NONE", "DL-NONE"),
        ("procedures.yaml", "code: M71", "code: M99", "M99"),
        ("procedures.yaml", "[R15, R20]", "[R15, R99]", "R99"),
    ],
)
def test_broken_files_are_refused(name: str, old: str, new: str, says: str) -> None:
    assert old in TEXTS[name]
    with pytest.raises(PolicyError) as refused:
        check_all({**TEXTS, name: TEXTS[name].replace(old, new)})
    said = refused.value.text
    assert says in said.zh
    assert said.en and not re.search("[\u4e00-\u9fff]", said.en)
    assert not re.search(r"invalid literal|isoformat|out of range|Decimal|<\w+\.|\w+Error", said.zh + said.en)


def test_missing_file_and_short_row_are_named() -> None:
    with pytest.raises(PolicyError, match="缺少政策数据文件 deadlines"):
        snapshot({k: v for k, v in TEXTS.items() if k != "deadlines.yaml"})
    short = TEXTS["contribution_rates.csv"] + "pension,enterprise\n"
    with pytest.raises(PolicyError, match="列数"):
        contribution_tables({**TEXTS, "contribution_rates.csv": short})


def test_treaties_and_countries_agree() -> None:
    known = countries(TEXTS)
    assert len(known) == 249
    assert set(treaty_table(TEXTS).treaties) <= set(known)
    assert {c.alpha3 for c in known.values() if not c.foreign} == {"CHN", "HKG", "MAC", "TWN"}
    for code in ("JPN", "CAN", "SRB", "ESP", "KOR", "IND", "USA", "FRA", "GBR", "BRA", "AUS", "EGY"):
        assert known[code].foreign
