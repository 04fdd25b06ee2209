"""The rules. Each takes a parsed file and yields faults; `RULES` is the list in force."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
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


LAWFUL = ("schemas", "domain", "workflows", "activities", "api", "store", "web")
LAW_WORDS = re.compile(
    r"(^|_)(rate|share|percent|pct|ratio|factor|multiple|multiplier|floor|cap|threshold|age|years|quarter|months|days|day"
    r"|grade|tolerance|deadline|due|norm|weight|weights|limits|base|wage|fee|premium|pension|amount|paid|owed|cohort)"
    r"(s|_|$)",
    re.IGNORECASE,
)
MONEY_WORDS = re.compile(r"(^|_)(rate|share|wage|base|avg|average|floor|cap|owed|arrears)(s|_|$)")
COUNTERS = re.compile(r"^(add_months?|add_to_month|add_days|add_working_days|add_calendar_days|relativedelta)$")
NEUTRAL_DECIMAL = re.compile(
    r"-?(0*\.?0*|0*10*(\.0*)?|0?\.0*10*)"
)  # zero and powers of ten: cents, shares of a hundred
_DECIMAL = re.compile(r"-?\d*\.\d+")  # written as text, as exact numbers are
NEUTRAL = (-1, 0, 1, 100)


def law_number(file: File) -> Found:
    """A number of the law is data of `policies/`, with source and day: no rate, age, share, month or day count here.

    Found where a number is written next to what it means: bound to or compared with a name of that kind (`days`,
    `rate`, `months`…), a factor of money, handed to what counts days or months; where a function answers with it; or
    where it is written as an exact decimal, whatever for. 0, 1, -1, the 100 of a percentage and powers of ten as
    decimals say nothing, and examples of a description are none of ours.
    """
    if file.top not in LAWFUL or "migrations" in file.path.parts:
        return
    examples = _examples(file)
    for node in _nodes(file):
        if node in examples:
            continue
        if isinstance(node, ast.Return | ast.Lambda) and (value := _answer(node)) is not None:
            number = next((n for n in _numbers(value) if n not in NEUTRAL), None)
            if number is not None:
                yield value.lineno, f"answers {number}: a number of the law belongs into policies/"
        if isinstance(node, ast.Constant) and (number := _exact(node, file)) is not None:
            yield node.lineno, f"{number}: a number of the law belongs into policies/"
        for name, value in _named_values(node):
            number = next((n for n in _numbers(value) if n not in NEUTRAL), None)
            if number is not None and LAW_WORDS.search(name):
                yield value.lineno, f"{name} {number}: a number of the law belongs into policies/"
        if isinstance(node, ast.Call):
            name = _dotted(node.func).rpartition(".")[2]
            if name == "Decimal" and node.args and isinstance(node.args[0], ast.Constant):
                written = str(node.args[0].value)
                if not NEUTRAL_DECIMAL.fullmatch(written):
                    yield node.lineno, f"Decimal {written}: a number of the law belongs into policies/"


def _examples(file: File) -> set[ast.AST]:
    """Everything in what a description of fields gives as examples."""
    found: set[ast.AST] = set()
    for node in _nodes(file):
        given: list[ast.expr] = []
        if isinstance(node, ast.keyword) and node.arg == "examples":
            given = [node.value]
        elif isinstance(node, ast.Dict):
            given = [v for k, v in zip(node.keys, node.values, strict=True) if _word(k) == "examples"]
        found |= {inner for value in given for inner in ast.walk(value)}
    return found


def _word(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _answer(node: ast.Return | ast.Lambda) -> ast.expr | None:
    """What a function answers with, where numbers of it have no names."""
    value = node.value if isinstance(node, ast.Return) else node.body
    return None if isinstance(value, ast.Dict) else value


def _exact(node: ast.Constant, file: File) -> str | float | None:
    """A decimal written as text; where rules are computed one written as a number, too."""
    value = node.value
    if isinstance(value, str):
        return value if _DECIMAL.fullmatch(value) and not NEUTRAL_DECIMAL.fullmatch(value) else None
    if isinstance(value, float) and file.top in ("domain", "workflows") and value not in NEUTRAL:
        return value
    return None


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and the values written for them: assignment, keyword, default, comparison; the counters' arguments."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            pairs = zip(target.elts, _elements(node.value), strict=False) if isinstance(target, ast.Tuple) else ()
            yield from ((_last(t), v) for t, v in pairs)
            yield _last(target), node.value
    elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
        yield _last(node.target), node.value
    elif isinstance(node, ast.Dict):
        yield from ((_word(k), v) for k, v in zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.Call):
        name = _last(node.func)
        yield from ((k.arg or "", k.value) for k in node.keywords)
        if COUNTERS.match(name):
            yield from (("days", a) for a in node.args)
        if name in ("min", "max", "clamp") and any(MONEY_WORDS.search(_last(a)) for a in node.args):
            yield from (("floor", a) for a in node.args)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if MONEY_WORDS.search(_last(one)):
                yield "share", other
    elif isinstance(node, ast.arguments):
        named = [*node.posonlyargs, *node.args]
        yield from zip((a.arg for a in named[len(named) - len(node.defaults) :]), node.defaults, strict=True)
        yield from ((a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None)
    elif isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        for one, other in pairwise(sides):
            yield _last(one), other
            yield _last(other), one


def _elements(value: ast.expr) -> list[ast.expr]:
    return value.elts if isinstance(value, ast.Tuple | ast.List) else []


def _last(node: ast.expr) -> str:
    """The name a value is known by: of `a.paid_months`, `len(days)` and `row["rate"]` the last word. The length of one
    thing (`len(day)`) is that of a text."""
    if isinstance(node, ast.Call) and _dotted(node.func) == "len" and node.args:
        counted = _last(node.args[0])
        return counted if counted.endswith("s") else ""
    if isinstance(node, ast.Call):
        return _last(node.func)
    if isinstance(node, ast.Subscript):
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else _last(node.value)
    return _dotted(node).rpartition(".")[2]


def _numbers(value: ast.expr) -> Iterator[int | float]:
    """The numbers of a literal; those inside of an expression (12 * years) say nothing by themselves."""
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value = value.operand
    if isinstance(value, ast.IfExp):
        yield from _numbers(value.body)
        yield from _numbers(value.orelse)
    elif isinstance(value, ast.BoolOp):
        for item in value.values:
            yield from _numbers(item)
    elif isinstance(value, ast.Tuple | ast.List | ast.Set):
        for item in value.elts:
            yield from _numbers(item)
    elif isinstance(value, ast.Dict):
        for item in value.values:
            yield from _numbers(item)
    elif isinstance(value, ast.Constant) and isinstance(value.value, int | float) and not isinstance(value.value, bool):
        yield value.value
    elif isinstance(value, ast.Constant) and isinstance(text := value.value, str) and _DECIMAL.fullmatch(text):
        yield from () if NEUTRAL_DECIMAL.fullmatch(text) else (float(text),)


RULES: list[Callable[[File], Found]] = [
    local_activity,
    wall_clock,
    float_money,
    untranslated,
    forbidden_words,
    module_docstring,
    length,
    own_commit,
    law_number,
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
