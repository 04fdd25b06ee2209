"""Changes of the rules on pages: proposed, seen before they are in force, decided by a second person, applied.

Invariants: a page posts to the same functions as `/api/v1/policy` and decides nothing itself; a refusal stands at its
field and what was typed stays; a year is proposed from the text that was understood, never from a hidden copy of it.
"""

from datetime import date
from typing import Any, Literal, cast

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from api import policy as room
from api import policy_form
from api import policy_values as values_room
from api.permissions import require_role
from api.policy import CHANGES, READS
from api.problems import BadForm, NotFound, Problem, TooLarge
from api.spreadsheets.reader import SpreadsheetError, decode
from domain.calendar import days_of
from domain.policy import PolicyError
from runtime import clock
from schemas.api import Fault
from schemas.base import Text
from schemas.messages_of_fields import faults_of
from schemas.policy import ChangeForm, ChangeState, ChangeView, DecisionBody, NoticeBody, NoticeView, ProposeBody
from store import policies, policy_changes, policy_orders
from store.database import reading, session
from web import forms, policy_view
from web.forms import Choice, Choices
from web.frame import Guest, Visit, file_of, posted, sentence, values_of
from web.pages.policy import shown
from web.routes import router as make_router

router = make_router()
BIGGEST_NOTICE = 200_000  # bytes; the notice itself has some two thousand
LISTED = 500
STATES = ("open", *(s.value for s in ChangeState))
WHERE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "widget": "textarea", "maxLength": 2000},
        "source": {"type": "string", "maxLength": 2000},
        "confidence": {"type": "string", "enum": ["confirmed", "known", "uncertain"]},
        "published_on": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "review_by": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "sample": {"type": "boolean"},
    },
    "required": ["reason", "source", "confidence"],
}


# --- the list --------------------------------------------------------------------------------------------------------


@router.get("/policy/changes")
async def changes(visit: Guest, state: str = "") -> Response:
    """All changes, the newest first."""
    require_role(visit.viewer, *READS)
    async with reading() as s:
        rows = await policy_changes.listed(s, state if state in STATES else None)
        found = [room.view_of(visit.viewer, r) for r in rows]
    return await shown(visit, "policy_changes.html", "changes", changes=found, state=state, states=STATES)


# --- proposing -------------------------------------------------------------------------------------------------------


@router.get("/policy/propose")
async def propose(visit: Guest, file: str, key: str = "") -> Response:
    """The form for one value, filled with what is in force."""
    require_role(visit.viewer, *CHANGES)
    found = policy_form.form(file, key)
    if found.kind == "year":
        return visit.go(f"/policy/year?year={found.key}")
    return await _form(visit, found, key, dict(found.values), {"confidence": "confirmed"})


@router.post("/policy/propose")
async def send(visit: Guest, file: str, key: str = "") -> Response:
    """Proposes what was typed, or says which field is wrong."""
    require_role(visit.viewer, *CHANGES)
    form = await posted(visit)
    found = policy_form.form(file, key)
    typed = values_of(form)
    data, said = forms.read(found.schema_, typed), forms.read(WHERE, typed)
    day = str(form.get("day") or "").strip()
    faults = [
        Fault(pointer=f"/{n}", code="json_invalid", message=visit.t("json_fault", line=e.lineno, column=e.colno))
        for n, e in forms.unreadable(found.schema_, data).items()
    ]
    if not faults:
        new = policy_form.typed(data, found.values, found.kind, policy_form.old_fields(file, key))
        at = day if found.kind == "day" else found.key
        body = {"file": file, "kind": found.kind.value, "key": at, "new": new, **said}
        try:
            return visit.go(f"/policy/changes/{await _proposed(visit, body)}", "policy_proposed")
        except Problem as problem:
            faults = _at_fields(problem, visit)
    return await _form(visit, found, key, data, said, faults, day)


async def _proposed(visit: Visit, body: dict[str, Any]) -> int:
    """The id of the new change. Problem."""
    try:
        wanted = ProposeBody.model_validate(body)
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors())) from error
    async with session() as s:
        return (await room.propose(s, visit.viewer, wanted)).id


def _at_fields(problem: Problem, visit: Visit) -> list[Fault]:
    """The faults with the names that the fields of the page have."""
    found = problem.view(visit.lang).errors
    if not found:
        return [Fault(pointer="", code=problem.code, message=sentence(visit, problem.text))]
    return [
        f.model_copy(update={"pointer": f.pointer.removeprefix("/new") if f.pointer != "/key" else "/day"})
        for f in found
    ]


