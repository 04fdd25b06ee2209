"""The case page says what the API says: where the case stands, both branches, who holds what since when, by when."""

from typing import Any

import pytest

from tests.web.conftest import Site
from tests.web.office import open_case, task_id

pytestmark = pytest.mark.browser
STATES = ("done", "active", "pending")


async def drawn(page: Any) -> list[list[tuple[str, str]]]:
    """The picture of the stages: by column, the name and the state of each box."""
    columns: list[list[list[str]]] = await page.evaluate(
        """() => [...document.querySelectorAll('ol.track > li')].map(li => [...li.querySelectorAll('.stage')].map(
             s => [s.querySelector('.name').innerText, s.className.replace('stage', '').trim()]))"""
    )
    return [[(name, state) for name, state in column] for column in columns]


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_the_picture_and_the_dates_are_those_of_the_api(site: Site, lang: str) -> None:
    case = await open_case(3, ["social_bureau", "medical_bureau"], 9, done=["materials", "verification"])
    page = await site.visitor("clerk", lang)
    await page.goto(f"/tasks/{task_id(case, 'medical_bureau')}")
    await page.click("form[action$='/claim'] button")
    await page.goto(f"/cases/{case}")

    api = await (await page.request.get(f"/api/v1/processes/{case}")).json()
    expected: dict[int, list[tuple[str, str]]] = {}
    for stage in api["stages"]:
        expected.setdefault(stage["column"], []).append((stage["title"][lang], stage["state"]))
    assert await drawn(page) == list(expected.values())
    assert [len(column) for column in expected.values()] == [1, 1, 2, 1, 1, 1, 1], "both bureaus stand in one column"
    current = await page.locator(".stage[aria-current=step]").all_inner_texts()
    assert len(current) == 2

    # Who holds what since when: the claimed branch names its holder, the other says for whom it waits.
    held = next(t for t in api["tasks"] if t["holder"] == "clerk")
    medical = next(text for text in current if held["title"][lang] in text)
    social = next(text for text in current if held["title"][lang] not in text)
    assert held["holder_name"][lang] in medical and held["holder_name"][lang] not in social
    assert ("刚刚" if lang == "zh" else "just now") in medical.lower()

    # Dates with their latest start (the slack) and how they were computed.
    dates = await page.locator("section[aria-labelledby=deadlines-title]").inner_text()
    await page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    opened = await page.locator("section[aria-labelledby=deadlines-title]").inner_text()
    assert api["deadlines"]
    for deadline in api["deadlines"]:
        assert deadline["title"][lang] in dates
        assert ("最迟开始" if lang == "zh" else "Latest start") in dates
        for step in deadline["derivation"]:
            assert step["text"][lang] in opened, step
    assert [c["agency"] for c in api["cut_offs"]] == ["social_bureau", "medical_bureau"]
    for cut in api["cut_offs"]:
        assert cut["says"][lang] in dates
        assert all(step["text"][lang] in opened for step in cut["derivation"])


async def test_the_engines_own_page_is_linked_for_administrators_only(site: Site) -> None:
    case = await open_case(5, ["materials"], 9)
    for username, linked in (("clerk", 0), ("supervisor", 0), ("auditor", 0), ("admin", 1)):
        page = await site.visitor(username)
        assert (await page.goto(f"/cases/{case}")).status == 200
        assert await page.locator(f"a[href^='{site.settings.temporal_ui_url}']").count() == linked, username
