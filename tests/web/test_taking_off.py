"""The pages of a bill that people leave, in Chromium: who can be taken off, who was, who should be; both languages,
accessible."""

import re
import uuid
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from domain.times import month_of
from runtime import clock
from schemas.base import Text
from schemas.calls import FreezeArg, PaymentScope
from schemas.enrolment import LineRequest
from schemas.process import CANCELLING, ProcessSnapshot, ProcessState, Stage, StageState, Transition
from schemas.tasks import TaskSnapshot, TaskSpec, TaskState
from schemas.tax_payment import BillKind
from store import ledger, projection, taking_off
from store.database import session
from store.tables.processes import Process
from tests.web.conftest import Site
from tests.web.office import open_case

pytestmark = pytest.mark.browser
CHINESE = re.compile(r"[\u4e00-\u9fff]")
WHY = "Unknown at the tax office 4711"


async def billed(*numbers: int) -> tuple[str, dict[str, str]]:
    """A frozen bill of the month's social levy; the bill, and case -> person."""
    scope = PaymentScope(unit="school", levy="social", month=month_of(clock.today()))
    cases = {await open_case(number, ["tax_payment"], 20): "" for number in numbers}
    async with session() as s:
        s.add(
            Process(
                id=scope.process_id, kind="tax_payment", case_no=scope.process_id, started_by="system",
                started_at=clock.now(), parameters=scope.model_dump(),
            )
        )  # fmt: skip
        for case in cases:
            cases[case] = (await s.get_one(Process, case)).subject or ""
            await ledger.write_lines(
                s,
                LineRequest(
                    process_id=case, person_id=cases[case], levy="social", payment_month=scope.month,
                    insurances=["pension", "unemployment", "work_injury"],
                ),
            )  # fmt: skip
        ref = await ledger.freeze_bill(s, FreezeArg(scope=scope, kind=BillKind.REGULAR, round=1))
    return ref.bill_id, cases


async def asked(bill_id: str, name: str, outcomes: list[str], **data: Any) -> str:
    """A task of the payment about the bill."""
    async with session() as s:
        scope = await ledger.scope_of_bill(s, bill_id)
        task = TaskSnapshot(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope.process_id}/{name}")),
            process_id=scope.process_id,
            revision=1,
            state=TaskState.READY,
            version=1,
            opened_at=clock.now(),
            deadlines=[],
            spec=TaskSpec(
                key=f"{name}/1",
                kind=f"tax_payment.{name}",
                title=Text(zh="征集单任务", en="A task about the bill"),
                roles=["clerk"],
                stage="visible",
                outcomes=outcomes,
                data=scope.model_dump() | {"bill_id": bill_id, "bill_kind": "regular"} | data,
            ),
        )
        stage = Stage(code="visible", title=Text(zh="税务端同步", en="Visible"), column=0, state=StageState.ACTIVE)
        process = ProcessSnapshot(
            id=scope.process_id, kind="tax_payment", revision=1, state=ProcessState.RUNNING, stages=[stage],
            started_at=clock.now(),
        )  # fmt: skip
        await projection.apply(s, Transition(process=process, tasks=[task]), clock.now())
    return task.id


async def looked_at(page: Any, address: str, lang: str) -> str:
    """The page's words; accessible, and of one language (people's own words and names apart)."""
    answer = await page.goto(address)
    assert answer.status == 200, address
    found = await Axe().run(page)
    assert not found.violations_count, found.generate_report()
    text = await page.inner_text("main")
    assert not re.findall(r"\b(?:ctx|col|outcome|flag|paid|choice)_[a-z_]+", text)
    if lang == "en":
        assert not [line for line in text.splitlines() if CHINESE.search(re.sub("《[^》]*》|（[^）]*）", "", line))]
    return text


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_people_are_ticked_and_a_reason_is_asked_for(site: Site, lang: str) -> None:
    bill_id, cases = await billed(1, 2)
    hidden = list(cases.values())[1]
    task = await asked(bill_id, "visible", ["visible", "take_off"], missing=[hidden])
    page = await site.visitor("clerk", lang)
    assert {"zh": "尚无参保编号", "en": "no number yet"}[lang] in await looked_at(page, f"/tasks/{task}", lang)
    await page.click("nav.tabs a[href$='outcome=take_off']")
    boxes = page.locator("input[type=checkbox][name=persons]")
    await boxes.first.wait_for()
    assert {await boxes.nth(i).get_attribute("value") for i in range(await boxes.count())} == set(cases.values())
    assert await boxes.first.get_attribute("value") == hidden, "who is not visible comes first"
    await looked_at(page, f"/tasks/{task}?outcome=take_off", lang)
    await page.click("#answer button[value=take_off]")
    await page.wait_for_selector("fieldset.has-fault")
    assert await page.locator(".has-fault textarea#f-reason").count() == 1, "a reason is written, not chosen"
    await page.check(f"#f-persons-{hidden}")
    await page.click("#answer button[value=take_off]")
    await page.wait_for_selector("fieldset.has-fault", state="detached")
    assert await page.is_checked(f"#f-persons-{hidden}"), "nothing that was chosen is lost"


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_who_left_and_who_should_leave_is_said_on_the_bill(site: Site, lang: str) -> None:
    bill_id, cases = await billed(1, 2, 3)
    (_, first), (gone, second), _ = cases.items()
    async with session() as s:
        await taking_off.take_off(s, bill_id, [first], WHY, "clerk")
        (await s.get_one(Process, gone)).flags = [CANCELLING]
    task = await asked(bill_id, "payment", ["paid"])
    page = await site.visitor("clerk", lang)
    text = await looked_at(page, f"/tasks/{task}", lang)
    assert WHY in text
    assert {"zh": "转后续征集单缴纳", "en": "due with a later bill"}[lang] in text
    assert {"zh": "参保已撤销、仍在本单上", "en": "Enrolment cancelled, still on the bill"}[lang] in text
    async with session() as s:
        assert await taking_off.leavers(s, bill_id) == [second]
        await taking_off.take_off_leavers(s, bill_id)
    text = await looked_at(page, f"/tasks/{task}", lang)
    assert {"zh": "已冲销，不再缴纳", "en": "reversed, no longer due"}[lang] in text
    assert {"zh": "仍在本单上", "en": "still on the bill"}[lang] not in text
    await looked_at(page, f"/cases/{gone}", lang)
    assert {"zh": "撤销中", "en": "being cancelled"}[lang] in await page.inner_text("body")


async def test_exempt_insurances_are_ticked_at_the_verification(site: Site) -> None:
    case = await open_case(1, ["verification"], 20)
    page = await site.visitor("clerk")
    await page.goto(f"/cases/{case}")
    await page.click("a[href^='/tasks/']")
    await page.wait_for_selector("#answer")
    assert await page.locator("#answer input[type=checkbox][name=exempt]").count() > 3
    assert await page.locator("#answer textarea[name=exempt]").count() == 0
