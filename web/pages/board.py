"""The board: what is late, due today, at risk, unclaimed or with a bureau, and who has how much in hand; each number
opens the list behind it."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from api import board as room
from api import pictures
from schemas.board import BoardRow, BoardView
from store.database import reading
from web.frame import Guest, page
from web.routes import router as make_router

router = make_router()
COLUMNS = ("open", "held", "overdue", "due_today", "due_week", "at_risk", "forecast_late", "waiting", "past_due")
SIDES = (("by_process", "by_stage", "by_agency"), ("work", "by_person", "by_org_unit"))


@router.get("/board")
async def board(visit: Guest) -> Response:
    """The whole board."""
    async with reading() as s:
        view = await room.board(s, visit.viewer)
    sides = [[_table(view, code) for code in side if code != "work" or view.work] for side in SIDES]
    return await page(visit, "board.html", board=view, sides=sides)


def _table(view: BoardView, code: str) -> dict[str, Any]:
    """One table with the columns that its rows have, in a fixed order."""
    work = view.work if code == "work" else None
    rows: Sequence[BoardRow] = getattr(view, code) if code != "work" else view.work.rows if view.work else []
    present = {name for row in rows for name in row.figures}
    return {"code": code, "rows": rows, "columns": [c for c in COLUMNS if c in present], "says": work and work.says}


@router.get("/pictures")
async def process_pictures(visit: Guest) -> Response:
    """Each kind of process with the cases that stand in its stages."""
    async with reading() as s:
        found = await pictures.pictures(s, visit.viewer)
    return await page(visit, "pictures.html", pictures=found, hottest=pictures.HOTTEST)
