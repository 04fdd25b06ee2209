"""A task changes hands: 转办 transfer, 委派 delegate and get back, 改派 reassign, 接手 take over, 退回待认领 release.

Invariants: the row is locked, so of two moves at once the second finds the first one's holder; deadlines and their
reminders stay as they are and go to the new holder; the draft belongs to the task and goes along, or waits on a task
that was released for whoever takes it next. While a task is delegated its holder works on it and returns it, and only
the one who delegated it completes it.
"""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import already, people_named, permissions, views
from api.json_body import JsonObjectRoute
from api.problems import Delegated, NotAllowed, NotAllowedNow
from api.sign_in import CurrentViewer
from api.tasks import find_task, locked_task, require_open, require_unanswered
from domain.times import day_of
from runtime import clock
from schemas.api import TaskItem
from schemas.base import Text
from schemas.desk import GiveBody, NoteBody, PersonChoice, ReasonBody
from store import messages, users
from store.database import session
from store.inbox_events import note
from store.tables.people import User
from store.tables.processes import Comment, Process, Task
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
NOT_IN_HAND = Text(
    zh="该任务不在您手上：先认领，再转办或委派。", en="You do not hold this task: claim it first, then pass it on."
)
NOT_THE_DELEGATE = Text(
    zh="该任务委派给了他人，只有受委派人可以交回；委派人可以收回。",
    en="Somebody else works on this task: only that person gives it back, and who delegated it can recall it.",
)
NOT_THE_OWNER = Text(
    zh="该任务不是您委派的，只有委派人或科长可以收回。",
    en="You did not delegate this task: only who did, or a supervisor, takes it back.",
)
ASKED_BY_NAME = Text(
    zh="该签署是点名请您办理的（加签），不能转办或委派；不能办理时，请科长改派，或请加签人减签。",
    en="This signature was asked of you by name: it is not passed on. If you cannot sign, a supervisor reassigns it "
    "or whoever added you takes you off.",
)
HELD_BY_NOBODY = Text(
    zh="该任务现在无人持有，已在待认领中，无需退回。",
    en="Nobody holds this task: it is free to claim, and there is nothing to release.",
)
NOT_LENT = Text(zh="该任务没有委派给他人。", en="This task is not delegated to anybody.")


async def transfer(s: AsyncSession, viewer: Viewer, task_id: str, body: GiveBody) -> TaskItem:
    """转办: the holder gives the task to somebody who may do it. NotFound, TaskClosed, NotAllowedNow, BadForm."""
    task, process, hat = await _in_hand(s, viewer, task_id)
    person = await people_named.receiver(s, task, body.to)
    words = Text(
        zh=f"{hat.name.zh}转办给{person.name.zh}",
        en=f"Transferred from {hat.name.en} to {person.name.en}",
    )
    return await _give(s, viewer, task, process, person, "task.transfer", words, body.reason, hat=hat)


async def delegate(s: AsyncSession, viewer: Viewer, task_id: str, body: GiveBody) -> TaskItem:
    """委派: somebody else works on the task and returns it; the holder stays answerable for it."""
    task, process, hat = await _in_hand(s, viewer, task_id)
    person = await people_named.receiver(s, task, body.to)
    words = Text(
        zh=f"{hat.name.zh}委派{person.name.zh}协办",
        en=f"Delegated by {hat.name.en} to {person.name.en}",
    )
    task.owner = hat.username
    return await _give(s, viewer, task, process, person, "task.delegate", words, body.reason, hat=hat)


async def return_delegated(s: AsyncSession, viewer: Viewer, task_id: str, body: NoteBody) -> TaskItem:
    """交回: the delegate gives the task back with a note, which stays as a comment."""
    task, process = await locked_task(s, viewer, task_id)
    await require_open(s, task)
    if task.owner is None:
        raise NotAllowedNow(NOT_LENT)
    if not permissions.holds(viewer, task):
        raise NotAllowed(NOT_THE_DELEGATE)
    hat = permissions.hat_for(viewer, task) or viewer
    owner = users.viewer_of(await s.get_one(User, task.owner))
    task.owner = None
    s.add(
        Comment(
            task_id=task.id, process_id=process.id, author=viewer.username, text=body.note, mentions=[], at=clock.now()
        )
    )
    words = Text(
        zh=f"{hat.name.zh}办完交回{owner.name.zh}", en=f"Returned by {hat.name.en} to {owner.name.en} with a note"
    )
    return await _give(s, viewer, task, process, owner, "task.return_delegated", words, "", hat=hat)


