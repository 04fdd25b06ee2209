"""The task page: everything needed to finish one task, and the post that finishes it.

Invariants: what is sent is what the API takes (outcome, data, version, key made when the page was drawn), so a double
click is one answer; a refused answer comes back with every value that was typed and the faults beside their fields.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData
from starlette.responses import Response

from api import comments, completion, copies, countersign, dates, escalations, handover, past, uploads, views
from api import tasks as room
from api.problems import BadFile, NotFound, Problem
from api.uploads import clean_name
from schemas.api import CommentBody, CompleteBody, Fault, OnBehalf, OutcomeView, TaskView, TimelineView
from schemas.base import Text
from schemas.dates import GROUNDS
from store import cases, documents
from store.database import reading, session
from store.tables.office import Document
from store.tables.processes import Process
from web import choices, forms
from web.context_view import blocks
from web.forms import FieldView
from web.frame import Guest, Visit, bare, file_of, page, posted, sentence, values_of, with_query, words
from web.language import pick
from web.routes import router as make_router
from web.side_forms import NONE_REFUSED, SideForm

router = make_router()
BEHALF_CODE = uploads.BEHALF.code
MIN_REASON = 2
FILLS = {"complete", "return_delegated"}  # who may do one of them types into the form
NO_FILE = Text(zh="请选择一个文件。", en="Choose a file first.")


@dataclass(frozen=True)
class Group:
    """Outcomes that share one form, and the buttons under it."""

    outcomes: list[OutcomeView]
    current: bool
    title: str

    @property
    def first(self) -> str:
        return self.outcomes[0].code


@dataclass
class Attempt:
    """An answer that was refused: what was typed, and why."""

    outcome: str
    data: dict[str, Any]
    reason: str
    problem: Problem
    back: str


@router.get("/tasks/{task_id}")
async def task(visit: Guest, task_id: str, outcome: str = "", at: past.At = None) -> Response:
    """The task, with the form of the outcome asked for (the first one leads forward); or as it was."""
    if at:
        return await show(visit, task_id, at=at)
    async with session() as s:
        found = await room.find_task(s, visit.viewer, task_id)
        await copies.mark_read(s, visit.viewer, found[1].id, task_id)
    return await show(visit, task_id, outcome)


@router.get("/tasks/{task_id}/standing")
async def standing(visit: Guest, task_id: str, version: int) -> Response:
    """What an open page says when the task was taken over, closed or changed since it was drawn; else nothing. It asks
    at every event of the live stream, and what is typed stays where it is."""
    async with reading() as s:
        task, process = await room.find_task(s, visit.viewer, task_id)
        look = await views.lookup_tasks(s, visit.viewer, [(task, process)])
    item = views.task_item(task, process, look)
    if item.closed_at is not None:
        changed, name = "closed", item.completed_by
    elif item.state == "suspended":
        changed, name = "suspended", None
    elif item.answer_on_its_way:
        changed, name = "" if item.holder == visit.viewer.username else "sent", item.holder
    elif item.holder is not None and not FILLS & set(item.actions):
        changed, name = "taken", item.holder
    else:
        changed, name = "other" if item.version != version else "", None
    who = pick(visit.lang, look.users.get(name or "")) or name or visit.t("standing_process")
    return await bare("standing.html", {**words(visit.lang), "task": item, "changed": changed, "who": who})


@router.post("/tasks/{task_id}/complete")
async def complete(visit: Guest, task_id: str) -> Response:
    """Finishes the task, or shows the form again with what is wrong."""
    form = await posted(visit)
    values = values_of(form)
    async with session() as s:
        view = await room.get_task(s, visit.viewer, task_id)
    chosen = next((o for o in view.outcomes if o.code == str(form.get("outcome") or form.get("group"))), None)
    if chosen is None:
        raise NotFound
    data = forms.read(chosen.schema_, values)
    reason = str(form.get("behalf.reason") or "").strip()[:500]
    body = _body(view, chosen.code, data, reason, form)
    try:
        result = await completion.complete(visit.viewer, task_id, body, str(form.get("key") or uuid4().hex))
    except Problem as problem:
        attempt = Attempt(chosen.code, data, reason, problem, list_of(str(form.get("back") or "")))
        return await show(visit, task_id, chosen.code, attempt)
    return visit.go(list_of(str(form.get("back") or "")), "completed" if result.completed else "pending")


def list_of(address: str) -> str:
    """The list from which a task was opened, to which its answer leads back; the inbox where it came from elsewhere."""
    parts = urlsplit(address)
    return with_query("/inbox", parts.query, lang=None, said=None) if parts.path == "/inbox" else "/inbox"


def _body(view: TaskView, outcome: str, data: dict[str, Any], reason: str, form: FormData) -> CompleteBody:
    """The body that a campus system would send; without reason and scan it asks on nobody's behalf, and is refused."""
    version = str(form.get("version") or "")
    document = str(form.get("behalf.document_id") or "")
    behalf = OnBehalf(reason=reason, document_id=document) if document and len(reason) >= MIN_REASON else None
    return CompleteBody(
        outcome=outcome,
        data=data,
        version=int(version) if version.isdigit() else view.version,
        on_behalf=behalf if view.behalf_of else None,
    )


