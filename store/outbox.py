"""The outbox of mail: what waits to be sent, each key once.

Invariants: a row is claimed by a short transaction that also sets its next attempt (FOR UPDATE SKIP LOCKED), so no
transaction is open while a mail server is asked and a worker that dies loses nothing; a subject carries no name and no
number of a person; a reminder whose task is closed, or whose case has ended, is dropped and not sent.
"""

from datetime import datetime, timedelta

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from schemas.process import ProcessState
from store.tables.office import Mail
from store.tables.processes import Process, Task

PENDING, SENT, FAILED, DROPPED = "pending", "sent", "failed", "dropped"
ENDED = (ProcessState.CLOSED.value, ProcessState.CANCELLED.value)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
MAX_ERROR = 300
REMINDER_SUBJECT = Text(zh="保期提醒", en="Baoqi reminder")


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: 1, 2, 4 … minutes, six hours at most."""
    return min(FIRST_PAUSE * 2 ** min(max(attempts - 1, 0), 20), LONGEST_PAUSE)


async def queue(
    session: AsyncSession,
    key: str,
    recipient: str,
    subject: Text,
    body: Text,
    *,
    now: datetime,
    link: str | None = None,
    process_id: str | None = None,
    task_id: str | None = None,
    reminder: bool = False,
) -> bool:
    """Puts a mail into the outbox; False when its key is known already. `link` is a path of the API or the pages."""
    statement = insert(Mail).values(
        key=key,
        recipient=recipient,
        subject=f"{subject.zh} / {subject.en}",
        body=f"{body.zh}\n\n{body.en}\n",
        link=link,
        process_id=process_id,
        task_id=task_id,
        reminder=reminder,
        state=PENDING,
        attempts=0,
        created_at=now,
    )
    queued = await session.execute(statement.on_conflict_do_nothing(index_elements=["key"]).returning(Mail.id))
    return queued.scalar_one_or_none() is not None


async def queue_reminder(
    session: AsyncSession,
    key: str,
    recipient: str,
    message: Text,
    *,
    now: datetime,
    link: str | None,
    process_id: str | None,
    task_id: str | None,
) -> bool:
    """A reminder's mail. Its subject names the process, never the person."""
    subject = REMINDER_SUBJECT
    if process_id is not None:
        subject = Text(zh=f"{subject.zh} {process_id}", en=subject.en)
    return await queue(
        session, key, recipient, subject, message,
        now=now, link=link, process_id=process_id, task_id=task_id, reminder=True,
    )  # fmt: skip


async def drop_pointless(session: AsyncSession) -> int:
    """Drops reminders whose task was closed, or whose case has ended, before they were sent; returns how many."""
    task_closed = exists().where(Task.id == Mail.task_id, Task.closed_at.is_not(None))
    case_ended = exists().where(Process.id == Mail.process_id, Process.state.in_(ENDED))
    dropped = await session.execute(
        update(Mail)
        .where(Mail.state == PENDING, Mail.reminder, or_(task_closed, case_ended))
        .values(state=DROPPED)
        .returning(Mail.id)
        .execution_options(synchronize_session=False)
    )
    return len(dropped.all())


async def claim(session: AsyncSession, now: datetime, *, reminders: bool) -> Mail | None:
    """The next mail to send, its attempt counted and its next one set. None when nothing is due.

    `now` is the machine's time. `reminders` False leaves reminders alone (a rest day).
    """
    await drop_pointless(session)
    due = select(Mail).where(Mail.state == PENDING, or_(Mail.next_at.is_(None), Mail.next_at <= now))
    if not reminders:
        due = due.where(~Mail.reminder)
    mail = await session.scalar(
        due.order_by(Mail.created_at, Mail.id).limit(1).with_for_update(skip_locked=True)
    )  # fmt: skip
    if mail is not None:
        mail.attempts += 1
        mail.next_at = now + pause_after(mail.attempts)
    return mail


async def mark(session: AsyncSession, mail_id: int, state: str, *, error: str | None = None, now: datetime) -> None:
    """What became of an attempt: sent, failed for good, or still pending with the reason."""
    await session.execute(
        update(Mail)
        .where(Mail.id == mail_id, Mail.state == PENDING)
        .values(state=state, error=error[:MAX_ERROR] if error else None, sent_at=now if state == SENT else None)
    )


async def waiting(session: AsyncSession) -> int:
    """How many mails wait to be sent."""
    return (await session.execute(select(func.count()).select_from(Mail).where(Mail.state == PENDING))).scalar_one()
