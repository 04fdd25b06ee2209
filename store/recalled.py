"""What becomes of work in somebody's hands whose task the process has taken back or asks again.

Invariants: whoever holds a task that turns obsolete is told once for ever, and so is today's substitute, whatever
became of the case meanwhile, but for the person whose own word took it back; why is said by its kind, never in the
words that somebody typed (a message may leave the house). A draft goes with its holder to the same step when that is
asked again about the same matter; it is never put upon somebody's work. A task that goes on with another
(`TaskSpec.again`) is in the same hands, while these may still do it. Who is told that work has come back to somebody is
in `store/sent_back.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from schemas.countersign import SIGN
from schemas.process import CANCELLING, ProcessState, Transition
from schemas.tasks import TaskSnapshot
from store import message_settings, reminders
from store.messages import Notice, notify_all, subject_of
from store.tables.processes import Process

CANCELLED = Text(zh="业务撤销", en="the case was cancelled")
WITHDRAWN = Text(zh="上一步骤撤回", en="the step before was taken back")
CHANGED = Text(zh="所依据的信息更改", en="the record that it works with was changed")
MOVED_ON = Text(zh="办理情况变化", en="the case went another way")

REMOVED = Text(zh="减签", en="you were taken off its signers")
RETURNED = Text(zh="退回", en="the work was sent back")

# The newest task of the same step, of the same bill, asked of the same people, taken back or sent back by its
# holder; a draft of somebody who may no longer do it stays where it is.
_CARRY = text("""
    UPDATE tasks SET
        holder = f.name, held_since = coalesce(f.held_since, tasks.opened_at), owner = f.owner, draft = f.draft,
        draft_at = f.draft_at
    FROM (
        SELECT e.*, coalesce(e.holder, e.completed_by) AS name
        FROM tasks AS t JOIN tasks AS e ON e.process_id = t.process_id AND e.id <> t.id AND e.kind = t.kind
            AND e.roles = t.roles AND starts_with(e.key, :step)
            AND e.spec -> 'data' ->> 'bill_id' IS NOT DISTINCT FROM t.spec -> 'data' ->> 'bill_id'
        WHERE t.id = :id
        ORDER BY CAST(substr(e.key, length(:step) + 1) AS integer) DESC LIMIT 1
    ) AS f JOIN users AS u ON u.username = f.name AND u.active
    WHERE tasks.id = :id AND tasks.holder IS NULL AND f.state IN ('obsolete', 'returned') AND f.draft IS NOT NULL
        AND f.name <> ALL (tasks.excluded)
    RETURNING tasks.holder, f.state, true
""")
# The task with which this one goes on: asked by name, by a role, or of the supervisor who had taken it over.
_GO_ON = text("""
    UPDATE tasks SET
        holder = h.name, held_since = coalesce(f.held_since, tasks.opened_at), owner = f.owner,
        draft = CASE WHEN f.state <> 'completed' THEN f.draft END,
        draft_at = CASE WHEN f.state <> 'completed' THEN f.draft_at END
    FROM tasks AS f
        CROSS JOIN LATERAL (SELECT coalesce(f.holder, f.completed_by) AS name) AS h
        JOIN users AS u ON u.username = h.name AND u.active
    WHERE tasks.id = :id AND tasks.holder IS NULL AND f.process_id = tasks.process_id AND f.key = :again
        AND h.name <> ALL (tasks.excluded)
        AND ('@' || u.username = ANY (tasks.roles) OR EXISTS (
            SELECT 1 FROM user_roles AS r WHERE r.username = u.username AND (
                r.role = ANY (tasks.roles) OR (r.role = 'supervisor' AND 'clerk' = ANY (tasks.roles))
                OR (f.holder = u.username AND f.roles = tasks.roles AND tasks.roles[1] LIKE '@%')
            )
        ))
    RETURNING tasks.holder, f.state, tasks.draft IS NOT NULL
