"""Going back: 退回 by whoever has the task, 撤回 by whoever did the step before.

permission and what only the inbox knows (who holds it, who has a draft) → commit → Update → outcome. The process has
the last word. The same `Idempotency-Key` again gives the same answer; 503 means that nothing was done, 504 that it
may still be done: ask again with the same key, which does nothing twice.
"""

import uuid
from typing import Any

from fastapi import APIRouter

from api import engine, permissions, tasks
from api.completion import REFUSALS, IdempotencyKey
from api.json_body import JsonObjectRoute
from api.problems import BadTarget, Delegated, NotAllowed, NotAllowedNow, StaleVersion, TaskClosed, TooLate
from api.sign_in import CurrentViewer
from schemas.api import TaskView
from schemas.base import Text
from schemas.steps import ReturnBody, Returning, Withdrawal, WithdrawBody
from schemas.tasks import TaskState
from store import audit, cases, users
from store.database import session
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
NOT_YOURS = Text(
    zh="这不是您提交的办理结果，只有提交人可以撤回；如有错误，请由下一步退回。",
    en="This answer is not yours: only who gave it withdraws it. If it is wrong, the next step returns it.",
)


async def send(process_id: str, name: str, argument: Any, update_id: str, result: type[Any]) -> Any:
    """An Update of a verb; what it is refused with becomes the problem of that name. Unavailable, or MayFollow, without
    an answer."""
    try:
        return await engine.update(process_id, name, argument, update_id, result)
    except engine.NoAnswer as error:
        raise engine.unanswered(error) from error
    except engine.ProcessGone as error:
        raise TaskClosed from error
    except engine.Refused as refusal:
        raise REFUSALS.get(refusal.kind, NotAllowedNow)() from refusal


def update_id(task_id: str, name: str, key: str | None) -> str:
    return f"{task_id}/{name}/{key or uuid.uuid4()}"


async def return_task(viewer: Viewer, task_id: str, body: ReturnBody, key: str | None) -> TaskView:
    """Sends the task back. NotFound, NotAllowed, FourEyes, TaskClosed, TaskSuspended, TaskHeld, StaleVersion,
    BadTarget,
    Unavailable."""
    async with session() as s:
        task, _ = await tasks.locked_task(s, viewer, task_id)
        if not (task.state == "returned" and task.completed_by == viewer.username and key):  # the same click again
            permissions.require_work(viewer, task)
            await tasks.require_open(s, task)
            permissions.require_free(viewer, task, await users.names(s))
            if task.owner is not None:
                raise Delegated
            if body.version != task.version:
                raise StaleVersion
            if not any(t.step == body.to and body.way in t.ways for t in tasks.spec_of(task).return_to):
                raise BadTarget
            await tasks.require_unanswered(s, task)
            audit.record(s, viewer.username, "task.return", task_id, to=body.to, way=body.way)
        process_id = task.process_id
    argument = Returning(
        task_id=task_id, to=body.to, way=body.way, reason=body.reason, version=body.version, actor=viewer.username
    )
    await send(process_id, "return_task", argument, update_id(task_id, "return", key), TaskState)
    async with session() as s:
        return await tasks.get_task(s, viewer, task_id)


async def withdraw(viewer: Viewer, task_id: str, body: WithdrawBody, key: str | None) -> TaskView:
    """Takes the viewer's own answer back. NotFound, NotAllowed, NotAllowedNow, TooLate, TaskSuspended, Unavailable."""
    async with session() as s:
        task, _ = await tasks.locked_task(s, viewer, task_id)
        if task.closed_at is None:
            raise NotAllowedNow
        if task.completed_by != viewer.username:
            raise NotAllowed(NOT_YOURS)
        # Only the inbox knows a draft; everything else is for the process to say, which knows the same click again.
        if any(f.draft is not None for f in await cases.following(s, task, lock=True)):
            raise TooLate
        audit.record(s, viewer.username, "task.withdraw", task_id)
        process_id = task.process_id
    argument = Withdrawal(task_id=task_id, reason=body.reason, actor=viewer.username)
    await send(process_id, "withdraw_task", argument, update_id(task_id, "withdraw", key), TaskState)
    async with session() as s:
        return await tasks.get_task(s, viewer, task_id)


@router.post("/tasks/{task_id}/return", summary="Return to an earlier step (退回)")
async def post_return(
    viewer: CurrentViewer, task_id: str, body: ReturnBody, idempotency_key: IdempotencyKey = None
) -> TaskView:
    return await return_task(viewer, task_id, body, idempotency_key)


@router.post("/tasks/{task_id}/withdraw", summary="Withdraw one's own answer (撤回)")
async def post_withdraw(
    viewer: CurrentViewer, task_id: str, body: WithdrawBody, idempotency_key: IdempotencyKey = None
) -> TaskView:
    return await withdraw(viewer, task_id, body, idempotency_key)
