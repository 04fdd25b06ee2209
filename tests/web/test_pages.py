"""The pages in Chromium: every page in both languages is whole, translated and accessible."""

import os
import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from runtime import clock
from store.database import session
from store.tables.people import User
from store.tables.processes import Comment, Process
from tests.web.conftest import Site
from tests.web.office import open_case, task_id
from tests.words import faults

pytestmark = pytest.mark.browser
PICTURES = os.environ.get("PICTURES")  # a folder: what the browser saw is kept there


async def check(page: Any, lang: str) -> list[str]:
    """What is wrong with a page: anything that axe finds; a code or a word of the other language."""
    if PICTURES:
        name = re.sub(r"[^a-z0-9]+", "-", page.url.split("/", 3)[3])[:60].strip("-")
        await page.screenshot(path=f"{PICTURES}/{lang}-{name}.png")
    found = await Axe().run(page)
    wrong = [found.generate_report()] if found.violations_count else []
    wrong += ["a name in the address is no filter"] if await page.locator("#unknown-filter").count() else []
    await page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    own = "document.querySelectorAll('[lang=zh][translate=no]').forEach(e => { e.hidden = %s; })"
    await page.evaluate(own % "true")  # an agency's own words, to be copied as they are
    wrong += faults(await page.inner_text("body"), lang)
    await page.evaluate(own % "false")
    return [f"{page.url}: {w}" for w in wrong]


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_every_page_is_translated_and_accessible(site: Site, lang: str) -> None:
    late = await open_case(1, ["materials"], -3)
    today = await open_case(2, ["verification"], 0, done=["materials"])
    both = await open_case(3, ["social_bureau", "medical_bureau"], 1, done=["materials", "verification"])
    signing = await open_case(4, ["tax_payment"], 40, done=["materials", "verification", "social_bureau"])
    wrong: list[str] = []
    then = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    page = await site.visitor("clerk", lang)
    for path in (
        "/inbox", "/inbox?view=all", "/inbox?view=cc", "/cover",
        "/inbox?view=behalf", "/inbox?view=done", "/inbox?view=all&overdue=true", "/cases",
        "/cases?overdue=true", f"/cases/{late}", f"/cases/{both}", "/board", "/calendar", "/pictures",
        f"/dates?from={clock.today()}", "/start", "/messages",
        f"/tasks/{task_id(late, 'materials')}", f"/tasks/{task_id(today, 'verification')}",
        f"/tasks/{task_id(today, 'verification')}?outcome=return", f"/tasks/{task_id(today, 'materials')}",
        f"/tasks/{task_id(both, 'medical_bureau')}?outcome=refused", f"/tasks/{task_id(both, 'social_bureau')}",
        f"/tasks/{task_id(signing, 'tax_payment')}", f"/cases/{signing}", f"/cases/{late}?at={then}",
        f"/inbox?view=all&at={then}",
        "/tasks/00000000-0000-0000-0000-000000000000",
    ):  # fmt: skip
        answer = await page.goto(path)
        assert answer.status == (404 if "0000-0000" in path else 200), path
        wrong += await check(page, lang)
    boss = await site.visitor("supervisor", lang)
    month = clock.today().isoformat()[:7]
    for path in ("/figures", "/figures?by=clerk&months=12", f"/figures/tasks?first={month}&last={month}"):
        answer = await boss.goto(path)
        assert answer.status == 200 and await boss.locator("main table").count(), path
        wrong += await check(boss, lang)
    async with session() as s:  # this case is about the employee, and a colleague has written into it
        process = await s.get_one(Process, both)
        process.reason = "X-417"
        (await s.get_one(User, "employee")).person_id = process.subject
        about = {"process_id": both, "task_id": task_id(both, "social_bureau")}
        s.add(Comment(**about, author="clerk", text="X-417", mentions=[], at=clock.now()))
    other = await site.visitor("employee", lang)
    for path in ("/my", f"/cases/{both}", f"/tasks/{task_id(both, 'social_bureau')}"):
        answer = await other.goto(path)
        assert answer.status == 200 and "X-417" not in await other.inner_text("body"), path
        wrong += await check(other, lang)
        await page.goto(path)  # who works with it reads all
        assert path == "/my" or "X-417" in await page.inner_text("body"), path
    assert (await other.goto(f"/cases/{late}")).status == 404
    guest = await (
        await site.browser.new_context(base_url=site.url, viewport={"width": 1366, "height": 768})
    ).new_page()
    await guest.goto(f"/sign-in?lang={lang}")
    found = await Axe().run(guest)
    assert found.violations_count == 0, found.generate_report()
    assert not wrong, "\n".join(wrong)
