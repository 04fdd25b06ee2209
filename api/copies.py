"""抄送: telling people of a task or a case, and the mark that they have read it.

Only those who may open it can be told; a copy gives no right of its own.
"""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import own_case, people_named, permissions, views
from api.json_body import JsonObjectRoute
from api.problems import NotAllowed, NotFound
from api.sign_in import CurrentViewer
from runtime import clock
from runtime.clock import real_now
from schemas.api import CopyView
from schemas.base import Text
from schemas.desk import CopyBody
from store import cases, copies, inbox, messages
from store.database import session
from store.inbox_events import note
from store.tables.people import User
from store.tables.processes import Process, Task
from store.users import Viewer

router = APIRouter(tags=["copies"], route_class=JsonObjectRoute)
ONESELF = Text(zh="不必抄送给自己，请另选一人。", en="You need no copy yourself: choose somebody else.")
OWN_CASE = Text(
    zh="这是关于您本人的个案，只能由经办人员抄送。", en="This case is about you: only the office copies it."
)


async def copy_task(s: AsyncSession, viewer: Viewer, task_id: str, body: CopyBody) -> list[CopyView]:
    """Tells people of a task. NotFound, NotAllowed, BadForm for somebody who may not open it."""
    found = await inbox.find(s, viewer, task_id)
    if found is None:
        raise NotFound
    task, process = found
    _require(viewer, process)
    people = [await people_named.active(s, name, "/usernames") for name in dict.fromkeys(body.usernames)]
    _not_oneself(viewer, people)
    for person in people:
        if await inbox.find(s, person, task_id) is None:
            raise _may_not_see(person)
    await _add(s, viewer, people, process, task, body.note)
    look = await views.lookup(s, viewer, [])
    return [views.copy_view(c, look) for c in await copies.of_task(s, process.id, task.id)]


async def copy_case(s: AsyncSession, viewer: Viewer, process_id: str, body: CopyBody) -> list[CopyView]:
    """Tells people of a whole case: its open tasks show under 抄送我. NotFound, NotAllowed, BadForm."""
    process = await cases.find(s, viewer, process_id)
    if process is None:
        raise NotFound
    _require(viewer, process)
    people = [await people_named.active(s, name, "/usernames") for name in dict.fromkeys(body.usernames)]
    _not_oneself(viewer, people)
    for person in people:
        if await cases.find(s, person, process_id) is None:
            raise _may_not_see(person)
    await _add(s, viewer, people, process, None, body.note)
    look = await views.lookup(s, viewer, [])
    return [views.copy_view(c, look) for c in await copies.of_case(s, process.id)]


def _require(viewer: Viewer, process: Process) -> None:
    only_subject = own_case.only_subject(viewer, process)
    if not permissions.may_copy(viewer, only_subject=only_subject):
        raise NotAllowed(OWN_CASE if only_subject else None)


def _may_not_see(person: Viewer) -> Exception:
    text = Text(
        zh=f"{person.name.zh}无权查看此人的资料，不能抄送。",
        en=f"{person.name.en} may not see this person's data: no copy.",
    )
    return people_named.refused("/usernames", "may_not_see", text)


def _not_oneself(viewer: Viewer, people: Sequence[Viewer]) -> None:
    if any(p.username == viewer.username for p in people):
        raise people_named.refused("/usernames", "oneself", ONESELF)


async def _add(
    s: AsyncSession, viewer: Viewer, people: Sequence[Viewer], process: Process, task: Task | None, note_text: str
) -> None:
    named = {p.username: p for p in people}
    task_id = task.id if task is not None else None
    new = await copies.add(
        s, process.id, task_id, list(named), added_by=viewer.username, note=note_text, now=real_now()
    )
    if not new:
        return
    to_zh, to_en = "、".join(named[n].name.zh for n in new), ", ".join(named[n].name.en for n in new)
    words = Text(zh=f"{viewer.name.zh}抄送给{to_zh}", en=f"Copied by {viewer.name.en} to {to_en}")
    action = "task.copy" if task is not None else "process.copy"
    event = await note(s, viewer, action, words, process, task, told=new)
    for name in new:
        if name == viewer.username:
            continue
        what = messages.subject_of(process, task)
        said = Text(zh=f"{viewer.name.zh}抄送给您：{what.zh}", en=f"{viewer.name.en} copied you: {what.en}")
        link = f"/tasks/{task.id}" if task is not None else f"/processes/{process.id}"
        await messages.notify(
            s, await s.get_one(User, name), said, key=f"copy/{event.id}/{name}", link=link, process_id=process.id,
            task_id=task_id, now=clock.now(),
        )  # fmt: skip


async def mark_read(s: AsyncSession, viewer: Viewer, process_id: str, task_id: str | None = None) -> int:
    """The viewer has opened it; the first reading is kept. Returns how many copies were unread."""
    return await copies.mark_read(s, viewer.username, process_id, task_id, real_now())


@router.post("/tasks/{task_id}/copies", status_code=201, summary="抄送: tell people of a task")
async def post_task(viewer: CurrentViewer, task_id: str, body: CopyBody) -> list[CopyView]:
    async with session() as s:
        return await copy_task(s, viewer, task_id, body)


@router.post("/processes/{process_id}/copies", status_code=201, summary="抄送: tell people of a case")
async def post_case(viewer: CurrentViewer, process_id: str, body: CopyBody) -> list[CopyView]:
    async with session() as s:
        return await copy_case(s, viewer, process_id, body)


@router.post("/tasks/{task_id}/read", status_code=204, summary="已阅: I have read what was copied to me")
async def post_read(viewer: CurrentViewer, task_id: str) -> None:
    async with session() as s:
        found = await inbox.find(s, viewer, task_id)
        if found is None:
            raise NotFound
        await mark_read(s, viewer, found[1].id, task_id)
