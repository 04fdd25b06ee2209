"""How each person wants to be told: channels with the own address, quiet hours, the digest.

Invariants: everybody reads and changes their own settings alone; a channel can be chosen when the installation has it
and there is an address that may be one; addresses are shown to their owner and stand in no trail and no log.
"""

from datetime import time

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api.json_body import JsonObjectRoute
from api.problems import BadForm, NotFound, Problem
from api.sign_in import CurrentViewer
from domain import delivery
from domain.times import hour
from runtime.clock import real_now
from runtime.crypto import KeyUnusable
from runtime.settings import get_settings
from schemas.base import Text
from schemas.messages import ChannelWish, MessageSettingsBody, MessageSettingsView
from store import audit, message_settings
from store.channels import TITLES
from store.database import reading, session
from store.users import Viewer

router = APIRouter(tags=["messages"], route_class=JsonObjectRoute)
Fault = tuple[str, str, Text]
LOOKS = {
    delivery.MAIL: Text(zh="请填写邮箱，如 name@example.edu。", en="Give a mail address, such as name@example.edu."),
    delivery.WECOM: Text(
        zh="请填写企业微信通讯录中的成员账号（userid），由字母、数字和 . _ @ - 组成。",
        en="Give your member account (userid) in WeCom: letters, digits and . _ @ -.",
    ),
    delivery.DINGTALK: Text(
        zh="请填写钉钉通讯录中的 userid，由字母、数字和 . _ @ - 组成。",
        en="Give your userid in DingTalk: letters, digits and . _ @ -.",
    ),
    delivery.FEISHU: Text(
        zh="请填写飞书的 Open ID（ou_ 开头）、用户 ID 或邮箱。",
        en="Give your Feishu open ID (it begins with ou_), user ID or mail address.",
    ),
    delivery.SMS: Text(
        zh="请填写 11 位手机号码，境外号码以 + 和国家代码开头，中间不留空格。",
        en="Give a mobile number of 11 digits; one from abroad begins with + and the country code, without blanks.",
    ),
}
_QUIET_HOUR = Text(zh="请按 22:00 的形式填写时间。", en="Give the time in the form 22:00.")
_QUIET_END = Text(
    zh="免打扰时段的开始和结束须同时填写，或都留空。", en="Give both ends of the quiet hours, or leave both empty."
)
_QUIET_SAME = Text(
    zh="开始和结束相同，无法判断是否免打扰；不需要时请都留空。",
    en="Both ends are the same; leave both empty when you want no quiet hours.",
)
_QUIET_LONG = Text(
    zh="免打扰时段最长 {hours} 小时，否则提醒没有时间送达，请缩短。",
    en="Quiet hours are {hours} hours at most, or reminders find no time to reach you: make them shorter.",
)


class AddressesUnreadable(Problem):
    status, code = 503, "addresses_unreadable"
    text = Text(
        zh="系统密钥目前不可用，已存的地址无法读取，因此未作任何更改。请联系系统管理员恢复密钥后再试。",
        en="The key of the installation cannot be used now and the addresses that are kept cannot be read, so nothing "
        "was changed. Ask an administrator to restore the key, then try again.",
    )


async def mine(s: AsyncSession, viewer: Viewer) -> MessageSettingsView:
    """The viewer's own settings, with each channel that is set up here."""
    user = await message_settings.user(s, viewer.username)
    if user is None:
        raise NotFound
    kept = await message_settings.of_user(s, user)
    wishes = kept.wishes
    return MessageSettingsView(
        channels=[
            ChannelWish(channel=c, title=TITLES[c], chosen=kept.address(c) is not None, address=kept.addresses.get(c))
            for c in get_settings().channels
        ],
        quiet_from=f"{wishes.quiet_from:%H:%M}" if wishes.quiet_from else None,
        quiet_to=f"{wishes.quiet_to:%H:%M}" if wishes.quiet_to else None,
        digest=wishes.digest,
        readable=kept.readable,
    )


