"""Dates that people move: a supervisor extends an internal target, an authority's decision moves a date of the law.

The process has the last word. What is checked here are the person, the paper, and what deserves a sentence of its own.
"""

import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, processes, stored_files, tasks, uploads, views
from api.completion import IdempotencyKey
from api.json_body import JsonObjectRoute
from api.problems import BadDate, BadFile, BadForm, NotAllowedNow
from api.sign_in import CurrentViewer
from api.steps import send, update_id
from domain.slack import limit_of_target
from domain.times import day_of
from runtime import clock
from schemas.api import DocumentView, ProcessView, TaskView
from schemas.base import Text
from schemas.dates import DateDecision, DateDecisionBody, ExtendBody, ExtendTarget
from schemas.deadlines import Deadline, DeadlineView, LegalKind
from schemas.tasks import DocumentRequest, TaskSpec
from store import audit, policies, users
from store.database import session
from store.tables.office import Document
from store.tables.processes import Process, Task
from store.users import Viewer

router = APIRouter(tags=["deadlines"], route_class=JsonObjectRoute)
PAPER = DocumentRequest(
    code="authority_decision",
    title=Text(zh="经办机构关于期限的决定", en="The authority's decision on a date"),
    accept=["pdf", "png", "jpg", "jpeg"],
)
PROOF = DocumentRequest(
    code="amendment_proof",
    title=Text(zh="更正依据", en="Paper behind an amendment"),
    accept=["pdf", "png", "jpg", "jpeg"],
    required=False,
)
CASE_PAPERS = {PAPER.code: PAPER, PROOF.code: PROOF}  # what is uploaded to a case and not to one of its tasks
NO_TARGET = Text(zh="该任务没有这个校内时限。", en="The task has no such internal target.")
NO_DATE = Text(
    zh="该个案没有这个法定、缴费或办结期限，或已完成。", en="The case has no such unmet date of law, payment or norm."
)


def _fault(pointer: str, code: str, text: Text) -> BadForm:
    return BadForm(text, faults=[(pointer, code, text)])


async def extend(viewer: Viewer, task_id: str, body: ExtendBody, key: str | None) -> TaskView:
    """延长校内时限. NotFound, NotAllowed, TaskClosed, TaskSuspended, BadForm, BadDate, Unavailable."""
    permissions.require_role(viewer, *permissions.DATE_MOVERS)
    async with session() as s:
        task, process = await tasks.find_task(s, viewer, task_id)
        await tasks.require_open(s, task)
        known = [Deadline.model_validate(d) for d in task.deadlines]
        target = next((d for d in known if d.id == body.deadline and d.legal_kind is LegalKind.INTERNAL), None)
        if target is None:
            raise _fault("/deadline", "unknown_deadline", NO_TARGET)
        if not (key and target.due == body.due):  # else the same click again, which the process knows
            _check_day(body.due, target)
        audit.record(s, viewer.username, "task.extend", task_id, deadline=body.deadline, ground=body.ground,
                     old=target.due.isoformat(), new=body.due.isoformat())  # fmt: skip
        process_id, today = process.id, day_of(clock.now() + timedelta(seconds=process.clock_offset_seconds))
    argument = ExtendTarget(
        task_id=task_id,
        deadline=body.deadline,
        due=body.due,
        ground=body.ground,
        reason=body.reason,
        actor=viewer.username,
    )
    try:
        await send(process_id, "extend_target", argument, update_id(task_id, "extend", key), date)
    except BadDate as refused:
        raise BadDate(_not_to(body.due, target, known, today)) from refused
    async with session() as s:
        return await tasks.get_task(s, viewer, task_id)


def _not_to(due: date, target: Deadline, known: Sequence[Deadline], today: date) -> Text:
    """Why an internal target does not go to this day."""
    first = max(target.due, today)
    if due <= first:
        return Text(zh=f"新的时限应晚于 {first}。", en=f"The new day must be after {first}.")
    law = limit_of_target(known, today)
    if law is None or due <= law.internal_due:
        return BadDate.text
    return Text(
        zh=f"校内时限不能晚于 {law.internal_due}（“{law.title.zh}”到期前的最后一个工作日），请选当日或更早的日期。",
        en=f"An internal target cannot go past {law.internal_due}, the last working day for “{law.title.en}”: "
        "choose that day or an earlier one.",
    )


