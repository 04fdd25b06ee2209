"""The pages on a phone: nothing but a table or picture scrolls sideways, and what is to be done is on the screen."""

from typing import Any

import pytest

from tests.web.conftest import Site
from tests.web.office import open_case, task_id

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def beside(page: Any, paths: tuple[str, ...]) -> list[str]:
    """The pages that are wider than the screen."""
    wide: list[str] = []
    for path in paths:
        answer = await page.goto(path)
        assert answer.status == 200, path
        if more := await page.evaluate(TOO_WIDE):
            wide.append(f"{path}: {more} px")
    return wide


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_no_page_is_wider_than_a_phone(site: Site, lang: str) -> None:
    late = await open_case(1, ["materials"], -3)
    both = await open_case(2, ["social_bureau", "medical_bureau"], 1, done=["materials", "verification"])
    clerk, boss = await site.visitor("clerk", lang), await site.visitor("supervisor", lang)
    for page in (clerk, boss):
        await page.set_viewport_size(PHONE)
    wide = await beside(
        clerk,
        (
            "/inbox", "/inbox?view=behalf", "/inbox?view=all", "/cases", f"/cases/{late}", f"/cases/{both}", "/board",
            "/calendar", "/pictures", "/start", "/cover", "/messages", "/messages/settings", "/rules",
            "/rules/deadlines", "/calculations", "/calculations/plan-back", "/agencies", "/incidents",
            f"/tasks/{task_id(both, 'social_bureau')}",
        ),
    )  # fmt: skip
    wide += await beside(boss, ("/inbox", "/figures", "/policy", "/policy/changes", "/cover"))
    assert not wide, wide


async def test_a_phones_inbox_shows_the_buttons_and_leaves_room(site: Site) -> None:
    task = task_id(await open_case(1, ["verification"], 0, done=["materials"]), "verification")
    page = await site.visitor("clerk", "en")
    await page.set_viewport_size(PHONE)
    await page.goto("/inbox?view=group")
    rail = await page.locator(".rail").bounding_box()
    assert rail["height"] < PHONE["height"] / 4
    button = await page.locator(f"tr[data-task='{task}'] [data-claim]").bounding_box()
    assert button["x"] >= 0 and button["x"] + button["width"] <= PHONE["width"]
    due = page.locator(f"tr[data-task='{task}'] td[data-label=Due]")
    assert "Due" in await due.evaluate("e => getComputedStyle(e, '::before').content")
