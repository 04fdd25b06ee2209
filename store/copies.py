"""抄送: who was told of a task or a case, and whether they have read it.

Invariants: one copy per person and task (or case); the first reading is kept. A copy gives no right: whether its reader
may open the task is asked anew each time (`store/inbox.py`).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables.desk import Copy


async def add(
    session: AsyncSession,
    process_id: str,
    task_id: str | None,
    usernames: Sequence[str],
    *,
    added_by: str,
    note: str,
    now: datetime,
) -> list[str]:
    """Copies the task (or the case) to these people; returns those who did not have it."""
    new: list[str] = []
    for username in dict.fromkeys(usernames):
        statement = insert(Copy).values(
            process_id=process_id, task_id=task_id, username=username, added_by=added_by, note=note, at=now
        )
        statement = statement.on_conflict_do_nothing(constraint="uq_copies_once").returning(Copy.id)
        if await session.scalar(statement) is not None:
            new.append(username)
    return new


async def of_task(session: AsyncSession, process_id: str, task_id: str) -> list[Copy]:
    """Copies of a task and of its case, in the order in which they were made."""
    rows = await session.scalars(
        select(Copy)
        .where(Copy.process_id == process_id, or_(Copy.task_id == task_id, Copy.task_id.is_(None)))
        .order_by(Copy.id)
    )
    return list(rows)


async def of_case(session: AsyncSession, process_id: str) -> list[Copy]:
    """Copies of the whole case."""
    rows = await session.scalars(
        select(Copy).where(Copy.process_id == process_id, Copy.task_id.is_(None)).order_by(Copy.id)
    )
    return list(rows)


async def mark_read(session: AsyncSession, username: str, process_id: str, task_id: str | None, now: datetime) -> int:
    """The person has opened the task (and so the copy of its case), or the case; returns how many were unread."""
    about = Copy.task_id.is_(None) if task_id is None else or_(Copy.task_id == task_id, Copy.task_id.is_(None))
    statement = (
        update(Copy)
        .where(Copy.username == username, Copy.process_id == process_id, about, Copy.read_at.is_(None))
        .values(read_at=now)
        .returning(Copy.id)
    )
    return len((await session.scalars(statement)).all())


async def unread_tasks(session: AsyncSession, username: str, tasks: Sequence[tuple[str, str]]) -> set[str]:
    """Of these (task, process): the tasks with a copy that the person has not read."""
    if not tasks:
        return set()
    rows = await session.execute(
        select(Copy.task_id, Copy.process_id).where(
            Copy.username == username, Copy.read_at.is_(None), Copy.process_id.in_({p for _, p in tasks})
        )
    )
    by_task, by_case = set[str](), set[str]()
    for task_id, process_id in rows:
        (by_task if task_id else by_case).add(task_id or process_id)
    return {t for t, p in tasks if t in by_task or p in by_case}