async def recall(s: AsyncSession, viewer: Viewer, task_id: str, body: ReasonBody) -> TaskItem:
    """收回: the one who delegated it (or a supervisor for him) takes the task back."""
    task, process = await locked_task(s, viewer, task_id)
    await require_open(s, task)
    if task.owner is None:
        raise NotAllowedNow(NOT_LENT)
    if task.owner not in viewer.names and not viewer.has("supervisor"):
        raise NotAllowed(NOT_THE_OWNER)
    hat = next((h for h in viewer.hats if h.username == task.owner), viewer)
    owner = users.viewer_of(await s.get_one(User, task.owner))
    task.owner = None
    words = Text(zh=f"{owner.name.zh}收回委派", en=f"{owner.name.en} took the task back")
    return await _give(s, viewer, task, process, owner, "task.recall", words, body.reason, hat=hat)


async def reassign(s: AsyncSession, viewer: Viewer, task_id: str, body: GiveBody) -> TaskItem:
    """改派: the supervisor gives an open task to somebody who may do it, whoever holds it."""
    permissions.require_role(viewer, "supervisor")
    task, process = await locked_task(s, viewer, task_id)
    await require_open(s, task)
    person = await people_named.receiver(s, task, body.to)
    words = Text(
        zh=f"{viewer.name.zh}改派给{person.name.zh}",
        en=f"Reassigned by {viewer.name.en} to {person.name.en}",
    )
    task.owner = None
    return await _give(s, viewer, task, process, person, "task.reassign", words, body.reason)


async def take_over(s: AsyncSession, viewer: Viewer, task_id: str, body: ReasonBody) -> TaskItem:
    """接手: the supervisor does the task himself. FourEyes for what he took part in."""
    permissions.require_role(viewer, "supervisor")
    task, process = await locked_task(s, viewer, task_id)
    await require_open(s, task)
    if permissions.excluded(viewer, task):
        raise permissions.four_eyes(viewer, task)
    if not permissions.may_take_over(viewer, task):
        raise NotAllowed
    words = Text(zh=f"{viewer.name.zh}接手办理", en=f"Taken over by {viewer.name.en}")
    task.owner = None
    return await _give(s, viewer, task, process, viewer, "task.take_over", words, body.reason)


async def release(s: AsyncSession, viewer: Viewer, task_id: str) -> TaskItem:
    """退回待认领: back to the group, by the holder or a supervisor. NotFound, NotAllowed, NotAllowedNow, TaskClosed,
    Delegated, AnswerOnItsWay."""
    task, process = await locked_task(s, viewer, task_id)
    if task.closed_at is not None:
        raise await already.closed_task(s, task)
    before, mine = task.holder, permissions.holds(viewer, task)
    if before is None:
        if not permissions.may_work(viewer, task) and not viewer.has("supervisor"):
            raise NotAllowed
        raise NotAllowedNow(HELD_BY_NOBODY)
    if not mine and not viewer.has("supervisor"):
        who = (await users.names(s)).get(before, Text(zh=before, en=before))
        raise NotAllowed(
            Text(
                zh=f"该任务在{who.zh}手上，只有其本人或主管可以释放。",
                en=f"{who.en} holds this task: only that person or a supervisor releases it.",
            )
        )
    if task.owner is not None:
        raise Delegated
    await require_unanswered(s, task)
    kept = task.draft is not None
    words = Text(
        zh=f"{viewer.name.zh}退回待认领{'，草稿保留在任务上' if kept else ''}",
        en=f"Released by {viewer.name.en}{', the draft stays on the task' if kept else ''}",
    )
    task.holder = task.held_since = None
    acting_for = before if mine and before != viewer.username else None
    event = await note(s, viewer, "task.release", words, process, task, acting_for=acting_for, holder_before=before)
    if before not in viewer.names:
        await message(s, await s.get_one(User, before), task, process, words, f"moved/{event.id}/{before}")
    return views.task_item(task, process, await views.lookup(s, viewer, [task.subject]))


async def _in_hand(s: AsyncSession, viewer: Viewer, task_id: str) -> tuple[Task, Process, Viewer]:
    """The locked open task in the viewer's hands, and under whose name he has it."""
    task, process = await locked_task(s, viewer, task_id)
    await require_open(s, task)
    if not permissions.holds(viewer, task):
        permissions.require_work(viewer, task)  # "claim it first" is no help to who may not
        permissions.require_free(viewer, task, await users.names(s))
        raise NotAllowedNow(NOT_IN_HAND)
    if task.owner is not None:
        raise Delegated
    if permissions.asked_by_name(task):
        raise NotAllowedNow(ASKED_BY_NAME)
    hat = next(h for h in viewer.hats if h.username == task.holder)
    return task, process, hat


