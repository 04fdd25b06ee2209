"""The desk in Chromium: saved views, search by number, keys, drafts, passing on, copies, substitutes, hand-over."""

import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import select

from api import engine
from store.database import session
from store.tables.desk import Copy
from store.tables.processes import Task
from tests.api.conftest import Engine
from tests.imports.files import xlsx
from tests.web.conftest import Site
from tests.web.office import holder_of, open_case, task_id
from tests.web.test_manners import PDF, text
from tests.web.test_pages import check

pytestmark = pytest.mark.browser
PNG = {
    "name": "scan.png",
    "mimeType": "image/png",
    "buffer": bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
        "0000000049454e44ae426082"
    ),
}
PASTE = """(field, words) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", words);
    field.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData }));
}"""
NUMBER = "C01X00T41"  # of case number 1 in tests/web/office.py


async def fold(page: Any, words: str) -> None:
    await page.click(f"summary:text-is('{words}')")


async def test_a_number_in_a_search_box_finds_the_person_and_stands_in_no_address(site: Site) -> None:
    case = await open_case(1, ["verification"], 5)
    await open_case(2, ["verification"], 5)
    page = await site.visitor("clerk")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    await page.goto("/inbox?view=group")
    await page.fill("#q", NUMBER)
    await page.wait_for_url(re.compile("subject="))
    await page.wait_for_selector("#inbox tbody tr:only-child")
    assert case.removeprefix("enrolment-") in await text(page, "#inbox tbody")
    await page.fill("#q", "D77X88T99")
    await page.wait_for_selector("#inbox .empty")
    assert "没有登记过这个号码" in await text(page, "#inbox .empty")
    await page.fill("#q", "moreau")
    await page.wait_for_url(re.compile("q=moreau"))
    await page.fill("#search", NUMBER.lower())
    await page.press("#search", "Enter")
    await page.wait_for_url(re.compile(r"/cases\?subject="))
    assert await page.locator("#cases-body tbody tr").count() == 1
    assert not [u for u in asked if "T41" in u.upper() or "T99" in u.upper()]


async def test_a_saved_view_is_kept_shared_and_opens_the_inbox(site: Site) -> None:
    await open_case(1, ["verification"], -3)
    await open_case(2, ["verification"], 5)
    page = await site.visitor("clerk")
    await page.goto("/inbox?view=group&overdue=true")
    await fold(page, "保存当前筛选")
    await page.fill("#view-name", "逾期待领")
    await page.select_option("#view-share", "clerk")
    await page.check("[name=as_default]")
    await page.click(".save-view button")
    await page.wait_for_selector("text=视图已保存")
    await page.goto("/inbox")
    assert "overdue=true" in page.url and "saved=" in page.url
    assert await page.locator("#inbox tbody tr").count() == 1
    assert "逾期待领" in await text(page, ".saved [aria-current]")
    other = await site.visitor("clerk2")
    await other.goto("/inbox")
    assert "saved=" not in other.url and "共享" in await text(other, ".saved")
    await other.click(".saved .pill")
    await other.wait_for_selector(".saved [aria-current]")
    assert await other.locator("#inbox tbody tr").count() == 1 and not await other.locator("text=删除视图").count()
    await page.click("text=删除视图")
    await page.wait_for_selector("text=视图已删除")
    assert await page.locator(".saved .pill").count() == 0


