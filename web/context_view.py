"""What a task shows for reading (`context` of the API), as blocks that the template draws: notes, facts, tables.

Invariants: a block says in words what the codes mean; a key of the context that has no word in the catalogue (`ctx_…`,
`col_…`) is an internal reference and is not shown; a table's differing rows are marked by a word, not by colour alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from schemas.enrolment import ForeignHire
from web.forms import Choices, fields_of, preset
from web.language import has, pick, translate
from web.show import show_moment, show_money, show_percent

Context = Mapping[str, Any]
SCHEMA = ForeignHire.model_json_schema()
FOLD_ABOVE = 8
CELL_AT_MOST = 40  # characters
_MONEY = ("amount", "total", "fee", "unit", "person", "difference", "base", "ours", "theirs", "withheld", "sum")
_DONE_ELSEWHERE = frozenset(
    {
        "org_units",
        "reasons",
        "reason_codes",
        "labels",
        "changes",
        "record",
        "proposal",
        "findings",
        "defects",
        "code",
        "files",
        "return_done",
    }
)


@dataclass
class Note:
    """One sentence, with a tone: bad, warn, good or plain."""

    text: str
    tone: str = "plain"


@dataclass
class Cell:
    text: str
    number: bool = False

    @property
    def folded(self) -> bool:
        """A whole sentence in a line of figures is read on demand; it would make each line a column of characters."""
        return len(self.text) > CELL_AT_MOST


@dataclass
class Block:
    """One panel. `kind` is notes, facts, record (facts in columns), files or table."""

    id: str
    title: str
    kind: str
    notes: list[Note] = field(default_factory=list[Note])
    facts: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])
    head: list[Cell] = field(default_factory=list[Cell])
    links: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    summary: str = ""  # a long table is folded behind these words
    rows: list[tuple[list[Cell], bool]] = field(default_factory=list[tuple[list[Cell], bool]])


def blocks(context: Context, choices: Choices, lang: str) -> list[Block]:
    """The blocks of a context, what went wrong first."""
    made = [
        _came_back(context, lang),
        _findings(context, lang),
        _proposal(context, choices, lang),
        _record(context, choices, lang),
        _facts(context, choices, lang),
        _files(context, lang),
        *_tables(context, choices, lang),
    ]
    return [b for b in made if b is not None]


def _sentence(context: Context, code: str, lang: str) -> str:
    known = {**context.get("reason_codes", {}), **context.get("reasons", {})}
    return f"{code} {pick(lang, known.get(code))}".strip()


def _came_back(context: Context, lang: str) -> Block | None:
    """Defects of a return, or the code with which an agency refused."""
    notes: list[Note] = []
    done = bool(context.get("return_done"))
    if context.get("return_reason"):
        notes.append(Note(str(context["return_reason"]), "plain" if done else "bad"))
    for defect in cast("list[dict[str, Any]]", context.get("defects") or []):
        parts = [
            _sentence(context, str(defect.get("code", "")), lang),
            str(defect.get("concerns") or ""),
            str(defect.get("note") or ""),
        ]
        notes.append(Note(translate(lang, "colon").join(p for p in parts if p), "bad"))
    if context.get("code"):
        notes.append(Note(_sentence(context, str(context["code"]), lang), "bad"))
    title = translate(lang, "ctx_return_done" if done else "ctx_returned")
    return Block("ctx-returned", title, "notes", notes=notes) if notes else None


def _findings(context: Context, lang: str) -> Block | None:
    """What the automatic checks noticed."""
    found = [f for f in cast("list[Any]", context.get("findings") or []) if isinstance(f, Mapping)]
    notes = [
        Note(pick(lang, f.get("message")), "bad" if f.get("severity") == "fault" else "warn")
        for f in cast("list[Mapping[str, Any]]", found)
    ]
    return Block("ctx-findings", translate(lang, "ctx_findings"), "notes", notes=notes) if notes else None


def _proposal(context: Context, choices: Choices, lang: str) -> Block | None:
    """The treaty exemption that data propose."""
    proposal = cast("Mapping[str, Any] | None", context.get("proposal"))
    if not proposal:
        return None
    words = {c.code: c.label for c in choices.get("exempt", [])}
    exempt = cast("list[str]", proposal.get("exempt") or [])
    facts = [
        (
            translate(lang, "ctx_exempt"),
            translate(lang, "list_comma").join(words.get(e, e) for e in exempt) or translate(lang, "ctx_exempt_none"),
            bool(exempt),
        )
    ]
    if proposal.get("text"):
        facts.append((translate(lang, "ctx_why"), pick(lang, proposal["text"]), False))
    if proposal.get("certificate_by"):
        facts.append((translate(lang, "ctx_certificate_by"), str(proposal["certificate_by"]), False))
    if proposal.get("max_months"):
        facts.append((translate(lang, "ctx_max_months"), str(proposal["max_months"]), False))
    return Block("ctx-proposal", translate(lang, "ctx_proposal"), "facts", facts=facts)


def _record(context: Context, choices: Choices, lang: str) -> Block | None:
    """The record to look at; what the college changed since the upload is marked."""
    record = cast("Mapping[str, Any] | None", context.get("record"))
    if not record:
        return None
    changed = set(cast("list[str]", context.get("changes") or []))
    facts: list[tuple[str, str, bool]] = []
    for view in fields_of(SCHEMA, record, choices, lang):
        if view.value and view.name in record:
            words = {c.code: c.label for c in view.choices}
            value = words.get(str(view.value), preset(view.name, str(view.value), lang))
            mark = f" {translate(lang, 'ctx_changed')}" if view.name in changed else ""
            facts.append((view.label, value + mark, view.name in changed))
    return Block("ctx-record", translate(lang, "ctx_record"), "record", facts=facts)


def _facts(context: Context, choices: Choices, lang: str) -> Block | None:
    """Single values that have a word."""
    facts = [
        (translate(lang, f"ctx_{key}"), value_of(key, value, choices, lang), False)
        for key, value in context.items()
        if key not in _DONE_ELSEWHERE and has(f"ctx_{key}") and not _is_table(value) and value not in (None, "", [], {})
    ]
    return Block("ctx-facts", translate(lang, "ctx_facts"), "facts", facts=facts) if facts else None


def _files(context: Context, lang: str) -> Block | None:
    """Files to take to the agency, newest first; the first is the one to hand in."""
    files = [f for f in cast("list[Any]", context.get("files") or []) if isinstance(f, Mapping)]
    links = [(str(f["id"]), str(f["filename"])) for f in cast("list[Mapping[str, Any]]", files)]
    return Block("ctx-files", translate(lang, "ctx_files"), "files", links=links) if links else None


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in cast("list[Any]", value))


def _tables(context: Context, choices: Choices, lang: str) -> list[Block]:
    """Lists of lines; only columns that have a word."""
    found: list[Block] = []
    for key, value in context.items():
        if key in _DONE_ELSEWHERE or not _is_table(value) or not has(f"ctx_{key}"):
            continue
        lines = cast("list[Mapping[str, Any]]", value)
        columns = [c for c in dict.fromkeys(k for line in lines for k in line) if has(f"col_{c}")]
        numbers = {c for c in columns if is_money(c) or is_rate(c)}
        head = [Cell(translate(lang, f"col_{c}"), c in numbers) for c in columns]
        rows = [
            ([Cell(value_of(c, line.get(c), choices, lang), c in numbers) for c in columns], _differs(line))
            for line in lines
        ]
        rows.sort(key=lambda row: not row[1])  # what differs comes first
        block = Block(f"ctx-{key}", translate(lang, f"ctx_{key}"), "table", head=head, rows=rows)
        differing = sum(1 for _, differs in rows if differs)
        if key == "comparison":
            block.notes.append(_compared(len(rows), differing, lang))
            if context.get("not_on_list"):
                block.notes.append(Note(pick(lang, context["not_on_list"]), "bad"))
        if len(rows) > FOLD_ABOVE and not differing:
            block.summary = translate(lang, "ctx_show_lines", n=len(rows))
        found.append(block)
    return found


def _differs(line: Mapping[str, Any]) -> bool:
    return line.get("equal") is False or line.get("differs") is True


def _compared(lines: int, differing: int, lang: str) -> Note:
    if differing:
        return Note(translate(lang, "ctx_comparison_differs", n=differing), "bad")
    return Note(translate(lang, "ctx_comparison_equal", n=lines), "good")


def is_money(column: str) -> bool:
    """Whether a column holds yuan."""
    return any(
        column == m or column.startswith(f"{m}_") or column.endswith(f"_{m}") for m in _MONEY
    ) and not column.endswith(("_name", "_rate", "org_unit"))


def is_rate(column: str) -> bool:
    """Whether a column holds a share, shown in per cent."""
    return column.endswith("_rate")


def value_of(key: str, value: Any, choices: Choices, lang: str) -> str:
    """A value in words: codes by the catalogue, money with two places, yes and no, lists joined."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return translate(lang, "yes" if value else "no")
    if isinstance(value, Mapping):
        return pick(lang, cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        return translate(lang, "list_comma").join(value_of(key, v, choices, lang) for v in cast("list[Any]", value))
    text = str(value)
    if key.endswith("_at"):
        return show_moment(text)
    for group in (key, "insurance", "agency", "levy", "state", "bill_kind", "part"):
        if has(f"{group}_{text}"):
            return translate(lang, f"{group}_{text}")
    for choice in choices.get(key, []):
        if choice.code == text:
            return choice.label
    if is_rate(key):
        return show_percent(text)
    return show_money(text) if is_money(key) else preset(key, text, lang)
