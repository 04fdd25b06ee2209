"""The channels of messages for administrators: which work, what waits, what was refused; stop, go on, send again.

Invariants: no address of a reader and none of a channel's own words leave here, because a refusal may quote an address;
a failing channel goes on by itself, nothing here is needed for that.
"""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions
from api.problems import NotAllowedNow, NotFound
from api.sign_in import CurrentViewer
from domain.delivery import Trouble
from runtime import clock
from runtime.settings import get_settings
from schemas.base import Text
from schemas.messages import ChannelPage, ChannelView, RefusedView, SentAgain
from store import audit, channels, outbox
from store.channels import TITLES, Counted
from store.database import reading, session
from store.tables.outbox import ChannelState, Outgoing
from store.users import Viewer

router = APIRouter(tags=["channels"])
SHOWN = 100
WHY: dict[Trouble, Text] = {
    Trouble.UNREACHABLE: Text(
        zh="无法连接：请检查对方服务是否运行、网络和设置中的地址。",
        en="It cannot be reached: see whether the service runs, the network, and the address in the settings.",
    ),
    Trouble.REFUSES_US: Text(
        zh="对方拒绝了本系统：请检查密钥和权限；也可能是发送过多被限制。",
        en="It refuses this system: check secret and rights; it may also have had too many messages.",
    ),
    Trouble.ODD_ANSWER: Text(
        zh="对方答复异常：服务出错，或设置中的地址不是该服务的接口。",
        en="It answers with an error: the service has a fault, or the address in the settings is not its interface.",
    ),
    Trouble.OUR_SETTINGS: Text(
        zh="本系统的设置无法使用：请检查该渠道的设置和数据目录的写入权限。",
        en="What is set here cannot be used: check the channel's settings, and that the data folder can be written.",
    ),
}
NOT_KNOWN = Text(zh="原因不明，请查看工作进程的日志。", en="The reason is not known: see the worker's log.")
REFUSED = Text(
    zh="对方不接受收件人的地址或这条消息：请收件人核对消息设置中的地址，然后重新发送。",
    en="The reader's address or the message is not accepted: let the reader check the address in the message settings, "
    "then send it again.",
)
NOT_NOW = Text(zh="对方暂时不接收，系统会再次发送。", en="It is not taken for now and will be tried again.")
BEING_SENT = Text(
    zh="该消息不在被拒之列，或正在发送，无需重发；请刷新页面。",
    en="The message is not refused, or is being sent right now: nothing to send again; reload the page.",
)
NOT_SET_UP = Text(zh="本单位没有开通该渠道，请先完成设置。", en="The channel is not set up here: set it up first.")


async def overview(s: AsyncSession, viewer: Viewer) -> ChannelPage:
    """Every channel, and the newest refusals. NotAllowed."""
    permissions.require_role(viewer, *permissions.CHANNELS)
    found = await channels.report(s)
    return ChannelPage(
        channels=[_view(channel, state, counted) for channel, (state, counted) in found.items()],
        refused=[_refused(row) for row in await channels.refused(s, SHOWN)],
    )


def _view(channel: str, row: ChannelState | None, counted: Counted) -> ChannelView:
    state = "unused"
    if channel not in get_settings().channels:
        state = "not_set_up"
    elif row is not None and row.stopped_at is not None:
        state = "stopped"
    elif row is not None and row.failures:
        state = "failing"
    elif row is not None and row.sent_at is not None:
        state = "working"
    why = None
    if row is not None and row.failures > 0 and state != "not_set_up":
        why = WHY[Trouble(row.trouble)] if row.trouble else NOT_KNOWN
    return ChannelView(
        channel=channel,
        title=TITLES[channel],
        state=state,
        why=why,
        failing_since=row.failing_since if row else None,
        next_try_at=row.next_at if row and state == "failing" else None,
        sent_at=row.sent_at if row else None,
        stopped_at=row.stopped_at if row else None,
        stopped_by=row.stopped_by if row else None,
        waiting=counted.waiting,
        oldest=counted.oldest,
        refused=counted.refused,
    )


def _refused(row: Outgoing) -> RefusedView:
    final = row.state == outbox.FAILED
    return RefusedView(
        id=row.id,
        channel=row.channel,
        subject=row.subject,
        reader=row.username,
        at=row.created_at,
        attempts=row.attempts,
        state="failed" if final else "pending",
        being_sent=row.taken_at is not None,
        why=REFUSED if final else NOT_NOW,
        next_try_at=None if final else row.next_at,
    )


async def stop(s: AsyncSession, viewer: Viewer, channel: str) -> None:
    """Nothing leaves by the channel until it is resumed. NotAllowed, NotFound, NotAllowedNow."""
    _known(viewer, channel)
    await channels.stop(s, channel, viewer.username, clock.real_now())
    audit.record(s, viewer.username, "channel.stop", channel)


async def resume(s: AsyncSession, viewer: Viewer, channel: str) -> None:
    """It is tried at once. NotAllowed, NotFound, NotAllowedNow."""
    _known(viewer, channel)
    await channels.resume(s, channel)
    audit.record(s, viewer.username, "channel.resume", channel)


async def again(s: AsyncSession, viewer: Viewer, channel: str) -> int:
    """All that the channel refused is tried again; returns how many. NotAllowed, NotFound, NotAllowedNow."""
    _known(viewer, channel)
    count = await outbox.again(s, channel)
    audit.record(s, viewer.username, "channel.again", channel, count=count)
    return count


async def one_again(s: AsyncSession, viewer: Viewer, message_id: int) -> None:
    """One refused message is tried again. NotAllowed, NotFound, NotAllowedNow when it is being sent."""
    permissions.require_role(viewer, *permissions.CHANNELS)
    row = await s.get(Outgoing, message_id) if 0 < message_id < 2**31 else None
    if row is None:
        raise NotFound
    _known(viewer, row.channel)
    if not await outbox.again(s, row.channel, message_id):
        raise NotAllowedNow(BEING_SENT)
    audit.record(s, viewer.username, "message.again", str(message_id), channel=row.channel)


def _known(viewer: Viewer, channel: str) -> None:
    permissions.require_role(viewer, *permissions.CHANNELS)
    if channel not in TITLES:
        raise NotFound
    if channel not in get_settings().channels:
        raise NotAllowedNow(NOT_SET_UP)


@router.get("/channels", summary="How the channels of messages are")
async def get_channels(viewer: CurrentViewer) -> ChannelPage:
    async with reading() as s:
        return await overview(s, viewer)


@router.post("/channels/{channel}/stop", status_code=204, summary="Hold back what leaves by a channel")
async def post_stop(viewer: CurrentViewer, channel: str) -> None:
    async with session() as s:
        await stop(s, viewer, channel)


@router.post("/channels/{channel}/resume", status_code=204, summary="Let a channel go on, and try it at once")
async def post_resume(viewer: CurrentViewer, channel: str) -> None:
    async with session() as s:
        await resume(s, viewer, channel)


@router.post("/channels/{channel}/again", summary="Send again what a channel refused")
async def post_again(viewer: CurrentViewer, channel: str) -> SentAgain:
    async with session() as s:
        return SentAgain(count=await again(s, viewer, channel))


@router.post("/channels/messages/{message_id}/again", status_code=204, summary="Send one refused message again")
async def post_one_again(viewer: CurrentViewer, message_id: int) -> None:
    async with session() as s:
        await one_again(s, viewer, message_id)
