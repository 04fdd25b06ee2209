"""Every channel against a real server that checks its tokens and signatures: format, refusals, outages, crashes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from store import database as db
from store import departures, message_settings, messages, outbox
from store.tables.outbox import ChannelState, MessageSettings, Outgoing
from store.tables.people import User
from tests.notifications.conftest import CASE, WEDNESDAY, Postbox, open_case
from tests.notifications.messenger import FEISHU_SECRET, ROBOT_SECRET, SMS_SECRET, Messenger
from worker import delivery
from worker.channels import REPEAT
from worker.delivery import deliver

WORDS = Text(zh="FE2026-0001 穆安娜《材料》：还有 3 天到期", en="FE2026-0001 Anna Muster, Materials: due in 3 days")
FEISHU_ID = "ou_7d8a6e6df7621556ce0d21922b676706"
# way -> (channel, settings of this way, the reader's address)
WAYS: dict[str, tuple[str, dict[str, Any], str]] = {
    "wecom": ("wecom", {"wecom_corp_id": "ww01", "wecom_agent_id": 1000002, "wecom_secret": "right"}, "wangmin"),
    "wecom_robot": ("wecom", {"wecom_robot_url": "{url}/cgi-bin/webhook/send?key=robot-key"}, "wangmin"),
    "dingtalk": (
        "dingtalk",
        {"dingtalk_app_key": "ding01", "dingtalk_agent_id": 77, "dingtalk_app_secret": "right"},
        "wangmin",
    ),
    "dingtalk_robot": (
        "dingtalk",
        {"dingtalk_robot_url": "{url}/robot/send?access_token=robot-token", "dingtalk_robot_secret": ROBOT_SECRET},
        "wangmin",
    ),
    "feishu": ("feishu", {"feishu_app_id": "cli_01", "feishu_app_secret": "right"}, FEISHU_ID),
    "feishu_robot": (
        "feishu",
        {"feishu_robot_url": "{url}/open-apis/bot/v2/hook/abc", "feishu_robot_secret": FEISHU_SECRET},
        FEISHU_ID,
    ),
    "sms": ("sms", {"sms_url": "{url}/sms", "sms_secret": SMS_SECRET}, "13800138000"),
}
SECRETS = {
    "wecom": "wecom_secret", "wecom_robot": "wecom_robot_url", "dingtalk": "dingtalk_app_secret",
    "dingtalk_robot": "dingtalk_robot_secret", "feishu": "feishu_app_secret", "feishu_robot": "feishu_robot_secret",
    "sms": "sms_secret",
}  # fmt: skip
ROBOTS = [w for w in WAYS if w.endswith("robot")]


def set_up(settings: Settings, way: str, **changes: str) -> str:
    """Puts one way into the settings; returns its channel."""
    channel, values, _ = WAYS[way]
    for name, value in {**values, **changes}.items():
        given = value.format(url=settings.wecom_url) if isinstance(value, str) else value
        secret = isinstance(getattr(settings, name), SecretStr)
        setattr(settings, name, SecretStr(given) if secret else given)
    return channel


async def wants(username: str, channels: list[str], addresses: dict[str, str], **more: Any) -> None:
    async with db.session() as s:
        values = {"quiet_from": None, "quiet_to": None, "digest": False, **more}
        await message_settings.save(s, username, channels=channels, addresses=addresses, now=WEDNESDAY, **values)


async def tell(username: str, key: str, words: Text = WORDS, **more: Any) -> None:
    async with db.session() as s:
        user = await s.get_one(User, username)
        about = {"link": f"/processes/{CASE}", "process_id": CASE, "now": clock.now(), **more}
        await messages.notify(s, user, words, key=key, **about)


async def rows() -> dict[tuple[str, str], Outgoing]:
    async with db.session() as s:
        return {(m.channel, m.key): m for m in await s.scalars(select(Outgoing))}


@pytest.mark.parametrize("way", WAYS)
async def test_a_channel_from_a_wrong_secret_to_a_signed_message(
    way: str, office: Settings, messenger: Messenger, mail_server: Postbox, machine: list[datetime]
) -> None:
    await open_case()
    wrong = "{url}/cgi-bin/webhook/send?key=wrong" if way == "wecom_robot" else "wrong"
    channel, address = set_up(office, way, **{SECRETS[way]: wrong}), WAYS[way][2]
    await wants("clerk", ["mail", channel], {channel: address})
    await tell("clerk", "rung/1")
    await tell("clerk", "rung/1")  # the same rung again
    # A wrong secret is the channel's fault: the message waits as it was, the channel pauses, mail goes on.
    assert await deliver() == 1 and len(mail_server.mails) == 1 and not messenger.taken
    row = (await rows())[channel, "rung/1"]
    assert (row.state, row.attempts) == ("pending", 0)
    async with db.session() as s:
        state = await s.get_one(ChannelState, channel)
    assert state.failures == 1 and state.next_at == machine[0] + timedelta(minutes=1)
    assert "wrong" not in (state.error or "") and office.wecom_url not in (state.error or "")
    # Put right, it arrives as the service wants it, and is marked sent after that.
    set_up(office, way)
    states: list[tuple[str, bool]] = []

    async def look() -> None:
        row = (await rows())[channel, "rung/1"]
        states.append((row.state, row.sent_at is not None))

    messenger.on_taken = look
    assert await deliver() == 0, "the channel's pause"
    machine[0] += timedelta(minutes=1)
    assert await deliver() == 1 and await deliver() == 0
    ((service, reader, text, _),) = messenger.taken
    assert (service, reader) == (way, address)
    assert f"http://127.0.0.1:8000/cases/{CASE}" in text
    assert states == [("pending", False)], "marked sent before the channel had it"
    assert {k: m.state for k, m in (await rows()).items()} == {("mail", "rung/1"): "sent", (channel, "rung/1"): "sent"}
    if way in ROBOTS:
        assert "安娜" not in text and "Muster" not in text and REPEAT not in text, "a group reads the name"
        return
    assert "还有 3 天到期" in text
    # A reader that the service does not know fails alone.
    messenger.on_taken = None
    gone = "ou_0000000000000000" if channel == "feishu" else "13700137000"
    await wants("clerk", [channel], {channel: gone})
    await wants("clerk2", [channel], {channel: address})
    await tell("clerk", "rung/2")
    await tell("clerk2", "rung/3")
    assert await deliver() == 1
    found = await rows()
    assert (found[channel, "rung/2"].state, found[channel, "rung/3"].state) == ("failed", "sent")
    assert gone not in str(found[channel, "rung/2"].error)


async def dies_before_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose worker dies after the channel took the message and before it is marked."""

    async def dies(*_: Any, **__: Any) -> None:
        raise ConnectionError("the worker died here")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark", dies)
        await deliver()


