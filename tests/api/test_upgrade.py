"""An older database with open and closed tasks comes to the newest version with the same lists, counts and search."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

from alembic import command
from sqlalchemy import text, update

from runtime import clock
from runtime.settings import get_settings
from schemas.api import TaskQuery
from store import database as store_database
from store import inbox, inbox_counts, past
from store.database import reading, session
from store.migrations import config, upgrade
from store.tables.counting import COLUMNS, RECOUNT
from store.tables.processes import Task
from store.users import create_user
from tests.api.conftest import Office
from tests.api.test_tallies import one_change, viewers

OLDEST_WITH_DATA = "0005"
VIEWS = ("group", "behalf", "mine", "started", "done", "all")


async def _shown(at: datetime | None = None, *, by: str = "") -> dict[str, Any]:
    """What everybody sees, or one saw: the ids of each view in order, its counts, and who is found by a name."""
    now, found = at or clock.now(), {}
    people = [viewer for viewer in await viewers() if by in ("", viewer.username)]
    async with reading() if at is None else past.reading_at(at) as s:
        for viewer in people:
            for query in (*(TaskQuery(view=v, limit=200) for v in VIEWS), TaskQuery(view="all", q="穆安")):
                page = await inbox.page(s, viewer, query, now)
                total, counts = await inbox_counts.counts(s, viewer, query, now)
                found[f"{viewer.username} {query.view} {query.q}"] = ([t.id for t, _ in page.rows], total, counts)
    return found


async def _tallies() -> list[Any]:
    async with session() as s:
        rows = await s.execute(
            text(f"SELECT {COLUMNS}, sum(n) FROM tallies GROUP BY {COLUMNS} HAVING sum(n) <> 0 ORDER BY {COLUMNS}")
        )
        return [tuple(row) for row in rows]


async def _known_again() -> list[Any]:
    """By what a person is known under another document number."""
    async with session() as s:
        rows = await s.execute(text("SELECT id, permit_hash, who_hash FROM persons ORDER BY id"))
        return [tuple(row) for row in rows]


async def _filled(office: Office) -> None:
    cases = [await office.case(id_number=f"C01X00T4{n}", org_unit="physics" if n % 2 else "business") for n in range(4)]
    async with session() as s:
        await create_user(s, "employee", "x" * 12, name_zh="职工", roles=["employee"])
    rng = random.Random(11)
    for number in range(1, 160):
        await one_change(rng, cases, number)


async def test_triggers_count_what_counting_anew_counts(office: Office) -> None:
    await _filled(office)
    kept = await _tallies()
    async with session() as s:
        for statement in RECOUNT:
            await s.execute(text(statement.replace(":", r"\:")))
    assert len(kept) > 30
    assert await _tallies() == kept


async def test_an_older_database_keeps_its_lists_and_counts(office: Office) -> None:
    await _filled(office)
    before, kept = await _shown(), await _known_again()
    assert sum(len(ids) for ids, _, _ in before.values()) > 50
    url = get_settings().require_database_url()
    await store_database.dispose()
    await asyncio.to_thread(command.downgrade, config(url), OLDEST_WITH_DATA)
    await asyncio.to_thread(upgrade, url)
    await store_database.configure(url)
    assert await _shown() == before
    assert await _known_again() == kept
    upgraded = clock.now()
    async with session() as s:
        await s.execute(update(Task).values(holder="clerk2"))
        assert upgraded - timedelta(minutes=10) < await past.kept_since(s) < upgraded
    was = {name: seen for name, seen in before.items() if name.startswith("clerk ")}
    assert await _shown(by="clerk") != was
    assert await _shown(upgraded, by="clerk") == was