@router.post("/tasks/{task_id}/documents")
async def upload(visit: Guest, task_id: str) -> Response:
    """Takes one document of the checklist."""
    form = await posted(visit)
    file, code = file_of(form), str(form.get("code") or "")
    try:
        if file is None:
            raise BadFile(NO_FILE)
        content = await uploads.read_limited(file)
        async with session() as s:
            await uploads.upload(s, visit.viewer, task_id, code, file.filename or "", content)
    except Problem as problem:
        return await show(visit, task_id, document_fault=(code, sentence(visit, problem.text)), status=problem.status)
    if visit.is_htmx and code != BEHALF_CODE:
        return await show(visit, task_id)
    return visit.go(f"/tasks/{task_id}", "uploaded")


@router.post("/tasks/{task_id}/comment")
async def comment(visit: Guest, task_id: str) -> Response:
    """Adds a note for colleagues, with a file if one was chosen."""
    form = await posted(visit)
    text, file = str(form.get("text") or "").strip()[:2000], file_of(form)
    if not text and file is None:
        return await show(visit, task_id)
    body = CommentBody(text=text or clean_name(file.filename or "") if file else text)
    try:
        content = (file.filename or "", await uploads.read_limited(file)) if file is not None else None
        async with session() as s:
            made = await comments.comment(s, visit.viewer, task_id, body, content)
    except Problem as problem:
        fault = sentence(visit, problem.text)
        return await show(visit, task_id, comment=(text, fault), status=problem.status)
    if not visit.is_htmx and not made.not_found:
        return visit.go(f"/tasks/{task_id}", "commented")
    who = visit.t("list_comma").join(f"@{word}" for word in made.not_found)
    return await show(visit, task_id, comment_note=visit.t("mention_nobody", who=who) if who else "")


async def show(
    visit: Visit,
    task_id: str,
    wished: str = "",
    attempt: Attempt | None = None,
    document_fault: tuple[str, str] | None = None,
    comment: tuple[str, str] = ("", ""),
    comment_note: str = "",
    side: SideForm = NONE_REFUSED,
    status: int = 200,
    at: str | None = None,
) -> Response:
    """The task's page; with what was typed and refused, where something was. `at`: as it was then, for reading only."""
    async with session() if at is None else past.task(visit.viewer, task_id, at) as s:
        view = await room.get_task(s, visit.viewer, task_id)
        offered = {**await choices.for_forms(s, visit.lang), "persons": choices.on_bill(visit.lang, view.context)}
        history = await _history(s, visit, view)
        rungs = await escalations.ladder(s, visit.viewer, view.process_id, task_id) if at is None else []
        signers = await countersign.choices(s, view)
        scan = await _scan(s, view)
        gives = {"transfer", "delegate", "reassign"} & set(view.actions)
        people = await handover.candidates(s, visit.viewer, task_id) if gives else []
        colleagues = await choices.colleagues(s, visit.lang) if "copy" in view.actions else []
        draft_at = (await room.find_task(s, visit.viewer, task_id))[0].draft_at if view.draft is not None else None
    lang = visit.lang
    groups = _groups(view, wished, lang)
    group = next((g for g in groups if g.current), None)
    faults, text = _faults_of(attempt, lang)
    schema = group.outcomes[0].schema_ if group else {}
    data = attempt.data if attempt else _prefilled(view, group)
    document_faults: dict[str, list[str]] = {}
    for fault in faults:
        if fault.pointer.startswith("/documents/"):
            document_faults.setdefault(fault.pointer.split("/")[2], []).append(fault.message)
    if document_fault:
        document_faults.setdefault(document_fault[0], []).append(document_fault[1])
        text = document_fault[1]
    form_fields = forms.fields_of(schema, data, offered, lang, faults) if group else []
    status = attempt.problem.status if attempt else side.status if side.said else status
    return await page(
        visit,
        "task.html",
        status,
        looked_at=view.as_of,
        task=view,
        rungs=rungs,
        context=blocks(view.context, offered, lang),
        groups=groups,
        group=group,
        form_fields=form_fields,
        fault_list=forms.said(schema, faults, lang),
        sentence=text or side.said,
        side=side,
        key=uuid4().hex,
        back=attempt.back if attempt else list_of(visit.request.headers.get("referer", "")),
        may_fill=(attempt is not None or bool(FILLS & set(view.actions))) and group is not None,
        keeps_draft=bool(FILLS & set(view.actions)),
        may_complete="complete" in view.actions,
        may_upload="upload" in view.actions,
        behalf=bool(view.behalf_of),
        behalf_fields=_behalf_fields(attempt, faults, visit),
        behalf_document=views.document_view(scan) if scan else None,
        behalf_missing=any(f.pointer.startswith("/on_behalf") for f in faults),
        document_faults=document_faults,
        received=sum(1 for slot in view.documents if slot.received),
        why_not=_why_not(view, visit),
        answer_rows=_answer(view, offered, lang),
        history=history,
        signers=signers,
        people=people,
        colleagues=colleagues,
        draft_at=draft_at if attempt is None else None,
        grounds=GROUNDS,
        extend_to=dates.proposed(view.deadlines) or "",
        comment_text=comment[0],
        comment_fault=comment[1],
        comment_note=comment_note,
        attachment_types=",".join(f".{kind}" for kind in comments.ACCEPT),
        names_of=lambda names: [pick(lang, name) for name in names],
    )


