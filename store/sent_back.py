"""Who is told that work has come back, or is asked of them by name.

Invariants: each person is told of one return once, and once of being asked to sign; the reason that somebody typed
stands in the timeline and on the task, never in a message (which may leave the house). Who sent it back knows.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from schemas.countersign import asked_by_name
from schemas.process import TimelineEntry, Transition
from schemas.tasks import TaskSnapshot
from store import message_settings, reminders
from store.messages import Notice, notify_all, subject_of
from store.reminders import Recipient, Whose
from store.tables.people import User
from store.tables.processes import Process, Task


def concerns(task: TaskSnapshot) -> bool:
    """Whether somebody is to be told when this task opens."""
    return task.spec.again is not None or asked_by_name(task.spec.roles) is not None or _came_back(task)


def _came_back(task: TaskSnapshot) -> bool:
    """Whether it is the step to which the work was sent back, or one before it that is done once more with it."""
    data = task.spec.data
    return "return_reason" in data and data.get("returned_to") == task.spec.stage


async def tell(
    session: AsyncSession,
    process: Process,
    transition: Transition,
    opened: Sequence[TaskSnapshot],
    held: set[str],
    now: datetime,
) -> None:
    """Tells of the tasks that were just opened (`held`: those already in somebody's hands), and of
    signatures that are void or undecided because of a return."""
    case = subject_of(process)
    for task in opened:
        await _opened(session, process, case, task, held, now)
    for entry in transition.timeline:
        if entry.kind == "signer_left_out":
            people = await reminders.named(session, [str(entry.data["signer"])])
            await inform(session, process, people, _left_out(case), f"left_out/{process.id}/{entry.seq}", now)
        signers = [str(name) for name in entry.data.get("signers", [])]
        if signers and entry.kind in ("returned", "signatures_void"):
            people = await reminders.named(session, signers)
            await inform(session, process, people, await _of_signed(session, case, entry), _key(process, entry), now)


async def _opened(
    session: AsyncSession, process: Process, case: Text, task: TaskSnapshot, held: set[str], now: datetime
) -> None:
    title, name = task.spec.title, asked_by_name(task.spec.roles)
    if task.id in held:
        return  # told in `store/recalled.py`
    if task.spec.again is not None and (gone := await _who_returned(session, process.id, task.spec.again)):
        words = Text(
            zh=f"{case.zh}：退回事项已办妥，退回人{gone.zh}已不能办理《{title.zh}》，请认领",
            en=f"{case.en}: what {gone.en} sent back has been done; {gone.en} can no longer do “{title.en}”: claim it",
        )
        await inform(session, process, await _group(session, task), words, f"ownerless/{task.id}", now, task)
    elif name is not None:
        words = Text(
            zh=f"{case.zh}：请您会签《{title.zh}》（加签）", en=f"{case.en}: you are asked to sign “{title.en}” too"
        )
        await inform(session, process, await reminders.named(session, [name]), words, f"asked/{task.id}", now, task)
    elif _came_back(task):
        data = task.spec.data
        words = Text(
            zh=f"{case.zh}：工作已退回，请重新办理《{title.zh}》，退回原因见任务",
            en=f"{case.en}: the work was sent back, “{title.en}” is to be done again; the task says why",
        )
        did = await _did(session, process.id, task)
        people = {u.username: (u, s) for u, s in await _group(session, task)}
        people |= {u.username: (u, s) for u, s in await reminders.named(session, did)}
        if data["returned_by"] in did:  # an answer of one's own, taken back
            return
        people.pop(str(data["returned_by"]), None)
        key = f"sent_back/{process.id}/{data['returned_task']}"
        await inform(session, process, list(people.values()), words, key, now, task)


def _left_out(case: Text) -> Text:
    return Text(
        zh=f"{case.zh}：退回后重新审批，不再请您签署（加签）；如仍需要您签署，将另行通知",
        en=f"{case.en}: it is signed anew after a return, and your signature is not asked any more; you are told if it "
        "is needed again",
    )


def _key(process: Process, entry: TimelineEntry) -> str:
    if entry.kind == "returned":
        return f"sent_back/{process.id}/{entry.data['returned_task']}"
    return f"void/{process.id}/{entry.seq}"


async def _of_signed(session: AsyncSession, case: Text, entry: TimelineEntry) -> Text:
    if entry.kind == "signatures_void":
        return Text(zh=f"{case.zh}：{entry.text.zh}", en=f"{case.en}: {entry.text.en}")
    zh, en = (await session.execute(select(Task.title_zh, Task.title_en).where(Task.id == entry.task_id))).one()
    return Text(
        zh=f"{case.zh}：您签署后，《{zh}》被退回；须您重新签署时将另行通知，退回原因见流程记录",
        en=f"{case.en}: after your signature “{en}” was sent back; you are told if you have to sign again, and the "
        "timeline says why",
    )


async def _group(session: AsyncSession, task: TaskSnapshot) -> list[Recipient]:
    spec = task.spec
    return await reminders.in_charge(session, Whose(None, None, spec.roles, spec.org_unit, spec.subject, spec.excluded))


async def _did(session: AsyncSession, process_id: str, task: TaskSnapshot) -> list[str]:
    """Who did the same step the time before."""
    name = task.spec.key.rpartition("/")[0]
    found = await session.scalar(
        select(func.coalesce(Task.holder, Task.completed_by))
        .where(
            Task.process_id == process_id, Task.state == "completed", Task.key.startswith(f"{name}/", autoescape=True)
        )
        .order_by(Task.closed_at.desc())
        .limit(1)
    )
    return [] if found is None or found in task.spec.excluded else [str(found)]


async def _who_returned(session: AsyncSession, process_id: str, key: str) -> Text | None:
    """The name of who returned a task."""
    statement = (
        select(User.name_zh, User.name_en)
        .join(Task, User.username == func.coalesce(Task.holder, Task.completed_by))
        .where(Task.process_id == process_id, Task.key == key, Task.state == "returned")
    )
    found = (await session.execute(statement)).one_or_none()
    return None if found is None else Text(zh=found.name_zh, en=found.name_en)


async def inform(
    session: AsyncSession,
    process: Process,
    people: Sequence[Recipient],
    words: Text,
    key: str,
    now: datetime,
    task: TaskSnapshot | None = None,
) -> None:
    """Says it to these people, under a key of each, with a link to the task or the case."""
    link = f"/processes/{process.id}" if task is None else f"/tasks/{task.id}"
    await notify_all(
        session,
        [
            (
                message_settings.kept(user, settings),
                Notice(user.username, words, f"{key}/{user.username}", link, process.id, task.id if task else None),
            )
            for user, settings in people
        ],
        now,
    )
