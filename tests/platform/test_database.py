"""A connection that died while it lay idle is noticed before it is used; the caller sees nothing of it."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.settings import Settings
from store import database as store_database
from store.database import session


async def _backend() -> int:
    async with session() as s:
        return (await s.execute(text("SELECT pg_backend_pid()"))).scalar_one()


async def _kill(settings: Settings, pid: int) -> None:
    dsn = settings.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (pid,))


async def test_a_dead_idle_connection_is_replaced(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_database, "TRUSTED_SECONDS", 0.0)
    first = await _backend()
    await _kill(database, first)
    assert await _backend() != first


async def test_a_connection_just_used_is_trusted_and_recovers_after_one_error(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_database, "TRUSTED_SECONDS", 60.0)
    first = await _backend()
    assert await _backend() == first
    await _kill(database, first)
    with pytest.raises(DBAPIError):
        await _backend()
    assert await _backend() != first
