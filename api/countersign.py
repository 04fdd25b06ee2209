"""加签 and 减签: a person is added to an approval, or taken off again before signing.

The process has the last word; here is what only the office knows: who the person is, and who may add or take off.
"""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import people_named, permissions, signatures, tasks, views
from api.completion import IdempotencyKey
from api.json_body import JsonObjectRoute
from api.problems import FourEyes, NotAllowed, NotAllowedNow, StaleVersion
from api.sign_in import CurrentViewer
from api.steps import send, update_id
from schemas.api import TaskView
from schemas.base import Text
from schemas.countersign import AddSigner, AddSignerBody, RemoveSigner, RemoveSignerBody
from store import audit, users
from store.database import session
from store.tables.processes import Task
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
SIGNERS = ("clerk", "supervisor", "head", "payroll", "finance")  # who decides cases; not who runs or audits the system


async def _person(s: AsyncSession, task: Task, username: str) -> None:
    """BadForm, FourEyes."""
    person = await people_named.active(s, username, "/username")
    if permissions.excluded(person, task):
        raise FourEyes
    if not person.has(*SIGNERS):
        text = Text(zh=f"{person.name.zh}的角色不参与审批。", en=f"The role of {person.name.en} approves nothing.")
        raise people_named.refused("/username", "not_a_candidate", text)


async def _check(s: AsyncSession, viewer: Viewer, task: Task, body: AddSignerBody) -> None:
    tasks.require_open(task)
    if not task.spec.get("sign"):
        raise NotAllowedNow
    if not permissions.may_add_signer(viewer, task):
        raise NotAllowed
    if body.version != task.version:
        raise StaleVersion
    await _person(s, task, body.username)


async def add(viewer: Viewer, task_id: str, body: AddSignerBody, key: str | None) -> TaskView:
    """加签. NotFound, TaskClosed, TaskSuspended, NotAllowed, NotAllowedNow, FourEyes, StaleVersion, BadForm,
    SignsAlready,
    Unavailable."""
    async with session() as s:
        task, process = await tasks.locked_task(s, viewer, task_id)
        spec = tasks.spec_of(task)
        seats = spec.sign.seats if spec.sign else []
        if not (key and any(x.signer.username == body.username and x.added_by == viewer.username for x in seats)):
            await _check(s, viewer, task, body)  # else the same click again, which the process knows
            audit.record(s, viewer.username, "task.add_signer", task_id, signer=body.username, where=body.where)
        process_id = process.id
    argument = AddSigner(
        task_id=task_id,
        username=body.username,
        where=body.where,
        reason=body.reason,
        version=body.version,
        actor=viewer.username,
    )
    await send(process_id, "add_signer", argument, update_id(task_id, "add_signer", key), type(None))
    async with session() as s:
        return await tasks.get_task(s, viewer, task_id)


async def remove(viewer: Viewer, task_id: str, body: RemoveSignerBody, key: str | None) -> TaskView:
    """减签. NotFound, NotAllowed, NotAllowedNow, SignerRequired, TooLate, TaskSuspended, Unavailable."""
    permissions.require_role(viewer, *SIGNERS)
    async with session() as s:
        task, process = await tasks.find_task(s, viewer, task_id)
        spec = tasks.spec_of(task)
        seat = next((x for x in spec.sign.seats if x.id == body.seat), None) if spec.sign else None
        if seat is None:
            raise NotAllowedNow
        look = await views.lookup(s, viewer, [])
        if seat.added_by is not None and seat.state in signatures.UNSIGNED and not signatures.may_remove(seat, look):
            raise NotAllowed
        audit.record(s, viewer.username, "task.remove_signer", task_id, signer=seat.signer.group)
        process_id = process.id
    argument = RemoveSigner(task_id=task_id, seat=body.seat, reason=body.reason, actor=viewer.username)
    await send(process_id, "remove_signer", argument, update_id(task_id, f"remove_signer/{body.seat}", key), type(None))
    async with session() as s:
        return await tasks.get_task(s, viewer, task_id)


async def choices(s: AsyncSession, view: TaskView) -> list[tuple[str, Text]]:
    """Who could be added to this approval: login and name."""
    if "add_signer" not in view.actions or view.countersign is None:
        return []
    asked = {x.username for x in view.countersign.signers}
    task = await s.get_one(Task, view.id)
    people = [await users.seen_as(s, u) for u in await users.with_roles(s, list(SIGNERS))]
    return [(p.username, p.name) for p in people if p.username not in asked and not permissions.excluded(p, task)]


@router.post("/tasks/{task_id}/countersign", summary="Add a signer (加签)")
async def post_add(
    viewer: CurrentViewer, task_id: str, body: AddSignerBody, idempotency_key: IdempotencyKey = None
) -> TaskView:
    return await add(viewer, task_id, body, idempotency_key)


@router.post("/tasks/{task_id}/countersign/remove", summary="Take an added signer off (减签)")
async def post_remove(
    viewer: CurrentViewer, task_id: str, body: RemoveSignerBody, idempotency_key: IdempotencyKey = None
) -> TaskView:
    return await remove(viewer, task_id, body, idempotency_key)
