"""The inbox and the task: lists, one task with everything needed to finish it, claim, draft.

The functions are asked by the JSON API and by the pages alike; they take an open transaction. Completing is in
`api/completion.py`, passing on and releasing in `api/handover.py`, comments in `api/comments.py`, files in
`api/uploads.py`.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api import already, comments, cut_offs, own_case, past, permissions, signatures, task_data, views
from api.json_body import JsonObjectRoute
from api.problems import AnswerOnItsWay, BadCursor, NotFound
from api.sign_in import CurrentViewer
from runtime import clock
from runtime.clock import real_now
from schemas.api import (
    DocumentSlot,
    DraftBody,
    InboxQuery,
    OutcomeView,
    TaskItem,
    TaskPage,
    TaskQuery,
    TaskView,
)
from schemas.forms import outcome as form_outcome
from schemas.tasks import DocumentRequest, TaskSpec
from store import audit, cases, copies, documents, inbox, inbox_counts, inbox_events, submissions, users, words
from store.database import session
from store.inbox import BadCursor as CursorUnreadable
from store.sealed import seal, unseal
from store.tables.office import Document
from store.tables.processes import Process, Task
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
ONCE_PER_CASE = ("enrolment.materials", "registration.correction")  # their papers serve the whole case


async def list_tasks(s: AsyncSession, viewer: Viewer, query: TaskQuery) -> TaskPage:
    """One page of a view of the inbox, most urgent first. BadCursor."""
    now = clock.now()
    try:
        said = await words.read(s, query.q)
        page = await inbox.page(s, viewer, query, now, said)
    except CursorUnreadable as error:
        raise BadCursor from error
    total, counts = await inbox_counts.counts(s, viewer, query, now, said)
    look = await views.lookup_tasks(s, viewer, page.rows)
    if query.view == "cc":
        look.unread = await copies.unread_tasks(s, viewer.username, [(t.id, p.id) for t, p in page.rows])
    return TaskPage(
        items=[views.task_item(t, p, look) for t, p in page.rows],
        next_cursor=page.next_cursor,
        total=total,
        counts=counts,
        as_of=clock.looked_at(),
    )


async def find_task(s: AsyncSession, viewer: Viewer, task_id: str) -> tuple[Task, Process]:
    """NotFound when there is none, or it is not the viewer's to see."""
    found = await inbox.find(s, viewer, task_id)
    if found is None:
        raise NotFound
    return found


def spec_of(task: Task) -> TaskSpec:
    return TaskSpec.model_validate(task.spec)


async def get_task(s: AsyncSession, viewer: Viewer, task_id: str) -> TaskView:
    """A task with outcomes and their forms, prefilled data, documents, deadlines and comments. NotFound.

    Looked back at, it has neither draft nor prefilled data: they are not kept.
    """
    task, process = await find_task(s, viewer, task_id)
    spec = spec_of(task)
    look = await views.lookup_tasks(s, viewer, [(task, process)])
    prefill = await task_data.prefill(s, task, process, spec, look.moment(process))
    draft: dict[str, Any] | None = None
    now = clock.looked_at() is None
    free = task.holder is None and task.closed_at is None and permissions.may_work(viewer, task)
    if now and task.draft is not None and (free or permissions.holds(viewer, task)):
        draft = unseal(task.draft)
    acting_for = permissions.acting_for(viewer, task) if now and task.closed_at is None else None
    answer: dict[str, Any] | None = None
    if task.submission_id is not None:
        answer = submissions.values_of(await submissions.get(s, task.submission_id))
    told = [views.copy_view(c, look) for c in await copies.of_task(s, task.process_id, task.id)]
    only_subject = own_case.only_subject(viewer, process)
    if only_subject:
        told = own_case.copies(viewer, told)
    if only_subject and not own_case.asked(viewer, task):  # that it goes on, and not what colleagues write in it
        prefill, draft, answer = task_data.Prefill(), None, None
    fields = views.task_fields(task, process, look)
    if now and await withdrawable(s, viewer, task):
        fields["actions"] = [*fields["actions"], "withdraw"]
    return TaskView(
        **fields,
        outcomes=[_outcome(task.kind, code) for code in spec.outcomes if permissions.may_choose(viewer, task, code)],
        data=prefill.data,
        context=prefill.context,
        documents=await slots(s, task, spec),
        deadlines=views.deadline_views(task.deadlines, process, look),
        cut_offs=await cut_offs.of_task(s, task, process, look.moment(process)),
        comments=await comments.of_task(s, task, process, look),
        copies=told,
        draft=draft,
        answer=answer,
        authority=task.authority,
        countersign=signatures.view(spec, look) if spec.sign and not only_subject else None,
        return_to=spec.return_to if now and task.closed_at is None else [],
        behalf_of=permissions.behalf_of(viewer, task) if now else [],
        acting_for=acting_for,
        acting_for_name=look.users.get(acting_for or ""),
        as_of=clock.looked_at(),
    )


