"""The board: what is late, due today, at risk or with a bureau; each number opens the list behind it."""

from typing import Any

from starlette.responses import Response

from api import board as room
from schemas.api import BoardRow, BoardView
from store.database import reading
from web.frame import Guest, page
from web.routes import router as make_router

router = make_router()
COLUMNS = ("open", "held", "overdue", "due_today", "at_risk", "waiting")
SIDES = (("by_process", "by_person", "by_agency"), ("by_org_unit",))


@router.get("/board")
async def board(visit: Guest) -> Response:
    """The whole board."""
    async with reading() as s:
        view = await room.board(s, visit.viewer)
    return await page(visit, "board.html", board=view, sides=[[_table(view, code) for code in side] for side in SIDES])


def _table(view: BoardView, code: str) -> dict[str, Any]:
    """One table with the columns that its rows have, in a fixed order."""
    rows: list[BoardRow] = getattr(view, code)
    present = {name for row in rows for name in row.figures}
    return {"code": code, "rows": rows, "columns": [c for c in COLUMNS if c in present]}
