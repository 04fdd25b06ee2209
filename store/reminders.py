"""The rungs of a ladder that have become due: claimed, and told to those who are meant.

Invariants: a rung is claimed by the insert of its key, once a recipient for ever; all rungs of one transition reach a
person as one message; a rung that nobody could be told of is claimed as well. An escalation whose level has no open
login goes to the next one, at last to the administrators, and the timeline says so. Storms come by the thousand in one
minute, so the number of statements does not grow with the number of rungs or recipients. The caller holds the row of
the process.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Date, Select, String, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import raiseload

from runtime import clock
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES
from schemas.deadlines import RungInstant
from schemas.process import Reminder
from store import inbox_events, message_settings, substitutes, users
from store.message_settings import Kept
from store.messages import Notice, notify_all, subject_of
from store.tables.outbox import MessageSettings
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
_WHOSE_TASK = select(Task.holder, Task.owner, Task.roles, Task.org_unit, Task.subject, Task.excluded).where(
    Task.id == bindparam("task_id")
)
INSTEAD = {"supervisor": ("head", "admin"), "head": ("admin",)}  # who hears what nobody of that level can be told
ADMINISTRATOR = Text(zh="系统管理员", en="administrator")
NOBODY = "-"  # claims a rung that nobody could be told of
Recipient = tuple[User, MessageSettings | None]


class Whose(NamedTuple):
    """What of a task says whom it concerns."""

    holder: str | None
    owner: str | None
    roles: Sequence[str]
    org_unit: str | None
    subject: str | None
    excluded: Sequence[str]


async def remind(session: AsyncSession, process: Process, reminders: list[Reminder], now: datetime) -> None:
    """Claims the rungs and writes one message a person for all that were new. A message is no older than what it tells
    of: while a demo's clock is moved, its cases are ahead of it."""
    now = max([now, *(reminder.at for reminder in reminders)])
    wanted: list[tuple[str, Recipient | None, Reminder, RungInstant]] = []
    unheard: dict[str, tuple[str, list[Recipient], Reminder]] = {}  # level without a login -> who hears it instead
    for reminder in reminders:
        recipients = await _recipients(session, process, reminder)
        if not recipients and reminder.to in INSTEAD:
            instead, recipients = await _instead(session, reminder.to)
            unheard[reminder.to] = (instead, recipients, reminder)
        for rung in reminder.rungs:
            key = f"{process.id}/{reminder.task_id or ''}/{rung.key}"
            wanted += [(key, person, reminder, rung) for person in recipients or [None]]
    if not wanted:
        return
    claims = [
        {
            "key": key,
            "recipient": _login(person),
            "task_id": reminder.task_id,
            "rung": rung.rung,
            "addressed_to": reminder.to,
            "due_at": rung.at.isoformat(),
            "at": reminder.at.isoformat(),
        }
        for key, person, reminder, rung in wanted
    ]
    claimed = {
        (c.key, c.recipient) for c in await session.execute(_CLAIM, {"process_id": process.id, "claims": claims})
    }
    news: dict[str, list[tuple[str, Reminder]]] = defaultdict(list)
    ways: dict[str, Kept] = {}
    for key, person, reminder, _ in wanted:
        if person is not None and (key, person[0].username) in claimed:
            name = person[0].username
            ways[name] = ways.get(name) or message_settings.kept(*person)
            news[name].append((key, reminder))
    await notify_all(session, [(ways[name], _notice(process, name, found)) for name, found in news.items()], now)
    claimed_of = {reminder.to for key, person, reminder, _ in wanted if (key, _login(person)) in claimed}
    for level, (instead, people, reminder) in unheard.items():
        if level in claimed_of:
            await _say_unheard(session, process, level, instead, people, reminder)


def _login(recipient: Recipient | None) -> str:
    return recipient[0].username if recipient else NOBODY


async def _instead(session: AsyncSession, level: str) -> tuple[str, list[Recipient]]:
    """The next level that has an open login, and who they are; the last level and nobody where none has."""
    others = INSTEAD[level]
    for other in others:
        if found := await _reached(session, _meant((other,))):
            return other, found
    return others[-1], []


