"""Which errors of activities no retry can help: they become an administrator's task instead of being asked for ever.

A gap or a fault in the policy data stays one until somebody mends the data. Everything else (database, authorities,
our own bugs) is retried by the patience of the call.
"""

from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.policy import PolicyError


class FailuresSorted(Interceptor):
    """Given to the worker: sorts what leaves an activity."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Sorting(next)


class _Sorting(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except PolicyError as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
