"""The rungs of a ladder that have become due: claimed, and told to those who are meant.

Invariants: a rung is claimed by the insert of its key, once a recipient for ever; all rungs of one transition reach a
person as one message; a rung that nobody could be told of is claimed as well. Storms come by the thousand in one
minute, so the number of statements does not grow with the number of rungs or recipients. The caller holds the row of
the process.
"""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import String, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from runtime import clock
from schemas.base import Text
from schemas.deadlines import RungInstant
from schemas.process import Reminder
from store import substitutes, users
from store.messages import Notice, notify_all, subject_of
from store.tables.people import User
from store.tables.processes import Process, Task

_CLAIM = text("""
    INSERT INTO reminders (key, recipient, process_id, task_id, rung, addressed_to, due_at, at)
    SELECT c.key, c.recipient, :process_id, c.task_id, c.rung, c.addressed_to, c.due_at, c.at
    FROM jsonb_to_recordset(:claims) AS c(
        key text, recipient text, task_id text, rung text, addressed_to text, due_at timestamptz, at timestamptz
    )
    ON CONFLICT DO NOTHING
    RETURNING key, recipient
""").bindparams(bindparam("claims", type_=JSONB), bindparam("process_id", type_=String))
_LINK = text("""
    UPDATE reminders SET message_id = l.message_id
    FROM jsonb_to_recordset(:links) AS l(key text, recipient text, message_id bigint)
    WHERE reminders.key = l.key AND reminders.recipient = l.recipient
""").bindparams(bindparam("links", type_=JSONB))
_WHOSE_TASK = (Task.holder, Task.owner, Task.roles, Task.org_unit, Task.subject, Task.excluded)
NOBODY = "-"  # claims a rung that nobody could be told of


async def remind(session: AsyncSession, process: Process, reminders: list[Reminder], now: datetime) -> None:
    """Claims the rungs and writes one message a person for all that were new."""
    wanted: list[tuple[str, User | None, Reminder, RungInstant]] = []
    for reminder in reminders:
        recipients = await _recipients(session, process, reminder)
        for rung in reminder.rungs:
            key = f"{process.id}/{reminder.task_id or ''}/{rung.key}"
            wanted += [(key, user, reminder, rung) for user in recipients or [None]]
    if not wanted:
        return
    claims = [
        {
            "key": key,
            "recipient": user.username if user else NOBODY,
            "task_id": reminder.task_id,
            "rung": rung.rung,
            "addressed_to": reminder.to,
            "due_at": rung.at.isoformat(),
            "at": reminder.at.isoformat(),
        }
        for key, user, reminder, rung in wanted
    ]
    claimed = {
        (c.key, c.recipient) for c in await session.execute(_CLAIM, {"process_id": process.id, "claims": claims})
    }
    news: dict[str, list[tuple[str, Reminder]]] = defaultdict(list)
    by_name: dict[str, User] = {}
    for key, user, reminder, _ in wanted:
        if user is not None and (key, user.username) in claimed:
            by_name[user.username] = user
            news[user.username].append((key, reminder))
    notices = [(by_name[name], _notice(process, name, found)) for name, found in news.items()]
    written = await notify_all(session, notices, now)
    links = [
        {"key": key, "recipient": n.username, "message_id": written[n.key]}
        for _, n in notices
        if n.key in written
        for key, _ in news[n.username]
    ]
    if links:
        await session.execute(_LINK, {"links": links})


def _notice(process: Process, name: str, found: list[tuple[str, Reminder]]) -> Notice:
    """All rungs that are new to a person as one message, in their order."""
    about = subject_of(process)
    texts = list(dict.fromkeys(r.text for _, r in found))
    task_id = next((r.task_id for _, r in found if r.task_id), None)
    body = Text(zh="；".join(t.zh for t in texts), en="; ".join(t.en for t in texts))
    return Notice(
        username=name,
        message=Text(zh=f"{about.zh}：{body.zh}", en=f"{about.en}: {body.en}"),
        key=f"reminder/{found[0][0]}/{name}",
        link=f"/tasks/{task_id}" if task_id else f"/processes/{process.id}",
        process_id=process.id,
        task_id=task_id,
    )


async def _recipients(session: AsyncSession, process: Process, reminder: Reminder) -> list[User]:
    """The holder, or everybody who could take the task; the supervisors; the heads; and today's substitutes of each."""
    if reminder.to != "holder":
        return await substitutes.reached(session, users.meant_by([reminder.to]), clock.today())
    if reminder.task_id is not None:
        task = await session.get(Task, reminder.task_id, options=[load_only(*_WHOSE_TASK)])
        if task is not None:
            return await in_charge(session, task)
    meant = users.meant_by(reminder.roles, process.org_unit, process.subject)
    return await substitutes.reached(session, meant, clock.today())


async def in_charge(session: AsyncSession, task: Task) -> list[User]:
    """Who has to act: the holder and the one who delegated it to him; else everybody who could take the task; and
    today's substitutes of each."""
    names = [name for name in (task.holder, task.owner) if name is not None]
    if names:
        holding = await substitutes.reached(session, User.username.in_(names), clock.today())
        if holding:
            return holding
    could = users.meant_by(task.roles, task.org_unit, task.subject) & User.username.not_in(task.excluded)
    return await substitutes.reached(session, could, clock.today())
