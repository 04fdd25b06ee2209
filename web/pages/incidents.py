"""The incident desk: what automatic steps could not do, in plain words, and the decision on how it goes on.

Invariants: each button is a way that the API would take from this visitor; a refused decision comes back with what was
typed. Only administrators see the fault itself and the way to the engine.
"""

from dataclasses import dataclass, field
from typing import Annotated
from uuid import uuid4

from fastapi import Query
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from api import batch
from api import incidents as room
from api.problems import BadForm, Problem
from schemas.batch import BatchResult, CaseItem, IncidentBatch
from schemas.incident_steps import STEPS, WAY_ROLES, WAY_TITLE, Way
from schemas.incidents import DecideBody, IncidentQuery
from store.database import reading
from web.forms import Choice
from web.frame import Guest, Visit, page, posted, sentence, with_query
from web.language import pick
from web.pages.batch import chosen, said
from web.pages.case import KINDS
from web.routes import router as make_router

router = make_router()
STATES = ("open", "closed", "all")
MANY = (Way.RETRY, Way.BY_HAND)  # what an outage asks for, and means the same for every case


@dataclass
class Drawn:
    """What the list shows of a decision for many: what became of it, or what was typed and why it was refused."""

    way: Way = Way.RETRY
    reason: str = ""
    picked: list[str] = field(default_factory=list[str])
    result: BatchResult | None = None
    problem: Problem | None = None


@router.get("/incidents")
async def incidents(visit: Guest, query: Annotated[IncidentQuery, Query()]) -> Response:
    """The desk; its filters are those of the API."""
    return await _list(visit, query, Drawn())


@router.post("/incidents")
async def decide_many(visit: Guest, query: Annotated[IncidentQuery, Query()]) -> Response:
    """One decision for all that were ticked, and what became of each; the list stands below."""
    form = await posted(visit)
    drawn = Drawn(reason=str(form.get("reason") or "").strip()[:500], picked=[str(i) for i in form.getlist("incident")])
    try:
        drawn.way = _way(form)
        key = str(form.get("batch") or uuid4().hex)[:60]
        items = [CaseItem(id=i[:200], key=f"{key}-{i}"[:200]) for i in chosen(form, "incident")]
        body = IncidentBatch(way=drawn.way, items=items, reason=drawn.reason)
        drawn.result = await batch.run_incidents(visit.viewer, body, visit.lang)
        drawn.picked = [i.id for i in drawn.result.items if i.result == "refused"]
    except Problem as problem:
        drawn.problem = problem
    return await _list(visit, query, drawn)


def _way(form: FormData) -> Way:
    try:
        return Way(str(form.get("way") or ""))
    except ValueError as error:
        raise BadForm from error


async def _list(visit: Guest, query: IncidentQuery, drawn: Drawn) -> Response:
    async with reading() as s:
        found = await room.list_incidents(s, visit.viewer, query)
    kinds = [Choice(k, visit.t(f"incident_{k}")) for k in room.KINDS]
    steps = [Choice(name, pick(visit.lang, step.title)) for name, step in STEPS.items()]
    processes = [Choice(k, visit.t(f"process_{k}")) for k in KINDS]
    selects = [
        ("state", visit.t("incident_state"), None, [Choice(k, visit.t(f"incidents_{k}")) for k in STATES]),
        ("kind", visit.t("incident_kind"), "all_incident_kinds", kinds),
        ("step", visit.t("incident_step"), "all_steps", steps),
        ("process_kind", visit.t("process_kind"), "all_processes", processes),
    ]
    last = max(1, -(-found.total // query.limit))
    turn = lambda n: with_query("/incidents", visit.request.url.query, lang=None, said=None, page=str(n))  # noqa: E731
    filtered = query.state != "open" or any((query.kind, query.step, query.process_kind, query.process_id))
    problem = drawn.problem
    return await page(
        visit,
        "incidents.html",
        problem.status if problem else 200,
        found=found,
        empty=visit.t("incidents_none_filtered" if filtered else "incidents_none"),
        ways=[way for way in MANY if visit.viewer.has(*WAY_ROLES[way])],
        way_title=_way_titles(visit),
        way=drawn.way,
        result=drawn.result,
        said_of=said,
        sentence=_first_fault(visit, problem),
        picked=drawn.picked,
        reason=drawn.reason if problem else "",
        batch=uuid4().hex,
        query=query.model_dump(),
        selects=selects,
        earlier=turn(query.page - 1) if query.page > 1 else None,
        later=turn(query.page + 1) if query.page < last else None,
    )


@router.get("/incidents/{incident_id}")
async def incident(visit: Guest, incident_id: str) -> Response:
    """One incident."""
    return await _show(visit, incident_id)


@router.post("/incidents/{incident_id}/decide")
async def decide(visit: Guest, incident_id: str) -> Response:
    """Takes the decision, or shows the form again with what is wrong."""
    form = await posted(visit)
    way, reason = str(form.get("way") or ""), str(form.get("reason") or "").strip()[:500]
    try:
        try:
            body = DecideBody(way=Way(way), reason=reason)
        except (ValueError, ValidationError) as error:
            raise BadForm from error
        await room.decide(visit.viewer, incident_id, body, str(form.get("key") or "") or None)
    except Problem as problem:
        return await _show(visit, incident_id, problem, reason)
    return visit.go(f"/incidents/{incident_id}", "retried" if body.way is Way.RETRY else "incident_decided")


async def _show(visit: Guest, incident_id: str, refused: Problem | None = None, reason: str = "") -> Response:
    async with reading() as s:
        found = await room.get_incident(s, visit.viewer, incident_id)
    return await page(
        visit,
        "incident.html",
        refused.status if refused else 200,
        incident=found,
        way_title=_way_titles(visit),
        needs_reason=any(way is not Way.RETRY for way in found.actions),
        sentence=_first_fault(visit, refused),
        reason=reason,
        live=visit.is_htmx,  # a refresh leaves the form and what is typed in it alone until nothing is to be decided
        key=uuid4().hex,
    )


def _way_titles(visit: Visit) -> dict[Way, str]:
    return {way: pick(visit.lang, title) for way, title in WAY_TITLE.items()}


def _first_fault(visit: Visit, problem: Problem | None) -> str:
    """What stands above the page: the sentence of the field, where one is named."""
    if problem is None:
        return ""
    return sentence(visit, problem.faults[0][2] if problem.faults else problem.text)
