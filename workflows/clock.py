"""The deadline clock: one updatable wait over the deadlines of a task (or of an automatic step without a task).

Invariants: a rung of a ladder fires once in the life of a process (`Process.fired`); after an outage the missed rungs
are recorded in their order and each recipient gets one message for all of them; of those that were past before the wait
began (a task that opens late) each recipient is told the last one, in one line a deadline, and the others never; moving
a deadline re-arms future rungs only, and one moved into the past is told of at once (`CaseFile.rearm`); a rung never
approves, rejects or closes anything. One timer at a time: the next instant, nothing else.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from temporalio import workflow

from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind, RungInstant
from schemas.process import Reminder

with workflow.unsafe.imports_passed_through():
    from domain import ladder

if TYPE_CHECKING:
    from workflows.casefile import CaseFile

RECIPIENT = {
    "holder": Text(zh="办理人", en="holder"),
    "supervisor": Text(zh="科长", en="supervisor"),
    "head": Text(zh="处长", en="head"),
}


class Clock:
    """Waits until `done`, and fires on the way every rung that becomes due.

    Args:
        process: whose time, policy, fired rungs and timeline are used.
        deadlines: read anew at every wake-up, because an update may move them.
        done: ends the wait.
        task_id: the task that the reminders are about; None for an automatic step.
        roles: who is meant by `holder` where no task is open.
        subject: what the reminder speaks of.
        paused: while true (task suspended) internal targets are silent; statutory and payment dates never are.
    """

    def __init__(
        self,
        process: "CaseFile",
        deadlines: Callable[[], Sequence[Deadline]],
        done: Callable[[], bool],
        *,
        subject: Text,
        task_id: str | None = None,
        roles: Sequence[str] = (),
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._process = process
        self._deadlines = deadlines
        self._done = done
        self._subject = subject
        self._task_id = task_id
        self._roles = list(roles)
        self._paused = paused

    async def wait(self) -> None:
        """Returns when `done` is true; cancellation passes through."""
        process = self._process
        late = True  # what is past at the first look was past before this wait began
        while not self._done():
            rungs = self._rungs()
            now = process.now()
            due = ladder.due_rungs(rungs, process.fired, now)
            if due:
                self._fire(ladder.last_of_each(due) if late else due, now, together=late)
                process.fired.update(r.key for r in due)
            else:
                await self._until_changed(ladder.next_rung(rungs, process.fired, now), now)
            late = False

    async def _until_changed(self, coming: RungInstant | None, now: datetime) -> None:
        """Until the next rung's instant, or until the wait is over or the plan has changed."""
        process = self._process
        plan = process.plan
        if coming is None:
            await workflow.wait_condition(lambda: self._done() or process.plan != plan)
            return
        try:
            await workflow.wait_condition(
                lambda: self._done() or process.plan != plan,
                timeout=coming.at - now,
                timeout_summary=f"{coming.deadline_id} {coming.rung}",
            )
        except TimeoutError:
            workflow.logger.debug("rung %s is due", coming.key)

    def _rungs(self) -> list[RungInstant]:
        """The whole ladder of what is watched now, fired or not."""
        deadlines = self._deadlines()
        if self._paused():
            deadlines = [d for d in deadlines if d.legal_kind is not LegalKind.INTERNAL]
        policy = self._process.policy
        return ladder.rungs(deadlines, policy.ladder, policy)

    def _fire(self, due: list[RungInstant], now: datetime, *, together: bool) -> None:
        """Tells of these rungs. `together`: they were past when the wait began, and stand in one line a deadline."""
        process = self._process
        by_id = {d.id: d for d in self._deadlines()}
        recipients: dict[str, list[RungInstant]] = {}
        lines: dict[str, list[RungInstant]] = {}
        for rung in due:
            recipients.setdefault(rung.to, []).append(rung)
            lines.setdefault(rung.deadline_id if together else rung.key, []).append(rung)
        for rungs in lines.values():
            deadline = by_id[rungs[-1].deadline_id]
            overdue = any(deadline.due_at <= r.at for r in rungs)
            if overdue and not deadline.breached and deadline.legal_kind is not LegalKind.INTERNAL:
                process.breach(deadline)
            self._note(rungs, deadline, now, together=together)
        for to, rungs in recipients.items():
            ids = list(dict.fromkeys(r.deadline_id for r in rungs))
            zh = "；".join(_sentence(by_id[i], now).zh for i in ids)
            en = "; ".join(_sentence(by_id[i], now).en for i in ids)
            process.reminders.append(
                Reminder(
                    task_id=self._task_id,
                    to=to,
                    roles=self._roles,
                    rungs=rungs,
                    text=Text(zh=f"{self._subject.zh}：{zh}", en=f"{self._subject.en}: {en}"),
                    at=now,
                )
            )
        process.touch()

    def _note(self, rungs: list[RungInstant], deadline: Deadline, now: datetime, *, together: bool) -> None:
        """One line of the timeline: who is told, and by which rung, the last one where there are several."""
        last, process = rungs[-1], self._process
        when = ladder.when(last.rung, process.policy.ladder, with_breach=last.at >= deadline.due_at)
        told = [to for to in RECIPIENT if to in {r.to for r in rungs}]
        zh, en = "、".join(RECIPIENT[to].zh for to in told), ", ".join(RECIPIENT[to].en for to in told)
        late = ("，开始时已过此时点", ", which was past when this began") if together else ("", "")
        passed = ("，已过期", ", which has passed") if last.at < deadline.due_at <= now else ("", "")
        process.note(
            "escalated" if told != ["holder"] else "reminded",
            Text(
                zh=f"提醒{zh}（{when.zh}{late[0]}）：{deadline.title.zh}，期限 {deadline.due.isoformat()}{passed[0]}",
                en=f"Reminded the {en} ({when.en}{late[1]}): {deadline.title.en}, due {deadline.due.isoformat()}"
                f"{passed[1]}",
            ),
            task_id=self._task_id,
            data={"rung": last.key, "to": last.to, "told": told, "planned_at": last.at.isoformat()},
        )


def breach_of_moved(process: "CaseFile", deadline: Deadline) -> None:
    """A date that was moved into the past is breached by that, whether or not a clock is running that tells of it."""
    passed = deadline.due_at <= process.now() and deadline.met_at is None and not deadline.breached
    if passed and deadline.legal_kind is not LegalKind.INTERNAL:
        process.breach(deadline)


def _sentence(deadline: Deadline, now: datetime) -> Text:
    """What a reminder says about one deadline: its title, its day, and whether it has passed."""
    day = deadline.due.isoformat()
    if deadline.due_at <= now:
        cost = f"（{deadline.consequence.zh}）" if deadline.consequence else ""
        cost_en = f" ({deadline.consequence.en})" if deadline.consequence else ""
        return Text(zh=f"{deadline.title.zh}已于 {day} 到期{cost}", en=f"{deadline.title.en} was due on {day}{cost_en}")
    mark = ("（暂定）", " (provisional)") if deadline.provisional else ("", "")
    return Text(zh=f"{deadline.title.zh}应于 {day} 前完成{mark[0]}", en=f"{deadline.title.en} is due on {day}{mark[1]}")
