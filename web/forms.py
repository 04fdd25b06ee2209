"""From a JSON Schema to the fields of a page, and from a form post back to the `data` of the API.

Invariants: the page knows a form only by its schema, as any campus system does; an empty input is sent as "not given"
(or null where the schema allows it), never as an empty text that would hide what is missing; repeatable rows travel as
`defects.0.code`; lists, pairs and maps that are no rows of plain cells travel as JSON text. Nothing is validated here:
the API does that, and its faults come back by pointer.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from schemas.api import Fault
from web.language import has, pick, translate

Schema = Mapping[str, Any]
_ROW = re.compile(r"^(?P<name>[a-z_]+)\.(?P<index>\d+)\.(?P<cell>[a-z_]+)$")
MAX_ROWS = 60


@dataclass(frozen=True)
class Choice:
    """One allowed value and the words for it."""

    code: str
    label: str


Choices = Mapping[str, list[Choice]]


@dataclass
class FieldView:
    """One field as the template draws it. `kind`: text, textarea, json, date, number, checkbox, choice, checks,
    rows."""

    id: str
    name: str
    label: str
    kind: str = "text"
    value: Any = ""
    required: bool = False
    help: str = ""
    max_length: int | None = None
    choices: list[Choice] = field(default_factory=list[Choice])
    faults: list[str] = field(default_factory=list[str])
    rows: list["RowView"] = field(default_factory=list["RowView"])


@dataclass
class RowView:
    """One row of a repeatable group."""

    index: int
    fields: list[FieldView]


def resolve(schema: Schema, part: Schema) -> dict[str, Any]:
    """A property with its `$ref` followed and `anyOf [x, null]` flattened; `nullable` and `decimal` are noted."""
    found: dict[str, Any] = dict(part)
    options = cast("list[Schema]", found.pop("anyOf", None) or found.pop("allOf", None) or [])
    kinds = {o.get("type") for o in options}
    real = [o for o in options if o.get("type") != "null"]
    if real:
        chosen = next((o for o in real if o.get("type") == "number"), real[0])
        inner = resolve(schema, chosen)
        decimal = "number" in kinds or bool(inner.get("decimal"))
        found = {**inner, **found, "nullable": "null" in kinds, "decimal": decimal}
    if "$ref" in found:
        target = cast("dict[str, Any]", schema["$defs"][str(found.pop("$ref")).rsplit("/", 1)[-1]])
        found = {**resolve(schema, target), **found}
    return found


def fields_of(
    schema: Schema,
    data: Mapping[str, Any],
    choices: Choices,
    lang: str,
    faults: Iterable[Fault] = (),
    prefix: str = "",
) -> list[FieldView]:
    """The fields of a form with their values, choices and faults, in the order of the schema."""
    by_name = _faults_by_name(faults)
    return [
        _field(schema, name, part, data.get(name), choices, lang, by_name, prefix)
        for name, part in cast("dict[str, Schema]", schema.get("properties", {})).items()
    ]


def _field(
    schema: Schema,
    name: str,
    part: Schema,
    given: Any,
    choices: Choices,
    lang: str,
    faults: dict[str, list[str]],
    prefix: str,
) -> FieldView:
    p = resolve(schema, part)
    full = prefix + name
    widget = str(p.get("widget", ""))
    value = p.get("default") if given is None else given
    view = FieldView(
        id="f-" + full.replace(".", "-"),
        name=full,
        label=label_of(p, name, lang),
        required=name in schema.get("required", []) and not p.get("nullable"),  # an empty one is sent as null
        help=str(p.get(f"help_{lang}", "")),
        max_length=p.get("maxLength"),
        faults=faults.get(full, []),
        value="" if value is None else value,
    )
    if is_json(schema, p):
        return _json(view, value, p, lang, faults)
    if p.get("type") == "array":
        item = resolve(schema, cast("Schema", p.get("items", {})))
        if item.get("type") == "object":
            view.kind = "rows"
            given_rows = cast("list[dict[str, Any]]", value) if isinstance(value, list) and value else [{}]
            view.rows = [
                RowView(i, _row(schema, item, row, choices, lang, faults, f"{full}.{i}."))
                for i, row in enumerate(given_rows)
            ]
        else:
            view.kind = "checks"
            view.choices = _choices(full, widget or name, item, choices, lang)
            view.value = [str(v) for v in cast("list[Any]", value)] if isinstance(value, list) else []
        return view
    if widget != "textarea":  # what people write in their own words has no list, whatever else is called alike
        view.choices = _choices(full, widget or name, p, choices, lang) or choices.get(name, [])
    if p.get("type") == "boolean" and p.get("nullable"):  # three answers: yes, no, not given
        view.kind, view.value = "choice", str(value).lower() if value in (True, False, "true", "false") else ""
        view.choices = [Choice("true", translate(lang, "yes")), Choice("false", translate(lang, "no"))]
    elif p.get("type") == "boolean":
        view.kind, view.value = "checkbox", value in (True, "true")
    elif view.choices:
        view.kind = "choice"
    elif widget == "textarea":
        view.kind = "textarea"
    elif p.get("format") == "date":
        view.kind = "date"
    elif p.get("type") in ("number", "integer") or p.get("decimal"):
        view.kind = "number"
    return view


def is_json(schema: Schema, part: Schema) -> bool:
    """Whether a resolved property is written as JSON text: maps, pairs, lists of lists, rows with such cells. A list of
    which a widget knows the choices is ticked."""
    if part.get("type") == "object" or "prefixItems" in part:
        return True
    if part.get("type") != "array":
        return False
    item = resolve(schema, cast("Schema", part.get("items", {})))
    if item.get("type") == "object":
        inner = {**item, "$defs": schema.get("$defs", {})}
        cells = cast("dict[str, Schema]", item.get("properties", {})).values()
        return any(resolve(inner, c).get("type") in ("array", "object") for c in cells)
    return item.get("type") == "array" or ("enum" not in item and "widget" not in part)


def _json(view: FieldView, value: Any, part: Schema, lang: str, faults: dict[str, list[str]]) -> FieldView:
    """A field written as JSON text: shown as it was typed, or indented; faults inside of it say where."""
    view.kind = "json"
    empty = value is None or value == "" or value == [] or value == {}
    view.value = "" if empty else value if isinstance(value, str) else json_text(value)
    examples = cast("list[Any]", part.get("examples") or [])
    if examples:
        sample = translate(lang, "for_example", what=json.dumps(examples[0], ensure_ascii=False))
        view.help = f"{view.help}{translate(lang, 'sentence_gap')}{sample}" if view.help else sample
    inside = [f"{name.removeprefix(view.name + '.')}: {m}" for name, ms in faults.items() for m in ms
              if name.startswith(view.name + ".")]  # fmt: skip
    view.faults = [*view.faults, *inside]
    return view


def json_text(value: Any) -> str:
    """A value as people edit it: one entry of the outer level a line."""

    def inner(part: Any) -> str:
        return json.dumps(part, ensure_ascii=False)

    if isinstance(value, dict):
        rows = [f"  {inner(k)}: {inner(v)}" for k, v in cast("dict[str, Any]", value).items()]
        return "{\n" + ",\n".join(rows) + "\n}"
    if isinstance(value, list) and any(isinstance(v, list | dict) for v in cast("list[Any]", value)):
        return "[\n" + ",\n".join(f"  {inner(v)}" for v in cast("list[Any]", value)) + "\n]"
    return inner(value)


def unreadable(schema: Schema, data: Mapping[str, Any]) -> dict[str, json.JSONDecodeError]:
    """The JSON fields of a form post whose text is no JSON, with the place in it."""
    found: dict[str, json.JSONDecodeError] = {}
    for name, part in cast("dict[str, Schema]", schema.get("properties", {})).items():
        if is_json(schema, resolve(schema, part)) and isinstance(data.get(name), str):
            try:
                json.loads(data[name])
            except json.JSONDecodeError as error:
                found[name] = error
    return found


def _row(
    schema: Schema,
    item: Schema,
    row: Mapping[str, Any],
    choices: Choices,
    lang: str,
    faults: dict[str, list[str]],
    prefix: str,
) -> list[FieldView]:
    part = {**item, "$defs": schema.get("$defs", {})}
    return [
        _field(part, name, cell, row.get(name), choices, lang, faults, prefix)
        for name, cell in cast("dict[str, Schema]", item.get("properties", {})).items()
    ]


def _choices(full: str, hint: str, part: Schema, choices: Choices, lang: str) -> list[Choice]:
    """Choices by the widget's name, by pattern of a reason code, or by the schema's own enum."""
    if hint in choices:
        return choices[hint]
    if part.get("pattern") == r"^R\d{2}$":
        return choices.get("reason", [])
    name = full.rsplit(".", 1)[-1]
    return [Choice(str(v), choice_label(name, str(v), lang)) for v in cast("list[Any]", part.get("enum", []))]


def choice_label(name: str, value: str, lang: str) -> str:
    """The words for an enum value; the value itself where the catalogue has none."""
    key = f"choice_{name}_{value}"
    return translate(lang, key) if has(key) else value


def preset(name: str, value: str, lang: str) -> str:
    """A value to read: what the product itself proposes for a field in the reader's language, all else as written."""
    key = f"preset_{name}"
    return translate(lang, key) if has(key) and value == translate("zh", key) else value


