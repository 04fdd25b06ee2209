"""Messages to this user: reminders, escalations, notices."""

from starlette.responses import Response

from api import notices as room
from store.database import reading, session
from web.frame import Guest, bare, page, posted, words
from web.routes import router as make_router

router = make_router()


@router.get("/messages")
async def messages(visit: Guest) -> Response:
    """The newest first."""
    async with reading() as s:
        found = await room.messages(s, visit.viewer)
    return await page(visit, "messages.html", page=found)


@router.get("/messages/unread")
async def unread(visit: Guest) -> Response:
    """The number beside the menu's word, for a page that is open."""
    async with reading() as s:
        count = await room.unread(s, visit.viewer)
    return await bare("unread.html", {**words(visit.lang), "unread": count})


@router.post("/messages/read")
async def read(visit: Guest) -> Response:
    """Marks all as read."""
    await posted(visit)
    async with session() as s:
        await room.mark_all_read(s, visit.viewer)
    return visit.go("/messages", "read")
