"""加签 and 减签: a person is added to an approval, or taken off again before signing.

The process has the last word; here is what only the office knows: who the person is, and who may add or take off.
"""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import people_named, permissions, signatures, signers, tasks, views
from api.completion import IdempotencyKey
from api.json_body import JsonObjectRoute
from api.problems import Delegated, NotAllowed, NotAllowedNow, StaleVersion
from api.sign_in import CurrentViewer
from api.steps import send, update_id
from schemas.api import TaskView
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES, UNSIGNED, AddSigner, AddSignerBody, RemoveSigner, RemoveSignerBody
from store import audit, users
from store.database import session
from store.tables.processes import Task
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
SIGNED_OR_DID = Text(
    zh="您已签署或参与过上一步，不能再为此任务加签；请由现在的签署人或其他科长加签。",
    en="You have signed, or took part in the step before, so you add nobody here: whoever signs now, or another "
    "supervisor, can.",
)
LENT = Text(
    zh="该任务已委派给他人，委派人收回（或受委派人交回）后才能加签。",
    en="This task is delegated: somebody can be added once it is taken back or given back.",
)
NO_SEAT = Text(
    zh="会签中没有这个席位，可能已有变化；请刷新后重选。",
    en="This countersign has no such seat: reload and choose again.",
)


async def _person(s: AsyncSession, task: Task, username: str) -> None:
    """BadForm."""
    person = await people_named.active(s, username, "/username")
    people_named.not_excluded(person, task, "/username")
    if not person.has(*SIGNER_ROLES):
        text = Text(zh=f"{person.name.zh}的角色不参与审批。", en=f"The role of {person.name.en} approves nothing.")
        raise people_named.refused("/username", "not_a_candidate", text)
    alone = signers.left_alone(await signers.places(s, task), username)
    if alone is not None:
        raise people_named.refused("/username", "needed_later", alone)


async def _check(s: AsyncSession, viewer: Viewer, task: Task, body: AddSignerBody) -> None:
    await tasks.require_open(s, task)
    if not task.spec.get("sign"):
        raise NotAllowedNow
    if not permissions.may_add_signer(viewer, task):
        decides = viewer.has("supervisor") or permissions.holds(viewer, task) or task.owner in viewer.names
        if decides and task.owner is not None:
            raise Delegated(LENT)
        raise NotAllowed(SIGNED_OR_DID if permissions.excluded(viewer, task) else None)
    if body.version != task.version:
        raise StaleVersion
    await _person(s, task, body.username)


async def add(viewer: Viewer, task_id: str, body: AddSignerBody, key: str | None) -> TaskView:
    """加签. NotFound, TaskClosed, TaskSuspended, NotAllowed, NotAllowedNow, Delegated, StaleVersion, BadForm,
    SignsAlready, Unavailable."""
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
    """减签. NotFound, NotAllowed, NotAllowedNow, BadForm, SignerRequired, TooLate, TaskSuspended, Unavailable."""
    permissions.require_role(viewer, *SIGNER_ROLES)
    async with session() as s:
        task, process = await tasks.find_task(s, viewer, task_id)
        spec = tasks.spec_of(task)
        if spec.sign is None:
            raise NotAllowedNow
        seat = next((x for x in spec.sign.seats if x.id == body.seat), None)
        if seat is None:
            raise people_named.refused("/seat", "unknown_seat", NO_SEAT)
        look = await views.lookup(s, viewer, [])
        if seat.added_by is not None and seat.state in UNSIGNED and not signatures.may_remove(seat, look):
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
    people = [await users.seen_as(s, u) for u in await users.with_roles(s, list(SIGNER_ROLES))]
    able = [p for p in people if p.username not in asked and not permissions.excluded(p, task)]
    to_sign = await signers.places(s, task)
    return [(p.username, p.name) for p in able if signers.left_alone(to_sign, p.username) is None]


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
