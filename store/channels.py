"""How the channels are: failures in a row with their pause, and the word that administrators get.

Invariants: a failing channel pauses by itself and holds up no other; the pause grows to a quarter of an hour and ends
with the first message that gets through; administrators get one message in the pages for each outage, which needs no
channel.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from store import messages, outbox, users
from store.tables.outbox import ChannelState

LONGEST_PAUSE = timedelta(minutes=15)
TELLS_AFTER = 3  # failures in a row: a short hiccup is nobody's business
TITLES = {
    "mail": Text(zh="邮件", en="Mail"),
    "wecom": Text(zh="企业微信", en="WeCom"),
    "dingtalk": Text(zh="钉钉", en="DingTalk"),
    "feishu": Text(zh="飞书", en="Feishu"),
    "sms": Text(zh="短信", en="Text message (SMS)"),
}


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


async def _row(session: AsyncSession, channel: str) -> ChannelState:
    await session.execute(insert(ChannelState).values(channel=channel, failures=0).on_conflict_do_nothing())
    return (
        await session.execute(select(ChannelState).where(ChannelState.channel == channel).with_for_update())
    ).scalar_one()
