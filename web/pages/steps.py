"""What is posted beside finishing a task: return, withdraw, signers, dates that people move.

A refusal comes back in its form, as the sentence that the API gives; nothing here decides whether something is allowed.
"""

from starlette.responses import Response

from api import countersign, dates, uploads
from api import steps as room
from api.problems import BadFile, Problem
from schemas.countersign import AddSignerBody, RemoveSignerBody
from schemas.dates import DateDecisionBody, ExtendBody
from schemas.steps import ReturnBody, WithdrawBody
from store.database import session
from web.frame import Guest, file_of, posted
from web.pages import case
from web.pages.task import NO_FILE, show
from web.routes import router as make_router
from web.side_forms import body_of, refused

router = make_router()


@router.post("/tasks/{task_id}/return")
async def return_task(visit: Guest, task_id: str) -> Response:
    """Sends the task back to the step that was chosen, in the way that was chosen."""
    form = await posted(visit)
    to, _, way = str(form.get("target") or "").partition(" ")
    try:
        body = body_of(ReturnBody, form, to=to, way=way)
        await room.return_task(visit.viewer, task_id, body, str(form.get("key") or "") or None)
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, "return", form, problem))
    return visit.go("/inbox", "returned")


@router.post("/tasks/{task_id}/withdraw")
async def withdraw(visit: Guest, task_id: str) -> Response:
    """Takes one's own answer back."""
    form = await posted(visit)
    key = str(form.get("key") or "") or None
    try:
        view = await room.withdraw(visit.viewer, task_id, body_of(WithdrawBody, form), key)
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, "withdraw", form, problem))
    return visit.go(f"/cases/{view.process_id}", "withdrawn")


@router.post("/tasks/{task_id}/countersign")
async def add_signer(visit: Guest, task_id: str) -> Response:
    """Adds a person to the approval."""
    form = await posted(visit)
    key = str(form.get("key") or "") or None
    try:
        view = await countersign.add(
            visit.viewer, task_id, body_of(AddSignerBody, form, where=str(form.get("where") or "")), key
        )
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, "add_signer", form, problem))
    return visit.go(f"/cases/{view.process_id}" if view.closed_at else f"/tasks/{task_id}", "signer_added")


@router.post("/tasks/{task_id}/countersign/remove")
async def remove_signer(visit: Guest, task_id: str) -> Response:
    """Takes an added person off."""
    form = await posted(visit)
    key = str(form.get("key") or "") or None
    try:
        view = await countersign.remove(visit.viewer, task_id, body_of(RemoveSignerBody, form), key)
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, f"remove-{form.get('seat')}", form, problem))
    return visit.go(f"/cases/{view.process_id}" if view.closed_at else f"/tasks/{task_id}", "signer_removed")


@router.post("/tasks/{task_id}/deadlines/extend")
async def extend(visit: Guest, task_id: str) -> Response:
    """Gives an internal target a later day; a refusal is shown on the task's page."""
    form = await posted(visit)
    try:
        await dates.extend(visit.viewer, task_id, body_of(ExtendBody, form), str(form.get("key") or "") or None)
    except Problem as problem:
        return await show(visit, task_id, side=refused(visit, "extend", form, problem))
    return visit.go(f"/tasks/{task_id}", "extended")


@router.post("/cases/{process_id}/deadlines/decision")
async def decide_date(visit: Guest, process_id: str) -> Response:
    """Records an authority's decision with its paper."""
    form = await posted(visit)
    key = str(form.get("key") or "") or None
    try:
        body = body_of(DateDecisionBody, form, document_id="-")  # checked before the paper is kept
        file = file_of(form)
        if file is None:
            raise BadFile(NO_FILE, faults=[("/document_id", "missing", NO_FILE)])
        content = await uploads.read_limited(file)
        async with session() as s:
            await dates.check_decision(s, visit.viewer, process_id, body, key)
            paper = await dates.upload_paper(
                s, visit.viewer, process_id, dates.PAPER.code, file.filename or "", content
            )
        await dates.decide(visit.viewer, process_id, body.model_copy(update={"document_id": paper.id}), key)
    except Problem as problem:
        return await case.show(visit, process_id, refused(visit, "decision", form, problem))
    return visit.go(f"/cases/{process_id}", "date_recorded")