async def _give(
    s: AsyncSession,
    viewer: Viewer,
    task: Task,
    process: Process,
    person: Viewer,
    action: str,
    words: Text,
    reason: str,
    hat: Viewer | None = None,
) -> TaskItem:
    """The task is in the person's hands from now on; both the old and the new holder are told.

    The reason stands in the timeline only: what is typed may be personal, and a message can leave the house by mail.
    """
    await require_unanswered(s, task)
    before = task.holder
    put(task, person.username)
    acting_for = hat.username if hat is not None and hat.username != viewer.username else None
    why = Text(zh=f"{words.zh}：{reason}", en=f"{words.en}: {reason}") if reason else words
    event = await note(
        s, viewer, action, why, process, task,
        acting_for=acting_for, holder_before=before, holder=person.username, owner=task.owner,
    )  # fmt: skip
    for name in dict.fromkeys((person.username, *([before] if before else []))):
        if name not in viewer.names:
            await message(s, await s.get_one(User, name), task, process, words, f"moved/{event.id}/{name}")
    return views.task_item(task, process, await views.lookup(s, viewer, [task.subject]))


def put(task: Task, username: str) -> None:
    """The one place where a task changes from hand to hand: holder and since when; the draft goes along."""
    task.holder, task.held_since = username, clock.now()


async def message(
    s: AsyncSession, user: User, task: Task, process: Process, words: Text, key: str, *, follows: bool = False
) -> None:
    """Tells a colleague what happened to a task, with the day by which it is due; the same key again is no news.
    `follows`: it asks to act, and so goes where the task goes."""
    about = messages.subject_of(process, task)
    text = Text(zh=f"{about.zh}：{words.zh}", en=f"{about.en}: {words.en}")
    if task.next_due_at is not None:
        due = day_of(task.next_due_at)
        text = Text(zh=f"{text.zh}，{due} 到期", en=f"{text.en}, due {due}")
    await messages.notify(
        s, user, text, key=key, link=f"/tasks/{task.id}", process_id=process.id, task_id=task.id, now=clock.now(),
        follows=follows,
    )  # fmt: skip


async def candidates(s: AsyncSession, viewer: Viewer, task_id: str) -> list[PersonChoice]:
    """Who may be given the task; asked by those who could give it."""
    task, _ = await find_task(s, viewer, task_id)
    if not permissions.holds(viewer, task) and not viewer.has("supervisor"):
        raise NotAllowed
    return await people_named.choices(s, task)


# --- routes ----------------------------------------------------------------------------------------------------------


@router.get("/tasks/{task_id}/candidates", summary="Who may be given the task, least work first")
async def get_candidates(viewer: CurrentViewer, task_id: str) -> list[PersonChoice]:
    async with session() as s:
        return await candidates(s, viewer, task_id)


@router.post("/tasks/{task_id}/release", summary="退回待认领: give the task back to its group")
async def post_release(viewer: CurrentViewer, task_id: str) -> TaskItem:
    async with session() as s:
        return await release(s, viewer, task_id)


@router.post("/tasks/{task_id}/transfer", summary="转办: give the task to somebody else")
async def post_transfer(viewer: CurrentViewer, task_id: str, body: GiveBody) -> TaskItem:
    async with session() as s:
        return await transfer(s, viewer, task_id, body)


@router.post("/tasks/{task_id}/delegate", summary="委派: let somebody work on it and get it back")
async def post_delegate(viewer: CurrentViewer, task_id: str, body: GiveBody) -> TaskItem:
    async with session() as s:
        return await delegate(s, viewer, task_id, body)


@router.post("/tasks/{task_id}/return_delegated", summary="交回: give a delegated task back")
async def post_return(viewer: CurrentViewer, task_id: str, body: NoteBody) -> TaskItem:
    async with session() as s:
        return await return_delegated(s, viewer, task_id, body)


@router.post("/tasks/{task_id}/recall", summary="收回: take a delegated task back")
async def post_recall(viewer: CurrentViewer, task_id: str, body: ReasonBody) -> TaskItem:
    async with session() as s:
        return await recall(s, viewer, task_id, body)


@router.post("/tasks/{task_id}/reassign", summary="改派: a supervisor gives it to somebody")
async def post_reassign(viewer: CurrentViewer, task_id: str, body: GiveBody) -> TaskItem:
    async with session() as s:
        return await reassign(s, viewer, task_id, body)


@router.post("/tasks/{task_id}/take_over", summary="接手: a supervisor does it himself")
async def post_take_over(viewer: CurrentViewer, task_id: str, body: ReasonBody) -> TaskItem:
    async with session() as s:
        return await take_over(s, viewer, task_id, body)
