"""Saved views of the inbox: save the filters in the address, make one the default, delete one."""

from urllib.parse import parse_qsl

from starlette.responses import Response

from api import saved_views as room
from schemas.api import TaskQuery
from schemas.base import ROLES
from schemas.desk import SavedViewBody, SavedViewItem
from store.database import session
from web.frame import Guest, Visit, posted, with_query
from web.routes import router as make_router

router = make_router()


def address(view: SavedViewItem) -> str:
    """The inbox with this view's filters."""
    values = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in view.query.items()}
    return with_query("/inbox", "", **values, saved=str(view.id))


def share_roles(visit: Visit) -> list[str]:
    """With whom this person may share."""
    return [r for r in ROLES if r in visit.viewer.roles or visit.viewer.has(*room.SHARES_WITH_ALL)]


@router.post("/views")
async def save(visit: Guest) -> Response:
    """Saves the filters that stand in the address under a name."""
    form = await posted(visit)
    filters = {k: v for k, v in parse_qsl(str(form.get("back") or "")[:2000]) if k in TaskQuery.model_fields and v}
    name = " ".join(str(form.get("name") or "").split())[:40]
    body = SavedViewBody.model_construct(
        name=name or visit.t("saved_views"), query=filters, shared_with=str(form.get("shared_with") or "") or None
    )
    async with session() as s:
        made = await room.add(s, visit.viewer, body)
        if form.get("as_default"):
            await room.set_default(s, visit.viewer, made.id)
    return visit.go(address(made), "view_saved")


@router.post("/views/{view_id}/default")
async def default(visit: Guest, view_id: int) -> Response:
    """Makes it the default of this person, or takes that back."""
    form = await posted(visit)
    async with session() as s:
        await room.set_default(s, visit.viewer, view_id if form.get("on") else None)
        used = next(v for v in await room.listed(s, visit.viewer) if v.id == view_id)
    return visit.go(address(used), "view_changed")


@router.post("/views/{view_id}/delete")
async def delete(visit: Guest, view_id: int) -> Response:
    """Deletes an own view."""
    await posted(visit)
    async with session() as s:
        await room.remove(s, visit.viewer, view_id)
    return visit.go("/inbox?view=mine", "view_deleted")
