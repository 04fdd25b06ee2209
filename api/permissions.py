"""Who may do what, beyond seeing (which is in the queries of `store/inbox.py`).

A clerk may do a college's or an employee's task for them (代办: reason and scan, shown as such), never an approval of
their own; an administrator runs the system and decides no case; an auditor changes nothing.
"""

from api.problems import FourEyes, NotAllowed, TaskHeld
from schemas.base import Text
from store.inbox import BEHALF_ROLES, MONEY_KINDS, is_candidate
from store.tables.processes import Task
from store.users import Viewer

COMMANDERS = ("clerk", "supervisor")
READS_AUDIT = ("auditor", "admin", "supervisor", "head")
BOARD_ROLES = ("clerk", "supervisor", "head", "auditor", "admin", "college", "payroll", "finance")
COMMENTS = ("clerk", "supervisor", "head", "college", "payroll", "finance", "employee")


def behalf_of(viewer: Viewer, task: Task) -> list[str]:
    """The roles for which the viewer would act on this task; empty when it is the viewer's own."""
    if is_candidate(viewer, task) or not viewer.has("clerk") or viewer.username in task.excluded:
        return []
    return sorted(set(task.roles) & set(BEHALF_ROLES))


def may_work(viewer: Viewer, task: Task) -> bool:
    """Whether the viewer may hold and complete the task, for oneself or on behalf."""
    return is_candidate(viewer, task) or bool(behalf_of(viewer, task))


def require_work(viewer: Viewer, task: Task) -> None:
    """FourEyes or NotAllowed."""
    if viewer.username in task.excluded:
        raise FourEyes
    if not may_work(viewer, task):
        raise NotAllowed


def require_role(viewer: Viewer, *roles: str) -> None:
    if not viewer.has(*roles):
        raise NotAllowed


def require_free(viewer: Viewer, task: Task, names: dict[str, Text]) -> None:
    """TaskHeld when somebody else holds it."""
    if task.holder is not None and task.holder != viewer.username:
        raise TaskHeld(names.get(task.holder, Text(zh=task.holder, en=task.holder)))


def task_actions(viewer: Viewer, task: Task) -> list[str]:
    """What the viewer can do with the task now."""
    if task.closed_at is not None:
        return []
    found: list[str] = []
    works, ready = may_work(viewer, task), task.state == "ready"
    if works and ready and task.holder is None:
        found.append("claim")
    if works and ready and task.holder in (None, viewer.username):
        found += ["complete", "upload"]
    if task.holder is not None and (task.holder == viewer.username or viewer.has("supervisor")):
        found.append("release")
    if viewer.has(*COMMENTS):
        found.append("comment")
    return found


def process_actions(viewer: Viewer, kind: str, state: str) -> list[str]:
    """Commands that the viewer may give to a process in this state. What many cases share is not cancelled."""
    if not viewer.has(*COMMANDERS):
        return []
    found = {"running": ["suspend", "cancel"], "waiting": ["suspend", "cancel"], "suspended": ["resume", "cancel"]}.get(
        state, []
    )
    return [c for c in found if c != "cancel" or kind not in MONEY_KINDS]
