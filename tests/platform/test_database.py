"""A dead idle connection is noticed before it is used; what is read together is of one moment; steps of its history."""

import asyncio
import io

import psycopg
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.settings import Settings
from store import database as store_database
from store.database import reading, session
from store.migrations import config
from store.tables.keeping import FOLLOWED, SCHEMA
from store.tables.people import OrgUnit


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


async def test_an_empty_database_comes_to_any_version_and_says_which(database: Settings) -> None:
    alembic = config(database.database_url)
    async with session() as s:
        await s.execute(text(f"DROP SCHEMA public, {SCHEMA} CASCADE"))
        await s.execute(text("CREATE SCHEMA public"))
    for version in ("0005", "0022", "0023", "head"):
        await asyncio.to_thread(command.upgrade, alembic, version)
        alembic.stdout = io.StringIO()
        await asyncio.to_thread(command.current, alembic)
        said = alembic.stdout.getvalue()
        assert said.startswith(version) or (version == "head" and "(head)" in said)
    async with session() as s:
        views = await s.scalars(text("SELECT viewname FROM pg_views WHERE schemaname = :past"), {"past": SCHEMA})
        assert set(views) == {f.table for f in FOLLOWED} | {"tallies"}


async def test_a_total_and_its_list_are_of_one_moment(database: Settings) -> None:
    count = text("SELECT count(*) FROM org_units")
    async with reading() as s:
        before = (await s.execute(count)).scalar_one()
        async with session() as other:
            other.add(OrgUnit(id="new", name_zh="新学院", name_en="New college"))
        assert len((await s.execute(text("SELECT id FROM org_units"))).all()) == before
    async with session() as s:  # the connection is given back as it was
        assert (await s.execute(count)).scalar_one() == before + 1
        await s.execute(text("UPDATE org_units SET name_zh = '改' WHERE id = 'new'"))


async def test_nothing_is_written_while_a_list_is_read(database: Settings) -> None:
    with pytest.raises(DBAPIError, match="read-only"):
        async with reading() as s:
            await s.execute(text("DELETE FROM org_units"))
