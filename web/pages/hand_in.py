"""Handing in for many at one agency: who is ready with every field to copy, the file, the receipt, and the results.

Invariants: the same functions as the API; keys are made when the form is drawn, so that a reload or a double click does
nothing twice; what was refused is drawn again with what was typed and the reason beside it. Each form of the page sends
along what is typed in the other one (`static/together.js`), so that neither loses anything when the page is drawn anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from api import hand_in as room
from api import imports, results, uploads
from api.problems import BadFile, BadForm, Problem, faults_of
from runtime import clock
from schemas.api import Fault
from schemas.base import Text
from schemas.batch import BatchResult
from schemas.hand_in import HandInItem, ResultsBody, ResultsView
from schemas.registration import HandInForm
from store.database import reading, session
from web import choices, forms
from web.frame import Guest, Visit, file_of, page, posted, sentence, values_of
from web.pages.batch import chosen, said
from web.routes import router as make_router

router = make_router()
SCHEMA = HandInForm.model_json_schema()
ROW = ("number", "code", "day")
_NO_RECEIPT = Text(zh="请选择受理回执文件。", en="Choose the file of the receipt first.")
_NO_FILE = Text(zh="请选择结果文件。", en="Choose the file of the results first.")
_NO_ROW = Text(zh="请至少填写一人的编号或退回原因。", en="Fill in a number or a reason for at least one person.")


@dataclass
class Drawn:
    """What a page shows beside the two lists: what became of a post, and what was typed in it."""

    problem: Problem | None = None
    batch: BatchResult | None = None
    results: ResultsView | None = None
    receipt: dict[str, Any] = field(default_factory=dict[str, Any])
    faulty: bool = False  # the faults of the problem belong to the fields of the receipt
    faults: list[Fault] = field(default_factory=list[Fault])  # what one field of the receipt does wrong for everybody
    attempt: str = ""  # under which the browser keeps the chosen file, until the receipt is taken
    picked: Sequence[str] | None = None  # None: everybody who is complete
    typed: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])  # case number -> cells
    day: str = ""

    @property
    def holds(self) -> bool:
        """Whether anything typed would be lost where the page is left."""
        return bool(self.receipt.get("receipt_no")) or any(any(cells.values()) for cells in self.typed.values())


@router.get("/agencies")
async def first(visit: Guest) -> Response:
    """To the agency at which most waits."""
    async with reading() as s:
        found = await room.agencies(s, visit.viewer)
    busiest = max(found, key=lambda a: (a.ready, a.waiting))
    return RedirectResponse(f"/agencies/{busiest.id}/hand-in", status_code=303)


@router.get("/agencies/{agency}/hand-in")
async def hand_in(visit: Guest, agency: str) -> Response:
    """The page; `?results=` shows what became of a list of results."""
    taken = visit.request.query_params.get("results")
    shown = await results.view(visit.viewer, agency, taken, visit.lang) if taken else None
    return await _page(visit, agency, Drawn(results=shown))


@router.post("/agencies/{agency}/hand-in")
async def receipt(visit: Guest, agency: str) -> Response:
    """One receipt for everybody who is ticked."""
    form = await posted(visit)
    drawn = _typed(form)
    data = drawn.receipt
    try:
        items, file = _items(form), file_of(form)
        if file is None:
            raise BadFile(_NO_RECEIPT)
        content = await uploads.read_limited(file)
        drawn.batch = await room.receive(visit.viewer, agency, items, (file.filename or "", content), data, visit.lang)
    except Problem as problem:
        drawn.problem, drawn.faulty = problem, True
    else:
        drawn.picked = [i.id for i in drawn.batch.items if i.result == "refused"]
        drawn.faults = _same_for_all(drawn.batch)
        if drawn.faults:
            drawn.batch = None
        elif len(drawn.picked) < len(drawn.batch.items):
            drawn.attempt = ""  # taken for somebody: the next receipt is another file
        if not drawn.picked:
            drawn.receipt, drawn.picked = {}, None
    return await _page(visit, agency, drawn)


@router.post("/agencies/{agency}/hand-in/file")
async def file(visit: Guest, agency: str) -> Response:
    """The agency's import file of everybody who is ticked."""
    form = await posted(visit)
    drawn = _typed(form)
    try:
        async with session() as s:
            return room.file_answer(*await room.file(s, visit.viewer, agency, chosen(form)))
    except Problem as problem:
        drawn.problem = problem
        return await _page(visit, agency, drawn)


@router.post("/agencies/{agency}/results")
async def typed_results(visit: Guest, agency: str) -> Response:
    """The results typed beside the people who wait for them."""
    form = await posted(visit)
    drawn = _typed(form)
    try:
        body = _results(drawn.typed, drawn.day)
        drawn.results = await results.take_rows(visit.viewer, agency, body, visit.lang)
    except Problem as problem:
        drawn.problem = problem
    else:
        for row in drawn.results.rows:
            if row.outcome in ("done", "unchanged"):
                drawn.typed.pop(body.rows[row.row - 1].case_no, None)
    return await _page(visit, agency, drawn)


