"""Days that an authority arranges for itself: they count for it alone, by name, and never move what the law says."""

from datetime import date
from typing import Any

import pytest
import yaml

import policies
from domain import policy, policy_findings
from domain.calculations import CALCULATIONS
from domain.calculations.base import Context, Rules
from domain.calendar import WorkCalendar, work_calendar
from domain.cut_off import cut_off
from domain.deadlines import compute, tax_due
from domain.policy import PolicyError
from domain.policy_changes import overlay
from domain.recount import with_published_years
from domain.times import at
from schemas.deadlines import Deadline, DeadlineRule, LegalKind, PolicySnapshot, ShiftPolicy, Unit
from schemas.policy import ChangeKind, PolicyChange

TEXTS = policies.read_all()
PLAIN = policy.snapshot(TEXTS)


def own(authority: str, kind: str, first: str, last: str, zh: str, en: str, **more: Any) -> PolicyChange:
    new = {
        "authority": authority, "what": kind, "valid_from": first, "valid_to": last, "name": {"zh": zh, "en": en},
    }  # fmt: skip
    return PolicyChange(
        file="authority_days.yaml",
        kind=ChangeKind.ROW,
        key="days",
        new=new,
        source="试验安排",
        confidence="known",
        **more,
    )


SETTLING = own("social_bureau", "rest", "2026-12-30", "2026-12-31", "年终结算", "Year-end settlement")
BREAK = own("school", "rest", "2026-12-28", "2026-12-31", "寒假", "Winter break")


def laid(*changes: PolicyChange) -> dict[str, str]:
    texts = overlay(TEXTS, changes)
    policy_findings.refuse(texts)
    return texts


def norm(snapshot: PolicySnapshot, authority: str) -> Deadline:
    rule = snapshot.rule("DL-AGENCY-NORM")
    return compute(rule, date(2026, 12, 17), snapshot, remaining_steps=[], authority=authority)


def calendar(snapshot: PolicySnapshot, authority: str) -> WorkCalendar:
    return work_calendar(snapshot.calendar(authority))


def text(deadline: Deadline, lang: str) -> str:
    return "\n".join(getattr(s.text, lang) for s in deadline.derivation)


def test_the_same_norm_of_two_authorities_with_days_of_their_own() -> None:
    snapshot = policy.snapshot(laid(SETTLING, BREAK))
    bureau, medical = norm(snapshot, "social_bureau"), norm(snapshot, "medical_bureau")
    assert medical.due == norm(PLAIN, "medical_bureau").due == date(2026, 12, 31)
    assert bureau.due == norm(PLAIN, "social_bureau").due.replace(2027, 1, 5)  # 1 January is a holiday
    assert "2026-12-30–12-31 社保局年终结算" in text(bureau, "zh") and "按社保局日历" in text(bureau, "zh")
    assert "2026-12-30–12-31 Year-end settlement (Social insurance bureau)" in text(bureau, "en")
    assert "年终结算" not in text(medical, "zh") and "按医保局日历" in text(medical, "zh")
    assert "寒假" not in text(bureau, "zh")  # the agency acts: the school's break is nothing to it
    assert {d.isoformat() for d in (date(2026, 12, 30), date(2026, 12, 31))} <= {
        d for s in bureau.derivation if s.kind == "skipped" for d in s.days
    }


def test_the_schools_dates_go_by_the_schools_days() -> None:
    snapshot = policy.snapshot(laid(SETTLING, BREAK))
    rule = snapshot.rule("DL-WITHHOLD")
    before, after = (compute(rule, "2026-12", s, remaining_steps=["withhold"]) for s in (PLAIN, snapshot))
    assert (before.due, after.due) == (date(2026, 12, 31), date(2026, 12, 25))
    assert "按学校社保经办日历" in text(after, "zh")
    assert "2026-12-28–12-31 学校社保经办寒假" in text(after, "zh")
    assert after.latest_start < before.latest_start


def test_a_legal_date_stays_and_the_work_goes_to_a_day_on_which_both_are_there() -> None:
    for changes, last in (((SETTLING,), date(2026, 12, 29)), ((SETTLING, BREAK), date(2026, 12, 25))):
        snapshot = policy.snapshot(laid(*changes))
        rule = snapshot.rule("DL-REG-FOR").model_copy(update={"shift_policy": ShiftPolicy.NEXT_WORKING_DAY})
        found = compute(rule, date(2026, 12, 1), snapshot, remaining_steps=["hand_in"])
        assert found.due == date(2026, 12, 31)  # a closing day is no 法定休假日: it does not move the date
        assert found.internal_due == last
        assert "社保局年终结算" in text(found, "zh")
        assert ("学校社保经办寒假" in text(found, "zh")) == (BREAK in changes)


def test_a_cut_off_is_met_before_the_agency_closes() -> None:
    closed = own("social_bureau", "rest", "2026-11-19", "2026-11-20", "系统升级", "System upgrade")
    snapshot = policy.snapshot(laid(closed))
    found = cut_off(snapshot.agency("social_bureau"), date(2026, 11, 1), at(date(2026, 11, 2), "09:00"), [], snapshot)
    assert found is not None
    assert (found.due, found.hand_in_by) == (date(2026, 11, 20), date(2026, 11, 18))
    assert any("系统升级" in s.text.zh for s in found.derivation)


