"""Live refresh: what open pages hear of, when the transaction that caused it commits.

An event says that something changed, never what: pages ask again with their own permissions.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

INBOX_CHANNEL = "baoqi_inbox"
TO_USER = "@"  # how a notification to one user begins
CLOSED = "!"  # how the end of a login begins; anything else is the id of a process
_NOTIFY = text("SELECT pg_notify(:channel, :what)")


async def process_changed(session: AsyncSession, process_id: str) -> None:
    """Pages that show this process, or lists, ask again."""
    await session.execute(_NOTIFY, {"channel": INBOX_CHANNEL, "what": process_id})


async def message_to(session: AsyncSession, username: str) -> None:
    """The pages of this user have another number of unread messages: a new one, or one that was read."""
    await session.execute(_NOTIFY, {"channel": INBOX_CHANNEL, "what": f"{TO_USER}{username}"})


async def login_closed(session: AsyncSession, username: str) -> None:
    """Open pages of this user hear nothing more."""
    await session.execute(_NOTIFY, {"channel": INBOX_CHANNEL, "what": f"{CLOSED}{username}"})
