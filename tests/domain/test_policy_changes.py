"""Changes laid over the texts of the rules: each kind does what it says, old values stay, nonsense is refused."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import policies
from domain import policy, policy_findings, tables
from domain.calendar import work_calendar
from domain.calendar_changes import CALENDAR, refuse_unfit
from domain.contributions import limit_for, rate_for
from domain.policy import PolicyError, load_mapping
from domain.policy_changes import WORDS, current, naming, overlay, plain
from schemas.countersign import SignRule
from schemas.policy import ChangeKind, PolicyChange
from schemas.policy_files import FILES

TEXTS = policies.read_all()
SOURCE = "川人社发〔2026〕99号"


def change(file: str, kind: str, key: str, new: dict[str, Any], **more: Any) -> PolicyChange:
    return PolicyChange(file=file, kind=ChangeKind(kind), key=key, new=new, source=SOURCE, **more)


def laid(*changes: PolicyChange) -> dict[str, str]:
    """The texts with the changes, held to the check of shipped files."""
    texts = overlay(TEXTS, changes)
    policy_findings.refuse(texts)
    return texts


LIMIT_2027 = {
    "insurance": "pension", "scheme": "all", "locality": "SC", "valid_from": "2027-01-01", "valid_to": "2027-12-31",
    "floor": "4800", "cap": "24000", "doc": SOURCE,
}  # fmt: skip
RATE_2027 = {
    "insurance": "unemployment", "scheme": "all", "locality": "SC", "valid_from": "2027-01-01", "unit": "0.005",
    "person": "0.005",
}  # fmt: skip
INJURY_2027 = {"class": "2", "rate": "0.0018", "valid_from": "2027-01-01", "float_steps": "1.0"}
YEAR_2027 = {
    "doc": "国办发明电〔2026〕5号",
    "rest": ["2027-01-01/2027-01-03", "2027-02-05/2027-02-12", "2027-10-01/2027-10-07"],
    "work": ["2027-02-13"],
    "names": {"2027-01-01/2027-01-03": {"zh": "元旦", "en": "New Year's Day"}},
}


def test_a_limit_and_a_rate_stand_beside_the_old_ones() -> None:
    texts = laid(
        change("contribution_limits.csv", "row", "", LIMIT_2027, published_on=date(2026, 11, 20)),
        change("contribution_rates.csv", "row", "", RATE_2027),
        change("work_injury_rates.csv", "row", "", INJURY_2027),
    )
    old, new = tables.contribution_tables(TEXTS), tables.contribution_tables(texts)
    today = date(2027, 1, 5)
    limit, of_last_year = limit_for("pension", "enterprise", "2027-01", today, new)
    assert (limit.floor, limit.cap, of_last_year) == (Decimal(4800), Decimal(24000), False)
    assert limit.source == SOURCE
    assert limit_for("pension", "enterprise", "2027-01", date(2026, 11, 19), new)[1]  # before the notice: last year's
    for month in ("2024-03", "2026-12"):
        assert limit_for("pension", "enterprise", month, today, new) == limit_for(
            "pension", "enterprise", month, today, old
        )
    assert rate_for("unemployment", "enterprise", "2027-01", today, new)[0].unit == Decimal("0.005")
    assert rate_for("unemployment", "enterprise", "2026-12", today, new)[0].unit == Decimal("0.006")
    assert rate_for("work_injury", "enterprise", "2027-02", today, new)[0].unit == Decimal("0.0018")
    assert len(texts["contribution_limits.csv"].splitlines()) == len(TEXTS["contribution_limits.csv"].splitlines()) + 1


def test_late_fee_step_duration_deadline_and_agency() -> None:
    texts = laid(
        change("late_fee.yaml", "row", "rates", {"valid_from": "2027-07-01", "daily_rate": "0.0004"}),
        change("step_durations.yaml", "fields", "steps[materials]", {"working_days": "6"}),
        change("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"n": "20", "unit": "working_days"}),
        change("deadlines.yaml", "fields", "rules[DL-PAY-OTHER]", {"shift_policy": "next_working_day"}),
        change("agencies.yaml", "fields", "agencies[social_bureau]", {"closes_at": "16:30"}, sample=True),
        change("agencies.yaml", "fields", "agencies[medical_bureau]", {"staff_change_cutoff_day": "25"}),
        change("process_settings.yaml", "fields", "", {"partial_payment_days": "3"}),
    )
    assert [(r.valid_from, r.daily_rate) for r in tables.late_fee_rates(texts)] == [
        (date(2011, 7, 1), Decimal("0.0005")), (date(2027, 7, 1), Decimal("0.0004")),
    ]  # fmt: skip
    snapshot = policy.snapshot(texts)
    rule = snapshot.rule("DL-REG-FOR")
    assert (rule.n, rule.unit.value, rule.source) == (20, "working_days", SOURCE)
    assert snapshot.rule("DL-PAY-OTHER").shift_policy.value == "next_working_day"
    assert snapshot.rule("DL-REG-HMT") == policy.snapshot(TEXTS).rule("DL-REG-HMT")
    assert snapshot.calendar("social_bureau").closes_at == "16:30"
    assert snapshot.calendar("medical_bureau").closes_at == "17:00"
    assert {d.step: d.working_days for d in snapshot.durations}["materials"] == 6
    assert snapshot.partial_payment_days == 3
    assert snapshot.version != policy.snapshot(TEXTS).version


def test_who_signs_a_large_bill_and_how() -> None:
    of_three = {"tax_payment_sign_mode": "quorum", "tax_payment_signers": "科长、处长、财务", "tax_payment_quorum": "2"}
    signed = policy.snapshot(laid(change("process_settings.yaml", "fields", "", of_three))).tax_payment_sign
    assert signed == SignRule(roles=["supervisor", "head", "finance"], mode="quorum", quorum=2)
    assert policy.snapshot(TEXTS).tax_payment_sign == SignRule()
    vouchers = {k.replace("tax_payment", "reimbursement"): v for k, v in of_three.items()}
    laid_over = policy.snapshot(laid(change("process_settings.yaml", "fields", "", vouchers)))
    assert (laid_over.reimbursement_sign, laid_over.tax_payment_sign) == (signed, SignRule())
    alone = SignRule(roles=["supervisor"])
    shipped = policy.snapshot(TEXTS)
    assert shipped.signed_by("reimbursement", Decimal(10**9)).roles == alone.roles, "one supervisor, as it always was"
    assert (
        laid_over.signed_by("reimbursement", Decimal("0.00")) == alone
        and shipped.signed_by("tax_payment", Decimal("5000000.01")) == SignRule()
    )


def test_a_year_is_published_and_a_day_of_it_moved() -> None:
    published = change("calendar.yaml", "year", "2027", YEAR_2027)
    works = work_calendar(policy.snapshot(laid(published)).calendar("school")).is_working_day
    assert works(date(2027, 2, 13)) and not works(date(2027, 2, 8)) and works(date(2027, 1, 4))
    assert work_calendar(policy.snapshot(TEXTS).calendar("school")).missing_years(date(2027, 1, 1), date(2027, 1, 9))
    days = [
        change("calendar.yaml", "day", "2027-02-10", {"kind": "work"}),
        change("calendar.yaml", "day", "2027-02-13", {"kind": "plain"}),
        change("calendar.yaml", "day", "2027-03-03", {"kind": "rest", "zh": "校庆", "en": "School day"}),
    ]
    texts = laid(published, *days)
    works = work_calendar(policy.snapshot(texts).calendar("school")).is_working_day
    assert works(date(2027, 2, 10)) and not works(date(2027, 2, 9)) and not works(date(2027, 2, 11))
    assert not works(date(2027, 2, 13)) and not works(date(2027, 3, 3))
    [year] = [y for y in policy.calendar_years(texts) if y.year == 2027]
    assert year.names["2027-03-03"].zh == "校庆"
    assert current(texts, published) != current(TEXTS, published)


@pytest.mark.parametrize(
    ("file", "kind", "key", "new", "says"),
    [
        ("contribution_limits.csv", "row", "", {**LIMIT_2027, "flor": "1"}, "flor"),
        ("contribution_limits.csv", "row", "", {**LIMIT_2027, "floor": "-1"}, "floor"),
        (
            "contribution_limits.csv",
            "row",
            "",
            {**LIMIT_2027, "valid_from": "2026-01-01", "published_on": "2026"},
            "overlaps",
        ),
        ("contribution_limits.csv", "fields", "", {"floor": "1"}, "only rows"),
        (
            "process_settings.yaml",
            "fields",
            "",
            {"tax_payment_sign_mode": "quorum", "tax_payment_quorum": "3"},
            "3 of 2",
        ),
        (
            "process_settings.yaml",
            "fields",
            "",
            {"reimbursement_sign_mode": "quorum", "reimbursement_quorum": "2"},
            "2 of 1",
        ),
        ("process_settings.yaml", "fields", "", {"reimbursement_signers": "校长"}, "校长"),
        ("late_fee.yaml", "fields", "rates[2011-07-01]", {"daily_rate": "0.0001"}, "add a row"),
        ("late_fee.yaml", "row", "rates", {"valid_from": "2027-07-01", "daily_rate": 0.0004}, "quoted"),
        ("late_fee.yaml", "row", "prices", {"valid_from": "2027-07-01"}, "prices"),
        ("deadlines.yaml", "fields", "rules[DL-NONE]", {"n": "5"}, "DL-NONE"),
        ("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"id": "X"}, "id"),
        ("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"n": "soon"}, "soon"),
        ("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {"unit": "weeks"}, "unit"),
        ("deadlines.yaml", "fields", "rules[DL-REG-FOR]", {}, "nothing"),
        ("agencies.yaml", "fields", "agencies[tax_office]", {"mode": "http"}, "mode"),
        ("agencies.yaml", "fields", "agencies[tax_office]", {"closes_at": "five"}, "closes_at"),
        ("calendar.yaml", "year", "2027", {"doc": "x", "rest": []}, "needs"),
        ("calendar.yaml", "year", "2027", {**YEAR_2027, "rest": ["2026-12-31/2027-01-02"]}, "2026-12-31"),
        ("calendar.yaml", "year", "2027", {**YEAR_2027, "work": ["2027-01-02"]}, "both off and at work"),
        ("calendar.yaml", "day", "2027-03-03", {"kind": "rest"}, "not published"),
        ("calendar.yaml", "day", "2026-02-30", {"kind": "rest"}, "no date"),
        ("deadlines.yaml", "year", "2027", YEAR_2027, "no calendar"),
    ],
)
def test_what_makes_no_sense_is_refused_in_both_languages(
    file: str, kind: str, key: str, new: dict[str, Any], says: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        laid(change(file, kind, key, new))
    assert says in refused.value.text.en
    assert refused.value.text.zh != refused.value.text.en


HOLIDAYS_2027 = [
    "2027-01-01/2027-01-03", "2027-02-05/2027-02-12", "2027-04-05", "2027-05-01/2027-05-05", "2027-06-09",
    "2027-09-15", "2027-10-01/2027-10-07",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "key", "new", "field", "says"),
    [
        ("fields", "years[2027]", {"provisional": False}, "kind", "kind year"),
        ("row", "years", {"year": "2029", "rest": HOLIDAYS_2027}, "kind", "kind year"),
        ("year", "2027", {**YEAR_2027, "rest": HOLIDAYS_2027[:3] + HOLIDAYS_2027[4:]}, "rest", "2027-05-01"),
        ("year", "2027", YEAR_2027, "rest", "2027-09-15"),
    ],
)
def test_a_year_of_the_calendar_is_entered_whole(
    kind: str, key: str, new: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        refuse_unfit(TEXTS, change("calendar.yaml", kind, key, new))
    assert refused.value.field == field
    assert says in refused.value.text.en and (says.removeprefix("kind ") in refused.value.text.zh)


def test_a_year_with_all_its_holidays_and_other_changes_of_the_calendar_are_taken() -> None:
    refuse_unfit(TEXTS, change("calendar.yaml", "year", "2027", {**YEAR_2027, "rest": HOLIDAYS_2027}))
    refuse_unfit(TEXTS, change("calendar.yaml", "day", "2026-03-03", {"kind": "rest"}))
    refuse_unfit(TEXTS, change("calendar.yaml", "fields", "", {"review_by": "2027-12-31"}))


def test_a_step_of_ages_is_a_value_and_its_code_a_name() -> None:
    texts = laid(change("age_limits.yaml", "fields", "male", {"step": "5"}, sample=True))
    assert tables.age_limits(texts)["male"].step == 5
    for file, key, field in (("age_limits.yaml", "male", "code"), ("step_durations.yaml", "steps[materials]", "step")):
        with pytest.raises(PolicyError, match="不能在此修改"):
            overlay(TEXTS, [change(file, "fields", key, {field: "x"})])


@pytest.mark.parametrize("file", sorted(f for f in FILES if f not in (*WORDS, CALENDAR)))
def test_whatever_can_be_changed_by_its_fields_stays_what_the_file_may_hold(file: str) -> None:
    """A change says where it comes from in a place that has room for it: at the value, or at what surrounds it."""
    for value in policy_findings.values(file, TEXTS):
        names = [n for n in value.fields if n not in naming(file)]
        if names and not value.dated:
            texts = overlay(TEXTS, [change(file, "fields", value.key, {names[0]: plain(value.fields[names[0]])})])
            FILES[file].model_validate(load_mapping(texts, file))
            after = next(v for v in policy_findings.values(file, texts) if v.key == value.key)
            whole = all(isinstance(v, dict) for v in value.fields.values())
            assert after.said["source"] == SOURCE or whole, value.key


def test_a_column_of_a_form_keeps_its_field_of_the_record() -> None:
    key = "applications.social_bureau.columns"
    texts = laid(
        change("agency_forms.yaml", "row", key, {"heading": "岗位", "source": "post"}),
        change("agency_forms.yaml", "fields", f"{key}[1]", {"heading": "外文姓名"}),
    )
    form = load_mapping(texts, "agency_forms.yaml")["applications"]["social_bureau"]
    assert form["columns"][-1] == {"heading": "岗位", "source": "post"}
    assert (form["columns"][1]["heading"], form["columns"][1]["source"]) == ("外文姓名", "name")
    assert form["source"] == SOURCE
