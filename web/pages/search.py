"""The search boxes: what was typed comes in a post, so that a number of a person never stands in an address.

Words go back into the address as a filter; a number is replaced by the id of its person before that.
"""

import json

from starlette.responses import Response

from api import search as room
from store.database import session
from web.frame import Guest, Visit, posted, with_query
from web.routes import router as make_router

router = make_router()
PLACES = {"inbox": "/inbox", "cases": "/cases"}


@router.post("/search")
async def search(visit: Guest) -> Response:
    """To the list that shows what was looked for, keeping its other filters."""
    form = await posted(visit)
    text = str(form.get("q") or "").strip()[:100]
    place = str(form.get("place") or "cases")
    path, query = PLACES.get(place, "/cases"), str(form.get("back") or "")[:2000]
    async with session() as s:
        found = await room.filters(s, text) if text else room.Filters()
    view = {"view": "all"} if place == "inbox" and found.subject is not None else {}
    target = with_query(
        path, query, cursor=None, said=None, lang=None, saved=None, q=found.q, subject=found.subject,
        process_id=None, **view,
    )  # fmt: skip
    return _in_place(target, f"#{place}-body") if visit.is_htmx else visit.go(target)


def _in_place(target: str, part: str) -> Response:
    """htmx asks for the list's own address then, so that the address is in the history and can be shared."""
    location = {"path": target, "target": part, "select": part, "swap": "outerHTML"}
    return Response(status_code=204, headers={"HX-Location": json.dumps(location)})


def empty_words(visit: Visit, subject: str | None, otherwise: str) -> str:
    """What an empty list says: a number that nobody has is told from a filter that fits nothing."""
    return visit.t("inbox_empty_number") if subject == room.NOBODY else visit.t(otherwise)
