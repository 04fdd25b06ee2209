"""The supervisor's board: overdue, due today, at risk, unclaimed too long, waiting for an authority; work per
clerk.

Every figure carries the path of the list it counts; both use the same conditions (`store/board.py`), so that the number
is the list's total.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, views
from api.sign_in import CurrentViewer
from domain.workload import shares
from runtime import clock
from schemas.base import Text
from schemas.board import BoardRow, BoardView, Figure, StageRow, WorkRow, WorkView
from schemas.incidents import IncidentQuery
from store import board as figures
from store import dates, escalations, incident_desk, policies, users
from store.database import reading
from store.inbox import sees_all
from store.users import Viewer

router = APIRouter(tags=["board"])
LOOK_BACK = timedelta(days=3650)  # lint: allow law-number - how far a list of deadlines looks, no rule
NOBODY = Text(zh="（无人认领）", en="(held by nobody)")
WHOLE_SCHOOL = Text(zh="（全校）", en="(whole school)")


def process_figures(values: dict[str, int], **more: str) -> dict[str, Figure]:
    queries = figures.figure_queries()
    return {name: figure_of("/processes", n, {**_set(queries[name]), **more}) for name, n in values.items()}


async def _escalations(s: AsyncSession, viewer: Viewer) -> dict[str, Figure]:
    """Escalations that nobody has acknowledged, for who may look at their list."""
    if not viewer.has(*permissions.ESCALATIONS):
        return {}
    return {"escalations": figure_of("/escalations", await escalations.count_open(s, viewer), {"state": "open"})}


async def _incidents(s: AsyncSession, viewer: Viewer) -> dict[str, Figure]:
    """Open incidents, for who may look at their desk."""
    if not viewer.has(*permissions.INCIDENT_DESK):
        return {}
    return {
        "incidents": figure_of("/incidents", await incident_desk.count(s, viewer, IncidentQuery()), {"state": "open"})
    }


def _set(query: Any) -> dict[str, str]:
    """The parameters of a query that differ from its defaults, as they stand in an address."""
    return {
        k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in query.model_dump(exclude_defaults=True).items()
    }


def figure_of(path: str, value: int, parameters: dict[str, str]) -> Figure:
    return Figure(value=value, path=_address(path, tuple(parameters.items())))


@lru_cache(maxsize=8192)  # those of some hundred clerks cost more than their figures
def _address(path: str, parameters: tuple[tuple[str, str], ...]) -> str:
    return f"{path}?{urlencode(parameters)}"


async def board(s: AsyncSession, viewer: Viewer) -> BoardView:
    """The figures for what the viewer may see."""
    permissions.require_role(viewer, *permissions.BOARD_ROLES)
    now = clock.now()
    look = await views.lookup(s, viewer, [])
    of_cases = await figures.of_cases(s, viewer, now)
    by_holder = await figures.tasks_by_holder(s, viewer, now)
    by_agency = await figures.waiting_by_agency(s, viewer, now)
    past = await _past_due(s, viewer)
    return BoardView(
        now=now,
        totals=process_figures(figures.in_all(of_cases))
        | {"unclaimed": await _unclaimed(s, viewer, now)}
        | await _incidents(s, viewer)
        | await _escalations(s, viewer),
        by_process=[
            BoardRow(key=kind, title=views.kind_title(kind), figures=process_figures(n, kind=kind))
            for kind, n in figures.by_kind(of_cases).items()
        ],
        by_org_unit=[
            BoardRow(
                key=unit or "-",
                title=look.units.get(unit, Text(zh=unit, en=unit)) if unit else WHOLE_SCHOOL,
                figures=process_figures(n, org_unit=unit or "-"),
            )
            for unit, n in figures.by_unit(of_cases).items()
        ],
        by_person=[
            BoardRow(
                key=holder or "-",
                title=look.users.get(holder, Text(zh=holder, en=holder)) if holder else NOBODY,
                figures=_task_figures({name: n[name] for name in figures.HOLDS}, holder or "-"),
            )
            for holder, n in by_holder.items()
        ],
        by_agency=[_agency_row(agency, n, past(agency)) for agency, n in by_agency.items()],
        by_stage=await _stages(s, viewer, now),
        work=await _work(s, look, by_holder) if sees_all(viewer) else None,
    )


async def _unclaimed(s: AsyncSession, viewer: Viewer, now: datetime) -> Figure:
    return figure_of("/tasks", await figures.unclaimed(s, viewer, now), {"view": "all", "unclaimed": "true"})


async def _stages(s: AsyncSession, viewer: Viewer, now: datetime) -> list[StageRow]:
    """Kinds by name, and in each the stages in their order."""
    found = await figures.by_stage(s, viewer, now)
    known = await figures.stages_of(s, {kind for kind, _ in found})
    places = {place: i for i, place in enumerate(known)}
    return [
        StageRow(
            key=stage,
            title=known[kind, stage].title if (kind, stage) in known else Text(zh=stage, en=stage),
            kind=kind,
            kind_title=views.kind_title(kind),
            figures=process_figures(found[kind, stage], kind=kind, stage=stage),
        )
        for kind, stage in sorted(found, key=lambda place: (place[0], places.get(place, len(places)), place[1]))
    ]


async def _work(s: AsyncSession, look: views.Lookup, by_holder: Mapping[str | None, figures.Figures]) -> WorkView:
    """Every active clerk, also who holds nothing."""
    nothing = dict.fromkeys(figures.WORK, 0)
    clerks = await users.logins_with_role(s, "clerk")
    held = {who: {name: by_holder.get(who, nothing)[name] for name in figures.WORK} for who in clerks}
    fair = shares({who: n["open"] for who, n in held.items()}, look.substitutes, look.users)
    return WorkView(
        share=fair.share,
        says=fair.says,
        rows=[
            WorkRow(
                key=who,
                title=look.users.get(who, Text(zh=who, en=who)),
                figures=_task_figures(values, who),
                above=fair.above.get(who),
            )
            for who, values in sorted(held.items(), key=lambda item: (-item[1]["open"], item[0]))
        ],
    )


def _task_figures(values: dict[str, int], holder: str) -> dict[str, Figure]:
    return {
        name: figure_of("/tasks", n, {"view": "all", "holder": holder} | ({name: "true"} if name != "open" else {}))
        for name, n in values.items()
    }


async def _past_due(s: AsyncSession, viewer: Viewer) -> Callable[[str], Figure]:
    """Unmet deadlines at an authority whose day has passed, whoever has to act: ours to meet as well as its own."""
    last = clock.today() - timedelta(days=1)
    found = await dates.by_authority(s, viewer, dates.Period(last - LOOK_BACK, last))
    place = {"from": (last - LOOK_BACK).isoformat(), "to": last.isoformat()}
    return lambda agency: figure_of("/deadlines", found.get(agency, 0), {**place, "authority": agency})


def _agency_row(agency: str, values: dict[str, int], past_due: Figure) -> BoardRow:
    return BoardRow(
        key=agency,
        title=policies.snapshot().agency(agency).title,
        figures={
            name: figure_of("/processes", n, {"waiting_for": agency} | ({name: "true"} if name != "waiting" else {}))
            for name, n in values.items()
        }
        | {"past_due": past_due},
    )


@router.get("/board", summary="What is late, and what will be")
async def get_board(viewer: CurrentViewer) -> BoardView:
    async with reading() as s:
        return await board(s, viewer)
