"""Many tasks at once in Chromium: chosen by mouse and key, answered with shared and own values, a result for each."""

from typing import Any

import pytest

from api import engine
from store.database import session
from store.submissions import values_of
from store.tables.processes import Process, Submission, Task
from tests.api.conftest import Engine
from tests.web.conftest import Site
from tests.web.office import holder_of, open_case, task_id
from tests.web.test_manners import text
from tests.web.test_pages import check

pytestmark = pytest.mark.browser


async def picked(page: Any) -> list[str]:
    return await page.eval_on_selector_all("input[data-pick]:checked", "boxes => boxes.map(b => b.value)")


async def test_choosing_by_mouse_and_key_outlives_a_refresh(site: Site) -> None:
    cases = [await open_case(n, ["verification"], 3 + n) for n in range(1, 6)]
    tasks = [task_id(c, "verification") for c in cases]
    page = await site.visitor("clerk")
    await page.goto("/inbox?view=group")
    button = page.locator("button[value=claim][data-needs-pick]")
    assert await button.is_disabled()
    await page.check("[data-pick-all]")
    assert set(await picked(page)) == set(tasks) and "5" in await text(page, "#picked")
    await page.uncheck("[data-pick-all]")
    rows = await page.eval_on_selector_all("input[data-pick]", "boxes => boxes.map(b => b.value)")
    await page.click(f"input[value='{rows[0]}']")
    await page.click(f"input[value='{rows[2]}']", modifiers=["Shift"])
    assert await picked(page) == rows[:3]
    await page.evaluate("document.activeElement.blur()")
    for key in ("j", "x", "j", "j", "j", "x"):  # drops the first, adds the fourth
        await page.keyboard.press(key)
    assert await picked(page) == rows[1:4]
    await page.evaluate(
        "document.getElementById('inbox-body').dataset.old = '1'; htmx.trigger('#inbox-live', 'sse:inbox')"
    )
    await page.wait_for_selector("#inbox-body:not([data-old])")
    await page.wait_for_function("document.querySelectorAll('input[data-pick]:checked').length === 3")
    assert await picked(page) == rows[1:4] and not await button.is_disabled()
    await page.keyboard.press("b")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#batch-result")
    assert await page.locator("#batch-result .mark.done").count() == 3
    assert [await holder_of(t) for t in rows] == [None, "clerk", "clerk", "clerk", None]
    assert not await check(page, "zh")
    await page.click("text=返回列表")
    await page.wait_for_selector("#inbox")


async def test_answers_have_shared_and_own_values_and_what_was_refused_comes_back(site: Site) -> None:
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    cases = [await open_case(n, ["medical_bureau"], 3) for n in range(1, 4)]
    tasks = [task_id(c, "medical_bureau") for c in cases]
    page = await site.visitor("clerk")
    await page.goto("/inbox?view=group&kind=registration.result")
    await page.check("[data-pick-all]")
    await page.click("button[value=complete]")
    await page.wait_for_selector("#batch-rows")
    assert await page.locator("#batch-rows tbody tr").count() == 3 and not await check(page, "zh")
    await page.select_option("#outcome", "refused")
    await page.click("text=切换")
    await page.wait_for_selector("#f-all-code")
    await page.select_option("#outcome", "approved")
    await page.click("text=切换")
    await page.wait_for_selector("#f-all-approved_on")
    for n, task in enumerate(tasks):
        await page.fill(f"[name='own.{task}.number']", "MED" if n == 1 else f"MED000{n}")
    async with page.context.expect_page() as opened:  # to look at one leaves the batch where it is
        await page.click("#batch-rows a[href^='/tasks/']")
    await (await opened.value).close()
    await page.reload()
    assert await page.input_value(f"[name='own.{tasks[2]}.number']") == "MED0002", "typed before the reload"
    await page.click("#batch-form .btn-primary")
    await page.wait_for_selector("#batch-result")
    assert await page.locator("#batch-result .mark.done").count() == 2
    assert await page.locator("#batch-rows tbody tr").count() == 1  # the refused one, as it was typed
    assert await page.input_value(f"[name='own.{tasks[1]}.number']") == "MED"
    assert "4" in await text(page, "#batch-rows .fault")
    assert not await page.evaluate("Object.keys(sessionStorage).filter(k => k.startsWith('baoqi.kept.')).length")
    await page.fill(f"[name='own.{tasks[1]}.number']", "MED0001")
    await page.click("#batch-form .btn-primary")
    await page.wait_for_function("document.querySelectorAll('#batch-result tbody tr').length === 1")
    async with session() as s:
        for n, task in enumerate(tasks):
            row = await s.get_one(Task, task)
            assert row.state == "completed" and row.submission_id
            given = values_of(await s.get_one(Submission, row.submission_id))
            assert given["number"] == f"MED000{n}"


