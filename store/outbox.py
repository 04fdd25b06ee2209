"""The outbox: messages that leave the house, each key once a channel; what goes in, and what became of it.

Invariants: a row is marked sent only after the channel took it; subject and body hold no number of a person, and no
amount but in a person's own notice. What leaves next, and whether it still should, is `store/departures.py`.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import delivery
from schemas.base import Text
from schemas.enrolment import KIND as ENROLMENT
from store.tables.outbox import Outgoing

PENDING, SENT, FAILED, DROPPED = "pending", "sent", "failed", "dropped"
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
MAX_ERROR = 300
REMINDER_SUBJECT = Text(zh="保期提醒", en="Baoqi reminder")
_QUEUE = insert(cast("Table", Outgoing.__table__)).on_conflict_do_nothing(constraint="uq_outbox_key")


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: 1, 2, 4 … minutes, six hours at most."""
    return min(FIRST_PAUSE * 2 ** min(max(attempts - 1, 0), 20), LONGEST_PAUSE)


async def queue(
    session: AsyncSession,
    key: str,
    subject: Text,
    body: Text,
    *,
    now: datetime,
    channel: str = delivery.MAIL,
    recipient: str | None = None,
    username: str | None = None,
    link: str | None = None,
    process_id: str | None = None,
    task_id: str | None = None,
    reminder: bool = False,
    own: bool = False,
) -> bool:
    """Puts a message into the outbox; False when its key is known in this channel. `link` is a path of API or pages.
    `own`: a person's own notice, which says their amounts; its author has masked the numbers.

    To a user (the address is looked up when it leaves), or to a `recipient` on record.
    """
    if (recipient is None) == (username is None):
        raise ValueError("A message goes to a user or to an address: one of the two.")
    row = _row(
        key, subject, body,
        now=now, channel=channel, recipient=recipient, username=username,
        link=link, process_id=process_id, task_id=task_id, reminder=reminder, own=own,
    )  # fmt: skip
    return (await session.execute(_QUEUE.returning(Outgoing.id), row)).scalar_one_or_none() is not None


def _row(
    key: str,
    subject: Text,
    body: Text,
    *,
    now: datetime,
    channel: str,
    recipient: str | None = None,
    username: str | None,
    link: str | None,
    process_id: str | None,
    task_id: str | None,
    reminder: bool,
    own: bool = False,
    follows: bool = False,
) -> dict[str, Any]:
    subject, body = delivery.discreet(subject), body if own else delivery.discreet(body)
    return {
        "key": key,
        "channel": channel,
        "username": username,
        "recipient": recipient,
        "subject": f"{subject.zh} / {subject.en}",
        "body": f"{body.zh}\n\n{body.en}\n",
        "link": link,
        "process_id": process_id,
        "task_id": task_id,
        "reminder": reminder,
        "follows": follows,
        "state": PENDING,
        "attempts": 0,
        "created_at": now,
    }


def reminder(
    key: str,
    username: str,
    channel: str,
    message: Text,
    *,
    now: datetime,
    link: str | None,
    process_id: str | None,
    task_id: str | None,
    lasting: bool = False,
    follows: bool = False,
) -> dict[str, Any]:
    """A reminder to a user, to be queued with others. Its subject names the case where it has a number, never the
    person. `lasting`: it hangs on no task or case, and is not dropped with their end. `follows`: it asks whoever has
    the task to do something, and goes to who has it when it leaves."""
    subject = REMINDER_SUBJECT
    kind, _, case_no = (process_id or "").partition("-")
    if kind == ENROLMENT:
        subject = Text(zh=f"{subject.zh} {case_no}", en=f"{subject.en} {case_no}")
    if lasting:
        process_id = task_id = None
    return _row(
        key, subject, message,
        now=now, channel=channel, username=username, link=link, process_id=process_id, task_id=task_id, reminder=True,
        follows=follows,
    )  # fmt: skip


async def queue_reminders(session: AsyncSession, reminders: list[dict[str, Any]]) -> None:
    """Puts them into the outbox; one whose key is known in its channel changes nothing."""
    if reminders:
        await session.execute(_QUEUE, reminders)


async def mark(
    session: AsyncSession, ids: tuple[int, ...], state: str, *, error: str | None = None, now: datetime
) -> None:
    """What became of an attempt: sent, failed for good, or still pending with the reason. `now`: the office's time,
    as that of the message, which may be ahead of it for the moment in which a demo's clock is moved."""
    values = {
        "state": state,
        "error": error[:MAX_ERROR] if error else None,
        "sent_at": func.greatest(now, Outgoing.created_at) if state == SENT else None,
        "taken_at": None,
    }
    await session.execute(update(Outgoing).where(Outgoing.id.in_(ids), Outgoing.state == PENDING).values(**values))


async def give_back(session: AsyncSession, ids: tuple[int, ...]) -> None:
    """The channel could not be asked: the attempt does not count, the channel's own pause does."""
    await session.execute(
        update(Outgoing)
        .where(Outgoing.id.in_(ids), Outgoing.state == PENDING)
        .values(attempts=Outgoing.attempts - 1, next_at=None, taken_at=None)
    )


async def again(session: AsyncSession, channel: str, message_id: int | None = None) -> int:
    """What was refused is tried again at once: one message, or all of a channel; returns how many. One that is being
    sent at this moment, or of which a crash has left open what became of it, stays as it is: it could be doubled."""
    found = await session.execute(
        update(Outgoing)
        .where(
            Outgoing.channel == channel,
            Outgoing.error.is_not(None),
            Outgoing.state.in_((FAILED, PENDING)),
            Outgoing.taken_at.is_(None),
            *([Outgoing.id == message_id] if message_id is not None else []),
        )
        .values(state=PENDING, next_at=None, error=None, attempts=0)
        .returning(Outgoing.id)
        .execution_options(synchronize_session=False)
    )
    return len(found.all())


async def waiting(session: AsyncSession) -> int:
    """How many messages wait to be sent."""
    return (
        await session.execute(select(func.count()).select_from(Outgoing).where(Outgoing.state == PENDING))
    ).scalar_one()
