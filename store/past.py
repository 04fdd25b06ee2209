"""Reading the past: the same queries as ever, on the rows as they were at a moment (`store/tables/keeping.py`).

Invariants: such a transaction writes nothing; within it `clock.now()` is the moment. What is followed is listed in
`FOLLOWED`; everything else (names of users and colleges, the rules and calendars) is as it is today. What is too old to
be asked for is dropped here alone, and only after the moment from which one may ask (`kept_since`) has moved on: every
moment that is answered is answered in full, of open and of closed cases.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from runtime.settings import get_settings
from store.database import reading, session
from store.tables.keeping import SCHEMA, SINCE
from store.tables.office import Setting
from store.users import Viewer

BATCH = 2000  # old versions that go in one transaction: it is over in an instant, and whoever writes waits for none


@asynccontextmanager
async def reading_at(at: datetime) -> AsyncIterator[AsyncSession]:
    """One transaction that reads what was there at a moment of the installation's clock."""
    with clock.looking_back(at):
        async with reading() as s:
            await s.execute(
                # Without compiling: statements over these views are long, run once, and seldom read many rows.
                text(
                    "SELECT set_config('search_path', :views || ', ' || current_setting('search_path'), true),"
                    " set_config('baoqi.at', :at, true), set_config('jit', 'off', true)"
                ),
                {"views": SCHEMA, "at": at.isoformat()},
            )
            yield s


async def kept_since(s: AsyncSession) -> datetime:
    """From when on old rows are kept; what was there then counts as it was at that moment."""
    return datetime.fromisoformat((await s.get_one(Setting, SINCE)).value)


async def forget() -> int:
    """Drops what is older than the installation keeps. A chore; how many old versions went."""
    return await forget_before(clock.now() - timedelta(days=get_settings().look_back_days))


async def forget_before(first: datetime) -> int:
    """No moment before this one can be asked for any more; what showed only such moments goes."""
    async with session() as s:
        setting = await s.get_one(Setting, SINCE)
        first = max(first, datetime.fromisoformat(setting.value))
        setting.value = first.isoformat()
    async with session() as s:
        # Pages that the index has not looked at yet would all be read, each time; PostgreSQL is in no hurry with them.
        await s.execute(text("SELECT brin_summarize_new_values('ix_kept_until')"))
    gone = 0
    while True:
        async with session() as s:
            dropped = await s.execute(
                text(
                    "DELETE FROM kept WHERE ctid = ANY (ARRAY(SELECT ctid FROM kept WHERE until <= :first LIMIT :n))"
                    " RETURNING 1"
                ),
                {"first": first, "n": BATCH},
            )
            n = len(dropped.all())
        gone += n
        if n < BATCH:
            return gone


def common(now: Viewer, then: Viewer) -> Viewer:
    """What one person may see today and could see then: nobody sees by looking back what the roles of today do not
    show, nor in the own inbox what was not there. What was in one's own hands then stays one's own."""
    absent = {hat.username: hat for hat in then.absent}
    return replace(
        now,
        roles=now.roles & then.roles,
        org_units=now.org_units & then.org_units,
        absent=tuple(common(hat, absent[hat.username]) for hat in now.absent if hat.username in absent),
    )
