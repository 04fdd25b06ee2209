"""The incident desk in Chromium: found from the board, refreshed by itself, decided with a reason; two languages."""

from typing import Any
from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError

from runtime import clock
from schemas.base import Text
from schemas.incident_faults import of_error
from schemas.process import Transition
from schemas.tasks import TaskSnapshot, TaskSpec, TaskState
from store import incidents, projection
from store.database import session
from store.incidents import Fault
from store.live import process_changed
from store.tables.processes import Process
from tests.api.conftest import process_snapshot
from tests.web.conftest import Site
from tests.web.office import open_case
from tests.web.test_manners import text
from tests.web.test_pages import check

pytestmark = pytest.mark.browser


async def retrying(case: str, step: str = "submit_application", agency: str = "social_bureau") -> str:
    """An incident as the worker opens it."""
    incident = incidents.incident_id(case, step, agency)
    async with session() as s:
        await incidents.failing(
            s, incident, "retrying", case, Fault("AgencyUnavailable", "社保局暂时无法访问"), clock.real_now(),
            step=step, activity_id=f"{step}/{agency}/1", attempts=7,
        )  # fmt: skip
    return incident


async def failed(case: str) -> str:
    """An incident as the projection opens it, with its task."""
    async with session() as s:
        revision = (await s.get_one(Process, case)).revision + 1
        spec = TaskSpec(
            key="incident/1", kind="incident.resolve", title=Text(zh="处理故障", en="Resolve incident"),
            roles=["admin", "clerk", "head", "supervisor"], stage="notice", outcomes=["retry", "skip"],
            data={"error": "BadRow", "message": "坏行", "step": "send_notice", "activity_id": "send_notice",
                  "cause": of_error(ApplicationError("坏行", type="BadRow")).model_dump()},
        )  # fmt: skip
        task = TaskSnapshot(
            id=str(uuid4()), process_id=case, revision=revision, spec=spec, state=TaskState.READY, version=1,
            opened_at=clock.now(),
        )  # fmt: skip
        await projection.apply(
            s, Transition(process=process_snapshot(case, revision=revision), tasks=[task]), clock.now()
        )
    return incidents.incident_id("task", task.id)


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_the_desk_is_translated_accessible_and_found_from_the_board(site: Site, lang: str) -> None:
    case = await open_case(1, ["verification"], 5)
    first, decision = await retrying(case), await failed(case)
    page = await site.visitor("clerk", lang)
    await page.goto("/board")
    tile = page.locator(".tile.incidents")
    assert (await tile.inner_text()).startswith("2")
    await tile.click()
    await page.wait_for_selector("#incidents-list tbody tr")
    assert await page.locator("#incidents-list tbody tr").count() == 2
    wrong = await check(page, lang)
    await page.goto(f"/cases/{case}")
    assert await page.locator("#case-incidents a").count() == 2
    wrong += await check(page, lang)
    for incident in (first, decision):
        await page.goto(f"/incidents/{incident}")
        wrong += await check(page, lang)
    boss = await site.visitor("supervisor", lang)
    await boss.goto(f"/incidents/{decision}")
    await boss.click("#incident-facts a[href^='/tasks/']")
    why = "程序出现了未预期的错误" if lang == "zh" else "an error that it does not know"
    assert why in await boss.inner_text("section:has(#ctx-facts)")
    wrong += await check(boss, lang)
    assert not await page.locator("text=Temporal").count()
    await page.goto("/incidents?kind=stuck&state=all")
    wrong += await check(page, lang)
    assert wrong == []


async def test_the_list_hears_of_a_new_one_and_filters(site: Site) -> None:
    case = await open_case(1, ["verification"], 5)
    page = await site.visitor("supervisor")
    await page.goto("/incidents")
    await page.wait_for_selector("#incidents-list .empty")
    await retrying(case)
    await page.wait_for_selector("#incidents-list tbody tr")
    assert "未能提交参保申请" in await text(page, "#incidents-list")
    assert "社保局" in await text(page, "#incidents-list") and "外国语学院" in await text(page, "#incidents-list")
    await page.check("[data-pick]")
    await page.click("#batch button[value=by_hand]")
    assert "请写明理由" in await text(page, "[role=alert]")
    assert await page.is_checked("[data-pick]"), "what was ticked stays"
    await page.fill("#reason", "系统停机")
    await page.click("#batch button[value=by_hand]")  # the case runs in no engine here
    assert await page.locator("#batch-result .mark.refused").count() == 1
    assert not await check(page, "zh")
    await page.select_option("select[name=kind]", "failed")
    await page.wait_for_selector("#incidents-list .empty")
    assert "kind=failed" in page.url


async def test_a_decision_needs_a_reason_and_who_may_not_sees_no_button(site: Site) -> None:
    case = await open_case(1, ["verification"], 5)
    incident = await retrying(case)
    page: Any = await site.visitor("clerk")
    await page.goto(f"/incidents/{incident}")
    assert await page.locator("#decide button").all_inner_texts() == ["重试", "更正资料后重试", "改为人工办理"]
    await page.click("button[value=by_hand]")
    assert "请写明理由" in await text(page, "[role=alert]")
    await page.fill("#reason", "系统停机，去窗口")
    await page.click("button[value=by_hand]")  # this case runs in no engine here: the refusal keeps what was typed
    await page.wait_for_selector("[role=alert]")
    assert await page.input_value("#reason") == "系统停机，去窗口"
    async with (
        session() as s
    ):  # the machine has done it meanwhile: what was typed stays until then, and no button after
        await incidents.failing(s, incident, "retrying", case, Fault("AgencyUnavailable"), clock.real_now(), attempts=8)
        await process_changed(s, case)
    await page.wait_for_selector("#incident-facts dd:text-is('8')")
    assert await page.input_value("#reason") == "系统停机，去窗口"
    async with session() as s:
        await incidents.end(s, incident, "succeeded", clock.real_now())
    await page.wait_for_selector("#decide", state="detached")
    assert "已自行恢复" in await text(page, "#incident-facts")
    incident = await retrying(case, "poll_application")
    admin = await site.visitor("admin")
    await admin.goto(f"/incidents/{incident}")
    assert await admin.locator("#decide button").all_inner_texts() == ["重试"]
    assert "AgencyUnavailable" in await text(admin, "#incident-facts")
    assert f"/workflows/{case}" in (await admin.get_attribute("a:text-is('在 Temporal 中查看')", "href"))
    auditor = await site.visitor("auditor")
    await auditor.goto(f"/incidents/{incident}")
    assert not await auditor.locator("#decide").count()
