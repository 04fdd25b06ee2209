"""Start: upload a list and see what became of each row, or enter one person.

Invariants: preview and start are the API's two modes; the result is read from what was stored (`?import=`), so that a
reload starts nothing again.
"""

from typing import Any
from uuid import uuid4

from pydantic import ValidationError
from starlette.responses import Response

from api import import_checks, imports, process_start
from api.import_run import may_start
from api.imports import BadSpreadsheet
from api.permissions import COMMANDERS
from api.person_alike import ALIKE, may_decide
from api.problems import BadFile, BadForm, NotAllowed, Problem, faults_of
from schemas.base import Text
from schemas.enrolment import KIND, ForeignHire
from schemas.imports import ImportView, PersonDecision, RowDecisions, RowRemark
from schemas.retirement import TrackBody
from store import rule_tables
from store.database import session
from web import choices, forms
from web.forms import Choice, SaidFault
from web.frame import Guest, Visit, file_of, page, posted, sentence, values_of
from web.routes import router as make_router

router = make_router()
SCHEMA = ForeignHire.model_json_schema()
ROW = "row-"
RETIREMENT = "/retirement"
DECISIONS: dict[str, PersonDecision] = {"another_person": "another_person", "same_person": "same_person"}
OUTCOMES = ("started", "changed", "duplicate", "refused")
_NO_FILE = Text(zh="请选择一个电子表格文件。", en="Choose a spreadsheet first.")


@router.get("/start")
async def start(visit: Guest) -> Response:
    """The page; `?import=` shows an upload's result."""
    upload = visit.request.query_params.get("import")
    result = await imports.view(visit.viewer, upload, visit.lang) if upload else None
    return await _page(visit, result=result)


@router.post("/start/upload")
async def upload(visit: Guest) -> Response:
    """Takes a spreadsheet in, as a preview or to start its good rows."""
    form = await posted(visit)
    file = file_of(form)
    try:
        if file is None:
            raise BadFile(_NO_FILE)
        content = await imports.content_of(file)
        mode = "good_rows" if form.get("mode") == "good_rows" else "preview"
        result = await imports.take(visit.viewer, file.filename or "", content, mode, visit.lang)
    except Problem as problem:
        return await _page(visit, problem=problem)
    return visit.go(f"/start?import={result.id}")


@router.post("/start/preview")
async def preview(visit: Guest) -> Response:
    """Starts the good rows of an upload, from the file uploaded then, with what was said of persons who look alike."""
    form = await posted(visit)
    said = {
        int(k.removeprefix(ROW)): str(v) for k, v in form.items() if k.startswith(ROW) and k[len(ROW) :].isdecimal()
    }
    decided = imports.decisions(
        RowDecisions(
            another_person=[row for row, what in said.items() if what == "another_person"],
            same_person=[row for row, what in said.items() if what == "same_person"],
        )
    )
    try:
        result = await imports.start_preview(visit.viewer, str(form.get("import") or ""), visit.lang, decided)
    except BadSpreadsheet as problem:
        return await _page(visit, problem=problem)
    return visit.go(f"/start?import={result.id}")


@router.post("/start/single")
async def single(visit: Guest) -> Response:
    """Starts the enrolment of one person."""
    form = await posted(visit)
    data = forms.read(SCHEMA, values_of(form))
    key, decision = str(form.get("key") or uuid4().hex), DECISIONS.get(str(form.get("decision") or ""))
    given = {name: str(form.get(f"retirement_{name}") or "").strip() for name in ("track", "ground")}
    try:
        retirement = _track(given)
        started = await process_start.start(visit.viewer, KIND, data, key, visit.lang, decision, retirement)
    except Problem as problem:
        return await _page(visit, problem=problem, data=data, retirement=given)
    return visit.go(f"/cases/{started.id}", "document_replaced" if decision == "same_person" else "started")


def _track(given: dict[str, str]) -> TrackBody | None:
    """The track chosen with its ground; None for the own post. BadForm."""
    if not given["track"]:
        return None
    try:
        return TrackBody.model_validate(given)
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors(), RETIREMENT)) from error


async def _page(
    visit: Visit,
    result: ImportView | None = None,
    problem: Problem | None = None,
    data: dict[str, Any] | None = None,
    retirement: dict[str, str] | None = None,
) -> Response:
    if not may_start(visit.viewer):
        raise NotAllowed
    async with session() as s:
        offered = dict(await choices.for_forms(s, visit.lang))
    allowed = None if visit.viewer.has("clerk") else visit.viewer.org_units
    offered["org_unit"] = [c for c in offered["org_unit"] if allowed is None or c.code in allowed]
    faults = problem.view(visit.lang).errors if problem and data is not None else []
    of_track = {"track": "", "ground": ""}
    of_track |= {f.pointer.rpartition("/")[2]: f.message for f in faults if f.pointer.startswith(RETIREMENT)}
    said = [SaidFault(visit.t(f"rules_track_{name}"), message) for name, message in of_track.items() if message]
    faults = [f for f in faults if not f.pointer.startswith(RETIREMENT)]
    return await page(
        visit,
        "start.html",
        problem.status if problem else 200,
        sentence=sentence(visit, problem.text) if problem and not faults and not said else "",
        fault_list=[*forms.said(SCHEMA, faults, visit.lang), *said],
        tracks=import_checks.others(rule_tables.load()) if visit.viewer.has(*COMMANDERS) else [],
        retirement=retirement or {"track": "", "ground": ""},
        of_track=of_track,
        form_fields=forms.fields_of(SCHEMA, data or {}, offered, visit.lang, faults),
        open_single=data is not None,
        ask_person=problem is not None and problem.code == ALIKE and may_decide(visit.viewer),
        key=uuid4().hex,
        result=_result(result) if result else None,
    )


def _said(remark: RowRemark) -> SaidFault:
    """A remark; the column is named where its sentence does not begin with it anyway."""
    return SaidFault("" if remark.message.startswith(remark.column) else remark.column, remark.message)


def _result(view: ImportView) -> dict[str, Any]:
    rows = sorted(view.rows, key=lambda r: r.outcome == "started")  # first what needs a hand
    return {
        "id": view.id,
        "preview": view.mode == "preview",
        "good": view.counts.get("started", 0) if view.mode == "preview" else 0,
        "undecided": sum(bool(r.decisions) for r in view.rows) if view.can_start else 0,
        "notes": view.notes,
        "unread": [remark.message for remark in view.unread],
        "refused_url": f"/api/v1/imports/{view.id}/refused.xlsx"
        if any(r.outcome != "started" for r in view.rows)
        else "",
        "sums": [Choice(o, str(view.counts.get(o, 0))) for o in OUTCOMES],
        "rows": [
            {
                "row": f"{r.sheet} {r.row}".strip(),
                "key": f"{ROW}{r.key}",
                "decisions": r.decisions if view.can_start else [],
                "name": r.name,
                "outcome": r.outcome,
                "process_id": r.process_id,
                "case_no": (r.process_id or "").removeprefix(f"{KIND}-"),
                "faults": [_said(f) for f in r.faults],
                "repairs": [_said(f) for f in r.repairs],
                "watch": [_said(f) for f in r.watch],
            }
            for r in rows
        ],
    }
