"""The rules administered in Chromium: proposed, approved by another, seen before, applied; a year by its notice."""

import os
import re
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from sqlalchemy import insert, select

from api.policy import propose
from domain.deadlines import compute
from runtime import clock
from schemas.enrolment import ForeignHire, LineRequest
from schemas.policy import ProposeBody
from store import people, policies, premium_lines, rule_tables
from store.database import session
from store.month_lines import InsuredMonth, write_month
from store.policy_impact import NO_WAGE
from store.sealed import seal, unseal
from store.tables.ledger import PremiumLine
from store.tables.people import Hire, User
from store.tables.processes import Process
from store.users import viewer_of
from tests.api.test_policy import LIMIT
from tests.web.conftest import Site
from tests.web.office import hire_values, open_case

pytestmark = pytest.mark.browser
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PICTURES = os.environ.get("PICTURES")
NOTICE = """国务院办公厅关于2027年部分节假日安排的通知
国办发明电〔2026〕5号
一、元旦：1月1日（周五）至3日（周日）放假，共3天。
二、春节：2月5日（周五）至12日（周五）放假调休，共8天。2月13日（周六）上班。
三、清明节：4月3日（周六）至5日（周一）放假，共3天。
四、劳动节：5月1日（周六）至5日（周三）放假调休，共5天。5月8日（周六）上班。
五、端午节：6月9日（周三）放假1天。
六、中秋节：9月15日（周三）放假1天。
七、国庆节：10月1日（周五）至7日（周四）放假调休，共7天。10月9日（周六）上班。
2026年11月24日"""


async def owing(number: int) -> str:
    """A case whose months are written and not paid, the first of them long past its day."""
    case = await open_case(number, ["verification"], 20)
    async with session() as s:
        hire = await s.scalar(select(Hire).where(Hire.process_id == case))
        assert hire is not None
        record = ForeignHire.model_validate(unseal(hire.record))
        hire.contract_start = clock.today() - timedelta(days=70)
        hire.record = seal(record.model_copy(update={"contract_start": hire.contract_start}).model_dump(mode="json"))
        request = LineRequest(
            process_id=case,
            person_id=hire.person_id,
            levy="social",
            payment_month=str(clock.today())[:7],
            insurances=rule_tables.load().categories["FOREIGN_WORK_PERMIT"][1],
        )
        await premium_lines.write_lines(s, request)
    return case


def change_of(url: str) -> str:
    """The path of the change that a page shows."""
    found = re.search(r"/policy/changes/\d+", url)
    assert found is not None, url
    return found[0]


class Look:
    """Opens pages and gathers what is wrong with them."""

    def __init__(self, page: Any, lang: str) -> None:
        self.page, self.lang, self.wrong = page, lang, list[str]()

    async def at(self, name: str, path: str = "") -> str:
        if path:
            answer = await self.page.goto(path)
            assert answer.status == 200, path
        found = await Axe().run(self.page)
        if found.violations_count:
            self.wrong.append(f"{self.page.url}: {found.generate_report()}")
        text = await self.page.inner_text("main")
        self.wrong += [f"{self.page.url}: {k}" for k in re.findall(r"\b(?:policy|rules|field|choice)_[a-z_]+", text)]
        if PICTURES:
            await self.page.screenshot(path=f"{PICTURES}/{self.lang}-policy-{name}.png", full_page=True)
        return text


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_a_rate_from_the_proposal_to_its_history(site: Site, lang: str) -> None:
    await owing(1)
    first, second = await site.visitor("policy", lang), await site.visitor("policy2", lang)
    look, other = Look(first, lang), Look(second, lang)
    assert "/policy" in first.url and await first.locator("#nav a[aria-current]").get_attribute("href") == "/policy"
    await look.at("files", "/policy")
    await look.at("limits", "/policy/files/contribution_limits.csv")
    await look.at("deadlines", "/policy/files/deadlines.yaml")
    await look.at("late-fee", "/policy/files/late_fee.yaml")
    await first.click("main table a[href*='/policy/propose']")
    await look.at("propose")
    await first.fill("#f-daily_rate", "2")
    await first.fill("#f-source", "国务院令第999号")
    await first.fill("#f-reason", "税务总局公告")
    await first.click(".act-bar .btn-primary")
    await first.wait_for_selector("#f-valid_from-fault")
    assert await first.input_value("#f-source") == "国务院令第999号"  # what was typed stays
    await first.fill("#f-valid_from", "2026-01-01")
    await first.click(".act-bar .btn-primary")
    await first.wait_for_selector("#f-daily_rate-fault")
    assert await first.locator("#f-valid_from-fault").count() == 0
    await first.fill("#f-daily_rate", "0.001")
    await first.click(".act-bar .btn-primary")
    await first.wait_for_url(re.compile(r"/policy/changes/\d+"))
    path = change_of(first.url)
    assert await first.locator("#decide button").all_inner_texts() == ["撤回" if lang == "zh" else "Withdraw"]
    token = await first.get_attribute("#decide [name=csrf]", "value")
    own = await first.context.request.post(f"{site.url}{path}/approve", form={"csrf": token})
    assert own.status == 403  # the server refuses it too
    text = await other.at("change", path)
    counts = {
        href.partition("list=")[2].partition("#")[0]: int(number)
        for href, number in await second.eval_on_selector_all(
            "#preview .tabs a", "l => l.map(a => [a.getAttribute('href'), a.querySelector('.count').innerText])"
        )
    }
    assert counts["fees"] >= 1 and counts["people"] == 1 and counts["lines"] == counts["late"] == 0, text
    for name, count in counts.items():
        await second.goto(f"{path}?list={name}")
        assert await second.locator("#preview tbody tr").count() == count, name
    await other.at("fees", f"{path}?list=fees")
    await second.click("#decide .btn-danger-quiet")  # without a word of why
    await second.wait_for_selector("#f-note-fault")
    await second.click("#decide .btn-primary")
    await second.wait_for_selector("#decide button[formaction$=apply]")
    await other.at("approved")
    await second.click("#decide button[formaction$=apply]")
    await second.wait_for_selector("#decide button[formaction$=revoke]")
    applied = await other.at("applied")
    assert "0.001" in applied and [str(c.new["daily_rate"]) for c in policies.in_force()] == ["0.001"]
    await second.click("a[href='/policy/versions/1']")
    await other.at("version")
    await other.at("versions", "/policy/versions")
    history = await look.at("history", "/policy/value?file=late_fee.yaml&key=rates[2026-01-01]")
    assert "0.0005" in history and "0.001" in history  # the old one stays
    assert await first.locator(f"main a[href='{path}']").count() >= 2
    await look.at("changes", "/policy/changes?state=applied")
    await look.at("take-over", "/policy/take-over")
    await second.goto(path)
    await second.click("#decide button")  # without a word of why
    await second.wait_for_selector("#f-note-fault")
    await second.fill("#f-note", "录入错误")
    await second.click("#decide button")
    await second.wait_for_url(lambda url: change_of(url) != path)
    taking_back = await other.at("taking back")
    assert path.rpartition("/")[2] in taking_back and "0.001" in taking_back
    assert not look.wrong + other.wrong, "\n".join(look.wrong + other.wrong)


