"""What a change asks for: the form of a value as JSON Schema with what is in force, and a year's notice as understood.

Invariants: reads only; fields come from the data and from the models of `schemas/policy_files.py`, so that a new file
needs no line here; where a value comes from (source, dates of publication) is not part of `new` but of the proposal.
"""

from datetime import date
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query

from api.json_body import JsonObjectRoute
from api.permissions import require_role
from api.policy import READS, title_of
from api.policy_values import kind_for, raw_values
from api.problems import NotFound
from api.sign_in import CurrentViewer
from domain.calendar import days_of
from domain.holiday_notice import read_notice
from domain.policy import DEADLINES, calendar_years
from domain.policy_changes import FROM_SETTINGS, PROVENANCE, naming, plain
from domain.policy_findings import Value
from schemas.base import Text
from schemas.policy import ChangeForm, ChangeKind, NoticeBody, NoticeFaultView, NoticeView
from schemas.policy_files import FILES, TABLES
from store import policies

router = APIRouter(prefix="/policy", tags=["policy"], route_class=JsonObjectRoute)
LANGUAGES = ("zh", "en")
Schema = dict[str, Any]


def form(file: str, key: str) -> ChangeForm:
    """The form to change one value, or to set another beside it. NotFound."""
    found = [v for v in raw_values(file) if v.key == key]
    if not found:
        raise NotFound
    value = found[-1]
    kind = kind_for(value)
    title = title_of(file)
    if kind is ChangeKind.DAY:
        return ChangeForm(file=file, kind=kind, key="", title=title, schema=_day(), values={}, undated=True)
    if kind is ChangeKind.YEAR:
        year = str(value.fields["year"])
        return ChangeForm(file=file, kind=kind, key=year, title=title, schema=_year(), values={}, undated=True)
    dated = "valid_from" in value.said and value.dated
    fields = dict(value.fields)
    if kind is ChangeKind.ROW and dated:
        fields["valid_from"] = ""
        fields |= {"valid_to": ""} if "valid_to" in value.said else {}
    if file == DEADLINES:
        fields["valid_from"] = ""
    fixed = {*PROVENANCE, *FROM_SETTINGS.get(file, ())}
    fixed |= set(naming(file)) if kind is ChangeKind.FIELDS else set()
    parts = _model(file, key)
    names = [n for n in fields if n not in fixed]
    schema: Schema = {"type": "object", "properties": {}, "required": []}
    start: dict[str, Any] = {}
    for name in names:
        part = parts.get("properties", {}).get(name, {})
        if _is_text(fields[name]):
            for lang in LANGUAGES:
                schema["properties"][f"{name}_{lang}"] = {"type": "string", "maxLength": 500}
                start[f"{name}_{lang}"] = fields[name][lang]
            continue
        schema["properties"][name] = _property(parts, part, name, fields[name])
        start[name] = _start(fields[name])
        if name in parts.get("required", []) or name == "valid_from":
            schema["required"].append(name)
    address = key.rpartition("[")[0] if kind is ChangeKind.ROW and not file.endswith(".csv") else key
    return ChangeForm(
        file=file,
        kind=kind,
        key="" if file.endswith(".csv") else address,
        title=_said(title, key),
        schema=schema,
        values=start,
        undated=not dated,
    )


def _said(title: Text, key: str) -> Text:
    return Text(zh=f"{title.zh} {key}".strip(), en=f"{title.en} {key}".strip())


def typed(data: dict[str, Any], value: dict[str, Any], kind: ChangeKind, old: dict[str, Any]) -> dict[str, Any]:
    """`new` of a proposal from what was typed: bilingual texts put together; of fields only those that differ."""
    new: dict[str, Any] = {}
    for name, given in data.items():
        stem, _, lang = name.rpartition("_")
        if lang in LANGUAGES and _is_text(old.get(stem)):
            both = new.setdefault(stem, dict(old[stem]))
            both[lang] = given
        else:
            new[name] = given
    if kind is not ChangeKind.FIELDS:
        return {k: "" if v is None else v for k, v in new.items()}
    return {k: v for k, v in new.items() if v != old.get(k) and v != value.get(k)}


