"""What data say about a foreign hire: faults, things to watch, exemption, documents."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import policies
from domain.enrolment_checks import HireFacts, Severity, check, faults
from domain.exemptions import propose
from domain.materials import document_requests
from domain.policy import checklists
from domain.tables import check_rules, rejection_reasons, treaty_table
from schemas.enrolment import Certificate, ForeignHire, HireKind

TEXTS = policies.read_all()
RULES = check_rules(TEXTS)
TREATIES = treaty_table(TEXTS)
ON = date(2026, 10, 10)
GOOD = HireFacts(
    name="Anna Muster",
    sex="female",
    country="DEU",
    birth=date(1985, 3, 14),
    id_number="E12345678",
    id_expires=date(2030, 1, 31),
    work_permit_no="5100202699999999",
    permit_issued=date(2026, 9, 15),
    permit_expires=date(2028, 9, 30),
    residence_expires=date(2028, 9, 30),
    org_unit="business",
    contract_start=date(2026, 9, 20),
    contract_end=date(2028, 9, 19),
    monthly_wage=Decimal("18000"),
)


def test_a_good_record_has_no_findings() -> None:
    assert check(GOOD, ON, RULES) == []
    assert check(replace(GOOD, permit_issued=date(2016, 9, 20)), ON, RULES) == []
    for name in ("Ng", "李", "Ömer Şen", "田中 はると", "Анна", "محمد", "X Æ 12"):
        assert check(replace(GOOD, name=name, name_zh=name), ON, RULES) == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"id_expires": date(2026, 9, 1)}, "R03", "id_expires"),
        ({"permit_expires": date(2026, 9, 19)}, "R03", "permit_expires"),
        ({"residence_expires": date(2026, 9, 19)}, "R03", "residence_expires"),
        ({"permit_issued": None}, "MISSING", "permit_issued"),
        ({"name": "  "}, "MISSING", "name"),
        ({"name": "123"}, "BAD_VALUE", "name"),
        ({"name": "12-３.4"}, "BAD_VALUE", "name"),
        ({"name_zh": "007"}, "BAD_VALUE", "name_zh"),
        ({"id_number": "E12 45678"}, "R02", "id_number"),
        ({"id_type": "LIBRARY_CARD"}, "BAD_VALUE", "id_type"),
        ({"contract_end": date(2026, 9, 19)}, "R06", "contract_end"),
        ({"permit_issued": date.max, "permit_expires": date(2199, 12, 31)}, "BEYOND", "permit_issued"),
        ({"residence_expires": date.max}, "BEYOND", "residence_expires"),
        ({"contract_start": date.min}, "BEYOND", "contract_start"),
        ({"birth": date.max}, "BEYOND", "birth"),
        ({"permit_issued": date(1900, 1, 1)}, "TOO_EARLY", "permit_issued"),
        ({"permit_issued": date(2003, 3, 13)}, "TOO_EARLY", "permit_issued"),  # a day before eighteen
        ({"permit_issued": date(2016, 9, 19)}, "TOO_EARLY", "permit_issued"),
        ({"birth": date(1960, 1, 1)}, "R11", "birth"),
        ({"birth": date(2010, 9, 21)}, "UNDER_AGE", "birth"),
        ({"birth": date(2027, 1, 1)}, "FUTURE_DATE", "birth"),
        ({"monthly_wage": Decimal("0")}, "BAD_VALUE", "monthly_wage"),
        ({"monthly_wage": Decimal("NaN")}, "BAD_VALUE", "monthly_wage"),
        ({"sex": "女"}, "BAD_VALUE", "sex"),
        ({"country": "XXX"}, "UNKNOWN_COUNTRY", "country"),
        ({"country": "TWN"}, "NOT_FOREIGN", "country"),
        ({"permit_issued": date(2028, 10, 1)}, "R03", "permit_expires"),
        ({"contract_start": date(2015, 3, 1)}, "NO_RATES", "contract_start"),
    ],
)
def test_faults(change: dict[str, Any], code: str, field: str) -> None:
    found = faults(check(replace(GOOD, **change), ON, RULES))
    assert (code, field) in [(f.code, f.field) for f in found]
    assert all(f.message.zh and f.message.en for f in found)
    assert all((GOOD.id_number or "") not in f.message.zh for f in found)


def test_all_faults_at_once() -> None:
    broken = replace(GOOD, id_expires=date(2026, 9, 1), permit_issued=None, monthly_wage=Decimal("-1"))
    assert {f.code for f in faults(check(broken, ON, RULES))} == {"R03", "MISSING", "BAD_VALUE"}
    assert len(faults(check(HireFacts(), ON, RULES))) == 14


def test_a_contract_longer_than_the_permit_is_only_watched() -> None:
    found = check(replace(GOOD, permit_expires=date(2027, 9, 15)), ON, RULES)
    assert [(f.code, f.severity) for f in found] == [("W01", Severity.WATCH)]
    assert faults(found) == []


@pytest.mark.parametrize(
    ("sex", "birth", "over"),
    [
        ("male", date(1965, 12, 31), False),  # statutory month 2026-03
        ("female", date(1971, 6, 1), False),  # 2026-11
        ("female", date(1971, 3, 1), True),  # 2026-07
        ("male", date(1966, 9, 1), False),
    ],
)
def test_age_by_the_gradual_scheme(sex: str, birth: date, over: bool) -> None:
    start = date(2026, 3, 20) if sex == "male" else date(2026, 9, 20)
    found = check(replace(GOOD, sex=sex, birth=birth, contract_start=start), ON, RULES)
    assert ("R11" in [f.code for f in found]) is over


def test_the_form_gives_the_same_facts() -> None:
    hire = ForeignHire(
        **vars(GOOD),
        hire_kind=HireKind.LOCAL_HIRE,
    )
    assert HireFacts.of(hire) == GOOD


def proposal(country: str, kind: HireKind, certificate: Certificate, on: date = ON) -> tuple[list[str], str | None]:
    found = propose(country, kind, certificate, date(2026, 9, 15), date(2026, 9, 20), on, TREATIES)
    assert found.text
    assert found.text.zh.endswith("。")
    return found.exempt, found.reason


@pytest.mark.parametrize(
    ("country", "kind", "certificate", "exempt", "reason"),
    [
        ("USA", HireKind.POSTED, Certificate.HELD, [], "no_treaty"),
        ("FRA", HireKind.POSTED, Certificate.HELD, [], "treaty_not_in_force"),
        ("SRB", HireKind.LOCAL_HIRE, Certificate.HELD, [], "local_hire_not_covered"),
        ("ESP", HireKind.POSTED, Certificate.HELD, ["pension", "unemployment"], "treaty_exempt"),
        ("JPN", HireKind.POSTED, Certificate.HELD, ["pension"], "treaty_exempt"),
        ("JPN", HireKind.POSTED, Certificate.PENDING, [], "certificate_pending"),
        ("JPN", HireKind.POSTED, Certificate.NONE, [], "certificate_missing"),
        ("KOR", HireKind.LOCAL_HIRE, Certificate.HELD, ["pension"], "treaty_exempt"),
        ("KOR", HireKind.LOCAL_HIRE, Certificate.NONE, [], "certificate_missing"),
    ],
)
def test_exemptions(country: str, kind: HireKind, certificate: Certificate, exempt: list[str], reason: str) -> None:
    assert proposal(country, kind, certificate) == (exempt, reason)


def test_certificate_date_and_what_comes_after_it() -> None:
    pending = propose("KOR", HireKind.LOCAL_HIRE, Certificate.PENDING, date(2026, 11, 30), ON, ON, TREATIES)
    assert pending.certificate_by == date(2027, 2, 28)
    assert pending.max_months == 60
    assert "2027-02-28" in (pending.text.zh if pending.text else "")
    late = proposal("JPN", HireKind.POSTED, Certificate.HELD, date(2026, 12, 16))
    assert late == (["pension"], "treaty_exempt_from_submission")
    kyrgyz = propose("KGZ", HireKind.POSTED, Certificate.HELD, ON, ON, ON, TREATIES)
    assert (kyrgyz.exempt, kyrgyz.max_months) == (["pension"], None)


def test_checklist_of_foreign_staff() -> None:
    listed = checklists(TEXTS)["FOREIGN_WORK_PERMIT"]
    plain = {d.code: d.required for d in document_requests(listed, [])}
    assert list(plain) == [f"M0{n}" for n in range(1, 10)]
    assert [c for c, required in plain.items() if not required] == ["M06", "M07"]
    claimed = {d.code: d.required for d in document_requests(listed, ["if_treaty_claimed"])}
    assert claimed["M06"]


def test_twenty_reasons_in_two_languages() -> None:
    reasons = rejection_reasons(TEXTS)
    assert list(reasons) == [f"R{n:02d}" for n in range(1, 21)]
    assert all(r.title.zh and r.title.en.isascii() for r in reasons.values())
