"""`baoqi policy check`: each kind of fault is found and named by file and line; a broken file is refused."""

import re
from datetime import date

import pytest

import policies
from domain.policy import PolicyError
from domain.policy_changes import WORDS
from domain.policy_findings import Finding, check, errors, refuse, unpublished, values
from schemas.policy_files import FILES, TABLES

TEXTS = policies.read_all()
TODAY = date(2026, 11, 25)


def with_change(name: str, old: str, new: str) -> dict[str, str]:
    assert old in TEXTS[name], (name, old)
    return {**TEXTS, name: TEXTS[name].replace(old, new, 1)}


def line_of(name: str, text: str) -> int:
    return TEXTS[name][: TEXTS[name].index(text)].count("\n") + 1


def kinds(found: list[Finding]) -> set[tuple[str, str]]:
    return {(f.level, f.kind) for f in found}


def test_what_is_shipped_has_no_error() -> None:
    assert errors(TEXTS) == []
    assert {f.level for f in check(TEXTS, TODAY)} == {"warning"}


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "says"),
    [
        ("schema", "contribution_limits.csv", ",4699,23493,", ",viel,23493,", "floor"),
        ("schema", "contribution_rates.csv", "medical,all,CD,2022", "dental,all,CD,2022", "insurance"),
        ("schema", "contribution_rates.csv", "0.069,0.02", "6.9,0.02", "unit"),
        ("schema", "work_injury_rates.csv", "2023-05-01,2024-12-31", "2023-05-01,2024-13-31", "valid_to"),
        ("schema", "min_contribution_months.csv", "2031,192", "2031,-192", "months"),
        ("schema", "deadlines.yaml", "n: 15, unit: calendar_days", "n: fifteen, unit: calendar_days", "n"),
        ("schema", "deadlines.yaml", "shift_policy: none", "shift_polcy: none", "shift_polcy"),
        ("schema", "agencies.yaml", 'closes_at: "17:00"', 'closes_at: "25:00"', "closes_at"),
        (
            "schema",
            "process_settings.yaml",
            "tax_payment_countersign_above:",
            "countersign_above:",
            "countersign_above",
        ),
        ("schema", "process_settings.yaml", "signers: supervisor、head", "signers: 科长、校长", "校长"),
        ("schema", "process_settings.yaml", "sign_mode: in_turn", "sign_mode: together", "sign_mode"),
        (
            "schema",
            "billing_lines.yaml",
            "levy: social, limits: unemployment, sample",
            "levy: social, shars: [], limits: unemployment, sample",
            "shars",
        ),
        ("schema", "crosscheck_rules.yaml", "except:", "exept:", "exept"),
        ("schema", "late_fee.yaml", '"0.0005"', "0.0005", "daily_rate"),
        ("schema", "calendar.yaml", '"2026-01-04"', '"4 January"', "work"),
        ("source", "late_fee.yaml", "    source: 社会保险法 art.86", "    note: 社会保险法 art.86", "source"),
        ("schema", "contribution_rates.csv", ",UE-15; end date not found (2016-2019 changes)", ",", "source"),
        ("unmarked", "contribution_limits.csv", "uncertain,true,2027-06-30", "uncertain,false,2027-06-30", "sample"),
    ],
)
def test_a_fault_is_named_by_file_and_line(kind: str, name: str, old: str, new: str, says: str) -> None:
    broken = with_change(name, old, new)
    [found] = errors(broken)
    assert (found.level, found.kind, found.file) == ("error", kind, name)
    assert says in found.text.en
    assert not {"Input", "should", "input"} & set(re.findall("[A-Za-z]+", found.text.zh)), found.text.zh
    assert re.search("[\u4e00-\u9fff]", found.text.zh)
    assert found.line is not None
    changed = line_of(name, old)
    assert changed - 5 <= found.line <= changed, (found.line, changed)
    with pytest.raises(PolicyError, match=name):
        refuse(broken)


