"""The incident desk: what automatic steps could not do, and what people decide about it.

A retry asks the engine for the next attempt now; every other way is the process's to take (`decide_step`, or its
decision task), so that it stands in the timeline with person and reason. The row is written after the process has taken
it. Never hold a transaction open around the engine.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api import already, completion, engine, incident_words, permissions, steps, views
from api.completion import IdempotencyKey
from api.json_body import JsonObjectRoute
from api.problems import (
    BadForm,
    KeyMissing,
    NotAllowed,
    NotAllowedNow,
    NotFound,
    TaskClosed,
    Unavailable,
)
from api.sign_in import CurrentViewer
from runtime.clock import real_now
from runtime.settings import get_settings
from schemas.api import CompleteBody
from schemas.base import Text
from schemas.incident_steps import WAY_TITLE, Way, step_of, ways_for
from schemas.incidents import DecideBody, IncidentItem, IncidentKind, IncidentPage, IncidentQuery, StepDecision
from schemas.process import ProcessState
from store import audit, incident_desk, incidents, untaken, users
from store.database import reading, session
from store.live import process_changed
from store.tables.incidents import Incident
from store.tables.processes import Process, Task
from store.untaken import Stand
from store.users import Viewer

router = APIRouter(tags=["incidents"], route_class=JsonObjectRoute)
KINDS: tuple[str, ...] = get_args(IncidentKind)
NO_WAYS = ("stuck", "untaken", "nobody")  # no decision mends them
MIN_REASON = 2
ATTEMPT_LOOKED_AT = 0.2  # seconds between two looks at what came of a retry
REASON_NEEDED = Text(zh="请写明理由（至少两个字）。", en="Say why (two characters at least).")
BEING_TRIED = Text(
    zh="系统正在进行一次尝试，请一分钟后再决定。", en="An attempt is being made right now: decide in a minute."
)


def _knows(offered: Sequence[Way]) -> Text:
    zh, en = "、".join(WAY_TITLE[w].zh for w in offered), ", ".join(WAY_TITLE[w].en for w in offered)
    return Text(zh=f"这一步没有这种处理方式，可选：{zh}。", en=f"This step does not know that way; it knows: {en}.")


def _of_roles(viewer: Viewer, row: Incident) -> list[Way]:
    """What the viewer's roles may decide about such an incident."""
    held = sorted({role for hat in viewer.hats for role in hat.roles})
    if row.kind in NO_WAYS or (row.kind == "failed" and not set(held) & set(step_of(row.step).roles())):
        return []
    return ways_for(row.step, held)


def ways(viewer: Viewer, row: Incident, process: Process) -> list[Way]:
    """What the viewer may decide about an incident now. A suspended case takes no decision, as it takes no other
    answer; its machine may be told to try again."""
    found = _of_roles(viewer, row) if row.closed_at is None else []
    if process.state == ProcessState.SUSPENDED:
        return [way for way in found if row.kind == "retrying" and way is Way.RETRY]
    return found


async def list_incidents(s: AsyncSession, viewer: Viewer, query: IncidentQuery) -> IncidentPage:
    """One page of the desk, newest failure first. NotAllowed for who neither decides nor oversees."""
    permissions.require_role(viewer, *permissions.INCIDENT_DESK)
    rows = await incident_desk.page(s, viewer, query)
    look = await views.lookup(s, viewer, [process.subject for _, process in rows])
    stands = await untaken.stands(s, [row for row, _ in rows])
    return IncidentPage(
        items=[_item(viewer, row, process, look, stands) for row, process in rows],
        total=await incident_desk.count(s, viewer, query),
    )


async def get_incident(s: AsyncSession, viewer: Viewer, incident_id: str) -> IncidentItem:
    """One incident. NotFound, NotAllowed."""
    row, process = await _found(s, viewer, incident_id)
    stands = await untaken.stands(s, [row])
    return _item(viewer, row, process, await views.lookup(s, viewer, [process.subject]), stands)


async def _found(s: AsyncSession, viewer: Viewer, incident_id: str) -> tuple[Incident, Process]:
    permissions.require_role(viewer, *permissions.INCIDENT_DESK)
    found = await incident_desk.find(s, viewer, incident_id)
    if found is None:
        raise NotFound
    return found


def _item(
    viewer: Viewer, row: Incident, process: Process, look: views.Lookup, stands: dict[str, Stand]
) -> IncidentItem:
    stored: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            "id", "kind", "process_id", "step", "attempts", "opened_at", "last_at", "closed_at", "way", "decided_by",
            "reason", "retried_by", "task_id",
        )
    }  # fmt: skip
    admin = viewer.has("admin")
    answered_by = stands[row.id].actor if row.id in stands else None
    return IncidentItem(
        **stored,
        case_no=process.case_no,
        process_kind=process.kind,
        title=views.kind_title(process.kind),
        agency=incident_words.agency(row),
        subject=process.subject,
        subject_name=look.people.get(process.subject or ""),
        org_unit=process.org_unit,
        org_unit_name=look.units.get(process.org_unit or ""),
        what=incident_words.what(row),
        why=incident_words.why(row),
        advice=incident_words.advice(row),
        ended=incident_words.ENDED[row.ended] if row.ended else None,
        decided_by_name=look.users.get(row.decided_by or ""),
        answered_by=answered_by,
        answered_by_name=look.users.get(answered_by or ""),
        actions=ways(viewer, row, process),
        fault=incident_words.fault(row) if admin else None,
        engine_url=engine.link(row.process_id) if admin else None,
    )


