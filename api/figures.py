"""Figures by month: on-time rate and hours, per step, college, authority and clerk; as JSON, page and spreadsheet.

Each number of tasks opens the list of these tasks. Only who supervises reads them: they say how quick colleagues are.
"""

import io
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

import xlsxwriter  # pyright: ignore[reportMissingTypeStubs]
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, views
from api.board import figure_of
from api.problems import language_of
from api.sign_in import CurrentViewer
from domain.times import add_to_month, month_of, months_between
from runtime import clock
from schemas.base import Text
from schemas.figures import (
    FiguresQuery,
    FiguresRow,
    FiguresView,
    FinishedPage,
    FinishedQuery,
    FinishedTask,
    MonthFigures,
)
from schemas.forms import kind_titles
from store import figures, policies
from store.database import reading
from store.import_files import XLSX
from store.users import Viewer

router = APIRouter(tags=["board"])
READERS = ("supervisor", "head", "auditor", "admin")
NOTHING = Text(zh="（无）", en="(none)")
WHOLE = Text(zh="合计", en="All")
_TENTH = Decimal("0.1")


async def view(s: AsyncSession, viewer: Viewer, query: FiguresQuery) -> FiguresView:
    """The figures of the months asked for."""
    permissions.require_role(viewer, *READERS)
    last = query.month or month_of(clock.today())
    months = months_between(add_to_month(last, 1 - query.months), last)
    sums = await figures.sums(s, query.by, months[0], last)
    found = {(x.month, None if x.whole else x.key): x for x in sums}
    keys = sorted(
        {x.key for x in sums if x.key and not x.whole},
        key=lambda k: (-found[None, k].finished, k),
    )
    titles = await _titles(s, viewer, query, keys)

    def of(month: str | None, key: str | None) -> MonthFigures:
        one = found.get((month, key))
        n, late = (one.finished, one.late) if one is not None else (0, 0)
        place = {"by": query.by, "first": month or months[0], "last": month or last} | ({"key": key} if key else {})
        return MonthFigures(
            month=month or "",
            finished=figure_of("/figures/tasks", n, place),
            late=figure_of("/figures/tasks", late, {**place, "late": "true"}),
            rate=_tenth(Decimal(100) * (n - late) / n) if n else None,
            hours=_tenth(one.hours) if one is not None else None,
        )

    def row(key: str | None, title: Text) -> FiguresRow:
        return FiguresRow(key=key or "", title=title, total=of(None, key), months=[of(m, key) for m in months])

    return FiguresView(by=query.by, months=months, whole=row(None, WHOLE), rows=[row(k, titles[k]) for k in keys])


def _tenth(value: Decimal) -> Decimal:
    return value.quantize(_TENTH, ROUND_HALF_UP)


async def _titles(s: AsyncSession, viewer: Viewer, query: FiguresQuery, keys: list[str]) -> dict[str, Text]:
    """What the keys are called."""
    known: dict[str, Text] = {}
    if query.by == "step":
        known = kind_titles()
    elif query.by == "authority":
        known = {a.id: a.title for a in policies.snapshot().agencies}
    else:
        look = await views.lookup(s, viewer, [])
        known = look.units if query.by == "college" else look.users
    return {k: NOTHING if k == "-" else known.get(k, Text(zh=k, en=k)) for k in keys}


async def tasks(s: AsyncSession, viewer: Viewer, query: FinishedQuery) -> FinishedPage:
    """The tasks behind a number."""
    permissions.require_role(viewer, *READERS)
    rows, total = await figures.finished(s, query)
    return FinishedPage(
        items=[
            FinishedTask(
                id=task.id,
                process_id=task.process_id,
                case_no=process.case_no,
                title=Text(zh=task.title_zh, en=task.title_en),
                opened_at=task.opened_at,
                closed_at=closed_at,
                completed_by=task.completed_by,
                late=late,
                hours=_tenth(Decimal((closed_at - task.opened_at).total_seconds()) / 3600),
            )
            for task, process, late, closed_at in rows
        ],
        total=total,
        page=query.page,
    )


_HEADINGS = {
    "zh": ("月份", "项目", "办结件数", "逾期件数", "按期率（%）", "用时中位数（小时）"),
    "en": ("Month", "Item", "Finished", "Late", "On time (%)", "Median hours"),
}


def spreadsheet(found: FiguresView, lang: str) -> bytes:
    """One line a month and item, the whole first."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(f"{found.months[0]} {found.months[-1]}")
    bold = book.add_format({"bold": True})
    for column, heading in enumerate(_HEADINGS[lang]):
        sheet.write_string(0, column, heading, bold)
        sheet.set_column(column, column, 18)
    lines = [(row, month) for row in (found.whole, *found.rows) for month in row.months]
    for line, (row, month) in enumerate(lines, start=1):
        sheet.write_string(line, 0, month.month)
        sheet.write_string(line, 1, row.title.en if lang == "en" else row.title.zh)
        numbers = (month.finished.value, month.late.value, month.rate, month.hours)
        for column, number in enumerate(numbers, start=2):
            if number is not None:
                sheet.write_number(line, column, float(number))
    sheet.freeze_panes(1, 0)
    book.close()
    return stream.getvalue()


@router.get("/figures", summary="Figures by month: on time, and how long it takes")
async def get_figures(viewer: CurrentViewer, query: Annotated[FiguresQuery, Query()]) -> FiguresView:
    async with reading() as s:
        return await view(s, viewer, query)


@router.get("/figures/tasks", summary="The finished tasks behind a figure")
async def get_tasks(viewer: CurrentViewer, query: Annotated[FinishedQuery, Query()]) -> FinishedPage:
    async with reading() as s:
        return await tasks(s, viewer, query)


@router.get("/figures.xlsx", summary="Figures by month as a spreadsheet", response_class=Response)
async def get_spreadsheet(request: Request, viewer: CurrentViewer, query: Annotated[FiguresQuery, Query()]) -> Response:
    async with reading() as s:
        found = await view(s, viewer, query)
    name = f"figures-{found.by}-{found.months[-1]}.xlsx"
    return Response(
        spreadsheet(found, language_of(request)),
        media_type=XLSX,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