async def test_passing_on_and_urging_in_english(site: Site) -> None:
    cases = [await open_case(n, ["verification"], 3) for n in range(1, 4)]
    tasks = [task_id(c, "verification") for c in cases]
    page = await site.visitor("supervisor", "en")
    await page.goto("/inbox?view=all")
    await page.check("[data-pick-all]")
    await page.click("button[value=reassign]")
    await page.wait_for_selector("#to")
    assert not await check(page, "en")
    await page.goto(f"/tasks/{tasks[0]}")
    await page.go_back()  # the step has an address of its own
    await page.wait_for_selector("#to")
    assert await page.locator("#batch-form input[name=task]").count() == 3
    await page.select_option("#to", "clerk2")
    await page.fill("#reason", "Balance of work")
    await page.click("#batch-form .btn-primary")
    await page.wait_for_selector("#batch-result")
    assert [await holder_of(t) for t in tasks] == ["clerk2"] * 3
    assert not await check(page, "en")
    await page.goto("/inbox?view=all")
    await page.check("[data-pick-all]")
    await page.click("button[value=urge]")
    await page.click("#batch-form .btn-primary")
    await page.wait_for_selector("#batch-result")
    assert await page.locator("#batch-result .mark.done").count() == 3


async def test_cases_are_suspended_together_with_one_reason(site: Site) -> None:
    stand_in = Engine()
    engine.use_client(stand_in)  # pyright: ignore[reportArgumentType]
    cases = [await open_case(n, ["verification"], 3) for n in range(1, 4)]
    page = await site.visitor("clerk")
    await page.goto("/cases?state=open")
    await page.check("[data-pick-all]")
    await page.uncheck(f"input[value='{cases[1]}']")
    await page.click("button[value=suspend]")
    await page.wait_for_selector("#reason")
    assert not await check(page, "zh")
    await page.fill("#reason", "学院推迟报到")
    stand_in.silent = True
    await page.click("#batch-form .btn-primary")
    await page.wait_for_selector("#batch-result")
    assert await page.locator("#batch-result .mark.waiting").count() == 2
    assert "可能稍后执行" in await text(page, "#batch-result .fault")
    stand_in.silent = False
    for _ in range(2):  # the same form again: the same command, and once it is confirmed no second one
        await page.reload()
        assert await page.locator("#batch-result .mark.done").count() == 2
    asked = sorted(key for _, key in stand_in.calls)
    assert asked[::2] == asked[1::2] and [c.split("/")[0] for c in asked[::2]] == sorted([cases[0], cases[2]])
    async with session() as s:
        (await s.get_one(Process, cases[1])).state = "suspended"
    await page.goto("/cases?state=open")
    await page.check("[data-pick-all]")
    await page.click("button[value=suspend]")
    assert "该个案已经中止" in await text(page, "#left-out li")
    reader = await site.visitor("auditor")
    await reader.goto("/cases?state=open")
    assert await reader.locator("[data-pick]").count() == 0
