"""Four eyes for who becomes a substitute: a task that a person holds, and that the absent one had a part in, goes back.

A substitute may not decide on what the absent person did, so such a task would lie in hands that may not do it. It goes
back to its group, or to who lent it, and the holder and those who can take it now are told why.

Invariants: only what a substitution of today forbids is taken away; an answer on its way stays with who gave it; run
twice or by two at once nothing happens twice (the rows are locked). The absent person's own tasks are not touched.
"""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import any_, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from store import inbox_events, message_settings, messages, submissions, users
from store.messages import Notice
from store.nobody import doers
from store.tables.desk import Substitution
from store.tables.people import User
from store.tables.processes import Process, Task
from store.users import substitution_in_force


async def give_back(session: AsyncSession, today: date, now: datetime) -> int:
    """Takes what a substitution of today forbids out of the substitutes' hands; gives how many tasks."""
    held = (
        select(Task, Process, Substitution)
        .join(Process, Process.id == Task.process_id)
        .join(Substitution, Substitution.substitute == Task.holder)
        .where(Task.closed_at.is_(None), substitution_in_force(today), Substitution.absent == any_(Task.excluded))
        .order_by(Task.id, Substitution.id)
        .with_for_update(of=Task)
        .execution_options(populate_existing=True)
    )
    found = {task.id: (task, process, row) for task, process, row in await session.execute(held)}
    answered = await submissions.on_its_way(session, list(found)) if found else set[str]()
    names = await users.names(session) if found else {}
    for task, process, row in found.values():
        if task.id not in answered:
            await _give_back(session, task, process, row, names, now)
    return len(found) - len(answered)


async def _give_back(
    session: AsyncSession, task: Task, process: Process, row: Substitution, names: dict[str, Text], now: datetime
) -> None:
    holder, absent = names[row.substitute], names[row.absent]
    to = names.get(task.owner or "")
    task.holder, task.held_since = task.owner, now if task.owner else None
    task.owner = None
    if task.holder is None:
        task.draft = task.draft_at = None
    where = Text(zh=f"交回{to.zh}", en=f"back to {to.en}") if to else Text(zh="退回组内", en="back to its group")
    words = Text(
        zh=f"{holder.zh}正代理{absent.zh}，{absent.zh}已参与上一步，须由另一人办理，任务{where.zh}",
        en=f"{holder.en} stands in for {absent.en}, who took part in the step before: somebody else must do this, it "
        f"goes {where.en}",
    )
    event = await inbox_events.line(
        session, row.set_by, "task.release", words, process, task, holder_before=row.substitute, holder=task.holder
    )
    takers = await _could(session, task, row) if task.holder is None else {task.holder}
    told = {row.substitute, *takers}
    about = messages.subject_of(process, task)
    text = Text(zh=f"{about.zh}：{words.zh}", en=f"{about.en}: {words.en}")
    for user in await _people(session, told):
        notice = Notice(
            user.username, text, f"moved/{event.id}/{user.username}", f"/tasks/{task.id}", process.id, task.id
        )
        await messages.notify_all(session, [(await message_settings.of_user(session, user), notice)], now)


async def _could(session: AsyncSession, task: Task, row: Substitution) -> set[str]:
    """Who can take it now."""
    return await doers(session, task.roles, task.org_unit) - {*task.excluded, row.substitute}


async def _people(session: AsyncSession, names: Iterable[str]) -> list[User]:
    wanted = select(User).where(User.active, User.username.in_(set(names))).order_by(User.username)
    return list(await session.scalars(wanted))
