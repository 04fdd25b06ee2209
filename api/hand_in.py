"""Handing in for many at one agency: who is ready, their file, and one receipt for all of them.

Invariants: listed is what the viewer may finish now and nothing else; the file is made by the writer and the layout of
a single application; each hand-in is completed by its own row, by the same functions as a single one, so one failure
stops no other and the same key again does nothing twice. Every view and file of a person's record is in the audit
trail. What the agency answers is in `api/results.py`.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from pydantic import Json, ValidationError
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import batch, completion, permissions, uploads, views
from api.json_body import JsonObjectRoute
from api.problems import BadForm, NotFound, Problem, faults_of, language_of
from api.sign_in import CurrentViewer
from runtime import clock
from schemas.api import CompleteBody, TaskItem
from schemas.base import Text
from schemas.batch import MOST_ITEMS, BatchResult
from schemas.deadlines import AgencyPolicy
from schemas.hand_in import (
    AgencyCount,
    FilledField,
    HandInFileBody,
    HandInItem,
    HandInView,
    ReadyPerson,
    WaitingPerson,
)
from schemas.registration import HandInForm
from schemas.tasks import DocumentRequest
from store import applications, audit, inbox, policies, registrations, submissions
from store.database import reading, session
from store.import_files import XLSX, gaps, row_of, workbook
from store.tables.processes import URGENCY_ORDER, Process, Task
from store.tables.registrations import Registration
from store.users import Viewer

router = APIRouter(prefix="/agencies", tags=["agencies"], route_class=JsonObjectRoute)
HAND_IN = "registration.hand_in"
ANSWERS = ("registration.acceptance", "registration.result")
RECEIPT = DocumentRequest(code="receipt", title=Text(zh="受理回执", en="Receipt"))
GONE = Text(
    zh="所选人员中有人已不在待提交之列（已提交、已转给他人或流程有变），请刷新后重新选择。",
    en="Somebody chosen is no longer ready to be handed in (done, passed on, or changed): reload and choose again.",
)


class NotAHandIn(Problem):
    """A task that is not a hand-in at this agency."""

    status, code = 422, "not_a_hand_in"
    text = Text(zh="该任务不是向这个机构的提交任务，请在任务页办理。", en="This task is no hand-in at this agency.")


class Incomplete(Problem):
    """Records of chosen people lack what the agency's layout requires."""

    status, code = 422, "record_incomplete"


def agency_named(agency: str) -> AgencyPolicy:
    """An agency to which applications are handed in. NotFound."""
    if agency not in applications.agency_files().applications:
        raise NotFound
    return policies.snapshot().agency(agency)


def of_agency(viewer: Viewer, agency: str, kinds: Sequence[str]) -> ColumnElement[bool]:
    """The open tasks at an agency that the viewer may finish now: free ones of the own group, and those in hand."""
    mine = or_(inbox.in_view(viewer, "group"), inbox.in_view(viewer, "mine"))
    return and_(
        Task.closed_at.is_(None),
        Task.kind.in_(kinds),
        Task.authority == agency,
        Task.state == "ready",
        Task.owner.is_(None),
        mine,
    )


async def tasks_of(s: AsyncSession, where: ColumnElement[bool]) -> list[tuple[Task, Process]]:
    """The most urgent tasks of a condition, as many as one request takes."""
    order = [getattr(Task, name) for name in URGENCY_ORDER]
    statement = inbox.joined(Task, Process).where(where).order_by(*order).limit(MOST_ITEMS)
    return [(t, p) for t, p in await s.execute(statement)]


async def _count(s: AsyncSession, where: ColumnElement[bool]) -> int:
    return await s.scalar(select(func.count()).select_from(Task).where(where)) or 0


async def agencies(s: AsyncSession, viewer: Viewer) -> list[AgencyCount]:
    """Every agency to which applications are handed in, with what waits there for the viewer. NotAllowed."""
    permissions.require_hat(viewer, *permissions.HAND_IN)
    named = [agency_named(a) for a in applications.agency_files().applications]
    return [
        AgencyCount(
            id=a.id,
            title=a.title,
            mode=a.mode,
            ready=await _count(s, of_agency(viewer, a.id, [HAND_IN])),
            waiting=await _count(s, of_agency(viewer, a.id, ANSWERS)),
        )
        for a in named
    ]


