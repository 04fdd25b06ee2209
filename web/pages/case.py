"""Cases: the list, and one case with its stages drawn, who holds what since when, deadlines, timeline and documents."""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from api import amendments, copies, engine, escalations, incidents, own_case, past
from api import processes as room
from api.permissions import INCIDENT_DESK, may_copy, process_actions
from api.problems import NotFound, Problem
from schemas.amendment import KIND as AMENDMENT
from schemas.api import CommandBody, ProcessItem, ProcessQuery, ProcessView, StagePlan, TaskItem
from schemas.deadlines import LegalKind
from schemas.incidents import IncidentQuery
from schemas.process import DEMO_DATA, Stage, StageState
from store import board, notifications
from store.cases import ME
from store.database import reading, session
from web import choices
from web.forms import Choice
from web.frame import Guest, Visit, page, posted, with_query
from web.pages.amendments import amend_url
from web.pages.search import empty_words
from web.routes import router as make_router
from web.side_forms import NONE_REFUSED, SideForm, body_of, refused

router = make_router()
KINDS = ("enrolment", "tax_payment", "reimbursement", "amendment")
STATES = ("open", "running", "waiting", "suspended", "closed", "cancelled")
AGENCIES = ("any", "social_bureau", "medical_bureau", "tax_office")
PILLS = (
    ("overdue", "overdue", "urgency_overdue"),
    ("due_today", "today", "urgency_today"),
    ("at_risk", "at_risk", "urgency_at_risk"),
)
_PASSED = (StageState.DONE, StageState.SKIPPED)


@router.get("/cases")
async def cases(visit: Guest, query: Annotated[ProcessQuery, Query()]) -> Response:
    """The list of cases; its filters are those of the API."""
    query = query.model_copy(update={k: None for k, v in query.model_dump().items() if v == ""})
    async with reading() as s:
        found = await room.list_processes(s, visit.viewer, query)
        units = await choices.units(s, visit.lang)
        stages = {code: stage for (_, code), stage in (await board.stages_of(s, KINDS)).items()} if query.stage else {}

    def url(**changes: str | None) -> str:
        return with_query("/cases", visit.request.url.query, lang=None, said=None, **changes)

    pills = [
        {
            "tone": tone,
            "key": key,
            "on": bool(getattr(query, name)),
            "href": url(cursor=None, **{name: None if getattr(query, name) else "true"}),
        }
        for name, tone, key in PILLS
    ]
    selects = [
        _select(visit, "kind", "process_kind", "all_processes", [Choice(k, visit.t(f"process_{k}")) for k in KINDS]),
        _select(visit, "state", "standing", "all_states", [Choice(k, visit.t(f"state_{k}")) for k in STATES]),
        _select(visit, "org_unit", "org_unit", "all_units", units),
        _select(
            visit, "waiting_for", "authority", "all_agencies", [Choice(k, visit.t(f"waiting_{k}")) for k in AGENCIES]
        ),
    ]
    filters = query.model_dump(exclude={"limit", "cursor"})
    return await page(
        visit,
        "cases.html",
        page=found,
        query=query.model_dump(),
        pills=pills,
        selects=selects,
        url=url,
        filtered=any(filters.values()),
        started_by_me=query.started_by in (ME, visit.viewer.username),
        stage=stages[query.stage].title if query.stage in stages else None,
        query_string=visit.request.url.query,
        verbs=commands_of(visit, found.items),
        empty=empty_words(visit, query.subject, "cases_empty"),
    )


def commands_of(visit: Visit, items: list[ProcessItem]) -> list[str]:
    """What the visitor may tell many of these cases at once."""
    able = {c for item in items for c in process_actions(visit.viewer, item.kind, item.state, item.flags)}
    return [c for c in ("suspend", "resume", "cancel") if c in able]


def _select(visit: Visit, name: str, label: str, all_key: str, offered: list[Choice]) -> dict[str, Any]:
    return {"name": name, "label": visit.t(label), "all": visit.t(all_key), "choices": offered}


@router.get("/processes/{process_id}")
async def old_address(process_id: str) -> Response:
    """Links in messages may carry the API's word."""
    return RedirectResponse(f"/cases/{process_id}", status_code=307)


@router.get("/cases/{process_id}")
async def case(visit: Guest, process_id: str, at: past.At = None) -> Response:
    """One case, as it is or as it was."""
    if at:
        return await _as_it_was(visit, process_id, at)
    async with session() as s:
        await room.find_process(s, visit.viewer, process_id)
        await copies.mark_read(s, visit.viewer, process_id)
    return await show(visit, process_id)


