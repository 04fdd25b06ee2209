"""A page of the past says which minute it shows, shows what was, and offers nothing that acts."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from runtime import clock
from store.database import session
from store.tables.processes import Task
from tests.web.office import open_case, task_id
from tests.words import faults
from web.language import translate
from web.show import at_input, show_moment

BANNER = {"zh": "正在回看", "en": "This is how"}


def main_of(page: str) -> str:
    return page[page.index('<main id="content">') : page.index("</main>")]


def acts(page: str) -> list[str]:
    """The forms of a page's content that change something; a search changes nothing."""
    return [a for a in re.findall(r'method="post" action="([^"]*)"', main_of(page)) if a != "/search"]


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_pages_of_the_past(door: Any, lang: str) -> None:
    case = await open_case(1, ["verification"], 2, done=["materials"])
    task = task_id(case, "verification")
    before = clock.now()
    async with session() as s:
        row = await s.get_one(Task, task)
        row.holder, row.held_since = "clerk", clock.real_now()
    clerk, boss = await door("clerk"), await door("supervisor")
    look, words = {"at": before.isoformat(), "lang": lang}, BANNER[lang]

    now = (await clerk.get(f"/cases/{case}", params={"lang": lang})).text
    then = (await clerk.get(f"/cases/{case}", params=look)).text
    assert words not in now and acts(now) and "sse:inbox" in now
    assert f"{words}" in then and show_moment(before) in main_of(then) and f'href="/cases/{case}"' in main_of(then)
    assert acts(then) == [] and "sse:inbox" not in then
    assert f'value="{at_input(before)}"' in then
    shown = re.sub(r"<[^>]*>", " ", main_of(then))
    assert not faults(shown, lang)
    kept = {"at": before.astimezone(clock.SHANGHAI).isoformat()}
    assert f'href="/tasks/{task}?{urlencode(kept)}"' in main_of(then)

    now = (await clerk.get(f"/tasks/{task}", params={"lang": lang})).text
    then = (await clerk.get(f"/tasks/{task}", params=look)).text
    assert words not in now and acts(now) and words in then and acts(then) == []
    assert translate(lang, "past_task") in then and translate(lang, "past_task") not in now
    assert f'href="/cases/{case}?{urlencode(kept)}"' in then
    assert "C01X00T4" in now and "C01X00T4" not in then
    assert not faults(re.sub(r"<[^>]*>", " ", main_of(then)), lang)

    async def inbox(client: Any, **params: str) -> str:
        answer = await client.get("/inbox", params={"view": "mine", "lang": lang} | params)
        assert answer.status_code == 200, answer.text
        return answer.text

    link = f'href="/tasks/{task}"'
    assert link in await inbox(clerk)
    link = f'href="/tasks/{task}?at='
    then = await inbox(clerk, **look)
    assert link not in then and words in then and acts(then) == []
    then = await inbox(clerk, **look, view="group")
    assert link in then and acts(then) == [] and 'form="batch"' not in then
    later = {"at": clock.now().isoformat(), "as_user": "clerk"}
    then = await inbox(boss, **later)
    assert link in then and 'name="as_user"' in then and f'name="at" value="{later["at"]}"' in then
    assert not faults(re.sub(r"<[^>]*>", " ", main_of(then)), lang)
    assert 'name="as_user"' not in await inbox(clerk)


async def test_a_page_of_no_past_says_why(door: Any) -> None:
    case = await open_case(1, ["verification"], 2, done=["materials"])
    clerk = await door("clerk")
    for path, params, status, words in (
        (f"/cases/{case}", {"at": "2999-01-01T00:00"}, 422, "只能回看过去"),
        (f"/cases/{case}", {"at": "1999-01-01T00:00"}, 422, "起才有可回看的记录"),
        (f"/tasks/{task_id(case, 'verification')}", {"at": "2999-01-01T00:00"}, 422, "只能回看过去"),
        ("/inbox", {"at": "x"}, 422, "2026-11-20T09:15"),
        ("/inbox", {"at": clock.now().isoformat(), "as_user": "supervisor"}, 403, "不能进行此操作"),
    ):
        answer = await clerk.get(path, params=params)
        assert answer.status_code == status and words in main_of(answer.text), (path, params)
