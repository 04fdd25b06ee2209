"""Each house rule catches what it is for and leaves its neighbour alone."""

import pytest

from lints.rules import check

HEAD = '"""What this is for."""\n'
CAUGHT = [
    ("workflows/a.py", "await workflow.execute_local_activity(f)", "local-activity"),
    ("domain/a.py", "x = datetime.now(UTC)", "wall-clock"),
    ("workflows/a.py", "x = date.today()", "wall-clock"),
    ("domain/a.py", "x = ZoneInfo('Asia/Shanghai')", "wall-clock"),
    ("api/a.py", "x = datetime.now(UTC)", "wall-clock"),
    ("domain/a.py", "def f(late_fee: float) -> None: ...", "float-money"),
    ("store/a.py", "amount: Mapped[float] = column()", "float-money"),
    ("activities/a.py", "x = float(line.amount)", "float-money"),
    ("api/a.py", "Text(zh='缺少材料')", "untranslated"),
    ("api/a.py", "Text(zh='A document is missing', en='A document is missing')", "untranslated"),
    ("api/a.py", "Text(zh='缺少材料', en=f'缺少 {x}')", "untranslated"),
    ("docs/a.md", "see https://py" + "pi.org/x", "forbidden-words"),
    ("store/a.py", "# TO" + "DO later", "forbidden-words"),
    ("api/a.py", "await session.commit()", "own-commit"),
    ("api/a.py", "\n" * 500, "length"),
]
LEFT = [
    ("workflows/a.py", "await workflow.execute_activity(f)"),
    ("simulators/a.py", "x = time.time()"),
    ("cli/a.py", "x = time.monotonic()"),
    ("domain/a.py", "def f(late_fee: Decimal, share: float) -> None: ..."),
    ("api/a.py", "Text(zh='缺少材料', en=f'{x} is missing')"),
    ("api/a.py", "x = datetime.now(UTC)  # lint: allow wall-clock - measures the machine itself"),
    ("store/a.py", "async with session() as s: pass"),
]


@pytest.mark.parametrize(("path", "code", "rule"), CAUGHT)
def test_caught(path: str, code: str, rule: str) -> None:
    text = code if path.endswith(".md") else HEAD + code
    assert rule in {fault.rule for fault in check(path, text)}


@pytest.mark.parametrize(("path", "code"), LEFT)
def test_left_alone(path: str, code: str) -> None:
    assert check(path, HEAD + code) == []


def test_a_reason_is_required() -> None:
    faults = check("api/a.py", HEAD + "x = datetime.now(UTC)  # lint: allow wall-clock")
    assert [f.rule for f in faults] == ["wall-clock"]


def test_a_module_without_docstring_is_named() -> None:
    assert [f.rule for f in check("api/a.py", "x = 1\n")] == ["module-docstring"]
