"""The channels as administrators have them: a real mail server and gateway, refusals sent again, no address shown."""

from datetime import datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import select

from runtime import clock
from runtime.settings import Settings
from store import database as db
from store import departures
from store.policies import calendar
from store.tables.office import Message
from tests.applications import interface
from tests.notifications.conftest import Postbox, open_case
from tests.notifications.messenger import Messenger
from tests.notifications.test_channels import rows, set_up, tell, wants
from worker.delivery import deliver

GONE, PHONE = "gone@example.edu", "13800138000"


async def signed_in(username: str) -> httpx2.AsyncClient:
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=interface()), base_url="http://test/api/v1")
    answer = await client.post("/session", json={"username": username, "password": "x"})
    client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return client


async def seen(admin: httpx2.AsyncClient) -> tuple[dict[str, Any], list[Any]]:
    answer = await admin.get("/channels")
    assert answer.status_code == 200, answer.text
    for secret in (GONE, PHONE, "no such user", "Connect", "HTTP"):
        assert secret not in answer.text
    return {c["channel"]: c for c in answer.json()["channels"]}, answer.json()["refused"]


async def test_what_fails_is_seen_and_sent_again(
    office: Settings,
    mail_server: Postbox,
    machine: list[datetime],
) -> None:
    office.sms_url = "http://127.0.0.1:9/sms"  # nobody listens
    await open_case()
    mail_server.replies = {GONE: f"550 no such user {GONE}"}
    await wants("clerk", ["mail", "sms"], {"mail": GONE, "sms": PHONE})
    begin = machine[0]
    await tell("clerk", "rung/1")
    for _ in range(3):
        assert await deliver() == 0
        machine[0] += timedelta(minutes=5)
    admin, clerk = await signed_in("admin"), await signed_in("clerk")
    found, refused = await seen(admin)
    assert {c: v["state"] for c, v in found.items()} == {
        "mail": "unused", "wecom": "not_set_up", "dingtalk": "not_set_up", "feishu": "not_set_up", "sms": "failing",
    }  # fmt: skip
    assert (found["sms"]["waiting"], found["sms"]["refused"], found["mail"]["refused"]) == (1, 0, 1)
    assert "无法连接" in found["sms"]["why"]["zh"]
    assert datetime.fromisoformat(found["sms"]["failing_since"]) == begin
    ((mail,), row) = refused, (await rows())["mail", "rung/1"]
    assert (mail["id"], mail["reader"], mail["state"], mail["channel"]) == (row.id, "clerk", "failed", "mail")
    async with db.session() as s:
        told = list(await s.scalars(select(Message).where(Message.username == "admin")))
    assert [(m.link, "短信" in m.text_zh) for m in told] == [("/channels", True)]
    for path in ("/channels/mail/stop", "/channels/mail/again", f"/channels/messages/{row.id}/again"):
        assert (await clerk.post(path)).status_code == 403
    assert (await clerk.get("/channels")).status_code == 403
    assert (await admin.post("/channels/messages/999999/again")).status_code == 404
    assert (await admin.post("/channels/pigeon/stop")).status_code == 404
    assert (await admin.post("/channels/wecom/resume")).status_code == 409
    mail_server.replies = {}
    assert (await admin.post(f"/channels/messages/{row.id}/again")).status_code == 204
    assert (await admin.post(f"/channels/messages/{row.id}/again")).status_code == 409
    assert await deliver() == 1
    found, refused = await seen(admin)
    assert (found["mail"]["state"], found["mail"]["refused"], refused) == ("working", 0, [])


async def test_a_stopped_channel_keeps_what_waits_and_goes_on_when_resumed(
    office: Settings,
    mail_server: Postbox,
    machine: list[datetime],
) -> None:
    await open_case()
    admin = await signed_in("admin")
    assert (await admin.post("/channels/mail/stop")).status_code == 204
    await tell("clerk", "rung/1")
    machine[0] += timedelta(hours=1)
    assert await deliver() == 0
    found, _ = await seen(admin)
    assert (found["mail"]["state"], found["mail"]["stopped_by"], found["mail"]["waiting"]) == ("stopped", "admin", 1)
    assert (await rows())["mail", "rung/1"].attempts == 0
    assert (await admin.post("/channels/mail/resume")).status_code == 204
    assert await deliver() == 1


async def test_a_gateway_that_refuses_our_secret_is_named_as_that_and_tried_at_once_when_asked(
    office: Settings,
    messenger: Messenger,
    machine: list[datetime],
) -> None:
    await open_case()
    set_up(office, "sms", sms_secret="wrong")
    await wants("clerk", ["sms"], {"sms": PHONE})
    await tell("clerk", "rung/1")
    assert await deliver() == 0
    admin = await signed_in("admin")
    found, _ = await seen(admin)
    assert found["sms"]["state"] == "failing" and "密钥" in found["sms"]["why"]["zh"]
    set_up(office, "sms")
    assert await deliver() == 0, "the channel's pause"
    assert (await admin.post("/channels/sms/resume")).status_code == 204
    assert await deliver() == 1 and len(messenger.taken) == 1


async def test_what_is_being_sent_is_not_sent_again(
    office: Settings,
    mail_server: Postbox,
    machine: list[datetime],
) -> None:
    await open_case()
    mail_server.replies = {"clerk@example.edu": "452 mailbox full"}
    await tell("clerk", "rung/1")
    assert await deliver() == 0
    machine[0] += timedelta(minutes=2)
    async with db.session() as s:  # another worker hands it over at this moment
        taken = await departures.take(s, "mail", now=machine[0], office_now=clock.now(), school=calendar("school"))
    assert taken is not None
    before = (await rows())["mail", "rung/1"]
    admin = await signed_in("admin")
    _, (shown,) = await seen(admin)
    assert shown["being_sent"] is True
    answer = await admin.post(f"/channels/messages/{taken.ids[0]}/again")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_allowed_now")
    assert (await admin.post("/channels/mail/again")).json() == {"count": 0}
    after = (await rows())["mail", "rung/1"]
    assert (after.next_at, after.taken_at, after.attempts) == (before.next_at, before.taken_at, before.attempts)
