"""From rows to what people see: names instead of ids, urgency on the case's clock, actions of the viewer.

A `Lookup` holds the names that one answer needs; it is made per request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api import own_case
from api.permissions import process_actions, task_actions
from domain.moved_by import with_names
from domain.slack import most_urgent, slack_days
from domain.times import day_of
from runtime import clock
from schemas.api import CopyView, DocumentView, ProcessItem, TaskItem, TimelineView
from schemas.base import Text
from schemas.deadlines import Deadline, DeadlineView
from schemas.forms import outcome as form_outcome
from schemas.forms import outcomes_of
from schemas.process import Stage
from store import amendments, names, policies, submissions
from store.tables.desk import Copy, InboxEvent
from store.tables.office import Document
from store.tables.processes import Process, Task, Timeline
from store.users import Viewer

KIND_TITLES = {
    "enrolment": Text(zh="外籍人员参保", en="Foreign enrolment"),
    "tax_payment": Text(zh="税务缴费", en="Tax payment"),
    "reimbursement": Text(zh="校内报账", en="Reimbursement"),
    "amendment": Text(zh="更正", en="Amendment"),
}


@dataclass
class Lookup:
    """Names by id, and the moment of asking."""

    viewer: Viewer
    now: datetime
    users: dict[str, Text] = field(default_factory=dict[str, Text])
    units: dict[str, Text] = field(default_factory=dict[str, Text])
    people: dict[str, str] = field(default_factory=dict[str, str])
    substitutes: dict[str, str] = field(default_factory=dict[str, str])  # absent -> who stands in today
    amended: dict[str, Process] = field(default_factory=dict[str, Process])  # what asks for a confirmation -> its case
    answered: set[str] = field(default_factory=set[str])  # open tasks with an answer on its way to the process
    unread: set[str] = field(default_factory=set[str])  # tasks copied to the viewer and not opened yet

    def moment(self, process: Process) -> datetime:
        """The case's clock."""
        return self.now + timedelta(seconds=process.clock_offset_seconds)


async def lookup_tasks(session: AsyncSession, viewer: Viewer, rows: Sequence[tuple[Task, Process]]) -> Lookup:
    """For lines of the inbox: a confirmation stands under the person of the case whose value it is about."""
    amended = await amendments.amended_cases(session, [p for _, p in rows])
    look = await lookup(session, viewer, [*(t.subject for t, _ in rows), *(p.subject for p in amended.values())])
    look.amended = amended
    if clock.looked_at() is None:
        look.answered = await submissions.on_its_way(session, [t.id for t, _ in rows if t.closed_at is None])
    return look


async def lookup(session: AsyncSession, viewer: Viewer, subjects: list[str | None]) -> Lookup:
    found = await names.load(session, [s for s in subjects if s], clock.today())
    return Lookup(
        viewer=viewer,
        now=clock.now(),
        users=found.users,
        units=found.units,
        people=found.people,
        substitutes=found.substitutes,
    )


def kind_title(kind: str) -> Text:
    return KIND_TITLES.get(kind, Text(zh=kind, en=kind))


def working_days_left(deadline: Deadline, today: date) -> int | None:
    """Working days from today to the last working day before the due day; negative when over."""
    try:
        calendar = policies.calendar(deadline.authority)
    except (KeyError, StopIteration):
        return None
    return calendar.working_days_between(today, deadline.internal_due)


def task_item(task: Task, process: Process, look: Lookup) -> TaskItem:
    return TaskItem(**task_fields(task, process, look))


