"""The channels of messages, for administrators: state, what waits, what was refused."""

from starlette.responses import Response

from api import channels as room
from store.database import reading, session
from web.frame import Guest, page, posted
from web.routes import router as make_router

router = make_router()


@router.get("/channels")
async def channels(visit: Guest) -> Response:
    """Every channel, and the newest refusals."""
    async with reading() as s:
        found = await room.overview(s, visit.viewer)
    return await page(visit, "channels.html", found=found, titles={c.channel: c.title for c in found.channels})


@router.post("/channels/{channel}/stop")
async def stop(visit: Guest, channel: str) -> Response:
    """Holds back what leaves by a channel."""
    await posted(visit)
    async with session() as s:
        await room.stop(s, visit.viewer, channel)
    return visit.go("/channels", "channel_stopped")


@router.post("/channels/{channel}/resume")
async def resume(visit: Guest, channel: str) -> Response:
    """Lets a channel go on."""
    await posted(visit)
    async with session() as s:
        await room.resume(s, visit.viewer, channel)
    return visit.go("/channels", "channel_resumed")


@router.post("/channels/{channel}/again")
async def again(visit: Guest, channel: str) -> Response:
    """Sends again all that a channel refused."""
    await posted(visit)
    async with session() as s:
        await room.again(s, visit.viewer, channel)
    return visit.go("/channels", "sent_again")


@router.post("/channels/messages/{message_id}/again")
async def one_again(visit: Guest, message_id: int) -> Response:
    """Sends one refused message again."""
    await posted(visit)
    async with session() as s:
        await room.one_again(s, visit.viewer, message_id)
    return visit.go("/channels", "sent_again")
