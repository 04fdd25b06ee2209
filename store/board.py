"""The figures of the supervisor's board, for what the viewer may see.

Who sees everything, and who sees colleges or money, gets sums of tallies; each sort of tallies is read once. What
depends on the person a case is about is counted by looking. Every figure is the total of a list: the conditions are
those of `cases.filters` and `inbox.filters` (`tests/api/test_tallies.py` compares them).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.api import ProcessQuery
from schemas.process import Stage
from store import cases, tallies, urgency
from store.inbox import MONEY_KINDS, SEES_MONEY, joined, process_visible, sees_all
from store.projection import AGENCIES
from store.tables.counting import Tally
from store.tables.processes import Process, Task
from store.users import Viewer

FIGURES = ("open", "overdue", "due_today", "at_risk", "waiting", "forecast_late")
HOLDS = ("open", "overdue", "due_today", "at_risk")
HELD = (*HOLDS, "due_week")
WORK = ("open", "overdue", "due_week")

K = TypeVar("K")
Figures = dict[str, int]
Place = tuple[str, str | None]  # a kind and an org unit


def figure_queries() -> dict[str, ProcessQuery]:
    """The lists behind the figures of cases."""
    return {
        "open": ProcessQuery(state="open"),
        "overdue": ProcessQuery(overdue=True),
        "due_today": ProcessQuery(due_today=True),
        "at_risk": ProcessQuery(at_risk=True),
        "waiting": ProcessQuery(waiting_for="any"),
        "forecast_late": ProcessQuery(forecast_late=True),
    }


def _tallied(viewer: Viewer) -> ColumnElement[bool] | None:
    """`process_visible`, said of tallies; None where it depends on the person a case is about."""
    if sees_all(viewer):
        return true()
    if any(hat.has("employee") and hat.person_id for hat in viewer.hats):
        return None
    money = [hat for hat in viewer.hats if hat.has(*SEES_MONEY)]
    units = {unit for hat in viewer.hats if hat.has("college") for unit in hat.org_units}
    return or_(Tally.kind.in_(MONEY_KINDS if money else ()), Tally.org_unit.in_(units))


def _looked(viewer: Viewer, now: datetime) -> tuple[Sequence[ColumnElement[int]], tuple[ColumnElement[bool], ...]]:
    """The figures of open cases, counted by looking at each."""
    counted = [func.count().filter(*cases.filters(q, now)).label(name) for name, q in figure_queries().items()]
    return counted, (process_visible(viewer), Process.closed_at.is_(None))


async def of_cases(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[Place, Figures]:
    """The figures of the open cases per kind and org unit (None: the whole school)."""
    found = await _figures_per(session, viewer, now, "process", Tally.org_unit, Process.org_unit)
    return {(kind, unit or None): values for (kind, unit), values in found.items()}


async def _figures_per(
    session: AsyncSession, viewer: Viewer, now: datetime, about: str, tallied: Any, looked: Any
) -> dict[tuple[str, str], Figures]:
    """The figures of the open cases per kind and another column, which stands in the tallies about this, and in the
    cases."""
    visible = _tallied(viewer)
    if visible is not None:
        kind: Any = Tally.kind
        other = tallied
        counted, where = tallies.figures(now), (tallies.relevant((about,), now), visible)
        present = counted[0] > 0
    else:
        kind, other = Process.kind, looked
        (counted, where), present = _looked(viewer, now), true()
    statement = select(kind, other, *counted).where(*where).group_by(kind, other).having(present)
    rows = await session.execute(statement.order_by(kind, other))
    return {(row[0], row[1]): _named(FIGURES, row[2:]) for row in rows}


def by_kind(found: Mapping[Place, Figures]) -> dict[str, Figures]:
    """Per kind, by name."""
    return _summed((kind, n) for (kind, _), n in found.items())


def by_unit(found: Mapping[Place, Figures]) -> dict[str | None, Figures]:
    """Per org unit, by name; what belongs to the whole school comes first."""
    return _summed((unit, n) for (_, unit), n in sorted(found.items(), key=lambda item: item[0][1] or ""))


def in_all(found: Mapping[Place, Figures]) -> Figures:
    """The totals."""
    return _summed(("", n) for n in found.values()).get("", dict.fromkeys(FIGURES, 0))


def _summed(parts: Iterable[tuple[K, Figures]]) -> dict[K, Figures]:
    sums: dict[K, Figures] = {}
    for key, values in parts:
        whole = sums.setdefault(key, dict.fromkeys(values, 0))
        for name, n in values.items():
            whole[name] += n
    return sums


def _named(names: Iterable[str], values: Iterable[Any]) -> Figures:
    return dict(zip(names, map(int, values), strict=True))


async def waiting_by_agency(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str, Figures]:
    """Per authority: how many wait for it, and how many of these are overdue or at risk."""
    names = ("waiting", "overdue", "at_risk")
    visible = _tallied(viewer)
    if visible is not None:
        sums = {column.key: column for column in tallies.figures(now)}
        statement = select(Tally.key, *(sums[name] for name in names))
        statement = statement.where(tallies.relevant(("agency",), now), visible).group_by(Tally.key)
    else:
        agency = func.unnest(Process.waiting_on).column_valued("agency")
        late = (func.count().filter(getattr(urgency, name)(Process, now)) for name in names[1:])
        statement = select(agency, func.count(), *late).where(process_visible(viewer), Process.closed_at.is_(None))
        statement = statement.group_by(agency)
    rows = {row[0]: _named(names, row[1:]) for row in await session.execute(statement)}
    return {agency: rows.get(agency, dict.fromkeys(names, 0)) for agency in AGENCIES}


async def tasks_by_holder(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[str | None, Figures]:
    """Open tasks per holder (None: held by nobody), how urgent they are, and how many are due later this week."""
    if sees_all(viewer):
        statement = tallies.by_holder(now)
    else:
        late = (func.count().filter(getattr(urgency, name)(Task, now)) for name in HELD[1:])
        statement = (
            select(Task.holder, func.count(), *late)
            .select_from(Task)
            .join(Process, Process.id == Task.process_id)
            .where(Task.closed_at.is_(None), process_visible(viewer))
            .group_by(Task.holder)
            .order_by(Task.holder)
        )
    return {row[0]: _named(HELD, row[1:]) for row in await session.execute(statement)}


async def by_stage(session: AsyncSession, viewer: Viewer, now: datetime) -> dict[tuple[str, str], Figures]:
    """The figures of the open cases that are in a stage now, per kind and stage."""
    stage = func.unnest(Process.active_stages).column_valued("stage")
    return await _figures_per(session, viewer, now, "stage", Tally.key, stage)


async def stages_of(session: AsyncSession, kinds: Collection[str]) -> dict[tuple[str, str], Stage]:
    """The stages of these kinds, as their newest case has them, in the order in which cases pass them."""
    found: dict[tuple[str, str], Stage] = {}
    for kind in sorted(kinds):
        newest = select(Process.stages).where(Process.kind == kind, func.jsonb_array_length(Process.stages) > 0)
        stages = await session.scalar(newest.order_by(Process.started_at.desc(), Process.id.desc()).limit(1))
        ordered = sorted((Stage.model_validate(s) for s in stages or []), key=lambda s: s.column)
        found.update({(kind, s.code): s for s in ordered})
    return found


async def unclaimed(session: AsyncSession, viewer: Viewer, now: datetime) -> int:
    """Tasks that nobody took for too long."""
    if sees_all(viewer):
        return (await session.execute(tallies.unclaimed(now))).scalar_one()
    untaken = joined(func.count()).where(process_visible(viewer), urgency.unclaimed(Task, now))
    return (await session.execute(untaken)).scalar_one()
