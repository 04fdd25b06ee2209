"""A month's deadlines as a calendar, and the list behind each of its numbers."""

from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

from api import deadlines as room
from schemas.board import CalendarDay
from schemas.deadlines import LegalKind
from store.database import reading
from web.frame import Guest, page, with_query
from web.routes import router as make_router

router = make_router()
WEEK = 7


@router.get("/calendar")
async def calendar(visit: Guest, month: str = "", authority: str = "") -> Response:
    """One month."""
    async with reading() as s:
        found = await room.calendar(s, visit.viewer, month or None, authority or None)

    def url(of: str) -> str:
        return f"/calendar?{urlencode({'month': of} | ({'authority': found.authority} if found.authority else {}))}"

    before: list[CalendarDay | None] = [None] * (found.days[0].day.isoweekday() - 1)
    cells: list[CalendarDay | None] = [*before, *found.days]
    cells += [None] * (-len(cells) % WEEK)
    period = {"from": found.days[0].day.isoformat(), "to": found.days[-1].day.isoformat(), "lang": visit.lang}
    more = {"authority": found.authority} if found.authority else {}
    return await page(
        visit,
        "calendar.html",
        calendar=found,
        weeks=[cells[i : i + WEEK] for i in range(0, len(cells), WEEK)],
        url=url,
        ics=f"/api/v1/deadlines.ics?{urlencode(period | more)}",
    )


@router.get("/dates")
async def dates(
    visit: Guest,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    kind: LegalKind | None = None,
    authority: str = "",
    cursor: str | None = None,
) -> Response:
    """The deadlines of a period, a page of them."""
    async with reading() as s:
        found = await room.deadlines(s, visit.viewer, first, last, kind, authority or None, cursor=cursor)
    here = visit.request.url.query
    following = with_query("/dates", here, lang=None, cursor=found.next_cursor) if found.next_cursor else None
    begin = with_query("/dates", here, lang=None, cursor=None) if cursor else None
    return await page(
        visit, "calendar_list.html", found=found, first=first, last=last, kind=kind, following=following, begin=begin
    )