async def _history(s: AsyncSession, visit: Visit, view: TaskView) -> list[TimelineView]:
    """What the case's timeline says about this task."""
    rows = [e for e in await cases.timeline_of(s, view.process_id) if e.task_id == view.id]
    look = await views.lookup(s, visit.viewer, [])
    done_for = await cases.completed_for(s, view.process_id)
    return views.history(rows, await s.get_one(Process, view.process_id), look, done_for)


async def _scan(s: AsyncSession, view: TaskView) -> Document | None:
    """The newest scan of a request to act on behalf, uploaded to this task."""
    rows = await documents.of_process(s, view.process_id) if view.behalf_of else []
    mine = [row for row in rows if row.task_id == view.id and row.code == BEHALF_CODE]
    return max(mine, key=lambda row: row.uploaded_at, default=None)


def _groups(view: TaskView, wished: str, lang: str) -> list[Group]:
    """Outcomes with the same schema stand under one form; the wished one (or the first) is open."""
    by_schema: dict[str, list[OutcomeView]] = {}
    for outcome in view.outcomes:
        by_schema.setdefault(json.dumps(outcome.schema_, sort_keys=True), []).append(outcome)
    lists = list(by_schema.values())
    known = any(o.code == wished for o in view.outcomes)
    return [
        Group(
            outcomes,
            current=any(o.code == wished for o in outcomes) if known else i == 0,
            title=" / ".join(pick(lang, o.title) for o in outcomes),
        )
        for i, outcomes in enumerate(lists)
    ]


def _prefilled(view: TaskView, group: Group | None) -> dict[str, Any]:
    """What the system knows fits the first outcome's form; another form takes of it what it has a field for."""
    if group is None:
        return {}
    known = {**view.data, **(view.draft or {})}
    return {k: v for k, v in known.items() if k in group.outcomes[0].schema_.get("properties", {})}


def _faults_of(attempt: Attempt | None, lang: str) -> tuple[list[Fault], str]:
    if attempt is None:
        return [], ""
    view = attempt.problem.view(lang)
    return view.errors, "" if view.errors else view.detail


def _behalf_fields(attempt: Attempt | None, faults: list[Fault], visit: Visit) -> list[FieldView]:
    messages = [f.message for f in faults if f.pointer.startswith("/on_behalf")]
    return [
        FieldView(
            id="f-behalf-reason",
            name="behalf.reason",
            label=visit.t("behalf_reason"),
            value=attempt.reason if attempt else "",
            required=True,
            max_length=500,
            faults=messages,
        )
    ]


def _why_not(view: TaskView, visit: Visit) -> str:
    """Why this person sees no form, or no button under what was typed."""
    if view.closed_at is not None:
        return visit.t("why_not_closed")
    if view.state == "suspended":
        return visit.t("why_not_suspended")
    if view.owner and "return_delegated" in view.actions:
        return visit.t("why_not_lent", who=pick(visit.lang, view.owner_name) or view.owner)
    if view.holder and view.holder != visit.viewer.username:
        return visit.t("why_not_held", who=pick(visit.lang, view.holder_name) or view.holder)
    comma = visit.t("list_comma")
    return visit.t("why_not_role", roles=comma.join(visit.t(f"role_{r}") for r in view.roles))


def _answer(view: TaskView, offered: forms.Choices, lang: str) -> list[dict[str, str]]:
    chosen = next((o for o in view.outcomes if o.code == view.outcome), None)
    return forms.shown(chosen.schema_, view.answer, offered, lang) if chosen and view.answer else []
