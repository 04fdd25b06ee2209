"""What leaves the house next: the next message of a channel, if it still should, and to whom.

Invariants: a row is taken by a short transaction that counts the attempt and sets the next one (FOR UPDATE SKIP
LOCKED), so no transaction is open while a channel is asked and a worker that dies loses nothing. Quiet hours, digest
and rest days are decided when a message is about to leave, by the wishes of that moment. A rung of the ladder is
pointless when its date is met or gone, not when one step towards it has ended; any other reminder when its task is
closed. What asks whoever has a task to act goes to who has it by then, and is not lost on the way from hand to hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import String, bindparam, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain import delivery, ladder
from domain.calendar import WorkCalendar
from schemas.base import Text
from schemas.deadlines import LegalKind
from schemas.process import ProcessState
from store import message_settings, reminders
from store.messages import Notice, notify_all
from store.outbox import DROPPED, PENDING, pause_after
from store.reminders import Recipient
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.processes import Process, ReminderRow, Task

ENDED = (ProcessState.CLOSED.value, ProcessState.CANCELLED.value)
MOST_IN_DIGEST = 100
DIGEST_SUBJECT = Text(zh="保期每日汇总", en="Baoqi daily digest")
NOT_WANTED = "收件人已停用该渠道。 The reader no longer uses this channel."
PASSED_ON = "事项已转由他人办理，提醒已发给现在的办理人。 Others have the task now, and they are told instead."
# The rungs that a message tells of count as told to whoever it is passed on to; who was told of them is not told again.
_CLAIM_TOO = text("""
    INSERT INTO reminders (key, recipient, process_id, task_id, rung, addressed_to, due_at, at)
    SELECT r.key, n.username, r.process_id, r.task_id, r.rung, r.addressed_to, r.due_at, r.at
    FROM reminders AS r CROSS JOIN unnest(:names) AS n(username)
    WHERE r.message_id = :message_id AND r.recipient = :told
    ON CONFLICT DO NOTHING
    RETURNING recipient
