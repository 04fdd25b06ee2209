"""Message settings and the desk of channels, in Chromium: two languages, faults at their fields, nothing shown that
holds an address."""

import pytest
from sqlalchemy import select

from domain.delivery import Trouble
from runtime import clock
from schemas.base import Text
from store import channels, message_settings, outbox
from store.database import session
from store.tables.outbox import ChannelState, Outgoing
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


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_an_administrator_stops_a_channel_and_sends_again(site: Site, lang: str) -> None:
    site.settings.sms_url = "http://127.0.0.1:9/sms"
    now = clock.real_now()
    async with session() as s:
        said = Text(zh="提醒", en="Reminder")
        await outbox.queue(s, "a", said, said, username="clerk", now=now)
        row = (await s.scalars(select(Outgoing))).one()
        await outbox.mark(s, (row.id,), outbox.FAILED, error="550 no such user clerk@secret.example", now=now)
        await channels.failed(s, "sms", "HTTP 500 secret", now, Trouble.ODD_ANSWER)
    page = await site.visitor("admin", lang)
    await page.click("#nav a[href='/channels']")
    wrong = await check(page, lang)
    assert "secret" not in await page.inner_text("body")
    await page.click("#refused button")
    await page.wait_for_selector("#said .notice.good")
    assert await page.locator("#refused").count() == 0
    await page.click("#channel-sms form[action$='/stop'] button")
    await page.wait_for_selector("#channel-sms form[action$='/resume']")
    wrong += await check(page, lang)
    async with session() as s:
        row = (await s.scalars(select(Outgoing))).one()
        assert (row.state, row.error) == ("pending", None)
        assert (await s.get_one(ChannelState, "sms")).stopped_by == "admin"
    assert not wrong, "\n".join(wrong)
    clerk = await site.visitor("clerk", lang)
    assert (await clerk.goto("/channels")).status == 403
