"""The one way to PostgreSQL: `async with session() as s:` is one transaction, committed at its end.

Invariants: nobody else commits; no transaction is held open around a call to Temporal, an agency or a file upload; the
engine belongs to one event loop (`dispose` before the loop ends).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from runtime.settings import get_settings

_engine: AsyncEngine | None = None


def engine() -> AsyncEngine:
    """The engine of this process, made on first use from the settings."""
    global _engine
    if _engine is None:
        _engine = _create(get_settings().require_database_url())
    return _engine


def _create(url: str) -> AsyncEngine:
    # A dead connection is noticed before it is used, and an outage is said within seconds instead of hanging a click.
    return create_async_engine(
        url,
        pool_size=get_settings().database_pool_size,
        max_overflow=10,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c lock_timeout=10s"},
    )


async def configure(url: str) -> None:
    """Points this process at another database (tests, command line)."""
    global _engine
    await dispose()
    _engine = _create(url)


async def dispose() -> None:
    """Closes all connections."""
    global _engine
    if _engine is not None:
        await _engine.dispose()
        _engine = None


@asynccontextmanager
async def session() -> AsyncIterator[AsyncSession]:
    """One transaction: committed when the block ends, rolled back when it raises."""
    async with AsyncSession(engine(), expire_on_commit=False) as opened, opened.begin():
        yield opened


async def ping() -> None:
    """Raises when the database does not answer."""
    async with engine().connect() as connection:
        await connection.execute(text("SELECT 1"))
