"""The agencies' cut-off for staff changes: its day, the plan towards it, and the month for which a hand-in counts."""

from datetime import date

import pytest

from domain.cut_off import cut_off
from domain.times import at
from schemas.deadlines import CutOff, PolicySnapshot, ShiftPolicy

ALL = ("materials", "verification", "hand_in")  # 5 + 2 + 1 working days in the sample


def found(policy: PolicySnapshot, now: str, steps: tuple[str, ...] = ALL, **more: object) -> CutOff:
    agency = policy.agency("social_bureau").model_copy(update={"staff_change_cutoff_day": 20, **more})
    day, _, hour = now.partition(" ")
    result = cut_off(agency, date(2026, 9, 1), at(date.fromisoformat(day), hour or "09:00"), steps, policy)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("now", "steps", "planned", "late", "counts_for"),
    [
        ("2026-11-11", ALL, "2026-11-20", False, "2026-11"),  # the eighth working day, today among them
        ("2026-11-12", ALL, "2026-11-23", True, "2026-12"),
        ("2026-11-14", ALL, "2026-11-25", True, "2026-12"),  # from a Saturday on, counted from Monday
        ("2026-11-20 16:59", ("hand_in",), "2026-11-20", False, "2026-11"),
        ("2026-11-20 17:01", ("hand_in",), "2026-11-20", True, "2026-12"),  # the window has closed
        ("2026-12-21", ("hand_in",), "2026-12-21", True, "2027-01"),
    ],
)
def test_what_is_handed_in_after_the_cut_off_counts_for_the_next_month(
    policy: PolicySnapshot, now: str, steps: tuple[str, ...], planned: str, late: bool, counts_for: str
) -> None:
    cut = found(policy, now, steps)
    assert (str(cut.planned), cut.late, cut.counts_for) == (planned, late, counts_for)
    for words in (cut.says.zh, cut.says.en):
        assert planned in words and str(cut.due) in words and counts_for in words


def test_on_a_rest_day_it_stays_and_we_work_to_the_day_before_or_it_moves_as_the_data_say(
    policy: PolicySnapshot,
) -> None:
    cut = found(policy, "2026-09-01")  # the 20th of September 2026 is a make-up Sunday: a working day
    assert cut.due == cut.hand_in_by == date(2026, 9, 20)
    stays = found(policy, "2026-12-01", staff_change_cutoff_day=19)  # a Saturday
    assert (stays.due, stays.hand_in_by) == (date(2026, 12, 19), date(2026, 12, 18))
    assert stays.latest_start == at(date(2026, 12, 9), "08:30")
    moves = found(
        policy, "2026-12-01", staff_change_cutoff_day=19, staff_change_cutoff_shift=ShiftPolicy.NEXT_WORKING_DAY
    )
    assert moves.due == moves.hand_in_by == date(2026, 12, 21)
    assert [s.kind for s in stays.derivation] == [s.kind for s in moves.derivation] == ["anchor", "counted", "shift"]


def test_a_contract_of_a_later_month_and_a_month_shorter_than_the_day(policy: PolicySnapshot) -> None:
    agency = policy.agency("medical_bureau").model_copy(update={"staff_change_cutoff_day": 31})
    cut = cut_off(agency, date(2027, 2, 8), at(date(2026, 11, 25), "10:00"), ("hand_in",), policy)
    assert cut is not None
    assert (cut.month, cut.due, cut.late, cut.provisional) == ("2027-02", date(2027, 2, 28), False, True)
    assert cut_off(policy.agency("tax_office"), date(2027, 2, 8), cut.due_at, ("hand_in",), policy) is None


def test_what_was_handed_in_is_judged_by_its_own_day(policy: PolicySnapshot) -> None:
    agency = policy.agency("social_bureau")
    for day, counts_for in ((20, "2026-11"), (23, "2026-12")):
        then = at(date(2026, 11, day), "15:00")
        cut = cut_off(agency, date(2026, 9, 1), at(date(2027, 1, 30), "09:00"), ("hand_in",), policy, then)
        assert cut is not None
        assert (cut.handed_in, cut.counts_for) == (True, counts_for)
        assert cut.says.en.startswith(f"Handed in on 2026-11-{day}")
