"""An answer of a calculation for reading: facts, tables and the derivation, from the answer and its JSON Schema alone.

Invariants: nothing is computed or left out here; a value without words of its own is shown as it stands, so that a new
calculation needs no line in this module.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from web.forms import Schema, label_of, resolve
from web.language import has, pick, translate

STEPS = "steps"
PAIR = 2
_AMOUNT = re.compile(r"-?\d+(\.\d+)?( |$)")  # "4511 → 4588" too


@dataclass
class Table:
    """Rows of words under a title, each as long as `heads`."""

    title: str
    heads: list[str]
    rows: list[list[str]]

    @property
    def figures(self) -> list[bool]:
        """By column, whether it holds amounts: those stand to the right, words to the left."""
        return [any(map(_AMOUNT.match, column)) for column in zip(*self.rows, strict=True)]


@dataclass
class AnswerView:
    """`facts`: label and words. `steps`: the derivation as the answer holds it."""

    facts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    tables: list[Table] = field(default_factory=list[Table])
    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def view(answer: Mapping[str, Any], schema: Schema, lang: str) -> AnswerView:
    """The answer by the order of its schema; fields that stand in no schema (months, persons) become one table."""
    found = AnswerView()
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    names = {**{n: n for n in properties if n in answer}, **{n: n for n in answer}}
    rest: dict[str, Any] = {}
    for name in names:
        value = answer[name]
        if name == STEPS:
            found.steps = cast("list[dict[str, Any]]", value)
        elif name not in properties:
            rest[name] = value
        else:
            part = resolve(schema, properties[name])
            item = resolve(schema, cast("Schema", part.get("items", {})))
            if value and item.get("type") == "object" and not _is_text(item.get("properties", {})):
                found.tables.append(_listed(label_of(part, name, lang), schema, item, value, lang))
            else:
                _add(found, label_of(part, name, lang), name, value, lang)
    if rest:
        found.tables.append(_mapped(translate(lang, "calculation_result"), rest, "", lang))
    return found


def _add(found: AnswerView, label: str, name: str, value: Any, lang: str) -> None:
    if isinstance(value, dict) and not _is_text(cast("dict[str, Any]", value)):
        if value:
            entries = cast("dict[str, Any]", value)
            found.tables.append(_mapped(label, entries, name, lang))
        else:
            found.facts.append((label, translate(lang, "dash")))
    else:
        found.facts.append((label, words(name, value, lang)))


def _mapped(title: str, entries: Mapping[str, Any], name: str, lang: str) -> Table:
    """A map: a row an entry."""
    heads = _heads(entries, lang)
    return Table(title, heads, [row + [""] * (len(heads) - len(row)) for row in _rows(entries, name, lang)])


def _listed(title: str, schema: Schema, item: Schema, values: list[dict[str, Any]], lang: str) -> Table:
    """A list of objects: a row each, a column for each field of theirs that is no code beside its words."""
    columns = {n: p for n, p in cast("dict[str, Schema]", item["properties"]).items() if not p.get("hidden")}
    heads = [label_of(resolve(schema, part), name, lang) for name, part in columns.items()]
    return Table(title, heads, [[words(n, v.get(n), lang) for n in columns] for v in values])


def _heads(entries: Mapping[str, Any], lang: str) -> list[str]:
    """Column heads by the shape of the values: one, unit and person, or per person with who settles it."""
    first = next(iter(entries.values()))
    names = ["of", "value"]
    if isinstance(first, dict):
        names = ["id", "of", "unit", "person", "routing"]
    elif isinstance(first, list):
        names = ["of", "unit", "person", "routing"][: len(cast("list[Any]", first)) + 1]
    return [translate(lang, f"column_{name}") for name in names]


def _rows(entries: Mapping[str, Any], name: str, lang: str) -> list[list[str]]:
    """A row an entry; an entry of entries gives a row for each of them. A list shorter than its neighbours (before and
    after) is one cell."""
    width = max((len(cast("list[Any]", v)) for v in entries.values() if isinstance(v, list)), default=0)
    rows: list[list[str]] = []
    for key, value in entries.items():
        head = words(name, key, lang)
        if isinstance(value, dict) and not _is_text(cast("dict[str, Any]", value)):
            rows += [[head, *row] for row in _rows(cast("dict[str, Any]", value), name, lang)]
        elif isinstance(value, list):
            cells = [words("routing", v, lang) for v in cast("list[Any]", value)]
            rows.append([head, *(cells if len(cells) == width else [" → ".join(cells), *[""] * (width - 1)])])
        else:
            rows.append([head, words(name, value, lang)])
    return rows


_AGE = re.compile(r"(\d+)y(?:(\d+)m)?")  # 61y5m, as the tables of the law have it


def words(name: str, value: Any, lang: str) -> str:
    """A value in words: yes and no, both ends of a list, the catalogue's word for a code, else the value itself."""
    if value is None or value == "" or value == []:
        return translate(lang, f"none_{name}" if has(f"none_{name}") else "dash")
    if isinstance(value, bool):
        return translate(lang, "yes" if value else "no")
    if isinstance(value, list):
        said = [words(name, v, lang) for v in cast("list[Any]", value)]
        alike = len(said) > PAIR and len(set(said)) == 1  # twelve months from one source are said once
        return said[0] if alike else translate(lang, "list_comma").join(said)
    if isinstance(value, dict):
        return pick(lang, cast("dict[str, Any]", value))
    if name == "age" and (found := _AGE.fullmatch(str(value))):
        return translate(lang, "years_months" if found[2] else "years", years=found[1], months=found[2])
    for key in (f"choice_{name}_{value}", f"insurance_{value}"):
        if has(key):
            return translate(lang, key)
    return str(value)


def _is_text(value: Mapping[str, Any]) -> bool:
    return set(value) == {"zh", "en"}