async def view(s: AsyncSession, viewer: Viewer, agency: str) -> HandInView:
    """Who is ready with which fields, and who waits for a result. NotAllowed, NotFound."""
    permissions.require_hat(viewer, *permissions.HAND_IN)
    named, form = agency_named(agency), applications.agency_files().applications[agency]
    ready_where, waiting_where = of_agency(viewer, agency, [HAND_IN]), of_agency(viewer, agency, ANSWERS)
    ready, waiting = await tasks_of(s, ready_where), await tasks_of(s, waiting_where)
    look = await views.lookup(s, viewer, [t.subject for t, _ in (*ready, *waiting)])
    people: list[ReadyPerson] = []
    for number, (task, process) in enumerate(ready, 1):
        record = await applications.file_record_of(s, process.id, agency)
        cells = zip(form.columns, row_of(form, record, number), strict=True)
        people.append(
            ReadyPerson(
                task=views.task_item(task, process, look),
                fields=[FilledField(heading=c.heading, value="" if v is None else str(v)) for c, v in cells],
                gaps=gaps(form, record),
            )
        )
        audit.record(s, viewer.username, "application.read", task.id, agency=agency)
    attempts = await registrations.newest(s, [p.id for _, p in waiting], agency)
    return HandInView(
        agency=agency,
        title=named.title,
        mode=named.mode,
        form_title=form.title,
        form_sample=form.sample,
        ready=people,
        ready_total=await _count(s, ready_where),
        waiting=[_waiting(views.task_item(t, p, look), attempts.get(p.id)) for t, p in waiting],
        waiting_total=await _count(s, waiting_where),
    )


def _waiting(task: TaskItem, row: Registration | None) -> WaitingPerson:
    at = row.submitted_at if row is not None else None
    return WaitingPerson(
        task=task,
        receipt_no=row.receipt_no if row is not None else None,
        handed_in_on=at.astimezone(clock.SHANGHAI).date() if at is not None else None,
    )


async def file(s: AsyncSession, viewer: Viewer, agency: str, ids: Sequence[str]) -> tuple[str, bytes]:
    """Name and content of the agency's import file for the chosen tasks, the most urgent person first.

    NotAllowed, NotFound, BadForm (one is no longer ready), Incomplete.
    """
    permissions.require_hat(viewer, *permissions.HAND_IN)
    agency_named(agency)
    form = applications.agency_files().applications[agency]
    found = await tasks_of(s, and_(of_agency(viewer, agency, [HAND_IN]), Task.id.in_(ids)))
    if missing := [i for i, task_id in enumerate(ids) if task_id not in {t.id for t, _ in found}]:
        text = await _gone(s, viewer, [ids[i] for i in missing])
        raise BadForm(text, faults=[(f"/tasks/{i}", "not_ready", text) for i in missing])
    records = [await applications.file_record_of(s, p.id, agency) for _, p in found]
    lacking = {t.case_no: gap for (t, _), r in zip(found, records, strict=True) if (gap := gaps(form, r))}
    if lacking:
        zh = "；".join(f"{case}：{'、'.join(names)}" for case, names in lacking.items())
        en = "; ".join(f"{case}: {', '.join(names)}" for case, names in lacking.items())
        raise Incomplete(
            Text(
                zh=f"以下人员缺少必填内容，请先补全，或取消勾选：{zh}。",
                en=f"Required values are missing; complete the records or leave these people out: {en}.",
            )
        )
    for task, _ in found:
        audit.record(s, viewer.username, "application.file", task.id, agency=agency)
    return form.filename.format(attempt=clock.today().isoformat()), workbook(form, records)


async def _gone(s: AsyncSession, viewer: Viewer, ids: Sequence[str]) -> Text:
    """Who is no longer ready, by name as far as the viewer may see them."""
    rows = [
        (t, p) for t, p in await s.execute(inbox.joined(Task, Process).where(Task.id.in_(ids), inbox.openable(viewer)))
    ]
    look = await views.lookup(s, viewer, [t.subject for t, _ in rows])
    people = [f"{look.people.get(t.subject or '', '')}（{t.case_no}）" for t, _ in rows]
    if not people:
        return GONE
    return Text(zh=f"{GONE.zh}涉及：{'、'.join(people)}。", en=f"{GONE.en} Concerned: {', '.join(people)}.")


