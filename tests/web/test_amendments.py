"""A value on record is amended on the pages: what is refused keeps what was typed, and the case shows both values."""

from typing import Any

import pytest

from runtime import clock
from schemas.calls import RegistrationArg
from schemas.process import ProcessSnapshot, ProcessState, Transition
from store import projection, registrations
from store.database import session
from store.tables.processes import Process
from tests.web.conftest import Site
from tests.web.office import open_case
from tests.web.test_manners import PDF, text
from tests.web.test_pages import check
from tests.web.test_steps import busy as busy  # the site with a worker

pytestmark = pytest.mark.browser
NUMBER = "DEU0C01X00T47"
TYPED = ("回执上看错一位", "与回执一致")  # by people, shown as it is in every language


async def registered() -> str:
    """A closed case whose number at the social bureau is on record."""
    case = await open_case(8, [], 9, done=["materials", "verification"])
    now = clock.now()
    async with session() as s:
        process = await s.get_one(Process, case)
        arg = RegistrationArg(process_id=case, person_id=process.subject or "", agency="social_bureau", attempt=1)
        row = await registrations.ensure(s, arg)
        registrations.submitted(row, "SL2026001", now)
        await registrations.approve(s, row, NUMBER, now)
        closed = ProcessSnapshot(
            id=case, kind="enrolment", revision=9, state=ProcessState.CLOSED, subject=process.subject,
            org_unit=process.org_unit, stages=[], started_at=process.started_at, closed_at=now,
        )  # fmt: skip
        await projection.apply(s, Transition(process=closed), now)
    return case


async def amend(page: Any, case: str, title: str, new: str, reason: str) -> None:
    await page.goto(f"/cases/{case}")
    await page.click(f"#record tr:has-text('{title}') a")
    await page.fill("#amend-new", new)
    await page.fill("#amend-reason", reason)


async def test_a_number_is_amended_on_the_pages_by_two_people(busy: Site) -> None:
    case = await registered()
    clerk = await busy.visitor("clerk")
    await amend(clerk, case, "参保编号", "12", TYPED[0])
    assert await text(clerk, "#amend-old") == NUMBER
    wrong = await check(clerk, "zh")
    await clerk.set_input_files("#amend-paper", PDF)
    await clerk.click(".btn-primary")
    assert "至少 4 个字符" in await text(clerk, "main .notice.bad")
    assert await clerk.input_value("#amend-reason") == TYPED[0], "what was typed stays"
    await clerk.fill("#amend-new", "DEU0C01X00T48")
    await clerk.click(".btn-primary")
    assert "待另一人确认" in await text(clerk, "#said")
    assert "待确认" in await text(clerk, "#amendments")
    assert await clerk.locator("#amendments a:has-text('依据')").count() == 1, "the paper of the first try as well"
    assert NUMBER in await text(clerk, "#record table"), "nothing changes by one person's word"
    wrong += await check(clerk, "zh")
    # While it waits there is no second proposal.
    await amend(clerk, case, "参保编号", "DEU0C01X00T49", TYPED[0])
    await clerk.click(".btn-primary")
    assert "已有一项更正待确认" in await text(clerk, "main .notice.bad")

    boss = await busy.visitor("supervisor")
    for _ in range(300):
        await boss.goto("/inbox?view=all")
        if await boss.locator("#inbox tbody a:has-text('确认更正')").count():
            break
    line = await text(boss, "#inbox tbody tr:has-text('确认更正')")
    async with session() as s:
        amended = await s.get_one(Process, case)
    assert amended.case_no in line and amended.title in line and "商学院" in line, "whose value it is"
    await boss.click("#inbox tbody a:has-text('确认更正')")
    await boss.wait_for_selector("#facts-title")
    shown = await text(boss, "main")
    assert NUMBER in shown and "DEU0C01X00T48" in shown and TYPED[0] in shown
    wrong += await check(boss, "zh")
    await boss.click("button:has-text('确认更正')")
    await boss.wait_for_selector("#said .notice.good")
    for lang in ("zh", "en"):
        reader = await busy.visitor("clerk", lang)
        for _ in range(300):
            await reader.goto(f"/cases/{case}")
            if ("已更正" if lang == "zh" else "amended") in (await text(reader, "#amendments")).split("\n")[0].lower():
                break
        listed = await text(reader, "#amendments")
        assert NUMBER in listed and "DEU0C01X00T48" in listed and TYPED[0] in listed, "both values stay"
        table = await text(reader, "#record table")
        assert "DEU0C01X00T48" in table and NUMBER not in table
        found = await check(reader, lang)
        wrong += [w for w in found if not any(t in w for t in TYPED)]
        await reader.goto(f"/cases/{case}/amend?field=registration.receipt_no&of=social_bureau/1")
        wrong += await check(reader, lang)
        assert await reader.locator("#amend-new").count() == 0, "what the authority's system said is not amended here"
    assert wrong == []

    college = await busy.visitor("college")
    await college.goto(f"/cases/{case}")
    seen = await college.inner_text("body")
    assert "DEU0C01X00T48" not in seen and NUMBER not in seen
    assert await college.locator("#record a:has-text('更正')").count() == 0
    answer = await college.goto(f"/cases/{case}/amend?field=registration.number&of=social_bureau/1")
    assert answer.status == 403
