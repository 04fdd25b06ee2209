"""What people do with tasks at the inbox, told in three places at once: audit trail, timeline, open pages.

Invariants: a line is written in the transaction of the act itself, so neither exists without the other; texts hold
names of colleagues and the reason that was typed, `data` only codes and logins.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from schemas.base import Text
from store import audit, live
from store.tables.desk import InboxEvent
from store.tables.processes import Process, Task
from store.users import Viewer


async def tell(session: AsyncSession, process_id: str) -> None:
    """Open pages ask again once the transaction has ended."""
    await live.process_changed(session, process_id)


async def note(
    session: AsyncSession,
    viewer: Viewer,
    action: str,
    words: Text,
    process: Process,
    task: Task | None = None,
    *,
    acting_for: str | None = None,
    **data: Any,
) -> InboxEvent:
    """Writes audit and timeline and wakes the pages. `action` is the audit's word, `task.transfer`; `data` are codes
    and logins."""
    return await line(session, viewer.username, action, words, process, task, acting_for=acting_for, **data)


async def line(
    session: AsyncSession,
    actor: str,
    action: str,
    words: Text,
    process: Process,
    task: Task | None = None,
    *,
    acting_for: str | None = None,
    **data: Any,
) -> InboxEvent:
    """The same for an act whose person is known by the login alone."""
    row = InboxEvent(
        process_id=process.id,
        task_id=task.id if task is not None else None,
        at=clock.now() + timedelta(seconds=process.clock_offset_seconds),
        kind=action.rpartition(".")[2],
        text_zh=words.zh,
        text_en=words.en,
        actor=actor,
        acting_for=acting_for,
        data=data,
    )
    session.add(row)
    about = task.id if task is not None else process.id
    whom = {"acting_for": acting_for} if acting_for else {}
    audit.record(session, actor, action, about, on_behalf=acting_for is not None, **whom, **data)
    await session.flush()
    await tell(session, process.id)
    return row


async def of_process(session: AsyncSession, process_id: str) -> list[InboxEvent]:
    """The inbox's lines of a case, oldest first."""
    rows = await session.scalars(
        select(InboxEvent).where(InboxEvent.process_id == process_id).order_by(InboxEvent.at, InboxEvent.id)
    )
    return list(rows)