def task_fields(task: Task, process: Process, look: Lookup) -> dict[str, Any]:
    """The fields of a line of the inbox."""
    moment = look.moment(process)
    stored = [Deadline.model_validate(d) for d in task.deadlines]
    urgent = most_urgent(stored)
    is_open = task.closed_at is None
    late = is_open and task.next_due_at is not None and task.next_due_at < moment
    today = is_open and not late and task.next_due_at is not None and day_of(task.next_due_at) == day_of(moment)
    risk = is_open and not late and task.latest_start is not None and task.latest_start < moment
    outcome_title = None
    if task.outcome is not None and task.outcome in outcomes_of(task.kind):
        outcome_title = form_outcome(task.kind, task.outcome).title
    only_subject = own_case.only_subject(look.viewer, process)
    of = look.amended.get(process.id)
    subject = task.subject or (of.subject if of else None)
    org_unit = task.org_unit or (of.org_unit if of else None)
    stands_in = look.substitutes.get(task.holder or "") if is_open and task.holder != look.viewer.username else None
    fields = {
        "id": task.id,
        "process_id": task.process_id,
        "process_kind": task.process_kind,
        "process_title": process.title,
        "case_no": task.case_no,
        "of_process_id": of.id if of else None,
        "of_case_no": of.case_no if of else None,
        "kind": task.kind,
        "title": Text(zh=task.title_zh, en=task.title_en),
        "stage": task.stage,
        "state": shown_state(task),
        "version": task.version,
        "roles": task.roles,
        "org_unit": org_unit,
        "org_unit_name": look.units.get(org_unit or ""),
        "subject": subject,
        "subject_name": look.people.get(subject or ""),
        "holder": task.holder,
        "holder_name": look.users.get(task.holder or ""),
        "held_since": task.held_since,
        "substitute": stands_in,
        "substitute_name": look.users.get(stands_in or ""),
        "owner": task.owner,
        "owner_name": look.users.get(task.owner or ""),
        "urged_at": task.urged_at if is_open else None,
        "urged_by_name": look.users.get(task.urged_by or "") if is_open else None,
        "unread": task.id in look.unread,
        "answer_on_its_way": task.id in look.answered,
        "opened_at": task.opened_at,
        "closed_at": task.closed_at,
        "outcome": task.outcome,
        "outcome_title": outcome_title,
        "completed_by": task.completed_by,
        "completed_for": task.completed_for,
        "on_behalf": task.on_behalf,
        "due": urgent.due if urgent else None,
        "due_at": urgent.due_at if urgent else None,
        "internal_due": urgent.internal_due if urgent else None,
        "latest_start": urgent.latest_start if urgent else None,
        "legal_kind": urgent.legal_kind.value if urgent else None,
        "deadline_title": urgent.title if urgent else None,
        "provisional": any(d.provisional for d in stored),
        "sample": any(d.sample for d in stored),
        "working_days_left": working_days_left(urgent, day_of(moment)) if urgent and is_open else None,
        "overdue": late,
        "due_today": today,
        "at_risk": risk,
        "actions": []
        if clock.looked_at()
        else task_actions(
            look.viewer, task, process.started_by, only_subject=only_subject, answered=task.id in look.answered
        ),
    }
    return own_case.task_fields(fields, look.viewer, task) if only_subject else fields


def shown_state(task: Task) -> str:
    """The workflow's state, with what only the inbox knows: reserved, in progress."""
    if task.state != "ready" or task.holder is None:
        return task.state
    return "in_progress" if task.draft is not None else "reserved"


def deadline_view(deadline: Deadline, moment: datetime) -> DeadlineView:
    is_open = deadline.met_at is None
    return DeadlineView(
        **deadline.model_dump(include=set(DeadlineView.model_fields)),
        overdue=is_open and deadline.due_at < moment,
        slack_days=slack_days(deadline.latest_start, day_of(moment), policies.calendar("school")) if is_open else None,
    )


def named_mover(view: DeadlineView, names: Mapping[str, Text]) -> DeadlineView:
    """A deadline whose derivation says by name who moved it."""
    steps = [s.model_copy(update={"text": with_names(s.text, names)}) for s in view.derivation]
    return view.model_copy(update={"derivation": steps})


def deadline_views(stored: Sequence[Any], process: Process, look: Lookup) -> list[DeadlineView]:
    """The deadlines of a case or of a task of it."""
    shown = [named_mover(deadline_view(Deadline.model_validate(d), look.moment(process)), look.users) for d in stored]
    return [own_case.deadline(d) for d in shown] if own_case.only_subject(look.viewer, process) else shown


def process_item(process: Process, look: Lookup, holders: list[str]) -> ProcessItem:
    return ProcessItem(**process_fields(process, look, holders))


