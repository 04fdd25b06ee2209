"""Acts of a batch happen once: the insert of the row is the claim, and goes away with a transaction that fails."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.submissions import body_hash
from store.tables.batches import BatchAct


class KeyUsed(Exception):
    """The key stands for another act."""


async def first(session: AsyncSession, username: str, key: str, object_id: str, asked: Any, now: datetime) -> bool:
    """Whether this act is new; of the same one twice at once the second waits here for the first. KeyUsed."""
    digest = _digest(object_id, asked)
    statement = insert(BatchAct).values(username=username, key=key, object=object_id, digest=digest, at=now)
    made = await session.scalar(statement.on_conflict_do_nothing().returning(BatchAct.key))
    return made is not None or not await known(session, username, key, object_id, asked)


async def known(session: AsyncSession, username: str, key: str, object_id: str, asked: Any) -> bool:
    """Whether this act was done already. KeyUsed."""
    row = await session.get(BatchAct, (username, key))
    if row is not None and row.digest != _digest(object_id, asked):
        raise KeyUsed(key)
    return row is not None


def _digest(object_id: str, asked: Any) -> str:
    return body_hash({"object": object_id, "asked": asked})
