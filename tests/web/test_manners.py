"""What one does on the pages: claim, upload, be corrected, act on behalf, see others' changes, start a list."""

import asyncio
import re
from typing import Any

import pytest

from cli.demo_people import demo_hires, write_hires
from domain.times import at
from runtime import clock
from tests.web.conftest import Site
from tests.web.office import cases_in_rows, holder_of, open_case, task_id

pytestmark = pytest.mark.browser
PDF = {"name": "passport.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4\n1 0 obj<<>>endobj\n"}


async def text(page: Any, selector: str) -> str:
    return await page.inner_text(selector)


async def test_the_inbox_is_in_the_order_of_urgency_and_its_filters_live_in_the_address(site: Site) -> None:
    clock.set_offset(at(clock.today(), "10:00") - clock.real_now())  # before the end of the day
    calm = await open_case(4, ["verification"], 30)
    late = await open_case(1, ["verification"], -3)
    await open_case(2, ["verification"], 0)
    page = await site.visitor("clerk")
    await page.goto("/inbox?view=group")
    marks = await page.locator("#inbox tbody .mark:first-child").all_inner_texts()
    assert marks == ["已逾期", "今日到期", "正常"]
    assert "已逾期 2 个工作日" in await text(page, "#inbox tbody tr:first-child") or "已逾期" in marks
    await page.click(".pill.overdue")
    assert "overdue=true" in page.url
    assert await page.locator("#inbox tbody tr").count() == 1
    assert late.removeprefix("enrolment-") in await text(page, "#inbox tbody")
    await page.goto("/inbox?view=group")
    async with page.expect_response(re.compile("q=johnson")):
        await page.fill("#q", "johnson")
    await page.wait_for_url(re.compile("q=johnson"))
    await page.wait_for_function("document.querySelectorAll('#inbox tbody tr').length === 1")
    assert calm.removeprefix("enrolment-") in await text(page, "#inbox tbody")
    await page.reload()
    assert await page.input_value("#q") == "johnson"
    assert await page.locator("#inbox tbody tr").count() == 1


async def test_claim_and_release_are_seen_by_the_other_clerk_without_a_click(site: Site) -> None:
    case = await open_case(1, ["verification"], 5)
    task = task_id(case, "verification")
    second = await site.visitor("clerk2")
    await second.goto("/inbox?view=all")
    await second.wait_for_selector("text=未认领")
    first = await site.visitor("clerk")
    await first.goto("/inbox?view=group")
    await first.click("button:has-text('认领')")
    await first.wait_for_selector("text=已认领")
    assert await holder_of(task) == "clerk"
    await first.goto(f"/tasks/{task}")
    assert "退回待认领" in await text(first, ".top")
    await second.goto(f"/tasks/{task}")
    assert "办理中" in await text(second, "#work .notice")
    assert await second.locator("#answer").count() == 0
    await first.click(".top button:has-text('退回待认领')")
    await first.wait_for_selector("text=已退回待认领")
    assert await holder_of(task) is None


async def test_a_change_reaches_an_open_inbox(site: Site) -> None:
    page = await site.visitor("clerk")
    await page.goto("/inbox?view=group")
    assert await page.locator("#inbox tbody tr").count() == 0
    await asyncio.sleep(0.5)  # the stream of events is open when the page has loaded
    await open_case(1, ["verification"], 5)
    await page.wait_for_selector("#inbox tbody tr")
    assert "审核参保材料" in await text(page, "#inbox tbody")


async def test_faults_stand_beside_their_fields_and_nothing_typed_is_lost(site: Site) -> None:
    case = await open_case(0, ["materials"], 5)
    page = await site.visitor("college")
    await page.goto(f"/tasks/{task_id(case, 'materials')}")
    await page.fill("#f-phone", "13900000000")
    await page.fill("#f-name", "")
    await page.fill("#f-monthly_wage", "abc")
    await page.click(".act-bar button")
    await page.wait_for_selector("#faults")
    assert await page.locator("#f-name-fault").count() == 1
    assert re.search(r"[\u4e00-\u9fff]", await text(page, "#f-monthly_wage-fault"))
    assert not re.search(r"Input should|Field required", await text(page, "#work"))
    assert await page.input_value("#f-phone") == "13900000000"
    assert await page.input_value("#f-monthly_wage") == "abc"
    assert await page.get_attribute("#f-name", "aria-invalid") == "true"
    await page.fill("#f-name", "Anna Becker")
    await page.fill("#f-monthly_wage", "18000.00")
    await page.click(".act-bar button")
    await page.wait_for_selector("#documents .fault")
    assert "M01" in await text(page, "#faults")


