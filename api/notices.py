"""Messages to a user, and the audit trail for those who may read it."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions
from api.problems import NotFound
from api.sign_in import CurrentViewer
from runtime import clock
from schemas.base import Text
from schemas.messages import AuditPage, AuditView, MessagePage, MessageView
from store import escalations
from store.database import reading, session
from store.live import message_to
from store.tables.office import Audit, Message
from store.tables.processes import ReminderRow
from store.users import Viewer

router = APIRouter(tags=["messages"])
BIGGEST = 2**63 - 1


async def unread(s: AsyncSession, viewer: Viewer) -> int:
    """How many messages the viewer has not read."""
    mine = Message.username == viewer.username
    return await s.scalar(select(func.count()).select_from(Message).where(mine, Message.read_at.is_(None))) or 0


async def messages(s: AsyncSession, viewer: Viewer, limit: int = 50, only_unread: bool = False) -> MessagePage:
    """The newest messages of a user."""
    mine = Message.username == viewer.username
    total = await s.scalar(select(func.count()).select_from(Message).where(mine))
    statement = select(Message).where(mine).order_by(Message.at.desc(), Message.id.desc()).limit(limit)
    if only_unread:
        statement = statement.where(Message.read_at.is_(None))
    rows = list(await s.scalars(statement))
    about = await escalations.of_messages(s, [m.id for m in rows])
    return MessagePage(
        items=[_view(m, about.get(m.id, [])) for m in rows], unread=await unread(s, viewer), total=total or 0
    )


def _view(row: Message, about: list[ReminderRow]) -> MessageView:
    known = next((r for r in about if r.acknowledged_at is not None), None)
    return MessageView(
        escalations=[r.key for r in about if r.acknowledged_at is None],
        acknowledged_at=known.acknowledged_at if known else None,
        acknowledged_by=known.acknowledged_by if known else None,
        id=row.id,
        text=Text(zh=row.text_zh, en=row.text_en),
        link=row.link,
        at=row.at,
        read_at=row.read_at,
    )


async def mark_read(s: AsyncSession, viewer: Viewer, message_id: int) -> MessageView:
    """NotFound unless it is the viewer's own."""
    row = await s.get(Message, message_id) if 0 < message_id < 2**31 else None
    if row is None or row.username != viewer.username:
        raise NotFound
    if row.read_at is None:
        row.read_at = clock.now()
        await message_to(s, viewer.username)
    return _view(row, (await escalations.of_messages(s, [row.id])).get(row.id, []))


async def mark_all_read(s: AsyncSession, viewer: Viewer) -> None:
    await s.execute(
        update(Message)
        .where(Message.username == viewer.username, Message.read_at.is_(None))
        .values(read_at=clock.now())
    )
    await message_to(s, viewer.username)


async def audit_trail(
    s: AsyncSession, viewer: Viewer, actor: str | None, object_id: str | None, before: int | None, limit: int
) -> AuditPage:
    """The trail, newest first; `before` is the last id of the page before."""
    permissions.require_role(viewer, *permissions.READS_AUDIT)
    statement = select(Audit).order_by(Audit.id.desc()).limit(limit + 1)
    if actor:
        statement = statement.where(Audit.actor == actor)
    if object_id:
        statement = statement.where(Audit.object == object_id)
    if before is not None:
        statement = statement.where(Audit.id < before)
    rows = list(await s.scalars(statement))
    cursor = str(rows[limit - 1].id) if len(rows) > limit else None
    items = [
        AuditView(id=r.id, at=r.at, actor=r.actor, action=r.action, object=r.object, data=r.data, on_behalf=r.on_behalf)
        for r in rows[:limit]
    ]
    return AuditPage(items=items, next_cursor=cursor)


@router.get("/messages", summary="My messages")
async def get_messages(
    viewer: CurrentViewer, limit: Annotated[int, Query(ge=1, le=200)] = 50, unread: bool = False
) -> MessagePage:
    async with reading() as s:
        return await messages(s, viewer, limit, unread)


@router.post("/messages/{message_id}/read", summary="Mark as read")
async def post_read(viewer: CurrentViewer, message_id: int) -> MessageView:
    async with session() as s:
        return await mark_read(s, viewer, message_id)


@router.post("/messages/read", status_code=204, summary="Mark all as read")
async def post_all_read(viewer: CurrentViewer) -> None:
    async with session() as s:
        await mark_all_read(s, viewer)


@router.get("/audit", summary="Audit trail")
async def get_audit(
    viewer: CurrentViewer,
    actor: Annotated[str | None, Query(max_length=60)] = None,
    object_id: Annotated[str | None, Query(alias="object", max_length=200)] = None,
    cursor: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> AuditPage:
    async with reading() as s:
        return await audit_trail(s, viewer, actor, object_id, cursor, limit)
