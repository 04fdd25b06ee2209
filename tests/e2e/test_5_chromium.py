"""One case wholly in Chromium: everybody signs in, looks into the inbox, uploads, decides, until it is closed."""

import re
from typing import Any
from urllib.parse import urlparse

import pytest

from cli.demo_people import demo_hires, write_hires
from runtime import clock
from tests.contract import PDF
from tests.e2e.product import BUREAUS, Product

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(360)]
PEOPLE = ("college", "college2", "clerk", "supervisor", "payroll", "finance", "clerk2", "head")
PAPER = {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": PDF}
ROUNDS = 60
# What only the person at the desk can know; all else the pages propose.
TYPED = {"voucher_no": "BZ-202611-0042", "settlement_no": "CW-202611-0042"}


async def visitor(browser: Any, product: Product, name: str) -> Any:
    """A page of somebody who has signed in by the form."""
    password = next(u["password"] for u in product.run["users"] if u["name"] == name)
    context = await browser.new_context(base_url=product.run["pages"], locale="zh-CN")
    page = await context.new_page()
    page.set_default_timeout(30_000)
    await page.goto("/sign-in")
    await page.fill("#username", name)
    await page.fill("#password", password)
    await page.click("#sign-in .btn-primary")
    await page.wait_for_selector("#nav")
    return page


async def next_task(page: Any, case: str) -> str | None:
    """The first task of the inbox that this person can finish: of this case, or of the month's money."""
    for view in ("mine", "group"):
        await page.goto(f"/inbox?view={view}")
        for row in await page.locator("#inbox tbody tr").all():
            target = await row.locator("a[href^='/cases/']").first.get_attribute("href")
            button = row.locator("a.btn-primary[href^='/tasks/']")
            if await button.count() and (target == f"/cases/{case}" or not target.startswith("/cases/enrolment-")):
                return await button.first.get_attribute("href")
    return None


async def finish(page: Any, address: str) -> None:
    """A task page as a person does it: papers that are required and missing, then the button that leads forward."""
    await page.goto(address)
    for _ in range(20):
        missing = page.locator("#documents .slot:has(.mark.today) input[type=file]")
        left = await missing.count()
        if not left:
            break
        async with page.expect_response(re.compile(r"/tasks/[^/]+/documents")) as sent:
            await missing.first.set_input_files(PAPER)
        assert (await sent.value).status < 400
        await page.wait_for_function(
            "n => document.querySelectorAll('#documents .slot .mark.today').length < n", arg=left
        )
    for field in await page.locator("#answer input[required]").all():
        if not await field.input_value():
            await field.fill(TYPED[await field.get_attribute("name")])
    await page.locator(".act-bar button[name=outcome]").first.click()
    await page.wait_for_selector("#faults, .notice.bad, #inbox")  # what is wrong, or back in the inbox
    assert "said=completed" in page.url, (address, await page.inner_text("#work"))


async def test_one_case_wholly_in_chromium(product: Product, chromium: Any) -> None:
    hired = next(r for seed in range(1, 99) for r in demo_hires(1, clock.today(), seed) if r["协议国参保证明"] == "无")
    clerk = await visitor(chromium, product, "clerk")
    await clerk.goto("/start")
    sheet = {"name": "hires.xlsx", "mimeType": "application/octet-stream", "buffer": write_hires([hired])}
    await clerk.set_input_files("#file", sheet)
    await clerk.click("button[value=good_rows]")
    link = clerk.locator("#result tbody a[href^='/cases/']")
    await link.wait_for()
    assert hired["姓名(护照)"] in await clerk.inner_text("#result tbody")
    address = await link.get_attribute("href")
    case = address.removeprefix("/cases/")

    pages = {name: clerk if name == "clerk" else await visitor(chromium, product, name) for name in PEOPLE}
    finished: list[str] = []
    for _ in range(ROUNDS):
        moved = False
        for name, page in pages.items():
            while (task := await next_task(page, case)) is not None:
                await finish(page, task)
                finished.append(name)
                assert len(finished) < 60, finished
                moved = True
        if await closed(clerk, case):
            break
        if not moved:
            await clerk.wait_for_timeout(500)
    assert await closed(clerk, case), (finished, await clerk.inner_text("main, body"))
    assert {"clerk", "payroll", "supervisor", "finance"} <= set(finished)
    assert {"college", "college2"} & set(finished)
    for bureau in BUREAUS:
        assert hired["证件号码"] in {r["id_number"] for r in product.registrations(bureau)}
    assert urlparse(clerk.url).path == f"/cases/{case}"
    for page in pages.values():
        await page.context.close()


async def closed(page: Any, case: str) -> bool:
    """What the case's page says of its state."""
    await page.goto(f"/cases/{case}")
    return await page.locator(".top .mark.closed").count() == 1
