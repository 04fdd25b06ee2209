"""离职交接: everything of one person goes to one or more others; first counted, then moved, with a result per item.

Invariants: each item is its own transaction under the row's lock, so one failure stops nothing and a second run finds
only what is left; deadlines and drafts go along; who is excluded (four eyes) gets no task. What was asked
of the person by name: `api/leaving_seats.py`.
"""

from collections import Counter

from fastapi import APIRouter
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from api import leaving_seats, nobody, people_named, permissions
from api.handover import message, put
from api.json_body import JsonObjectRoute
from api.problems import NotAllowedNow, NotFound, Problem, Unavailable
from api.sign_in import CurrentViewer
from runtime import clock
from runtime.clock import real_now
from schemas.base import Text
from schemas.countersign import personal
from schemas.desk import LeavingBody, LeavingCounts, LeavingItem, LeavingResult
from store import audit, messages, substitutes, users
from store.database import session
from store.inbox_events import note
from store.tables.desk import Substitution
from store.tables.people import User
from store.tables.processes import Process, Task
from store.users import Viewer

router = APIRouter(tags=["substitutes"], route_class=JsonObjectRoute)
HANDS_OVER = ("admin", "supervisor")


async def _person(s: AsyncSession, username: str) -> User:
    user = await s.get(User, username)
    if user is None:
        raise NotFound
    return user


async def _tasks(s: AsyncSession, username: str) -> list[Task]:
    """Open tasks in the person's hands, lent by him or asked of him by name, the most urgent first."""
    rows = await s.scalars(
        select(Task)
        .where(
            Task.closed_at.is_(None),
            or_(Task.holder == username, Task.owner == username, _asked(username)),
        )
        .order_by(Task.sort_day, Task.legal_rank, Task.sort_at, Task.case_no, Task.id)
    )
    return list(rows)


def _asked(username: str) -> ColumnElement[bool]:
    """A signature that was asked of the person by name and that nobody else has in hand."""
    return and_(Task.roles.contains([personal(username)]), Task.holder.is_(None))


def _by_name(task: Task, username: str) -> bool:
    return personal(username) in task.roles


async def count(s: AsyncSession, viewer: Viewer, username: str) -> LeavingCounts:
    """What the person would leave behind. NotAllowed, NotFound."""
    permissions.require_role(viewer, *HANDS_OVER)
    return await left(s, await _person(s, username))


async def left(s: AsyncSession, user: User) -> LeavingCounts:
    """The same, whoever asks; and what nobody could do without the person."""
    username = user.username
    tasks = await _tasks(s, username)
    arranged = await substitutes.arranged(s, clock.today(), [username])
    return LeavingCounts(
        username=username,
        name=Text(zh=user.name_zh, en=user.name_en),
        held=sum(1 for t in tasks if t.holder == username and t.owner is None and not _by_name(t, username)),
        lent_to_person=sum(1 for t in tasks if t.holder == username and t.owner is not None),
        lent_by_person=sum(1 for t in tasks if t.owner == username),
        asked_by_name=sum(1 for t in tasks if _by_name(t, username)) + len(await leaving_seats.to_come(s, username)),
        substitutions=len(arranged),
        nobody_left=await nobody.without(s, user),
    )


async def examples(s: AsyncSession, username: str, most: int) -> list[tuple[str, Text]]:
    """Some of it, the most urgent first: case and title of tasks and of signatures asked by name."""
    tasks = [(t.case_no, Text(zh=t.title_zh, en=t.title_en)) for t in (await _tasks(s, username))[:most]]
    asked = [(a.case_no, a.title) for a in await leaving_seats.to_come(s, username)]
    return [*tasks, *asked][:most]


async def hand_over(viewer: Viewer, username: str, body: LeavingBody) -> LeavingResult:
    """Moves everything, item by item. NotAllowed, NotFound, BadForm for a receiver."""
    permissions.require_role(viewer, *HANDS_OVER)
    async with session() as s:
        leaver = await _person(s, username)
        name = Text(zh=leaver.name_zh, en=leaver.name_en)
        receivers = [await people_named.active(s, to, f"/to/{i}") for i, to in enumerate(dict.fromkeys(body.to))]
        if username in {r.username for r in receivers}:
            text = Text(zh="不能交接给本人。", en="The person cannot be his own successor.")
            raise people_named.refused("/to", "same_person", text)
        load = Counter(await people_named.open_tasks(s, [r.username for r in receivers]))
        tasks = [_item(t) for t in await _tasks(s, username)]
        asked = await leaving_seats.to_come(s, username)
        arrangements = [row.id for row in await substitutes.arranged(s, clock.today(), [username])]
    items: list[LeavingItem] = []
    for plain in tasks:
        try:
            async with session() as s:
                done = await _task(s, viewer, username, name, receivers, load, plain.id, body.reason, plain)
        except (Problem, DBAPIError) as error:
            done = plain.model_copy(update={"problem": _why(error)})
        if done is not None:
            items.append(done)
    for one in asked:
        try:
            moved = await leaving_seats.hand_on(viewer, username, receivers, load, one, body.reason)
        except (Problem, DBAPIError) as error:
            moved = leaving_seats.item(one).model_copy(update={"problem": _why(error)})
        if moved is not None:
            items.append(moved)
    for substitution_id in arrangements:
        async with session() as s:
            ended = await _arrangement(s, viewer, substitution_id)
        if ended is not None:
            items.append(ended)
    failed = sum(1 for i in items if i.result == "failed")
    async with session() as s:
        audit.record(
            s, viewer.username, "user.hand_over", username, to=[r.username for r in receivers], items=len(items),
            failed=failed,
        )  # fmt: skip
    return LeavingResult(items=items, failed=failed)


