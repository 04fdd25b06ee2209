"""How people choose to be told: what is refused and why, what is kept, and that it counts for what leaves."""

import base64
import os
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from store import messages
from store.database import session
from store.tables.office import Audit
from store.tables.outbox import MessageSettings, Outgoing
from store.tables.people import User
from tests.api.conftest import Office

PATH = "/api/v1/messages/settings"
GOOD: dict[str, Any] = {
    "channels": ["sms", "mail"],
    "addresses": {"mail": "wang@school.example", "sms": "13800138000"},
    "quiet_from": "22:00",
    "quiet_to": "07:30",
    "digest": True,
}


@pytest.fixture
def sms(database: Settings) -> Settings:
    """An installation with mail and SMS."""
    database.sms_url = "http://127.0.0.1:9/sms"
    return database


async def tell(username: str, key: str) -> None:
    async with session() as s:
        user = await s.get_one(User, username)
        await messages.notify(s, user, Text(zh="请办理", en="Please see to it"), key=key, link=None, now=clock.now())


async def test_a_choice_is_kept_for_its_owner_and_counts(office: Office, sms: Settings) -> None:
    clerk, other = await office.sign_in("clerk"), await office.sign_in("clerk2")
    before = (await clerk.get(PATH)).json()
    assert [(c["channel"], c["chosen"], c["address"]) for c in before["channels"]] == [
        ("mail", True, "clerk@school.example"), ("sms", False, None),
    ]  # fmt: skip
    assert (before["quiet_from"], before["digest"], before["readable"]) == (None, False, True)
    saved = await clerk.put(PATH, json=GOOD)
    assert saved.status_code == 200, saved.text
    assert saved.json() == (await clerk.get(PATH)).json()
    assert [(c["channel"], c["chosen"], c["address"]) for c in saved.json()["channels"]] == [
        ("mail", True, "wang@school.example"), ("sms", True, "13800138000"),
    ]  # fmt: skip
    assert (saved.json()["quiet_from"], saved.json()["quiet_to"], saved.json()["digest"]) == ("22:00", "07:30", True)
    assert [c["chosen"] for c in (await other.get(PATH)).json()["channels"]] == [True, False]
    await tell("clerk", "a")
    await clerk.put(PATH, json={"channels": [], "addresses": GOOD["addresses"]})
    await tell("clerk", "b")
    async with session() as s:
        assert {(m.key, m.channel) for m in await s.scalars(select(Outgoing))} == {("a", "mail"), ("a", "sms")}
        row = await s.get_one(MessageSettings, "clerk")
        trail = list(await s.scalars(select(Audit).where(Audit.action == "message_settings.change")))
    assert b"13800138000" not in (row.addresses or b"") and row.addresses
    assert len(trail) == 2 and "1380" not in str([a.data for a in trail])
    assert (row.quiet_from, row.quiet_to, row.digest) == (None, None, False)


@pytest.mark.parametrize(
    ("change", "pointer", "code", "word"),
    [
        ({"channels": ["wecom"]}, "/channels/0", "not_set_up", "企业微信"),
        ({"channels": ["pigeon"]}, "/channels/0", "not_set_up", "mail"),
        ({"addresses": {"feishu": "ou_7d8a6e6df7621556"}}, "/addresses/feishu", "not_set_up", "飞书"),
        ({"channels": ["sms"], "addresses": {}}, "/addresses/sms", "address_needed", "手机号码"),
        ({"addresses": {"mail": "a@b.example", "sms": "1380013800"}}, "/addresses/sms", "bad_address", "11 位"),
        ({"addresses": {"mail": "no address", "sms": "13800138000"}}, "/addresses/mail", "bad_address", "邮箱"),
        ({"addresses": {"mail": "a@b.example\nBcc: c@d.example"}}, "/addresses/mail", "bad_address", "邮箱"),
        ({"quiet_to": None}, "/quiet_to", "quiet_end_missing", "同时填写"),
        ({"quiet_from": None}, "/quiet_from", "quiet_end_missing", "同时填写"),
        ({"quiet_from": "25:00"}, "/quiet_from", "bad_time", "22:00"),
        ({"quiet_from": "07:30"}, "/quiet_to", "quiet_empty", "相同"),
        ({"quiet_from": "08:00", "quiet_to": "07:00"}, "/quiet_to", "quiet_too_long", "16 小时"),
    ],
)
async def test_what_cannot_work_is_refused_at_its_field(
    office: Office, sms: Settings, change: dict[str, Any], pointer: str, code: str, word: str
) -> None:
    clerk = await office.sign_in("clerk")
    answer = await clerk.put(PATH, json=GOOD | change)
    assert answer.status_code == 422, answer.text
    faults = {(f["pointer"], f["code"]): f["message"] for f in answer.json()["errors"]}
    assert (pointer, code) in faults, faults
    assert word in faults[pointer, code]
    english = await clerk.put(PATH, json=GOOD | change, headers={"Accept-Language": "en"})
    assert all(f["message"].isascii() for f in english.json()["errors"]) or "pigeon" in str(change), english.text
    async with session() as s:
        assert await s.get(MessageSettings, "clerk") is None
        assert (await s.get_one(User, "clerk")).email == "clerk@school.example"


async def test_addresses_outlive_a_channel_that_is_not_set_up_for_a_while(office: Office, sms: Settings) -> None:
    clerk = await office.sign_in("clerk")
    assert (await clerk.put(PATH, json=GOOD)).status_code == 200
    sms.sms_url = ""
    body = {"channels": ["mail"], "addresses": {"mail": "wang@school.example"}}
    assert [c["channel"] for c in (await clerk.put(PATH, json=body)).json()["channels"]] == ["mail"]
    sms.sms_url = "http://127.0.0.1:9/sms"
    assert [c["address"] for c in (await clerk.get(PATH)).json()["channels"]] == ["wang@school.example", "13800138000"]


async def test_a_key_that_is_away_wipes_nothing(office: Office, sms: Settings) -> None:
    clerk = await office.sign_in("clerk")
    assert (await clerk.put(PATH, json=GOOD)).status_code == 200
    key = sms.secret_key
    sms.secret_key = SecretStr(base64.b64encode(os.urandom(32)).decode())
    try:
        shown = (await clerk.get(PATH)).json()
        assert (shown["readable"], shown["channels"][1]["address"]) == (False, None)
        answer = await clerk.put(PATH, json={"channels": ["mail"], "addresses": {"mail": "x@school.example"}})
        assert (answer.status_code, answer.json()["code"]) == (503, "addresses_unreadable")
        assert "密钥" in answer.json()["detail"]
        async with session() as s:
            assert (await s.get_one(User, "clerk")).email == "wang@school.example"
    finally:
        sms.secret_key = key
    again = (await clerk.get(PATH)).json()
    assert (again["readable"], again["channels"][1]["address"], again["digest"]) == (True, "13800138000", True)