def _check_day(due: date, target: Deadline) -> None:
    if due <= target.due:
        text = Text(zh=f"新的时限应晚于 {target.due}。", en=f"The new day must be after {target.due}.")
        raise _fault("/due", "not_later", text)
    calendar = policies.calendar("school")
    if not calendar.is_working_day(due):
        nearest = calendar.next_working_day(due)
        text = Text(zh=f"{due} 是休息日，请选工作日，如 {nearest}。", en=f"{due} is a rest day: take e.g. {nearest}.")
        raise _fault("/due", "rest_day", text)


def decidable(process: Process) -> list[Deadline]:
    """Dates of a case that an authority can decide upon: open, and not the school's own."""
    held = [Deadline.model_validate(d) for d in process.deadlines]
    return [d for d in held if d.met_at is None and d.legal_kind is not LegalKind.INTERNAL]


async def decide(viewer: Viewer, process_id: str, body: DateDecisionBody, key: str | None) -> ProcessView:
    """Records what an authority decided; someone else confirms it by a task. NotFound, NotAllowed, NotAllowedNow,
    BadForm, BadDate, Unavailable."""
    permissions.require_role(viewer, *permissions.DATE_RECORDERS)
    async with session() as s:
        process = await processes.find_process(s, viewer, process_id)
        if process.closed_at is not None:
            raise NotAllowedNow
        _check_decided(body, process, key)
        paper = await s.get(Document, body.document_id)
        if paper is None or paper.process_id != process_id or paper.code != PAPER.code:
            text = Text(
                zh=f"请先将决定书上传到该个案（编码 {PAPER.code}）。",
                en=f"Upload the decision to this case first (code {PAPER.code}).",
            )
            raise _fault("/document_id", "document_missing", text)
        audit.record(s, viewer.username, "process.decide_date", process_id, deadline=body.deadline,
                     due=body.due.isoformat(), document=body.document_id)  # fmt: skip
    argument = DateDecision(
        id=str(uuid.uuid4()) if key is None else str(uuid.uuid5(uuid.NAMESPACE_URL, f"{process_id}/{key}")),
        deadline=body.deadline,
        due=body.due,
        number=body.number,
        reason=body.reason,
        document=body.document_id,
        actor=viewer.username,
        earlier=body.earlier,
    )
    try:
        await send(process_id, "decide_date", argument, update_id(process_id, "decide_date", key), type(None))
    except BadDate as refused:
        raise BadDate(await _not_decided(process_id, body)) from refused
    except NotAllowedNow as refused:
        async with session() as s:
            raise NotAllowedNow(await _waiting(s, process_id, body.deadline) or refused.text) from refused
    async with session() as s:
        return await processes.get_process(s, viewer, process_id)


async def check_decision(
    s: AsyncSession, viewer: Viewer, process_id: str, body: DateDecisionBody, key: str | None
) -> None:
    """What can be said of a decision before its paper is kept. NotFound, NotAllowed, NotAllowedNow, BadForm."""
    permissions.require_role(viewer, *permissions.DATE_RECORDERS)
    process = await processes.find_process(s, viewer, process_id)
    if process.closed_at is not None:
        raise NotAllowedNow
    _check_decided(body, process, key)


def _check_decided(body: DateDecisionBody, process: Process, key: str | None) -> None:
    known = next((d for d in decidable(process) if d.id == body.deadline), None)
    if known is None:
        raise _fault("/deadline", "unknown_deadline", NO_DATE)
    if known.anchored_on is not None and body.due < known.anchored_on:
        text = Text(
            zh=f"该期限自 {known.anchored_on} 起算，不能改到此前，请核对决定书上的日期。",
            en=f"This deadline counts from {known.anchored_on} and cannot end before it: check the day in the paper.",
        )
        raise _fault("/due", "before_anchor", text)
    if body.due < known.due and not body.earlier:
        today = day_of(clock.now() + timedelta(seconds=process.clock_offset_seconds))
        at_once = ("；该日已过，确认后个案立即逾期", "; it has passed, so the case will be overdue at once")
        passed = at_once if body.due < today else ("", "")
        text = Text(
            zh=f"{body.due} 早于现行期限 {known.due}{passed[0]}。"
            "确属如此，请勾选“决定的日期早于现行期限”（earlier）再提交。",
            en=f"{body.due} is before the present day {known.due}{passed[1]}. If that is meant, confirm that the day "
            "is earlier (earlier) and send it again.",
        )
        raise _fault("/due", "earlier", text)


