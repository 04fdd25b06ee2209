"""Cases: the list, one case in full, and the commands cancel, suspend and resume."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api import already, cut_offs, engine, own_case, past, permissions, signatures, views
from api.completion import IdempotencyKey
from api.json_body import JsonObjectRoute
from api.problems import BadCursor, NotAllowedNow, NotFound, ProgramFault
from api.sign_in import CurrentViewer
from domain.forecast import forecast
from domain.slack import planned_in, slack_days
from domain.times import day_of
from runtime import clock
from schemas.api import CommandBody, ProcessKindView, ProcessPage, ProcessQuery, ProcessView, StagePlan
from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind
from schemas.enrolment import ForeignHire
from schemas.forecast import Forecast
from schemas.process import ProcessCommand, Stage, StageState
from schemas.tasks import Refusal
from store import audit, cases, copies, documents, policies
from store import forecast as forecast_store
from store.database import reading, session
from store.inbox import BadCursor as CursorUnreadable
from store.tables.processes import Process
from store.users import Viewer

router = APIRouter(tags=["processes"], route_class=JsonObjectRoute)
COMMANDS = ("cancel", "suspend", "resume")
_BY_SYSTEM = {"type": "object", "properties": {}, "description": "started by the system itself"}


async def list_processes(s: AsyncSession, viewer: Viewer, query: ProcessQuery) -> ProcessPage:
    """One page of cases, newest first; `total` is what the board counts with the same query. BadCursor."""
    try:
        page = await cases.page(s, viewer, query, clock.now())
    except CursorUnreadable as error:
        raise BadCursor from error
    look = await views.lookup(s, viewer, [p.subject for p in page.rows])
    holders = await cases.holders(s, [p.id for p in page.rows])
    return ProcessPage(
        items=[views.process_item(p, look, holders.get(p.id, [])) for p in page.rows],
        next_cursor=page.next_cursor,
        total=page.total,
    )


async def find_process(s: AsyncSession, viewer: Viewer, process_id: str) -> Process:
    """NotFound when there is none, or it is not the viewer's to see."""
    found = await cases.find(s, viewer, process_id)
    if found is None:
        raise NotFound
    return found


async def get_process(s: AsyncSession, viewer: Viewer, process_id: str) -> ProcessView:
    """A case with stages, deadlines, tasks, timeline and documents. NotFound."""
    process = await find_process(s, viewer, process_id)
    look = await views.lookup(s, viewer, [process.subject])
    holders = await cases.holders(s, [process_id])
    moment = look.moment(process)
    done_for = await cases.completed_for(s, process_id)
    tasks = await cases.tasks_of(s, process_id)
    stages = [Stage.model_validate(x) for x in process.stages]
    papers = await documents.of_process(s, process_id)
    told = [views.copy_view(c, look) for c in await copies.of_case(s, process_id)]
    only_subject = own_case.only_subject(viewer, process)
    if only_subject:
        papers, told = await own_case.papers(s, viewer, papers), own_case.copies(viewer, told)
    return ProcessView(
        **views.process_fields(process, look, holders.get(process_id, [])),  # pyright: ignore[reportArgumentType]
        stages=stages,
        stage_plans=_stage_plans(process, stages, moment),
        deadlines=views.deadline_views(process.deadlines, process, look),
        cut_offs=await cut_offs.of_case(s, process, moment),
        tasks=[views.task_item(t, process, look) for t in tasks],
        timeline=views.history(await cases.timeline_of(s, process_id), process, look, done_for),
        documents=[views.document_view(d) for d in papers],
        copies=told,
        countersigns=[] if only_subject else signatures.of_case(tasks, look),
        forecasts=await _forecasts(s, process, moment),
        actions=views.commands(process, look),
        reason=None if only_subject else process.reason,
        now=moment,
        as_of=clock.looked_at(),
    )


def _stage_plans(process: Process, stages: list[Stage], moment: datetime) -> list[StagePlan]:
    """By when the work of each stage that is not over must begin."""
    if process.closed_at is not None:
        return []
    deadlines = [Deadline.model_validate(d) for d in process.deadlines]
    found: list[StagePlan] = []
    for stage in stages:
        step = planned_in(stage.code, deadlines) if stage.state in (StageState.PENDING, StageState.ACTIVE) else None
        if step is not None:
            left = slack_days(step.latest_start, day_of(moment), policies.calendar("school"))
            found.append(StagePlan(**step.model_dump(), stage=stage.code, slack_days=left))
    return found