async def test_who_was_slower_reads_who_has_it_and_keeps_the_list(site: Site) -> None:
    case = await open_case(1, ["verification"], 5)
    first, second = await site.visitor("clerk"), await site.visitor("clerk2")
    for page in (first, second):
        await page.goto("/inbox?view=group")
    await second.route("**/events", lambda route: route.abort())  # the list was not refreshed meanwhile
    await second.reload()
    await first.click("[data-claim]")
    await first.wait_for_selector("text=已认领")
    await second.click("[data-claim]")
    await second.wait_for_selector("#said .notice.bad")
    assert "该任务现由" in await text(second, "#said") and await second.locator("#inbox tbody tr").count() == 1
    task = task_id(case, "verification")
    assert await holder_of(task) == "clerk"
    # Whoever is typing when the task is taken over hears of it, and loses no word: neither now nor by sending it.
    engine.use_client(Engine())  # pyright: ignore[reportArgumentType]
    await first.goto("/inbox?view=mine&kind=enrolment.verification")
    await first.click("#inbox tbody a[href^='/tasks/']")
    await first.fill("#f-remark", "护照已核对")
    boss = await site.visitor("supervisor")
    await boss.goto(f"/tasks/{task}")
    await fold(boss, "接手")
    await boss.fill("#reason-take_over", "经办人请假")
    await boss.click("details[open] form[action$='take_over'] button")
    await boss.wait_for_selector("#said .notice.good")
    await first.wait_for_selector("#standing:has-text('此任务现由')")
    assert await first.input_value("#f-remark") == "护照已核对" and not await check(first, "zh")
    await boss.goto("/inbox?view=mine&kind=enrolment.verification")
    await boss.click("#inbox tbody a[href^='/tasks/']")
    await boss.click("#answer .btn-primary")
    await boss.wait_for_selector("#said .notice.good")
    assert "view=mine&kind=enrolment.verification" in boss.url, "back on the list from which it was opened"
    await first.wait_for_selector("#standing:has-text('结束')")
    await first.click("#answer .btn-primary")
    await first.wait_for_selector("#work > .notice.bad")
    assert await first.input_value("#f-remark") == "护照已核对", "what comes too late stays on the page"
    assert await first.locator("#answer .act-bar button").count() == 0 and not await check(first, "zh")


async def test_what_is_typed_is_kept_by_itself(site: Site) -> None:
    case = await open_case(0, ["materials"], 5)
    task = task_id(case, "materials")
    page = await site.visitor("college")
    await page.goto(f"/tasks/{task}")
    await page.fill("#f-phone", "13900000000")
    await page.wait_for_selector("#draft-said:has-text('草稿已保存')")
    assert await holder_of(task) == "college"
    await page.reload()
    assert await page.input_value("#f-phone") == "13900000000"
    assert "已载入" in await text(page, "#draft-said")
    await page.fill("#f-phone", "13900000001")
    await page.click("a[hreflang]")
    await page.wait_for_selector("html[lang=en]")
    assert await page.input_value("#f-phone") == "13900000001", "a link shows what was typed a moment before"
    await page.click("a[hreflang]")
    await page.wait_for_selector("html[lang=zh-CN]")
    # A remark outlives a reload, and is forgotten once it was sent; a name that nobody has is said.
    await page.fill("#comment", "@没有这人 请看")
    await page.reload()
    assert await page.input_value("#comment") == "@没有这人 请看"
    await page.click("#comments form button")
    assert "没有找到@没有这人" in await text(page, "#comments .notice")
    await page.reload()
    assert await page.input_value("#comment") == ""
    # What a browser cuts of a pasted text is said.
    await page.eval_on_selector("#comment", PASTE, "长" * 2001)
    assert "最多 2000 个字" in await text(page, "#comment + .fault")
    # While an input method composes nothing is sent; the word that was chosen is.
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.url.endswith("/draft") else None)
    begin = "new InputEvent('input', {bubbles: true, isComposing: true})"
    await page.eval_on_selector("#f-phone", f"f => {{ f.value = 'zhong'; f.dispatchEvent({begin}); }}")
    await asyncio.sleep(1.6)
    assert sent == []
    done = "new CompositionEvent('compositionend', {bubbles: true})"
    async with page.expect_request(re.compile("/draft$")):
        await page.eval_on_selector("#f-phone", f"f => {{ f.value = '中'; f.dispatchEvent({done}); }}")
    async with session() as s:
        assert b"13900000000" not in bytes((await s.get_one(Task, task)).draft or b"")


