"""Figures by month as charts, each with the table of its numbers, and the list behind a number."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api import figures as room
from schemas.figures import FiguresQuery, FinishedQuery
from store.database import reading
from web.frame import Guest, page, with_query
from web.routes import router as make_router

router = make_router()
BY = ("step", "college", "authority", "clerk")


@router.get("/figures")
async def figures(visit: Guest, query: Annotated[FiguresQuery, Query()]) -> Response:
    """Charts and tables."""
    async with reading() as s:
        found = await room.view(s, visit.viewer, query)
    slowest = max((m.hours for r in (found.whole, *found.rows) for m in (r.total, *r.months) if m.hours), default=None)
    here = visit.request.url.query
    return await page(
        visit,
        "figures.html",
        found=found,
        query=query.model_dump(),
        slowest=slowest,
        tabs=[(by, with_query("/figures", here, by=by, lang=None)) for by in BY],
        xlsx=with_query(
            "/api/v1/figures.xlsx", "", **{k: str(v) for k, v in query.model_dump(exclude_none=True).items()}
        ),
    )


@router.get("/figures/tasks")
async def tasks(visit: Guest, query: Annotated[FinishedQuery, Query()]) -> Response:
    """The finished tasks behind a number."""
    async with reading() as s:
        found = await room.tasks(s, visit.viewer, query)

    def url(number: int) -> str:
        return with_query("/figures/tasks", visit.request.url.query, page=str(number), lang=None)

    pages = -(-found.total // query.limit)
    return await page(visit, "figures_list.html", found=found, query=query.model_dump(), url=url, pages=pages)
