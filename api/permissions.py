"""Who may do what, beyond seeing (which is in the queries of `store/inbox.py`).

A clerk may do a college's or an employee's task for them (代办: reason and scan, shown as such), never an approval of
their own; an administrator runs the system and decides no case; an auditor changes nothing. A substitute does an absent
person's tasks under that person's name, and nothing that either of the two did before.
"""

from collections.abc import Sequence

from api.problems import Delegated, FourEyes, NotAllowed, TaskHeld
from schemas import countersign
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES
from schemas.deadlines import LegalKind
from schemas.incident_steps import WAY_ROLES, Way
from schemas.incidents import TASK_KIND
from schemas.process import CANCELLING
from store.inbox import BEHALF_ROLES, MONEY_KINDS, is_candidate
from store.tables.processes import Task
from store.users import Viewer

COMMANDERS = ("clerk", "supervisor")
READS_AUDIT = ("auditor", "admin", "supervisor", "head")
BOARD_ROLES = ("clerk", "supervisor", "head", "auditor", "admin", "college", "payroll", "finance")
CHANNELS = ("admin",)
ESCALATIONS = ("clerk", "supervisor", "head", "admin", "auditor")
INCIDENT_DESK = ("clerk", "supervisor", "head", "admin", "auditor")
URGERS = ("clerk", "supervisor", "head")
HAND_IN = ("clerk", "supervisor")  # hand in for many at an agency, and record what it answered
LOOKS_INTO = ("supervisor", "head", "auditor", "admin")  # look back into somebody else's inbox
AMENDERS = ("clerk", "supervisor")  # propose another value for what is on record; somebody else confirms it
DATE_MOVERS = ("supervisor", "head")  # extend internal targets
DATE_RECORDERS = ("clerk", "supervisor", "head")  # record what an authority decided; somebody else confirms it
LENT = Text(
    zh="您已把该任务委派给他人，请先收回再办理。", en="You delegated this task: get it back before you work on it."
)
COMMENTS = ("clerk", "supervisor", "head", "college", "payroll", "finance", "employee")


def _own_work(hat: Viewer, task: Task) -> bool:
    """Whether the roles of one hat do such tasks: as a candidate, on behalf, taken over by the supervisor, or given a
    signature that was asked of another."""
    given = task.holder == hat.username and may_sign_for(hat, task)
    return is_candidate(hat, task) or bool(_behalf_roles(hat, task)) or _taken_over(hat, task) or given


def _behalf_roles(hat: Viewer, task: Task) -> list[str]:
    if is_candidate(hat, task) or not hat.has("clerk"):
        return []
    return sorted(set(task.roles) & set(BEHALF_ROLES))


def _taken_over(hat: Viewer, task: Task) -> bool:
    """A supervisor may do a clerk's task once it is in his hands."""
    return hat.has("supervisor") and "clerk" in task.roles and task.holder == hat.username


def asked_by_name(task: Task) -> bool:
    """Whether it is a signature asked of one person by name (加签)."""
    return countersign.asked_by_name(task.roles) is not None


def may_sign_for(person: Viewer, task: Task) -> bool:
    """Whether a supervisor may give a signature that was asked of another by name to this person; who is excluded is
    asked separately."""
    return asked_by_name(task) and person.has(*SIGNER_ROLES)


def excluded(viewer: Viewer, task: Task) -> bool:
    """Four eyes: the viewer, or somebody whose substitute the viewer is, did what this task decides upon."""
    return not set(task.excluded).isdisjoint(viewer.names)


def four_eyes(viewer: Viewer, task: Task) -> FourEyes:
    """The refusal, with who took part: the viewer, or the absent person for whom the viewer stands in."""
    if viewer.username in task.excluded:
        return FourEyes()
    name = next(hat.name for hat in viewer.absent if hat.username in task.excluded)
    return FourEyes(
        Text(
            zh=f"须由另一人办理：您正代理{name.zh}，{name.zh}已参与上一步，代理期间您不能审批。",
            en=f"Someone else must decide this: you stand in for {name.en}, who took part in the step before.",
        )
    )


def hat_for(viewer: Viewer, task: Task) -> Viewer | None:
    """Under whose name the viewer does this task: the holder's if he is absent, else the own, else an absent person's.

    None: the viewer may not do it.
    """
    if excluded(viewer, task):
        return None
    holding = [hat for hat in viewer.absent if hat.username == task.holder]
    return next((hat for hat in (*holding, *viewer.hats) if _own_work(hat, task)), None)


def acting_for(viewer: Viewer, task: Task) -> str | None:
    """The absent person for whom the viewer would do this task (B 代 A)."""
    hat = hat_for(viewer, task)
    return hat.username if hat is not None and hat.username != viewer.username else None


def behalf_of(viewer: Viewer, task: Task) -> list[str]:
    """The roles for which the viewer would act on this task (代办); empty when it is the viewer's own."""
    hat = hat_for(viewer, task)
    return _behalf_roles(hat, task) if hat is not None else []


def may_work(viewer: Viewer, task: Task) -> bool:
    """Whether the viewer may hold and complete the task, for oneself, for an absent person or on behalf."""
    return hat_for(viewer, task) is not None


def may_be_given(viewer: Viewer, task: Task) -> bool:
    """Whether the task may be handed to this person: in the own name, and neither excluded."""
    return not excluded(viewer, task) and (is_candidate(viewer, task) or bool(_behalf_roles(viewer, task)))


def may_take_over(viewer: Viewer, task: Task) -> bool:
    """Whether a supervisor may do this task himself: what the own role does, or what clerks do."""
    return (
        viewer.has("supervisor")
        and not excluded(viewer, task)
        and (is_candidate(viewer, task) or "clerk" in task.roles or asked_by_name(task))
    )


