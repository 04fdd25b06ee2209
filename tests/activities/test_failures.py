"""A gap in the policy data ends the retries; an absent database is not waited for as an absent authority is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor

from domain.contributions import PolicyGap
from worker.failures import FailuresSorted


class Step(ActivityInboundInterceptor):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def execute_activity(self, input: Any) -> Any:
        raise self.error


async def test_a_policy_gap_is_not_retried() -> None:
    step = FailuresSorted().intercept_activity(Step(PolicyGap("没有费率", "no rate")))
    with pytest.raises(ApplicationError, match="没有费率") as refused:
        await step.execute_activity(None)  # type: ignore[arg-type]
    assert (refused.value.type, refused.value.non_retryable) == ("PolicyGap", True)


async def test_anything_else_is_left_to_the_patience_of_the_call() -> None:
    step = FailuresSorted().intercept_activity(Step(ConnectionError("down")))
    with pytest.raises(ConnectionError):
        await step.execute_activity(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("UPDATE persons SET name = %s", {"name": "Anna Muster"}, ConnectionError("refused")),
        InterfaceError("SELECT 1", None, ConnectionError("closed")),
        PoolTimeout("no connection became free"),
    ],
)
@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (3, 4), (5, 10), (5000, 10)])
async def test_our_own_database_is_asked_again_soon_whoever_the_step_was_to_call(
    error: Exception, attempt: int, seconds: int
) -> None:
    step = FailuresSorted().intercept_activity(Step(error))
    there = ActivityEnvironment()
    there.info = replace(there.info, attempt=attempt)
    with pytest.raises(ApplicationError) as failed:
        await there.run(step.execute_activity, None)
    assert (failed.value.type, failed.value.non_retryable) == ("DatabaseAway", False)
    assert failed.value.next_retry_delay == timedelta(seconds=seconds)
    assert failed.value.__cause__ is None and "Muster" not in str(failed.value)


async def test_an_authority_that_is_away_keeps_the_patience_of_its_call() -> None:
    step = FailuresSorted().intercept_activity(Step(ApplicationError("away", type="AgencyUnavailable")))
    with pytest.raises(ApplicationError) as failed:
        await step.execute_activity(None)  # type: ignore[arg-type]
    assert failed.value.next_retry_delay is None