""")


class Held(NamedTuple):
    """A task that the process took back, or opened anew, and in whose hands it is. `came`: how the task before it ended
    whose holder goes on; `draft`: with what was typed there."""

    task: TaskSnapshot
    names: Sequence[str]
    came: str = ""
    draft: bool = True


def asked_again(task: TaskSnapshot) -> str | None:
    """The task with which it goes on; else with what the keys of its step begin, where it can have been asked before
    about the same matter: a step of the record, or something about a bill."""
    if task.spec.again is not None:
        return task.spec.again
    name, _, number = task.spec.key.rpartition("/")
    about_one = task.spec.step is not None or "bill_id" in task.spec.data
    return f"{name}/" if about_one and number.isdecimal() and int(number) > 1 else None


async def carry(session: AsyncSession, task: TaskSnapshot, step: str) -> Held | None:
    """Puts a kept draft and its holder on the step that was just opened anew, if there is one."""
    if task.spec.again is not None:
        rows = await session.execute(_GO_ON, {"id": task.id, "again": task.spec.again})
    else:
        rows = await session.execute(_CARRY, {"id": task.id, "step": step})
    found = rows.one_or_none()
    return None if found is None else Held(task, [found[0]], found[1], found[2])


async def tell(
    session: AsyncSession, process: Process, transition: Transition, taken: list[Held], kept: list[Held], now: datetime
) -> None:
    """Tells the holders of what was taken back, and of what is theirs again."""
    case = subject_of(process)
    for task, names, *_ in taken:
        words = _taken(case, task, transition)
        link, by = f"/processes/{process.id}", _whose_word(task, transition)
        await _tell(session, process, names, words, f"recalled/{task.id}", link, now, by)
    for task, names, came, draft in kept:
        if came == "completed":  # who withdrew an answer knows
            continue
        words = _kept(case, task, came, draft=draft)
        await _tell(session, process, names, words, f"kept/{task.id}", f"/tasks/{task.id}", now)


def _taken(case: Text, task: TaskSnapshot, transition: Transition) -> Text:
    title, lines = task.spec.title, [e for e in transition.timeline if e.task_id == task.id]
    if any(e.data.get("comes_back") for e in lines):
        return Text(
            zh=f"{case.zh}：《{title.zh}》已前加签，加签人办理后回到您手上",
            en=f"{case.en}: somebody was added to sign “{title.en}” before you; it comes back to you after that",
        )
    why = _cause(task, transition)
    if why is RETURNED:
        return Text(
            zh=f"{case.zh}：您办理的《{title.zh}》因退回暂时收回，退回事项办妥后如仍须您办理，将另行通知",
            en=f"{case.en}: your task “{title.en}” is taken back for now because the work was sent back; you are told "
            "when it is to be done",
        )
    return Text(
        zh=f"{case.zh}：您办理的《{title.zh}》已因{why.zh}收回，无需再办",
        en=f"{case.en}: your task “{title.en}” was taken back because {why.en}; nothing more is to be done with it",
    )


def _kept(case: Text, task: TaskSnapshot, came: str, *, draft: bool) -> Text:
    title = task.spec.title
    if came == "returned":
        return Text(
            zh=f"{case.zh}：您退回的事项已办妥，《{title.zh}》回到您手上",
            en=f"{case.en}: what you sent back has been done, and “{title.en}” is in your hands again",
        )
    if not draft:
        return Text(
            zh=f"{case.zh}：《{title.zh}》回到您手上，请继续办理", en=f"{case.en}: “{title.en}” is in your hands again"
        )
    return Text(
        zh=f"{case.zh}：《{title.zh}》重新办理，仍由您办理，草稿已保留，请按新信息核对",
        en=f"{case.en}: “{title.en}” is asked again and stays yours with your draft; check it against the record",
    )


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
    if any(e.data.get("again") == SIGN for e in lines):
        return REMOVED
    if task.spec.sign is not None and any(e.kind == "returned" for e in transition.timeline):
        return RETURNED
    return MOVED_ON