async def _forecasts(s: AsyncSession, process: Process, moment: datetime) -> list[Forecast]:
    """How the binding dates of an open case will be kept."""
    if process.closed_at is not None:
        return []
    known, tasks = await forecast_store.speeds(s), await forecast_store.open_tasks(s, [process.id])
    school = policies.calendar("school")
    deadlines = [Deadline.model_validate(d) for d in process.deadlines]
    binding = [d for d in deadlines if d.legal_kind is not LegalKind.INTERNAL]
    found = (forecast(d, tasks.get(process.id, []), known, school, moment) for d in binding)
    return sorted((f for f in found if f is not None), key=lambda f: (f.due, f.deadline_id))


_REFUSED = {  # what a process answers (`cancel_refusal`) -> what people read
    "shared_payment": Text(
        zh="当月缴费由多个个案共用，不能撤销；请撤销相应个案，其缴费明细会随之冲销。",
        en="A month's payment serves many cases and cannot be cancelled: cancel the case, its lines are reversed.",
    ),
    "paid_bill": Text(
        zh="已缴款的征集单必须报账，不能撤销；单据有误请退回修改。",
        en="A paid bill must be settled and cannot be cancelled: a wrong voucher is sent back.",
    ),
}


async def command(viewer: Viewer, process_id: str, name: str, body: CommandBody, key: str | None) -> ProcessView:
    """Cancels, suspends or resumes. NotFound, NotAllowed, NotAllowedNow; Unavailable, or MayFollow when there is no
    answer in time (the same key may be sent again)."""
    async with session() as s:
        await find_process(s, viewer, process_id)
        permissions.require_role(viewer, *permissions.COMMANDERS)
        audit.record(s, viewer.username, f"process.{name}", process_id, ground=body.ground)
    argument = ProcessCommand(reason=body.reason, actor=viewer.username, ground=body.ground)
    try:
        await engine.update(process_id, name, argument, f"{process_id}/{name}/{key or uuid.uuid4()}", type(None))
    except engine.NoAnswer as error:
        raise engine.unanswered(error) from error
    except (engine.ProcessGone, engine.Refused) as error:
        if isinstance(error, engine.Refused) and error.message in _REFUSED:
            raise NotAllowedNow(_REFUSED[error.message]) from error
        if isinstance(error, engine.Refused) and error.kind == Refusal.PROGRAM_FAULT:
            raise ProgramFault from error
        raise await _as_it_stands(process_id, name) from error
    async with session() as s:
        return await get_process(s, viewer, process_id)


async def _as_it_stands(process_id: str, name: str) -> NotAllowedNow:
    """The refusal of a command, by what the case is: already so, since when and by whom."""
    async with reading() as s:
        case = await s.get_one(Process, process_id)
        return NotAllowedNow(await already.standing(s, case, name))


def process_kinds() -> list[ProcessKindView]:
    """What can be started by hand, and what the system starts itself."""
    startable = {"enrolment": ForeignHire.model_json_schema(mode="validation")}
    return [
        ProcessKindView(
            kind=kind, title=title, input_schema=startable.get(kind, _BY_SYSTEM), startable=kind in startable
        )
        for kind, title in views.KIND_TITLES.items()
    ]


@router.get("/process-kinds", summary="Kinds of processes with the input that starts them")
async def get_kinds(viewer: CurrentViewer) -> list[ProcessKindView]:
    del viewer
    return [k for k in process_kinds() if k.startable]


@router.get("/processes", summary="List of cases")
async def get_processes(viewer: CurrentViewer, query: Annotated[ProcessQuery, Query()]) -> ProcessPage:
    async with reading() as s:
        return await list_processes(s, viewer, query)


@router.get("/processes/{process_id}", summary="One case in full")
async def get_one(viewer: CurrentViewer, process_id: str, at: past.At = None) -> ProcessView:
    async with reading() if at is None else past.case(viewer, process_id, at) as s:
        return await get_process(s, viewer, process_id)


@router.post("/processes/{process_id}/cancel", summary="Cancel; registrations are undone by tasks")
async def post_cancel(
    viewer: CurrentViewer, process_id: str, body: CommandBody, idempotency_key: IdempotencyKey = None
) -> ProcessView:
    return await command(viewer, process_id, "cancel", body, idempotency_key)


@router.post("/processes/{process_id}/suspend", summary="Suspend; statutory dates run on")
async def post_suspend(
    viewer: CurrentViewer, process_id: str, body: CommandBody, idempotency_key: IdempotencyKey = None
) -> ProcessView:
    return await command(viewer, process_id, "suspend", body, idempotency_key)


@router.post("/processes/{process_id}/resume", summary="Resume a suspended case")
async def post_resume(
    viewer: CurrentViewer, process_id: str, body: CommandBody, idempotency_key: IdempotencyKey = None
) -> ProcessView:
    return await command(viewer, process_id, "resume", body, idempotency_key)
