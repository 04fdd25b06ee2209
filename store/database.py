"""The one way to PostgreSQL: `async with session() as s:` is one transaction, committed at its end.

`async with reading() as s:` is for lists and figures: it sees one moment and writes nothing. `single_reads()` is for a
few statements that need no common moment, without a transaction around them.

Invariants: nobody else commits; no transaction is held open around a call to Temporal, an agency or a file upload; the
engine belongs to one event loop (`dispose` before the loop ends).
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from runtime.settings import get_settings

_engine: AsyncEngine | None = None
# A connection that was used so lately is taken as it is; asking it first would cost each click several round trips.
TRUSTED_SECONDS = 1.0
# Many people ask little: a statement that waits for parallel workers waits longer for them than it computes.
SETTINGS = ("timezone=UTC", "lock_timeout=10s", "max_parallel_workers_per_gather=0")
# What is raised while the database is away, or does not get to a statement: the same may be asked again.
AWAY = (OperationalError, InterfaceError, PoolTimeout)


def engine() -> AsyncEngine:
    """The engine of this process, made on first use from the settings."""
    global _engine
    if _engine is None:
        _engine = _create(get_settings().require_database_url())
    return _engine


def _create(url: str) -> AsyncEngine:
    # A dead connection is noticed before it is used, and an outage is said within seconds instead of hanging a click.
    made = create_async_engine(
        url,
        pool_size=get_settings().database_pool_size,
        max_overflow=0,
        # The connection used last goes first: what is not needed lies idle, and none is opened for one use only.
        pool_use_lifo=True,
        pool_timeout=5,
        connect_args={"connect_timeout": 5, "options": " ".join(f"-c {setting}" for setting in SETTINGS)},
    )
    _ask_the_idle(made)
    return made


def _ask_the_idle(made: AsyncEngine) -> None:
    """Like `pool_pre_ping`, but only for a connection that lay idle: a dead one empties the pool and is replaced."""
    dialect = made.sync_engine.dialect

    def given_back(connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    def taken(connection: Any, record: Any, proxy: Any) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or time.monotonic() - used_at < TRUSTED_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(made.sync_engine, "checkin", given_back)
    event.listen(made.sync_engine, "checkout", taken)


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


@asynccontextmanager
async def reading() -> AsyncIterator[AsyncSession]:
    """One transaction that only reads, all of it at one moment: a total and the list it belongs to cannot differ."""
    async with AsyncSession(engine(), expire_on_commit=False) as opened, opened.begin():
        await opened.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
        yield opened


@asynccontextmanager
async def single_reads() -> AsyncIterator[AsyncSession]:
    """Statements that change nothing, each for itself: two round trips fewer than a transaction, and the same view,
    since a statement of a transaction sees what was committed before it began as well. Nothing may be written."""
    async with AsyncSession(engine().execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False) as opened:
        yield opened


async def ping() -> None:
    """Raises when the database does not answer."""
    async with engine().connect() as connection:
        await connection.execute(text("SELECT 1"))