async def show(visit: Visit, process_id: str, side: SideForm = NONE_REFUSED) -> Response:
    """The page of a case as it is; with a form beside it that was refused, where one was."""
    async with reading() as s:
        process = await room.find_process(s, visit.viewer, process_id)
        view = await room.get_process(s, visit.viewer, process_id)
        notice = await notifications.of_case(s, visit.viewer, process_id)
        colleagues = await choices.colleagues(s, visit.lang)
        recorded = await amendments.of_case(s, visit.viewer, process_id)
        of = process.parameters.get("of")
        amended_case = await room.find_process(s, visit.viewer, of) if view.kind == AMENDMENT and of else None
        rungs = await escalations.ladder(s, visit.viewer, process_id)
        standing = (
            (await incidents.list_incidents(s, visit.viewer, IncidentQuery(process_id=process_id))).items
            if visit.viewer.has(*INCIDENT_DESK)
            else []
        )
    return await page(
        visit,
        "case.html",
        side.status,
        **_shown(view),
        side=side,
        notice=notice,
        case_incidents=standing,
        recorded=recorded,
        amend_url=amend_url,
        amended_case={"id": amended_case.id, "case_no": amended_case.case_no} if amended_case else None,
        rungs=rungs,
        may_copy=may_copy(visit.viewer, only_subject=own_case.only_subject(visit.viewer, process)),
        colleagues=colleagues,
        temporal_url=engine.link(view.id) if visit.viewer.has("admin") and DEMO_DATA not in view.flags else None,
    )


async def _as_it_was(visit: Visit, process_id: str, at: str) -> Response:
    """What is kept of a case, without what is told of it elsewhere (record, messages, reminders, incidents)."""
    async with past.case(visit.viewer, process_id, at) as s:
        view = await room.get_process(s, visit.viewer, process_id)
    return await page(
        visit,
        "case.html",
        looked_at=view.as_of,
        **_shown(view),
        side=NONE_REFUSED,
        notice=None,
        case_incidents=[],
        recorded=None,
        amend_url=amend_url,
        amended_case=None,
        rungs=[],
        may_copy=False,
        colleagues=[],
        temporal_url=None,
    )


def _shown(view: ProcessView) -> dict[str, Any]:
    """A case for its page."""
    open_tasks = [t for t in view.tasks if t.closed_at is None]
    done = sorted(
        (t for t in view.tasks if t.closed_at is not None),
        key=lambda t: (t.closed_at is not None, t.closed_at),
        reverse=True,
    )
    return {
        "case": view,
        "columns": columns_of(view.stages, open_tasks, view.stage_plans),
        "open_tasks": open_tasks,
        "done_tasks": done,
        "commands": [c for c in ("suspend", "resume", "cancel") if c in view.actions],
        "decidable": [d for d in view.deadlines if d.met_at is None and d.legal_kind is not LegalKind.INTERNAL],
        "key": uuid4().hex,
    }


def columns_of(
    stages: list[Stage], open_tasks: list[TaskItem], plans: Sequence[StagePlan] = ()
) -> list[dict[str, Any]]:
    """The stages by column (side by side in time), each with its open tasks and by when it must begin."""
    plan_of = {plan.stage: plan for plan in plans}
    found: list[dict[str, Any]] = []
    for _, group in groupby(sorted(stages, key=lambda s: s.column), key=lambda s: s.column):
        members = list(group)
        found.append(
            {
                "passed": all(s.state in _PASSED for s in members),
                "stages": [
                    {"stage": s, "tasks": [t for t in open_tasks if t.stage == s.code], "plan": plan_of.get(s.code)}
                    for s in members
                ],
            }
        )
    return found


@router.post("/cases/{process_id}/{command}")
async def command(visit: Guest, process_id: str, command: str) -> Response:
    """Cancel, suspend or resume, with the reason."""
    if command not in room.COMMANDS:
        raise NotFound
    form = await posted(visit)
    try:
        body = body_of(CommandBody, form)
        await room.command(visit.viewer, process_id, command, body, str(form.get("key") or "") or None)
    except Problem as problem:
        return await show(visit, process_id, refused(visit, command, form, problem))
    return visit.go(f"/cases/{process_id}", "commanded")
