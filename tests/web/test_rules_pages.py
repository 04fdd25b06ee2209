"""The rules looked up in Chromium: values, a person's month, a date by rule; both languages, accessible, no script."""

import os
import re
import uuid
from datetime import datetime
from decimal import Decimal

import pytest
from axe_playwright_python.async_playwright import Axe

from domain.times import SHANGHAI
from runtime import clock
from schemas.enrolment import ForeignHire
from store import people
from store.database import session
from store.month_lines import InsuredMonth, write_month
from store.tables.people import User
from tests.web.conftest import Site
from tests.web.office import hire_values

pytestmark = pytest.mark.browser
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PICTURES = os.environ.get("PICTURES")
AT = datetime(2024, 9, 2, 10, 0, tzinfo=SHANGHAI)


async def insured(number: int, login: str | None = None) -> str:
    """A person with the lines of March 2024; `login` is that person's."""
    record = ForeignHire.model_validate(hire_values(number, clock.today()) | {"contract_start": "2024-01-01"})
    async with session() as s:
        person = await people.save_person(s, record, str(uuid.uuid4()), clock.now())
        await people.save_hire(s, f"enrolment-{person.id[:8]}", person.id, record, source="import", now=clock.now())
        one = InsuredMonth(person.id, person.id, record.org_unit, "FOREIGN_WORK_PERMIT", Decimal("4300"))
        await write_month(
            s, [one], month="2024-03", payment_month="2024-09", known_on=AT.date(), now=AT, actor="system"
        )
        if login:
            (await s.get_one(User, login)).person_id = person.id
    return person.id


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_pages_in_both_languages(site: Site, lang: str) -> None:
    own = await insured(1, "employee")
    page = await site.visitor("employee", lang)
    wrong: list[str] = []

    async def look(path: str, name: str) -> str:
        await page.goto(path)
        found = await Axe().run(page)
        if found.violations_count:
            wrong.append(f"{path}: {found.generate_report()}")
        text = await page.inner_text("main")
        if lang == "en":
            bare = re.sub("《[^》]*》|（[^）]*）", "", text)
            wrong.extend(f"{path}: {line}" for line in bare.splitlines() if CHINESE.search(line))
        wrong.extend(f"{path}: {key}" for key in re.findall(r"\b(?:rules|choice|flag|insurance)_[a-z_]+", text))
        if PICTURES:
            await page.screenshot(path=f"{PICTURES}/{lang}-rules-{name}.png", full_page=True)
        return text

    values = await look("/rules?month=2024-03&known_on=2024-03-20", "values")
    assert "4246" in values and "16%" in values and "2023-07-18" in values
    assert await page.locator("#nav a[aria-current]").get_attribute("href") == "/rules"
    month = await look("/rules/persons", "person")
    assert page.url.endswith("/rules/persons/me")
    assert "360.88" in month and "4511" in month and "2024-08-23" in month
    assert "2020-01" in await look(f"/rules/persons/{own}?month=2020-01", "no-lines")
    await look("/rules/deadlines", "all-deadlines")
    date = await look("/rules/deadlines?rule=DL-NORM-CHANGE&anchor=2026-09-18", "deadline")
    assert "2026-10-09" in date
    await look("/rules/deadlines?rule=DL-DECL-MONTH&anchor=2026-09", "no-date")
    assert not wrong, "\n".join(wrong)


async def test_by_keyboard_and_without_script(site: Site) -> None:
    first, second = await insured(1), await insured(2, "employee")
    page = await site.visitor("clerk", script=False)
    await page.goto("/rules/persons")
    async with session() as s:
        person = await people.get_person(s, first)
        assert person is not None
    await page.fill("#person-q", "a")
    await page.press("#person-q", "Enter")
    await page.wait_for_url(re.compile(r"\?q=a"))
    assert await page.locator("main tbody a").count() >= 2
    await page.fill("#person-q", str(hire_values(1, clock.today())["id_number"]))
    await page.press("#person-q", "Enter")
    await page.wait_for_url(re.compile("/rules/persons/."))
    assert page.url.endswith(f"/rules/persons/{first}"), "a number leads to the person and stands in no address"
    assert "360.88" in await page.inner_text("#lines")
    await page.goto(f"/rules/persons/{first}?month=2024-13")
    assert "2026-11" in await page.inner_text("#faults")
    await page.goto("/rules/deadlines?rule=DL-REG-FOR")
    await page.fill("#anchor", "2026-09")
    await page.press("#anchor", "Enter")
    await page.wait_for_url(re.compile("anchor=2026-09"))
    assert "2026-11-24" in await page.inner_text("#faults") and await page.input_value("#anchor") == "2026-09"
    employee = await site.visitor("employee", script=False)
    answer = await employee.goto(f"/rules/persons/{first}")
    assert answer.status == 404
    assert (await employee.goto(f"/rules/persons/{second}")).status == 200


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_the_track_of_retirement_is_set_on_the_page_of_the_person(site: Site, lang: str) -> None:
    person = await insured(8)
    page = await site.visitor("clerk", lang)
    await page.goto(f"/rules/persons/{person}")
    before = await page.locator("#retirement dd").first.inner_text()
    assert await page.locator("#tracks").count() == 0
    token = await page.get_attribute("#retirement [name=csrf]", "value")
    bare = await page.context.request.post(
        f"{site.url}/rules/persons/{person}/retirement-track",
        form={"csrf": token, "track": "senior_title", "ground": " "},
    )
    assert bare.status == 422 and 'value="senior_title" selected' in await bare.text()  # what was chosen stays
    await page.select_option("#f-track", "senior_title")
    await page.fill("#f-ground", "副教授任职文件")
    await page.click("#retirement form button")
    await page.wait_for_selector("#tracks")
    assert await page.locator("#retirement dd").first.inner_text() > before
    assert "副教授任职文件" in await page.inner_text("#tracks tbody")
    found = await Axe().run(page)
    assert not found.violations_count, found.generate_report()
    text = (await page.inner_text("#retirement")).replace("副教授任职文件", "")
    source = await page.inner_text("#retirement .body p")
    if lang == "en":
        bare_lines = [x for x in text.splitlines() if CHINESE.search(x) and x not in source]
        assert not bare_lines, bare_lines
    assert not re.findall(r"\b(?:rules|choice|said)_[a-z_]+", text)
    college = await site.visitor("college", lang)
    await college.goto(f"/rules/persons/{person}")
    assert await college.locator("#tracks tbody tr").count() == 1
    assert await college.locator("#retirement form").count() == 0
