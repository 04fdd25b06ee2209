"""Ladders: each rung at its minute, none on a rest day, each once, moving with its deadline."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from domain.calendar import work_calendar
from domain.deadlines import compute, met, moved
from domain.ladder import due_rungs, last_of_each, next_rung, rungs, told_at_once, when
from domain.policy import snapshot
from domain.times import at, day_of
from schemas.base import Text
from schemas.deadlines import Deadline

POLICY = snapshot(policies.read_all())
SCHOOL = work_calendar(POLICY.calendar("school"))


def deadline(rule: str, anchor: date | str, authority: str | None = None) -> Deadline:
    return compute(POLICY.rule(rule), anchor, POLICY, remaining_steps=[], authority=authority)


def ladder(found: Deadline) -> dict[str, str]:
    return {r.rung: f"{(r.at + timedelta(hours=8)):%m-%d %H:%M}" for r in rungs([found], POLICY.ladder, POLICY)}


def test_statutory_ladder_over_spring_festival() -> None:
    """Due 19 February 2026 in the festival: the last working day before is Saturday 14, a make-up day."""
    assert ladder(deadline("DL-REG-FOR", date(2026, 1, 20), "social_bureau")) == {
        "holder-7": "02-05 08:30",
        "holder-3": "02-11 08:30",
        "supervisor-3": "02-11 08:30",
        "holder-1": "02-13 08:30",
        "head-1": "02-13 08:30",
        "holder-0": "02-14 08:30",
        "head-breach": "02-24 08:30",
    }


def test_payment_ladder_has_no_supervisor_and_breaches_at_closing() -> None:
    assert ladder(deadline("DL-PAY-OTHER", "2026-11")) == {
        "holder-7": "11-16 08:30",
        "holder-3": "11-20 08:30",
        "holder-1": "11-24 08:30",
        "holder-0": "11-25 08:30",
        "head-breach": "11-25 17:00",
    }


def test_internal_ladder_tells_the_supervisor_the_working_day_after() -> None:
    """Opened on Thursday 24 September: due on 9 October; nothing on the day it was opened or before."""
    found = deadline("INT-MATERIALS", date(2026, 9, 24))
    assert found.due == date(2026, 10, 9)
    assert ladder(found) == {
        "holder-3": "09-29 08:30",
        "holder-1": "10-08 08:30",
        "holder-0": "10-09 08:30",
        "supervisor-after-1": "10-10 08:30",
    }


@pytest.mark.parametrize(
    ("rule", "anchor", "days", "told"),
    [  # days from the anchor (Thursday 26 November 2026) to the decided day; who is told by what, when all is past
        (
            "DL-REG-FOR",
            date(2026, 11, 26),
            0,
            {"holder": "holder-0", "supervisor": "supervisor-3", "head": "head-breach"},
        ),
        (
            "DL-REG-FOR",
            date(2026, 11, 26),
            1,
            {"holder": "holder-0", "supervisor": "supervisor-3", "head": "head-breach"},
        ),
        (
            "DL-REG-FOR",
            date(2026, 11, 26),
            4,
            {"holder": "holder-0", "supervisor": "supervisor-3", "head": "head-breach"},
        ),
        (
            "DL-REG-FOR",
            date(2026, 11, 26),
            9,
            {"holder": "holder-0", "supervisor": "supervisor-3", "head": "head-breach"},
        ),
        ("INT-MATERIALS", date(2026, 11, 26), 1, {"holder": "holder-0", "supervisor": "supervisor-after-1"}),
        ("INT-MATERIALS", date(2026, 11, 26), 0, {"supervisor": "supervisor-after-1"}),
    ],
)
def test_each_level_is_told_once_of_a_date_in_the_past(
    rule: str, anchor: date, days: int, told: dict[str, str]
) -> None:
    """However close to its anchor the day was set: who would hear nothing hears of the breach, and no one hears twice
    when such a date moves again within the past."""
    old = deadline(rule, anchor, "social_bureau" if rule == "DL-REG-FOR" else None)
    why = Text(zh="书面决定", en="decided in writing")
    new = moved(old, anchor + timedelta(days=days), POLICY, remaining_steps=[], why=why)
    now = at(date(2026, 12, 14), "09:00")
    past = due_rungs(rungs([new], POLICY.ladder, POLICY), set(), now)
    said = told_at_once(past, set(), old, new, now)
    assert {r.to: r.rung for r in said} == told
    assert len(said) == len(told)
    assert all(r.at >= new.due_at for r in said if r.to != "holder" and days < 4)
    again = moved(new, anchor + timedelta(days=days + 1), POLICY, remaining_steps=[], why=why)
    fired = {r.key for r in past}
    past = due_rungs(rungs([again], POLICY.ladder, POLICY), fired, now)
    assert {r.to for r in told_at_once(past, fired, new, again, now)} <= {"holder"} - set(told)


def test_who_was_not_warned_in_time_is_told_with_the_breach() -> None:
    known = deadline("DL-REG-FOR", date(2026, 11, 26), "social_bureau")
    close = moved(known, date(2026, 11, 27), POLICY, remaining_steps=[], why=Text(zh="决定", en="decided"))
    assert ladder(close) == {
        "holder-0": "11-27 08:30",
        "supervisor-3": ladder(close)["head-breach"],
        "head-breach": ladder(close)["head-breach"],
    }
    assert when("supervisor-3", POLICY.ladder, with_breach=True).zh == "到期未完成"
    assert when("supervisor-after-1", POLICY.ladder, with_breach=True).zh == "到期后第 1 个工作日"


def test_agency_norm_is_chased_at_seven_working_days() -> None:
    found = deadline("DL-AGENCY-NORM", date(2026, 2, 10), "social_bureau")
    chase = next(r for r in rungs([found], POLICY.ladder, POLICY) if r.rung == "chase")
    assert SCHOOL.working_days_between(date(2026, 2, 10), day_of(chase.at)) == 7
    assert chase.key == "DL-AGENCY-NORM:social_bureau:1:chase"
    assert chase.to == "holder"


@pytest.mark.parametrize(
    ("rung", "zh", "en"),
    [
        ("holder-3", "到期前 3 个工作日", "3 working days before it is due"),
        ("head-1", "到期前 1 个工作日", "1 working day before it is due"),
        ("holder-0", "到期当日", "on the day it is due"),
        ("supervisor-after-1", "到期后第 1 个工作日", "1 working day after it was due"),
        ("head-breach", "到期未完成", "not done when it was due"),
        ("chase", "办理期限将满", "its norm is nearly used up"),
    ],
)
def test_a_rung_says_where_it_stands(rung: str, zh: str, en: str) -> None:
    said = when(rung, POLICY.ladder)
    assert (said.zh, said.en) == (zh, en)


def test_missed_rungs_come_in_order_and_once() -> None:
    found = deadline("DL-REG-FOR", date(2026, 9, 15), "social_bureau")
    all_rungs = rungs([found], POLICY.ladder, POLICY)
    now = at(date(2026, 10, 14), "09:00")
    due = due_rungs(all_rungs, set(), now)
    assert [r.rung for r in due] == ["holder-7", "holder-3", "supervisor-3", "head-1", "holder-1"]
    assert [r.rung for r in last_of_each(due)] == ["supervisor-3", "head-1", "holder-1"]
    assert due_rungs(all_rungs, {r.key for r in due}, now) == []
    following = next_rung(all_rungs, {r.key for r in due}, now)
    assert following is not None
    assert following.at == at(date(2026, 10, 15), "08:30")
    assert next_rung(all_rungs, set(), at(date(2026, 12, 1), "09:00")) is None


def test_met_deadline_is_silent_and_a_moved_one_starts_again() -> None:
    found = deadline("DL-REG-FOR", date(2026, 9, 15), "social_bureau")
    assert rungs([met(found, found.due_at)], POLICY.ladder, POLICY) == []
    later = moved(
        found, date(2026, 10, 20), POLICY, remaining_steps=[], why=Text(zh="书面同意", en="agreed in writing")
    )
    before = {r.key for r in rungs([found], POLICY.ladder, POLICY)}
    after = {r.key for r in rungs([later], POLICY.ladder, POLICY)}
    assert before.isdisjoint(after)
    assert len(before) == len(after) == 7


@settings(max_examples=200)
@given(
    st.dates(date(2024, 1, 1), date(2026, 11, 30)),
    st.sampled_from(["DL-REG-FOR", "DL-AGENCY-NORM", "INT-MATERIALS", "DL-PAY-OTHER", "DL-REIMB"]),
    st.sampled_from(["social_bureau", "medical_bureau"]),
)
def test_properties_of_any_ladder(anchor: date, rule: str, agency: str) -> None:
    found = deadline(rule, anchor, agency if rule in ("DL-REG-FOR", "DL-AGENCY-NORM") else None)
    made = rungs([found], POLICY.ladder, POLICY)
    assert made == sorted(made, key=lambda r: r.at)
    assert len({r.key for r in made}) == len(made)
    breach = next((r.at for r in made if r.rung == "head-breach"), found.due_at)  # targets have none
    assert breach >= found.due_at
    for rung in made:
        assert SCHOOL.is_working_day(day_of(rung.at))
        if rung.rung == "head-breach" or "after" in rung.rung:
            continue
        if rung.at >= found.due_at:  # one who would have heard nothing is told with the breach
            assert rung.at == breach and [r for r in made if r.to == rung.to] == [rung]
    if rule == "DL-REG-FOR":
        by_rung = {r.rung: day_of(r.at) for r in made}
        for n in (7, 3, 1):
            assert SCHOOL.working_days_between(by_rung[f"holder-{n}"], by_rung["holder-0"]) == n
