"""Handing in for many at an agency, in Chromium: the list with fields to copy, the file, the receipt, the results."""

import io
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from api import engine
from runtime import clock
from store import documents
from store.database import session
from store.submissions import values_of
from store.tables.office import Document
from store.tables.processes import Submission, Task
from tests.api.conftest import Engine
from tests.imports.files import xlsx
from tests.web.conftest import Site
from tests.web.office import hire_values, open_case, task_id
from tests.web.test_manners import PDF, text
from tests.web.test_pages import PICTURES, check

pytestmark = pytest.mark.browser
SOCIAL, MEDICAL = "/agencies/social_bureau/hand-in", "/agencies/medical_bureau/hand-in"
BEFORE = ["materials", "verification"]


async def ready(numbers: range) -> list[str]:
    return [await open_case(n, ["social_bureau"], n, done=BEFORE) for n in numbers]


async def waiting(numbers: range) -> list[str]:
    return [await open_case(n, ["medical_bureau"], n, done=BEFORE) for n in numbers]


async def answers_to(case: str, stage: str) -> list[dict[str, Any]]:
    async with session() as s:
        rows = await s.scalars(select(Submission).where(Submission.task_id == task_id(case, stage)))
        return [values_of(row) for row in rows]


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_the_page_is_translated_accessible_and_fits_a_phone(site: Site, lang: str) -> None:
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    await ready(range(1, 4))
    await waiting(range(4, 6))
    page = await site.visitor("clerk", lang)
    wrong: list[str] = []
    await page.goto("/inbox")
    await page.click(".saved a[href='/agencies']")
    await page.wait_for_selector("#ready tbody tr")
    assert page.url.endswith(SOCIAL), "to where most waits"
    assert await page.get_attribute("#nav a[href='/agencies']", "aria-current") == "page"
    assert await page.locator("#ready tbody > tr").count() == 3
    wrong += await check(page, lang)
    await page.goto(MEDICAL)
    assert await page.locator("#waiting tbody > tr").count() == 2
    wrong += await check(page, lang)
    await page.click("#typed-results .act-bar button")
    await page.wait_for_selector(".notice.bad")
    wrong += await check(page, lang)
    for path in (SOCIAL, MEDICAL):
        await page.set_viewport_size({"width": 390, "height": 800})
        await page.goto(path)
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
        wrong += await check(page, lang)
        if PICTURES:
            await page.screenshot(path=f"{PICTURES}/{lang}-phone-{path.split('/')[2]}.png", full_page=True)
    assert not wrong, "\n".join(wrong)


async def test_the_file_the_fields_and_one_receipt_for_the_chosen(site: Site) -> None:
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    cases = await ready(range(1, 4))
    page = await site.visitor("clerk")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(SOCIAL)
    assert await page.locator("#ready input[data-pick]:checked").count() == 3, "everybody who is complete"
    await page.click("#ready tbody tr:first-child summary")
    await page.click("#ready tbody tr:first-child [data-copy]:has-text('证件号码')")
    await page.wait_for_selector("#copy-said:has-text('已复制')", state="attached")
    first = hire_values(1, clock.today())["id_number"]
    assert await page.evaluate("navigator.clipboard.readText()") == first

    last = task_id(cases[2], "social_bureau")
    await page.uncheck(f"input[value='{last}']")
    async with page.expect_download() as download:
        await page.click("button[formaction]")
    with open(await (await download.value).path(), "rb") as file:
        sheet = openpyxl.load_workbook(io.BytesIO(file.read())).worksheets[0]
    assert sheet.max_row == 3 and first in [str(c.value) for c in sheet[2]]

    # Without a file, and with one that is none: nothing is done, and what was typed and chosen stays.
    await page.fill("#f-receipt_no", "SL202611240077")
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector(".notice.bad:has-text('回执文件')")
    assert await page.input_value("#f-receipt_no") == "SL202611240077"
    assert not await page.is_checked(f"input[value='{last}']")
    await page.set_input_files(
        "#receipt-file", {"name": "x.pdf", "mimeType": "application/pdf", "buffer": b"MZ no pdf"}
    )
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector(".notice.bad:has-text('不是有效的 pdf')")
    assert await answers_to(cases[0], "social_bureau") == []

    # A day that nobody can have been handed in is said once, at its field; the file needs not be chosen again.
    await page.set_input_files("#receipt-file", PDF)
    day = await page.input_value("#f-handed_in_on")
    await page.fill("#f-handed_in_on", "2189-01-01")
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector("#f-handed_in_on-fault")
    assert await page.locator("#faults li").count() == 1 and not await page.locator("#receipt-result").count()
    assert not await check(page, "zh")
    await page.fill("#f-handed_in_on", day)
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector("#receipt-result")
    assert await page.evaluate("document.getElementById('receipt-file').files.length") == 0, "the next is another one"
    assert await page.locator("#receipt-result .mark.done").count() == 3, "the sum, and two people"
    assert await page.locator("#ready tbody > tr").count() == 1
    for case in cases[:2]:
        assert [a["receipt_no"] for a in await answers_to(case, "social_bureau")] == ["SL202611240077"]
    async with session() as s:
        kept = list(await s.scalars(select(Document).where(Document.code == "receipt")))
    assert sorted(d.process_id or "" for d in kept) == sorted(cases[:2])
    assert {documents.read_file(d) for d in kept} == {PDF["buffer"]}
    assert not await check(page, "zh")


