"""What leaves an activity: which errors no retry can help, and which steps keep failing, so that people see them.

A gap or a fault in the policy data stays one until somebody mends the data. Everything else (database, authorities,
our own bugs) is retried by the patience of the call, and what still fails some seconds after it was first tried stands
on the incident desk until an attempt succeeds. Writing there never changes what becomes of the activity.

The long pauses before an authority is asked again are for its own outages. When our database is away the step is tried
again as soon as any step of our own, whoever it was to call: it goes on within seconds of the database's return.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError, is_cancelled_exception
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.policy import PolicyError
from runtime import clock
from runtime.logging import logger
from store import incidents
from store.database import AWAY, session
from store.incidents import Fault
from workflows.calls import OWN_BOOKS

KEEPS_FAILING = timedelta(seconds=5)  # of trying; numbers of attempts begin anew when a person asks for a retry
SILENT = timedelta(minutes=1)  # longer than any attempt may take
DATABASE_AWAY = "DatabaseAway"
NO_ANSWER = Fault("NoAnswer")  # an attempt ended without a word: it took too long, or its worker died
log = logger(__name__)


class FailuresSorted(Interceptor):
    """Given to the worker: sorts what leaves an activity."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Sorting(next)


class _Sorting(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info() if activity.in_activity() else None
        if info is not None and _tried_for(info) >= SILENT:
            await _note(info, NO_ANSWER, only_new=True)
        try:
            result = await super().execute_activity(input)
        except PolicyError as error:
            await _end(info, "failed")
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
        except Exception as error:
            if isinstance(error, ApplicationError) and error.non_retryable:
                await _end(info, "failed")
            elif info is not None and _tried_for(info) >= KEEPS_FAILING and not is_cancelled_exception(error):
                await _note(info, fault_of(error))
            if isinstance(error, AWAY):
                # The database's own sentence can quote the statement's values, so it is not passed on.
                delay = soon_again(info.attempt if info is not None else 1)
                raise ApplicationError(
                    f"{type(error).__name__}: {DATABASE_AWAY}", type=DATABASE_AWAY, next_retry_delay=delay
                ) from None
            raise
        await _end(info, "succeeded")
        return result


def fault_of(error: BaseException) -> Fault:
    """The type, and the sentence where the error is one of ours: a foreign one can quote a person's data."""
    if isinstance(error, ApplicationError):
        return Fault(error.type or "ApplicationError", error.message[:500])
    if isinstance(error, AWAY):
        return Fault(DATABASE_AWAY, type(error).__name__)
    return Fault(type(error).__name__)


def soon_again(attempt: int) -> timedelta:
    """The pause after this attempt by the patience of our own steps."""
    doublings = min(attempt - 1, 10)  # beyond that it is the longest pause anyway
    grown = OWN_BOOKS.initial_interval * OWN_BOOKS.backoff_coefficient**doublings
    return min(grown, OWN_BOOKS.maximum_interval or grown)


def _tried_for(info: activity.Info) -> timedelta:
    """From the first attempt's hour to this one's; nothing for a first attempt, however long it waited for a worker."""
    return info.current_attempt_scheduled_time - info.scheduled_time


def incident_of(info: activity.Info) -> str:
    """One scheduled call, whatever number of attempts it takes."""
    parts = (info.workflow_run_id, info.activity_id, info.scheduled_time.isoformat())
    return incidents.incident_id("activity", *(part or "" for part in parts))


async def _note(info: activity.Info, fault: Fault, *, only_new: bool = False) -> None:
    try:
        async with session() as s:
            await incidents.failing(
                s, incident_of(info), "retrying", info.workflow_id or "", fault, clock.real_now(),
                step=info.activity_type, activity_id=info.activity_id, attempts=info.attempt, only_new=only_new,
            )  # fmt: skip
    except (SQLAlchemyError, OSError) as error:
        log.warning("incident_not_noted", step=info.activity_type, error=type(error).__name__)


async def _end(info: activity.Info | None, ended: str) -> None:
    if info is None or _tried_for(info) < KEEPS_FAILING:
        return
    try:
        async with session() as s:
            await incidents.end(s, incident_of(info), ended, clock.real_now())
    except (SQLAlchemyError, OSError) as error:  # the sweep ends it later
        log.warning("incident_not_ended", step=info.activity_type, error=type(error).__name__)