async def withdrawable(s: AsyncSession, viewer: Viewer, task: Task) -> bool:
    """Whether the viewer gave this answer and nobody works on what it opened: an open follower without a draft, or a
    signature beside which others are still asked. Whoever only claimed it has not acted. The process may know more
    (something has begun outside) and has the last word."""
    if task.state != "completed" or task.completed_by != viewer.username:
        return False
    following = await cases.following(s, task)
    opened = bool(following) or await cases.signed_beside(s, task)
    return opened and all(f.state == "ready" and f.draft is None for f in following)


def _outcome(kind: str, code: str) -> OutcomeView:
    found = form_outcome(kind, code)
    return OutcomeView(
        code=code, title=found.title, tone=found.tone, schema_=found.form.model_json_schema(mode="validation")
    )


async def slots(s: AsyncSession, task: Task, spec: TaskSpec) -> list[DocumentSlot]:
    """The documents asked for, each with what was received. Other papers of the task get a slot of their own."""
    rows = await documents.of_process(s, task.process_id)
    asked = {d.code for d in spec.documents}
    mine = [r for r in rows if r.task_id == task.id or (task.kind in ONCE_PER_CASE and r.code in asked)]
    return [_slot(request, mine) for request in spec.documents]


def _slot(request: DocumentRequest, rows: list[Document]) -> DocumentSlot:
    return DocumentSlot(
        code=request.code,
        title=request.title,
        required=request.required,
        accept=request.accept,
        note=request.note,
        received=[views.document_view(r) for r in rows if r.code == request.code],
    )


# --- holding ---------------------------------------------------------------------------------------------------------


async def locked_task(s: AsyncSession, viewer: Viewer, task_id: str) -> tuple[Task, Process]:
    """The task, visible to the viewer and locked."""
    found = await inbox.find(s, viewer, task_id, lock=True)
    if found is None:
        raise NotFound
    return found


async def require_open(s: AsyncSession, task: Task) -> None:
    """TaskClosed or TaskSuspended, with since when and by whom."""
    if task.closed_at is not None:
        raise await already.closed_task(s, task)
    if task.state == "suspended":
        raise await already.suspended_task(s, task.process_id)


async def require_unanswered(s: AsyncSession, task: Task) -> None:
    """AnswerOnItsWay while an answer to a locked task is neither taken nor refused: what was promised to the one who
    gave it is not given to somebody else."""
    if await submissions.on_its_way(s, [task.id]):
        raise AnswerOnItsWay


async def hold(s: AsyncSession, viewer: Viewer, task: Task) -> None:
    """Puts a locked open task into the viewer's hands, or those of the absent person for whom the viewer does it.

    TaskHeld when somebody else has it.
    """
    hat = permissions.require_work(viewer, task)
    if task.holder not in (None, viewer.username):
        permissions.require_free(viewer, task, await users.names(s))
    if task.holder is None:
        task.holder, task.held_since = hat.username, clock.now()
        acting_for = {"acting_for": hat.username} if hat.username != viewer.username else {}
        audit.record(s, viewer.username, "task.claim", task.id, on_behalf=bool(acting_for), **acting_for)


async def claim(s: AsyncSession, viewer: Viewer, task_id: str) -> TaskItem:
    """Takes the task. NotFound, NotAllowed, FourEyes, TaskClosed, TaskSuspended, TaskHeld."""
    task, process = await locked_task(s, viewer, task_id)
    permissions.require_work(viewer, task)
    await require_open(s, task)
    await hold(s, viewer, task)
    await inbox_events.tell(s, process.id)
    return views.task_item(task, process, await views.lookup(s, viewer, [task.subject]))


async def save_draft(s: AsyncSession, viewer: Viewer, task_id: str, data: dict[str, Any]) -> TaskItem:
    """Keeps what was typed so far; the viewer holds the task from now on."""
    task, process = await locked_task(s, viewer, task_id)
    permissions.require_work(viewer, task)
    await require_open(s, task)
    await hold(s, viewer, task)
    task.draft, task.draft_at = seal(data), real_now()
    await s.flush()
    return views.task_item(task, process, await views.lookup(s, viewer, [task.subject]))


# --- routes ----------------------------------------------------------------------------------------------------------


@router.get("/tasks", summary="Inbox")
async def get_tasks(viewer: CurrentViewer, query: Annotated[InboxQuery, Query()]) -> TaskPage:
    async with past.inbox(viewer, query.at, query.as_user) as (s, reader):
        return await list_tasks(s, reader, query.filters())


@router.get("/tasks/{task_id}", summary="One task with everything needed to finish it")
async def get_one(viewer: CurrentViewer, task_id: str, at: past.At = None) -> TaskView:
    async with session() if at is None else past.task(viewer, task_id, at) as s:
        return await get_task(s, viewer, task_id)


@router.post("/tasks/{task_id}/claim", summary="Take the task")
async def post_claim(viewer: CurrentViewer, task_id: str) -> TaskItem:
    async with session() as s:
        return await claim(s, viewer, task_id)


@router.put("/tasks/{task_id}/draft", summary="Keep what was typed so far")
async def put_draft(viewer: CurrentViewer, task_id: str, body: DraftBody) -> TaskItem:
    async with session() as s:
        return await save_draft(s, viewer, task_id, body.data)
