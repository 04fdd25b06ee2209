"""The inbox: tasks in the order of their urgency, filters in the address, refreshed when something changes."""

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api import handover, past
from api import saved_views as views_room
from api import tasks as room
from api.permissions import HAND_IN, LOOKS_INTO
from runtime import clock
from schemas.api import InboxQuery, ProcessQuery, TaskPage, TaskQuery
from schemas.desk import SavedViewItem
from store import cases, inbox_counts
from store.database import reading, session
from store.users import Viewer
from web import choices
from web.frame import Guest, Visit, page, posted, with_query
from web.pages import saved_views
from web.pages.search import empty_words
from web.routes import router as make_router

router = make_router()
VIEWS = ("mine", "group", "behalf", "done", "started", "cc")
VERBS = ("claim", "complete", "transfer", "reassign", "urge", "release")  # for many tasks at once
PILLS = (
    ("overdue", "overdue", "urgency_overdue"),
    ("due_today", "today", "urgency_today"),
    ("at_risk", "at_risk", "urgency_at_risk"),
)


@router.get("/inbox")
async def inbox(visit: Guest, asked: Annotated[InboxQuery, Query()]) -> Response:
    """One view of the inbox, as it is or as it was."""
    query = tidy(asked.filters())
    if not set(visit.request.query_params) - {"lang", "said"}:
        async with session() as s:
            default = await views_room.default_of(s, visit.viewer)
        if default is not None:
            return visit.go(saved_views.address(default), visit.request.query_params.get("said"))
    if "view" not in visit.request.query_params and asked.at is None:
        query = await _first_view(visit, query)
    async with past.inbox(visit.viewer, asked.at, asked.as_user) as (s, reader):
        found = await room.list_tasks(s, reader, query)
        units = await choices.units(s, visit.lang)
        occurring = await inbox_counts.kinds(s, reader, query.view, clock.now())
        saved = await views_room.listed(s, visit.viewer) if asked.at is None else []
        people = await choices.colleagues(s, visit.lang) if visit.viewer.has(*LOOKS_INTO) else []
        started = await _started(s, reader) if query.view == "started" and found.as_of is None else None
    kinds = choices.task_kinds(visit.lang, occurring | {query.kind or ""})
    return await page(
        visit,
        "inbox.html",
        looked_at=found.as_of,
        **_shown(visit, query, found, reader),
        **_saved(visit, saved),
        **_past(asked, people),
        started_cases=started,
        units=units,
        kinds=kinds,
    )


async def _started(s: AsyncSession, reader: Viewer) -> int:
    """How many cases that the reader started are under way: one that waits for an authority has no task to show."""
    return await cases.count(s, reader, ProcessQuery(started_by=cases.ME, state="open"), clock.now())


def _past(asked: InboxQuery, people: list[choices.Choice]) -> dict[str, Any]:
    """Which past is shown, for the forms that stay in it, and whose inbox could be looked into."""
    fields = asked.model_dump(include={"at", "as_user"}, exclude_none=True)
    unfiltered = with_query("/inbox", "", view=asked.view, **fields)
    return {"past_fields": fields, "unfiltered": unfiltered, "look_people": people, "as_user": asked.as_user or ""}


def _saved(visit: Visit, views: list[SavedViewItem]) -> dict[str, Any]:
    """Saved views as links, the one in use, and with whom a new one may be shared."""
    used = visit.request.query_params.get("saved")
    return {
        "saved_views": [{"item": v, "href": saved_views.address(v), "current": str(v.id) == used} for v in views],
        "share_roles": saved_views.share_roles(visit),
        "query_string": visit.request.url.query,
    }


async def _first_view(visit: Visit, query: TaskQuery) -> TaskQuery:
    """Without a wish: what one holds; who holds nothing sees what can be claimed."""
    if any(v is not None for k, v in query.model_dump().items() if k not in ("view", "limit")):
        return query.model_copy(update={"view": "all"})
    async with reading() as s:
        held, _ = await inbox_counts.waiting(s, visit.viewer, clock.now())
    return query if held else query.model_copy(update={"view": "group"})


def tidy(query: TaskQuery) -> TaskQuery:
    """An empty field of the filter form is no filter."""
    return query.model_copy(update={k: None for k, v in query.model_dump().items() if v == ""})


def _shown(visit: Visit, query: TaskQuery, found: TaskPage, reader: Viewer) -> dict[str, Any]:
    request = visit.request

    def url(**changes: str | None) -> str:
        return with_query(
            "/inbox", request.url.query, lang=None, said=None, saved=None, **{"view": query.view, **changes}
        )

    filters = query.model_dump(exclude={"view", "limit", "cursor"})
    counts: dict[str, Any] = found.counts.model_dump()
    if query.view == "all" and not any(filters.values()):
        counts["all"] = found.total
    views = [
        {"code": v, "current": v == query.view, "count": counts.get(v), "new": counts["cc_unread"] if v == "cc" else 0}
        for v in (*VIEWS, *(["all"] if query.view == "all" else []))
        if v != "behalf" or reader.has("clerk")
    ]
    pills = [
        {
            "tone": tone,
            "key": key,
            "on": bool(getattr(query, name)),
            "count": counts[name],
            "href": url(cursor=None, **{name: None if getattr(query, name) else "true"}),
        }
        for name, tone, key in PILLS
    ]
    able = {action for item in found.items for action in item.actions}
    return {
        "may_hand_in": found.as_of is None and any(hat.has(*HAND_IN) for hat in reader.hats),
        "verbs": [v for v in VERBS if v in able],
        "query": query.model_dump(),
        "page": found,
        "views": views,
        "pills": pills,
        "url": url,
        "filtered": any(filters.values()),
        "empty": empty_words(
            visit, query.subject, "inbox_empty_filtered" if any(filters.values()) else f"inbox_empty_{query.view}"
        ),
    }


@router.post("/tasks/{task_id}/claim")
async def claim(visit: Guest, task_id: str) -> Response:
    """Takes a task; one person holds it at a time."""
    form = await posted(visit)
    async with session() as s:
        await room.claim(s, visit.viewer, task_id)
    return visit.go(back_to(str(form.get("back") or "/inbox")), "claimed")


@router.post("/tasks/{task_id}/release")
async def release(visit: Guest, task_id: str) -> Response:
    """Gives a task back to its group."""
    form = await posted(visit)
    async with session() as s:
        await handover.release(s, visit.viewer, task_id)
    return visit.go(back_to(str(form.get("back") or "/inbox")), "released")


def back_to(target: str) -> str:
    """A page of ours."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/inbox"