async def decide(
    viewer: Viewer, incident_id: str, body: DecideBody, key: str | None, *, alone: bool = True
) -> IncidentItem:
    """Takes the viewer's word on how it goes on. `alone`: an answer waits for what comes of a retry.

    Raises NotFound, NotAllowed, NotAllowedNow, TaskClosed, TaskSuspended, BadForm without a reason, KeyMissing,
    Unavailable, and what completing the decision task raises.
    """
    if key is None or not completion.KEY.fullmatch(key):
        raise KeyMissing
    reason = body.reason.strip()
    async with session() as s:
        row, process = await _found(s, viewer, incident_id)
        if row.way == body.way and row.decided_by == viewer.username and (row.reason or "") == reason:
            return await get_incident(s, viewer, incident_id)  # the same click again
        if row.closed_at is not None:
            raise await _ended(s, row)
        offered = step_of(row.step).ways
        if row.kind not in NO_WAYS and body.way not in offered:
            raise BadForm(faults=[("/way", "no_such_way", _knows(offered))])
        if body.way not in _of_roles(viewer, row):
            raise NotAllowed
        if body.way not in ways(viewer, row, process):
            raise await already.suspended_task(s, process.id)
        version = (await s.get_one(Task, row.task_id)).version if row.task_id else 0
    if body.way is not Way.RETRY and len(reason) < MIN_REASON:
        raise BadForm(faults=[("/reason", "reason_needed", REASON_NEEDED)])
    if row.kind == "failed" and row.task_id:
        field = "remark" if body.way is Way.RETRY else "reason"
        answer = CompleteBody(outcome=body.way.value, data={field: reason}, version=version)
        await completion.complete(viewer, row.task_id, answer, key)
    else:
        await _tell_engine(viewer, row, body.way, reason, key)
        if body.way is Way.RETRY and alone:
            await attempts_seen({row.id: row.last_at})
    async with session() as s:
        return await get_incident(s, viewer, incident_id)


async def _ended(s: AsyncSession, row: Incident) -> TaskClosed:
    """An incident that is over: since when, how, and by whom where somebody decided."""
    how = incident_words.ENDED[row.ended or "gone"]
    who = (await users.names(s)).get(row.decided_by or "")
    at = already.moment(row.closed_at) if row.closed_at is not None else ""
    return TaskClosed(
        Text(
            zh=f"该故障已于 {at} 结束：{how.zh}{f'（{who.zh}）' if who else ''}，无须再处理。",
            en=f"This incident ended at {at}: {how.en}{f' by {who.en}' if who else ''}. Nothing is to be done.",
        )
    )


async def _tell_engine(viewer: Viewer, row: Incident, way: Way, reason: str, key: str) -> None:
    """A call that is still tried: now, or in another way."""
    try:
        if way is Way.RETRY:
            await engine.try_again(row.process_id, row.activity_id)
        elif await engine.tried_now(row.process_id, row.activity_id):
            raise NotAllowedNow(BEING_TRIED)
    except engine.NoAnswer as error:
        raise Unavailable(headers={"Retry-After": "5"}) from error
    except engine.ProcessGone as error:
        raise TaskClosed from error
    if way is not Way.RETRY:
        decision = StepDecision(activity_id=row.activity_id, way=way, reason=reason, actor=viewer.username)
        await steps.send(row.process_id, "decide_step", decision, f"{row.id}/{key}", type(None))
    async with session() as s:
        audit.record(s, viewer.username, "incident.decide", row.id, way=way.value, step=row.step)
        if way is Way.RETRY:
            (await s.get_one(Incident, row.id)).retried_by = viewer.username
            await process_changed(s, row.process_id)
        else:
            await incidents.decided(s, row.id, way.value, viewer.username, reason, real_now())


async def attempts_seen(before: dict[str, datetime]) -> None:
    """Who asks for a retry is told what came of it, as with every other answer: the desk shows no incident that the
    attempt has ended. `before`: when each failed last. An attempt that takes longer than people wait for an answer is
    told by the live refresh."""
    last = time.monotonic() + get_settings().update_timeout_seconds
    while before and time.monotonic() < last:
        async with reading() as s:
            now = await incident_desk.last_failed(s, list(before))
        before = {i: at for i, at in before.items() if now.get(i) == at}
        if before:
            await asyncio.sleep(ATTEMPT_LOOKED_AT)


@router.get("/incidents", summary="What automatic steps could not do")
async def get_incidents(viewer: CurrentViewer, query: Annotated[IncidentQuery, Query()]) -> IncidentPage:
    async with reading() as s:
        return await list_incidents(s, viewer, query)


@router.get("/incidents/{incident_id}", summary="One incident")
async def get_one(viewer: CurrentViewer, incident_id: str) -> IncidentItem:
    async with reading() as s:
        return await get_incident(s, viewer, incident_id)


@router.post("/incidents/{incident_id}/decide", summary="Retry, correct, do by hand or skip")
async def post_decide(
    viewer: CurrentViewer, incident_id: str, body: DecideBody, idempotency_key: IdempotencyKey = None
) -> IncidentItem:
    return await decide(viewer, incident_id, body, idempotency_key)