@pytest.mark.parametrize("way", WAYS)
async def test_after_a_crash_between_send_and_mark_nothing_is_lost_and_as_little_as_possible_doubled(
    way: str, office: Settings, messenger: Messenger, machine: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_case()
    channel = set_up(office, way)
    await wants("clerk", [channel], {channel: WAYS[way][2]})
    await tell("clerk", "rung/1")
    await dies_before_the_mark(monkeypatch)
    row = (await rows())[channel, "rung/1"]
    assert (row.state, row.sent_at) == ("pending", None) and len(messenger.taken) == 1
    assert await deliver() == 0
    machine[0] += timedelta(minutes=1)
    assert await deliver() == 1
    assert len(messenger.taken) == 2
    if way in ROBOTS:  # nothing to compare with: the second one says so
        assert [REPEAT in text for _, _, text in messenger.shown] == [False, True]
    else:
        assert len(messenger.shown) == 1, "the reader sees it twice"


async def test_a_mail_after_a_crash_has_the_same_id(
    mail_server: Postbox, machine: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_case()
    await tell("clerk", "rung/1")
    await dies_before_the_mark(monkeypatch)
    machine[0] += timedelta(minutes=1)
    assert await deliver() == 1
    assert len({m["Message-ID"] for m in mail_server.mails}) == 1 < len(mail_server.mails)


@pytest.mark.parametrize("way", ["wecom", "dingtalk", "feishu"])
async def test_two_letters_of_the_same_words_both_arrive(
    way: str, office: Settings, messenger: Messenger, machine: list[datetime]
) -> None:
    await open_case()
    channel = set_up(office, way)
    await wants("clerk", [channel], {channel: WAYS[way][2]})
    await tell("clerk", "urge/1")
    await tell("clerk", "urge/2", now=clock.now() + timedelta(minutes=31))
    assert await deliver() == 2
    assert len(messenger.shown) == 2


@pytest.mark.parametrize("way", ["wecom", "dingtalk", "feishu"])
async def test_a_token_that_has_gone_is_asked_for_again(
    way: str, office: Settings, messenger: Messenger, machine: list[datetime]
) -> None:
    await open_case()
    channel = set_up(office, way)
    await wants("clerk", [channel], {channel: WAYS[way][2]})
    for number in (1, 2):
        await tell("clerk", f"rung/{number}", now=WEDNESDAY + timedelta(minutes=number))

    async def forget() -> None:
        messenger.tokens.clear()

    messenger.on_taken = forget
    assert await deliver() == 2
    assert messenger.asked_for_tokens == 2


async def test_too_many_messages_pause_the_channel_and_lose_nothing(
    office: Settings, messenger: Messenger, machine: list[datetime]
) -> None:
    await open_case()
    set_up(office, "wecom_robot")
    await wants("clerk", ["wecom"], {"wecom": "wangmin"})
    for number in range(3):
        await tell("clerk", f"rung/{number}")
    messenger.busy = True
    assert await deliver() == 0
    messenger.busy = False
    machine[0] += timedelta(minutes=1)
    assert await deliver() == 3


async def test_one_bad_message_stops_neither_the_next_nor_another_channel(
    office: Settings,
    messenger: Messenger,
    mail_server: Postbox,
    machine: list[datetime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await open_case()
    set_up(office, "sms")
    await wants("clerk", ["mail", "sms"], {"sms": "13800138000"})
    for number in range(3):
        await tell("clerk", f"rung/{number}", now=WEDNESDAY + timedelta(minutes=number))
    whole = delivery.letter_of

    def broken(parcel: departures.Parcel, settings: Settings) -> Any:
        if parcel.key == "sms/rung/0":
            raise KeyError("a fault in the program")
        return whole(parcel, settings)

    monkeypatch.setattr(delivery, "letter_of", broken)
    assert await deliver() == 5
    assert {k: m.state for k, m in (await rows()).items() if m.state != "sent"} == {("sms", "rung/0"): "pending"}
    monkeypatch.setattr(delivery, "letter_of", whole)
    machine[0] += timedelta(minutes=1)
    assert await deliver() == 1 and len(messenger.taken) == 3


async def test_what_is_not_wanted_any_more_is_not_sent(
    office: Settings, messenger: Messenger, machine: list[datetime]
) -> None:
    await open_case()
    set_up(office, "sms")
    for name in ("clerk", "clerk2"):
        await wants(name, ["sms"], {"sms": "13800138000"})
        await tell(name, f"rung/{name}")
    await wants("clerk", ["mail"], {"sms": "13800138000"})
    async with db.session() as s:
        await s.execute(update(User).where(User.username == "clerk2").values(active=False))
    assert await deliver() == 0 and not messenger.taken
    assert {m.state for m in (await rows()).values()} == {"dropped"}


async def test_addresses_are_encrypted_and_numbers_stay_in_the_house(
    office: Settings, messenger: Messenger, machine: list[datetime]
) -> None:
    await open_case()
    set_up(office, "sms")
    await wants("clerk", ["sms", "mail"], {"sms": "13800138000"})
    words = Text(zh="请核对 510104198503141234 的 18,000.00 元", en="Check 6222020402001234567, 18000 yuan")
    await tell("clerk", "rung/1", words)
    assert await deliver() == 2
    (mail,) = (office.data_dir / "mail").iterdir()
    async with db.session() as s:
        kept = (await s.scalars(select(MessageSettings))).one()
        everything = str([(m.subject, m.body, m.recipient) for m in await s.scalars(select(Outgoing))])
    assert kept.addresses is not None and b"13800138000" not in kept.addresses and "13800138000" not in everything
    for seen in (messenger.taken[0][2], everything, mail.read_text()):
        assert "5101041985" not in seen and "62220204" not in seen and "18,000" not in seen and "18000" not in seen
