"""Planning backwards: each step has its latest start, the first one that of the deadline; slack in working days."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from domain.calculations import CALCULATIONS, Context, Rules
from domain.calendar import work_calendar
from domain.deadlines import compute, replan
from domain.policy import snapshot
from domain.slack import STEPS_OF_STAGE, latest_start, plan_back, planned_in, slack_days
from domain.times import at, day_of
from schemas.deadlines import StepDuration

POLICY = snapshot(policies.read_all())
SCHOOL = work_calendar(POLICY.calendar("school"))
RULES = Rules(policies.read_all())
DAYS = st.dates(date(2024, 3, 1), date(2026, 12, 20))
LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=6)
STEPS = ["materials", "verification", "hand_in"]


def calc(**given: Any) -> dict[str, Any]:
    calculation = CALCULATIONS["plan-back"]
    answer = calculation.run(calculation.input.model_validate(given), Context(RULES, date(2026, 11, 25)))
    return answer.model_dump(mode="json")


def durations(lengths: list[int]) -> list[StepDuration]:
    return [StepDuration(step=str(n), working_days=days) for n, days in enumerate(lengths)]


def test_a_registration_over_the_national_holiday() -> None:
    """Thirty days from the permit of 2026-09-15; 1 to 7 October are off, Saturday the 10th is a working day."""
    rule = POLICY.rule("DL-REG-FOR")
    found = compute(rule, date(2026, 9, 15), POLICY, remaining_steps=STEPS, authority="social_bureau")
    assert [(p.step, str(day_of(p.latest_start)), str(p.latest_end)) for p in found.plan] == [
        ("materials", "2026-09-30", "2026-10-12"),
        ("verification", "2026-10-13", "2026-10-14"),
        ("hand_in", "2026-10-15", "2026-10-15"),
    ]
    assert found.plan[0].latest_start == found.latest_start
    assert replan(found, POLICY, remaining_steps=["hand_in"]).plan == found.plan[2:]
    days = (date(2026, 9, 28), date(2026, 9, 30), date(2026, 10, 8))
    assert [slack_days(found.latest_start, d, SCHOOL) for d in days] == [2, 0, -1]


def test_a_stage_is_planned_by_its_own_agency_and_else_by_the_common_date() -> None:
    rule = POLICY.rule("DL-REG-FOR")
    social = compute(rule, date(2026, 9, 15), POLICY, remaining_steps=STEPS, authority="social_bureau")
    assert [planned_in(s, [social]) for s in ("materials", "verification", "social_bureau", "medical_bureau")] == [
        social.plan[0], social.plan[1], social.plan[2], social.plan[2],
    ]  # fmt: skip
    medical = compute(rule, date(2026, 9, 22), POLICY, remaining_steps=["hand_in"], authority="medical_bureau")
    assert planned_in("medical_bureau", [social, medical]) == medical.plan[0], "its own, though another is earlier"
    assert planned_in("social_bureau", [medical, social]) == social.plan[2]
    assert planned_in("notice", [social, medical]) is None
    met = social.model_copy(update={"met_at": social.due_at})
    assert planned_in("materials", [met]) is None
    stages = {"materials", "verification", "confirm", "approval", "payment", "voucher"}
    steps = {d.step for d in POLICY.durations} - stages - {"decision"}  # decided beside a stage, never planned
    assert steps == {step for those in STEPS_OF_STAGE.values() for step in those}


@given(DAYS, LENGTHS)
@settings(max_examples=150)
def test_steps_follow_each_other_and_take_their_working_days(due: date, lengths: list[int]) -> None:
    end, steps = at(due, "17:00"), durations(lengths)
    found = plan_back(end, [s.step for s in steps], steps, SCHOOL)
    assert [p.working_days for p in found] == lengths
    assert found[-1].latest_end == SCHOOL.last_working_day_on_or_before(due)
    for one, following in pairwise(found):
        assert one.latest_end <= day_of(following.latest_start)
        assert one.latest_start <= following.latest_start
    for p in found:
        if p.working_days:
            first = day_of(p.latest_start)
            assert SCHOOL.working_days_between(first, p.latest_end) + 1 == p.working_days
            assert SCHOOL.is_working_day(first) and SCHOOL.is_working_day(p.latest_end)
    if lengths[0]:
        assert found[0].latest_start == latest_start(end, [s.step for s in steps], steps, SCHOOL)


@given(DAYS, LENGTHS)
@settings(max_examples=100)
def test_a_later_day_never_asks_for_an_earlier_start(due: date, lengths: list[int]) -> None:
    steps = durations(lengths)
    one, later = (
        plan_back(at(d, "17:00"), [s.step for s in steps], steps, SCHOOL) for d in (due, due + timedelta(days=1))
    )
    assert all(a.latest_start <= b.latest_start for a, b in zip(one, later, strict=True))


@given(DAYS, st.integers(0, 40))
def test_slack_is_what_lies_between(today: date, days: int) -> None:
    latest = SCHOOL.add_working_days(today, days)
    assert slack_days(at(latest, "08:30"), today, SCHOOL) == days


def test_who_is_late_on_a_rest_day_is_late() -> None:
    friday = at(date(2026, 11, 20), "08:30")
    days = (date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24))
    assert [slack_days(friday, d, SCHOOL) for d in days] == [0, -1, -1, -1, -2]
    made_up = at(date(2026, 10, 10), "08:30")  # a Saturday at work; the Sunday after it is off
    assert slack_days(made_up, date(2026, 10, 11), SCHOOL) == -1
    found = calc(due="2026-11-20", plan=[{"step": "提交", "working_days": 1}], today="2026-11-21")
    assert found["slack"] == -1 and "已晚 1 个工作日" in str(found["steps"])


@given(DAYS, st.integers(0, 60))
def test_slack_is_negative_exactly_when_the_day_has_passed(latest: date, passed: int) -> None:
    latest = SCHOOL.last_working_day_on_or_before(latest)
    found = slack_days(at(latest, "08:30"), latest + timedelta(days=passed), SCHOOL)
    assert (found < 0) == (passed > 0)


@given(DAYS, LENGTHS, st.integers(-20, 20))
@settings(max_examples=100)
def test_a_due_day_moved_by_working_days_moves_each_step_and_the_slack_by_as_many(
    due: date, lengths: list[int], moved_by: int
) -> None:
    steps = durations(lengths)
    due = SCHOOL.last_working_day_on_or_before(due)
    one, other = (
        plan_back(at(d, "17:00"), [s.step for s in steps], steps, SCHOOL)
        for d in (due, SCHOOL.add_working_days(due, moved_by))
    )
    for a, b in zip(one, other, strict=True):
        assert SCHOOL.add_working_days(day_of(a.latest_start), moved_by) == day_of(b.latest_start)
        assert SCHOOL.add_working_days(a.latest_end, moved_by) == b.latest_end
    before, after = (slack_days(p[0].latest_start, due, SCHOOL) for p in (one, other))
    assert after - before == moved_by


def test_the_calculation_says_how_late_it_is_and_which_year_is_missing() -> None:
    plan = [{"step": "收集材料", "working_days": 5}, {"step": "提交", "working_days": 1}]
    found = calc(due="2026-10-15", plan=plan, today="2026-10-13")
    assert (found["latest_start"], found["slack"], found["provisional"]) == ("2026-10-09", -3, False)
    assert "已晚 3 个工作日" in str(found["steps"])
    assert calc(due="2027-01-05", plan=plan, today="2026-12-01")["missing_years"] == [2027]
    own = {"2026": {"rest": ["2026-10-12"], "work": []}}
    assert calc(due="2026-10-15", plan=plan, today="2026-10-01", calendar=own)["latest_start"] == "2026-10-07"
