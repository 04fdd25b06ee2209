"""Working days of China: published years to the day, unpublished years never silently Monday to Friday."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from domain.calendar import work_calendar
from domain.policy import snapshot
from domain.times import at, day_of

SCHOOL = work_calendar(snapshot(policies.read_all()).calendar("school"))
MONTHS = {
    2024: [22, 18, 21, 22, 21, 19, 23, 22, 21, 19, 21, 22],
    2025: [19, 19, 21, 22, 19, 20, 23, 21, 23, 18, 20, 23],
    2026: [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23],
}
DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize(("year", "total"), [(2024, 251), (2025, 248), (2026, 248)])
def test_working_days_of_published_years(year: int, total: int) -> None:
    found = [SCHOOL.working_days_in(f"{year}-{m:02d}") for m in range(1, 13)]
    assert found == MONTHS[year]
    assert sum(found) == total


@pytest.mark.parametrize(
    ("day", "working", "name"),
    [
        (date(2026, 2, 14), True, "调休上班"),  # Saturday before Spring Festival
        (date(2026, 2, 16), False, "春节"),
        (date(2026, 2, 28), True, "调休上班"),
        (date(2026, 3, 1), False, "周日"),
        (date(2026, 3, 2), True, None),
    ],
)
def test_days_and_their_names(day: date, working: bool, name: str | None) -> None:
    assert SCHOOL.is_working_day(day) is working
    found = SCHOOL.name(day)
    assert (found.zh if found else None) == name


def test_spring_festival_is_skipped_by_name_and_make_up_days_count() -> None:
    assert SCHOOL.add_working_days(date(2026, 2, 13), 2) == date(2026, 2, 24)
    skipped = SCHOOL.names_of_days_skipped(date(2026, 2, 14), date(2026, 2, 24))
    assert skipped[0] == "2026-02-15 春节"
    assert len(skipped) == 9
    assert SCHOOL.last_working_day_of_month(date(2026, 2, 3)) == date(2026, 2, 28)


def test_unpublished_year_knows_its_holidays_and_says_it_is_provisional() -> None:
    assert not SCHOOL.is_published(2027)
    assert SCHOOL.is_rest(date(2027, 2, 5))  # a Friday: New Year's eve of the lunar year
    assert SCHOOL.missing_years(date(2026, 12, 30), date(2027, 1, 4)) == [2027]
    assert SCHOOL.missing_years(date(2030, 1, 1), date(2031, 1, 1)) == [2030, 2031]
    assert SCHOOL.missing_years(date(2026, 1, 1), date(2026, 12, 31)) == []


@given(DAYS, st.integers(-60, 60))
def test_adding_and_counting_agree(day: date, n: int) -> None:
    end = SCHOOL.add_working_days(day, n)
    if n:
        assert SCHOOL.is_working_day(end)
    if n > 0:
        assert SCHOOL.working_days_between(day, end) == n
        assert SCHOOL.working_days_between(end, day) == -n
    if n < 0 and SCHOOL.is_working_day(day):
        assert SCHOOL.add_working_days(end, -n) == day


@given(DAYS)
def test_next_and_last_working_day_are_the_nearest(day: date) -> None:
    after, before = SCHOOL.next_working_day(day), SCHOOL.last_working_day_on_or_before(day)
    assert before <= day < after
    assert all(SCHOOL.is_rest(before + timedelta(days=i)) for i in range(1, (after - before).days))
    assert (before == day) is SCHOOL.is_working_day(day)


@given(DAYS, st.integers(0, 23), st.integers(0, 59))
def test_shanghai_hours(day: date, hour: int, minute: int) -> None:
    instant = at(day, f"{hour:02d}:{minute:02d}")
    assert day_of(instant) == day
    assert instant.utcoffset() == timedelta(0)
    assert instant.hour == (hour - 8) % 24


def test_calendars_of_different_content_are_never_the_same() -> None:
    calendar = snapshot(policies.read_all()).calendar("school")
    other = calendar.model_copy(deep=True)
    other.years[2].work.append("2026-03-01")
    assert work_calendar(other).is_working_day(date(2026, 3, 1))
    assert work_calendar(calendar).is_rest(date(2026, 3, 1))