async def test_keys_move_claim_open_and_complete_and_stay_out_of_fields(site: Site) -> None:
    late, soon = await open_case(1, ["verification"], -3), await open_case(2, ["verification"], 5)
    first, second = task_id(late, "verification"), task_id(soon, "verification")
    page = await site.visitor("clerk")
    await page.goto("/inbox?view=group")
    await page.press("body", "?")
    assert await page.locator("#keyboard[open]").count() == 1
    await page.press("#keyboard", "Escape")
    await page.press("body", "j")
    await page.press("body", "j")
    assert await page.get_attribute("tr[aria-selected=true]", "data-task") == second
    await page.press("body", "k")
    assert await page.get_attribute("tr[aria-selected=true]", "data-task") == first
    await page.focus("#q")
    await page.keyboard.type("jc")
    assert await page.input_value("#q") == "jc" and await holder_of(first) is None
    await page.goto("/inbox?view=all")
    await page.press("body", "j")
    composing = "new KeyboardEvent('keydown', {key: 'c', code: 'KeyC', isComposing: true, bubbles: true})"
    await page.evaluate(f"document.body.dispatchEvent({composing})")
    assert await holder_of(first) is None
    # An input method that is switched on may hide the letter; the key itself is known.
    hidden = "new KeyboardEvent('keydown', {key: 'Process', code: 'KeyC', bubbles: true})"
    await page.evaluate(f"document.body.dispatchEvent({hidden})")
    await page.wait_for_url(re.compile("said=claimed"), timeout=30_000)
    assert await holder_of(first) == "clerk"
    await page.goto("/inbox?view=all")
    await page.press("body", "j")
    await page.wait_for_selector(f"tr[aria-selected=true][data-task='{first}']")
    await page.press("body", "o")
    await page.wait_for_url(re.compile(f"/tasks/{first}"), wait_until="commit")
    await page.wait_for_load_state("domcontentloaded")
    await page.press("body", "j")
    await page.wait_for_url(re.compile(f"/tasks/{second}"))
    await page.press("body", "k")
    await page.wait_for_url(re.compile(f"/tasks/{first}"))
    await page.goto(f"/tasks/{first}?outcome=return")
    await page.press("body", "a")
    assert await page.evaluate("document.getElementById('answer').contains(document.activeElement)")
    await page.press("body", "Control+Enter")
    await page.wait_for_selector("#faults")  # the defects are missing: it was submitted


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_a_task_is_passed_on_lent_urged_and_copied(site: Site, lang: str) -> None:
    case = await open_case(1, ["verification"], 5)
    task = task_id(case, "verification")
    zh = lang == "zh"
    clerk = await site.visitor("clerk", lang)
    await clerk.goto(f"/tasks/{task}")
    await clerk.click("[data-claim]")
    await fold(clerk, "委派" if zh else "Delegate")
    await clerk.select_option("#to-delegate", "clerk2")
    await clerk.fill("#reason-delegate", "请核对" if zh else "please check")
    await clerk.click("details[open] button")
    await clerk.wait_for_selector("#said .notice.good")
    assert await holder_of(task) == "clerk2"
    other = await site.visitor("clerk2", lang)
    await other.goto(f"/tasks/{task}")
    assert await other.locator("#answer").count() == 1 and await other.locator(".act-bar button").count() == 0
    await fold(other, "办好交回" if zh else "Give back")
    await other.fill("#note-return_delegated", "已核对" if zh else "checked")
    await other.click("details[open] button")
    await other.wait_for_selector("#said .notice.good")
    await clerk.goto(f"/tasks/{task}")
    assert ("已核对" if zh else "checked") in await text(clerk, "#comments")
    await clerk.fill("#comment", "@clerk2 " + ("回执见附件" if zh else "see the receipt"))
    await clerk.set_input_files("#comments input[type=file]", PNG)
    await clerk.click("#comments button")
    await clerk.wait_for_selector("#comments a:has-text('scan.png')")
    await clerk.fill("#comment", "PDF")
    await clerk.set_input_files("#comments input[type=file]", PDF)
    await clerk.click("#comments button")
    await clerk.wait_for_selector("#comments a:has-text('passport.pdf')")
    await clerk.fill("#comment", "XLS")
    sheet = {"name": "list.xlsx", "mimeType": "application/octet-stream", "buffer": xlsx([["X1234567"]])}
    await clerk.set_input_files("#comments input[type=file]", sheet)
    await clerk.click("#comments button")
    await clerk.click("#comments summary:has-text('list.xlsx')")
    await clerk.wait_for_selector("#comments table td:has-text('X1234567')")
    for words, element in (("scan", "img"), ("passport", "iframe")):
        preview = clerk.locator(f"#comments details.preview:has({element})")
        await preview.locator("summary").click()
        await preview.locator(element).wait_for()
        assert words in await preview.locator(element).get_attribute("title" if element == "iframe" else "alt")
        if element == "img":
            assert await preview.locator(element).evaluate("i => i.decode().then(() => i.naturalWidth)") == 1
        await preview.locator("summary").click()  # a viewer that loads moves what is below it
    await clerk.fill("#comment", "x")
    await clerk.set_input_files("#comments input[type=file]", {**PNG, "buffer": b"MZ"})
    await clerk.click("#comments button")
    await clerk.wait_for_selector("#comments .fault")
    assert await clerk.input_value("#comment") == "x"
    await clerk.locator("summary").get_by_text("抄送" if zh else "Copies", exact=True).click()
    await clerk.fill("#copy-person", "nobody")
    await clerk.fill("#copy-note", "XYZ")
    await clerk.click("details[open] form[action$='/copies'] button")
    await clerk.wait_for_selector("#copy-person-fault")
    assert await clerk.input_value("#copy-note") == "XYZ"
    wrong = await check(clerk, lang)
    await clerk.fill("#copy-person", "supervisor")
    await clerk.click("details[open] form[action$='/copies'] button")
    await clerk.wait_for_selector("#said .notice.good")
    boss = await site.visitor("supervisor", lang)
    await boss.goto("/inbox?view=cc")
    assert await boss.locator("#inbox tbody .mark.today").count() == 1
    wrong += await check(boss, lang)
    await boss.goto(f"/tasks/{task}")
    await fold(boss, "催办" if zh else "Urge")
    wrong += await check(boss, lang)
    await boss.click("details.move[open] form[action$='/urge'] button")
    await boss.wait_for_selector("#said .notice.good")
    await fold(boss, "催办" if zh else "Urge")
    await boss.click("details.move[open] form[action$='/urge'] button")
    await boss.wait_for_selector("#work .notice.bad")  # too soon
    async with session() as s:
        assert (await s.scalars(select(Copy))).one().read_at is not None
    await boss.goto(f"/cases/{case}")
    wrong += await check(boss, lang)
    assert ("催办" if zh else "urged") in await text(boss, ".timeline")
    assert wrong == []


