"""The outbox: messages that leave the house, each key once a channel.

Invariants: a row is taken by a short transaction that counts the attempt and sets the next one (FOR UPDATE SKIP
LOCKED), so no transaction is open while a channel is asked and a worker that dies loses nothing; a row is marked
sent only after the channel took it; before it leaves it is asked again whether its task is still open and its
reader still wants it; subject and body hold no number of a person, and no amount but in a person's own notice. Quiet
hours, digest and rest days are decided when a message is about to leave, by the wishes of that moment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import delivery
from domain.calendar import WorkCalendar
from schemas.base import Text
from schemas.enrolment import KIND as ENROLMENT
from schemas.process import ProcessState
from store import message_settings
from store.tables.outbox import Outgoing
from store.tables.processes import Process, Task

PENDING, SENT, FAILED, DROPPED = "pending", "sent", "failed", "dropped"
ENDED = (ProcessState.CLOSED.value, ProcessState.CANCELLED.value)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
MAX_ERROR = 300
MOST_IN_DIGEST = 100
REMINDER_SUBJECT = Text(zh="保期提醒", en="Baoqi reminder")
DIGEST_SUBJECT = Text(zh="保期每日汇总", en="Baoqi daily digest")
_QUEUE = insert(cast("Table", Outgoing.__table__)).on_conflict_do_nothing(constraint="uq_outbox_key")
NOT_WANTED = "收件人已停用该渠道。 The reader no longer uses this channel."


@dataclass(frozen=True)
class Parcel:
    """What is handed to a channel as one message. `repeat`: it was handed over before, and the end is not known."""

    ids: tuple[int, ...]
    key: str
    address: str
    subject: str
    items: tuple[tuple[str, str | None], ...]  # text and link of each message in it
    created_at: datetime
    attempts: int
    repeat: bool


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
) -> dict[str, Any]:
    """A reminder to a user, to be queued with others. Its subject names the case where it has a number, never the
    person. `lasting`: it hangs on no task or case, and is not dropped with their end."""
    subject = REMINDER_SUBJECT
    kind, _, case_no = (process_id or "").partition("-")
    if kind == ENROLMENT:
        subject = Text(zh=f"{subject.zh} {case_no}", en=f"{subject.en} {case_no}")
    if lasting:
        process_id = task_id = None
    return _row(
        key, subject, message,
        now=now, channel=channel, username=username, link=link, process_id=process_id, task_id=task_id, reminder=True,
    )  # fmt: skip


async def queue_reminders(session: AsyncSession, reminders: list[dict[str, Any]]) -> None:
    """Puts them into the outbox; one whose key is known in its channel changes nothing."""
    if reminders:
        await session.execute(_QUEUE, reminders)


async def _drop_pointless(session: AsyncSession, ids: list[int]) -> set[int]:
    """Drops those of these reminders whose task was closed, or whose case has ended; returns which. Only rows that this
    transaction holds: another worker's would be waited for."""
    task_closed = exists().where(Task.id == Outgoing.task_id, Task.closed_at.is_not(None))
    case_ended = exists().where(Process.id == Outgoing.process_id, Process.state.in_(ENDED))
    dropped = await session.execute(
        update(Outgoing)
        .where(Outgoing.id.in_(ids), Outgoing.reminder, or_(task_closed, case_ended))
        .values(state=DROPPED)
        .returning(Outgoing.id)
        .execution_options(synchronize_session=False)
    )
    return set(dropped.scalars())