async def _not_decided(process_id: str, body: DateDecisionBody) -> Text:
    """Why a decision for this day is not recorded: it changes nothing, or the date has moved meanwhile."""
    async with session() as s:
        held = decidable(await s.get_one(Process, process_id))
    if not any(d.id == body.deadline and d.due == body.due for d in held):
        return BadDate.text
    return Text(
        zh=f"现行期限就是 {body.due}，没有可改的：请核对决定书上的日期。",
        en=f"The present day is {body.due} already, so there is nothing to move: check the day in the paper.",
    )


async def _waiting(s: AsyncSession, process_id: str, deadline: str) -> Text | None:
    """Which decision on this date waits for its confirmation; None where none does."""
    waiting = await s.scalars(
        select(Task).where(Task.process_id == process_id, Task.kind == "date.confirm", Task.closed_at.is_(None))
    )
    for task in waiting:
        said = TaskSpec.model_validate(task.spec | {"deadlines": []}).data
        if said.get("deadline") != deadline:
            continue
        names = await users.names(s)
        by = names.get(str(said["recorded_by"]), Text(zh=str(said["recorded_by"]), en=str(said["recorded_by"])))
        who = names.get(
            task.holder or "", Text(zh="科长或处长（登记人以外）", en="a supervisor or head who is not that person")
        )
        return Text(
            zh=f"{by.zh}已登记一份决定（{said['decision_number']}，改为 {said['date_new']}），正待{who.zh}确认；"
            "确认或驳回后才能登记下一份。",
            en=f"A decision recorded by {by.en} ({said['decision_number']}, to {said['date_new']}) waits to be "
            f"confirmed by {who.en}: the next one can be recorded when that is confirmed or rejected.",
        )
    return None


async def upload_paper(
    s: AsyncSession, viewer: Viewer, process_id: str, code: str, filename: str, content: bytes
) -> DocumentView:
    """Adds a paper to a case that the viewer may act upon. NotFound, NotAllowed, BadFile, DocumentsUnwritable."""
    permissions.require_role(viewer, *permissions.DATE_RECORDERS)
    process = await processes.find_process(s, viewer, process_id)
    request = CASE_PAPERS.get(code)
    if request is None:
        known = "、".join(CASE_PAPERS)
        raise BadFile(
            Text(zh=f"个案只接收这些编码的材料：{known}。", en=f"A case takes papers of these codes: {known}.")
        )
    filename = uploads.clean_name(filename)
    row = await stored_files.keep(
        s,
        viewer,
        content,
        filename=filename,
        media_type=uploads.checked_type(filename, content, request.accept),
        code=code,
        process_id=process.id,
    )
    audit.record(s, viewer.username, "document.upload", row.id, process=process.id, code=code)
    return views.document_view(row)


def proposed(deadlines: Sequence[DeadlineView]) -> date | None:
    """The first working day to which the task's target can be extended; None where it has none."""
    targets = [d.due for d in deadlines if d.legal_kind is LegalKind.INTERNAL]
    if not targets:
        return None
    return policies.calendar("school").next_working_day(max(targets[0], clock.today()))


@router.post("/tasks/{task_id}/deadlines/extend", summary="Extend an internal target")
async def post_extend(
    viewer: CurrentViewer, task_id: str, body: ExtendBody, idempotency_key: IdempotencyKey = None
) -> TaskView:
    return await extend(viewer, task_id, body, idempotency_key)


@router.post("/processes/{process_id}/deadlines/decision", summary="Record an authority's decision on a date")
async def post_decision(
    viewer: CurrentViewer, process_id: str, body: DateDecisionBody, idempotency_key: IdempotencyKey = None
) -> ProcessView:
    return await decide(viewer, process_id, body, idempotency_key)


@router.post(
    "/processes/{process_id}/documents",
    status_code=201,
    summary="Upload a paper to a case",
    responses=stored_files.KEEPS,
)
async def post_paper(
    viewer: CurrentViewer,
    process_id: str,
    file: Annotated[UploadFile, File()],
    code: Annotated[str, Form(max_length=80)],
) -> DocumentView:
    content = await uploads.read_limited(file)
    async with session() as s:
        return await upload_paper(s, viewer, process_id, code, file.filename or "", content)