def test_overlapping_rows_of_one_key_are_refused_and_later_notices_are_not() -> None:
    row = "pension,all,SC,2026-01-01,2026-12-31,4700,23500,2025,,7831.00,2026,x,confirmed,false,,x\n"
    name = "contribution_limits.csv"
    [found] = errors({**TEXTS, name: TEXTS[name] + row})
    assert (found.kind, found.line) == ("overlap", TEXTS[name].count("\n") + 1)
    assert "pension/all/SC" in found.text.zh
    later = row.replace(",2026,x,", ",2026-11-20,x,")
    assert errors({**TEXTS, name: TEXTS[name] + later}) == []  # published later: it supersedes, both stay


def test_gaps_overdue_reviews_samples_and_missing_years_are_said() -> None:
    name = "contribution_limits.csv"
    cut = {**TEXTS, name: "".join(x for x in TEXTS[name].splitlines(True) if "pension,all,SC,2024" not in x)}
    gaps = [f for f in check(cut, TODAY) if f.kind == "gap" and f.file == name]
    assert ["2024-01-01–2024-12-31" in f.text.en for f in gaps] == [True]

    assert not [f for f in check(TEXTS, TODAY) if f.kind == "review"]
    overdue = [f for f in check(TEXTS, date(2027, 1, 1)) if f.kind == "review"]
    assert ("work_injury_rates.csv", line_of("work_injury_rates.csv", "2,0.004,2025")) in {
        (f.file, f.line) for f in overdue
    }
    limit = ("contribution_limits.csv", line_of("contribution_limits.csv", "pension,all,SC,2026"))
    assert limit in {(f.file, f.line) for f in overdue}  # ended, and nothing follows: it stays in use
    next_year = (
        TEXTS[name] + "pension,all,SC,2027-01-01,2027-12-31,4800,24000,2026,,8000,2026-12-20,x,confirmed,false,,x\n"
    )
    later = check({**TEXTS, name: next_year}, date(2027, 1, 1))
    assert limit not in {(f.file, f.line) for f in later if f.kind == "review"}
    assert ("warning", "sample") in kinds(check(TEXTS, TODAY))
    assert [f.text.en[:23] for f in check(TEXTS, TODAY) if f.kind == "calendar"] == ["the arrangement of 2027"]
    assert not [f for f in check(TEXTS, date(2026, 9, 1)) if f.kind == "calendar"]


def test_a_value_whose_source_names_no_day_of_publication_is_said() -> None:
    name = "contribution_rates.csv"
    said = {f.file: f for f in check(TEXTS, TODAY) if f.kind == "unpublished"}
    assert "pension enterprise SC 2019-05-01" in said[name].text.en and "公布日期" in said[name].text.zh
    assert "DL-REG-EMP" in said["deadlines.yaml"].text.en
    assert "contribution_limits.csv" not in said or "2025-01-01" not in said["contribution_limits.csv"].text.en
    dated = with_change(name, "2019-05-01,,0.16,0.08,,confirmed", "2019-05-01,,0.16,0.08,2019-04-30,confirmed")
    [now] = [f for f in check(dated, TODAY) if f.kind == "unpublished" and f.file == name]
    assert "pension enterprise SC 2019-05-01" not in now.text.en
    school = [v for v in values("deadlines.yaml", TEXTS) if v.fields["legal_kind"] == "internal"]
    assert school and not any(unpublished(v) for v in school)  # the school publishes its own targets itself


def test_every_value_says_where_it_comes_from_and_how_sure_we_are() -> None:
    for name in TEXTS:
        for value in values(name, TEXTS) if name not in WORDS else ():
            assert value.said.get("source"), (name, value.key)
            assert value.said.get("confidence"), (name, value.key)
            assert value.line > 0


def test_a_missing_file_and_a_row_that_does_not_fit_are_named_once() -> None:
    [gone] = errors({k: v for k, v in TEXTS.items() if k != "treaties.yaml"})
    assert (gone.place, "treaties.yaml" in gone.text.zh) == ("treaties.yaml", True)
    name = "contribution_limits.csv"
    [found] = errors(
        with_change(name, "12-31,4588,22938,2024,,7646.00,2025-09-22", "12-31,22938,4588,2024,,7646.00,2025-09-22")
    )
    assert found.place == f"{name}:{line_of(name, 'pension,all,SC,2025')}"
    assert found.text.en == "The floor 22938 must be below the cap 4588."


