"""The page on which lists are uploaded: what it says about a file."""

from pathlib import Path
from typing import Any

import pytest

from runtime import clock
from store import people
from store.database import session
from store.tables.processes import Process
from tests.imports import files
from tests.web.conftest import Site
from tests.web.office import cases_in_rows, hire_values

pytestmark = pytest.mark.browser


async def upload(page: Any, content: bytes, button: str = "preview", name: str = "hires.xlsx") -> None:
    await page.goto("/start")
    await page.set_input_files("#file", {"name": name, "mimeType": "application/vnd.ms-excel", "buffer": content})
    await page.click(f"button[value={button}]")


async def test_filled_columns_that_were_not_read_are_named(site: Site) -> None:
    [header, *people] = files.sample_rows()[:3]
    renamed = ["证明材料" if h == "协议国参保证明" else h for h in header]
    page = await site.visitor("clerk")
    await upload(page, files.xlsx([renamed, *people]))
    said = await page.inner_text("#unread-columns")
    assert "证明材料" in said and "协议国参保证明" in said and "2 行" in said
    await upload(page, files.SAMPLE.read_bytes())
    await page.wait_for_selector("#result")
    assert await page.locator("#unread-columns").count() == 0


@pytest.mark.parametrize(("lang", "words"), [("zh", "文件有 50 MB"), ("en", "The file has 50 MB")])
async def test_a_file_that_is_too_large_is_told_its_true_size(
    site: Site, lang: str, words: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.csv"  # from the disk: the driver takes no such buffer
    large.write_bytes(b"x" * (50 * 1024 * 1024))
    page = await site.visitor("clerk", lang)
    await page.goto("/start")
    await page.set_input_files("#file", large)
    await page.click("button[value=preview]")
    said = await page.inner_text(".notice.bad")
    assert words in said and "20 MB" in said


def renewed(number: str) -> list[Any]:
    """The sample's first person with another passport."""
    first = files.sample_rows()[1]
    place = files.sample_rows()[0].index("证件号码")
    return [*first[:place], number, *first[place + 1 :]]


async def test_a_person_with_a_second_passport_is_decided_about_on_the_page(site: Site) -> None:
    header, first, second, *_ = files.sample_rows()
    page = await site.visitor("clerk")
    await upload(page, files.xlsx([header, first]), "good_rows")
    await page.wait_for_selector("#result tbody .mark.started")
    case = await page.inner_text("#result tbody a")
    # In a preview: another person, started together with the good row.
    await upload(page, files.xlsx([header, renewed("TZ1111111"), second]))
    assert case in await page.inner_text("#result tbody tr:first-child .fault")
    assert "1 行的人员需要确认" in await page.inner_text("#start-rows")
    await page.select_option("select[name=row-2]", "another_person")
    await page.click("#start-rows button")
    await page.wait_for_selector("#result tbody .mark.started >> nth=1")
    assert await page.locator("#result tbody .mark.started").count() == 2 == await cases_in_rows() - 1
    assert await page.locator("#start-rows").count() == 0
    other = await page.inner_text("#result tbody tr:first-child a")
    await page.click("#result tbody tr:first-child a")
    await page.wait_for_url("**/cases/**")
    assert "不是同一人" in await page.inner_text("main")

    # After a start without a preview: the same person; two open cases are too many to choose from.
    await upload(page, files.xlsx([header, renewed("TZ2222222")]), "good_rows")
    await page.wait_for_selector("select[name=row-2]")
    assert await page.locator("select[name=row-2] option").all_inner_texts() == ["尚未确认", "是另一人，发起参保"]
    async with session() as s:
        (await s.get_one(Process, f"enrolment-{other}")).state = "cancelled"
    await upload(page, files.xlsx([header, renewed("TZ2222222")]), "good_rows")
    await page.select_option("select[name=row-2]", "same_person")
    await page.click("#start-rows button")
    await page.wait_for_selector("#result tbody .mark.changed")
    assert "没有新开案件" in await page.inner_text("#result tbody")
    async with session() as s:
        assert (await people.hire_of(s, f"enrolment-{case}")).id_number == "TZ2222222"


async def test_a_single_person_with_a_second_passport_is_decided_about_in_the_form(site: Site) -> None:
    page = await site.visitor("clerk", "en")
    record = hire_values(0, clock.today())

    async def fill(number: str) -> None:
        for name, value in {**record, "id_number": number}.items():
            field = page.locator(f"form[action='/start/single'] [name='{name}']")
            await (
                field.select_option(value) if await field.evaluate("e => e.tagName") == "SELECT" else field.fill(value)
            )

    await page.goto("/start")
    await page.click("#single-title")
    await fill("C01X00T47")
    await page.click("form[action='/start/single'] button")
    await page.wait_for_url("**/cases/**")
    case = page.url
    await page.goto("/start")
    await page.click("#single-title")
    await fill("C02X00T48")
    assert await page.locator("#decision").count() == 0
    await page.click("form[action='/start/single'] button")
    assert "This may be the person of case" in await page.inner_text(".notice.bad")
    assert await page.input_value("form[action='/start/single'] [name=id_number]") == "C02X00T48"
    await page.select_option("#decision", "same_person")
    await page.click("form[action='/start/single'] button")
    await page.wait_for_url("**/cases/**")
    assert page.url.split("?")[0] == case.split("?")[0] and "new document" in await page.inner_text("#said")
    assert await cases_in_rows() == 1


async def test_a_person_over_the_age_by_the_post_is_started_with_her_track(site: Site) -> None:
    page = await site.visitor("clerk")
    form = "form[action='/start/single']"
    await page.goto("/start")
    await page.click("#single-title")
    for name, value in {**hire_values(0, clock.today()), "birth": "1968-03-14"}.items():
        field = page.locator(f"{form} [name='{name}']")
        await (field.select_option(value) if await field.evaluate("e => e.tagName") == "SELECT" else field.fill(value))
    await page.click(f"{form} button")
    assert "选择退休口径" in await page.inner_text("#faults")
    await page.select_option("#f-retirement_track", "senior_title")
    await page.click(f"{form} button")
    assert "依据" in await page.inner_text("#faults") and await page.locator("#f-ground-fault").count() == 1
    assert await page.input_value("#f-retirement_track") == "senior_title"
    await page.fill("#f-retirement_ground", "副教授任职文件 校人〔2025〕12号")
    await page.click(f"{form} button")
    await page.wait_for_url("**/cases/**")
    assert await cases_in_rows() == 1

    college = await site.visitor("college")
    await college.goto("/start")
    assert await college.locator("#f-retirement_track").count() == 0, "the office sets it, not the college"
