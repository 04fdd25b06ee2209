"""What somebody reads of a case who sees it only because it is about him or her.

Such a person sees progress, dates, the papers and what he or she is asked to do. What colleagues write to each other
(comments, reasons of suspending, passing on or moving a date, urging, copies) and what is answered in their tasks is
not shown; a comment or an urging that is addressed to the person is. The rule is here alone, for the API, the pages
and what is looked back at. Who sees the case at all stands in `store/inbox.py`.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.api import CopyView, TimelineView
from schemas.base import Text
from schemas.deadlines import DeadlineView
from store.inbox import MONEY_KINDS, SEES_MONEY, is_candidate, sees_all
from store.tables.desk import InboxEvent
from store.tables.office import Document
from store.tables.processes import Comment, Process, Task, Timeline
from store.users import Viewer

# Lines whose words are the program's own.
_PLAIN = {"started", "stage_entered", "task_opened", "task_completed", "task_obsolete", "met", "met_otherwise", "moved",
          "no_longer_due", "breached", "submitted", "accepted", "approved", "refused", "undone", "paid",
          "closed"}  # fmt: skip
_WITHOUT_REMARK = {  # lines that end in what a colleague wrote
    "suspended": Text(zh="流程中止（法定与缴费期限继续计算）", en="Suspended (statutory and payment dates run on)"),
    "resumed": Text(zh="流程恢复", en="Resumed"),
    "cancelling": Text(zh="流程开始撤销", en="Cancelling began"),
    "cancelled": Text(zh="流程已撤销", en="Process cancelled"),
    "returned": Text(zh="退回上一步", en="Returned to an earlier step"),
    "withdrawn": Text(zh="撤回上一步的办理结果", en="The answer of a step was withdrawn"),
    "extended": Text(zh="校内时限已延后", en="An internal target was extended"),
    "date_decided": Text(zh="经办机构改定了期限", en="The authority decided on another date"),
}
_DERIVED = {"extended": _WITHOUT_REMARK["extended"], "decided": _WITHOUT_REMARK["date_decided"]}


def only_subject(viewer: Viewer, process: Process) -> bool:
    """Whether the case is seen for no other reason than that it is about the viewer (the twin of `process_visible`)."""
    if not any(hat.has("employee") and hat.person_id and hat.person_id == process.subject for hat in viewer.hats):
        return False
    by_office = any(
        (hat.has(*SEES_MONEY) and process.kind in MONEY_KINDS)
        or (hat.has("college") and process.org_unit in hat.org_units)
        for hat in viewer.hats
    )
    return not (by_office or sees_all(viewer))


def asked(viewer: Viewer, task: Task) -> bool:
    """Whether the task is, or was, one for the viewer to do."""
    did = {task.holder, task.completed_by, task.completed_for}
    return not did.isdisjoint(viewer.names) or any(is_candidate(hat, task) for hat in viewer.hats)


def task_fields(fields: dict[str, Any], viewer: Viewer, task: Task) -> dict[str, Any]:
    """A line of the inbox without who lent it to whom; urging is told to who is asked."""
    hidden: dict[str, Any] = {"owner": None, "owner_name": None}
    if not asked(viewer, task):
        hidden |= {"urged_at": None, "urged_by_name": None}
    return fields | hidden


def lines(viewer: Viewer, rows: list[Timeline | InboxEvent]) -> list[Timeline | InboxEvent]:
    """The lines of a history that are the person's to read."""
    return [r for r in rows if r.kind in _PLAIN or r.kind in _WITHOUT_REMARK or viewer.username in _told(r)]


def _told(row: Timeline | InboxEvent) -> list[str]:
    return [str(name) for name in row.data.get("told", [])] if isinstance(row, InboxEvent) else []


def line(view: TimelineView) -> TimelineView:
    """A line without what a colleague wrote."""
    text = _WITHOUT_REMARK.get(view.kind)
    return view if text is None else view.model_copy(update={"text": text, "data": {}})


def deadline(view: DeadlineView) -> DeadlineView:
    """A deadline whose derivation tells that it was moved, without the reason that was written."""
    steps = [s.model_copy(update={"text": _DERIVED[s.kind]}) if s.kind in _DERIVED else s for s in view.derivation]
    return view.model_copy(update={"derivation": steps})


def comments(viewer: Viewer, rows: list[Comment]) -> list[Comment]:
    """Own comments and those that mention the person."""
    return [r for r in rows if r.author == viewer.username or viewer.username in r.mentions]


def copies(viewer: Viewer, views: list[CopyView]) -> list[CopyView]:
    return [v for v in views if v.username == viewer.username]


async def papers(s: AsyncSession, viewer: Viewer, rows: list[Document]) -> list[Document]:
    """The papers of the case; what is attached to a comment only with the comment."""
    said = [r.comment_id for r in rows if r.comment_id is not None]
    found = await s.scalars(select(Comment).where(Comment.id.in_(said))) if said else []
    shown = {c.id for c in comments(viewer, list(found))}
    return [r for r in rows if r.comment_id is None or r.comment_id in shown]
