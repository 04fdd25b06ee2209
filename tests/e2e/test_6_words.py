"""Every kind of process and task of the running product in both languages: no code stands where words belong."""

import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.e2e.installation import ONCE
from tests.e2e.office import Office
from tests.e2e.product import Product
from tests.e2e.test_5_chromium import visitor

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(360)]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# A person's Chinese name, a law's, an app's or its button's, a file's, the heading of somebody's sheet.
NAMES = re.compile(r"（[^（）]*）|Source: 《[^》]*》|“[^”]*”|\"[^\"]*\"|choose \S+|\S+\.xlsx|^(?:\[\w+\] )?[^:]+(?=: )")
WRITTEN = re.compile("(?:Process cancelled|Suspended|Resumed|Reason): ")  # then come people's own words
# Latin words among Chinese ones: codes with a small letter. Ids, forms and file names have capitals, digits or a point.
CODE = re.compile(r"(?<![\w./@-])(?:[a-z]+_[a-z_]+|[a-z]{3,})(?![\w./@-])")
LATIN_WORDS = {"xlsx", "pdf", "csv", "png", "jpg", "jpeg"}
DATA = {"外籍教师", "人员经费-社会保障缴费", "中文"}  # what the sample and the school's books call things


QUOTED = re.compile(r"“[^”]*”")


def faults(text: str, lang: str) -> list[str]:
    """Lines with a code in them, or with words of the other language. A code in quotes is one, words are somebody's."""
    found: list[str] = []
    for line in (part.strip() for part in text.splitlines()):
        if WRITTEN.match(line):
            continue
        plain = NAMES.sub("", line)
        if lang == "en" and CHINESE.search(plain) and line not in DATA:
            found.append(line)
        glued = re.search(r"[\u4e00-\u9fff][a-z]{3,}", plain)
        quoted = " ".join(QUOTED.findall(line)) if lang == "zh" and CHINESE.search(line) else ""
        codes = [w for w in CODE.findall(quoted) if w not in LATIN_WORDS]
        codes += [w for w in CODE.findall(plain) if lang == "zh" and CHINESE.search(plain) and w not in LATIN_WORDS]
        if glued or codes or re.search(r"\b[a-z]+(?:_[a-z]+)+\b", plain + " ".join(QUOTED.findall(line))):
            found.append(line)
    return found


async def _words(page: Any, address: str, lang: str) -> list[str]:
    answer = await page.goto(address)
    assert answer.status == 200, address
    await page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    return [f"{address}: {line}" for line in faults(await page.inner_text("main"), lang)]


def _changed(sample: Path, folder: Path) -> Path:
    """The sample's first person, with another word in every column that is chosen from a list."""
    book = openpyxl.load_workbook(sample)
    sheet = book.active
    sheet.delete_rows(3, sheet.max_row)
    heads = [cell.value for cell in sheet[1]]
    for head, value in {
        "性别": "女", "国籍代码": None, "国籍": "法国", "所属学院": "法学院", "聘用方式": "派遣",
        "协议国参保证明": "办理中",
    }.items():  # fmt: skip
        sheet.cell(2, heads.index(head) + 1).value = value
    file = folder / "changed.xlsx"
    book.save(file)
    return file


def test_the_check_sees_a_code() -> None:
    assert faults("等待lines", "zh") and faults("状态 tax_payment", "zh") and faults("waits for tax_payment", "en")
    assert faults("办结 closed", "zh") and faults("已办结", "en")
    assert faults("案件中为“local_hire”，表格中为“posted”", "zh") and faults("“local_hire” there", "en")
    assert faults("案件中为“business”，表格中为“法学院”", "zh")
    assert not faults("护照 C01X00T47，见 hires.xlsx", "zh") and not faults("Anna Muster（穆安娜）", "en")


@ONCE
@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_every_kind_of_process_and_task_speaks_in_words(
    product: Product, office: Office, chromium: Any, sample: Path, tmp_path: Path, lang: str
) -> None:
    pages: dict[tuple[str, ...], str] = {}
    for kind in ("enrolment", "tax_payment", "reimbursement"):
        for case in office.processes(kind=kind):
            pages.setdefault(("case", kind, case["state"], str(case["waiting_on"])), f"/cases/{case['id']}")
    kinds: set[str] = set()
    for view in ("all", "done", "behalf"):
        for name in ("clerk", "supervisor", "payroll", "finance", "college"):
            for task in office[name].tasks(view):
                kinds.add(task["kind"])
                pages.setdefault(("task", task["kind"], task["state"]), f"/tasks/{task['id']}")
    assert {k.partition(".")[0] for k in kinds} >= {"enrolment", "tax_payment", "reimbursement", "withholding"}, kinds
    upload = office["clerk"].upload("enrolment", sample)["id"]
    changed = office["clerk"].upload("enrolment", _changed(sample, tmp_path), mode="preview")
    assert changed["counts"]["changed"] == 1, changed["counts"]
    wrong: list[str] = []
    page = await visitor(chromium, product, "auditor")
    starter = await visitor(chromium, product, "clerk")
    for who in (page, starter):
        await who.goto(f"/board?lang={lang}")
    for address in pages.values():
        wrong += await _words(page, address, lang)
    for address in (upload, changed["id"]):
        wrong += await _words(starter, f"/start?import={address}", lang)
    for who in (page, starter):
        await who.context.close()
    assert not wrong, "\n".join(sorted(set(wrong)))
