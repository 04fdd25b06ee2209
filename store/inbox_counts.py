"""How many tasks the views of an inbox hold, and how urgent they are: always exact, always the length of the list.

All views are summed from tallies, but for what one person was told of, which is counted by an index. The conditions are
those of `store/inbox.py`. All numbers beside a page are read by one statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.api import TaskCounts, TaskQuery, TaskViewName
from store import inbox, tallies, urgency, words
from store.tables.counting import Tally
from store.tables.processes import Task
from store.users import Viewer
from store.words import Said

SUMMED: tuple[TaskViewName, ...] = ("mine", "group", "behalf", "done")
URGENCIES = ("overdue", "due_today", "at_risk")


@dataclass(frozen=True)
class Figures:
    """How many there are, and how many of them are urgent in which way."""

    open: int = 0
    overdue: int = 0
    due_today: int = 0
    at_risk: int = 0

    def plus(self, numbers: Sequence[int]) -> "Figures":
        return Figures(*(getattr(self, name) + n for name, n in zip(tallies.FIGURES, numbers, strict=True)))


@dataclass(frozen=True)
class Tallied:
    """A view as sums: of tallies, and of tasks that are looked at one by one, added or (-1) taken off."""

    parts: list[tallies.Part]
    besides: tuple[tuple[int, ColumnElement[bool]], ...] = ()


def tallied(viewer: Viewer, query: TaskQuery, now: datetime) -> Tallied | None:
    """The view as sums, or None: a filter asks for what tallies do not know, or there are none of this view."""
    known = {"view", "kind", "limit", "cursor", *URGENCIES}
    asked = {name for name, value in query.model_dump().items() if value not in (None, "")} - known
    nobodys = query.view == "all" and asked == {"holder"} and query.holder == "-"
    if asked and not nobodys:
        return None
    if query.view == "mine":
        return None if query.kind else _mine(viewer, now)
    found = _by_kind(viewer, query.view, now, free=nobodys)
    if found is None or not query.kind:
        return found
    return Tallied(
        [tallies.Part(and_(part.where, Tally.kind == query.kind), part.sign) for part in found.parts],
        tuple((sign, and_(where, Task.kind == query.kind)) for sign, where in found.besides),
    )


def _tallied(viewer: Viewer, views: Sequence[TaskViewName], now: datetime) -> dict[str, Tallied]:
    """The views without any filter."""
    found = ((view, tallied(viewer, TaskQuery(view=view), now)) for view in views)
    return {view: sums for view, sums in found if sums is not None}


def _mine(viewer: Viewer, now: datetime) -> Tallied:
    """What is in the viewer's hands is summed; the rest (absent people's, lent ones) is little."""
    _, *others = inbox.parts(viewer, "mine")
    return Tallied([tallies.of_holder(viewer.username, now)], tuple((1, part.condition) for part in others))


def _started(viewer: Viewer) -> Tallied:
    """How many, and not how urgent. Whoever started a case may nearly always read it; the others an index finds."""
    hidden = () if inbox.sees_all(viewer) else ((-1, inbox.started_and_hidden(viewer)),)
    return Tallied([tallies.of_starter(viewer.username)], hidden)


def _by_kind(viewer: Viewer, view: TaskViewName, now: datetime, *, free: bool) -> Tallied | None:
    """A view whose tallies tell kinds of tasks apart."""
    if view == "all" and inbox.sees_all(viewer):
        return Tallied(tallies.of_groups(true(), now, names=[], free=free))
    if view == "done":
        return Tallied([tallies.of_done(viewer.username)])
    if view not in ("group", "behalf"):
        return None
    groups = inbox.groups(viewer) if view == "group" else inbox.behalf_groups(viewer)
    parts = tallies.of_groups(groups, now, names=viewer.names, free=view == "group")
    if not viewer.has("employee"):
        return Tallied(parts)
    own = and_(inbox.about_oneself(viewer), Task.closed_at.is_(None), inbox.not_excluded(viewer))
    if view == "behalf":
        return Tallied(parts, ((-1, and_(own, inbox.in_groups(groups))),))
    return Tallied(parts, ((1, and_(own, Task.holder.is_(None), ~inbox.in_groups(groups))),))


async def _read(
    session: AsyncSession,
    views: Mapping[str, Tallied],
    rows: Mapping[str, Sequence[Select[*tuple[Any, ...]]]],
    now: datetime,
) -> dict[str, Figures]:
    """The figures of all these views by one statement: sums, and `rows` that are counted, with or without urgency."""
    selects: list[Any] = []
    if views:
        selects.append(tallies.sums({name: view.parts for name, view in views.items()}, now))
    for name, view in views.items():
        for sign, where in view.besides:
            signed = (sign * column for column in _figures(now))
            selects.append(select(literal(name), *signed).select_from(Task).where(where))
    for name, statements in rows.items():
        for counted in (statement.subquery() for statement in statements):
            padded = [*counted.c, *(literal(0) for _ in tallies.FIGURES)][: len(tallies.FIGURES)]
            selects.append(select(literal(name), *padded))
    found = {name: Figures() for name in (*views, *rows)}
    for row in await session.execute(union_all(*selects)):
        name, *numbers = tuple(row)
        found[str(name)] = found[str(name)].plus([int(n) for n in numbers])
    return found


def _figures(now: datetime) -> list[ColumnElement[int]]:
    return [func.count(), *(func.count().filter(getattr(urgency, name)(Task, now)) for name in URGENCIES)]


async def counts(
    session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime, said: Said | None = None
) -> tuple[int, TaskCounts]:
    """The length of the asked list, how many tasks each view holds, and how urgent the asked view is without its
    urgency filters. `said`: what is searched for, where it was looked up before."""
    said = said or await words.read(session, query.q)
    views = _tallied(viewer, SUMMED, now)
    views["started"] = _started(viewer)
    unread = inbox.copied(viewer, unread=True)
    rows = {"cc": _counted(viewer, "cc"), "cc_unread": _counted(viewer, "cc", unread)}
    asked = tallied(viewer, query, now)
    whole = query.view in SUMMED and not query.kind and asked is not None
    if asked is None:
        calm = query.model_copy(update=dict.fromkeys(URGENCIES))
        rows["asked"] = [_where(viewer, calm, now, said, *_figures(now))]
    elif not whole:  # else urgency is a part of each sum: what was asked is one of the views, and is summed once
        views["asked"] = asked
    found = await _read(session, views, rows, now)
    here = found[query.view if whole else "asked"]
    return await _total(session, viewer, query, now, said, here), TaskCounts(
        **{name: found[name].open for name in (*SUMMED, "started", "cc", "cc_unread")},
        **{name: getattr(here, name) for name in URGENCIES},
    )


def _counted(viewer: Viewer, view: str, *more: ColumnElement[bool]) -> list[Select[*tuple[Any, ...]]]:
    """How many there are, each part by its own index."""
    return [part.read(func.count()).where(part.condition, *more) for part in inbox.parts(viewer, view)]


def _where(viewer: Viewer, query: TaskQuery, now: datetime, said: Said, *columns: Any) -> Any:
    whole = inbox.whole(viewer, query.view)
    return whole.read(*columns).where(whole.condition, *inbox.filters(query, now, said))


async def _total(
    session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime, said: Said, here: Figures
) -> int:
    """What one urgency leaves is known from the figures."""
    flags = [(name, getattr(query, name)) for name in URGENCIES if getattr(query, name) is not None]
    if not flags:
        return here.open
    if len(flags) == 1:
        name, wanted = flags[0]
        return getattr(here, name) if wanted else here.open - getattr(here, name)
    return (await session.execute(_where(viewer, query, now, said, func.count()))).scalar_one()


async def waiting(session: AsyncSession, viewer: Viewer, now: datetime) -> tuple[int, int]:
    """What the viewer holds, and what he could take."""
    both: tuple[TaskViewName, ...] = ("mine", "group")
    found = await _read(session, _tallied(viewer, both, now), {}, now)
    return found["mine"].open, found["group"].open


async def kinds(session: AsyncSession, viewer: Viewer, view: TaskViewName, now: datetime) -> set[str]:
    """The kinds of tasks that a view holds, whatever else is filtered."""
    sums = _by_kind(viewer, view, now, free=False)
    if sums is None:
        return set(await session.scalars(_where(viewer, TaskQuery(view=view), now, Said(), Task.kind).distinct()))
    found = await tallies.kinds(session, sums.parts)
    for sign, where in sums.besides:
        for kind, n in await session.execute(select(Task.kind, func.count()).where(where).group_by(Task.kind)):
            found[kind] = found.get(kind, 0) + sign * n
    return {kind for kind, n in found.items() if n > 0}
