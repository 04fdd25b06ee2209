"""What becomes of work in somebody's hands whose task the process has taken back.

Invariants: whoever holds a task that turns obsolete is told once for ever, and so is today's substitute, whatever
became of the case meanwhile, but for the person whose own word took it back; why is said by its kind, never in the
words that somebody typed (a message may leave the house). A draft goes with its holder to the same step when that is
asked again about the same matter; it is never put upon somebody's work.
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

# The newest task of the same step, of the same bill, asked of the same people; a draft of somebody who may no longer do
# it stays where it is.
_CARRY = text("""
    UPDATE tasks SET
        holder = f.holder, held_since = f.held_since, owner = f.owner, draft = f.draft, draft_at = f.draft_at
    FROM (
        SELECT e.* FROM tasks AS t JOIN tasks AS e ON e.process_id = t.process_id AND e.id <> t.id AND e.kind = t.kind
            AND e.roles = t.roles AND starts_with(e.key, :step)
            AND e.spec -> 'data' ->> 'bill_id' IS NOT DISTINCT FROM t.spec -> 'data' ->> 'bill_id'
        WHERE t.id = :id
        ORDER BY CAST(substr(e.key, length(:step) + 1) AS integer) DESC LIMIT 1
    ) AS f JOIN users AS u ON u.username = f.holder AND u.active
    WHERE tasks.id = :id AND tasks.holder IS NULL AND f.state = 'obsolete' AND f.draft IS NOT NULL
        AND f.holder <> ALL (tasks.excluded)
    RETURNING tasks.holder
""")


class Held(NamedTuple):
    """A task that the process took back, or opened anew, and in whose hands it is."""

    task: TaskSnapshot
    names: Sequence[str]


def asked_again(task: TaskSnapshot) -> str | None:
    """With what the keys of its step begin, where it can have been asked before about the same matter: a step of the
    record, or something about a bill."""
    name, _, number = task.spec.key.rpartition("/")
    about_one = task.spec.step is not None or "bill_id" in task.spec.data
    return f"{name}/" if about_one and number.isdecimal() and int(number) > 1 else None


async def carry(session: AsyncSession, task: TaskSnapshot, step: str) -> Held | None:
    """Puts a kept draft and its holder on the step that was just opened anew, if there is one."""
    holder = (await session.execute(_CARRY, {"id": task.id, "step": step})).scalar_one_or_none()
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
        link, by = f"/processes/{process.id}", _whose_word(task, transition)
        await _tell(session, process, names, words, f"recalled/{task.id}", link, now, by)
    for task, names in kept:
        title = task.spec.title
        words = Text(
            zh=f"{case.zh}：《{title.zh}》重新办理，仍由您办理，草稿已保留，请按新信息核对",
            en=f"{case.en}: “{title.en}” is asked again and stays yours with your draft; check it against the record",
        )
        await _tell(session, process, names, words, f"kept/{task.id}", f"/tasks/{task.id}", now)


async def _tell(
    session: AsyncSession,
    process: Process,
    names: Sequence[str],
    words: Text,
    key: str,
    link: str,
    now: datetime,
    but: str | None = None,
) -> None:
    """Tells these people and today's substitutes of each; `but` knows it."""
    people = await reminders.named(session, [name for name in names if name != but])
    await notify_all(
        session,
        [
            (
                message_settings.kept(user, settings),
                Notice(user.username, words, f"{key}/{user.username}", link, process.id, lasting=True),
            )
            for user, settings in people
            if user.username != but
        ],
        now,
    )


def _whose_word(task: TaskSnapshot, transition: Transition) -> str | None:
    """Who had it taken back, where a person did: by the task's own line, or by what brought the case back."""
    own = [e.actor for e in transition.timeline if e.kind == "task_obsolete" and e.task_id == task.id]
    back = [e.actor for e in transition.timeline if e.kind in ("withdrawn", "returned")]
    return next((name for name in (*own, *back) if name), None)


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