def file_answer(name: str, content: bytes) -> Response:
    return Response(
        content,
        media_type=XLSX,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Cache-Control": "private, no-store",
        },
    )


# --- the receipt -----------------------------------------------------------------------------------------------------


async def receive(
    viewer: Viewer,
    agency: str,
    items: Sequence[HandInItem],
    receipt: tuple[str, bytes],
    data: dict[str, Any],
    language: str,
) -> BatchResult:
    """One receipt (name and content of its file, `data` as the form of a hand-in) for many: a result for each.

    NotAllowed, NotFound, BadFile, BadForm where the whole lacks something; nothing is done then.
    """
    permissions.require_hat(viewer, *permissions.HAND_IN)
    agency_named(agency)
    items = batch.distinct(items)
    filename, content = uploads.clean_name(receipt[0]), receipt[1]
    uploads.checked_type(filename, content, RECEIPT.accept)
    try:
        answer = HandInForm.model_validate(data).model_dump(mode="json")
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors())) from error

    async def act(item: HandInItem) -> batch.Outcome:
        async with session() as s:
            if await _first(s, viewer, agency, item):
                await uploads.upload(
                    s, viewer, item.id, RECEIPT.code, filename, content, document_id=_document_id(item, content)
                )
        body = CompleteBody(outcome="handed_in", data=answer, version=item.version)
        done = await completion.complete(viewer, item.id, body, item.key)
        return ("done", None) if done.completed is not None else (batch.PENDING, done.submission_id)

    named = await batch.tasks_named(viewer, [i.id for i in items])
    found = await batch.each(items, act)
    return batch.result([(i.id, i.key) for i in items], found, named, language)


async def _first(s: AsyncSession, viewer: Viewer, agency: str, item: HandInItem) -> bool:
    """Whether this item was not answered under its key. NotFound, NotAHandIn."""
    found = await inbox.find(s, viewer, item.id)
    if found is None:
        raise NotFound
    if found[0].kind != HAND_IN or found[0].authority != agency:
        raise NotAHandIn
    return await submissions.by_key(s, item.id, item.key) is None


def _document_id(item: HandInItem, content: bytes) -> str:
    """The same file for the same task is one document, however often it is sent."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item.id}/receipt/{hashlib.sha256(content).hexdigest()}"))


# --- routes ----------------------------------------------------------------------------------------------------------


@router.get("", summary="Agencies, and how many wait there to be handed in or for a result")
async def get_agencies(viewer: CurrentViewer) -> list[AgencyCount]:
    async with reading() as s:
        return await agencies(s, viewer)


@router.get("/{agency}/hand-in", summary="Who is ready to be handed in, and who waits for a result")
async def get_hand_in(viewer: CurrentViewer, agency: str) -> HandInView:
    async with session() as s:
        return await view(s, viewer, agency)


@router.post(
    "/{agency}/hand-in/file",
    summary="The agency's import file of the chosen people",
    response_class=Response,
    responses={200: {"content": {XLSX: {}}}},
)
async def post_file(viewer: CurrentViewer, agency: str, body: HandInFileBody) -> Response:
    async with session() as s:
        return file_answer(*await file(s, viewer, agency, list(dict.fromkeys(body.tasks))))


@router.post("/{agency}/hand-in", summary="One receipt for many hand-ins, a result for each")
async def post_hand_in(
    viewer: CurrentViewer,
    agency: str,
    request: Request,
    file: Annotated[UploadFile, File(description="the receipt: pdf, png or jpg")],
    receipt_no: Annotated[str, Form(max_length=60)],
    handed_in_on: Annotated[date, Form()],
    items: Annotated[
        Json[list[HandInItem]],
        Form(description="JSON: [{id, key, version}], at most 200; the same key again does nothing twice"),
    ],
) -> BatchResult:
    if not 1 <= len(items) <= MOST_ITEMS:
        text = Text(zh=f"一次提交 1 至 {MOST_ITEMS} 人。", en=f"Between 1 and {MOST_ITEMS} people at once.")
        raise BadForm(faults=[("/items", "too_many" if items else "missing", text)])
    content = await uploads.read_limited(file)
    data = {"handed_in_on": handed_in_on, "receipt_no": receipt_no}
    return await receive(viewer, agency, items, (file.filename or "", content), data, language_of(request))
