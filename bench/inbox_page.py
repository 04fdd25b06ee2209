"""What the inbox page weighs in Chromium: bytes on the wire, requests, time to the first row; first visit and next."""

import time
from statistics import median
from typing import Any

from playwright.async_api import Browser, async_playwright

from tests.conftest import CHROMIUM_ARGUMENTS, chromium_path

GOAL_KB = 78 * 1.25
ROWS = (50, 200)
TIMES = 7


async def measure(url: str, cookie: str) -> list[str]:
    """Lines of the report; one that says so where there is no Chromium."""
    path = chromium_path()
    if path is None:
        return ["No Chromium on this machine: the page was not measured."]
    lines = [
        "| the inbox page in Chromium | bytes on the wire | requests | to the first row, p50 |",
        "|---|---|---|---|",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        for rows in ROWS:
            first: list[tuple[int, int, float]] = []
            again: list[tuple[int, int, float]] = []
            for _ in range(TIMES):
                one, two = await _visit(browser, f"{url}/inbox?view=group&limit={rows}", url, cookie)
                first.append(one)
                again.append(two)
            for name, seen in ((f"{rows} rows, first visit", first), (f"{rows} rows, again", again)):
                size, requests, shown = (median(values) for values in zip(*seen, strict=True))
                lines.append(f"| {name} | {size / 1000:.1f} KB | {requests:.0f} | {1000 * shown:.0f} ms |")
        await browser.close()
    return [*lines, "", f"Goal: at most {GOAL_KB:.1f} KB."]


async def _visit(
    browser: Browser, page_url: str, url: str, cookie: str
) -> tuple[tuple[int, int, float], tuple[int, int, float]]:
    """(bytes, requests, seconds to the first row) of a visit with an empty cache, and of the next one."""
    context = await browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    await context.add_cookies([{"name": "baoqi_session", "value": cookie, "url": url}])
    page = await context.new_page()
    link = await context.new_cdp_session(page)
    await link.send("Network.enable")
    sizes: list[float] = []
    names: list[str] = []

    def loaded(message: dict[str, Any]) -> None:
        sizes.append(message["encodedDataLength"])

    def asked(message: dict[str, Any]) -> None:
        if message["type"] != "EventSource":  # the live line stays open and is no part of loading
            names.append(message["request"]["url"])

    link.on("Network.loadingFinished", loaded)
    link.on("Network.requestWillBeSent", asked)
    found: list[tuple[int, int, float]] = []
    for _ in range(2):
        sizes.clear()
        names.clear()
        began = time.perf_counter()
        await page.goto(page_url, wait_until="commit")
        await page.wait_for_selector("tbody tr", state="visible")
        shown = time.perf_counter() - began
        await page.wait_for_load_state("load")
        await page.wait_for_timeout(200)
        found.append((round(sum(sizes)), len(names), shown))
    await context.close()
    return found[0], found[1]
