"""What is done with a task beside answering it: passing it on, urging, copying; and the draft kept while one types.

A refusal comes back in its form, with what was typed; nothing here decides who may do what.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, Response

from api import copies, handover, people_named, urging
from api import tasks as room
from api.problems import NotFound, Problem
from runtime.clock import real_now
from schemas.desk import CopyBody, GiveBody, NoteBody, ReasonBody, UrgeBody
from store.database import session
from web import forms
from web.frame import Guest, Visit, posted, values_of
from web.pages import case
from web.pages.task import show
from web.routes import router as make_router
from web.show import show_clock
from web.side_forms import body_of, refused

router = make_router()
_BODIES: dict[str, tuple[Any, Callable[..., Awaitable[Any]]]] = {
    "transfer": (GiveBody, handover.transfer),
    "delegate": (GiveBody, handover.delegate),
    "reassign": (GiveBody, handover.reassign),
    "recall": (ReasonBody, handover.recall),
    "take_over": (ReasonBody, handover.take_over),
    "return_delegated": (NoteBody, handover.return_delegated),
    "urge": (UrgeBody, urging.urge),
}


@router.post("/tasks/{task_id}/move/{verb}")
async def move(visit: Guest, task_id: str, verb: str) -> Response:
    """Transfer, delegate, give back, recall, reassign, take over, urge."""
    form = await posted(visit)
    if verb not in _BODIES:
        raise NotFound
    model, act = _BODIES[verb]
    try:
        body = body_of(model, form)
        async with session() as s:
            await act(s, visit.viewer, task_id, body)
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, verb, form, problem))
    async with session() as s:
        still_seen = await _sees(s, visit, task_id)
    return visit.go(f"/tasks/{task_id}" if still_seen else "/inbox", verb)


async def _sees(s: Any, visit: Visit, task_id: str) -> bool:
    try:
        await room.find_task(s, visit.viewer, task_id)
    except NotFound:
        return False
    return True


@router.post("/tasks/{task_id}/copies")
async def copy_task(visit: Guest, task_id: str) -> Response:
    """A copy of the task for one person."""
    form = await posted(visit)
    try:
        async with session() as s:
            await copies.copy_task(s, visit.viewer, task_id, await _copy_body(s, form))
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, "copy", form, problem))
    return visit.go(f"/tasks/{task_id}", "copied")


@router.post("/cases/{process_id}/copies")
async def copy_case(visit: Guest, process_id: str) -> Response:
    """A copy of the whole case for one person."""
    form = await posted(visit)
    try:
        async with session() as s:
            await copies.copy_case(s, visit.viewer, process_id, await _copy_body(s, form))
    except Problem as problem:
        return await case.show(visit, process_id, refused(visit, "copy", form, problem))
    return visit.go(f"/cases/{process_id}", "copied")


async def _copy_body(s: Any, form: FormData) -> CopyBody:
    """By login or by name, as it was typed. BadForm for nobody, or for namesakes."""
    username = await people_named.login_of(s, str(form.get("person") or "").strip(), "/usernames")
    return body_of(CopyBody, form, usernames=[username])


@router.post("/tasks/{task_id}/draft")
async def draft(visit: Guest, task_id: str) -> Response:
    """Keeps what was typed so far; the script of the page posts the form by itself."""
    form = await posted(visit)
    async with session() as s:
        view = await room.get_task(s, visit.viewer, task_id)
    chosen = next((o for o in view.outcomes if o.code == str(form.get("group"))), None)
    if chosen is None:
        raise NotFound
    data = forms.read(chosen.schema_, values_of(form))
    try:
        async with session() as s:
            await room.save_draft(s, visit.viewer, task_id, {**(view.draft or {}), **data})
    except Problem as problem:
        return HTMLResponse(problem.view(visit.lang).detail, problem.status)
    key = "draft_saved" if view.holder else "draft_claimed"
    return HTMLResponse(visit.t(key, at=show_clock(real_now())))