async def _say_unheard(
    session: AsyncSession, process: Process, level: str, instead: str, people: list[Recipient], reminder: Reminder
) -> None:
    """The timeline says that a level could not be told, and who was told in its place."""
    meant, other = SIGNER_ROLES[level], SIGNER_ROLES.get(instead, ADMINISTRATOR)
    names = [user for user, _ in people]
    words = Text(
        zh=f"没有可用的{meant.zh}账号，提醒未能送达{meant.zh}；"
        + (f"已改为通知{other.zh} {'、'.join(u.name_zh for u in names)}" if names else "也没有可改为通知的人"),
        en=f"No open login of a {meant.en}: the {meant.en} could not be told; "
        + (f"told instead: {other.en} {', '.join(u.name_en for u in names)}" if names else "nobody else could be told"),
    )
    task = await session.get(Task, reminder.task_id) if reminder.task_id else None
    told = [u.username for u in names]
    await inbox_events.line(session, "system", "reminder.unheard", words, process, task, level=level, told=told)


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
        rungs=tuple(key for key, _ in found),
        follows=task_id is not None and all(r.to == "holder" for _, r in found),
    )


async def _recipients(session: AsyncSession, process: Process, reminder: Reminder) -> list[Recipient]:
    """The holder, or everybody who could take the task; the supervisors; the heads; and today's substitutes of each."""
    if reminder.to != "holder":
        return await _reached(session, _meant((reminder.to,)))
    if reminder.task_id is not None:
        task = (await session.execute(_WHOSE_TASK, {"task_id": reminder.task_id})).one_or_none()
        if task is not None:
            return await in_charge(session, Whose(*task))
    return await _reached(session, _meant(tuple(reminder.roles)), org_unit=process.org_unit, person=process.subject)


def whose(task: Task) -> Whose:
    """The same of a task's row."""
    return Whose(task.holder, task.owner, task.roles, task.org_unit, task.subject, task.excluded)


async def in_charge(session: AsyncSession, task: Whose) -> list[Recipient]:
    """Who has to act: the holder and the one who delegated it to him; else everybody who could take the task; and
    today's substitutes of each."""
    names = [name for name in (task.holder, task.owner) if name is not None]
    if names:
        holding = await _reached(session, _NAMED, names=names, excluded=task.excluded)
        if holding:
            return holding
    could = _meant(tuple(task.roles))
    return await _reached(session, could, org_unit=task.org_unit, person=task.subject, excluded=task.excluded)


async def named(session: AsyncSession, names: Sequence[str]) -> list[Recipient]:
    """These people, and today's substitutes of each."""
    return await _reached(session, _NAMED, names=names)


async def _reached(
    session: AsyncSession,
    statement: Select[Any, Any],
    *,
    names: Sequence[str] = (),
    excluded: Sequence[str] = (),
    org_unit: str | None = None,
    person: str | None = None,
) -> list[Recipient]:
    values = {
        "today": clock.today(), "names": list(names), "excluded": list(excluded), "org_unit": org_unit or "",
        "person": person or "",
    }  # fmt: skip
    return [(user, settings) for user, settings in await session.execute(statement, values)]


_TODAY: BindParameter[date] = bindparam("today", type_=Date)
_EXCLUDED: BindParameter[Sequence[str]] = bindparam("excluded", type_=ARRAY(String))


def _statement(meant: ColumnElement[bool]) -> Select[Any, Any]:
    """They are only told something, so their roles and colleges are not loaded."""
    return (
        select(User, MessageSettings)
        .outerjoin(MessageSettings, MessageSettings.username == User.username)
        .where(substitutes.reached(meant, _TODAY, _EXCLUDED))
        .order_by(User.username)
        .options(raiseload(User.roles), raiseload(User.org_units))
    )


_NAMED = _statement(User.username == any_(bindparam("names", type_=ARRAY(String))))


@lru_cache(maxsize=256)
def _meant(roles: tuple[str, ...]) -> Select[Any, Any]:
    """Made once for each set of roles: to build and compare a statement costs more than to run it."""
    meant = users.meant_by(roles, bindparam("org_unit", type_=String), bindparam("person", type_=String))
    return _statement(meant & substitutes.free_of(_EXCLUDED, _TODAY))
