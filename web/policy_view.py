"""How values of the rules look on a page: words for codes, lists, days, and tables of what differs.

Invariants: nothing is computed or left out here; a field without words of its own is shown by its name, so that a new
file of the rules needs no line in this module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from schemas.countersign import SIGNER_ROLES, roles_of
from schemas.policy import ChangeView, Preview, ValueView
from web.language import has, pick, translate

LONG = 140  # signs, above which a value is folded away
MOST_COLUMNS = 14
SHARES = ("unit", "person", "rate", "daily_rate")


def label(name: str, lang: str) -> str:
    """The words for a field."""
    return translate(lang, f"field_{name}") if has(f"field_{name}") else name


def words(name: str, value: Any, lang: str) -> str:
    """A value in words."""
    if value is None or value == "" or value == []:
        return translate(lang, "dash")
    if isinstance(value, bool) or value in ("true", "false"):
        return translate(lang, "yes" if value in (True, "true") else "no")
    if isinstance(value, list):
        return translate(lang, "list_comma").join(words(name, v, lang) for v in cast("list[Any]", value))
    if isinstance(value, Mapping):
        both = cast("Mapping[str, Any]", value)
        if set(both) == {"zh", "en"}:
            return pick(lang, both)
        gap = translate(lang, "colon")
        return translate(lang, "list_comma").join(f"{label(k, lang)}{gap}{words(k, v, lang)}" for k, v in both.items())
    if name.endswith("_signers"):
        return _signers(str(value), lang)
    for key in (f"choice_{name}_{value}", f"insurance_{value}", f"legal_{value}"):
        if has(key):
            return translate(lang, key)
    return str(value)


def _signers(given: str, lang: str) -> str:
    """Roles as their titles; what is none stays as it was typed, for the refusal to name."""
    try:
        return translate(lang, "list_comma").join(pick(lang, SIGNER_ROLES[code]) for code in roles_of(given))
    except ValueError:
        return given


@dataclass
class FileTable:
    """The values of one file: columns where all have the same few fields, else one cell of named fields."""

    values: Sequence[ValueView]
    lang: str

    @property
    def columns(self) -> list[str]:
        """The fields as columns; empty where the values differ too much for a table."""
        names = list(dict.fromkeys(n for v in self.values for n in v.fields))
        plain = all(len(words(n, f, self.lang)) < LONG // 4 for v in self.values for n, f in v.fields.items())
        return names if plain and len(names) <= MOST_COLUMNS else []

    def title(self, value: ValueView) -> str:
        """What people call a value: its own title, else its key in words."""
        for name in ("title", "name"):
            if isinstance(value.fields.get(name), dict):
                return pick(self.lang, value.fields[name])
        if self.lang == "zh" and "zh" in value.fields:
            return str(value.fields["zh"])
        if "en" in value.fields:
            return str(value.fields["en"])
        _, bracket, inner = value.key.rpartition("[")
        return inner.rstrip("]") if bracket else value.key or value.file


@dataclass(frozen=True)
class Difference:
    """One field before and after."""

    label: str
    old: str
    new: str


def differences(change: ChangeView, lang: str) -> list[Difference]:
    """What a change says, beside what was in force."""
    old = change.old or {}
    if change.kind == "revoke":
        return [Difference(label(n, lang), words(n, v, lang), "") for n, v in old.items() if n != "names"]
    if change.kind == "day":
        return [Difference(label(n, lang), "", words(n, v, lang)) for n, v in change.new.items()]
    return [
        Difference(label(n, lang), words(n, old.get(n), lang), words(n, v, lang))
        for n, v in change.new.items()
        if n != "names"
    ]


# The lists of a preview: name, which count opens it.
LISTS = ("moved", "replanned", "final", "late", "tight", "people", "lines", "fees", "retirements", "not_computable")


@dataclass(frozen=True)
class Tile:
    """A figure of the preview and the list that it opens. `tone`: how it looks."""

    name: str
    count: int
    tone: str = ""


def tiles(preview: Preview) -> list[Tile]:
    """The figures of a preview."""
    return [
        Tile("moved", preview.deadlines_moved),
        Tile("replanned", preview.deadlines_replanned),
        Tile("final", preview.deadlines_final),
        Tile("late", preview.cases_late, "overdue" if preview.cases_late else ""),
        Tile("tight", preview.cases_tight, "at_risk" if preview.cases_tight else ""),
        Tile("people", preview.people),
        Tile("lines", preview.lines),
        Tile("fees", preview.fees),
        Tile("retirements", preview.people_months),
        Tile("not_computable", preview.lines_not_computable, "at_risk" if preview.lines_not_computable else ""),
    ]


def rows(preview: Preview, name: str) -> list[Any]:
    """The list behind a figure: one row for each that it counts."""
    moves = preview.deadlines
    if name in ("late", "tight"):
        cases: dict[str, Any] = {}
        for move in moves:
            if move.becomes_late if name == "late" else move.becomes_tight:
                cases.setdefault(move.process_id, move)
        return list(cases.values())
    return {
        "moved": [m for m in moves if m.old_due_at != m.new_due_at],
        "replanned": [m for m in moves if m.replanned],
        "final": [m for m in moves if m.becomes_final],
        "people": preview.persons,
        "lines": preview.amounts,
        "fees": preview.late_fees,
        "retirements": preview.retirements,
        "not_computable": preview.not_computable,
    }[name]