def test_tax_dates_and_calculations_know_no_own_days() -> None:
    rules = [own(a, "rest", "2027-04-01", "2027-04-15", "停办", "Closed") for a in ("school", "tax_office")]
    texts = laid(*rules)
    snapshot = policy.snapshot(texts)
    assert tax_due("2027-04", 15, calendar(snapshot, "tax_office"), {}) == tax_due(
        "2027-04", 15, calendar(PLAIN, "tax_office"), {}
    )
    for name in ("add-days", "tax-due"):
        calculation = CALCULATIONS[name]
        for example in calculation.examples:
            given = calculation.input.model_validate(example)
            answers = [calculation.run(given, Context(Rules(t), date(2026, 11, 24))) for t in (TEXTS, texts)]
            assert answers[0] == answers[1]


def test_a_running_case_keeps_the_days_of_its_version() -> None:
    new = policy.snapshot(laid(SETTLING))
    assert new.version != PLAIN.version
    assert with_published_years(PLAIN, new) is PLAIN


def test_a_shift_names_its_article() -> None:
    rule = PLAIN.rule("DL-PAY-OTHER")
    for shift, table, month, articles in (
        (ShiftPolicy.NEXT_WORKING_DAY, {}, "2026-10", ("民法典第203条", "art. 203 of the Civil Code")),
        (ShiftPolicy.TAX_ART109, {}, "2026-10", ("征管法实施细则第109条", "art. 109")),
        (ShiftPolicy.TAX_ART109, {("2026-10", 25): 27}, "2026-10", ("征管法实施细则第109条", "art. 109")),
    ):
        moving = rule.model_copy(update={"shift_policy": shift})
        found = compute(moving, month, PLAIN, remaining_steps=[], filing_table=table)
        assert found.due > date(2026, 10, 25)  # a Sunday
        assert articles[0] in text(found, "zh") and articles[1] in text(found, "en"), shift


def with_days(*entries: dict[str, object]) -> dict[str, str]:
    """The shipped rules, with days of single authorities."""
    return {**TEXTS, "authority_days.yaml": yaml.safe_dump({"days": list(entries)}, allow_unicode=True)}


YEAR_END = {
    "authority": "social_bureau", "what": "rest", "valid_from": date(2026, 12, 29), "valid_to": date(2026, 12, 31),
    "name": {"zh": "年终结算停办", "en": "Closed for the year's accounts"},
}  # fmt: skip
SATURDAY = {
    "authority": "medical_bureau", "what": "work", "valid_from": date(2026, 12, 26),
    "name": {"zh": "周六延时服务", "en": "Open on Saturday"},
}  # fmt: skip


def test_one_authority_is_closed_and_another_at_work_and_each_deadline_goes_by_its_own() -> None:
    plain, own = PLAIN, policy.snapshot(with_days(YEAR_END, SATURDAY))
    rule = norm_rule(own)
    accepted = date(2026, 12, 17)
    due = {
        (name, agency): compute(rule, accepted, rules, remaining_steps=[], authority=agency)
        for name, rules in (("plain", plain), ("own", own))
        for agency in ("social_bureau", "medical_bureau", "tax_office")
    }
    assert len({d.due for (name, _), d in due.items() if name == "plain"}) == 1  # the same for all
    was = due["plain", "social_bureau"].due
    assert due["own", "social_bureau"].due > was > due["own", "medical_bureau"].due
    assert due["own", "tax_office"].due == was
    said = {a: str(due["own", a].derivation) for a in ("social_bureau", "tax_office")}
    assert "年终结算停办" in said["social_bureau"] and "年终结算停办" not in said["tax_office"]
    assert "周六延时服务" in str(due["own", "medical_bureau"].derivation)
    assert own.version != plain.version


def norm_rule(rules: PolicySnapshot) -> DeadlineRule:
    """An agency's norm, counted in its working days."""
    return next(r for r in rules.rules if r.legal_kind is LegalKind.NORM and r.unit is Unit.WORKING_DAYS)


def test_own_days_win_over_the_arrangement_and_are_no_public_holiday() -> None:
    days = {"rest": date(2026, 2, 28), "work": date(2026, 10, 7)}
    days_of_school = [
        {"authority": "school", "what": w, "valid_from": d, "name": {"zh": "自定", "en": "Own"}}
        for w, d in days.items()
    ]
    school = work_calendar(policy.snapshot(with_days(*days_of_school)).calendar("school"))
    assert school.is_rest(date(2026, 2, 28)) and school.is_working_day(date(2026, 10, 7))
    assert not school.is_holiday(date(2026, 2, 28)) and school.is_holiday(date(2026, 10, 7))
    assert [len(b) for b in school.holiday_blocks(date(2026, 3, 1), date(2026, 3, 31))] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"authority": "bank"}, "bank"),
        ({"valid_to": date(2026, 12, 1)}, "止日早于起日"),
        ({"what": "work"}, "同时列为休息与上班"),
        ({"what": "half"}, "what"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(changed: dict[str, object], said: str) -> None:
    second = {**YEAR_END, "valid_from": date(2026, 12, 30), **changed}
    with pytest.raises(PolicyError, match=said):
        policy.snapshot(with_days(YEAR_END, second))