def label_of(part: Schema, name: str, lang: str) -> str:
    """The label a schema brings along; a field without one is shown by its catalogue word or its name."""
    own = part.get(f"title_{lang}")
    if own:
        return str(own)
    return translate(lang, f"field_{name}") if has(f"field_{name}") else name


def read(schema: Schema, posted: Mapping[str, list[str]]) -> dict[str, Any]:
    """The `data` of a form post: only fields of the schema; empty ones are left out, or null where that is allowed."""
    data: dict[str, Any] = {}
    for name, part in cast("dict[str, Schema]", schema.get("properties", {})).items():
        p = resolve(schema, part)
        if p.get("type") == "array" and not is_json(schema, p):
            item = resolve(schema, cast("Schema", p.get("items", {})))
            data[name] = _read_rows(name, item, posted) if item.get("type") == "object" else posted.get(name, [])
            continue
        if p.get("type") == "boolean" and not p.get("nullable"):
            data[name] = "true" in posted.get(name, [])
            continue
        text = (posted.get(name) or [""])[-1].strip()
        if text:
            data[name] = _value(schema, p, text)
        elif p.get("nullable"):
            data[name] = None
    return data


def _value(schema: Schema, part: Schema, text: str) -> Any:
    """Typed text as the JSON value it means; text that means none stays, for the API to name the fault."""
    if part.get("type") == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if part.get("type") == "integer" and not part.get("decimal") and re.fullmatch(r"-?\d{1,9}", text):
        return int(text)
    if is_json(schema, part):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _read_rows(name: str, item: Schema, posted: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Rows in the order of their numbers; a row without a single value is dropped."""
    rows: dict[int, dict[str, Any]] = {}
    allowed = set(cast("dict[str, Any]", item.get("properties", {})))
    for key, values in posted.items():
        found = _ROW.match(key)
        if found and found["name"] == name and found["cell"] in allowed and values and values[-1].strip():
            rows.setdefault(int(found["index"]), {})[found["cell"]] = values[-1].strip()
    return [rows[i] for i in sorted(rows)[:MAX_ROWS]]


def _faults_by_name(faults: Iterable[Fault]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for fault in faults:
        found.setdefault(field_name(fault.pointer), []).append(fault.message)
    return found


def field_name(pointer: str) -> str:
    """`/data/defects/0/code` -> `defects.0.code`; `/documents/M01` -> `documents.M01`."""
    parts = [p for p in pointer.split("/") if p]
    return ".".join(parts[1:] if parts[:1] in (["data"], ["input"]) else parts)


@dataclass(frozen=True)
class SaidFault:
    """A fault with the label of the field it belongs to."""

    label: str
    message: str


def said(schema: Schema, faults: Iterable[Fault], lang: str) -> list[SaidFault]:
    """The faults for the summary above a form."""
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    found: list[SaidFault] = []
    for fault in faults:
        parts = field_name(fault.pointer).split(".")
        if parts[0] == "documents" and len(parts) > 1:
            label = parts[1]
        elif parts[0] in properties:
            label = label_of(resolve(schema, properties[parts[0]]), parts[0], lang)
            if len(parts) > 1 and is_json(schema, resolve(schema, properties[parts[0]])):
                label = f"{label} {'.'.join(parts[1:])}"
            elif len(parts) > 1 and parts[1].isdigit():
                label = f"{label} {int(parts[1]) + 1}"
        else:
            label = translate(lang, f"field_{parts[-1]}") if parts[-1] and has(f"field_{parts[-1]}") else ""
        found.append(SaidFault(label, fault.message))
    return found


def shown(schema: Schema, data: Mapping[str, Any], choices: Choices, lang: str) -> list[dict[str, str]]:
    """An answer for reading: name, label and words of each field that has a value."""
    rows: list[dict[str, str]] = []
    for view in fields_of(schema, data, choices, lang):
        words = {c.code: c.label for c in view.choices}
        if view.kind == "rows":
            value = "; ".join(
                " ".join(_word(cell, lang) for cell in row.fields if cell.value)
                for row in view.rows
                if any(c.value for c in row.fields)
            )
        elif view.kind == "checks":
            value = ", ".join(words.get(v, v) for v in cast("list[str]", view.value))
        elif view.kind == "checkbox":
            value = translate(lang, "yes" if view.value else "no")
        else:
            value = words.get(str(view.value), preset(view.name, str(view.value), lang))
        if value and view.name in data:
            rows.append({"name": view.name, "label": view.label, "value": value})
    return rows


def _word(view: FieldView, lang: str) -> str:
    found = next((c.label for c in view.choices if c.code == view.value), view.value)
    return pick(lang, found)
