"""The shipped policy data, as every test of the rules uses it."""

import pytest

import policies
from domain.calendar import WorkCalendar, work_calendar
from domain.policy import snapshot
from schemas.deadlines import PolicySnapshot


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    return policies.read_all()


@pytest.fixture(scope="session")
def policy(texts: dict[str, str]) -> PolicySnapshot:
    return snapshot(texts)


@pytest.fixture(scope="session")
def school(policy: PolicySnapshot) -> WorkCalendar:
    return work_calendar(policy.calendar("school"))