def process_fields(process: Process, look: Lookup, holders: list[str]) -> dict[str, Any]:
    """The fields of a line in the list of cases."""
    moment = look.moment(process)
    is_open = process.closed_at is None
    late = is_open and process.next_due_at is not None and process.next_due_at < moment
    stages = [Stage.model_validate(s) for s in process.stages]
    return {
        "id": process.id,
        "kind": process.kind,
        "kind_title": kind_title(process.kind),
        "case_no": process.case_no,
        "title": process.title or process.case_no,
        "state": process.state,
        "subject": process.subject,
        "subject_name": look.people.get(process.subject or ""),
        "org_unit": process.org_unit,
        "org_unit_name": look.units.get(process.org_unit or ""),
        "active_stages": [s.title for s in stages if s.code in process.active_stages],
        "waiting_on": process.waiting_on,
        "holders": holders,
        "due": day_of(process.next_due_at) if process.next_due_at else None,
        "due_at": process.next_due_at,
        "latest_start": process.latest_start,
        "overdue": late,
        "due_today": is_open
        and not late
        and process.next_due_at is not None
        and day_of(process.next_due_at) == day_of(moment),
        "at_risk": is_open
        and not late
        and process.next_due_at is not None
        and process.latest_start is not None
        and process.latest_start < moment,
        "flags": process.flags,
        "started_by": process.started_by,
        "started_at": process.started_at,
        "closed_at": process.closed_at,
    }


def commands(process: Process, look: Lookup) -> list[str]:
    """What may be done now: nothing with what is looked back at."""
    return [] if clock.looked_at() else process_actions(look.viewer, process.kind, process.state, process.flags)


def history(
    rows: list[Timeline | InboxEvent], process: Process, look: Lookup, done_for: Mapping[str, str]
) -> list[TimelineView]:
    """The lines of a case, or of a task of it, that the viewer reads."""
    if own_case.only_subject(look.viewer, process):
        return [own_case.line(timeline_view(r, look, done_for)) for r in own_case.lines(look.viewer, rows)]
    return [timeline_view(r, look, done_for) for r in rows]


def timeline_view(row: Timeline | InboxEvent, look: Lookup, done_for: Mapping[str, str]) -> TimelineView:
    """A line of the history. `done_for`: completed tasks -> the absent person whose substitute did them."""
    if isinstance(row, InboxEvent):
        seq, acting_for = None, row.acting_for
    else:
        seq, acting_for = row.seq, done_for.get(row.task_id or "") if row.kind == "task_completed" else None
    return TimelineView(
        seq=seq,
        at=row.at,
        kind=row.kind,
        text=with_names(_with_name(Text(zh=row.text_zh, en=row.text_en), row.data.get("signer"), look), look.users),
        actor=row.actor,
        actor_name=look.users.get(row.actor or ""),
        acting_for=acting_for,
        acting_for_name=look.users.get(acting_for or ""),
        task_id=row.task_id,
        data=row.data,
    )


def _with_name(text: Text, login: object, look: Lookup) -> Text:
    """A line that names a signer by login, with the person's name; the reason that follows stays as it was typed."""
    name = look.users.get(str(login)) if login else None
    if name is None:
        return text
    return Text(zh=text.zh.replace(f" {login}", f" {name.zh}", 1), en=text.en.replace(f" {login} ", f" {name.en} ", 1))


def copy_view(row: Copy, look: Lookup) -> CopyView:
    return CopyView(
        username=row.username,
        name=look.users.get(row.username),
        added_by=row.added_by,
        added_by_name=look.users.get(row.added_by),
        note=row.note,
        at=row.at,
        read_at=row.read_at,
        whole_case=row.task_id is None,
    )


def document_view(row: Document) -> DocumentView:
    return DocumentView(
        id=row.id,
        process_id=row.process_id,
        task_id=row.task_id,
        code=row.code,
        filename=row.filename,
        media_type=row.media_type,
        size=row.size,
        sha256=row.sha256,
        uploaded_by=row.uploaded_by,
        uploaded_at=row.uploaded_at,
    )