async def test_a_substitute_and_a_hand_over_are_arranged_on_the_page(site: Site) -> None:
    case = await open_case(1, ["verification", "tax_payment"], 5)
    tasks = [task_id(case, "verification"), task_id(case, "tax_payment")]
    clerk = await site.visitor("clerk")
    for task in tasks:
        await clerk.goto(f"/tasks/{task}")
        await clerk.click("[data-claim]")
    await clerk.goto("/cover")
    offered = await clerk.locator("#substitute option").all_inner_texts()
    assert len(offered) > 2 and not re.search("[a-z]", "".join(offered)), offered  # names, no user names
    await clerk.select_option("#substitute", "clerk2")
    await clerk.fill("#why", "x")
    await clerk.eval_on_selector("#arrange", "f => { f.noValidate = true; }")
    await clerk.click("#arrange .btn-primary")
    assert "写明理由" in await text(clerk, ".notice.bad")
    assert await clerk.input_value("#substitute") == "clerk2"
    await clerk.fill("#why", "年假")
    await clerk.click("#arrange .btn-primary")
    await clerk.wait_for_selector("text=代理已设置")
    other = await site.visitor("clerk2")
    await other.goto("/inbox?view=mine")
    rows = await other.locator("#inbox tbody tr").all_inner_texts()
    assert len(rows) == 2 and all(" 代 " in r for r in rows)
    await other.goto(f"/tasks/{tasks[0]}")
    assert "您正代理" in await text(other, ".top")
    boss = await site.visitor("supervisor")
    await boss.goto("/cover")
    await boss.select_option("#leaver", "clerk")
    await boss.click("text=查看数量")
    assert (await text(boss, "#leaving-counts")).split()[1] == "2"
    wrong = await check(boss, "zh")
    await boss.check("#to-clerk2")
    await boss.fill("#leaving-reason", "离职")
    await boss.click("text=移交以下全部")
    await boss.wait_for_selector("#leaving-result")
    assert await boss.locator("#leaving-result tbody tr").count() == 3
    admin = await site.visitor("admin")
    await admin.goto("/cover?leaver=clerk2")  # who has it all now
    await admin.fill("#close-reason", "离职")
    await admin.click("#close-login button")
    assert "clerk2" not in await text(admin, ".notice.bad") and "还有在办任务 2 项" in await text(admin, ".notice.bad")
    await admin.fill("#close-reason", "离职")
    await admin.check("#anyway")
    wrong += await check(admin, "zh")
    await admin.click("#close-login button")
    await admin.wait_for_selector("text=账号已停用")
    wrong += await check(admin, "zh")
    await other.goto("/inbox")
    assert "/sign-in" in other.url
    await admin.fill("#why-clerk2", "返聘")
    await admin.click("#closed-logins button")
    await admin.wait_for_selector("text=账号已重新启用")
    wrong += await check(boss, "zh")
    assert [await holder_of(t) for t in tasks] == ["clerk2", "clerk2"] and wrong == []