def old_fields(file: str, key: str) -> dict[str, Any]:
    """The fields of a value in force, as JSON."""
    found: list[Value] = [v for v in raw_values(file) if v.key == key]
    return plain(found[-1].fields) if found else {}


def _start(value: Any) -> Any:
    """A value as a form begins with it: lists of words as words."""
    if isinstance(value, list) and all(isinstance(v, str) for v in cast("list[Any]", value)):
        return "、".join(cast("list[str]", value))
    return plain(value)


def _property(parts: Schema, part: Schema, name: str, example: Any) -> Schema:
    """One field: by the model where there is one, else by the value itself."""
    found = _resolved(parts, part)
    if found.get("enum"):
        return {"type": "string", "enum": found["enum"]}
    if isinstance(example, bool) or found.get("type") == "boolean":
        return {"type": "boolean"}
    if isinstance(example, date) or name in ("valid_from", "valid_to") or found.get("format") == "date":
        return {"type": "string", "format": "date"}
    if isinstance(example, dict) or (isinstance(example, list) and not isinstance(_start(example), str)):
        return {"type": "object"}
    if isinstance(example, int):
        return {"type": "integer"}
    return {"type": "string", "maxLength": 2000}


def _resolved(parts: Schema, part: Schema) -> Schema:
    """The part behind a reference or an optional one."""
    for option in (part, *part.get("anyOf", []), *part.get("allOf", [])):
        if "$ref" in option:
            return _resolved(parts, parts.get("$defs", {}).get(str(option["$ref"]).rsplit("/", 1)[-1], {}))
    options = [o for o in part.get("anyOf", []) if o.get("type") != "null"]
    return options[0] if options else part


def _model(file: str, key: str) -> Schema:
    """The JSON Schema of a row, or of the entry at "rules[DL-REG-FOR]"; empty where the file has no model."""
    model = TABLES.get(file) or FILES.get(file)
    if model is None:
        return {}
    root = model.model_json_schema()
    node: Schema = root
    for step in key.split(".") if key and not file.endswith(".csv") else []:
        part = node.get("properties", {}).get(step.partition("[")[0], {})
        node = _resolved(root, part.get("items", part))
    return {**node, "$defs": root.get("$defs", {})}


def _is_text(value: Any) -> bool:
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == set(LANGUAGES)


def _day() -> Schema:
    return {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": ["rest", "work", "plain"]},
            "zh": {"type": "string", "maxLength": 40},
            "en": {"type": "string", "maxLength": 40},
        },
        "required": ["kind"],
    }


def _year() -> Schema:
    days: Schema = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "properties": {"doc": {"type": "string"}, "rest": days, "work": days, "names": {"type": "object"}},
        "required": ["doc", "rest"],
    }


def notice(body: NoticeBody) -> NoticeView:
    """The arrangement of a year as the text gives it."""
    years = {y.year: y for y in calendar_years(policies.texts())}
    known = {t.zh: t.en for y in years.values() for t in y.names.values()}
    legal = [d for e in years[body.year].public_holidays for d in days_of(e)] if body.year in years else []
    found = read_notice(body.text, body.year, legal)
    return NoticeView(
        year=body.year,
        published_on=found.published_on,
        new={
            "doc": found.doc,
            "rest": found.rest,
            "work": found.work,
            "names": {entry: {"zh": zh, "en": known.get(zh, zh)} for entry, zh in found.names.items()},
        },
        outside=found.outside,
        ignored=found.ignored,
        faults=[NoticeFaultView(line=f.line, text=f.text) for f in found.faults],
    )


@router.get("/files/{file}/form", summary="What a change of a value asks for, with what is in force")
async def get_form(
    viewer: CurrentViewer, file: str, key: Annotated[str, Query(max_length=200, examples=["steps[materials]"])] = ""
) -> ChangeForm:
    require_role(viewer, *READS)
    return form(file, key)


@router.post("/calendar-notice", summary="A year's notice as it is understood; nothing is stored")
async def post_notice(viewer: CurrentViewer, body: NoticeBody) -> NoticeView:
    require_role(viewer, *READS)
    return notice(body)