@router.post("/agencies/{agency}/results/file")
async def results_file(visit: Guest, agency: str) -> Response:
    """The agency's result file."""
    form = await posted(visit)
    drawn = _typed(form)
    try:
        file, day = file_of(form), _day(str(form.get("day") or ""))
        if file is None:
            raise BadFile(_NO_FILE)
        content = await imports.content_of(file)
        taken = await results.take_file(visit.viewer, agency, file.filename or "", content, day, visit.lang)
    except Problem as problem:
        drawn.problem = problem
        return await _page(visit, agency, drawn)
    if drawn.holds:  # what is typed in the other forms does not go into an address
        drawn.results = taken
        return await _page(visit, agency, drawn)
    return visit.go(f"/agencies/{agency}/hand-in?results={taken.id}")


def _typed(form: FormData) -> Drawn:
    """What was typed on the page, whichever of its forms was sent."""
    cases = [str(v) for v in form.getlist("case")]
    drawn = Drawn(
        typed={c: {name: str(form.get(f"{name}.{c}") or "").strip() for name in ROW} for c in cases},
        day=str(form.get("day") or ""),
    )
    if "batch" in form:
        drawn.receipt, drawn.attempt = forms.read(SCHEMA, values_of(form)), _attempt(form)
        drawn.picked = [str(v) for v in form.getlist("task")]
    return drawn


def _attempt(form: FormData) -> str:
    given = str(form.get("attempt") or "")
    return given if given.isalnum() and len(given) == len(uuid4().hex) else ""


def _same_for_all(batch: BatchResult) -> list[Fault]:
    """What is wrong with the receipt itself: everybody was refused for it in the same words. It is said once, at its
    field, and not in as many rows."""
    found = [i.problem.errors if i.problem else [] for i in batch.items]
    return found[0] if found and found[0] and all(faults == found[0] for faults in found) else []


def _items(form: FormData) -> list[HandInItem]:
    """Everybody who is ticked, with the key that the drawn form gave. BadForm."""
    batch, found = str(form.get("batch") or uuid4().hex)[:60], list[HandInItem]()
    for task in chosen(form):
        version = str(form.get(f"version.{task}") or "")
        try:
            found.append(HandInItem(id=task, key=f"{batch}-{task}", version=int(version) if version.isdigit() else 0))
        except ValidationError as error:
            raise BadForm from error
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise BadForm(Text(zh="日期无效，请重新选择。", en="No such date: choose it again.")) from error


def _results(typed: dict[str, dict[str, str]], day: str) -> ResultsBody:
    """The rows in which something stands. BadForm."""
    rows = [{"case_no": c, **cells, "day": _day(cells["day"])} for c, cells in typed.items() if any(cells.values())]
    if not rows:
        raise BadForm(_NO_ROW)
    try:
        return ResultsBody.model_validate({"rows": rows, "day": _day(day)})
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors())) from error


async def _page(visit: Visit, agency: str, drawn: Drawn) -> Response:
    async with session() as s:
        agencies = await room.agencies(s, visit.viewer)
        found = await room.view(s, visit.viewer, agency)
    problem = drawn.problem
    faults = problem.view(visit.lang).errors if problem and drawn.faulty else drawn.faults
    data = drawn.receipt or {"handed_in_on": clock.today().isoformat()}
    return await page(
        visit,
        "hand_in.html",
        problem.status if problem else BadForm.status if drawn.faults else 200,
        agencies=agencies,
        found=found,
        sentence=sentence(visit, problem.text) if problem else "",
        form_fields=forms.fields_of(SCHEMA, data, {}, visit.lang, faults),
        fault_list=forms.said(SCHEMA, faults, visit.lang),
        picked=drawn.picked if drawn.picked is not None else [p.task.id for p in found.ready if not p.gaps],
        batch=uuid4().hex,
        attempt=drawn.attempt or uuid4().hex,
        result=drawn.batch,
        said_of=said,
        taken=drawn.results,
        taken_rows=sorted(drawn.results.rows, key=lambda r: not r.faults) if drawn.results else [],
        refused_url=_refused_url(drawn.results),
        typed=drawn.typed,
        result_day=drawn.day or clock.today().isoformat(),
        reasons=choices.reasons(visit.lang),
    )


def _refused_url(taken: ResultsView | None) -> str:
    if taken is None or not any(r.outcome == "refused" or r.faults for r in taken.rows):
        return ""
    return f"/api/v1/imports/{taken.id}/refused.xlsx"
