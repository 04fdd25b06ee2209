"""已知悉 in Chromium: from the messages, from the case, and the board's number with its list; two languages."""

import pytest

from runtime import clock
from schemas.base import Text
from schemas.process import Reminder, RungInstant, Transition
from store import projection
from store.database import session
from store.tables.processes import Process, Task
from tests.api.conftest import process_snapshot
from tests.web.conftest import Site
from tests.web.office import open_case, task_id
from tests.web.test_pages import check

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_an_escalation_is_acknowledged_from_the_messages_and_at_the_case(site: Site, lang: str) -> None:
    case = await open_case(1, ["verification"], 1)
    task, now = task_id(case, "verification"), clock.now()
    async with session() as s:
        revision = (await s.get_one(Process, case)).revision + 1
        reminders = [
            Reminder(
                task_id=task, to=to, at=now, text=Text(zh="升级：即将到期", en="Escalated: due soon"),
                rungs=[
                    RungInstant(key=f"{case}:{to}{n}", deadline_id="DL", rung=f"{to}-{n}", to=to, at=now)
                    for n in (1, 2)
                ],
            )
            for to in ("supervisor", "head")
        ]  # fmt: skip
        snapshot = process_snapshot(case, revision=revision)
        await projection.apply(s, Transition(process=snapshot, reminders=reminders), now)
    page = await site.visitor("supervisor", lang)
    await page.goto("/board")
    assert (await page.locator(".tile.escalations").inner_text()).startswith("4")
    await page.click(".tile.escalations")
    await page.wait_for_selector(".ladder tbody tr")
    wrong = await check(page, lang)
    assert await page.locator(".ladder tbody tr").count() == 2, "what was told together is one row"
    await page.goto("/messages")
    wrong += await check(page, lang)
    await page.click("form[action='/escalations/acknowledge'] button")
    await page.wait_for_selector("#said .notice.good")
    assert await page.locator("form[action='/escalations/acknowledge']").count() == 0
    wrong += await check(page, lang)
    head = await site.visitor("head", lang)
    for path in (f"/tasks/{task}", f"/cases/{case}"):
        await head.goto(path)
        assert await head.locator("#ladder form").count() == 1
        wrong += await check(head, lang)
    async with session() as s:
        row = await s.get_one(Task, task)
        row.state, row.closed_at, row.completed_by = "completed", now, "clerk"
    await head.goto(f"/cases/{case}")
    said = {"zh": "办结，此前无人知悉", "en": "nobody had acknowledged it"}[lang]
    assert await head.locator("#ladder td", has_text=said).count() == 1, "done without anybody's word"
    wrong += await check(head, lang)
    await head.eval_on_selector("#ladder form", "f => f.insertAdjacentHTML('beforeend', '<input name=key value=zz>')")
    await head.click("#ladder form button")
    await head.wait_for_selector("#acknowledged .fault")
    assert await head.locator("#acknowledged tbody tr").count() == 3
    wrong += await check(head, lang)
    await head.goto(f"/cases/{case}")
    assert await head.locator("#ladder form").count() == 0
    await head.goto("/escalations")
    wrong += await check(head, lang)
    assert await head.locator(".empty").count() == 1
    assert not wrong, "\n".join(wrong)
