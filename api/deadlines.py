"""Deadlines of a period, as a list, as a month's calendar with counts, and as a file for a calendar program.

Each count of the calendar opens the list it counts. Rest days and make-up working days are those of the authority that
was asked for, else the school's; a year without a published arrangement says so.
"""

import re
from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, views
from api.board import LOOK_BACK, figure_of
from api.case_names import called
from api.problems import BadCursor, InvalidPeriod
from api.sign_in import CurrentViewer
from domain.times import add_to_month, first_day, last_day, month_of
from runtime import clock
from schemas.base import FIRST_DAY, LAST_DAY, Text
from schemas.board import CalendarDay, CalendarMonth, DeadlineItem, DeadlinePage
from schemas.deadlines import LEGAL_RANK, LegalKind
from store import dates, policies
from store.database import reading
from store.inbox import BadCursor as CursorUnreadable
from store.users import Viewer

router = APIRouter(tags=["board"])
MOST = 200  # of one page
LOOK_AHEAD = timedelta(days=60)  # lint: allow law-number - how far a page looks, no rule
_DAY = timedelta(days=1)
_MONTH = re.compile(r"(19|20|21)\d\d-(0[1-9]|1[0-2])")
Authority = Annotated[str | None, Query(max_length=60)]
Kind = Annotated[LegalKind | None, Query()]
First = Annotated[date | None, Query(alias="from")]
Last = Annotated[date | None, Query(alias="to")]


async def deadlines(
    s: AsyncSession,
    viewer: Viewer,
    first: date | None,
    last: date | None,
    kind: LegalKind | None = None,
    authority: str | None = None,
    *,
    cursor: str | None = None,
    limit: int = MOST,
) -> DeadlinePage:
    """Unmet deadlines of open cases whose due day lies in first..last (both included), earliest first, page by page.

    By default from ten years back to sixty days ahead of today. BadCursor, InvalidPeriod.
    """
    now = clock.now()
    period = _period(first, last, kind, authority)
    try:
        page = await dates.page(s, viewer, period, cursor, limit)
    except CursorUnreadable as error:
        raise BadCursor from error
    total = sum((await dates.counts(s, viewer, period)).values())
    return DeadlinePage(items=_items(page, now), total=total, next_cursor=page.next_cursor)


def _period(first: date | None, last: date | None, kind: LegalKind | None, authority: str | None) -> dates.Period:
    """InvalidPeriod for years in which no date of ours can lie."""
    first, last = first or clock.today() - LOOK_BACK, last or clock.today() + LOOK_AHEAD
    if first < FIRST_DAY or last > LAST_DAY:
        raise InvalidPeriod
    if last < first:
        raise InvalidPeriod(faults=[("/query/to", "before_from", _before(first, last))])
    return dates.Period(first, last, kind, authority or None)


def _before(first: date, last: date) -> Text:
    return Text(
        zh=f"截止日 {last} 早于起始日 {first}，请调换或改正。",
        en=f"The last day {last} is before the first one, {first}: exchange or correct them.",
    )


def _items(page: dates.Page, now: datetime) -> list[DeadlineItem]:
    return [
        DeadlineItem(
            **views.deadline_view(deadline, now + timedelta(seconds=process.clock_offset_seconds)).model_dump(),
            process_id=process.id,
            process_title=process.title,
            process_kind=process.kind,
            case_no=process.case_no,
            org_unit=process.org_unit,
            authority=deadline.authority,
        )
        for deadline, process in page.rows
    ]


async def calendar(s: AsyncSession, viewer: Viewer, month: str | None, authority: str | None) -> CalendarMonth:
    """A month with what is due on each day. InvalidPeriod for what is no month or no authority of ours."""
    permissions.require_role(viewer, *permissions.BOARD_ROLES)
    month = month or month_of(clock.today())
    known = {a.id: a.title for a in policies.snapshot().agencies}
    if not _MONTH.fullmatch(month) or (authority and authority not in known):
        raise InvalidPeriod
    authority = authority or None
    first, last = first_day(month), last_day(month)
    counts = await dates.counts(s, viewer, dates.Period(first, last, authority=authority))
    working = policies.calendar(authority or "school")
    days: list[CalendarDay] = []
    for n in range((last - first).days + 1):
        day = first + n * _DAY
        rest = working.is_rest(day)
        made_up = not rest and day.isoweekday() > 5  # lint: allow law-number - Saturday and Sunday
        days.append(
            CalendarDay(
                day=day,
                rest=rest,
                make_up=made_up,
                name=working.name(day) if working.is_holiday(day) or made_up else None,
                figures={
                    k.value: figure_of("/deadlines", counts[day, k.value], _address(day, day, k, authority))
                    for k in LEGAL_RANK
                    if (day, k.value) in counts
                },
            )
        )
    totals = {
        k.value: figure_of(
            "/deadlines",
            sum(n for (_, found), n in counts.items() if found == k.value),
            _address(first, last, k, authority),
        )
        for k in LEGAL_RANK
    }
    return CalendarMonth(
        month=month,
        authority=authority,
        authorities=known,
        provisional=not working.is_published(first.year),
        previous=add_to_month(month, -1),
        following=add_to_month(month, 1),
        totals=totals,
        days=days,
    )


