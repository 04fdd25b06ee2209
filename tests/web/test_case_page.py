"""The case page says what the API says: where the case stands, both branches, who holds what since when, by when."""

from typing import Any

import pytest

from runtime import clock
from schemas.process import ProcessSnapshot, ProcessState, StageState, Transition
from store import projection
from store.database import session
from store.tables.processes import Process
from tests.e2e.test_6_words import faults
from tests.web.conftest import Site
from tests.web.office import open_case, task_id
from workflows.tax_payment import TaxPayment

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

    # Each stage that is not over says by when it must begin, from the plan of the deadlines.
    plans = {p["stage"]: p for p in api["stage_plans"]}
    assert set(plans) == {"social_bureau", "medical_bureau"}, "the dates of an enrolment are met by handing in"
    for stage in api["stages"]:
        box = page.locator(".stage", has=page.locator(".name", has_text=stage["title"][lang])).first
        shown = await box.locator(".plan").all_inner_texts()
        assert len(shown) == (stage["code"] in plans), stage["code"]
        if shown:
            assert str(abs(plans[stage["code"]]["slack_days"])) in shown[0]

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


async def payment(levy: str, state: ProcessState, **waits: str) -> str:
    """A month's payment that waits in these stages; a closed one has left all of them."""
    now = clock.now()
    process_id = f"tax_payment-school-{levy}-{now:%Y-%m}"
    stages = TaxPayment.__new__(TaxPayment).plan_stages()
    for stage in stages:
        if state is ProcessState.CLOSED:
            stage.state, stage.entered_at, stage.left_at = StageState.DONE, now, now
        elif stage.code in waits:
            stage.state, stage.entered_at = StageState.ACTIVE, now
            stage.wait_on(waits[stage.code])
    snapshot = ProcessSnapshot(
        id=process_id,
        kind="tax_payment",
        revision=1,
        state=state,
        stages=stages,
        started_at=now,
        closed_at=now if state is ProcessState.CLOSED else None,
    )
    async with session() as s:
        s.add(Process(id=process_id, kind="tax_payment", case_no=process_id, started_by="system", started_at=now))
        await s.flush()
        await projection.apply(s, Transition(process=snapshot), now)
    return process_id


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("state", "waits", "zh", "en"),
    [
        (ProcessState.WAITING, {"collect": "lines"}, "等待本月后续名单", "waiting for later lists of the month"),
        (ProcessState.RUNNING, {"visible": "tax_office"}, "等待税务局", "waiting for tax office"),
        (ProcessState.CLOSED, {}, "", ""),
    ],
)
async def test_a_payment_says_in_words_what_it_waits_for(
    site: Site, lang: str, state: ProcessState, waits: dict[str, str], zh: str, en: str
) -> None:
    case = await payment("social", state, **waits)
    page = await site.visitor("clerk", lang)
    for address in (f"/cases/{case}", "/cases"):
        answer = await page.goto(address)
        assert answer.status == 200
        said = await page.inner_text("main")
        assert faults(said, lang) == [], address
        if waits:
            assert (zh if lang == "zh" else en) in said, address
        elif address != "/cases":
            picture = await page.locator("section[aria-labelledby=stages-title]").inner_text()
            assert ("等待" if lang == "zh" else "waiting") not in picture.lower()
