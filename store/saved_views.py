"""Saved views of the inbox: named filters, kept on the server, private or shared with a role.

Invariants: a view holds filters and no rows, so each reader sees with it only what is his to see; only its owner
changes it; a default that is no longer visible to its user is none.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables.desk import DefaultView, SavedView
from store.users import Viewer

MOST = 50  # of one person


class NameTaken(ValueError):
    """The person has a view of this name."""


class TooMany(ValueError):
    """The person has as many views as one may have."""


def _visible(viewer: Viewer) -> Any:
    return or_(SavedView.owner == viewer.username, SavedView.shared_with.in_(viewer.roles))


async def visible(session: AsyncSession, viewer: Viewer) -> list[SavedView]:
    """The own views, then those shared with one's roles, by name."""
    rows = await session.scalars(select(SavedView).where(_visible(viewer)).order_by(SavedView.name, SavedView.id))
    return sorted(rows, key=lambda v: v.owner != viewer.username)


async def find(session: AsyncSession, viewer: Viewer, view_id: int) -> SavedView | None:
    """A view that the viewer may use."""
    return await session.scalar(select(SavedView).where(SavedView.id == view_id, _visible(viewer)))


async def add(
    session: AsyncSession, owner: str, name: str, query: dict[str, Any], shared_with: str | None, now: datetime
) -> SavedView:
    """A new view. NameTaken, TooMany."""
    owned = list(await session.scalars(select(SavedView.id).where(SavedView.owner == owner)))
    if len(owned) >= MOST:
        raise TooMany(owner)
    statement = (
        insert(SavedView)
        .values(owner=owner, name=name, query=query, shared_with=shared_with, created_at=now)
        .on_conflict_do_nothing(constraint="uq_saved_views_name")
        .returning(SavedView)
    )
    row = await session.scalar(statement)
    if row is None:
        raise NameTaken(name)
    return row


async def change(
    session: AsyncSession, row: SavedView, name: str, query: dict[str, Any], shared_with: str | None
) -> None:
    """New name, filters or sharing of an own view. NameTaken."""
    other = await session.scalar(
        select(SavedView.id).where(SavedView.owner == row.owner, SavedView.name == name, SavedView.id != row.id)
    )
    if other is not None:
        raise NameTaken(name)
    row.name, row.query, row.shared_with = name, query, shared_with
    await session.flush()


async def remove(session: AsyncSession, row: SavedView) -> None:
    """Deletes a view; whoever had it as default has none."""
    await session.execute(delete(SavedView).where(SavedView.id == row.id))


async def default_of(session: AsyncSession, viewer: Viewer) -> SavedView | None:
    """The view with which the viewer's inbox opens."""
    return await session.scalar(
        select(SavedView)
        .join(DefaultView, DefaultView.view_id == SavedView.id)
        .where(DefaultView.username == viewer.username, _visible(viewer))
    )


async def set_default(session: AsyncSession, username: str, view_id: int | None) -> None:
    """Makes a view the default of this person; None: the inbox opens where work is."""
    if view_id is None:
        await session.execute(delete(DefaultView).where(DefaultView.username == username))
        return
    statement = insert(DefaultView).values(username=username, view_id=view_id)
    await session.execute(statement.on_conflict_do_update(index_elements=["username"], set_={"view_id": view_id}))
