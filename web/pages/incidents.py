"""The incident desk: what automatic steps could not do, in plain words, and the decision on how it goes on.

Invariants: each button is a way that the API would take from this visitor; a refused decision comes back with what was
typed. Only administrators see the fault itself and the way to the engine.
"""

from typing import Annotated
from uuid import uuid4

from fastapi import Query
from pydantic import ValidationError
from starlette.responses import Response

from api import incidents as room
from api.problems import BadForm, Problem
from schemas.incident_steps import STEPS, WAY_TITLE, Way
from schemas.incidents import DecideBody, IncidentQuery
from store.database import reading
from web.forms import Choice
from web.frame import Guest, page, posted, sentence, with_query
from web.language import pick
from web.pages.case import KINDS
from web.routes import router as make_router

router = make_router()
STATES = ("open", "closed", "all")


@router.get("/incidents")
async def incidents(visit: Guest, query: Annotated[IncidentQuery, Query()]) -> Response:
    """The desk; its filters are those of the API."""
    async with reading() as s:
        found = await room.list_incidents(s, visit.viewer, query)
    kinds = [Choice(k, visit.t(f"incident_{k}")) for k in room.KINDS]
    steps = [Choice(name, pick(visit.lang, step.title)) for name, step in STEPS.items()]
    processes = [Choice(k, visit.t(f"process_{k}")) for k in KINDS]
    selects = [
        ("state", visit.t("standing"), None, [Choice(k, visit.t(f"incidents_{k}")) for k in STATES]),
        ("kind", visit.t("incident_kind"), "all_incident_kinds", kinds),
        ("step", visit.t("incident_step"), "all_steps", steps),
        ("process_kind", visit.t("process_kind"), "all_processes", processes),
    ]
    last = max(1, -(-found.total // query.limit))
    turn = lambda n: with_query("/incidents", visit.request.url.query, lang=None, said=None, page=str(n))  # noqa: E731
    return await page(
        visit,
        "incidents.html",
        found=found,
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
    said = [sentence(visit, text) for _, _, text in refused.faults] if refused else []
    return await page(
        visit,
        "incident.html",
        refused.status if refused else 200,
        incident=found,
        way_title={way: pick(visit.lang, title) for way, title in WAY_TITLE.items()},
        needs_reason=any(way is not Way.RETRY for way in found.actions),
        sentence=(said[0] if said else sentence(visit, refused.text)) if refused else "",
        reason=reason,
        live=visit.is_htmx,  # a refresh leaves the form and what is typed in it alone until nothing is to be decided
        key=uuid4().hex,
    )
