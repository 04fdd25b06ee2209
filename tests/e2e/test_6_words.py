"""Every kind of process and task of the running product in both languages: no code stands where words belong."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.e2e.installation import ONCE
from tests.e2e.office import Office
from tests.e2e.product import Product
from tests.e2e.test_5_chromium import visitor
from tests.words import faults

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(360)]


async def _words(page: Any, address: str, lang: str) -> list[str]:
    answer = await page.goto(address)
    assert answer.status == 200, address
    # What a file holds stands in its own words: previews stay shut.
    await page.evaluate("document.querySelectorAll('details:not(.preview)').forEach(d => { d.open = true; })")
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
    assert faults("办结 closed", "zh") and faults("closed", "zh") and faults("已办结", "en")
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
