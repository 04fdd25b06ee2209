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
    ("domain/a.py", "late_fee_rate = 0.0005", "law-number"),
    ("domain/a.py", "due = owed * 1.1", "law-number"),
    ("domain/a.py", "FACTOR = Decimal('1.10')", "law-number"),
    ("domain/a.py", "floor = regional_avg * 60 / 100", "law-number"),
    ("domain/a.py", "cap_share = Decimal('3')", "law-number"),
    ("domain/a.py", "RETIRES = {'base_years': 60}\nx = row['base_years'] >= 60", "law-number"),
    ("domain/a.py", "if paid_months >= 180: pass", "law-number"),
    ("workflows/a.py", "by = add_months(permit, 3)", "law-number"),
    ("workflows/a.py", "by = add_to_month(month, -3)", "law-number"),
    ("activities/a.py", "by = day + timedelta(days=30)", "law-number"),
    ("api/a.py", "def f(tolerance_months: int = 4) -> None: ...", "law-number"),
    ("store/a.py", "elastic = months(late=36, early_months=36)", "law-number"),
    ("domain/a.py", "floor, cap = 4588, 22938", "law-number"),
    ("domain/a.py", "RATES = {'pension': ('0.16', '0.08')}", "law-number"),
    ("domain/a.py", "x = min(max(wage, 4588), cap)", "law-number"),
    ("domain/a.py", "enough = paid >= 180", "law-number"),
    ("domain/a.py", "def waits(): return 30", "law-number"),
    ("domain/a.py", "def share(x): return '0.16' if x else None", "law-number"),
    ("workflows/a.py", "by = sorted(x, key=lambda c: 45)", "law-number"),
    ("workflows/a.py", "PAY_DAY = 25", "law-number"),
    ("store/a.py", "pay_day = given or 25", "law-number"),
    ("api/a.py", "months = 12 if early else 36", "law-number"),
    ("domain/a.py", "paid_months += 12", "law-number"),
    ("domain/a.py", "x = {'pay_day': 25}", "law-number"),
    ("activities/a.py", "rates['pension'] = ('0.16', '0.08')", "law-number"),
    ("activities/a.py", "of(text, '0.16')", "law-number"),
    ("domain/a.py", "total = of(text, 0.16)", "law-number"),
    ("store/a.py", "GRADES_months = {1: 27, 2: 25}", "law-number"),
]
LEFT = [
    ("workflows/a.py", "await workflow.execute_activity(f)"),
    ("simulators/a.py", "x = time.time()"),
    ("cli/a.py", "x = time.monotonic()"),
    ("domain/a.py", "def f(late_fee: Decimal, share: float) -> None: ..."),
    ("api/a.py", "Text(zh='缺少材料', en=f'{x} is missing')"),
    ("api/a.py", "x = datetime.now(UTC)  # lint: allow wall-clock - measures the machine itself"),
    ("store/a.py", "async with session() as s: pass"),
    ("domain/a.py", "percent = rate * 100"),
    ("domain/a.py", "def none(): return 0\ndef both(): return 1, -1"),
    ("domain/a.py", "whole = len(day) == 10"),
    ("schemas/a.py", "rate: str = Field(examples=['0.16'], json_schema_extra={'examples': [{'rate': '0.08'}]})"),
    ("api/a.py", "PATIENCE = 3.0\nx = {'maxLength': 500}"),
    ("domain/a.py", "CENT = Decimal('0.01')\nNOTHING = Decimal('0.00')"),
    ("domain/a.py", "by = add_to_month(month, rule.notice_months)\nend = add_months(day, -1)"),
    ("domain/a.py", "timeout = timedelta(seconds=60)\nkey = int(text, 36)"),
    ("domain/a.py", "first = f'{value[:6]}19'\nok = len(value) == 18"),
    ("domain/a.py", "WEIGHTS = (7, 9, 10)  # lint: allow law-number - the standard GB 11643"),
    ("store/migrations/versions/a.py", "lasts = timedelta(days=30)"),
    ("simulators/a.py", "answer_days = 3"),
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