async def change(s: AsyncSession, viewer: Viewer, body: MessageSettingsBody) -> MessageSettingsView:
    """Keeps the viewer's own settings. BadForm with everything that is wrong, AddressesUnreadable."""
    faults: list[Fault] = []
    addresses = _addresses(body, faults)
    channels = _channels(body, addresses, faults)
    quiet_from, quiet_to = _quiet(body, faults)
    if faults:
        raise BadForm(faults=faults)
    try:
        await message_settings.save(
            s, viewer.username,
            channels=channels, quiet_from=quiet_from, quiet_to=quiet_to, digest=body.digest,
            addresses={delivery.MAIL: "", **addresses}, now=real_now(),
        )  # fmt: skip
    except KeyUnusable as error:
        raise AddressesUnreadable from error
    audit.record(s, viewer.username, "message_settings.change", viewer.username, channels=channels, digest=body.digest)
    return await mine(s, viewer)


def _not_here(channel: str) -> Text:
    title = TITLES.get(channel)
    if title is None:
        known = "、".join(get_settings().channels)
        return Text(zh=f"没有这个渠道，可用：{known}。", en=f"There is no such channel; there are: {known}.")
    return Text(
        zh=f"本单位没有开通{title.zh}，请选择其他渠道。",
        en=f"{title.en} is not set up in this installation: choose another channel.",
    )


def _addresses(body: MessageSettingsBody, faults: list[Fault]) -> dict[str, str]:
    """What was typed and may be an address."""
    found: dict[str, str] = {}
    for channel, typed in body.addresses.items():
        address, pointer = typed.strip(), f"/addresses/{channel}"
        if not address:
            continue
        if channel not in get_settings().channels:
            faults.append((pointer, "not_set_up", _not_here(channel)))
        elif not delivery.is_address(channel, address):
            faults.append((pointer, "bad_address", LOOKS[channel]))
        else:
            found[channel] = address
    return found


def _channels(body: MessageSettingsBody, addresses: dict[str, str], faults: list[Fault]) -> list[str]:
    """The channels in their usual order, each once."""
    for place, channel in enumerate(body.channels):
        if channel not in get_settings().channels:
            faults.append((f"/channels/{place}", "not_set_up", _not_here(channel)))
        elif not body.addresses.get(channel, "").strip():
            title = TITLES[channel]
            said = Text(
                zh=f"选用{title.zh}须填写地址。{LOOKS[channel].zh}",
                en=f"{title.en} needs an address. {LOOKS[channel].en}",
            )
            faults.append((f"/addresses/{channel}", "address_needed", said))
    return [c for c in delivery.CHANNELS if c in body.channels and c in addresses]


def _quiet(body: MessageSettingsBody, faults: list[Fault]) -> tuple[time | None, time | None]:
    """Both ends, or none."""
    ends: dict[str, time | None] = {}
    for name, typed in (("quiet_from", body.quiet_from), ("quiet_to", body.quiet_to)):
        try:
            ends[name] = hour(typed.strip()) if typed and typed.strip() else None
        except ValueError:
            faults.append((f"/{name}", "bad_time", _QUIET_HOUR))
            return None, None
    first, last = ends["quiet_from"], ends["quiet_to"]
    if first is None or last is None:
        if first != last:
            faults.append(("/quiet_to" if first else "/quiet_from", "quiet_end_missing", _QUIET_END))
        return None, None
    if first == last:
        faults.append(("/quiet_to", "quiet_empty", _QUIET_SAME))
    elif delivery.quiet_for(first, last) > delivery.LONGEST_QUIET:
        hours = int(delivery.LONGEST_QUIET.total_seconds() // 3600)
        said = Text(zh=_QUIET_LONG.zh.format(hours=hours), en=_QUIET_LONG.en.format(hours=hours))
        faults.append(("/quiet_to", "quiet_too_long", said))
    return first, last


@router.get("/messages/settings", summary="How I want to be told")
async def get_message_settings(viewer: CurrentViewer) -> MessageSettingsView:
    async with reading() as s:
        return await mine(s, viewer)


@router.put("/messages/settings", summary="Choose channels, quiet hours and digest")
async def put_message_settings(viewer: CurrentViewer, body: MessageSettingsBody) -> MessageSettingsView:
    async with session() as s:
        return await change(s, viewer, body)