""").bindparams(bindparam("names", type_=ARRAY(String)))


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


class _About(NamedTuple):
    """What a waiting message speaks of, as it stands now."""

    process: Process | None
    task: Task | None
    said: Message | None  # the same message in the pages
    rungs: tuple[str, ...]  # keys of the rungs that it tells of
    deadlines: list[str]  # whose rungs they are


async def _stays(session: AsyncSession, row: Outgoing, now: datetime) -> bool:
    """Whether a reminder is still to be said to its reader. If not, its row is dropped, and what has become somebody
    else's is put into the outbox for them. Looks at this row alone: another worker's would be waited for."""
    about = await _about(session, row)
    task = about.task
    if about.process is not None and about.process.state in ENDED:
        row.state = DROPPED
    elif about.rungs:
        still = [d for d in about.deadlines if about.process is None or _runs(d, about.process, task)]
        if not still:
            row.state = DROPPED
        elif task is not None and task.closed_at is not None:
            _forget(row, about, task)
            task = await _now_at(session, task.process_id, still) if row.follows else task
    elif task is not None and task.closed_at is not None:
        row.state = DROPPED
    if row.state == DROPPED:
        return False
    if not row.follows or task is None or about.said is None:
        return True
    charged = await reminders.in_charge(session, reminders.whose(task))
    if not charged or any(person.username == row.username for person, _ in charged):
        return True
    words = Text(zh=about.said.text_zh, en=about.said.text_en)
    if about.task is not None and about.task.closed_at is not None:
        words = Text(zh=_without(words.zh, about.task), en=_without(words.en, about.task))
    await _pass_on(session, row, words, about.rungs, task, charged, about.said.id, now)
    row.state, row.error = DROPPED, PASSED_ON
    return False


def _forget(row: Outgoing, about: _About, task: Task) -> None:
    """A date that runs on is said of its case: the task that the reminder named is done. What was handed to a channel
    before stays as it was."""
    if row.taken_at is None and about.process is not None:
        row.body, row.link = _without(row.body, task), f"/processes/{about.process.id}"


def _without(words: str, task: Task) -> str:
    """The words of a reminder without the name of its task, which stands before each date."""
    return words.replace(f"{task.title_zh}：", "").replace(f"{task.title_en}: ", "")


async def _about(session: AsyncSession, row: Outgoing) -> _About:
    process = await session.get(Process, row.process_id, populate_existing=True) if row.process_id else None
    task = await session.get(Task, row.task_id, populate_existing=True) if row.task_id else None
    said = await session.scalar(select(Message).where(Message.key == row.key))
    if said is None:
        return _About(process, task, None, (), [])
    told = await session.execute(
        select(ReminderRow.key, ReminderRow.process_id, ReminderRow.task_id)
        .where(ReminderRow.message_id == said.id, ReminderRow.recipient == said.username)
        .order_by(ReminderRow.key)
    )
    rungs = [(key, ladder.deadline_of(key.removeprefix(f"{case}/{of or ''}/"))) for key, case, of in told]
    return _About(process, task, said, tuple(key for key, _ in rungs), list(dict.fromkeys(d for _, d in rungs)))


def _same(deadline_id: str, other: str) -> bool:
    """One date, or one of those into which it was split by authority (and back)."""
    return deadline_id == other or other.startswith(f"{deadline_id}@") or deadline_id.startswith(f"{other}@")


def _runs(deadline_id: str, process: Process, task: Task | None) -> bool:
    """Whether a date still binds somebody; an internal target does only while its task is open."""
    is_open = task is None or task.closed_at is None
    known = {d["id"]: d for d in task.deadlines} if task is not None and is_open else {}
    known |= {d["id"]: d for d in process.deadlines}
    return any(
        _same(deadline_id, i) and d["met_at"] is None and (is_open or d["legal_kind"] != LegalKind.INTERNAL.value)
        for i, d in known.items()
    )


async def _now_at(session: AsyncSession, process_id: str, deadlines: Sequence[str]) -> Task | None:
    """The open task that works towards one of these dates now; the most urgent where there are several."""
    rows = await session.scalars(
        select(Task)
        .where(Task.process_id == process_id, Task.closed_at.is_(None))
        .order_by(Task.sort_day, Task.legal_rank, Task.sort_at, Task.id)
    )
    return next((t for t in rows if any(_same(d, of["id"]) for d in deadlines for of in t.deadlines)), None)


async def _pass_on(
    session: AsyncSession,
    row: Outgoing,
    words: Text,
    rungs: tuple[str, ...],
    task: Task,
    charged: list[Recipient],
    message_id: int,
    now: datetime,
) -> None:
    """The same message for those who have the task now, in their pages and through their channels. Its key is that of
    a message to them, so that whoever has heard it hears it once, and one from whom it was passed on hears it after
    all when the task comes back."""
    names = [person.username for person, _ in charged]
    new = names
    if rungs:
        claim = {"names": names, "message_id": message_id, "told": row.username}
        new = list(await session.scalars(_CLAIM_TOO, claim))
    base = row.key.removesuffix(f"/{row.username}")
    told = [
        (
            message_settings.kept(person, settings),
            Notice(
                person.username,
                words,
                f"{base}/{person.username}",
                f"/tasks/{task.id}",
                task.process_id,
                task.id,
                rungs=rungs,
                follows=True,
            ),
        )
        for person, settings in charged
        if person.username in new
    ]
    await notify_all(session, told, now)
    await session.execute(
        update(Outgoing)
        .where(
            Outgoing.key.in_([f"{base}/{name}" for name in names]),
            Outgoing.state == DROPPED,
            Outgoing.error == PASSED_ON,
        )
        .values(state=PENDING, error=None, held_until=None, task_id=task.id, link=f"/tasks/{task.id}")
        .execution_options(synchronize_session=False)
    )


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
        if row.reminder and not await _stays(session, row, office_now):
            await session.flush()
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
    rows = [r for r in rows if r is row or not r.reminder or await _stays(session, r, office_now)]
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
