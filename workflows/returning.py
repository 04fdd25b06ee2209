"""退回 and 撤回: how a task sends its process back to an earlier step.

A returned task raises `Returned` out of `Desk.ask`, into the coroutine that asked. That coroutine knows what its own
steps have done outside, so it alone takes the process back: it undoes what must be undone by tasks, asks the earlier
step again, and comes back. Other branches notice nothing: they are neither stopped nor run twice.

Invariants: only a step that the task declares (`TaskSpec.return_to`) is a target; an answer is withdrawn only while
every task that it opened is untouched; statutory deadlines keep their due date and generation; nothing here touches
them.
"""

from schemas.base import Text
from schemas.deadlines import is_target
from schemas.steps import Returning, ReturnTarget, Way, Withdrawal
from schemas.tasks import Refusal, TaskResult, TaskSpec, TaskState
from workflows.human_task import Desk, HumanTask, Returned, refusal, refuse_now

STRAIGHT: list[Way] = ["straight"]
AGAIN: list[Way] = ["again"]


def target(step: str, zh: str, en: str, ways: list[Way] | None = None, undo: Text | None = None) -> ReturnTarget:
    """A step to which a task may be returned; both ways unless told otherwise."""
    return ReturnTarget(step=step, title=Text(zh=zh, en=en), ways=ways or ["straight", "again"], undo=undo)


def check_return(desk: Desk, returning: Returning) -> HumanTask:
    """The validator of `return_task`; changes nothing."""
    task = desk.open_task(returning.task_id, returning.version)
    if returning.actor in task.spec.excluded:
        raise refusal(Refusal.FOUR_EYES, "someone else must decide this")
    found = next((t for t in task.spec.return_to if t.step == returning.to), None)
    if found is None or returning.way not in found.ways:
        raise refusal(Refusal.BAD_TARGET, f"{task.spec.kind} is not returned to {returning.to} {returning.way}")
    return task


def accept_return(desk: Desk, returning: Returning) -> HumanTask:
    """Sends the work back. Synchronous: between check and change nothing else can run."""
    task = check_return(desk, returning)
    process = desk.process
    found = next(t for t in task.spec.return_to if t.step == returning.to)
    task.close(TaskState.RETURNED, process.now())
    task.returned = Returned(
        to=returning.to, way=returning.way, reason=returning.reason, actor=returning.actor, task_key=task.spec.key
    )
    task.result = TaskResult(
        outcome="returned",
        data={"to": returning.to, "way": returning.way, "reason": returning.reason},
        actor=returning.actor,
        submission_id="",
        at=process.now(),
    )
    how = {"straight": ("办后直接返回退回人", "comes straight back"), "again": ("按顺序重新办理", "steps run again")}
    zh, en = how[returning.way]
    process.note(
        "returned",
        Text(
            zh=f"{task.spec.title.zh}：退回至{found.title.zh}（{zh}）。{returning.reason}",
            en=f"{task.spec.title.en}: returned to {found.title.en} ({en}). {returning.reason}",
        ),
        actor=returning.actor,
        task_id=task.id,
        data={
            "to": returning.to,
            "way": returning.way,
            "signers": desk.signers(task),
            "returned_task": task.spec.key,
        },
    )
    process.touch(task)
    return task


def check_withdrawal(desk: Desk, withdrawal: Withdrawal) -> tuple[HumanTask, list[HumanTask]]:
    """The validator of `withdraw_task`: the answered task and the tasks that its answer opened."""
    task = desk.tasks.get(withdrawal.task_id)
    if task is None:
        raise refusal(Refusal.TASK_UNKNOWN, "no such task in this process yet")
    if task.state is not TaskState.COMPLETED or task.result is None:
        raise refusal(Refusal.NOT_ALLOWED_NOW, "only an answer that was given can be withdrawn")
    if desk.process.stopping:
        raise refuse_now("the case is being cancelled")
    if task.result.actor != withdrawal.actor:
        raise refusal(Refusal.NOT_YOURS, "only who answered can withdraw the answer")
    if task.taken_back:
        raise refusal(Refusal.NOT_ALLOWED_NOW, "taken back already")
    following = [t for t in desk.tasks.values() if t.spec.after == task.spec.key]
    if desk.process.suspended or any(t.state is TaskState.SUSPENDED for t in following):
        raise refusal(Refusal.TASK_SUSPENDED, "the case is suspended")
    ready = [t for t in following if t.state is TaskState.READY]
    acted = any(t.state in (TaskState.COMPLETED, TaskState.RETURNED) and not t.taken_back for t in following)
    opened = bool(ready) or _undecided(desk, task)
    if not opened or acted or desk.process.withdrawal_refused(task):
        raise refusal(Refusal.TOO_LATE, "the next step has begun")
    return task, ready