@pytest.mark.parametrize(
    ("name", "old", "new", "field"),
    [
        ("age_limits.yaml", '"1965-01", step: 4', '"1965-01", step: 0', "male.step"),
        ("age_limits.yaml", "code: male60", "code: female55", "female55"),
        ("age_limits.yaml", "base_years: 60", "base_years: 600", "male.base_years"),
        ("age_limits.yaml", "max_delay_months: 36", "max_delay_months: -36", "male.max_delay_months"),
        ("age_limits.yaml", '"1965-01"', "x", "male.first_cohort"),
        ("age_limits.yaml", "female_worker: {", "femal_worker: {", "female_worker"),
        ("benefits.yaml", "6: 16, ", "", "months"),
        ("benefits.yaml", "10: 7}", "10: 7, 11: 5}", "11"),
        ("benefits.yaml", "divided_by: 365", "divided_by: 0", "divided_by"),
        ("benefits.yaml", ", resigned: false}", "}", "reasons"),
        ("benefits.yaml", "resigned: false", 'resigned: "false"', "resigned"),
        ("benefits.yaml", 'floor_share: "0.6"', 'floor_share: "1.6"', "floor_share"),
        ("benefits.yaml", 'cap_share: "3"', 'cap_share: "0.5"', "cap_share"),
        ("benefits.yaml", '      "/30":', '      "/31":', "methods"),
        ("benefits.yaml", "paid_months: 60", "paid_months: 12", "steps"),
        ("medical_years.yaml", "continuous_months: 180", "continuous_months: -1", "continuous_months"),
        ("medical_years.yaml", "valid_from: 2009-01-01", "valid_from: 2009", "valid_from"),
        ("retirement.yaml", "fixed_years: 60", 'fixed_years: "60"', "fixed_years"),
        ("retirement.yaml", "{id: senior_title,", "{id: senior_titel,", "tracks"),
        ("retirement.yaml", "early_months: 36", "early_months: -36", "early_months"),
        ("make_up_routing.yaml", "otherwise: self_declare}", "otherwise: batch}", "otherwise"),
        ("make_up_routing.yaml", "    stopped: {batch: [], otherwise: self_declare}\n", "", "stopped"),
        ("identity.yaml", "^[A-Z0-9]{6,9}$", "^([A-Z0-9]{6,9}$", "passport.pattern"),
        ("materials.yaml", "accept: [pdf,", "accept: [exe,", "accept"),
        ("materials.yaml", "{code: M08, required: true}", "{code: M08, required: 1}", "required"),
        ("procedures.yaml", "insurances: [pension, annuity]", "insurances: [pensions, annuity]", "insurances"),
        ("procedures.yaml", "{code: M51, required: true}, ", "{code: M51}, ", "required"),
        ("agency_forms.yaml", "const: 新参保", "const: 新参保, source: name", "columns"),
        ("notice_texts.yaml", "    steps:", "    step:", "steps"),
        ("import_columns.yaml", "least: 100", "least: many", "least"),
        ("countries.csv", "DEU,DE", "deu,DE", "alpha3"),
        ("tax_filing_due.csv", "2026,15,20,24", "2026,15,20,29", "m02"),
        ("tax_filing_due.csv", "2026,15,20,24", "2026,15,20,", "m02"),
        ("treaties.yaml", "in_force: 2002-04-04", "in_force: 2002-04-31", "date that does not exist"),
    ],
)
def test_what_calculations_could_not_use_is_refused(name: str, old: str, new: str, field: str) -> None:
    found = errors(with_change(name, old, new))
    assert found and {(f.kind, f.file) for f in found} == {("schema", name)}
    assert any(field in f.text.en for f in found), found
    assert all(re.search("[\u4e00-\u9fff]", f.text.zh) for f in found)


def test_every_shipped_file_has_a_model() -> None:
    assert set(TEXTS) == {*FILES, *TABLES}
