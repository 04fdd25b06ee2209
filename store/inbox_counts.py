"""How many tasks the views of an inbox hold, and how urgent they are: always exact, always the length of the list.

Views that can hold most of what there is (whole groups, all that a person ever completed) are summed from tallies. The
others hold what one person has in hand, started or was told of; they are counted by an index. The conditions are those
of `store/inbox.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.api import TaskCounts, TaskQuery, TaskViewName
from store import inbox, tallies, urgency, words
from store.tables.counting import Tally
from store.tables.processes import Task
from store.users import Viewer
from store.words import Word

SUMMED: tuple[TaskViewName, ...] = ("group", "behalf", "done")
COUNTED = ("mine", "started", "cc")
URGENCIES = ("overdue", "due_today", "at_risk")


@dataclass(frozen=True)
class Figures:
    """How many there are, and how many of them are urgent in which way."""

    open: int = 0
    overdue: int = 0
    due_today: int = 0
    at_risk: int = 0


@dataclass(frozen=True)
class Tallied:
    """A view as sums: of tallies that fit `where`, and of tasks (`sign`: 1 or -1) that belong to one person."""

    columns: list[ColumnElement[int]]
    where: ColumnElement[bool]
    sign: int = 0
    besides: ColumnElement[bool] | None = None


def tallied(viewer: Viewer, query: TaskQuery, now: datetime) -> Tallied | None:
    """The view as sums, or None: it does not consist of groups, or a filter asks for what tallies do not know."""
    known = {"view", "kind", "limit", "cursor", *URGENCIES}
    asked = {name for name, value in query.model_dump().items() if value not in (None, "")} - known
    nobodys = query.view == "all" and asked == {"holder"} and query.holder == "-"
    if asked and not nobodys:
        return None
    kind = Tally.kind == query.kind if query.kind else true()
    if query.view == "all" and inbox.sees_all(viewer):
        columns, where = tallies.of_groups(true(), now, names=[], free=nobodys)
        return Tallied(columns, and_(where, kind))
    if query.view == "done":
        mine = and_(tallies.relevant(("done",), now), Tally.key == viewer.username)
        return Tallied(tallies.figures(now), and_(mine, kind))
    if query.view not in ("group", "behalf"):
        return None
    groups = inbox.groups(viewer) if query.view == "group" else inbox.behalf_groups(viewer)
    columns, where = tallies.of_groups(groups, now, names=viewer.names, free=query.view == "group")
    where = and_(where, kind)
    if not viewer.has("employee"):
        return Tallied(columns, where)
    own = [inbox.about_oneself(viewer), Task.closed_at.is_(None), inbox.not_excluded(viewer)]
    own += [Task.kind == query.kind] if query.kind else []
    if query.view == "behalf":
        return Tallied(columns, where, -1, and_(*own, inbox.in_groups(groups)))
    return Tallied(columns, where, 1, and_(*own, Task.holder.is_(None), ~inbox.in_groups(groups)))


async def _summed(session: AsyncSession, views: dict[str, Tallied], now: datetime) -> dict[str, Figures]:
    """All of them in one statement; another one each for what an employee has besides."""
    if not views:
        return {}
    selects = [select(literal(name), *sums.columns[:4]).where(sums.where) for name, sums in views.items()]
    rows = [tuple(row) for row in await session.execute(union_all(*selects))]
    found = {str(name): [int(n) for n in sums] for name, *sums in rows}
    for name, sums in views.items():
        if sums.besides is not None:
            more = await _looked_at(session, select(*_figures(now)).select_from(Task).where(sums.besides))
            found[name] = [n + sums.sign * getattr(more, f) for n, f in zip(found[name], tallies.FIGURES, strict=True)]
    return {name: Figures(*sums) for name, sums in found.items()}


def _figures(now: datetime) -> list[ColumnElement[int]]:
    return [func.count(), *(func.count().filter(getattr(urgency, name)(Task, now)) for name in URGENCIES)]


async def _looked_at(session: AsyncSession, statement: Any) -> Figures:
    return Figures(*(await session.execute(statement)).one())


async def counts(session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime) -> tuple[int, TaskCounts]:
    """The length of the asked list, how many tasks each view holds, and how urgent the asked view is without its
    urgency filters."""
    said = await words.read(session, query.q)
    views: dict[str, Tallied | None] = {view: tallied(viewer, TaskQuery(view=view), now) for view in SUMMED}
    views["asked"] = tallied(viewer, query, now)
    whole = query.view in SUMMED and not query.kind and views["asked"] is not None
    if whole:  # urgency is a part of each sum: what was asked is one of the views, and is summed once
        del views["asked"]
    sums = await _summed(session, {k: v for k, v in views.items() if v is not None}, now)
    single = [_count(viewer, view).label(view) for view in COUNTED]
    single.append(_count(viewer, "cc", inbox.copied(viewer, unread=True)).label("cc_unread"))
    row = (await session.execute(select(*single))).one()
    here = sums.get(query.view if whole else "asked")
    if here is None:
        calm = query.model_copy(update=dict.fromkeys(URGENCIES))
        here = await _looked_at(session, _where(viewer, calm, now, said, *_figures(now)))
    return await _total(session, viewer, query, now, said, here), TaskCounts(
        **row._asdict(),
        **{view: sums[view].open for view in SUMMED},
        **{name: getattr(here, name) for name in URGENCIES},
    )


def _count(viewer: Viewer, view: str, *more: ColumnElement[bool]) -> Any:
    """Each part by its own index."""
    parts = [
        inbox.of_view(view, func.count()).where(part.condition, *more).scalar_subquery()
        for part in inbox.parts(viewer, view)
    ]
    return sum(parts[1:], parts[0])


def _where(viewer: Viewer, query: TaskQuery, now: datetime, said: Sequence[Word], *columns: Any) -> Any:
    condition = inbox.in_view(viewer, query.view)
    return inbox.of_view(query.view, *columns).where(condition, *inbox.filters(query, now, said))


async def _total(
    session: AsyncSession, viewer: Viewer, query: TaskQuery, now: datetime, said: Sequence[Word], here: Figures
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
    free = tallied(viewer, TaskQuery(view="group"), now)
    sums = await _summed(session, {"group": free} if free is not None else {}, now)
    held = (await session.execute(select(_count(viewer, "mine")))).scalar_one()
    return held, sums["group"].open


async def kinds(session: AsyncSession, viewer: Viewer, view: TaskViewName, now: datetime) -> set[str]:
    """The kinds of tasks that a view holds, whatever else is filtered."""
    sums = tallied(viewer, TaskQuery(view=view), now)
    if sums is None:
        return set(await session.scalars(_where(viewer, TaskQuery(view=view), now, (), Task.kind).distinct()))
    found = await tallies.kinds(session, sums.where)
    if sums.besides is not None:
        own = select(Task.kind, func.count()).where(sums.besides).group_by(Task.kind)
        for kind, n in await session.execute(own):
            found[kind] = found.get(kind, 0) + sums.sign * n
    return {kind for kind, n in found.items() if n > 0}
