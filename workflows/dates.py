"""Dates that people move: an internal target extended with a ground; a date of the law as an authority has decided.

Invariants: a statutory or payment date moves only by an authority's decision that one person recorded with its paper
and another confirmed; old and new day, who and why stand in its derivation and in the timeline. It moves to an earlier
day only when that was said in so many words, and never before the day that it is counted from. A decided day stands: it
is not counted again when its anchor or the rules change. What moved re-arms future rungs only; what moved into the
past is breached and told at once. Nothing here decides what a breach means.
"""

from collections.abc import Sequence
from datetime import date, datetime

from temporalio import workflow

from schemas.base import FIRST_DAY, LAST_DAY, Text
from schemas.dates import DateDecision, ExtendTarget
from schemas.deadlines import Deadline, LegalKind
from schemas.tasks import Refusal, TaskResult, TaskSpec
from workflows.clock import breach_of_moved
from workflows.human_task import HumanTask, computing, refusal, refuse_now
from workflows.incidents import Incidents

with workflow.unsafe.imports_passed_through():
    from domain import deadlines as deadline_rules
    from domain.moved_by import decided_by, extended_by
    from domain.slack import limit_of_target


class DateMoves(Incidents):
    """The Updates by which people move dates."""

    # --- an internal target -----------------------------------------------------------------------------------------

    @workflow.update(name="extend_target", description="Extend an internal target of a task")
    async def extend_target(self, extending: ExtendTarget) -> date:
        task, old, new, why = self._extended(extending)
        self.rearm(old, new)
        task.deadlines = [new if d.id == old.id else d for d in task.deadlines]
        self.note(
            "extended",
            Text(zh=f"{task.spec.title.zh}：{old.title.zh}{why.zh}", en=f"{task.spec.title.en}: {why.en}"),
            actor=extending.actor,
            task_id=task.id,
            data=_moved_data(old, new) | {"ground": extending.ground},
        )
        self.plan += 1
        self.touch(task)
        await self.projected()
        return new.due

    @extend_target.validator
    def _check_extension(self, extending: ExtendTarget) -> None:
        with computing(f"{extending.deadline} of {self.id} on another day"):
            self._extended(extending)

    def _extended(self, extending: ExtendTarget) -> tuple[HumanTask, Deadline, Deadline, Text]:
        """The task, its target as it is and as it becomes, and why; changes nothing."""
        task, old = self._extensible(extending)
        by = extended_by(extending.ground, extending.actor)
        why = Text(
            zh=f"由 {old.due} 延至 {extending.due}{by.zh}：{extending.reason}",
            en=f"Extended from {old.due} to {extending.due} {by.en}: {extending.reason}",
        )
        missed = missed_date(task.deadlines, self.now())
        if missed is not None:
            why = Text(
                zh=f"{why.zh}（{missed.title.zh}已于 {missed.due} 到期，仍为逾期）",
                en=f"{why.en} ({missed.title.en} was due on {missed.due} and stays overdue)",
            )
        return task, old, deadline_rules.moved(old, extending.due, self.policy, remaining_steps=old.steps, why=why), why

    def _extensible(self, extending: ExtendTarget) -> tuple[HumanTask, Deadline]:
        """The open task and its target; a target goes on to a later day, and not past the date of the law behind it."""
        task = self.desk.open_task(extending.task_id)
        found = [d for d in task.deadlines if d.id == extending.deadline and d.legal_kind is LegalKind.INTERNAL]
        if not found:
            raise refusal(Refusal.BAD_TARGET, f"{extending.deadline} is no internal target of this task")
        binding = limit_of_target(task.deadlines, self.today())
        limit = binding.internal_due if binding is not None else LAST_DAY
        if not max(found[0].due, self.today()) < extending.due <= limit:
            raise refusal(Refusal.BAD_DATE, f"{extending.due} is not after {found[0].due}, or is after {limit}")
        return task, found[0]

    # --- a date of the law ------------------------------------------------------------------------------------------

    @workflow.update(name="decide_date", description="Record an authority's decision on a statutory date")
    async def decide_date(self, decision: DateDecision) -> None:
        known = self._decidable(decision)
        self._deciding[decision.deadline] = decision.id
        self.note(
            "date_recorded",
            Text(
                zh=f"登记经办机构决定（{decision.number}）："
                f"{known.title.zh}由 {known.due} 改为 {decision.due}，待他人确认",
                en=f"Decision {decision.number} recorded: {known.title.en} from {known.due} to {decision.due}, "
                "to be confirmed by someone else",
            ),
            actor=decision.actor,
            data={"deadline": known.id, "decision": decision.id, "document": decision.document},
        )
        what = Text(zh="确认期限决定", en="confirmation of a decided date")
        self.aside(self.supervised(what, lambda: self._confirm_date(decision), self.active_stage()))
        self.touch()
        await self.projected()

    @decide_date.validator
    def _check_decision(self, decision: DateDecision) -> None:
        self._decidable(decision)

    def _decidable(self, decision: DateDecision) -> Deadline:
        if self.cancelling is not None or self._ended is not None:
            raise refuse_now("the process has ended or is being cancelled")
        known = self.deadlines.get(decision.deadline)
        if known is None or known.legal_kind is LegalKind.INTERNAL:
            raise refusal(Refusal.BAD_TARGET, f"{decision.deadline} is no date that an authority decides on")
        if known.met_at is not None or decision.deadline in self._deciding:
            raise refuse_now("it is met, or another decision on it waits for its confirmation")
        if decision.due == known.due or not FIRST_DAY <= decision.due <= LAST_DAY:
            raise refusal(Refusal.BAD_DATE, f"{decision.due} is its day already, or no day that can be counted from")
        if decision.due < (known.anchored_on or FIRST_DAY):
            raise refusal(Refusal.BAD_DATE, f"{decision.due} is before {known.anchored_on}, the day it is counted from")
        if decision.due < known.due and not decision.earlier:
            raise refusal(Refusal.BAD_DATE, f"{decision.due} is before {known.due}, and nobody said that it is meant")
        return known

    async def _confirm_date(self, decision: DateDecision) -> None:
        known = self.deadlines[decision.deadline]
        earlier = _earlier(known, decision.due, self.today())
        try:
            result = await self.desk.ask(
                TaskSpec(
                    key=self.desk.key("date"),
                    kind="date.confirm",
                    title=Text(
                        zh=f"确认经办机构决定：{known.title.zh}改为 {decision.due}{earlier[0]}",
                        en=f"Confirm a decision: {known.title.en} becomes {decision.due}{earlier[1]}",
                    ),
                    roles=["supervisor", "head"],
                    org_unit=self.start.org_unit,
                    subject=self.start.subject,
                    stage=self.active_stage(),
                    outcomes=["confirm", "reject"],
                    excluded=[decision.actor],
                    deadlines=[self.internal("approval")],
                    authority=known.authority if known.authority != "school" else None,
                    runs_on=True,
                    data={
                        "deadline": known.id,
                        "deadline_title": known.title.model_dump(),
                        "date_old": known.due.isoformat(),
                        "date_new": decision.due.isoformat(),
                        "decision_number": decision.number,
                        "decision_reason": decision.reason,
                        "recorded_by": decision.actor,
                        "document": decision.document,
                    },
                )
            )
        finally:
            self._deciding.pop(decision.deadline, None)
        self._decided_by(decision, result)

    def _decided_by(self, decision: DateDecision, result: TaskResult) -> None:
        """Applies what was confirmed. What has been met meanwhile, or is gone, has nothing left to move."""
        moving = [d for d in self.deadlines.values() if _concerns(decision, d)] if result.outcome == "confirm" else []
        if not moving:
            self.note(
                "date_rejected",
                Text(
                    zh=f"未采用期限决定（{decision.number}）：日期不变",
                    en=f"Decision {decision.number} was not applied: the date stays",
                ),
                actor=result.actor,
                data={"deadline": decision.deadline, "decision": decision.id},
            )
        for known in moving:
            self._move_to_decided(known, decision, result.actor)
        self.plan += 1
        self.touch()

    def _move_to_decided(self, known: Deadline, decision: DateDecision, confirmed_by: str) -> None:
        by = decided_by(decision.actor, confirmed_by)
        why = Text(
            zh=f"经办机构决定（{decision.number}）：由 {known.due} 改为 {decision.due}。{decision.reason}{by.zh}",
            en=f"Decided by the authority ({decision.number}): from {known.due} to {decision.due}. {decision.reason} "
            f"{by.en}",
        )
        new = deadline_rules.moved(
            known, decision.due, self.policy, remaining_steps=known.steps, why=why, kind="decided"
        )
        self.decided[known.id] = self.deadlines[known.id] = new
        self.rearm(known, new)
        self.desk.replace_deadline(known.id, new)
        self.note(
            "date_decided",
            Text(zh=f"{known.title.zh}：{why.zh}", en=f"{known.title.en}: {why.en}"),
            actor=confirmed_by,
            data=_moved_data(known, new) | {"decision": decision.id, "document": decision.document},
        )
        breach_of_moved(self, new)


def _concerns(decision: DateDecision, deadline: Deadline) -> bool:
    """The date itself, or what it was split into meanwhile (one for each agency), as long as it is unmet."""
    same = deadline.id == decision.deadline or deadline.id.startswith(f"{decision.deadline}@")
    return same and deadline.met_at is None


def _earlier(known: Deadline, due: date, today: date) -> tuple[str, str]:
    """What who confirms has to know of a day before the present one, in both languages; nothing of a later day."""
    if due >= known.due:
        return "", ""
    if due < today:
        return "（早于原日期，确认后立即逾期）", " (earlier than before: overdue at once)"
    return "（早于原日期）", " (earlier than before)"


def missed_date(deadlines: Sequence[Deadline], now: datetime) -> Deadline | None:
    """The date of the law that has passed unmet, the first one: to extend a target does not mend it."""
    missed = [d for d in deadlines if d.legal_kind is not LegalKind.INTERNAL and d.met_at is None and d.due_at <= now]
    return min(missed, key=lambda d: d.due_at, default=None)


def _moved_data(old: Deadline, new: Deadline) -> dict[str, str]:
    return {"deadline": old.id, "old": old.due.isoformat(), "new": new.due.isoformat()}