async def test_a_year_is_entered_from_its_notice(site: Site) -> None:
    page = await site.visitor("policy")
    look = Look(page, "zh")
    await look.at("year", "/policy/year?year=2027")
    await page.fill("#f-text", NOTICE.replace("共8天", "共9天"))
    await page.click("button[value=read]")
    await page.wait_for_selector("#notice-faults")
    assert "共 9 天" in await look.at("year-fault")
    assert await page.locator("button[value=propose]").count() == 0
    await page.set_input_files(
        "#f-file", {"name": "notice.txt", "mimeType": "text/plain", "buffer": NOTICE.encode("gbk", "replace")}
    )
    await page.click("button[value=read]")
    await page.wait_for_selector("button[value=propose]")
    text = await look.at("year-read")
    assert "2027年2月5日" in text and "2027年2月13日" in text and "春节" in text
    assert await page.input_value("#f-source") == "国办发明电〔2026〕5号"
    assert await page.input_value("#f-published_on") == "2026-11-24"
    await page.click("button[value=propose]")
    await page.wait_for_selector("#f-reason-fault")  # why is asked for, the rest stays
    await page.fill("#f-reason", "国务院办公厅通知")
    await page.click("button[value=propose]")
    await page.wait_for_url(re.compile(r"/policy/changes/\d+"))
    path = change_of(page.url)
    second = await site.visitor("policy2")
    other = Look(second, "zh")
    await other.at("year-change", path)
    await second.click("#decide .btn-primary")
    await second.click("#decide button[formaction$=apply]")
    await second.wait_for_selector("#decide button[formaction$=revoke]")
    [year] = [y for y in policies.snapshot().calendar("school").years if y.year == 2027]
    assert not year.provisional and "2027-02-05/2027-02-12" in year.rest and year.names["2027-06-09"].en
    await other.at("calendar", "/policy/files/calendar.yaml")
    await second.goto("/policy/propose?file=calendar.yaml&key=years[2027]")
    await second.fill("#f-day", "2027-03-03")
    await second.select_option("#f-kind", "rest")
    await second.fill("#f-source", "校历")
    await second.fill("#f-reason", "校庆")
    await second.click(".act-bar .btn-primary")
    await second.wait_for_url(re.compile(r"/policy/changes/\d+"))
    assert not look.wrong + other.wrong, "\n".join(look.wrong + other.wrong)


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_what_has_no_case_and_what_cannot_be_computed_is_shown(site: Site, lang: str) -> None:
    """A line of a month's list has no case to open; one without a wage is listed with the reason."""
    month = str(clock.today())[:7]
    async with session() as s:
        record = ForeignHire.model_validate(hire_values(8, clock.today()))
        person = (await people.save_person(s, record, str(uuid.uuid4()), clock.now())).id
        staff = [InsuredMonth("monthly-1", person, record.org_unit, "FOREIGN_WORK_PERMIT", Decimal("30000"))]
        await write_month(
            s, staff, month=month, payment_month=month, known_on=clock.today(), now=clock.now(), actor="system"
        )
        [line] = [x for x in await premium_lines.lines_of_case(s, "monthly-1") if x.insurance == "pension"]
        columns = {c.key: getattr(line, c.key) for c in PremiumLine.__table__.columns if c.key != "id"}
        await s.execute(insert(PremiumLine).values(columns | {"process_id": "taken-over", "declared": None}))
        body = ProposeBody.model_validate(LIMIT)
        admin = viewer_of(await s.get_one(User, "policy"))
        change = (await propose(s, admin, body)).id
    page = await site.visitor("policy2", lang)
    look = Look(page, lang)
    lines = await look.at("lines", f"/policy/changes/{change}?list=lines")
    assert await page.locator("#preview tbody tr").count() == 1 and await page.locator("#preview tbody a").count() == 0
    assert ("无个案" if lang == "zh" else "month's list") in lines
    await page.click("#preview a[href*='list=not_computable'] >> nth=0")
    text = await look.at("not-computable")
    assert NO_WAGE.model_dump()[lang] in text
    assert await page.locator(f"#preview tbody a[href='/rules/persons/{person}']").count() == 1
    assert not look.wrong, "\n".join(look.wrong)


