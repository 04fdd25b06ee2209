"""Why something cannot be done any more: it is so already, since when and by whom.

Said where a verb was refused, alone or as one of many. Invariants: the process has refused, or the locked row says it;
here is only the sentence. No reason is quoted: reasons are remarks, and who reads this may see a case only because it
is about him.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import TaskClosed, TaskSuspended
from runtime.clock import SHANGHAI
from schemas.base import Text
from schemas.process import CANCELLING, ProcessState
from schemas.tasks import TaskState
from store import cases, users
from store.tables.processes import Process, Task

_TASK_ENDED = {  # a task that somebody ended -> what he did
    TaskState.COMPLETED.value: Text(zh="办结", en="finished"),
    TaskState.RETURNED.value: Text(zh="退回", en="sent back"),
}
_CASE_IS = {  # the line of the timeline that says so -> what the case is since then
    "cancelling": Text(zh="正在撤销", en="is being cancelled"),
    "cancelled": Text(zh="已经撤销", en="is cancelled already"),
    "closed": Text(zh="已经办结", en="is closed already"),
    "suspended": Text(zh="已经中止", en="is suspended already"),
    "resumed": Text(zh="没有中止，正在办理", en="is not suspended: it runs"),
}


def moment(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


async def closed_task(s: AsyncSession, task: Task) -> TaskClosed:
    """For a task that is closed."""
    if task.closed_at is None:
        return TaskClosed()
    at, done = moment(task.closed_at), _TASK_ENDED.get(task.state)
    who = (await users.names(s)).get(task.completed_by or "")
    if done is not None and who is not None:
        return TaskClosed(
            Text(
                zh=f"该任务已由{who.zh}于 {at} {done.zh}，请刷新待办。",
                en=f"{who.en} has {done.en} this task already, at {at}: refresh your inbox.",
            )
        )
    case = await s.get_one(Process, task.process_id)
    cancelled = case.state == ProcessState.CANCELLED or CANCELLING in case.flags
    return TaskClosed(
        Text(
            zh=f"该任务自 {at} 起不再需要办理{'（个案已撤销）' if cancelled else ''}，请刷新待办。",
            en=f"The task is not needed any more since {at}{' (its case is cancelled)' if cancelled else ''}: refresh "
            "your inbox.",
        )
    )


async def suspended_task(s: AsyncSession, process_id: str) -> TaskSuspended:
    """For a task whose case is suspended."""
    said = await _case_is(s, process_id, "suspended")
    return TaskSuspended(Text(zh=f"{said.zh}恢复后才能办理。", en=f"{said.en} Resume it first."))


async def standing(s: AsyncSession, case: Process, command: str) -> Text | None:
    """Why a case takes no such command as it stands; None where its state allows it."""
    if case.closed_at is not None:
        kind = "cancelled" if case.state == ProcessState.CANCELLED else "closed"
        return await _case_is(s, case.id, kind, case.closed_at)
    if CANCELLING in case.flags:
        return await _case_is(s, case.id, "cancelling")
    if command == "suspend" and case.state == ProcessState.SUSPENDED:
        return await _case_is(s, case.id, "suspended")
    if command == "resume" and case.state != ProcessState.SUSPENDED:
        return await _case_is(s, case.id, "resumed")
    return None


async def _case_is(s: AsyncSession, process_id: str, kind: str, at: datetime | None = None) -> Text:
    """By the last such line of the timeline, or, where there is none, since `at`."""
    what, line = _CASE_IS[kind], await cases.last_line(s, process_id, kind)
    who = (await users.names(s)).get(line.actor or "") if line is not None else None
    at = line.at if line is not None else at
    if at is None:
        return Text(zh=f"该个案{what.zh}。", en=f"The case {what.en}.")
    since = moment(at)
    return Text(
        zh=f"该个案{what.zh}（{since} 起{f'，{who.zh}' if who else ''}）。",
        en=f"The case {what.en}, since {since}{f', by {who.en}' if who else ''}.",
    )