async def _form(
    visit: Visit,
    found: ChangeForm,
    key: str,
    data: dict[str, Any],
    said: dict[str, Any],
    faults: list[Fault] | None = None,
    day: str = "",
) -> Response:
    faults = faults or []
    where = _worded(WHERE, visit)
    schema = _worded(found.schema_, visit)
    named = {**schema["properties"], **where["properties"]}
    return await shown(
        visit,
        "policy_propose.html",
        "values",
        422 if faults else 200,
        found=found,
        key=key,
        fields_shown=forms.fields_of(schema, data, _choices(schema, visit), visit.lang, faults),
        where_shown=forms.fields_of(where, said, _choices(where, visit), visit.lang, faults),
        fault_list=forms.said({**schema, "properties": named}, faults, visit.lang),
        day=day,
        day_faults=[f.message for f in faults if f.pointer == "/day"],
    )


def _worded(schema: dict[str, Any], visit: Visit) -> dict[str, Any]:
    """The schema with the labels of the catalogue."""
    properties = {
        n: {"title_zh": policy_view.label(n, "zh"), "title_en": policy_view.label(n, "en"), **p}
        for n, p in schema["properties"].items()
    }
    help_key = f"help_{visit.lang}"
    for name, part in properties.items():
        if name in policy_view.SHARES:
            part[help_key] = visit.t("policy_share_hint")
    return {**schema, "properties": properties}


def _choices(schema: dict[str, Any], visit: Visit) -> Choices:
    """Words for the allowed values of each field."""
    return {
        name: [Choice(str(v), policy_view.words(name, v, visit.lang)) for v in part["enum"]]
        for name, part in schema["properties"].items()
        if part.get("enum")
    }


# --- a year ----------------------------------------------------------------------------------------------------------


@router.get("/policy/year")
async def year(visit: Guest, year: int | None = None) -> Response:
    """Where the notice of a year is pasted."""
    require_role(visit.viewer, *CHANGES)
    return await _year(visit, str(year or clock.today().year + 1), "", {})


@router.post("/policy/year")
async def read_year(visit: Guest) -> Response:
    """Shows the year as it was understood, or proposes it."""
    require_role(visit.viewer, *CHANGES)
    form = await posted(visit)
    wanted, said = str(form.get("year") or "").strip(), forms.read(_year_where(), values_of(form))
    text, problem = await _notice_text(form)
    if problem is not None:
        return await _year(visit, wanted, text, said, faults=[_fault("/text", sentence(visit, problem))])
    try:
        body = NoticeBody.model_validate({"year": wanted, "text": text})
    except ValidationError as error:
        view = BadForm(faults=faults_of(error.errors())).view(visit.lang)
        return await _year(visit, wanted, text, said, faults=list(view.errors))
    found = policy_form.notice(body)
    doc = str(said.get("source") or found.new["doc"] or "")
    said = {**said, "source": doc, "published_on": said.get("published_on") or _iso(found.published_on)}
    if form.get("do") != "propose" or found.faults:
        return await _year(visit, wanted, text, said, found, status=422 if found.faults else 200)
    new = {**found.new, "doc": found.new["doc"] or doc}
    change = {"file": "calendar.yaml", "kind": "year", "key": wanted, "new": new, "confidence": "confirmed", **said}
    try:
        return visit.go(f"/policy/changes/{await _proposed(visit, change)}", "policy_proposed")
    except Problem as refused:
        return await _year(visit, wanted, text, said, found, faults=_at_fields(refused, visit))


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def _fault(pointer: str, message: str) -> Fault:
    return Fault(pointer=pointer, code="bad_form", message=message)


def _year_where() -> dict[str, Any]:
    names = ("source", "published_on", "reason")
    return {**WHERE, "properties": {n: WHERE["properties"][n] for n in names}, "required": ["reason", "source"]}


async def _notice_text(form: FormData) -> tuple[str, Text | None]:
    """What was pasted, or the text of the file; and what is wrong with the file."""
    text = str(form.get("text") or "")
    upload = file_of(form)
    if upload is None:
        return text, None
    content = await upload.read(BIGGEST_NOTICE + 1)
    if len(content) > BIGGEST_NOTICE:
        return text, TooLarge.text
    try:
        return decode(content), None
    except SpreadsheetError as error:
        return text, error.text


