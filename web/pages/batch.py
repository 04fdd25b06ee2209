"""Many tasks at once: chosen in a list, then what to do with them, then what became of each.

Invariants: the same batch function as the API; keys are made when the form is drawn, so that a reload or a double click
does nothing twice; what was refused is drawn again with everything that was typed and the reason beside it.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.datastructures import UploadFile as PlainUpload
from starlette.responses import RedirectResponse, Response

from api import batch as room
from api import handover, tasks
from api.problems import BadForm, NotFound, Problem, faults_of
from schemas.api import OutcomeView, TaskView
from schemas.base import Text
from schemas.batch import MOST_ITEMS, BatchResult, ItemResult, TaskBatch
from schemas.desk import PersonChoice
from schemas.forms import outcome as form_outcome
from store.database import session
from web import choices, forms
from web.forms import Choice, Choices, FieldView
from web.frame import Guest, Visit, page, posted, sentence, values_of
from web.pages.inbox import back_to
from web.routes import router as make_router

router = make_router()
AT_ONCE = ("claim", "release")
ASKED = ("complete", "transfer", "reassign", "urge")
ALL, OWN = "all.", "own."
IN_ADDRESS = ("action", "kind", "outcome", "back")  # what of the second step may stand in an address, beside the tasks
ADDRESS_AT_MOST = 4000  # signs that every server on the way takes; a larger choice is drawn without an address
CELLS_AT_MOST = 6  # a form with more fields is answered one by one; a batch sends what each task knows
IN_A_CELL = ("text", "date", "number", "choice", "textarea")
NOTHING = Text(zh="请先勾选至少一项。", en="Choose at least one first.")
TOO_MANY = Text(
    zh=f"一次最多处理 {MOST_ITEMS} 项，请分批。", en=f"At most {MOST_ITEMS} at once: do it in several batches."
)


@dataclass
class Row:
    """One task of the batch, with its own values and what stood in the way last time."""

    task: TaskView
    cells: list[FieldView] = field(default_factory=list[FieldView])
    known: dict[str, str] = field(default_factory=dict[str, str])
    problem: str = ""


@dataclass
class Asked:
    """The second step: which kind, which outcome, with which fields."""

    action: str
    rows: list[Row]
    kinds: list[Choice]
    kind: str
    outcomes: list[Choice]
    outcome: str
    shared: list[FieldView]
    people: list[PersonChoice]
    left_out: int


@router.get("/batch")
async def chosen_before(visit: Guest) -> Response:
    """The second step under an address of its own, so that the way back from a task leads to it."""
    asked = visit.request.query_params
    action = str(asked.get("action") or "")
    if action not in ASKED:
        return visit.go("/inbox")
    items: list[tuple[str, str | PlainUpload]] = [*asked.multi_items()]
    form = FormData(items)
    return await _show(visit, form, asked=await _ask(visit, action, chosen(form), form))


@router.get("/batch/run")
async def ran_before(visit: Guest) -> Response:
    """What a batch did is shown once; who asks for it again sees the tasks as they are."""
    return visit.go("/inbox")


@router.post("/batch")
async def choose(visit: Guest) -> Response:
    """What to do with the chosen tasks: holding at once, everything else after a second step."""
    form = await posted(visit)
    action, ids = str(form.get("action") or ""), chosen(form)
    if action in AT_ONCE:
        return await _run(visit, form, ids, _body({"action": action, "items": _items(form, ids)}))
    if action not in ASKED:
        raise NotFound
    step = {name: str(form.get(name) or "") for name in IN_ADDRESS}
    target = f"/batch?{urlencode([*((k, v) for k, v in step.items() if v), *(('task', i) for i in ids)])}"
    if len(target) <= ADDRESS_AT_MOST and not any(name.startswith((ALL, OWN)) and v for name, v in form.multi_items()):
        return RedirectResponse(target, status_code=303)  # `go` would keep one of the tasks
    return await _show(visit, form, asked=await _ask(visit, action, ids, form))


@router.post("/batch/run")
async def run(visit: Guest) -> Response:
    """Does it, and says what became of each."""
    form = await posted(visit)
    action, ids = str(form.get("action") or ""), chosen(form)
    if action not in ASKED:
        raise NotFound
    given: dict[str, Any] = {"action": action, "items": _items(form, ids)}
    if action == "complete":
        given |= _answers(form, ids)
    elif action == "urge":
        given["note"] = _line(form, "note")[:200]
    else:
        given |= {"to": _line(form, "to") or None, "reason": _line(form, "reason")[:500] or None}
    try:
        return await _run(visit, form, ids, _body(given))
    except BadForm as problem:  # the batch itself lacks something: nothing was done
        return await _show(visit, form, asked=await _ask(visit, action, ids, form), problem=problem)


def chosen(form: FormData, name: str = "task") -> list[str]:
    """The ids that were ticked, each once. BadForm for none, or too many."""
    ids = list(dict.fromkeys(str(v) for v in form.getlist(name)))
    if not ids:
        raise BadForm(NOTHING)
    if len(ids) > MOST_ITEMS:
        raise BadForm(TOO_MANY)
    return ids


def _body(given: dict[str, Any]) -> TaskBatch:
    try:
        return TaskBatch.model_validate(given)
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors())) from error


def _line(form: FormData, name: str) -> str:
    return " ".join(str(form.get(name) or "").split())


def _items(form: FormData, ids: list[str]) -> list[dict[str, Any]]:
    """Each with the key that the drawn form gave it; versions are those that were seen."""
    batch = str(form.get("batch") or uuid4().hex)[:60]
    found: list[dict[str, Any]] = []
    for task in ids:
        version = str(form.get(f"version.{task}") or "")
        found.append({"id": task, "key": f"{batch}-{task}", "version": int(version) if version.isdigit() else None})
    return found


def _schema(kind: str, outcome: str) -> dict[str, Any]:
    try:
        return form_outcome(kind, outcome).form.model_json_schema(mode="validation")
    except KeyError as error:
        raise NotFound from error


def _given(schema: dict[str, Any], posted_values: dict[str, list[str]], prefix: str) -> dict[str, Any]:
    """The values typed under a prefix; an empty field is one that was not given."""
    mine = {k.removeprefix(prefix): v for k, v in posted_values.items() if k.startswith(prefix)}
    filled = {k.partition(".")[0] for k, values in mine.items() if any(v.strip() for v in values)}
    return {k: v for k, v in forms.read(schema, mine).items() if k in filled}


def _answers(form: FormData, ids: list[str]) -> dict[str, Any]:
    outcome = str(form.get("outcome") or "")
    schema, typed = _schema(str(form.get("kind") or ""), outcome), values_of(form)
    items = [{**item, "data": _given(schema, typed, f"{OWN}{item['id']}.")} for item in _items(form, ids)]
    return {"outcome": outcome, "data": _given(schema, typed, ALL), "items": items, "use_known": True}


async def _run(visit: Visit, form: FormData, ids: list[str], body: TaskBatch) -> Response:
    result = await room.run_tasks(visit.viewer, body, visit.lang)
    again = [i for i in result.items if i.result == "refused" and i.process_id is not None]
    asked = None
    if again and body.action == "complete":
        asked = await _ask(visit, "complete", [i.id for i in again], form, {i.id: said(i) for i in again})
    return await _show(visit, form, asked=asked if asked and asked.rows else None, result=result, action=body.action)


def said(item: ItemResult) -> str:
    """Why an item was refused, with the fields named."""
    if item.problem is None:
        return ""
    return " ".join(
        [item.problem.detail, *(e.message for e in item.problem.errors if e.message != item.problem.detail)]
    )


async def _ask(
    visit: Visit, action: str, ids: list[str], form: FormData, problems: dict[str, str] | None = None
) -> Asked:
    """The second step for the tasks that the visitor still sees open."""
    views: list[TaskView] = []
    people: dict[str, PersonChoice] = {}
    async with session() as s:
        offered = await choices.for_forms(s, visit.lang)
        for task_id in ids:
            try:
                view = await tasks.get_task(s, visit.viewer, task_id)
                if action in ("transfer", "reassign"):
                    people |= {c.username: c for c in await handover.candidates(s, visit.viewer, task_id)}
            except Problem:
                continue  # gone from sight, or not theirs to give: the page says how many are left out
            if view.closed_at is None:
                views.append(view)
    kinds = [k for k, _ in Counter(v.kind for v in views).most_common()] if action == "complete" else []
    kind = str(form.get("kind") or "")
    kind = kind if kind in kinds else (kinds[0] if kinds else "")
    mine = [v for v in views if v.kind == kind] if kinds else views
    common = [o for o in mine[0].outcomes if all(o.code in {x.code for x in v.outcomes} for v in mine)] if kinds else []
    wished = str(form.get("outcome") or "")
    outcome = next((o for o in common if o.code == wished), common[0] if common else None)
    shared, rows = [], [Row(v, problem=(problems or {}).get(v.id, "")) for v in mine]
    if outcome is not None:
        shared = _fields(visit, outcome, offered, form, rows)
    return Asked(
        action=action,
        rows=rows,
        kinds=[Choice(c.code, c.label) for c in choices.task_kinds(visit.lang, kinds)] if len(kinds) > 1 else [],
        kind=kind,
        outcomes=[Choice(o.code, sentence(visit, o.title)) for o in common],
        outcome=outcome.code if outcome else "",
        shared=shared,
        people=sorted(people.values(), key=lambda c: (c.open_tasks, c.username)),
        left_out=len(ids) - len(mine),
    )


def _fields(visit: Visit, answer: OutcomeView, offered: Choices, form: FormData, rows: list[Row]) -> list[FieldView]:
    """The fields for all, and the same as cells of each row; none of them is required, for a task knows some itself."""
    schema, outcome, typed = answer.schema_, answer.code, values_of(form)
    shared = forms.fields_of(schema, _given(schema, typed, ALL), offered, visit.lang, prefix=ALL)
    shared = [_optional(f, f.name.removeprefix(ALL) in _given(schema, typed, ALL)) for f in shared]
    names = [f.name.removeprefix(ALL) for f in shared if f.kind in IN_A_CELL]
    if len(names) > CELLS_AT_MOST:
        return []
    for row in rows:
        own, prefix = _given(schema, typed, f"{OWN}{row.task.id}."), f"{OWN}{row.task.id}."
        row.known = {
            r["name"]: r["value"]
            for r in forms.shown(schema, room.known_values(row.task, outcome), offered, visit.lang)
        }
        cells = forms.fields_of(schema, own, offered, visit.lang, prefix=prefix)
        row.cells = [
            _optional(c, c.name.removeprefix(prefix) in own) for c in cells if c.name.removeprefix(prefix) in names
        ]
    return [f for f in shared if f.kind in (*IN_A_CELL, "rows")]


def _optional(view: FieldView, given: bool) -> FieldView:
    view.required = False
    if not given and view.kind != "rows":
        view.value = ""
    return view


async def _show(
    visit: Visit,
    form: FormData,
    asked: Asked | None = None,
    result: BatchResult | None = None,
    problem: Problem | None = None,
    action: str = "",
) -> Response:
    back = back_to(str(form.get("back") or "/inbox"))
    return await page(
        visit,
        "batch.html",
        problem.status if problem else 200,
        asked=asked,
        result=result,
        action=asked.action if asked else action,
        sentence=sentence(visit, problem.text) if problem else "",
        said_of=said,
        typed={name: str(form.get(name) or "") for name in ("to", "reason", "note")},
        back=back,
        batch=uuid4().hex,
    )
