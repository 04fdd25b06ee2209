"""Each kind of process as a picture: its stages in their order, how many open cases stand in each, how many are late.

A case in two stages at once counts in both; each count opens its list. The heat of a stage is the share of its open
cases that are overdue, in quarters.
"""

from itertools import groupby

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, views
from api.board import process_figures
from api.sign_in import CurrentViewer
from runtime import clock
from schemas.board import Picture, PictureStage
from store import board
from store.database import reading
from store.users import Viewer

router = APIRouter(tags=["board"])
HOTTEST = 4


def heat(open_cases: int, overdue: int) -> int:
    """0: nothing is late; 1 to 4: up to a quarter, a half, three quarters, all of the cases."""
    return -(-overdue * HOTTEST // open_cases) if overdue else 0


async def pictures(s: AsyncSession, viewer: Viewer) -> list[Picture]:
    """The kinds of which there are open cases."""
    permissions.require_role(viewer, *permissions.BOARD_ROLES)
    now = clock.now()
    totals = board.by_kind(await board.of_cases(s, viewer, now))
    here = await board.by_stage(s, viewer, now)
    known = await board.stages_of(s, totals)
    found: list[Picture] = []
    for kind, values in totals.items():
        own = [(code, stage) for (of, code), stage in known.items() if of == kind]
        columns = [
            [
                PictureStage(
                    code=code,
                    title=stage.title,
                    heat=heat(here[kind, code]["open"], here[kind, code]["overdue"]) if (kind, code) in here else 0,
                    figures=process_figures(
                        here.get((kind, code), dict.fromkeys(board.FIGURES, 0)), kind=kind, stage=code
                    ),
                )
                for code, stage in group
            ]
            for _, group in groupby(own, key=lambda pair: pair[1].column)
        ]
        figures = process_figures(values, kind=kind)
        found.append(Picture(kind=kind, title=views.kind_title(kind), figures=figures, columns=columns))
    return found


@router.get("/pictures", summary="Each kind of process with its stages, and how many cases stand in each")
async def get_pictures(viewer: CurrentViewer) -> list[Picture]:
    async with reading() as s:
        return await pictures(s, viewer)