def holds(viewer: Viewer, task: Task) -> bool:
    """Whether the task is in the viewer's hands, or in those of an absent person whose tasks the viewer does."""
    if task.holder == viewer.username:
        return True
    hat = hat_for(viewer, task)
    return hat is not None and task.holder == hat.username


def require_work(viewer: Viewer, task: Task) -> Viewer:
    """The hat under which the viewer does the task. FourEyes or NotAllowed."""
    if excluded(viewer, task):
        raise four_eyes(viewer, task)
    hat = hat_for(viewer, task)
    if hat is None:
        raise NotAllowed
    return hat


def may_choose(viewer: Viewer, task: Task, outcome: str) -> bool:
    """Whether the viewer may finish the task this way. How a failed step goes on is not for all who are asked: an
    administrator tries again and decides no case, and a step is left out only by who answers for the office."""
    if task.kind != TASK_KIND:
        return True
    return any(hat.has(*WAY_ROLES[Way(outcome)]) for hat in viewer.hats)


def require_role(viewer: Viewer, *roles: str) -> None:
    if not viewer.has(*roles):
        raise NotAllowed


def require_hat(viewer: Viewer, *roles: str) -> None:
    """As `require_role`, also for who is the substitute of somebody with such a role."""
    if not any(hat.has(*roles) for hat in viewer.hats):
        raise NotAllowed


def require_free(viewer: Viewer, task: Task, names: dict[str, Text]) -> None:
    """TaskHeld when somebody else holds it, Delegated when the viewer lent it."""
    if task.holder is not None and not holds(viewer, task):
        if task.owner is not None and task.owner in viewer.names:
            raise Delegated(LENT)
        raise TaskHeld(names.get(task.holder, Text(zh=task.holder, en=task.holder)), task.held_since)


def may_urge(viewer: Viewer, task: Task, started_by: str) -> bool:
    """催办: the starter, the office's people who wait for it; never one's own task, never one that one could claim."""
    if holds(viewer, task) or (task.holder is None and may_work(viewer, task) and not behalf_of(viewer, task)):
        return False
    return viewer.username == started_by or viewer.has(*URGERS)


def may_add_signer(viewer: Viewer, task: Task) -> bool:
    """加签: who may sign and holds it (or could), and a supervisor; never who is excluded, nor while it is lent."""
    if excluded(viewer, task) or task.owner is not None:
        return False
    mine = may_work(viewer, task) and (task.holder is None or holds(viewer, task))
    return mine or viewer.has("supervisor")


def may_comment(viewer: Viewer, task: Task, *, only_subject: bool) -> bool:
    """Who sees a case only because it is about him comments on what he is asked to do, and copies nothing."""
    if only_subject:
        return task.closed_at is None and may_work(viewer, task)
    return viewer.has(*COMMENTS)


def may_copy(viewer: Viewer, *, only_subject: bool) -> bool:
    return viewer.has(*COMMENTS) and not only_subject


def task_actions(
    viewer: Viewer, task: Task, started_by: str, *, only_subject: bool = False, answered: bool = False
) -> list[str]:
    """What the viewer can do with the task now. `only_subject`: sees the case only because it is about him. `answered`:
    an answer is on its way to the process, and nobody does the task until it is taken or refused."""
    talk = ["comment"] if may_comment(viewer, task, only_subject=only_subject) else []
    talk += ["copy"] if may_copy(viewer, only_subject=only_subject) else []
    if task.closed_at is not None or answered:
        return talk
    found: list[str] = []
    works, ready, mine = may_work(viewer, task), task.state == "ready", holds(viewer, task)
    free = task.holder is None
    if works and ready and free:
        found.append("claim")
    if works and ready and (free or mine):
        found += ["upload"] if task.owner is not None else ["complete", "upload"]
        if task.owner is None and task.spec.get("return_to"):
            found.append("return")
    if not free and task.owner is None and (mine or viewer.has("supervisor")):
        found.append("release")
    if ready and task.spec.get("sign") and may_add_signer(viewer, task):
        found.append("add_signer")
    found += _moves(viewer, task, mine) if ready else []
    if ready and viewer.has(*DATE_MOVERS) and any(d["legal_kind"] == LegalKind.INTERNAL for d in task.deadlines):
        found.append("extend")
    if ready and may_urge(viewer, task, started_by):
        found.append("urge")
    return found + talk


def _moves(viewer: Viewer, task: Task, mine: bool) -> list[str]:
    """How the task may change hands: 转办、委派、交回、收回、改派、接手."""
    found: list[str] = []
    if task.owner is not None:
        if mine:
            found.append("return_delegated")
        if task.owner in viewer.names or viewer.has("supervisor"):
            found.append("recall")
    elif mine and not asked_by_name(task):
        found += ["transfer", "delegate"]
    if viewer.has("supervisor"):
        found.append("reassign")
        if not mine and may_take_over(viewer, task):
            found.append("take_over")
    return found


def process_actions(viewer: Viewer, kind: str, state: str, flags: Sequence[str]) -> list[str]:
    """Commands that the viewer may give to a process in this state. What many cases share is not cancelled; one that is
    being cancelled takes no command any more."""
    if CANCELLING in flags:
        return []
    known = {"running": ["suspend", "cancel"], "waiting": ["suspend", "cancel"], "suspended": ["resume", "cancel"]}
    found: list[str] = []
    if viewer.has(*COMMANDERS):
        found += [c for c in known.get(state, []) if c != "cancel" or kind not in MONEY_KINDS]
    if state in known and viewer.has(*DATE_RECORDERS):
        found.append("decide_date")
    return found
