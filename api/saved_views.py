"""Saved views of the inbox (常用视图): kept on the server, private or shared with a role, one of them the default."""

from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api.json_body import JsonObjectRoute
from api.parameters import unknown_name
from api.problems import BadForm, NotAllowed, NotFound, Problem, faults_of
from api.sign_in import CurrentViewer
from runtime.clock import real_now
from schemas.api import TaskQuery
from schemas.base import ROLES, Text
from schemas.desk import DefaultViewBody, SavedViewBody, SavedViewItem
from store import audit, number_search, saved_views, users
from store.database import session
from store.saved_views import MOST, NameTaken, TooMany
from store.tables.desk import SavedView
from store.users import Viewer

router = APIRouter(tags=["saved views"], route_class=JsonObjectRoute)
SHARES_WITH_ALL = ("supervisor", "head", "admin")


class NameUsed(Problem):
    status, code = 409, "name_taken"
    text = Text(zh="您已有同名的视图，请换一个名称。", en="You have a view of that name: choose another.")


class Enough(Problem):
    status, code = 409, "too_many_views"
    text = Text(zh=f"最多保存 {MOST} 个视图，请先删除不用的。", en=f"At most {MOST} views: delete one first.")


async def default_of(s: AsyncSession, viewer: Viewer) -> SavedViewItem | None:
    """The view with which the viewer's inbox opens, if one was chosen."""
    row = await saved_views.default_of(s, viewer)
    return _item(row, viewer, None, row.id) if row is not None else None


async def listed(s: AsyncSession, viewer: Viewer) -> list[SavedViewItem]:
    """The own ones and those shared with one's roles."""
    default = await saved_views.default_of(s, viewer)
    names = await users.names(s)
    return [
        _item(row, viewer, names.get(row.owner), default.id if default else None)
        for row in await saved_views.visible(s, viewer)
    ]


def _item(row: SavedView, viewer: Viewer, owner_name: Text | None, default_id: int | None) -> SavedViewItem:
    return SavedViewItem(
        id=row.id,
        name=row.name,
        query=row.query,
        owner=row.owner,
        owner_name=owner_name,
        shared_with=row.shared_with,
        is_default=row.id == default_id,
        may_change=row.owner == viewer.username,
    )


async def filters_of(s: AsyncSession, query: dict[str, Any]) -> dict[str, Any]:
    """Checked filters without page and cursor, defaults left out. BadForm; a number of a person is not kept."""
    unknown = sorted(set(query) - set(TaskQuery.model_fields))
    if unknown:
        text = unknown_name(unknown[0], list(TaskQuery.model_fields))
        raise BadForm(faults=[(f"/query/{unknown[0][:40]}", "unknown_filter", text)])
    try:
        checked = TaskQuery.model_validate(query)
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors(), "/query")) from error
    if checked.q and (await number_search.meaning(s, checked.q)).personal:
        text = Text(zh="证件号码等号码不能存入视图。", en="A number of a person cannot be kept in a view.")
        raise BadForm(text, faults=[("/query/q", "number", text)])
    kept = checked.model_dump(exclude={"cursor", "limit"}, exclude_none=True, mode="json")
    return {"view": checked.view, **kept}


def _share(viewer: Viewer, role: str | None) -> str | None:
    if not role:
        return None
    if role not in ROLES:
        text = Text(zh="没有这个角色。", en="There is no such role.")
        raise BadForm(faults=[("/shared_with", "unknown_role", text)])
    if role not in viewer.roles and not viewer.has(*SHARES_WITH_ALL):
        raise NotAllowed(Text(zh="只能共享给自己的角色。", en="You can share with your own roles only."))
    return role


async def add(s: AsyncSession, viewer: Viewer, body: SavedViewBody) -> SavedViewItem:
    """A new view. BadForm, NotAllowed, NameUsed, Enough."""
    try:
        row = await saved_views.add(
            s, viewer.username, body.name, await filters_of(s, body.query), _share(viewer, body.shared_with), real_now()
        )
    except NameTaken as error:
        raise NameUsed from error
    except TooMany as error:
        raise Enough from error
    audit.record(s, viewer.username, "view.save", str(row.id), shared_with=row.shared_with)
    return _item(row, viewer, viewer.name, None)


async def _own(s: AsyncSession, viewer: Viewer, view_id: int) -> SavedView:
    row = await find(s, viewer, view_id)
    if row.owner != viewer.username:
        who = (await users.names(s)).get(row.owner, Text(zh=row.owner, en=row.owner))
        raise NotAllowed(
            Text(
                zh=f"该视图由{who.zh}建立并共享，只有其本人可以修改或删除。",
                en=f"{who.en} made and shared this view: only that person changes or deletes it.",
            )
        )
    return row


async def find(s: AsyncSession, viewer: Viewer, view_id: int) -> SavedView:
    """A view that the viewer may use. NotFound."""
    row = await saved_views.find(s, viewer, view_id) if 0 < view_id < 2**31 else None
    if row is None:
        raise NotFound
    return row


async def change(s: AsyncSession, viewer: Viewer, view_id: int, body: SavedViewBody) -> SavedViewItem:
    """New name, filters or sharing. NotFound, NotAllowed, BadForm, NameUsed."""
    row = await _own(s, viewer, view_id)
    try:
        await saved_views.change(s, row, body.name, await filters_of(s, body.query), _share(viewer, body.shared_with))
    except NameTaken as error:
        raise NameUsed from error
    audit.record(s, viewer.username, "view.change", str(row.id), shared_with=row.shared_with)
    default = await saved_views.default_of(s, viewer)
    return _item(row, viewer, viewer.name, default.id if default else None)


async def remove(s: AsyncSession, viewer: Viewer, view_id: int) -> None:
    """Deletes an own view. NotFound, NotAllowed."""
    row = await _own(s, viewer, view_id)
    audit.record(s, viewer.username, "view.delete", str(row.id))
    await saved_views.remove(s, row)


async def set_default(s: AsyncSession, viewer: Viewer, view_id: int | None) -> None:
    """Opens the inbox with this view from now on. NotFound."""
    if view_id is not None:
        await find(s, viewer, view_id)
    await saved_views.set_default(s, viewer.username, view_id)


@router.get("/views", summary="Saved views: mine, and those shared with my roles")
async def get_views(viewer: CurrentViewer) -> list[SavedViewItem]:
    async with session() as s:
        return await listed(s, viewer)


@router.post("/views", status_code=201, summary="Save the filters of the inbox under a name")
async def post_view(viewer: CurrentViewer, body: SavedViewBody) -> SavedViewItem:
    async with session() as s:
        return await add(s, viewer, body)


@router.put("/views/default", status_code=204, summary="The view with which my inbox opens")
async def put_default(viewer: CurrentViewer, body: DefaultViewBody) -> None:
    async with session() as s:
        await set_default(s, viewer, body.view_id)


@router.put("/views/{view_id}", summary="Change a saved view")
async def put_view(viewer: CurrentViewer, view_id: int, body: SavedViewBody) -> SavedViewItem:
    async with session() as s:
        return await change(s, viewer, view_id, body)


@router.delete("/views/{view_id}", status_code=204, summary="Delete a saved view")
async def delete_view(viewer: CurrentViewer, view_id: int) -> None:
    async with session() as s:
        await remove(s, viewer, view_id)
