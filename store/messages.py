"""A message to a user: in the pages at once, and through the channels the user has chosen.

Invariants: the same key again changes nothing, in no channel; open pages of that user hear of it when the transaction
commits (NOTIFY); what goes out is queued in the same transaction, so that neither is there without the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from domain.delivery import discreet
from schemas.base import Text
from store import message_settings, outbox
from store.live import INBOX_CHANNEL, TO_USER
from store.message_settings import Kept
from store.tables.people import User
from store.tables.processes import Process, Task

# However many people are told of one thing, their pages and the rungs that it tells of with them: one statement.
_IN_PAGES = text("""
    WITH written AS (
        INSERT INTO messages (username, key, text_zh, text_en, link, process_id, task_id, at)
        SELECT n.username, n.key, n.text_zh, n.text_en, n.link, n.process_id, n.task_id, :now
        FROM jsonb_to_recordset(:notices) AS n(
            username text, key text, text_zh text, text_en text, link text, process_id text, task_id text
        )
        ON CONFLICT (key) DO NOTHING
        RETURNING id, key, username
    ), linked AS (
        UPDATE reminders SET message_id = w.id
        FROM written AS w
        JOIN jsonb_to_recordset(:notices) AS n(key text, rungs jsonb) ON n.key = w.key
        CROSS JOIN LATERAL jsonb_array_elements_text(n.rungs) AS r(key)
        WHERE reminders.key = r.key AND reminders.recipient = w.username
    )
    SELECT key, id, pg_notify(:channel, :to_user || username) FROM written
""").bindparams(bindparam("notices", type_=JSONB))


@dataclass(frozen=True)
class Notice:
    """What one user is told. `key` is its own for ever. `rungs`: keys of the reminders that it tells of, claimed by
    the caller before. `lasting`: to be said outside as well when its task is closed or its case has ended. `follows`:
    it asks whoever has the task to do something, and leaves the house for who has it then."""

    username: str
    message: Text
    key: str
    link: str | None
    process_id: str | None = None
    task_id: str | None = None
    rungs: tuple[str, ...] = ()
    lasting: bool = False
    follows: bool = False


async def notify(
    session: AsyncSession,
    user: User,
    message: Text,
    *,
    key: str,
    link: str | None,
    now: datetime,
    process_id: str | None = None,
    task_id: str | None = None,
    lasting: bool = False,
    follows: bool = False,
) -> int | None:
    """Tells a user something about work; it rests on rest days outside of the pages, and goes with the task's end
    unless it is `lasting`. Returns the message's id; None when its key was there."""
    notice = Notice(user.username, message, key, link, process_id, task_id, lasting=lasting, follows=follows)
    return (await notify_all(session, [(await message_settings.of_user(session, user), notice)], now)).get(key)


async def notify_all(session: AsyncSession, notices: Sequence[tuple[Kept, Notice]], now: datetime) -> dict[str, int]:
    """The same for several, each as that user wants to be told; gives the ids of the messages that are new, by key."""
    if not notices:
        return {}
    written = await _write(session, [notice for _, notice in notices], now)
    await outbox.queue_reminders(
        session,
        [
            outbox.reminder(
                n.key, n.username, channel, n.message,
                link=n.link, process_id=n.process_id, task_id=n.task_id, now=now, lasting=n.lasting,
                follows=n.follows,
            )
            for kept, n in notices
            for channel in kept.ways
        ],
    )  # fmt: skip
    return written


async def in_pages(
    session: AsyncSession,
    username: str,
    message: Text,
    *,
    key: str,
    link: str | None,
    now: datetime,
    process_id: str | None = None,
) -> int | None:
    """A message in the pages alone. Returns its id; None when its key was there."""
    return (await _write(session, [Notice(username, message, key, link, process_id)], now)).get(key)


async def _write(session: AsyncSession, notices: Sequence[Notice], now: datetime) -> dict[str, int]:
    rows: list[dict[str, str | tuple[str, ...] | None]] = []
    for notice in notices:
        words = discreet(notice.message)
        rows.append(
            {
                "username": notice.username,
                "key": notice.key,
                "text_zh": words.zh,
                "text_en": words.en,
                "link": notice.link,
                "process_id": notice.process_id,
                "task_id": notice.task_id,
                "rungs": notice.rungs,
            }
        )
    values = {"notices": rows, "now": now, "channel": INBOX_CHANNEL, "to_user": TO_USER}
    return {key: id_ for key, id_, _ in await session.execute(_IN_PAGES, values)}


_LEVIES = {"social": Text(zh="社保费", en="social levy"), "medical": Text(zh="医保费", en="medical levy")}


def subject_of(process: Process, task: Task | None = None) -> Text:
    """What a message speaks of: the case number and the person, or a month's payment, and the task; never an id."""
    if task is not None:
        case = subject_of(process)
        return Text(zh=f"{case.zh}《{task.title_zh}》", en=f"{case.en}, {task.title_en}")
    levy = _LEVIES.get(str(process.parameters.get("levy")))
    if levy is not None:
        month = process.parameters.get("month", "")
        return Text(zh=f"{month} {levy.zh}", en=f"{levy.en} {month}")
    if process.case_no == process.id:
        return Text(zh=process.title, en=process.title)
    named = f"{process.case_no} {process.title}"
    return Text(zh=named, en=named)
