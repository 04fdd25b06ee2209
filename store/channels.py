"""How the channels are: failures in a row with their pause, and what administrators see of it.

Invariants: a failing channel pauses by itself and holds up no other; the pause grows to a quarter of an hour and ends
with the first message that gets through; administrators get one message in the pages for each outage, which needs no
channel.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from runtime.settings import get_settings
from schemas.base import Text
from store import messages, outbox, users
from store.tables.outbox import ChannelState, Outgoing

LONGEST_PAUSE = timedelta(minutes=15)
TELLS_AFTER = 3  # failures in a row: a short hiccup is nobody's business
TITLES = {
    "mail": Text(zh="邮件", en="Mail"),
    "wecom": Text(zh="企业微信", en="WeCom"),
    "dingtalk": Text(zh="钉钉", en="DingTalk"),
    "feishu": Text(zh="飞书", en="Feishu"),
    "sms": Text(zh="短信", en="Text message (SMS)"),
}


@dataclass(frozen=True)
class ChannelReport:
    """A channel as administrators see it. `oldest`: since when the oldest message has been waiting."""

    channel: str
    set_up: bool
    state: ChannelState | None
    waiting: int
    failed: int
    oldest: datetime | None


async def paused(session: AsyncSession, channel: str, now: datetime) -> bool:
    """Whether a channel rests after a failure. `now` is the machine's time."""
    row = await session.get(ChannelState, channel)
    return row is not None and row.next_at is not None and row.next_at > now


async def failed(session: AsyncSession, channel: str, error: str, now: datetime) -> None:
    """A failure of the channel itself: a longer pause each time, and a word to the administrators."""
    row = await _row(session, channel)
    row.failures += 1
    since = row.failing_since = row.failing_since or now
    row.next_at = now + min(outbox.pause_after(row.failures), LONGEST_PAUSE)
    row.error = error[: outbox.MAX_ERROR]
    if row.failures == TELLS_AFTER:
        title = TITLES[channel]
        said = Text(
            zh=f"消息渠道“{title.zh}”连续 {row.failures} 次发送失败，系统会继续重试；站内消息不受影响。",
            en=f"The channel {title.en} failed {row.failures} times in a row and is tried again; "
            "messages in the pages are not affected.",
        )
        for user in await users.with_roles(session, ["admin"]):
            key = f"channel/{channel}/{since.isoformat()}/{user.username}"
            await messages.in_pages(session, user.username, said, key=key, link=None, now=now)


async def worked(session: AsyncSession, channel: str, now: datetime) -> None:
    """A message got through: the outage, if there was one, is over."""
    row = await _row(session, channel)
    row.failures, row.failing_since, row.next_at, row.error, row.sent_at = 0, None, None, None, now


async def resume(session: AsyncSession, channel: str) -> None:
    """Ends the pause, so that the channel is tried at once."""
    row = await _row(session, channel)
    row.next_at = None


async def _row(session: AsyncSession, channel: str) -> ChannelState:
    await session.execute(insert(ChannelState).values(channel=channel, failures=0).on_conflict_do_nothing())
    return (
        await session.execute(select(ChannelState).where(ChannelState.channel == channel).with_for_update())
    ).scalar_one()


async def report(session: AsyncSession) -> list[ChannelReport]:
    """Every channel, with what waits and what failed for good."""
    counted = await session.execute(
        select(
            Outgoing.channel,
            func.count().filter(Outgoing.state == outbox.PENDING),
            func.count().filter(Outgoing.state == outbox.FAILED),
            func.min(Outgoing.created_at).filter(Outgoing.state == outbox.PENDING),
        )
        .where(Outgoing.state.in_((outbox.PENDING, outbox.FAILED)))
        .group_by(Outgoing.channel)
    )
    numbers = {row[0]: (row[1], row[2], row[3]) for row in counted}
    states = {row.channel: row for row in await session.scalars(select(ChannelState))}
    set_up = get_settings().channels
    return [
        ChannelReport(channel, channel in set_up, states.get(channel), *numbers.get(channel, (0, 0, None)))
        for channel in TITLES
    ]


async def refused(session: AsyncSession, limit: int = 50) -> list[Outgoing]:
    """The newest messages that a channel refused for good, or that wait after a refusal."""
    rows = await session.scalars(
        select(Outgoing)
        .where(Outgoing.state.in_((outbox.FAILED, outbox.PENDING)), Outgoing.error.is_not(None))
        .order_by(Outgoing.id.desc())
        .limit(limit)
    )
    return list(rows)
