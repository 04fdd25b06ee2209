"""The calculators in Chromium: each computes its example in both languages; accessible; by keyboard, without script."""

import os
import re

import pytest
from axe_playwright_python.async_playwright import Axe

from domain.calculations import CALCULATIONS
from tests.web.conftest import Site

pytestmark = pytest.mark.browser
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PICTURES = os.environ.get("PICTURES")


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_every_calculator_computes_its_example(site: Site, lang: str) -> None:
    page = await site.visitor("employee", lang)
    await page.goto("/calculations")
    assert await page.locator(".cards a").count() == len(CALCULATIONS)
    assert await page.locator("#nav a[aria-current]").get_attribute("href") == "/calculations"
    wrong: list[str] = []
    for name in CALCULATIONS:
        await page.goto(f"/calculations/{name}")
        await page.click("main form .btn-primary")
        await page.wait_for_selector("#result dl, #result table")
        assert await page.locator(".fault").count() == 0, name
        found = await Axe().run(page)
        if found.violations_count:
            wrong.append(f"{name}: {found.generate_report()}")
        text = await page.inner_text("main")
        shown = await page.inner_text("#result")
        wrong += [f"{name}: code {code}" for code in re.findall(r"\b(?:DL-[A-Z-]+|M\d\d|R\d\d|social_bureau)\b", shown)]
        if lang == "en":
            bare = re.sub("《[^》]*》", "", text)
            wrong += [f"{name}: {line}" for line in bare.splitlines() if CHINESE.search(line)]
        wrong += [f"{name}: {key}" for key in re.findall(r"\b(?:choice|column|field|insurance)_[a-z_]+", text)]
        if lang == "zh":
            offered = await page.locator("main form option, main form .form-check").all_inner_texts()
            wrong += [f"{name}: {words.strip()}" for words in offered if not CHINESE.search(words) and "÷" not in words]
        if PICTURES:
            await page.screenshot(path=f"{PICTURES}/{lang}-calculation-{name}.png", full_page=True)
    assert not wrong, "\n".join(wrong)


async def test_by_keyboard_and_without_script_with_a_fault_on_the_way(site: Site) -> None:
    page = await site.visitor("clerk", "zh", script=False)
    await page.goto("/calculations/add-days")
    await page.fill("#f-n", "10")
    await page.select_option("#f-unit", "working_days")
    await page.fill("#f-calendar", '{"2026": {"rest": ["2026-11-25"}}')
    async with page.expect_navigation():  # the answer has the same address
        await page.press("#f-n", "Enter")
    assert "第 1 行" in await page.inner_text("#faults")
    assert await page.input_value("#f-calendar") == '{"2026": {"rest": ["2026-11-25"}}'
    await page.fill("#f-calendar", '{"2026": {"rest": ["2025-11-25"]}}')
    async with page.expect_navigation():  # the answer has the same address
        await page.press("#f-n", "Enter")
    assert "2026.rest.0" in await page.inner_text("#f-calendar-fault")
    await page.fill("#f-calendar", '{"2026": {"rest": ["2026-11-25"]}}')
    async with page.expect_navigation():  # the answer has the same address
        await page.press("#f-n", "Enter")
    assert await page.locator("#faults").count() == 0
    assert "2026-12-09" in await page.inner_text("#result")
    answer = await page.goto("/calculations/add-day")
    assert answer.status == 404
    assert "add-days" in await page.inner_text("main")
