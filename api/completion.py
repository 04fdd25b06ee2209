"""Completing a task: from a clerk's click to the process and back.

permission → claim → form → documents → the answer is stored → (commit) → Update → outcome. The answer is durable before
Temporal is asked, so a 202 is a promise: `resend_pending_submissions` asks again with the same Update id until the
process has taken or refused it. What is said then is kept: the same key hears the same again (a 202 excepted, which
gives way to the outcome). Never hold a transaction open around the Update.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import already, engine, permissions, tasks, views
from api.answer_checks import faults_of_answer, instead
from api.json_body import JsonObjectRoute
from api.problems import (
    BadDate,
    BadForm,
    BadOutcome,
    BadTarget,
    Delegated,
    DocumentsMissing,
    FourEyes,
    KeyMissing,
    KeyReused,
    NotAllowed,
    NotAllowedNow,
    NotFound,
    Problem,
    ProgramFault,
    SignerRequired,
    SignsAlready,
    StaleVersion,
    TaskClosed,
    TaskSuspended,
    TooLate,
    faults_of,
)
from api.record_spelling import spelled
from api.sign_in import CurrentViewer
from runtime.clock import real_now
from runtime.logging import logger
from schemas.api import Answer, CompleteBody, ProcessItem, SubmissionView, TaskItem
from schemas.base import Text
from schemas.enrolment import ForeignHire
from schemas.forms import Form
from schemas.forms import outcome as form_outcome
from schemas.tasks import Completion, CompletionAnswer, Refusal, TaskSpec
from store import audit, cases, submissions
from store.database import session, single_reads
from store.sealed import unseal
from store.tables.office import Document
from store.tables.processes import Process, Submission, Task
from store.users import Viewer

router = APIRouter(tags=["tasks"], route_class=JsonObjectRoute)
KEY = re.compile(r"[\x21-\x7e]{1,200}")
RESEND_AFTER = timedelta(seconds=15)
AT_ONCE = 4
log = logger(__name__)


class Completed(Answer):
    """The task and its process after the answer was taken."""

    task: TaskItem
    process: ProcessItem


@dataclass(frozen=True)
class Result:
    """What became of a click: done with the view, or on its way (`submission_id` is where to look)."""

    submission_id: str
    completed: Completed | None


_CLOSED = (
    select(Task, Process, cases.HOLDERS)
    .join(Process, Process.id == Task.process_id)
    .where(Task.id == bindparam("task_id"))
)
REFUSALS: dict[str, type[Problem]] = {
    Refusal.TASK_CLOSED: TaskClosed,
    Refusal.TASK_SUSPENDED: TaskSuspended,
    Refusal.STALE_VERSION: StaleVersion,
    Refusal.FOUR_EYES: FourEyes,
    Refusal.BAD_FORM: BadForm,
    Refusal.NOT_ALLOWED_NOW: NotAllowedNow,
    Refusal.BAD_TARGET: BadTarget,
    Refusal.BAD_DATE: BadDate,
    Refusal.TOO_LATE: TooLate,
    Refusal.NOT_YOURS: NotAllowed,
    Refusal.PROGRAM_FAULT: ProgramFault,
    Refusal.SIGNS_ALREADY: SignsAlready,
    Refusal.SIGNER_REQUIRED: SignerRequired,
}
_BY_CODE: dict[str, type[Problem]] = {p.code: p for p in (*REFUSALS.values(),)}


async def complete(viewer: Viewer, task_id: str, body: CompleteBody, key: str | None) -> Result:
    """Completes a task for the viewer. `key` is the Idempotency-Key.

    Raises KeyMissing, NotFound, NotAllowed, FourEyes, KeyReused, TaskClosed, TaskSuspended, StaleVersion, TaskHeld,
    AnswerOnItsWay, BadOutcome, BadForm, DocumentsMissing.
    """
    if key is None or not KEY.fullmatch(key):
        raise KeyMissing
    digest = submissions.body_hash({"actor": viewer.username, **body.model_dump(mode="json")})
    async with session() as s:
        # Locked first: of the same click twice at once the second waits here, and then finds the first one's answer.
        task, process = await tasks.locked_task(s, viewer, task_id)
        known = await submissions.by_key(s, task_id, key)
        if known is None:
            with s.no_autoflush:  # claim and audit are written once, with the answer
                known = await _store(s, viewer, task, process, body, key, digest)
        if known.body_hash != digest:
            raise KeyReused
        if known.status == "refused":
            raise await _as_it_stands(s, task, _stored_refusal(known))
    if known.status == "done":
        return Result(known.id, await _completed(viewer, known))
    return await _send(viewer, known)


async def _store(
    s: AsyncSession, viewer: Viewer, task: Task, process: Process, body: CompleteBody, key: str, digest: str
) -> Submission:
    """Checks the answer to a locked task and keeps it."""
    hat = permissions.require_work(viewer, task)
    await tasks.require_open(s, task)
    if task.owner is not None and permissions.holds(viewer, task):
        raise Delegated
    if body.version != task.version:
        raise StaleVersion
    await tasks.hold(s, viewer, task)
    await tasks.require_unanswered(s, task)
    spec = tasks.spec_of(task)
    if body.outcome not in spec.outcomes:
        raise BadOutcome(body.outcome, spec.outcomes, await instead(s, task, body.outcome))
    if not permissions.may_choose(viewer, task, body.outcome):
        raise NotAllowed
    form = await _form(s, task, process, body)
    await _documents(s, task, spec, body)
    reason, document_id = await _behalf(s, viewer, task, body)
    acting_for = hat.username if hat.username != viewer.username else None
    row = await submissions.add(
        s,
        task_id=task.id,
        process_id=task.process_id,
        kind=task.kind,
        key=key,
        digest=digest,
        form=form.model_dump(mode="json"),
        outcome_code=body.outcome,
        version=body.version,
        actor=viewer.username,
        acting_for=acting_for,
        on_behalf=reason is not None,
        reason=reason,
        document_id=document_id,
        now=real_now(),
    )
    audit.record(
        s, viewer.username, "task.complete", task.id, on_behalf=reason is not None or acting_for is not None,
        outcome=body.outcome, submission=row.id, **({"acting_for": acting_for} if acting_for else {}),
    )  # fmt: skip
    return row


async def _form(s: AsyncSession, task: Task, process: Process, body: CompleteBody) -> Form:
    """The answer as its model, checked. BadForm with a pointer to every field that is wrong."""
    model = form_outcome(task.kind, body.outcome).form
    data, unreadable = spelled(body.data, "/data") if issubclass(model, ForeignHire) else (body.data, [])
    try:
        form = model.model_validate(data)
    except ValidationError as error:
        raise BadForm(faults=[*unreadable, *faults_of(error.errors(), "/data")]) from error
    if unreadable:
        raise BadForm(faults=unreadable)
    faults = await faults_of_answer(s, task, process, form)
    if faults:
        raise BadForm(faults=faults)
    return form


async def _documents(s: AsyncSession, task: Task, spec: TaskSpec, body: CompleteBody) -> None:
    """Required papers must be there, where the answer leads forward (a return does not need them)."""
    if body.outcome != spec.outcomes[0]:
        return
    missing = [d for d in await tasks.slots(s, task, spec) if d.required and not d.received]
    if missing:
        faults = [
            (
                f"/documents/{d.code}",
                "document_missing",
                Text(zh=f"缺少：{d.title.zh}。", en=f"Missing: {d.title.en}."),
            )
            for d in missing
        ]
        raise DocumentsMissing(faults=faults)


async def _behalf(s: AsyncSession, viewer: Viewer, task: Task, body: CompleteBody) -> tuple[str | None, str | None]:
    """代办: the reason and the scan, when the viewer acts for a college or an employee."""
    if not permissions.behalf_of(viewer, task):
        return None, None
    if body.on_behalf is None:
        text = Text(
            zh="这是学院或教职工的任务：代办须填写理由并上传委托扫描件（编码 on_behalf）。",
            en="This task is a college's or an employee's: give the reason and upload a scan (code on_behalf).",
        )
        raise BadForm(faults=[("/on_behalf", "on_behalf_needed", text)])
    scan = await s.get(Document, body.on_behalf.document_id)
    if scan is None or scan.task_id != task.id or scan.code != "on_behalf":
        text = Text(
            zh="没有找到该扫描件：请先以编码 on_behalf 上传到本任务。",
            en="There is no such scan: upload it to this task with code on_behalf first.",
        )
        raise BadForm(faults=[("/on_behalf/document_id", "document_missing", text)])
    return body.on_behalf.reason, scan.id


async def _send(viewer: Viewer, row: Submission) -> Result:
    """The Update; its outcome is stored, and told."""
    problem = await deliver(row)
    if isinstance(problem, Problem):
        raise problem
    if problem == "pending":
        return Result(row.id, None)
    return Result(row.id, await _completed(viewer, row))


async def deliver(row: Submission) -> Problem | str:
    """Sends one stored answer to its process: "done", "pending", or the problem with which it was refused."""
    form = submissions.form_of(row)
    completion = Completion(
        task_id=row.task_id,
        outcome=row.outcome,
        data=form.public(),
        version=row.version,
        actor=row.actor,
        on_behalf=row.on_behalf,
        submission_id=row.id,
    )
    update_id = f"{row.task_id}/{row.idempotency_key}"
    try:
        await engine.update(row.process_id, "complete_task", completion, update_id, CompletionAnswer)
    except engine.NoAnswer:
        return "pending"
    except engine.ProcessGone:
        return await _refused(row, TaskClosed())
    except engine.Refused as refusal:
        if refusal.kind == Refusal.TASK_UNKNOWN:
            return "pending"  # the process has not come so far yet; it is asked again with the same id
        if refusal.kind == Refusal.BAD_OUTCOME:
            return await _refused(row, BadForm())
        return await _refused(row, REFUSALS.get(refusal.kind, NotAllowedNow)())
    return "done"


async def _refused(row: Submission, problem: Problem) -> Problem | str:
    """Keeps a refusal, unless this very answer is the one that the task was closed with."""
    async with session() as s:
        task = await s.get(Task, row.task_id)
        if task is not None and task.submission_id == row.id:
            return "done"
        await submissions.refuse(s, row.id, problem.status, problem.code)
        return problem if task is None else await _as_it_stands(s, task, problem)


def _stored_refusal(row: Submission) -> Problem:
    code = str((row.answer or {}).get("code", ""))
    return _BY_CODE.get(code, NotAllowedNow)()


async def _as_it_stands(s: AsyncSession, task: Task, problem: Problem) -> Problem:
    """Of a task that is closed: by whom, and since when."""
    return await already.closed_task(s, task) if isinstance(problem, TaskClosed) else problem


async def _completed(viewer: Viewer, row: Submission) -> Completed:
    """What the clerk is told; the same key is told the same again, however far the process has gone since."""
    if row.reply is not None:
        return Completed.model_validate(unseal(row.reply))
    async with single_reads() as s:
        task, process, holders = (await s.execute(_CLOSED, {"task_id": row.task_id})).one()
        look = await views.lookup(s, viewer, [task.subject, process.subject])
    told = Completed(
        task=views.task_item(task, process, look), process=views.process_item(process, look, holders or [])
    )
    async with session() as s:
        return Completed.model_validate(await submissions.first_reply(s, row.id, told.model_dump(mode="json")))


async def resend_pending_submissions() -> int:
    """Chore: asks again for every answer without an outcome. Returns how many have one now."""
    async with session() as s:
        waiting = await submissions.pending(s, real_now(), RESEND_AFTER)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(submission_id: str) -> bool:
        async with gate:
            try:
                async with session() as s:
                    row = await s.get_one(Submission, submission_id)
                return row.status != "pending" or await deliver(row) != "pending"
            except Exception:  # one answer that cannot be sent stops no other; it is tried again by the next run
                log.exception("answer_postponed", submission=submission_id)
                return False

    return sum(await asyncio.gather(*(one(i) for i in waiting)))


# --- routes ----------------------------------------------------------------------------------------------------------

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", examples=["5f0c5b0e-7d2c-4a55-9a40-3b1f8c9d2f11"])
]


@router.post(
    "/tasks/{task_id}/complete",
    summary="Finish the task",
    response_model=Completed,
    responses={202: {"description": "On its way; ask the address in Location."}},
)
async def post_complete(
    viewer: CurrentViewer, task_id: str, body: CompleteBody, idempotency_key: IdempotencyKey = None
) -> Response | Completed:
    result = await complete(viewer, task_id, body, idempotency_key)
    if result.completed is not None:
        return result.completed
    location = f"/api/v1/submissions/{result.submission_id}"
    return JSONResponse({"submission": result.submission_id, "status": "pending"}, 202, {"Location": location})


async def get_submission(s: AsyncSession, viewer: Viewer, submission_id: str, language: str = "zh") -> SubmissionView:
    """Where an answer stands. NotFound unless it is the viewer's own, or a supervisor asks."""
    row = await s.get(Submission, submission_id)
    if row is None or (row.actor != viewer.username and not viewer.has("supervisor", "auditor", "admin")):
        raise NotFound
    problem = None
    if row.status == "refused":
        task = await s.get_one(Task, row.task_id)
        problem = (await _as_it_stands(s, task, _stored_refusal(row))).view(language)
    return SubmissionView(id=row.id, task_id=row.task_id, status=row.status, outcome=row.outcome, problem=problem)  # pyright: ignore[reportArgumentType]


@router.get("/submissions/{submission_id}", summary="Where an answer stands")
async def get_one(viewer: CurrentViewer, submission_id: str) -> SubmissionView:
    async with session() as s:
        return await get_submission(s, viewer, submission_id)
