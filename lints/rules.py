"""The rules. Each takes a parsed file and yields faults; `RULES` is the list in force."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

PURE = ("domain", "workflows", "schemas")
OURS = (
    "schemas", "domain", "policies", "workflows", "runtime", "store", "activities", "api", "web", "worker",
    "simulators", "embedded", "cli", "lints",
)  # fmt: skip
LINES = 450
CHINESE = re.compile(r"[\u4e00-\u9fff]")
MONEY = re.compile(r"(^|_)(amount|wage|salary|base|fee|total|money|price|cents|yuan)(s|_|$)")
# Spelled apart so that this file does not contain what it forbids.
FORBIDDEN = re.compile(
    "|".join(
        "".join(parts)
        for parts in (
            ("pypi", r"\.org"), ("python", "hosted", r"\.org"), ("registry", r"\.npmjs"), ("deb", r"\.debian\.org"),
            ("/wo", "rk/"), (r"\.\./", "shared"), (r"\bTO", r"DO\b"), (r"\bFIX", r"ME\b"), ("NotImplemented", "Error"),
        )
    )
)  # fmt: skip


@dataclass(frozen=True)
class File:
    """One source file: its path in the project, its text and, for Python, its tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module | None

    @property
    def top(self) -> str:
        return self.path.parts[0]


@dataclass(frozen=True)
class Fault:
    path: PurePosixPath
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


Found = Iterator[tuple[int, str]]


def _nodes(file: File) -> Iterator[ast.AST]:
    if file.tree is not None:
        yield from ast.walk(file.tree)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def local_activity(file: File) -> Found:
    """Local activities together with queries make histories that cannot be replayed."""
    for node in _nodes(file):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if re.fullmatch(r"(execute|start)_local_activity(_class|_method)?", name):
            yield getattr(node, "lineno", 1), "no local activities: use a normal activity with a short time-out"


WALL_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.monotonic",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
}  # fmt: skip
OWN_CLOCKS = ("runtime", "simulators", "tests", "bench", "lints", "embedded")


def wall_clock(file: File) -> Found:
    """Rules and workflows are told the time; everything else asks `runtime.clock`, which a demo can move."""
    if file.top in OWN_CLOCKS:
        return
    for node in _nodes(file):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        measuring = name == "time.monotonic" and file.top not in PURE
        if name in WALL_CLOCKS and not measuring:
            yield node.lineno, f"{name}(): pass the time in" if file.top in PURE else f"{name}(): use runtime.clock"
        if file.top in PURE and name in ("clock.now", "clock.today", "clock.real_now", "ZoneInfo", "zoneinfo.ZoneInfo"):
            yield node.lineno, f"{name}(): rules and workflows have no clock and a fixed +08:00"


def float_money(file: File) -> Found:
    """Money is Decimal, from the file a clerk uploads to the ledger."""
    if file.top not in ("domain", "schemas", "store", "activities", "workflows", "api"):
        return
    for node in _nodes(file):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            target = node.arg if isinstance(node, ast.arg) else _dotted(node.target).rpartition(".")[2]
            kinds = {n.id for n in ast.walk(node.annotation) if isinstance(n, ast.Name)}
            if "float" in kinds and MONEY.search(target):
                yield node.lineno, f"{target}: money is Decimal, never float"
        if isinstance(node, ast.Call) and _dotted(node.func) == "float" and node.args:
            inner = _dotted(node.args[0]).rpartition(".")[2]
            if MONEY.search(inner):
                yield node.lineno, f"float({inner}): money is Decimal, never float"
        if isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] in (
            "Float",
            "REAL",
            "DOUBLE_PRECISION",
        ):
            yield node.lineno, "a Float column: amounts are Numeric, instants are timestamps"


def untranslated(file: File) -> Found:
    """`Text(zh=…, en=…)`: both said, each in its language."""
    for node in _nodes(file):
        if not (isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] == "Text"):
            continue
        said = {k.arg: k.value for k in node.keywords if k.arg in ("zh", "en")}
        if not said:
            continue
        for language in ("zh", "en"):
            value = said.get(language)
            if value is None:
                yield node.lineno, f"Text without {language}"
            elif isinstance(value, ast.Constant | ast.JoinedStr):
                words = "".join(str(n.value) for n in ast.walk(value) if isinstance(n, ast.Constant))
                dynamic = isinstance(value, ast.JoinedStr)
                if not words.strip() and not dynamic:
                    yield value.lineno, f"Text with an empty {language}"
                elif language == "en" and CHINESE.search(words):
                    yield value.lineno, "Chinese in the English sentence"
                elif language == "zh" and re.search(r"[A-Za-z]{3,} [A-Za-z]{2,}", words) and not CHINESE.search(words):
                    yield value.lineno, "an English sentence where the Chinese one belongs"


def forbidden_words(file: File) -> Found:
    """Addresses of package registries, paths of one machine, and work left undone do not belong in the project."""
    for number, line in enumerate(file.text.splitlines(), 1):
        if found := FORBIDDEN.search(line):
            yield number, f"{found.group()!r} does not belong here"


def module_docstring(file: File) -> Found:
    """Every module says what it is for."""
    if file.tree is None or file.top not in OURS or "versions" in file.path.parts:
        return
    if file.tree.body and not ast.get_docstring(file.tree):
        yield 1, "module without a docstring"


def length(file: File) -> Found:
    """A file that one can read in one sitting."""
    lines = file.text.count("\n")
    if file.path.suffix == ".py" and lines > LINES:
        yield lines, f"{lines} lines: split it (limit {LINES})"


def own_commit(file: File) -> Found:
    """One transaction per request or activity: `store.database.session` commits, nobody else."""
    if file.top not in ("store", "api", "web", "activities", "worker", "cli") or "migrations" in file.path.parts:
        return
    for node in _nodes(file):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit":
            yield node.lineno, "commit(): only store.database.session commits"


RULES: list[Callable[[File], Found]] = [
    local_activity,
    wall_clock,
    float_money,
    untranslated,
    forbidden_words,
    module_docstring,
    length,
    own_commit,
]


def check(path: str, text: str) -> list[Fault]:
    """All faults of one file. Raises `SyntaxError` for Python that does not parse."""
    tree = ast.parse(text) if path.endswith(".py") else None
    file = File(PurePosixPath(path), text, tree)
    lines = text.splitlines()
    faults: list[Fault] = []
    for rule in RULES:
        name = rule.__name__.replace("_", "-")
        for line, message in rule(file):
            written = lines[line - 1] if 0 < line <= len(lines) else ""
            if not re.search(rf"# lint: allow {name} - \S", written):
                faults.append(Fault(file.path, line, name, message))
    return sorted(faults, key=lambda f: f.line)
