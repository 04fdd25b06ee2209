"""Looking back (回看): a case, a task and an inbox as they were at a past moment, for the API and the pages alike.

A moment is as long as it was written: a minute (`09:15`) or a second shows what stood at its end, so that whoever types
the time of a line of the timeline sees what that line says; the minute or second that is still running shows what is
there now. With a fraction of a second it is that instant.

Permission: what may be seen is decided by the viewer's roles of today. The own inbox shows what the roles of then and
of today have in common; somebody else's is for those who may read every task anyway. Nothing can be done from here.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncSession

from api.permissions import LOOKS_INTO, require_role
from api.problems import BadMoment, NotFound
from runtime import clock
from runtime.clock import SHANGHAI
from schemas.api import LOOK_BACK
from schemas.base import Text
from store import cases, past
from store.database import reading
from store.inbox import find as find_task
from store.tables.people import User
from store.tables.processes import Process, Task
from store.users import Viewer, seen_as

At = Annotated[
    str | None,
    Query(max_length=40, description=LOOK_BACK, examples=["2026-11-20T09:15"]),
]
_WRITTEN = re.compile(r"[T ]\d\d:?\d\d(?P<second>:?\d\d)?(?P<fraction>[.,]\d+)?")
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")  # `+08:00` in an address arrives as ` 08:00`
FUTURE = Text(
    zh="只能回看过去：这一时刻还没有到。", en="Only the past can be looked back at: this moment is yet to come."
)
ONLY_BACK = Text(
    zh="查看他人的待办只能用于回看：请同时给出时刻 at。",
    en="Somebody else's inbox can only be looked back at: give the moment (at) as well.",
)
NOT_YET = Text(
    zh="这一时刻还没有这个个案，请选择它发起之后的时刻。",
    en="This case did not exist at that moment: choose one after it was started.",
)
NO_TASK_YET = Text(
    zh="这一时刻还没有这项任务，请选择它产生之后的时刻。",
    en="This task did not exist at that moment: choose one after it was opened.",
)
NOBODY = Text(zh="没有这个用户，请核对用户名。", en="There is no such user: check the user name.")


def moment_of(text: str) -> tuple[datetime, datetime]:
    """The first and the last instant of the moment that was typed. BadMoment."""
    text = _LOST_PLUS.sub(r"\1+\2", text.strip())
    try:
        found = datetime.fromisoformat(text)
        first = (found if found.tzinfo is not None else found.replace(tzinfo=SHANGHAI)).astimezone(SHANGHAI)
        return first, first + _length(text)
    except (ValueError, OverflowError) as error:
        raise BadMoment from error


def _length(text: str) -> timedelta:
    """Of a moment that could be read, but for its last instant; a day alone is its beginning."""
    written = _WRITTEN.search(text)
    if written is None or written["fraction"]:
        return timedelta(0)
    return timedelta(seconds=1 if written["second"] else 60) - timedelta.resolution


@asynccontextmanager
async def looking(at: str) -> AsyncIterator[AsyncSession]:
    """A transaction that reads what was there at that moment. BadMoment: unreadable, to come, or before the record."""
    (first, last), now = moment_of(at), clock.now()
    if first > now:
        raise BadMoment(FUTURE)
    moment = min(last, now)
    async with past.reading_at(moment) as s:
        since = await past.kept_since(s)
        if moment < since:
            begins = since.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
            raise BadMoment(
                Text(
                    zh=f"这一时刻没有留存：自 {begins} 起才有可回看的记录，请选择之后的时刻。",
                    en=f"Nothing is kept of that moment: the record begins at {begins}, choose a later one.",
                )
            )
        yield s


@asynccontextmanager
async def inbox(viewer: Viewer, at: str | None, as_user: str | None) -> AsyncIterator[tuple[AsyncSession, Viewer]]:
    """A transaction, and as whom to read the inbox in it: now as oneself, or then as oneself or somebody else.

    BadMoment, NotAllowed, NotFound.
    """
    if at is None:
        if as_user is not None:
            raise BadMoment(ONLY_BACK)
        async with reading() as s:
            yield s, viewer
        return
    if as_user not in (None, viewer.username):
        require_role(viewer, *LOOKS_INTO)
    async with looking(at) as s:
        user = await s.get(User, as_user or viewer.username)
        if user is None:
            raise NotFound(NOBODY)
        then = await seen_as(s, user)
        yield s, past.common(viewer, then) if user.username == viewer.username else then


@asynccontextmanager
async def case(viewer: Viewer, process_id: str, at: str) -> AsyncIterator[AsyncSession]:
    """A transaction that reads a case as it was, if the viewer may open it today. NotFound, BadMoment."""
    async with reading() as s:
        if await cases.find(s, viewer, process_id) is None:
            raise NotFound
    async with looking(at) as s:
        if await s.get(Process, process_id) is None:
            raise BadMoment(NOT_YET)
        yield s


@asynccontextmanager
async def task(viewer: Viewer, task_id: str, at: str) -> AsyncIterator[AsyncSession]:
    """A transaction that reads a task as it was, if the viewer may open it today. NotFound, BadMoment."""
    async with reading() as s:
        if await find_task(s, viewer, task_id) is None:
            raise NotFound
    async with looking(at) as s:
        if await s.get(Task, task_id) is None:
            raise BadMoment(NO_TASK_YET)
        yield s
