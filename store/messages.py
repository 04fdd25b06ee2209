"""A message to a user: in the pages at once, and through the channels the user has chosen.

Invariants: the same key again changes nothing, in no channel; open pages of that user hear of it when the transaction
commits (NOTIFY); what goes out is queued in the same transaction, so that neither is there without the other.
"""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.delivery import discreet
from schemas.base import Text
from store import live, message_settings, outbox
from store.tables.office import Message
from store.tables.people import User


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
) -> int | None:
    """Tells a user something about work; it rests on rest days outside of the pages, and goes with the task's end.
    Returns the message's id; None when its key was there."""
    written = await in_pages(
        session, user.username, message, key=key, link=link, now=now, process_id=process_id, task_id=task_id
    )
    for channel in (await message_settings.of_user(session, user)).ways:
        await outbox.queue_reminder(
            session, key, user.username, channel, message,
            link=link, process_id=process_id, task_id=task_id, now=now,
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
    task_id: str | None = None,
) -> int | None:
    """A message in the pages alone. Returns its id; None when its key was there."""
    message = discreet(message)
    statement = insert(Message).values(
        username=username,
        key=key,
        text_zh=message.zh,
        text_en=message.en,
        link=link,
        process_id=process_id,
        task_id=task_id,
        at=now,
    )
    written = await session.execute(statement.on_conflict_do_nothing(index_elements=["key"]).returning(Message.id))
    message_id = written.scalar_one_or_none()
    if message_id is not None:
        await live.message_to(session, username)
    return message_id
