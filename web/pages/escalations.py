"""Escalations that nobody has acknowledged, and the post that acknowledges some."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api import escalations as room
from schemas.escalations import EscalationQuery
from store.database import reading, session
from web.frame import Guest, page, posted, with_query
from web.routes import router as make_router

router = make_router()
BACK = ("/messages", "/escalations", "/cases/", "/tasks/")
MOST = 100


@router.get("/escalations")
async def escalations(visit: Guest, query: Annotated[EscalationQuery, Query()]) -> Response:
    """The oldest first."""
    async with reading() as s:
        found = await room.open_escalations(s, visit.viewer, query)

    def url(number: int) -> str:
        return with_query("/escalations", visit.request.url.query, lang=None, said=None, page=str(number))

    return await page(
        visit,
        "escalations.html",
        found=found,
        earlier=url(query.page - 1) if query.page > 1 else None,
        later=url(query.page + 1) if query.page * query.limit < found.total else None,
    )


@router.post("/escalations/acknowledge")
async def acknowledge(visit: Guest) -> Response:
    """Back to where the button stood; where something was refused, what became of each."""
    form = await posted(visit)
    async with session() as s:
        keys = [str(k) for k in form.getlist("key")][:MOST]
        result = await room.acknowledge(s, visit.viewer, keys, visit.lang)
    back = str(form.get("next") or "")
    back = back if back.startswith(BACK) else "/messages"
    if result.refused:
        return await page(visit, "acknowledged.html", result=result, back=back)
    return visit.go(back, "acknowledged")