async def test_one_who_was_taken_meanwhile_is_said_and_stays_with_the_reason(site: Site) -> None:
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    cases = await ready(range(1, 3))
    page, other = await site.visitor("clerk", "en"), await site.visitor("clerk2")
    await page.goto(SOCIAL)
    await other.goto(f"/tasks/{task_id(cases[0], 'social_bureau')}")
    await other.click("[data-claim]")
    await other.wait_for_selector("text=已认领")
    await page.fill("#f-receipt_no", "SL202611240078")
    await page.set_input_files("#receipt-file", PDF)
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector("#receipt-result .fault")
    assert "holds this task" in await text(page, "#receipt-result .fault")
    assert await page.locator("#receipt-result tbody .mark.done").count() == 1
    assert not await check(page, "en")


async def test_each_form_of_the_page_keeps_what_is_typed_in_the_other(site: Site) -> None:
    """A receipt that is refused, one that is taken, an empty list of results: nothing typed elsewhere is lost."""
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    first, _ = await ready(range(1, 3))
    (waits,) = await waiting(range(3, 4))
    async with session() as s:
        (await s.get_one(Task, task_id(waits, "medical_bureau"))).authority = "social_bureau"
    page = await site.visitor("clerk")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(SOCIAL)
    number, receipt = f"[name='number.{waits.removeprefix('enrolment-')}']", "#f-receipt_no"
    await page.fill(receipt, "SR-77")
    await page.click("#typed-results .act-bar button")
    await page.wait_for_selector(".notice.bad:has-text('至少填写一人')")
    assert await page.input_value(receipt) == "SR-77"
    await page.fill(number, "DEU0C03X00T47")
    await page.uncheck(f"input[value='{task_id(first, 'social_bureau')}']")
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector(".notice.bad:has-text('回执文件')")
    assert await page.input_value(number) == "DEU0C03X00T47"
    await page.set_input_files("#receipt-file", PDF)
    await page.click("#hand-in .act-bar button")
    await page.wait_for_selector("#receipt-result .mark.done")
    assert await page.input_value(number) == "DEU0C03X00T47"
    assert not [text for text in said if "Content Security Policy" in text]


async def test_results_are_typed_or_uploaded_and_each_wrong_row_is_named(site: Site) -> None:
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    cases = await waiting(range(1, 4))
    number = [c.removeprefix("enrolment-") for c in cases]
    page = await site.visitor("clerk")
    await page.goto(MEDICAL)
    await page.fill(f"[name='number.{number[0]}']", "DEU0C01X00T47")
    await page.fill(f"[name='number.{number[1]}']", "DEU0C02X00T47")
    await page.select_option(f"[name='code.{number[1]}']", "R08")
    await page.click("#typed-results .act-bar button")
    await page.wait_for_selector("#results")
    assert await page.locator("#results tbody .mark.done").count() == 1
    assert "只保留一个" in await text(page, "#results .fault")
    assert await page.input_value(f"[name='number.{number[1]}']") == "DEU0C02X00T47", "what was typed stays"
    assert await page.locator("#waiting tbody > tr").count() == 2
    assert not await check(page, "zh")

    from_agency = xlsx(
        [["证件号码", "个人编号", "退回原因代码"], [None, None, "R01"], ["C99X00T49", "DEU0C99X00T49", None]]
        + [[hire_values(n, clock.today())["id_number"], None, "R08"] for n in (2, 3)]
    )
    name = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    for outcome in ("done", "none"):  # the second time it was recorded before
        await page.set_input_files("#results-file", {"name": "结果.xlsx", "mimeType": name, "buffer": from_agency})
        async with page.expect_navigation():
            await page.click("#waiting button:has-text('上传并登记')")
        typed = outcome == "done"  # the row that was refused above: drawn again, and not left for an address
        assert ("?results=" in page.url) is not typed
        assert await page.locator(f"#results tbody .mark.{outcome}").count() == 2, outcome
        assert await page.locator("#results tbody .mark.refused").count() == 2
        assert "没有找到此人" in await text(page, "#results")
        assert not await check(page, "zh")
        if outcome == "done":
            await page.goto(MEDICAL)
    async with page.expect_download() as download:
        await page.click("#results header a")
    with open(await (await download.value).path(), "rb") as file:
        back = openpyxl.load_workbook(io.BytesIO(file.read())).worksheets[0]
    assert back.max_row == 3
    async with session() as s:
        closed = list(await s.scalars(select(Task).where(Task.closed_at.is_not(None), Task.stage == "medical_bureau")))
    assert {t.process_id for t in closed} == set(cases)

    await page.set_input_files("#results-file", {"name": "x.xlsx", "mimeType": name, "buffer": xlsx([["a"], ["b"]])})
    await page.click("#waiting button:has-text('上传并登记')")
    await page.wait_for_selector(".notice.bad:has-text('表头')")


async def test_who_hands_nothing_in_has_no_such_page(site: Site) -> None:
    page = await site.visitor("college")
    assert await page.locator("#nav a[href='/agencies']").count() == 0
    for path in ("/agencies", SOCIAL):
        answer = await page.goto(path)
        assert answer.status == 403
    clerk = await site.visitor("clerk")
    assert (await clerk.goto("/agencies/tax_office/hand-in")).status == 404