def _item(task: Task) -> LeavingItem:
    """As it stands in the result, not moved yet."""
    kind = "signature" if permissions.asked_by_name(task) else "task"
    title = Text(zh=task.title_zh, en=task.title_en)
    return LeavingItem(kind=kind, id=task.id, title=title, case_no=task.case_no, result="failed")


def _why(error: Problem | DBAPIError) -> Text:
    return error.text if isinstance(error, Problem) else Unavailable.text


async def _task(
    s: AsyncSession,
    viewer: Viewer,
    leaver: str,
    name: Text,
    receivers: list[Viewer],
    load: "Counter[str]",
    task_id: str,
    reason: str,
    plain: LeavingItem,
) -> LeavingItem | None:
    """One task, its row locked; None when it is no longer the leaver's."""
    statement = select(Task, Process).join(Process, Process.id == Task.process_id)
    statement = statement.where(Task.id == task_id).with_for_update(of=Task)
    task, process = (await s.execute(statement)).one()
    asked = task.holder is None and _by_name(task, leaver)
    if task.closed_at is not None or (leaver not in (task.holder, task.owner) and not asked):
        return None
    if task.holder == leaver and task.owner is not None and task.owner != leaver:
        owner = await s.get_one(User, task.owner)
        person, result = users.viewer_of(owner), "returned"
    else:
        by_name = permissions.asked_by_name(task)
        if by_name:
            able = await leaving_seats.able(s, receivers, task)
        else:
            able = [r for r in receivers if permissions.may_be_given(r, task)]
        person = min(able, key=lambda r: load[r.username], default=None)
        result = "moved" if person is not None else "released"
        if person is None and by_name:  # its group is the one who leaves
            raise NotAllowedNow(leaving_seats.NOBODY_SIGNS)
    before = task.holder
    lent = task.owner == leaver and task.holder != leaver
    if person is None:
        task.holder = task.held_since = task.owner = None
        words = Text(zh=f"{name.zh}离职交接：退回待认领", en=f"Hand-over of {name.en}: back to its group")
    else:
        words = Text(zh=f"{name.zh}离职交接给{person.name.zh}", en=f"Handed over from {name.en} to {person.name.en}")
        load[person.username] += 1
        if lent and task.holder != person.username:
            task.owner = person.username  # who works on it goes on, and returns it to the successor
        else:
            put(task, person.username)
            task.owner = None
    why = Text(zh=f"{words.zh}：{reason}", en=f"{words.en}: {reason}")
    event = await note(
        s, viewer, "task.hand_over", why, process, task, holder_before=before, holder=task.holder, owner=task.owner
    )
    if person is not None and person.username != viewer.username:
        user = await s.get_one(User, person.username)
        await message(s, user, task, process, words, f"moved/{event.id}/{person.username}")
    to = {"to": person.username, "to_name": person.name} if person is not None else {}
    return plain.model_copy(update={"result": result, **to})


async def _arrangement(s: AsyncSession, viewer: Viewer, substitution_id: int) -> LeavingItem | None:
    """Ends a substitution of the leaver, and tells whoever stays."""
    row: Substitution | None = await substitutes.get(s, substitution_id)
    if row is None or row.ended_at is not None:
        return None
    substitutes.end(row, viewer.username, real_now())
    audit.record(s, viewer.username, "substitution.end", str(row.id), absent=row.absent, substitute=row.substitute)
    names = await users.names(s)
    title = Text(
        zh=f"{names[row.substitute].zh}代理{names[row.absent].zh}（{row.first_day} 至 {row.last_day}）",
        en=f"{names[row.substitute].en} for {names[row.absent].en} ({row.first_day} to {row.last_day})",
    )
    for username in (row.absent, row.substitute):
        words = Text(zh=f"{title.zh}：已终止", en=f"{title.en}: ended")
        user = await s.get_one(User, username)
        if user.active and username != viewer.username:
            key = f"substitution/{row.id}/end/{username}"
            await messages.notify(s, user, words, key=key, link="/cover", now=clock.now())
    return LeavingItem(kind="substitution", id=str(row.id), title=title, result="ended")


@router.get("/users/{username}/hand-over", summary="离职交接: what the person would leave behind")
async def get_hand_over(viewer: CurrentViewer, username: str) -> LeavingCounts:
    async with session() as s:
        return await count(s, viewer, username)


@router.post("/users/{username}/hand-over", summary="离职交接: give everything to others")
async def post_hand_over(viewer: CurrentViewer, username: str, body: LeavingBody) -> LeavingResult:
    return await hand_over(viewer, username, body)
