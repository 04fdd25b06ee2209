"""What a published year does to an open deadline: also where its end stays and only our own plan moves."""

from datetime import date

import policies
from domain import policy
from domain.deadlines import compute
from domain.policy_changes import overlay
from domain.policy_impact import OpenDeadline, finalised_by, moved_by
from domain.times import at
from schemas.deadlines import PolicySnapshot
from schemas.policy import ChangeKind, MovedDeadline, PolicyChange

TEXTS = policies.read_all()
NOW = at(date(2026, 11, 25), "09:00")
STEPS = ["materials", "verification", "hand_in"]
REST = ["2027-01-01/2027-01-03", "2027-01-05/2027-01-07", "2027-02-05/2027-02-12"]


def published(*rest: str) -> PolicySnapshot:
    """The rules with the year 2027 as a notice might say it."""
    new = {"doc": "国办发明电〔2026〕5号", "rest": list(rest), "work": []}
    change = PolicyChange(file="calendar.yaml", kind=ChangeKind.YEAR, key="2027", new=new, source="试验通知")
    return policy.snapshot(overlay(TEXTS, [change]))


def opened(rules: PolicySnapshot, permit: date) -> OpenDeadline:
    found = compute(rules.rule("DL-REG-FOR", permit), permit, rules, remaining_steps=STEPS)
    return OpenDeadline("process", "case", found)


def test_a_deadline_whose_end_stays_is_shown_where_our_own_plan_moves() -> None:
    old, new = policy.snapshot(TEXTS), published(*REST)
    item = opened(old, date(2026, 12, 12))  # due on 11 January, whatever the calendar says
    [move] = moved_by([item], old, new, NOW)
    assert (move.old_due, move.new_due) == (date(2027, 1, 11), date(2027, 1, 11))
    assert move.new_start < move.old_start and move.replanned and move.automatic and move.becomes_final
    assert finalised_by([item], new) == [item]


def test_a_change_of_our_own_steps_is_shown_as_well() -> None:
    change = PolicyChange(
        file="step_durations.yaml", kind=ChangeKind.FIELDS, key="steps[verification]", new={"working_days": 4},
        source="本校测算",
    )  # fmt: skip
    old, new = policy.snapshot(TEXTS), policy.snapshot(overlay(TEXTS, [change]))
    moves: list[MovedDeadline] = moved_by([opened(old, date(2026, 11, 24))], old, new, NOW)
    assert [(m.replanned, m.automatic, m.new_start < m.old_start) for m in moves] == [(True, False, True)]
    assert moved_by([opened(old, date(2026, 11, 24))], old, old, NOW) == []
