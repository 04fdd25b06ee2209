"""A running case takes over newer rules, by order of `store/policy_orders.py`; it never does so by itself.

Invariants: the rules come from an activity and so stand in the history; the same order again changes nothing; rules by
which a date of the case cannot be counted are refused, and the case goes on by its own; a moved date is noted with its
old and new day and the reason; a rung that has fired does not fire again.
"""

from collections.abc import Iterable

from temporalio import workflow

from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind, PolicySnapshot
from schemas.process import PolicyAnswer, PolicyUpdate
from schemas.tasks import TaskState
from workflows.calls import load_policy
from workflows.clock import breach_of_moved
from workflows.human_task import HumanTask, computing, refuse_now
from workflows.verbs import Verbs

with workflow.unsafe.imports_passed_through():
    from domain import policy, recount


Counted = tuple[dict[str, Deadline], dict[str, list[Deadline]]]  # of the case; of each open task


class PolicyUpdates(Verbs):
    """The Update by which a case takes over rules."""

    @workflow.update(name="update_policy", description="Take over newer rules")
    async def update_policy(self, order: PolicyUpdate) -> PolicyAnswer:
        await workflow.wait_condition(lambda: self.policy.version != "")  # its own rules are being loaded
        newest = policy.carried((await load_policy(self.start, order.id)).policy)
        adopted = newest if order.scope == "all" else recount.with_published_years(self.policy, newest)
        if adopted.version == self.policy.version or self._ended is not None:
            return PolicyAnswer(version=self.policy.version)
        counted = self._counted(order, adopted)
        old, self.policy = self.policy.version, adopted
        self.note(
            "policy_updated",
            Text(
                zh=f"规则更新：{order.reason.zh}（版本 {old} → {adopted.version}）",
                en=f"Rules updated: {order.reason.en} (version {old} → {adopted.version})",
            ),
            actor=order.actor,
            data={"order": order.id, "scope": order.scope},
        )
        moved = self._take_dates(order, counted)
        self.plan += 1
        self.touch()
        await self.projected()
        if order.scope == "all":
            await self.rules_taken_over(order)
        return PolicyAnswer(version=adopted.version, moved=moved)

    async def rules_taken_over(self, order: PolicyUpdate) -> None:
        """What a process keeps of the rules beside `self.policy` is brought up to date; by default it keeps nothing."""

    @update_policy.validator
    def _check_policy(self, order: PolicyUpdate) -> None:
        if self._ended is not None:
            raise refuse_now("the process has ended")

    def _counted(self, order: PolicyUpdate, rules: PolicySnapshot) -> Counted:
        """Every deadline of the case and of its open tasks by these rules; changes nothing. An error of ours in here is
        told to who gave the order: it would stop each case that was told."""

        def again(deadline: Deadline) -> Deadline:
            with computing(f"{deadline.id} by these rules"):
                return recount.recounted(deadline, rules, rules=order.scope == "all", why=order.reason)

        case = {key: again(deadline) for key, deadline in self.deadlines.items()}
        tasks = {
            task.id: [d if _frozen(task, d) else again(d) for d in task.deadlines] for task in self.desk.open_tasks
        }
        return case, tasks

    def _take_dates(self, order: PolicyUpdate, counted: Counted) -> int:
        """The deadlines as they were counted; gives how many moved to another day."""
        moved: dict[str, tuple[Deadline, Deadline]] = {}

        def note_moves(before: Iterable[Deadline], after: Iterable[Deadline]) -> None:
            for old, new in zip(before, after, strict=True):
                if old.due_at != new.due_at:
                    moved.setdefault(old.id, (old, new))

        case, tasks = counted
        note_moves(self.deadlines.values(), case.values())
        self.deadlines = case
        for task in self.desk.open_tasks:
            note_moves(task.deadlines, tasks[task.id])
            if tasks[task.id] != task.deadlines:
                task.deadlines = tasks[task.id]
                self.touch(task)
        for old, new in moved.values():
            if new.due_at > self.now():
                self.fired |= recount.carried(self.fired, old, new, self.policy.ladder)
            self.rearm(old, new)
            self.note(
                "moved",
                Text(
                    zh=f"{new.title.zh}期限由 {old.due} 改为 {new.due}：{order.reason.zh}",
                    en=f"{new.title.en} moved from {old.due} to {new.due}: {order.reason.en}",
                ),
                actor=order.actor,
                data={"deadline": new.id, "old": old.due.isoformat(), "new": new.due.isoformat(), "order": order.id},
            )
            breach_of_moved(self, new)
        return len(moved)


def _frozen(task: HumanTask, deadline: Deadline) -> bool:
    """While a task is suspended its internal targets stand still: what is left of them is counted at the resumption."""
    return task.state is TaskState.SUSPENDED and deadline.legal_kind is LegalKind.INTERNAL
