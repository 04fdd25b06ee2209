"""Identity numbers: every example, every kind of fault named, repairs reported."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from domain.identity import IdKind, check, gb11643_check, name_key, normalise, upgrade_15
from domain.retirement import RetirementGroup, delay_months, statutory_month
from domain.tables import age_limits, countries, identity_patterns

VECTORS = Path(__file__).parent / "vectors"


def rows(name: str) -> list[dict[str, str]]:
    with (VECTORS / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


TODAY = date(2026, 11, 24)
TEXTS = policies.read_all()
PATTERNS = identity_patterns(TEXTS)
COUNTRIES = countries(TEXTS).keys()
KINDS = {
    "CN": IdKind.CN_RESIDENT_ID,
    "HMT": IdKind.HMT_RESIDENCE_PERMIT,
    "PR2023": IdKind.FOREIGN_PR_CARD_2023,
    "PR2017": IdKind.FOREIGN_PR_CARD_2017,
    "PASSPORT": IdKind.PASSPORT,
    "SSN_FOREIGN": IdKind.FOREIGN_SSN,
}
RULES = {
    "510000198507100068": "check_digit",
    "510000198102290018": "birth",
    "5100001985071000": "length",
    "510000209907100067": "birth_future",
    "840000199201300024": "area",
    "951392190001010030": "check_digit",
    "811398199012310028": "prefix",
    "JPN510000010142": "check_digit",
    "E1234 678": "blank_inside",
    "DE0C01X00T47": "pattern",
}
EXAMPLES = rows("id_examples.csv")


def test_there_are_26_examples() -> None:
    assert len(EXAMPLES) == 26
    assert {e["value"] for e in EXAMPLES if e["valid"] == "false"} == set(RULES)


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e['type']}-{e['value']}" for e in EXAMPLES])
def test_examples(example: dict[str, str]) -> None:
    found = check(KINDS[example["type"]], example["value"], today=TODAY, patterns=PATTERNS, countries=COUNTRIES)
    assert found.valid is (example["valid"] == "true"), example["why"]
    assert found.rule == RULES.get(example["value"])
    if found.text:
        assert example["value"] not in found.text.zh + found.text.en


@pytest.mark.parametrize(
    ("raw", "value", "codes"),
    [
        ("G125 80876", "G12580876", ["blanks"]),
        ("Ｇ１２５８０８７６", "G12580876", ["full_width"]),
        (" e12345678 ", "E12345678", ["upper"]),
        ("'E12345678", "E12345678", ["quote"]),
        ("ｅ123\u200b45　678", "E12345678", ["full_width", "blanks", "upper"]),
        ("E12345678", "E12345678", []),
    ],
)
def test_repairs_are_reported(raw: str, value: str, codes: list[str]) -> None:
    found = normalise(raw)
    assert (found.value, [r.code for r in found.repairs]) == (value, codes)
    assert all(r.text.zh and r.text.en for r in found.repairs)


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        (IdKind.CN_RESIDENT_ID, "340524800101001", "old_number"),
        (IdKind.CN_RESIDENT_ID, "810000199408230021", "area"),
        (IdKind.CN_RESIDENT_ID, "11010519491231O02X", "characters"),
        (IdKind.CN_RESIDENT_ID, "", "empty"),
        (IdKind.FOREIGN_PR_CARD_2017, "XYZ110090123105", "country"),
        (IdKind.FOREIGN_PR_CARD_2017, "KAZ110090133105", "birth"),
        (IdKind.HK_MACAO_TRAVEL_PERMIT, "H12345678", None),
        (IdKind.HK_MACAO_TRAVEL_PERMIT, "X12345678", "pattern"),
        (IdKind.TAIWAN_TRAVEL_PERMIT, "12345678", None),
        (IdKind.PASSPORT, "E1234567890", "length"),
        (IdKind.PASSPORT, "E12345-78", "pattern"),
    ],
)
def test_other_faults(kind: IdKind, value: str, rule: str | None) -> None:
    assert check(kind, value, today=TODAY, patterns=PATTERNS, countries=COUNTRIES).rule == rule


@given(st.dates(date(1930, 1, 1), TODAY - timedelta(days=1)), st.integers(0, 999), st.integers(0, 16))
def test_any_single_wrong_digit_is_found(born: date, serial: int, place: int) -> None:
    first = f"510105{born:%Y%m%d}{serial:03d}"
    number = first + gb11643_check(first)
    good = check(IdKind.CN_RESIDENT_ID, number, today=TODAY, patterns=PATTERNS)
    assert good.valid
    assert good.birth == born
    wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
    assert not check(IdKind.CN_RESIDENT_ID, wrong, today=TODAY, patterns=PATTERNS).valid


@given(st.text(max_size=24))
def test_nothing_typed_breaks_the_checks(raw: str) -> None:
    mended = normalise(raw)
    assert normalise(mended.value).value == mended.value
    for kind in IdKind:
        found = check(kind, raw, today=TODAY, patterns=PATTERNS, countries=COUNTRIES)
        assert found.valid is (found.rule is None)


def test_old_numbers_are_upgraded() -> None:
    assert upgrade_15("340524800101001") == "34052419800101001X"
    with pytest.raises(ValueError, match="15"):
        upgrade_15("34052480010100X")


def test_names_that_differ_only_in_writing_are_alike() -> None:
    assert name_key("SMITH JOHN") == name_key("John  Smith") == name_key("ｓｍｉｔｈ, john")
    assert name_key("José García") == name_key("GARCIA JOSE")
    assert name_key("John Smith") != name_key("John Smyth")


GROUPS = {"male60": "male", "female55": "female", "female50": "female_worker"}


@pytest.mark.parametrize("vector", rows("retirement_vectors.csv"), ids=lambda v: f"{v['group']}-{v['birth']}")
def test_statutory_retirement_month(vector: dict[str, str]) -> None:
    group: RetirementGroup = age_limits(TEXTS)[GROUPS[vector["group"]]]
    assert delay_months(vector["birth"], group) == int(vector["delay_months"])
    assert statutory_month(vector["birth"], group) == vector["retire"]
