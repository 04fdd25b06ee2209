"""Delivery: from the outbox through each channel, every few seconds.

Invariants: channels run beside each other, and one that is away, slow or broken holds up no other; a message that
cannot be handed over, for whatever reason, waits longer each time and stops nothing behind it; a message is marked
sent after its channel took it and never before. A worker that dies between the two hands it over again, under the
same key (`worker/channels`: what each channel makes of that). Nothing here can fail a case: no workflow waits for
it.
"""

import asyncio

from domain.delivery import CHANNELS
from runtime import clock
from runtime.addresses import page_of
from runtime.logging import logger
from runtime.settings import Settings, get_settings
from store import channels, departures, outbox
from store.database import session
from store.departures import Parcel
from store.policies import calendar
from worker.channels import Down, Later, Letter, Opener, Refused, dingtalk, feishu, mail, sms, wecom

OPENERS: dict[str, Opener] = {
    "mail": mail.channel,
    "wecom": wecom.channel,
    "dingtalk": dingtalk.channel,
    "feishu": feishu.channel,
    "sms": sms.channel,
}
AT_ONCE = 200  # letters of a channel in one run; the rest comes with the next
log = logger(__name__)


async def deliver() -> int:
    """Sends what is due through every channel; returns how many messages were taken."""
    settings = get_settings()
    used = [name for name in CHANNELS if name in settings.channels]
    results = await asyncio.gather(*(_run(name, settings) for name in used), return_exceptions=True)
    for name, result in zip(used, results, strict=True):
        if isinstance(result, BaseException):  # the database; the next run comes in seconds
            log.warning("channel_run_failed", channel=name, error=type(result).__name__)
            if not isinstance(result, Exception):
                raise result
    return sum(r for r in results if isinstance(r, int))


async def _run(channel: str, settings: Settings) -> int:
    """One channel: until nothing is due, or the channel itself fails."""
    sent = 0
    async with OPENERS[channel](settings) as send:
        for _ in range(AT_ONCE):
            async with session() as s:
                if await channels.paused(s, channel, clock.real_now()):
                    break
                parcel = await departures.take(
                    s, channel, now=clock.real_now(), office_now=clock.now(), school=calendar("school")
                )
            if parcel is None:
                break
            try:
                await send(letter_of(parcel, settings))
            except Refused as error:
                await _mark(parcel, outbox.FAILED, str(error))
                log.warning("message_refused", channel=channel, message=parcel.ids[0])
            except Later as error:
                await _mark(parcel, outbox.PENDING, str(error))
            except Down as error:
                await _down(channel, parcel, error)
                log.warning("channel_down", channel=channel, error=str(error))
                break
            except Exception as error:  # a fault of ours with this one message must not hold up the next
                await _mark(parcel, outbox.PENDING, f"程序错误 internal error: {type(error).__name__}")
                log.exception("message_failed", channel=channel, message=parcel.ids[0])
            else:
                async with session() as s:
                    await outbox.mark(s, parcel.ids, outbox.SENT, now=clock.now())
                    await channels.worked(s, channel, clock.real_now())
                sent += len(parcel.ids)
    return sent


async def _mark(parcel: Parcel, state: str, error: str) -> None:
    async with session() as s:
        await outbox.mark(s, parcel.ids, state, error=error, now=clock.now())


async def _down(channel: str, parcel: Parcel, error: Down) -> None:
    async with session() as s:
        await outbox.give_back(s, parcel.ids)
        await channels.failed(s, channel, str(error), clock.real_now(), error.trouble)


def letter_of(parcel: Parcel, settings: Settings) -> Letter:
    """The parcel as a channel gets it: one message with its page, or a digest with the page of each."""
    if len(parcel.items) == 1:
        text, link = parcel.items[0]
        links = (settings.base_url + page_of(link),) if link else ()
    else:
        text = "\n".join(
            f"{n}. {body.strip()}\n{settings.base_url + page_of(link) if link else ''}"
            for n, (body, link) in enumerate(parcel.items, start=1)
        )
        links = (f"{settings.base_url}/messages",)
    return Letter(
        id=parcel.ids[0],
        key=parcel.key,
        address=parcel.address,
        subject=parcel.subject,
        text=text,
        links=links,
        at=parcel.created_at,
        repeat=parcel.repeat,
    )
