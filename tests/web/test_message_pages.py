"""How a person chooses to be told, in Chromium: two languages, faults at their fields, and what was typed stays."""

import pytest

from store import message_settings
from store.database import session
from store.tables.people import User
from tests.web.conftest import Site
from tests.web.test_pages import check

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_settings_are_chosen_corrected_and_kept(site: Site, lang: str) -> None:
    site.settings.sms_url = "http://127.0.0.1:9/sms"
    page = await site.visitor("clerk", lang)
    await page.goto("/messages")
    await page.click("a[href='/messages/settings']")
    wrong = await check(page, lang)
    await page.fill("#address-mail", "wang@school.example")
    await page.check("#way-sms")
    await page.fill("#address-sms", "138")
    await page.fill("#quiet_from", "22:00")
    await page.check("#digest")
    await page.click("#message-settings .btn-primary")
    await page.wait_for_selector("#address-sms-fault")
    wrong += await check(page, lang)
    assert await page.inner_text("#quiet_to-fault")
    assert await page.input_value("#address-sms") == "138"
    assert await page.is_checked("#digest") and await page.is_checked("#way-sms")
    await page.fill("#address-sms", "13800138000")
    await page.fill("#quiet_to", "07:00")
    await page.click("#message-settings .btn-primary")
    await page.wait_for_selector("#said .notice.good")
    wrong += await check(page, lang)
    assert await page.input_value("#address-sms") == "13800138000"
    async with session() as s:
        kept = await message_settings.of_user(s, await s.get_one(User, "clerk"))
    assert kept.ways == ["mail", "sms"] and kept.wishes.digest
    assert f"{kept.wishes.quiet_from:%H:%M} {kept.wishes.quiet_to:%H:%M}" == "22:00 07:00"
    assert not wrong, "\n".join(wrong)
