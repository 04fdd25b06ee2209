"""How the channels are: failures in a row with their pause, what an administrator stopped, and what they see of it.

Invariants: a failing channel pauses by itself and holds up no other; the pause grows to a quarter of an hour and ends
with the first message that gets through; administrators get one message in the pages for each outage, which needs no
channel; a channel that was stopped stays so until an administrator lets it go on. No channel's own words and no address
leave this module for a page.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.delivery import Trouble
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


async def paused(session: AsyncSession, channel: str, now: datetime) -> bool:
    """Whether a channel rests after a failure, or was stopped. `now` is the machine's time."""
    row = await session.get(ChannelState, channel)
    return row is not None and (row.stopped_at is not None or (row.next_at is not None and row.next_at > now))


async def failed(session: AsyncSession, channel: str, error: str, now: datetime, trouble: Trouble) -> None:
    """A failure of the channel itself: a longer pause each time, and a word to the administrators."""
    row = await _row(session, channel)
    row.failures += 1
    since = row.failing_since = row.failing_since or now
    row.next_at = now + min(outbox.pause_after(row.failures), LONGEST_PAUSE)
    row.error, row.trouble = error[: outbox.MAX_ERROR], trouble.value
    if row.failures == TELLS_AFTER:
        title = TITLES[channel]
        said = Text(
            zh=f"消息渠道“{title.zh}”连续 {row.failures} 次发送失败，系统会继续重试；站内消息不受影响。",
            en=f"The channel {title.en} failed {row.failures} times in a row and is tried again; "
            "messages in the pages are not affected.",
        )
        for user in await users.with_roles(session, ["admin"]):
            key = f"channel/{channel}/{since.isoformat()}/{user.username}"
            await messages.in_pages(session, user.username, said, key=key, link="/channels", now=now)


async def worked(session: AsyncSession, channel: str, now: datetime) -> None:
    """A message got through: the outage, if there was one, is over."""
    row = await _row(session, channel)
    row.failures, row.failing_since, row.next_at, row.sent_at = 0, None, None, now
    row.error = row.trouble = None


async def stop(session: AsyncSession, channel: str, by: str, now: datetime) -> None:
    """Nothing leaves by this channel until it is resumed; what waits stays. A message that is on its way arrives."""
    row = await _row(session, channel)
    if row.stopped_at is None:
        row.stopped_at, row.stopped_by = now, by


async def resume(session: AsyncSession, channel: str) -> None:
    """Ends a stop, and the pause after a failure: the channel is tried at once."""
    row = await _row(session, channel)
    row.stopped_at = row.stopped_by = row.next_at = None


@dataclass(frozen=True)
class Counted:
    """The messages of a channel. `oldest`: since when the oldest has been waiting; `refused` for good."""

    waiting: int = 0
    refused: int = 0
    oldest: datetime | None = None


async def report(session: AsyncSession) -> dict[str, tuple[ChannelState | None, Counted]]:
    """Every channel of the product, with its messages."""
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
    numbers = {row[0]: Counted(row[1], row[2], row[3]) for row in counted}
    states = {row.channel: row for row in await session.scalars(select(ChannelState))}
    return {channel: (states.get(channel), numbers.get(channel, Counted())) for channel in TITLES}


async def refused(session: AsyncSession, limit: int) -> list[Outgoing]:
    """The newest messages that were refused for good, or wait after a refusal."""
    rows = await session.scalars(
        select(Outgoing)
        .where(Outgoing.state.in_((outbox.FAILED, outbox.PENDING)), Outgoing.error.is_not(None))
        .order_by(Outgoing.id.desc())
        .limit(limit)
    )
    return list(rows)


async def _row(session: AsyncSession, channel: str) -> ChannelState:
    await session.execute(insert(ChannelState).values(channel=channel, failures=0).on_conflict_do_nothing())
    return (
        await session.execute(select(ChannelState).where(ChannelState.channel == channel).with_for_update())
    ).scalar_one()
