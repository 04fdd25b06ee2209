"""The API's way to Temporal: one client, update and start by name, bounded in time. No workflow code is imported here.

Never call this with a database transaction open: Temporal can take seconds, or be away.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.problems import MayFollow, Unavailable
from runtime.logging import logger
from runtime.settings import get_settings
from runtime.temporal import connect
from schemas.tasks import Refusal

T = TypeVar("T")
UNKNOWN_RETRIES = 6  # a task that the process has not opened yet is asked again
UNKNOWN_PAUSE = 0.25
HEALTH_SECONDS = 2

_client: Client | None = None
log = logger(__name__)


class NoAnswer(Exception):
    """Nothing is known about the outcome: Temporal cannot be reached, or (`NotConfirmed`) did not answer in time."""


class NotConfirmed(NoAnswer):
    """Temporal has the update, and no worker answered in time: it may still be carried out."""


class ProcessGone(Exception):
    """The process does not run (any more)."""


class Refused(Exception):
    """The process refused the update; `kind` is a `Refusal` value, `message` its own words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


def use_client(client: Client | None) -> None:
    """Replaces the client (wiring, tests)."""
    global _client
    _client = client


async def client() -> Client:
    """The client, connected lazily: the API starts while Temporal is away."""
    global _client
    if _client is None:
        _client = await connect(get_settings(), lazy=True)
    return _client


def link(process_id: str) -> str | None:
    """Where an administrator sees the workflow itself; None when the address of Temporal's pages is not known."""
    settings = get_settings()
    if not settings.temporal_ui_url:
        return None
    return f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{settings.temporal_namespace}/workflows/{process_id}"


async def update(process_id: str, name: str, argument: Any, update_id: str, result: type[T]) -> T:
    """Sends an update and waits for its result, at most `update_timeout_seconds`.

    Raises Refused, ProcessGone, NoAnswer, NotConfirmed. The same id again gives the same answer.
    """
    connected = await client()
    handle = connected.get_workflow_handle(process_id)
    try:
        async with asyncio.timeout(get_settings().update_timeout_seconds):
            for attempt in range(UNKNOWN_RETRIES + 1):
                try:
                    return await handle.execute_update(name, argument, id=update_id, result_type=result)
                except WorkflowUpdateFailedError as error:
                    kind, message = _refusal(error)
                    if kind != Refusal.TASK_UNKNOWN or attempt == UNKNOWN_RETRIES:
                        raise Refused(kind, message) from error
                await asyncio.sleep(UNKNOWN_PAUSE)
            raise NoAnswer(update_id)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        reached = await _answers(connected)
        log.warning("update_not_answered", process=process_id, update=name, id=update_id, reached=reached)
        raise (NotConfirmed if reached else NoAnswer)(update_id) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ProcessGone(process_id) from error
        raise NoAnswer(update_id) from error
    except RuntimeError as error:  # the client's own word for "cannot connect"
        raise NoAnswer(update_id) from error


async def _answers(connected: Client) -> bool:
    """Whether Temporal itself can be reached: then it was a worker that kept an update waiting, and not the way there,
    on which the client tries again in silence until its time is over."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            return await connected.service_client.check_health()
    except (TimeoutError, RPCError, RuntimeError):  # no answer, refused, or the client's own word for "cannot connect"
        return False


def unanswered(error: NoAnswer) -> Unavailable:
    """What people are told of an update without an answer: whether it may still be carried out."""
    return MayFollow() if isinstance(error, NotConfirmed) else Unavailable(headers={"Retry-After": "5"})


def _refusal(error: WorkflowUpdateFailedError) -> tuple[str, str]:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.type or "", cause.message
    return "", str(cause)


async def tried_now(process_id: str, activity_id: str) -> bool:
    """Whether an attempt of this waiting call is being made at this moment. ProcessGone, NoAnswer."""
    handle = (await client()).get_workflow_handle(process_id)
    found = await _asked(process_id, handle.describe())
    for waiting in found.raw_description.pending_activities:
        if waiting.activity_id == activity_id:
            return waiting.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    raise ProcessGone(process_id)


async def try_again(process_id: str, activity_id: str) -> None:
    """Makes the next attempt of a waiting call now, whatever pause it had come to. ProcessGone, NoAnswer."""
    connected = await client()
    request = ResetActivityRequest(
        namespace=connected.namespace, execution=WorkflowExecution(workflow_id=process_id), id=activity_id
    )
    await _asked(process_id, connected.workflow_service.reset_activity(request))


async def _asked(process_id: str, question: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(get_settings().update_timeout_seconds):
            return await question
    except RPCError as error:
        raise (ProcessGone if error.status is RPCStatusCode.NOT_FOUND else NoAnswer)(process_id) from error
    except (TimeoutError, RuntimeError) as error:
        raise NoAnswer(process_id) from error