def _address(first: date, last: date, kind: LegalKind, authority: str | None) -> dict[str, str]:
    more = {"authority": authority} if authority else {}
    return {"from": first.isoformat(), "to": last.isoformat(), "kind": kind.value, **more}


def ics(items: Iterable[DeadlineItem], english: bool, now: datetime) -> str:
    """An all-day event for each deadline (RFC 5545)."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    lines: list[str] = []
    for item in items:
        title = item.title.en if english else item.title.zh
        case = called(item.case_no).en if english else called(item.case_no).zh
        lines += [
            "BEGIN:VEVENT",
            f"UID:{item.process_id}/{item.id}@baoqi",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{item.due:%Y%m%d}",
            f"DTEND;VALUE=DATE:{item.due + _DAY:%Y%m%d}",
            f"SUMMARY:{_escaped(f'{title} {case}')}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    return _written(lines)


def _written(lines: Iterable[str]) -> str:
    """Lines end in CRLF and are folded at 75 bytes."""
    return "".join(f"{_folded(line)}\r\n" for line in lines)


async def _file(viewer: Viewer, period: dates.Period, page: dates.Page, english: bool) -> AsyncIterator[str]:
    """The file in pieces, from its first page on: no more than a page is held at once, however many deadlines there
    are, and no transaction waits for a slow reader. Who fetches the file again has what was moved meanwhile."""
    now = clock.now()
    product = f"PRODID:-//Baoqi//deadlines//{'EN' if english else 'ZH'}"
    yield _written(["BEGIN:VCALENDAR", "VERSION:2.0", product, "CALSCALE:GREGORIAN"])
    while True:
        yield ics(_items(page, now), english, now)
        if page.next_cursor is None:
            break
        async with reading() as s:
            page = await dates.page(s, viewer, period, page.next_cursor, MOST)
    yield _written(["END:VCALENDAR"])


def _escaped(text: str) -> str:
    for raw in ("\\", ";", ","):
        text = text.replace(raw, f"\\{raw}")
    return text.replace("\n", "\\n")


def _folded(line: str) -> str:
    limit, parts, current = 74, [""], 0  # bytes of a line, the blank before a continued one counted
    for character in line:
        size = len(character.encode())
        if current + size > limit:
            parts.append("")
            current = 1
        parts[-1] += character
        current += size
    return "\r\n ".join(parts)


@router.get("/deadlines", summary="Deadlines of a period")
async def get_deadlines(
    viewer: CurrentViewer,
    first: First = None,
    last: Last = None,
    kind: Kind = None,
    authority: Authority = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
) -> DeadlinePage:
    async with reading() as s:
        return await deadlines(s, viewer, first, last, kind, authority, cursor=cursor, limit=limit)


@router.get("/deadlines.ics", summary="Deadlines of a period for a calendar program", response_class=Response)
async def get_ics(
    viewer: CurrentViewer,
    first: First = None,
    last: Last = None,
    kind: Kind = None,
    authority: Authority = None,
    lang: Annotated[str, Query(pattern="^(zh|en)$")] = "zh",
) -> Response:
    period = _period(first, last, kind, authority)
    async with reading() as s:  # what is wrong is said before the file begins
        page = await dates.page(s, viewer, period, None, MOST)
    return StreamingResponse(
        _file(viewer, period, page, lang == "en"),
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="deadlines.ics"'},
    )


@router.get("/calendar", summary="What is due on each day of a month")
async def get_calendar(
    viewer: CurrentViewer,
    month: Annotated[str | None, Query(max_length=7)] = None,
    authority: Authority = None,
) -> CalendarMonth:
    async with reading() as s:
        return await calendar(s, viewer, month, authority)
