"""What becomes of work in somebody's hands whose task the process has taken back.

Invariants: whoever holds a task that turns obsolete is told once for ever, and so is today's substitute, whatever
became of the case meanwhile; why is said by its kind, never in the words that somebody typed (a message may leave the
house). A draft goes with its holder to the same step when that is asked again; it is never put upon somebody's work.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from schemas.process import CANCELLING, ProcessState, Transition
from schemas.tasks import TaskSnapshot
from store import message_settings, reminders
from store.messages import Notice, notify_all, subject_of
from store.tables.processes import Process

CANCELLED = Text(zh="业务撤销", en="the case was cancelled")
WITHDRAWN = Text(zh="上一步骤撤回", en="the step before was taken back")
CHANGED = Text(zh="所依据的信息更改", en="the record that it works with was changed")
MOVED_ON = Text(zh="办理情况变化", en="the case went another way")

# The newest task of the step before this one; a draft of somebody who may no longer do it stays where it is.
_CARRY = text("""
    UPDATE tasks SET
        holder = f.holder, held_since = f.held_since, owner = f.owner, draft = f.draft, draft_at = f.draft_at
    FROM tasks AS f JOIN users AS u ON u.username = f.holder AND u.active
    WHERE tasks.id = :id AND tasks.holder IS NULL AND f.process_id = tasks.process_id AND f.key = :before
        AND f.kind = tasks.kind AND f.state = 'obsolete' AND f.draft IS NOT NULL AND f.holder <> ALL (tasks.excluded)
    RETURNING tasks.holder
""")


class Held(NamedTuple):
    """A task that the process took back, or opened anew, and in whose hands it is."""

    task: TaskSnapshot
    names: Sequence[str]


def before(task: TaskSnapshot) -> str | None:
    """The key under which the same step of the case was asked the time before."""
    name, _, number = task.spec.key.rpartition("/")
    if task.spec.step is None or not number.isdecimal() or int(number) < 2:
        return None
    return f"{name}/{int(number) - 1}"


async def carry(session: AsyncSession, task: TaskSnapshot, earlier: str) -> Held | None:
    """Puts a kept draft and its holder on the step that was just opened anew, if there is one."""
    holder = (await session.execute(_CARRY, {"id": task.id, "before": earlier})).scalar_one_or_none()
    return None if holder is None else Held(task, [holder])


async def tell(
    session: AsyncSession, process: Process, transition: Transition, taken: list[Held], kept: list[Held], now: datetime
) -> None:
    """Tells the holders of what was taken back, and of what is theirs again."""
    case = subject_of(process)
    for task, names in taken:
        title, why = task.spec.title, _cause(task, transition)
        words = Text(
            zh=f"{case.zh}：您办理的《{title.zh}》已因{why.zh}收回，无需再办",
            en=f"{case.en}: your task “{title.en}” was taken back because {why.en}; nothing more is to be done with it",
        )
        await _tell(session, process, names, words, f"recalled/{task.id}", f"/processes/{process.id}", now)
    for task, names in kept:
        title = task.spec.title
        words = Text(
            zh=f"{case.zh}：《{title.zh}》重新办理，仍由您办理，草稿已保留，请按新信息核对",
            en=f"{case.en}: “{title.en}” is asked again and stays yours with your draft; check it against the record",
        )
        await _tell(session, process, names, words, f"kept/{task.id}", f"/tasks/{task.id}", now)


async def _tell(
    session: AsyncSession, process: Process, names: Sequence[str], words: Text, key: str, link: str, now: datetime
) -> None:
    people = await reminders.named(session, names)
    await notify_all(
        session,
        [
            (
                message_settings.kept(user, settings),
                Notice(user.username, words, f"{key}/{user.username}", link, process.id, lasting=True),
            )
            for user, settings in people
        ],
        now,
    )


def _cause(task: TaskSnapshot, transition: Transition) -> Text:
    """Why it was taken back, by what the process says with it."""
    process = transition.process
    if process.state is ProcessState.CANCELLED or CANCELLING in process.flags:
        return CANCELLED
    if task.spec.after is not None and any(e.kind == "withdrawn" for e in transition.timeline):
        return WITHDRAWN
    lines = [e for e in transition.timeline if e.kind == "task_obsolete" and e.task_id == task.id]
    if task.spec.step is not None and any(e.data.get("again") == task.spec.step for e in lines):
        return CHANGED
    return MOVED_ON
