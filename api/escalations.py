"""The ladder as people see it: who was told when and through what, and 已知悉 for escalations.

Invariants: who may see a case sees its ladder; an escalation is acknowledged by one who was told, or who has the role
it was for; that is a note of "I know" and moves nothing. An open escalation stands on the board until then, or until
its task is closed: then it stands with the case, with who closed the task, and that nobody had acknowledged it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from api import own_case, permissions, processes, views
from api.json_body import JsonObjectRoute
from api.problems import NotAllowed, NotFound, Problem, language_of
from api.sign_in import CurrentViewer
from runtime import clock
from schemas.base import Text
from schemas.escalations import (
    AcknowledgeBody,
    AcknowledgedItem,
    AcknowledgeResult,
    EscalationPage,
    EscalationQuery,
    RungView,
    ToldView,
    WayView,
)
from schemas.tasks import TaskState
from store import audit, escalations
from store.channels import TITLES
from store.database import reading, session
from store.escalations import LEVELS, Rung
from store.live import message_to, process_changed
from store.tables.processes import Process
from store.users import Viewer

router = APIRouter(tags=["escalations"], route_class=JsonObjectRoute)
SHOWN = 200


def may_acknowledge(viewer: Viewer, rung: Rung) -> bool:
    level = rung.row.addressed_to
    if level not in LEVELS or rung.row.acknowledged_at is not None:
        return False
    return viewer.username in {t.username for t in rung.told} or viewer.has(level)


async def _views(s: AsyncSession, viewer: Viewer, keys: list[str]) -> list[RungView]:
    look = await views.lookup(s, viewer, [])
    return [_view(viewer, rung, look) for rung in await escalations.rungs(s, viewer, keys)]


def _view(viewer: Viewer, rung: Rung, look: views.Lookup) -> RungView:
    row, task = rung.row, rung.task
    level: Any = row.addressed_to
    told: list[ToldView] = []
    for person in rung.told:
        ways: list[WayView] = []
        for way in person.ways:
            state: Any = way.state
            ways.append(WayView(channel=way.channel, title=TITLES[way.channel], state=state, sent_at=way.sent_at))
        told.append(
            ToldView(username=person.username, name=look.users.get(person.username), read_at=person.read_at, ways=ways)
        )
    ended_at = task.closed_at if task is not None else rung.process.closed_at
    ended: Any = None
    if ended_at is not None:
        ended = task.state if task is not None and task.completed_by is not None else TaskState.OBSOLETE
    return RungView(
        key=row.key,
        process_id=row.process_id,
        case_no=rung.process.case_no,
        process_kind=rung.process.kind,
        kind_title=views.kind_title(rung.process.kind),
        task_id=row.task_id,
        task_title=Text(zh=task.title_zh, en=task.title_en) if task else None,
        level=level,
        at=row.at,
        told=told,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        ended_at=ended_at,
        ended_by=task.completed_by if task is not None and ended_at is not None else None,
        ended=ended,
        may_acknowledge=may_acknowledge(viewer, rung),
    )


async def open_escalations(s: AsyncSession, viewer: Viewer, query: EscalationQuery) -> EscalationPage:
    """What nobody has acknowledged, the oldest first. NotAllowed."""
    permissions.require_role(viewer, *permissions.ESCALATIONS)
    keys = await escalations.open_keys(s, viewer, query.limit, (query.page - 1) * query.limit)
    return EscalationPage(items=await _views(s, viewer, keys), total=await escalations.count_open(s, viewer))


async def ladder(s: AsyncSession, viewer: Viewer, process_id: str, task_id: str | None = None) -> list[RungView]:
    """Who was told of a case, or of one task, the newest first; nothing of a case that is not the viewer's to see, or
    that is about the viewer only."""
    process = await s.get(Process, process_id)
    if process is not None and own_case.only_subject(viewer, process):
        return []
    return await _views(s, viewer, await escalations.keys_of(s, process_id, task_id, SHOWN))


async def acknowledge(s: AsyncSession, viewer: Viewer, keys: list[str], language: str) -> AcknowledgeResult:
    """A result for each; the same again changes nothing."""
    wanted = list(dict.fromkeys(keys))
    found = [r for r in await escalations.rungs(s, viewer, wanted) if r.row.addressed_to in LEVELS]
    known = [r.row.key for r in found]
    refused: dict[str, Problem] = dict.fromkeys(set(wanted) - set(known), NotFound())
    still_open: list[Rung] = []
    for rung in found:
        if may_acknowledge(viewer, rung):
            still_open.append(rung)
        elif rung.row.acknowledged_at is None:
            refused[rung.row.key] = NotAllowed()
    if still_open:
        cases = {r.process.id for r in still_open}
        told = {t.username for r in still_open for t in r.told}
        await escalations.acknowledge(s, [r.row.key for r in still_open], viewer.username, clock.now())
        for process_id in sorted(cases):
            audit.record(s, viewer.username, "escalation.acknowledge", process_id)
            await process_changed(s, process_id)
        for username in sorted(told):
            await message_to(s, username)
    now = {view.key: view for view in await _views(s, viewer, known)}
    items = [
        AcknowledgedItem(
            key=key,
            result="refused" if key in refused else "done",
            problem=refused[key].view(language) if key in refused else None,
            rung=now.get(key),
        )
        for key in wanted
    ]
    return AcknowledgeResult(items=items, done=len(items) - len(refused), refused=len(refused))


@router.get("/escalations", summary="Escalations that nobody has acknowledged")
async def get_escalations(viewer: CurrentViewer, query: Annotated[EscalationQuery, Query()]) -> EscalationPage:
    async with reading() as s:
        return await open_escalations(s, viewer, query)


@router.post("/escalations/acknowledge", summary="已知悉: I know of these escalations, a result for each")
async def post_acknowledge(viewer: CurrentViewer, body: AcknowledgeBody, request: Request) -> AcknowledgeResult:
    async with session() as s:
        return await acknowledge(s, viewer, body.keys, language_of(request))


@router.get("/processes/{process_id}/reminders", summary="Who was told of a case, when and through what")
async def get_ladder(viewer: CurrentViewer, process_id: str) -> list[RungView]:
    async with reading() as s:
        await processes.find_process(s, viewer, process_id)
        return await ladder(s, viewer, process_id)
