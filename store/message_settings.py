"""How a user wants to be told: channels, addresses, quiet hours, digest.

Invariants: addresses are encrypted, the mail address is the user's own record (`users.email`); a channel that the
installation has not set up, or for which there is no address, is not used however it was chosen; addresses that cannot
be read now (the key is not there) are never written over. What may be chosen is checked in `api/message_settings.py`.
"""

from dataclasses import dataclass, field
from datetime import datetime, time

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.delivery import CHANNELS, MAIL, Wishes
from runtime.crypto import KeyUnusable
from runtime.logging import logger
from runtime.settings import get_settings
from store.sealed import seal, unseal
from store.tables.outbox import MessageSettings, Outgoing
from store.tables.people import User

log = logger(__name__)


@dataclass(frozen=True)
class Kept:
    """What is kept of one user: the wishes, and the address at each channel. Not `readable`: the key is not there."""

    wishes: Wishes = field(default_factory=Wishes)
    addresses: dict[str, str] = field(default_factory=dict[str, str])
    readable: bool = True

    def address(self, channel: str) -> str | None:
        """Where a message goes; None when the channel was not chosen or there is no address."""
        return self.addresses.get(channel) if channel in self.wishes.channels else None

    @property
    def ways(self) -> list[str]:
        """The channels through which this user is told, of those that are set up here."""
        return [c for c in CHANNELS if c in get_settings().channels and self.address(c)]


async def of_user(session: AsyncSession, user: User) -> Kept:
    """The wishes of a user; by mail and at once when nothing was chosen."""
    return kept(user, await session.get(MessageSettings, user.username))


def kept(user: User, row: MessageSettings | None) -> Kept:
    """The same where the row was read with the user's."""
    mail = {MAIL: user.email} if user.email else {}
    if row is None:
        return Kept(addresses=mail)
    wishes = Wishes(tuple(row.channels), row.quiet_from, row.quiet_to, row.digest)
    try:
        return Kept(wishes, {**_addresses(row), **mail})
    except KeyUnusable:  # a message in the pages, and a case, must not fail for that
        log.exception("addresses_unreadable", username=row.username)
        return Kept(wishes, mail, readable=False)


def _addresses(row: MessageSettings | None) -> dict[str, str]:
    """KeyUnusable."""
    return unseal(row.addresses) if row is not None and row.addresses is not None else {}


async def save(
    session: AsyncSession,
    username: str,
    *,
    channels: list[str],
    quiet_from: time | None,
    quiet_to: time | None,
    digest: bool,
    addresses: dict[str, str],
    now: datetime,
) -> None:
    """Keeps the wishes; what waits in the outbox goes by them. KeyUnusable, and nothing is changed, when the addresses
    that are there cannot be read. An address of a channel that is not set up at present stays."""
    there = _addresses(await session.get(MessageSettings, username, with_for_update=True))
    resting = {c: a for c, a in there.items() if c not in get_settings().channels}
    values = {
        "channels": channels,
        "quiet_from": quiet_from,
        "quiet_to": quiet_to,
        "digest": digest,
        "addresses": seal({**resting, **{c: a for c, a in addresses.items() if c != MAIL}}),
        "changed_at": now,
    }
    statement = insert(MessageSettings).values(username=username, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["username"], set_=values))
    if MAIL in addresses:
        await session.execute(update(User).where(User.username == username).values(email=addresses[MAIL] or None))
    await session.execute(
        update(Outgoing).where(Outgoing.username == username, Outgoing.state == "pending").values(held_until=None)
    )
    session.expire_all()


async def user(session: AsyncSession, username: str) -> User | None:
    """The user, when the login is active."""
    return await session.scalar(select(User).where(User.username == username, User.active))