async def test_documents_are_taken_one_by_one_and_bad_ones_refused(site: Site) -> None:
    case = await open_case(0, ["materials"], 5)
    page = await site.visitor("college")
    await page.goto(f"/tasks/{task_id(case, 'materials')}")
    await page.fill("#f-phone", "13900000000")
    await page.set_input_files("#documents input[type=file] >> nth=0", PDF)
    await page.wait_for_selector("#documents a:has-text('passport.pdf')")
    assert "已收 1 / 5" in await text(page, "#documents")
    assert await page.input_value("#f-phone") == "13900000000"
    wrong = {"name": "permit.pdf", "mimeType": "application/pdf", "buffer": b"MZ this is a program"}
    await page.set_input_files("#documents input[type=file] >> nth=1", wrong)
    await page.wait_for_selector("#documents .fault")
    assert "不是有效的 pdf" in await text(page, "#documents .fault")
    link = await page.get_attribute("#documents a", "href")
    answer = await page.context.request.get(site.url + link)
    assert (await answer.body()) == PDF["buffer"]


async def test_every_defect_is_a_row_with_a_code(site: Site) -> None:
    case = await open_case(2, ["verification"], 5)
    page = await site.visitor("clerk")
    await page.goto(f"/tasks/{task_id(case, 'verification')}")
    await page.click("text=一次性退回补正")
    await page.click(".act-bar button")
    await page.wait_for_selector("#faults")
    await page.click("text=再加一项")
    assert await page.locator("[data-row]").count() == 2
    await page.select_option("[name='defects.0.code']", "R06")
    await page.fill("[name='defects.1.note']", "缺页")
    await page.click(".act-bar button")
    await page.wait_for_selector("#f-defects-1-code-fault")
    assert await page.input_value("[name='defects.0.code']") == "R06"
    assert await page.input_value("[name='defects.1.note']") == "缺页"
    assert await page.locator("#f-defects-0-code-fault").count() == 0


async def test_acting_for_a_college_needs_reason_and_scan(site: Site) -> None:
    case = await open_case(0, ["materials"], 5)
    page = await site.visitor("clerk")
    await page.goto(f"/tasks/{task_id(case, 'materials')}")
    assert "代学院人事秘书办理" in await text(page, "#work")
    for i in range(5):
        async with page.expect_response(re.compile("/documents")):
            await page.set_input_files(f"#documents input[type=file] >> nth={i}", PDF)
        await page.wait_for_selector(f"#documents .slot:nth-of-type({i + 1}) a")
    await page.click(".act-bar button")
    await page.wait_for_selector("#f-behalf-reason-fault")
    await page.set_input_files("#behalf-file", PDF)
    await page.click("text=上传 >> nth=-1")
    await page.wait_for_selector("text=材料已收到")
    assert await page.input_value("[name='behalf.document_id']")


async def test_each_figure_of_the_board_opens_a_list_of_that_length(site: Site) -> None:
    await open_case(1, ["verification"], -3)
    await open_case(2, ["verification"], 0)
    await open_case(3, ["social_bureau", "medical_bureau"], 1, done=["materials", "verification"])
    page = await site.visitor("supervisor")
    await page.goto("/board")
    links: list[tuple[str, str]] = await page.eval_on_selector_all(
        "#board-body a", "list => list.map(a => [a.getAttribute('href'), (a.querySelector('b') || a).innerText.trim()])"
    )
    assert len(links) > 12
    for href, number in links:
        answer = await page.goto(href)
        assert answer.status == 200, href
        found = await page.locator("#content tbody tr").count()
        assert found == int(number), href


async def test_a_list_is_previewed_and_started_on_the_page(site: Site) -> None:
    content = write_hires(demo_hires(12, clock.today(), 7))
    sheet = {"name": "hires.xlsx", "mimeType": "application/vnd.ms-excel", "buffer": content}
    page = await site.visitor("clerk")
    await page.goto("/start")
    await page.set_input_files("#file", sheet)
    assert "hires.xlsx" in await text(page, "[data-chosen]")
    await page.click("button[value=preview]")
    await page.wait_for_selector("#result")
    can_start = await page.locator("#result tbody .mark.started").count()
    assert can_start >= 1 and await cases_in_rows() == 0
    outcomes = await page.locator("#result tbody .mark").all_inner_texts()
    assert outcomes == sorted(outcomes, key=lambda o: o == "可发起") and "可发起" in outcomes
    assert not await page.locator("#result tbody details > div").first.is_visible()
    await page.click("#result tbody summary >> nth=0")
    assert await page.locator("#result tbody details > div").first.is_visible()
    await page.click(f"button:has-text('发起这 {can_start} 行')")
    await page.wait_for_selector("#result tbody a")
    assert await page.locator("#result tbody .mark.started").count() == can_start == await cases_in_rows()
    assert await page.locator("#result tbody .mark.refused").count() >= 1
    answer = await page.context.request.get(site.url + await page.get_attribute("#result header a", "href"))
    assert answer.status == 200 and (await answer.body())[:2] == b"PK"
    await page.reload()
    assert await cases_in_rows() == can_start