def accept_withdrawal(desk: Desk, withdrawal: Withdrawal) -> HumanTask:
    """Takes an answer back: what it opened is no longer needed, and its step is asked again with the former answer."""
    task, following = check_withdrawal(desk, withdrawal)
    process = desk.process
    task.taken_back = True
    if task.spec.sign is not None and not following:
        desk.countersigns[task.spec.sign.id].withdraw(task, _taken_back(task, task, withdrawal))
    for follower in following:
        follower.close(TaskState.OBSOLETE, process.now())
        follower.returned = _taken_back(task, follower, withdrawal)
        process.touch(follower)
    process.note(
        "withdrawn",
        Text(
            zh=f"撤回：{task.spec.title.zh}。{withdrawal.reason}",
            en=f"Withdrawn: {task.spec.title.en}. {withdrawal.reason}",
        ),
        actor=withdrawal.actor,
        task_id=task.id,
    )
    return task


def _taken_back(task: HumanTask, follower: HumanTask, withdrawal: Withdrawal) -> Returned:
    return Returned(
        to=task.spec.key.partition("/")[0],
        way="again",
        reason=withdrawal.reason,
        actor=withdrawal.actor,
        task_key=follower.spec.key,
        withdrawn=True,
        former=task.result.submission_id if task.result else None,
        answered=task.spec.key,
    )


def _undecided(desk: Desk, task: HumanTask) -> bool:
    """Whether it is a signature that opened nothing, in a countersign whose other people are still signing."""
    return task.spec.sign is not None and desk.countersigns[task.spec.sign.id].waits_beside(task)


def sent_back(desk: Desk, name: str, to: str, decision: TaskResult) -> Returned:
    """What an answer that refuses is to the steps before it: they run again and show its reason."""
    key = desk.latest(name) or name
    task = desk.tasks[desk.id_of(key)]
    reason = str(decision.data.get("reason") or "")
    desk.process.note(
        "returned",
        Text(zh=f"{task.spec.title.zh}：退回。{reason}", en=f"{task.spec.title.en}: returned. {reason}"),
        actor=decision.actor,
        task_id=task.id,
        data={"to": to, "way": "again", "signers": desk.signers(task), "returned_task": key},
    )
    return Returned(to=to, way="again", reason=reason, actor=decision.actor, task_key=key)


def reopen(desk: Desk, task: HumanTask, why: Text, to: str, actor: str, *, comes_back: bool = False) -> None:
    """Closes an open task so that its own step (`to`) begins again, because somebody changed what it works with, or is
    to be asked before."""
    task.close(TaskState.OBSOLETE, desk.process.now())
    task.returned = Returned(to=to, way="again", reason=why.zh, actor="system", task_key=task.spec.key)
    data: dict[str, str | bool] = {"again": to, "comes_back": True} if comes_back else {"again": to}
    desk.process.note("task_obsolete", why, actor=actor, task_id=task.id, data=data)
    desk.process.touch(task)


def why(back: Returned | None) -> dict[str, str]:
    """What a step that is done again shows of the way back to it."""
    if back is None:
        return {}
    return {
        "returned_by": back.actor,
        "returned_to": back.to,
        "return_reason": back.reason,
        "return_way": back.way,
        "returned_task": back.task_key,
    }


def taken_up(desk: Desk, spec: TaskSpec, back: Returned | None) -> TaskSpec:
    """A step whose answer was taken back goes on where it was: in the same hands, with the target that it had (nobody
    gains days by answering and taking it back) and under its own title. Else the step as it is asked."""
    before = None if back is None or back.answered is None else desk.tasks[desk.id_of(back.answered)]
    if before is None or before.spec.key.partition("/")[0] != spec.key.partition("/")[0]:
        return spec
    targets = [desk.going_on(d, before.closed_at) for d in before.deadlines if is_target(d)]
    return spec.model_copy(
        update={
            "again": before.spec.key,
            "title": before.spec.title,
            "deadlines": [*(d for d in spec.deadlines if not is_target(d)), *targets],
        }
    )


def straight(back: Returned | None, step: str) -> str | None:
    """The key of the task with which a step goes on in the hands of who returned it, when it comes straight back."""
    if back is None or back.way != "straight" or back.task_key.partition("/")[0] != step:
        return None
    return back.task_key
