"""Speeds are measured in working days, and a forecast says from when on a date will be missed, and why."""

import re
from datetime import date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import work_calendar
from domain.forecast import NAMES, STEP_OF, OpenTask, days_taken, forecast, late_from, measured, speeds
from domain.times import at, day_of
from schemas.base import Text
from schemas.deadlines import Basis, Deadline, LegalKind, Unit
from schemas.forecast import StepSpeed
from store import policies
from tests.api.conftest import deadline

SCHOOL = work_calendar(policies.snapshot().calendar("school"))
MONDAY = date(2026, 11, 23)
FRIDAY = date(2026, 11, 27)


def fast(step: str, median: int, most: int) -> StepSpeed:
    return StepSpeed(step=step, median=median, most=most, n=40, measured=True)


KNOWN = {"verification": fast("verification", 3, 5), "hand_in": fast("hand_in", 1, 2)}


def due_on(day: date, *steps: str, kind: LegalKind = LegalKind.STATUTORY) -> Deadline:
    basis = Basis(rule="DL-REG-FOR", anchor="2026-11-01", unit=Unit.CALENDAR_DAYS, steps=list(steps))
    return deadline(day, kind=kind).model_copy(update={"basis": basis})


def verifying(day: date) -> OpenTask:
    return OpenTask("enrolment.verification", at(day, "15:00"))


def noon(day: date) -> datetime:
    return at(day, "12:00")


def test_days_of_a_step_count_working_days_alone_and_both_ends() -> None:
    assert days_taken(at(MONDAY, "09:00"), at(MONDAY, "16:00"), SCHOOL) == 1
    assert days_taken(at(FRIDAY, "09:00"), at(date(2026, 11, 30), "16:00"), SCHOOL) == 2
    assert days_taken(at(date(2026, 9, 30), "09:00"), at(date(2026, 10, 8), "09:00"), SCHOOL) == 2  # the long holiday


def test_a_step_under_way_claims_no_day_before_a_working_day_has_come() -> None:
    sunday = date(2026, 11, 29)
    said = {}
    due = due_on(date(2026, 12, 10), "verification")
    for now in (sunday, date(2026, 11, 30)):
        found = forecast(due, [verifying(sunday)], KNOWN, SCHOOL, at(now, "15:05"))
        assert found is not None
        said[now] = found.says
    assert "尚未经过工作日" in said[sunday].zh and "not yet a working day" in said[sunday].en
    assert "已进行 1 个工作日" in said[date(2026, 11, 30)].zh


def test_median_and_nearest_rank() -> None:
    speed = measured("verification", [1, 1, 2, 2, 3, 3, 3, 4, 9, 30])
    assert (speed.median, speed.most, speed.n) == (3, 9, 10)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200))
def test_nine_of_ten_are_within_the_percentile(taken: list[int]) -> None:
    speed = measured("verification", taken)
    assert sum(1 for t in taken if t <= speed.most) >= 0.9 * len(taken) - 1e-9
    assert sum(1 for t in taken if t < speed.most) < 0.9 * len(taken)
    assert speed.median <= speed.most


def test_too_few_leave_the_policys_duration() -> None:
    durations = policies.snapshot().durations
    few = speeds({"verification": measured("verification", [9] * 19)}, durations, 20)["verification"]
    assert not few.measured and few.n == 19
    assert few.median == next(d.working_days for d in durations if d.step == "verification")
    assert speeds({"verification": measured("verification", [9] * 20)}, durations, 20)["verification"].median == 9


def test_a_step_within_its_usual_time_ends_when_it_usually_does() -> None:
    """Verification opened on Monday ends on Wednesday, the hand-in on Thursday: Thursday is kept, Wednesday is not."""
    for day, late in ((26, False), (25, True)):
        found = forecast(due_on(date(2026, 11, day), "verification", "hand_in"), [verifying(MONDAY)], KNOWN, SCHOOL,
                         noon(date(2026, 11, 24)))  # fmt: skip
        assert found is not None and found.late is late, day
    assert found is not None and found.late_from == at(MONDAY, "15:00")


def test_a_step_past_its_usual_time_ends_today_at_best() -> None:
    due = due_on(FRIDAY, "verification", "hand_in")
    found = forecast(due, [verifying(date(2026, 11, 16))], KNOWN, SCHOOL, noon(date(2026, 11, 26)))
    assert found is not None and found.late_from == at(FRIDAY, "00:00") and not found.late
    later = forecast(due, [verifying(date(2026, 11, 16))], KNOWN, SCHOOL, noon(FRIDAY))
    assert later is not None and later.late


def test_the_reason_is_said_in_words() -> None:
    due = due_on(FRIDAY, "verification", "hand_in")
    found = forecast(due, [verifying(date(2026, 11, 25))], KNOWN, SCHOOL, at(date(2026, 11, 25), "16:00"))
    assert found is not None and found.late
    assert found.says.zh == (
        "审核通常需要 3 个工作日（90% 在 5 日内），向机构提交通常需要 1 个工作日（90% 在 2 日内）；"
        "审核已进行 1 个工作日；今天之后通常还需 3 个工作日，距截止剩 2 个工作日：预计逾期。"
    )
    assert "verification usually takes 3 working days (90 % within 5)" in found.says.en


def test_the_reason_never_contradicts_what_it_explains() -> None:
    """Late is whatever needs more days after today than there are, on working days and rest days alike."""
    first, seen = date(2026, 11, 16), set[bool]()
    for begun, today, due in product((None, *range(0, 12, 2)), range(12), (7, 9, 10, 11)):
        now = noon(first + timedelta(days=today))
        if begun is not None and begun >= today:
            continue
        tasks = [] if begun is None else [verifying(first + timedelta(days=begun))]
        found = forecast(due_on(first + timedelta(days=due), "verification", "hand_in"), tasks, KNOWN, SCHOOL, now)
        assert found is not None
        if found.due < day_of(now):
            continue
        said = re.search(r"还需 (\d+) 个工作日，距截止剩 (\d+) 个工作日", found.says.zh)
        assert said is not None, found.says.zh
        rest, left = map(int, said.groups())
        assert found.late is (rest > left), (begun, today, due, found.says.zh)
        seen.add(found.late)
    assert seen == {True, False}


def test_slow_tenth_makes_it_tight_and_not_late() -> None:
    due = due_on(FRIDAY, "verification", "hand_in")
    found = forecast(due, [verifying(MONDAY)], KNOWN, SCHOOL, noon(MONDAY).replace(hour=10))
    assert found is not None and not found.late and found.tight


def test_what_is_met_internal_or_without_steps_has_none() -> None:
    now = noon(FRIDAY)
    met = due_on(FRIDAY, "verification").model_copy(update={"met_at": now})
    assert forecast(met, [], KNOWN, SCHOOL, now) is None
    assert forecast(due_on(FRIDAY), [], KNOWN, SCHOOL, now) is None
    assert forecast(deadline(FRIDAY), [], KNOWN, SCHOOL, now) is None
    assert late_from([due_on(FRIDAY, "verification", kind=LegalKind.INTERNAL)], [], KNOWN, SCHOOL, now) is None


@pytest.mark.parametrize("step", sorted({*STEP_OF.values()}))
def test_each_step_has_a_duration_and_a_name(step: str) -> None:
    assert step in {d.step for d in policies.snapshot().durations}
    assert isinstance(NAMES[step], Text)
