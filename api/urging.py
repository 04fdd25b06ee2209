"""催办: somebody who waits for a task asks its holder to hurry.

Invariants: at most once in the pause of `policies/process_settings.yaml` per task and holder, whoever asks (the row is
locked, so two at once are one); it stands in the timeline and shows on the task; it changes neither holder nor
deadline, and goes with the task to whoever has it when it leaves the house.
"""

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, views
from api.handover import message
from api.json_body import JsonObjectRoute
from api.problems import NotAllowed, TooSoon
from api.sign_in import CurrentViewer
from api.tasks import locked_task, require_open
from runtime import clock
from runtime.clock import SHANGHAI
from schemas.api import TaskItem
from schemas.base import Text
from schemas.desk import UrgeBody
from store import policies, reminders, users
from store.database import session
from store.inbox_events import note
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
OWN = Text(zh="这是您自己要办的任务，无需催办。", en="This task is yours to do: there is nobody to urge.")


async def urge(s: AsyncSession, viewer: Viewer, task_id: str, body: UrgeBody) -> TaskItem:
    """Tells the holder (and his substitute), or all who could take the task. NotFound, TaskClosed, NotAllowed,
    TooSoon."""
    task, process = await locked_task(s, viewer, task_id)
    await require_open(s, task)
    if not permissions.may_urge(viewer, task, process.started_by):
        mine = permissions.holds(viewer, task) or permissions.may_work(viewer, task)
        raise NotAllowed(OWN if mine else None)
    now, pause = clock.now(), policies.urge_pause()
    passed_on = task.urged_at is not None and task.held_since is not None and task.held_since > task.urged_at
    if task.urged_at is not None and now - task.urged_at < pause and not passed_on:
        raise await _too_soon(s, task.urged_by or "", task.urged_at + pause)
    task.urged_at, task.urged_by = now, viewer.username
    reached = await reminders.in_charge(s, reminders.whose(task))
    people = [person for person, _ in reached if person.username != viewer.username]
    to_zh, to_en = "、".join(p.name_zh for p in people), ", ".join(p.name_en for p in people)
    tail = f"：{body.note}" if body.note else ""
    words = Text(
        zh=f"{viewer.name.zh}催办《{task.title_zh}》（{to_zh}）{tail}",
        en=f"{viewer.name.en} urged {task.title_en} ({to_en}){tail.replace('：', ': ', 1)}",
    )
    event = await note(s, viewer, "task.urge", words, process, task, told=[p.username for p in people])
    asks = Text(zh=f"{viewer.name.zh}催办", en=f"{viewer.name.en} asks to hurry")
    for person in people:
        await message(s, person, task, process, asks, f"urge/{event.id}/{person.username}", follows=True)
    return views.task_item(task, process, await views.lookup(s, viewer, [task.subject]))


async def _too_soon(s: AsyncSession, by: str, again: "clock.datetime") -> TooSoon:
    who = (await users.names(s)).get(by, Text(zh=by, en=by))
    at = again.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    left = max(again - clock.now(), timedelta(seconds=1))
    return TooSoon(
        Text(
            zh=f"{who.zh}刚催办过，{at} 之后可以再催。", en=f"{who.en} has urged this task already; again after {at}."
        ),
        headers={"Retry-After": str(int(left.total_seconds()))},
    )


@router.post("/tasks/{task_id}/urge", summary="催办: ask its holder to hurry")
async def post_urge(viewer: CurrentViewer, task_id: str, body: UrgeBody) -> TaskItem:
    async with session() as s:
        return await urge(s, viewer, task_id, body)