async def _year(
    visit: Visit,
    wanted: str,
    text: str,
    said: dict[str, Any],
    found: NoticeView | None = None,
    *,
    faults: list[Fault] | None = None,
    status: int = 422,
) -> Response:
    faults = faults or []
    where = _worded(_year_where(), visit)
    extra = {
        n: {"title_zh": policy_view.label(n, "zh"), "title_en": policy_view.label(n, "en")} for n in ("year", "text")
    }
    wrong = {n: [f.message for f in faults if f.pointer == f"/{n}"] for n in ("year", "text")}
    return await shown(
        visit,
        "policy_year.html",
        "values",
        status if faults or (found is not None and found.faults) else 200,
        year=wanted,
        text=text,
        found=found,
        blocks=_blocks(found.new) if found is not None else None,
        where_shown=forms.fields_of(where, said, {}, visit.lang, faults),
        fault_list=forms.said({"properties": {**where["properties"], **extra}}, faults, visit.lang),
        wrong=wrong,
    )


def _blocks(new: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Rest and work of a year as rows: first and last day, how many, the name."""
    names = cast("dict[str, Any]", new.get("names") or {})
    found: dict[str, list[dict[str, Any]]] = {}
    for group in ("rest", "work"):
        entries = cast("list[str]", new.get(group) or [])
        spans = [(e, days_of(e)) for e in entries]
        found[group] = [{"first": d[0], "last": d[-1], "days": len(d), "name": names.get(e)} for e, d in spans]
    return found


# --- one change ------------------------------------------------------------------------------------------------------


@router.get("/policy/changes/{change_id}")
async def change(visit: Guest, change_id: int) -> Response:
    """One change with what it does."""
    return await _change(visit, change_id)


async def _change(visit: Visit, change_id: int, fault: str = "", note: str = "", status: int = 422) -> Response:
    async with reading() as s:
        row = await room.get(s, visit.viewer, change_id)
        view = room.view_of(visit.viewer, row)
        preview, broken = None, ""
        if row.state in policy_changes.OPEN:
            try:
                preview = await room.previewed(s, visit.viewer, row)
            except Problem as problem:
                broken = sentence(visit, problem.text)
        told = await policy_orders.of_change(s, change_id, LISTED)
    tiles = policy_view.tiles(preview) if preview else []
    asked = visit.request.query_params.get("list", "")
    chosen = asked if asked in policy_view.LISTS else next((t.name for t in tiles if t.count), "")
    return await shown(
        visit,
        "policy_change.html",
        "changes",
        status if fault else 200,
        change=view,
        differences=policy_view.differences(view, visit.lang),
        blocks=_blocks(view.new) if view.kind == "year" else None,
        preview=preview,
        broken=broken,
        tiles=tiles,
        chosen=chosen,
        rows=policy_view.rows(preview, chosen) if preview and chosen else [],
        told=told,
        fault=fault,
        note=note,
        value_key=_value_key(view),
    )


def _value_key(view: ChangeView) -> str | None:
    """The value that an applied change made; None where it is not in force."""
    try:
        return next((v.key for v in values_room.values(view.file) if v.change_id == view.id), None)
    except (PolicyError, NotFound):  # while the rules cannot be read, or the file has gone
        return None


@router.post("/policy/changes/{change_id}/{verb}")
async def act(
    visit: Guest, change_id: int, verb: Literal["approve", "reject", "withdraw", "apply", "revoke"]
) -> Response:
    """Approves, rejects, withdraws, applies, or proposes to take back."""
    form = await posted(visit)
    note = str(form.get("note") or "").strip()
    try:
        async with session() as s:
            if verb == "apply":
                await room.apply(s, visit.viewer, change_id)
            elif verb == "revoke":
                body = DecisionBody(note=note[:2000])
                change_id = (await room.revoke(s, visit.viewer, change_id, body)).id
            else:
                await room.decide(s, visit.viewer, change_id, verb, DecisionBody(note=note[:2000]))
    except Problem as problem:
        text = problem.faults[0][2] if problem.faults else problem.text
        return await _change(visit, change_id, sentence(visit, text), note, problem.status)
    if verb == "apply":
        await policies.refresh()
    return visit.go(f"/policy/changes/{change_id}", f"policy_{verb}")