async def behind(number: int) -> str:
    """A case that works by older rules, whose target these counted ten days longer."""
    case = await open_case(number, ["verification"], 20)
    snapshot = policies.snapshot()
    rule = snapshot.rule("INT-VERIFICATION")
    longer = compute(
        rule.model_copy(update={"n": (rule.n or 0) + 10}), clock.today(), snapshot, remaining_steps=["verification"]
    )
    async with session() as s:
        process = await s.get_one(Process, case)
        process.policy_version = "older"
        process.deadlines = [*process.deadlines, longer.model_dump(mode="json")]
    return case


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_cases_are_chosen_seen_and_told_together(site: Site, lang: str) -> None:
    first, second = await behind(31), await behind(32)
    page = await site.visitor("supervisor", lang)
    look = Look(page, lang)
    await look.at("take-over", "/policy/take-over")
    assert await page.locator("#behind tbody tr").count() == 2 == await page.locator("#moves tbody tr").count()
    await page.click("button[value=preview]")
    await page.wait_for_selector("#f-reason-fault")  # nothing was chosen
    await page.check(f"input[value='{first}']")
    await page.fill("#f-reason", "统一办理")
    await page.click("button[value=preview]")
    await page.wait_for_selector(f"input[value='{first}']:checked")
    assert await page.locator("#moves tbody tr").count() == 1
    assert await page.locator(f"#moves a[href='/cases/{first}']").count() == 1
    assert await page.locator("#orders").count() == 0 and await page.input_value("#f-reason") == "统一办理"
    await look.at("take-over-preview")
    await page.click("button[value=chosen]")
    await page.wait_for_selector("#orders")
    assert await page.locator("#orders tbody tr").count() == 1
    for case in (first, second):
        await page.check(f"input[value='{case}']")
    await page.click("button[value=chosen]")
    await page.wait_for_selector("#f-reason-fault")  # why is asked for, the choice stays
    assert await page.locator("#behind input:checked").count() == 2
    await page.fill("#f-reason", "统一办理")
    await page.click("button[value=all]")
    await page.wait_for_selector("#take-over-result")  # one was told already
    assert await page.locator("#take-over-result tbody tr").count() == 2
    assert await page.locator("#take-over-result .mark.waiting").count() == 1
    assert await page.locator("#orders tbody tr").count() == 2
    await look.at("take-over-result")
    assert not look.wrong, "\n".join(look.wrong)
    reader = await site.visitor("auditor", lang)
    await reader.goto("/policy/take-over")
    assert await reader.locator("#behind tbody tr").count() == 2
    assert await reader.locator("#take-over input[type=checkbox], #take-over button").count() == 0


async def test_who_may_read_and_who_may_not(site: Site) -> None:
    for who, seen in (("auditor", 200), ("head", 200), ("clerk", 403), ("college", 403)):
        page = await site.visitor(who)
        for path in (
            "/policy",
            "/policy/files/late_fee.yaml",
            "/policy/changes",
            "/policy/versions",
            "/policy/take-over",
        ):
            assert (await page.goto(path)).status == seen, (who, path)
        for path in ("/policy/propose?file=late_fee.yaml&key=rates[2011-07-01]", "/policy/year"):
            assert (await page.goto(path)).status == 403, (who, path)
        links = await page.locator("#nav a[href='/policy']").count()
        assert bool(links) == (seen == 200)
