"""What people do to tasks and cases beside finishing them, on the pages, with a real worker behind: every refusal comes
back as a sentence, every act is told on the page that follows."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.worker import Worker

from activities.registry import all_activities
from api import engine, starts
from runtime.namespace import prepare
from store import imports, policies
from store.database import session
from store.tables.processes import Process
from tests.api.conftest import hire
from tests.web.conftest import Site
from tests.web.test_manners import PDF, text
from tests.web.test_pages import check
from worker.activations import OneAtATime
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS

pytestmark = pytest.mark.browser
TYPED = ("穆安娜", "88号", "系统升级", "等待复函", "护照在换发")  # by people, shown as it is in every language


@pytest_asyncio.fixture(loop_scope="session")
async def busy(site: Site) -> AsyncIterator[Site]:
    """The site with a worker, in a namespace of its own: what is posted reaches the process, and comes back."""
    site.settings.temporal_namespace = site.settings.temporal_task_queue
    own = await prepare(site.settings)
    engine.use_client(own)
    async with Worker(
        own,
        task_queue=site.settings.temporal_task_queue,
        workflows=WORKFLOWS,
        activities=all_activities(),
        workflow_runner=workflow_runner(),
        workflow_task_executor=OneAtATime(),
    ):
        yield site


async def begin(**changes: Any) -> str:
    """A case that runs; returns its id."""
    async with session() as s:
        case = (await imports.open_enrolment(s, hire(**changes), "clerk", source="test")).id
    assert await starts.start_pending([case]) == 1
    return case


async def open_task(page: Any, words: str) -> str:
    """Waits for a task by its title in the inbox and opens it; returns its address."""
    for _ in range(300):
        await page.goto("/inbox?view=all")
        link = page.locator(f"#inbox tbody a:has-text('{words}')")
        if await link.count():
            await link.first.click()
            await page.wait_for_selector("#facts-title")
            return str(page.url)
    raise AssertionError(f"no task {words}")


async def test_dates_are_moved_on_the_pages_and_a_suspended_case_says_what_runs_on(busy: Site) -> None:
    case = await begin()
    boss = await busy.visitor("supervisor")
    task = await open_task(boss, "提交参保材料")
    await boss.click("summary:text-is('延长校内时限')")
    wrong = await check(boss, "zh")
    later = date.fromisoformat(await boss.input_value("#extend-due"))
    await boss.fill("#extend-due", (later - timedelta(days=20)).isoformat())
    await boss.fill("#extend-reason", "护照在换发")
    await boss.click("details[open] button:has-text('延长校内时限')")
    assert "新的时限应晚于" in await text(boss, "#work .notice.bad")
    assert await boss.input_value("#extend-reason") == "护照在换发", "the form is open again, as it was typed"
    again = policies.calendar("school").next_working_day(later)
    await boss.fill("#extend-due", again.isoformat())
    await boss.click("details[open] button:has-text('延长校内时限')")
    await boss.wait_for_selector("#said .notice.good")
    assert "护照在换发" in "".join(await boss.locator(".derivation").all_text_contents())

    await boss.goto(f"/cases/{case}")
    await boss.click("summary:text-is('登记经办机构关于期限的决定')")
    wrong += await check(boss, "zh")
    async with session() as s:
        fixed = [d for d in (await s.get_one(Process, case)).deadlines if d["legal_kind"] != "internal"]
    due = date.fromisoformat(next(d["due"] for d in fixed if d["met_at"] is None))
    decided = due - timedelta(days=1)
    await boss.fill("#decide-due", decided.isoformat())
    await boss.fill("#decide-number", "成社险函〔2026〕88号")
    await boss.fill("#decide-reason", "系统升级")
    await boss.set_input_files("#decide-paper", PDF)
    await boss.click("details[open] button:has-text('登记经办机构关于期限的决定')")
    await boss.wait_for_selector("#decide-due-fault")  # earlier than before: to be confirmed, and nothing is lost
    assert await boss.input_value("#decide-due") == decided.isoformat()
    assert await boss.input_value("#decide-number") == "成社险函〔2026〕88号"
    assert "文件需重新选择" in await text(boss, "#decide-date")
    wrong += await check(boss, "zh")
    await boss.check("#decide-earlier")
    await boss.set_input_files("#decide-paper", PDF)
    await boss.click("details[open] button:has-text('登记经办机构关于期限的决定')")
    await boss.wait_for_selector("#said .notice.good")
    await boss.click("summary:text-is('中止')")
    await boss.fill("#reason-suspend", "等待复函")
    await boss.click("details[open] button:text-is('中止')")
    await boss.wait_for_selector("#runs-on")
    assert "外籍人员参保登记" in await text(boss, "#runs-on")
    wrong += await check(boss, "zh")
    head = await busy.visitor("head", "en")
    await open_task(head, "Confirm a decision")
    assert decided.isoformat() in await text(head, "#work")
    wrong += await check(head, "en")
    await head.click(".act-bar .btn-primary")
    await head.wait_for_selector("#said .notice.good")
    await head.goto(f"/cases/{case}")
    assert f"{decided.day} {decided:%b}" in await text(head, "#runs-on")
    wrong += await check(head, "en")
    assert task and not [w for w in wrong if not any(typed in w for typed in TYPED)]
