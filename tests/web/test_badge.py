"""The number of unread messages on open pages, and the browser's notification: at once, no reload, and no text."""

import pytest

from runtime import clock
from schemas.base import Text
from store import messages
from store.database import session
from tests.web.conftest import Site
from tests.web.test_pages import check

pytestmark = pytest.mark.browser
# What a browser's own class does, and a note of what it was asked to show.
NOTIFICATIONS = """
window.shown = [];
window.asked = 0;
window.Notification = class {
  static permission = sessionStorage.getItem("permission") || "default";
  static requestPermission() {
    window.asked += 1;
    sessionStorage.setItem("permission", "granted");
    window.Notification.permission = "granted";
    return Promise.resolve("granted");
  }
  constructor(title, options) { window.shown.push(`${title} ${options.body}`); }
};
"""
SECRET = Text(zh="穆安娜的材料还有 3 天到期", en="Anna Muster: due in 3 days")


async def tell(username: str, key: str) -> None:
    async with session() as s:
        await messages.in_pages(s, username, SECRET, key=key, link=None, now=clock.now())


async def test_the_badge_follows_on_every_page_and_the_browser_says_a_number(site: Site) -> None:
    page = await site.visitor("clerk")
    await page.context.add_init_script(NOTIFICATIONS)
    await page.goto("/messages/settings")
    wrong = await check(page, "zh")
    assert await page.evaluate("window.asked") == 0, "permission is asked by itself"
    await page.click("[data-ask-notify]")
    await page.wait_for_selector("[data-notify-state=granted]:visible")
    wrong += await check(page, "zh")
    other = await page.context.new_page()
    for n, path in enumerate(("/cover", "/inbox", "/board", "/calculations"), start=1):
        async with other.expect_response(lambda r: r.url.endswith("/events")):
            await other.goto(path)
        await other.evaluate("sessionStorage.setItem('permission', 'granted'); Notification.permission = 'granted'")
        await tell("clerk", f"a/{n}")
        await other.wait_for_selector(f"#unread[data-count='{n}'] .count")
        assert await other.inner_text("#unread") == str(n)
        await other.wait_for_function("window.shown.length === 1")
        assert await other.evaluate("window.shown") == [f"保期 {n} 条未读"]
    await page.wait_for_selector("#unread[data-count='4']")
    await tell("supervisor", "not mine")
    await other.goto("/messages")
    await other.click("form[action='/messages/read'] button")
    await page.wait_for_selector("#unread[data-count='0']", state="attached")
    assert await page.evaluate("window.shown.length") >= 1
    assert await page.inner_text("#unread") == ""
    assert not wrong, "\n".join(wrong)


async def test_without_permission_nothing_is_shown(site: Site) -> None:
    page = await site.visitor("clerk", "en")
    await page.context.add_init_script(NOTIFICATIONS)
    async with page.expect_response(lambda r: r.url.endswith("/events")):
        await page.goto("/messages/settings")
    wrong = await check(page, "en")
    await tell("clerk", "a")
    await page.wait_for_selector("#unread[data-count='1']")
    assert await page.evaluate("[window.shown.length, window.asked]") == [0, 0]
    assert not wrong, "\n".join(wrong)
