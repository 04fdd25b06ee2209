"""Reading the past: the same queries as ever, on the rows as they were at a moment (`store/tables/keeping.py`).

Invariants: such a transaction writes nothing; within it `clock.now()` is the moment. What is followed is listed in
`FOLLOWED`; everything else (names of users and colleges, the rules and calendars) is as it is today.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from store.database import reading
from store.tables.keeping import SCHEMA, SINCE
from store.tables.office import Setting
from store.users import Viewer


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
