"""The demo's clock: how far the installation is ahead of the machine, kept as a setting; zero in production.

Each process of the installation reads it at its start and every few seconds (`refresh`).
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from store.database import session
from store.tables.office import Setting

KEY = "clock_offset_seconds"


async def stored(s: AsyncSession) -> int:
    """Seconds that the demo's clock is ahead of the machine's."""
    row = await s.get(Setting, KEY)
    return int(row.value) if row is not None else 0


async def refresh() -> None:
    """Brings this process's clock to the stored offset."""
    async with session() as s:
        clock.set_offset(timedelta(seconds=await stored(s)))
