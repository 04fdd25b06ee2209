"""Deadlines: legal dates stay, derivations explain, filing dates agree with what was published."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from domain.calendar import WorkCalendar, work_calendar
from domain.citation import citation
from domain.deadlines import DeadlineError, compute, is_overdue, met, moved, reopened, replan, resumed, tax_due
from domain.policy import snapshot
from domain.slack import at_risk, latest_start, most_urgent, urgency_key
from domain.tables import filing_table
from domain.times import add_months, at
from schemas.base import Text
from schemas.deadlines import Deadline, DeadlineRule, LegalKind, PolicySnapshot, ShiftPolicy, Unit, UnknownRule

POLICY = snapshot(policies.read_all())
SCHOOL = work_calendar(POLICY.calendar("school"))
OURS = ["materials", "verification", "hand_in"]


def registration(issued: date, steps: list[str] | None = None, agency: str = "social_bureau") -> Deadline:
    rule = POLICY.rule("DL-REG-FOR")
    return compute(rule, issued, POLICY, remaining_steps=OURS if steps is None else steps, authority=agency)


def test_registration_over_spring_festival() -> None:
    found = registration(date(2026, 1, 20))
    assert found.due == date(2026, 2, 19)  # 30 calendar days, in the festival, not moved
    assert found.due_at == at(date(2026, 2, 19), "17:00")
    assert found.internal_due == date(2026, 2, 14)  # the make-up Saturday
    assert found.latest_start == at(date(2026, 2, 5), "08:30")  # 8 working days, 5 and 14 February included
    assert (found.id, found.met_by) == ("DL-REG-FOR:social_bureau", "handed_in:social_bureau")
    assert not found.provisional
    kinds = [s.kind for s in found.derivation]
    assert kinds == ["article", "anchor", "counted", "shift", "result"]
    assert "2026-01-20" in found.derivation[1].text.zh
    assert "春节" in found.derivation[3].text.zh


def test_two_agencies_have_deadlines_of_their_own() -> None:
    one, two = registration(date(2026, 9, 15)), registration(date(2026, 9, 15), agency="medical_bureau")
    assert one.id != two.id
    assert two.authority == "medical_bureau"
    assert one.due == two.due == date(2026, 10, 15)


def test_agency_norm_counts_working_days_by_name() -> None:
    found = compute(
        POLICY.rule("DL-AGENCY-NORM"), date(2026, 2, 10), POLICY, remaining_steps=[], authority="medical_bureau"
    )
    assert found.due == date(2026, 3, 2)
    skipped = next(s for s in found.derivation if s.kind == "skipped")
    assert "2026-02-15–02-23 春节" in skipped.text.zh
    assert len(skipped.days) == 10
    made_up = [s for s in found.derivation if s.kind == "counted"][1]
    assert made_up.days == ["2026-02-14", "2026-02-28"]
    assert found.latest_start == found.due_at  # nothing of ours is left to do


@pytest.mark.parametrize(
    ("rule", "anchor", "due"),
    [
        ("DL-PAY-OTHER", "2026-10", date(2026, 10, 25)),  # a Sunday, not shifted
        ("DL-PAY-OTHER", date(2026, 11, 24), date(2026, 11, 25)),
        ("DL-PAY-INT", "2026-11", date(2026, 11, 15)),
        ("DL-REIMB", "2026-02", date(2026, 2, 28)),
        ("DL-REIMB", "2026-10", date(2026, 10, 30)),
        ("DL-TREATY-CERT", date(2026, 11, 30), date(2027, 2, 28)),
        ("DL-RET-EARLY", date(2026, 5, 31), date(2026, 2, 28)),
        ("INT-MATERIALS", date(2026, 9, 28), date(2026, 10, 10)),
    ],
)
def test_rules(rule: str, anchor: date | str, due: date) -> None:
    assert compute(POLICY.rule(rule), anchor, POLICY, remaining_steps=[]).due == due


def test_every_rule_gives_a_date_or_says_why_not() -> None:
    refused: dict[str, str] = {}
    for rule in POLICY.rules:
        try:
            found = compute(rule, date(2026, 10, 31), POLICY, remaining_steps=[])
        except DeadlineError as error:
            refused[rule.id] = str(error)
            continue
        assert found.derivation[-1].kind in ("result", "provisional")
        assert found.derivation[0].text.zh == f"依据：{citation(rule.source).zh}"
    assert list(refused) == ["DL-DECL-MONTH", "DL-NOTICE-Y", "DL-LATE", "DL-UNEMP-CLAIM"]
    assert all("法律未规定天数" in said for said in refused.values())


def test_unpublished_year_is_provisional_and_named() -> None:
    found = registration(date(2026, 12, 10))
    assert found.provisional
    assert found.missing_years == [2027]
    assert "2027" in found.derivation[-1].text.zh
    assert registration(date(2026, 11, 20)).provisional is False


def test_month_rule_counted_from_a_day_refuses_a_month() -> None:
    with pytest.raises(DeadlineError, match="2026-11"):
        compute(POLICY.rule("DL-REG-FOR"), "2026-11", POLICY, remaining_steps=[])


def test_a_rule_may_shift() -> None:
    rule = POLICY.rule("DL-PAY-OTHER").model_copy(update={"shift_policy": ShiftPolicy.NEXT_WORKING_DAY})
    found = compute(rule, "2026-10", POLICY, remaining_steps=[])
    assert found.due == date(2026, 10, 26)
    assert "顺延至 2026-10-26" in "".join(s.text.zh for s in found.derivation)
    taxed = rule.model_copy(update={"shift_policy": ShiftPolicy.TAX_ART109, "n": 15})
    table = filing_table(policies.read_all())
    assert compute(taxed, "2026-10", POLICY, remaining_steps=[], filing_table=table).due == date(2026, 10, 26)


def test_published_filing_dates_agree_with_the_rule() -> None:
    table = filing_table(policies.read_all())
    assert len(table) == 36
    for (month, nominal), day in table.items():
        assert tax_due(month, nominal, SCHOOL, {}).due.day == day, month
        assert tax_due(month, nominal, SCHOOL, table).source == "published"
    assert tax_due("2026-10", 15, SCHOOL, {("2026-10", 15): 23}).due == date(2026, 10, 23)  # the table wins
    assert tax_due("2027-02", 15, SCHOOL, table).provisional
    assert tax_due("2026-10", 20, SCHOOL, table).source == "rule"  # published for the 15th only
    assert tax_due("2026-02", 31, SCHOOL, table).due == date(2026, 3, 12)  # nine days of Spring Festival


def test_slack_plans_backwards() -> None:
    durations = POLICY.durations
    due = at(date(2026, 10, 15), "17:00")
    assert latest_start(due, OURS, durations, SCHOOL) == at(date(2026, 9, 30), "08:30")
    assert latest_start(due, ["hand_in"], durations, SCHOOL) == at(date(2026, 10, 15), "08:30")
    assert latest_start(due, [], durations, SCHOOL) == due
    sunday = at(date(2026, 10, 25), "17:00")
    assert latest_start(sunday, [], durations, SCHOOL) == at(date(2026, 10, 23), "17:00")
    with pytest.raises(ValueError, match="dancing"):
        latest_start(due, ["dancing"], durations, SCHOOL)


def test_replan_moves_the_latest_start_alone() -> None:
    before = registration(date(2026, 9, 15))
    after = replan(before, POLICY, remaining_steps=["hand_in"])
    assert after.latest_start == at(date(2026, 10, 15), "08:30")
    assert [p.step for p in after.plan] == ["hand_in"]
    assert after.model_copy(update={"latest_start": before.latest_start, "plan": before.plan}) == before


def test_inbox_order() -> None:
    late = registration(date(2026, 9, 15))
    pay = compute(POLICY.rule("DL-PAY-OTHER"), "2026-09", POLICY, remaining_steps=[])
    internal = late.model_copy(update={"id": "i", "legal_kind": LegalKind.INTERNAL})
    norm = late.model_copy(update={"id": "n", "legal_kind": LegalKind.NORM})
    payment = late.model_copy(update={"id": "p", "legal_kind": LegalKind.PAYMENT})
    tasks = [("c", [internal]), ("b", [norm]), ("a", [payment]), ("z", [late, internal]), ("y", [pay]), ("x", [])]
    order = sorted(tasks, key=lambda t: urgency_key(t[1], t[0]))
    assert [t[0] for t in order] == ["y", "z", "a", "b", "c", "x"]
    assert urgency_key([late], "1") < urgency_key([late], "2")
    assert most_urgent([internal, late, pay]) == pay
    assert most_urgent([met(pay, pay.due_at), internal]) == internal


def test_will_be_late_is_not_late() -> None:
    found = registration(date(2026, 9, 15))
    assert not at_risk(found, found.latest_start)
    between = datetime(2026, 10, 14, tzinfo=UTC)
    assert at_risk(found, between)
    assert not is_overdue(found, found.due_at)
    after = datetime(2026, 10, 16, tzinfo=UTC)
    assert is_overdue(found, after)
    assert not at_risk(found, after)
    assert met(found, after).breached
    assert not met(found, between).breached
    assert is_overdue(reopened(met(found, between)), after)


def test_suspension_keeps_internal_days_and_never_a_legal_date() -> None:
    target = compute(POLICY.rule("INT-MATERIALS"), date(2026, 11, 2), POLICY, remaining_steps=["materials"])
    assert target.due == date(2026, 11, 9)
    again = resumed(target, date(2026, 11, 4), date(2026, 11, 16), POLICY)
    assert again.due == date(2026, 11, 19)  # three working days were left
    assert again.generation == 2
    assert "中止" in "".join(s.text.zh for s in again.derivation)
    last_day = resumed(target, target.due, date(2026, 11, 16), POLICY)
    assert last_day.due == date(2026, 11, 17), "what was left of its last day is a day after the suspension"
    assert resumed(target, date(2026, 11, 10), date(2026, 11, 16), POLICY) == target, "it had passed before"
    assert resumed(target, target.due, target.due, POLICY) == target
    legal = registration(date(2026, 11, 2))
    assert resumed(legal, date(2026, 11, 4), date(2026, 11, 16), POLICY) == legal


def test_a_moved_deadline_says_who_allowed_it() -> None:
    found = registration(date(2026, 9, 15))
    why = Text(zh="社保局书面同意延期", en="extended in writing by the bureau")
    again = moved(found, date(2026, 10, 20), POLICY, remaining_steps=["hand_in"], why=why)
    assert (again.due, again.generation) == (date(2026, 10, 20), 2)
    assert again.latest_start == at(date(2026, 10, 20), "08:30")
    assert [s.kind for s in again.derivation][-2:] == ["extended", "result"]
    assert sum(s.kind == "result" for s in again.derivation) == 1
    twice = moved(again, date(2026, 10, 27), POLICY, remaining_steps=again.steps, why=why)
    assert (again.basis, again.steps, twice.steps) == (None, ["hand_in"], ["hand_in"])  # a decision forgets no step
    assert twice.latest_start == at(date(2026, 10, 27), "08:30")


@given(st.dates(date(2024, 2, 1), date(2026, 10, 31)), st.integers(1, 90), st.sampled_from(list(Unit)[:3]))
def test_properties_of_any_counted_deadline(anchor: date, n: int, unit: Unit) -> None:
    n = min(n, 12) if unit is Unit.MONTHS else n
    rule = DeadlineRule(
        id="T",
        title=Text(zh="试", en="t"),
        anchor="entry",
        n=n,
        unit=unit,
        legal_kind=LegalKind.STATUTORY,
        met_by="done",
        source="s",
        confidence="known",
    )
    found = compute(rule, anchor, POLICY, remaining_steps=OURS)
    assert found.due > anchor
    assert found.internal_due <= found.due
    assert SCHOOL.is_working_day(found.internal_due)
    assert found.latest_start < found.due_at
    assert SCHOOL.working_days_between(found.latest_start.date(), found.internal_due) == 7
    if unit is Unit.WORKING_DAYS:
        assert SCHOOL.working_days_between(anchor, found.due) == n
    if unit is Unit.MONTHS:
        assert found.due == add_months(anchor, n)
    assert found.provisional is (found.due.year > 2026)


def test_same_input_same_output(policy: PolicySnapshot, school: WorkCalendar) -> None:
    assert registration(date(2026, 9, 15)) == registration(date(2026, 9, 15))
    assert policy.version == snapshot(policies.read_all()).version
    assert policy.version != snapshot(policies.read_all(), {"tax_office": "portal"}).version
    assert school.closes_at == "17:00"


def test_a_rule_that_the_data_do_not_hold_is_named() -> None:
    for event in (None, date(2026, 9, 16), "2026-09"):
        with pytest.raises(UnknownRule, match="INT-DL-REIMB"):
            POLICY.rule("INT-DL-REIMB", event)
