"""A gap in the policy data ends the retries: it becomes an administrator's task."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
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