async def test_a_preview_is_started_once(site: Site) -> None:
    content = write_hires(demo_hires(4, clock.today(), 3))
    page = await site.visitor("clerk")
    await page.goto("/start")
    sheet = {"name": "hires.xlsx", "mimeType": "application/vnd.ms-excel", "buffer": content}
    await page.set_input_files("#file", sheet)
    await page.click("button[value=preview]")
    await page.wait_for_selector("#result")
    preview = page.url
    await page.click("#result form .btn-primary")
    await page.wait_for_selector("#result tbody a")
    started, result = await cases_in_rows(), page.url
    assert started >= 1 and result != preview
    await page.goto(preview)
    await page.click("#result form .btn-primary")
    await page.wait_for_selector("#result tbody a")
    assert page.url == result and await cases_in_rows() == started


async def test_the_inbox_opens_where_work_is_and_offers_only_kinds_that_occur(site: Site) -> None:
    case = await open_case(1, ["verification"], 5)
    page = await site.visitor("clerk")
    await page.goto("/inbox")
    assert "待认领" in await text(page, ".tabs [aria-current]")
    assert await page.locator("select[name=kind] option").all_inner_texts() == ["全部事项", "审核参保材料"]
    await page.click("button:has-text('认领')")
    await page.wait_for_selector("text=已认领")
    assert await holder_of(task_id(case, "verification")) == "clerk"
    await page.goto("/inbox")
    assert "我办理的" in await text(page, ".tabs [aria-current]")
    payroll = await site.visitor("payroll")
    await payroll.goto("/inbox")
    assert "待认领" in await text(payroll, ".tabs [aria-current]")
    assert await payroll.locator("select[name=kind] option").all_inner_texts() == ["全部事项"]


async def test_the_language_asked_for_at_the_door_survives_the_way_home(site: Site) -> None:
    page = await site.visitor("clerk")
    await page.goto("/?lang=en")
    assert await page.get_attribute("html", "lang") == "en"


async def test_pages_load_nothing_from_elsewhere_and_break_no_policy(site: Site) -> None:
    case = await open_case(1, ["verification"], 2)
    page = await site.visitor("clerk")
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("request", lambda r: asked.append(r.url))
    for path in ("/inbox", f"/cases/{case}", f"/tasks/{task_id(case, 'verification')}", "/board", "/start"):
        answer = await page.goto(path)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["content-encoding"] == "gzip"
    assert said == []
    assert [u for u in asked if not u.startswith(site.url)] == []
    files = [u for u in asked if "/static/" in u]
    answer = await page.context.request.get(files[0])
    assert "immutable" in answer.headers["cache-control"]


async def test_a_form_from_elsewhere_is_refused(site: Site) -> None:
    case = await open_case(1, ["verification"], 2)
    page = await site.visitor("clerk")
    task = task_id(case, "verification")
    answer = await page.context.request.post(f"{site.url}/tasks/{task}/claim", form={"csrf": "guessed"})
    assert answer.status == 403
    assert await holder_of(task) is None


async def test_without_scripts_a_task_is_claimed_and_corrected(site: Site) -> None:
    case = await open_case(1, ["verification"], 2)
    page = await site.visitor("clerk", script=False)
    await page.goto(f"/tasks/{task_id(case, 'verification')}?outcome=return")
    await page.click(".top button")
    assert await holder_of(task_id(case, "verification")) == "clerk"
    await page.goto(f"/tasks/{task_id(case, 'verification')}?outcome=return")
    await page.click(".act-bar button")
    assert await page.locator("#faults").count() == 1


async def test_colleges_see_their_own_people_only_and_strangers_the_door(site: Site) -> None:
    own, other = await open_case(0, ["materials"], 5), await open_case(2, ["materials"], 5)
    page = await site.visitor("college")
    assert (await page.goto(f"/cases/{own}")).status == 200
    answer = await page.goto(f"/cases/{other}")
    assert answer.status == 404
    assert "无权查看" in await text(page, "#work")
    stranger = await (await site.browser.new_context(base_url=site.url, locale="zh-CN")).new_page()
    await stranger.goto(f"/cases/{own}")
    assert "/sign-in?next=" in stranger.url
    await stranger.fill("#username", "clerk")
    await stranger.fill("#password", "wrong")
    await stranger.click("#sign-in .btn-primary")
    assert "不正确" in await text(stranger, ".notice")