async def take(
    session: AsyncSession, channel: str, *, now: datetime, office_now: datetime, school: WorkCalendar
) -> Parcel | None:
    """The next message of a channel to send, its attempt counted and its next one set. None when nothing is due.

    `now` is the machine's time (pauses), `office_now` that of the office (rest days, quiet hours, digest).
    """
    due = (
        select(Outgoing)
        .where(
            Outgoing.channel == channel,
            Outgoing.state == PENDING,
            or_(Outgoing.next_at.is_(None), Outgoing.next_at <= now),
            or_(Outgoing.held_until.is_(None), Outgoing.held_until <= office_now),
        )
        .order_by(Outgoing.created_at, Outgoing.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    while (row := await session.scalar(due)) is not None:
        if row.reminder and await _drop_pointless(session, [row.id]):
            continue
        address, wishes = await _reader(session, row)
        if address is None:
            row.state, row.error = DROPPED, NOT_WANTED
        else:
            falls_due = await _falls_due(session, row) if wishes.digest else None
            held = delivery.leaves_at(
                wishes, reminder=row.reminder, queued_at=row.created_at, due=falls_due, now=office_now, school=school
            )
            if held <= office_now:
                waits = delivery.in_digest(
                    wishes, reminder=row.reminder, queued_at=row.created_at, due=falls_due, school=school
                )
                return await _parcel(session, row, address, digest=waits, now=now, office_now=office_now)
            row.held_until = held
        await session.flush()
    return None


async def _reader(session: AsyncSession, row: Outgoing) -> tuple[str | None, delivery.Wishes]:
    """Where the message goes now, and how its reader wants it."""
    if row.username is None:
        return row.recipient, delivery.Wishes()
    user = await message_settings.user(session, row.username)
    if user is None:
        return None, delivery.Wishes()
    kept = await message_settings.of_user(session, user)
    return kept.address(row.channel), kept.wishes


async def _falls_due(session: AsyncSession, row: Outgoing) -> datetime | None:
    """When the task of a reminder falls due, unless that was before the reminder: then a day more changes nothing."""
    if row.task_id is None:
        return None
    due = await session.scalar(select(Task.next_due_at).where(Task.id == row.task_id))
    return due if due is not None and due > row.created_at else None


async def _parcel(
    session: AsyncSession, row: Outgoing, address: str, *, digest: bool, now: datetime, office_now: datetime
) -> Parcel:
    """The row, and what goes with it: for a digest all that waits for its reader; after a crash the same as before."""
    if row.bundle is not None:
        together = Outgoing.bundle == row.bundle
    elif digest:
        together = (
            (Outgoing.bundle.is_(None))
            & Outgoing.reminder
            & (Outgoing.username == row.username)
            & or_(Outgoing.next_at.is_(None), Outgoing.next_at <= now)
            & or_(Outgoing.held_until.is_(None), Outgoing.held_until <= office_now)
        )
    else:
        together = Outgoing.id == row.id
    statement = (
        select(Outgoing)
        .where(Outgoing.channel == row.channel, Outgoing.state == PENDING, together)
        .order_by(Outgoing.created_at, Outgoing.id)
        .limit(MOST_IN_DIGEST)
        .with_for_update(skip_locked=True)
    )
    rows = list(await session.scalars(statement))
    gone = await _drop_pointless(session, [r.id for r in rows if r is not row])
    rows = [r for r in rows if r.id not in gone]
    repeat = any(r.taken_at is not None for r in rows)
    for other in rows:
        other.attempts += 1
        other.next_at = now + pause_after(other.attempts)
        other.taken_at = now
        if len(rows) > 1:
            other.bundle = rows[0].key
    subject = rows[0].subject
    if len(rows) > 1:
        subject = f"{DIGEST_SUBJECT.zh}（{len(rows)} 项） / {DIGEST_SUBJECT.en} ({len(rows)})"
    return Parcel(
        ids=tuple(r.id for r in rows),
        key=f"{rows[0].channel}/{rows[0].key}" if row.channel != delivery.MAIL else rows[0].key,
        address=address,
        subject=subject,
        items=tuple((r.body, r.link) for r in rows),
        created_at=rows[0].created_at,
        attempts=max(r.attempts for r in rows),
        repeat=repeat,
    )


async def mark(
    session: AsyncSession, ids: tuple[int, ...], state: str, *, error: str | None = None, now: datetime
) -> None:
    """What became of an attempt: sent, failed for good, or still pending with the reason."""
    values = {
        "state": state,
        "error": error[:MAX_ERROR] if error else None,
        "sent_at": now if state == SENT else None,
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
