"""Counts as sums of tallies: open, overdue, due today, at risk, and waiting, of groups of tasks, holders and processes.

Invariants: a sum equals what counting the rows with the conditions of `store/urgency.py` gives, at every moment and for
every transaction (`tests/api/test_tallies.py`); only triggers (`store/tables/counting.py`) add, only `fold` merges.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncSession

from domain.times import at
from runtime import clock
from store.database import session as transaction
from store.tables.counting import Tally, TaskGroup
from store.urgency import shanghai_day, unclaimed_since

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABOUT = ("free", "held", "holder", "process", "agency", "stage")
FIGURES = ("open", "overdue", "due_today", "at_risk")
LASTING = ("opened", "date")  # their day is asked for, however long ago it was
LONG_AGO = timedelta(hours=48)  # far enough behind now for every reader's clock
LOOKS_AHEAD = timedelta(days=1)  # nothing that counts today becomes urgent later than this
LOOKS_A_WEEK_AHEAD = timedelta(weeks=1)  # the same of what counts this week
_DIMENSIONS = (Tally.about, Tally.key, Tally.kind, Tally.org_unit, Tally.names, Tally.clock, Tally.what)


def figures(now: datetime, names: Sequence[str] = ()) -> list[ColumnElement[int]]:
    """Sums named open, overdue, due_today, at_risk, waiting, forecast_late; what excludes one of `names` is taken
    off."""
    n = case((func.cardinality(Tally.names) == 0, Tally.n), else_=-Tally.n) if names else Tally.n
    ahead = Tally.clock * text("interval '1 second'")
    today = shanghai_day(Tally.at + ahead) == shanghai_day(literal(now) + ahead)

    def total(*where: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(n).filter(*where), 0)

    late = total(Tally.what == "due", Tally.at < now)
    return [
        total(Tally.what == "open").label("open"),
        late.label("overdue"),
        total(Tally.what == "due", Tally.at >= now, today).label("due_today"),
        (total(Tally.what == "start", Tally.at < now) - late).label("at_risk"),
        total(Tally.what == "waiting").label("waiting"),
        (total(Tally.what == "late", Tally.at < now) - late).label("forecast_late"),
    ]


def unclaimed(now: datetime) -> ColumnElement[int]:
    """How many free tasks nobody took for too long: a sum over tallies about `free` without excluded users."""
    return func.coalesce(func.sum(Tally.n).filter(Tally.what == "opened", Tally.at < unclaimed_since(now)), 0)


async def dates(session: AsyncSession, first: date, last: date, authority: str | None) -> dict[tuple[date, str], int]:
    """How many unmet deadlines of open cases there are per day and legal kind, from the first to the last day."""
    day = shanghai_day(Tally.at).label("day")
    where = [Tally.about == "date", Tally.at >= at(first, "00:00"), Tally.at <= at(last, "00:00")]
    where += [Tally.key == authority] if authority else []
    statement = select(day, Tally.kind, func.sum(Tally.n)).where(*where).group_by(day, Tally.kind)
    rows = await session.execute(statement.having(func.sum(Tally.n) > 0))
    return {(on, kind): int(n) for on, kind, n in rows}


def due_week(now: datetime) -> ColumnElement[int]:
    """What becomes due later this week; over the tallies that are `relevant` for a week."""
    ahead = Tally.clock * text("interval '1 second'")
    weeks = (func.date_trunc("week", shanghai_day(on + ahead)) for on in (Tally.at, literal(now)))
    this_week = next(weeks) == next(weeks)
    return func.coalesce(func.sum(Tally.n).filter(Tally.what == "due", Tally.at >= now, this_week), 0)


def relevant(about: Sequence[str], now: datetime, ahead: timedelta = LOOKS_AHEAD) -> ColumnElement[bool]:
    """The tallies that say something about now, or about the time from now until so far ahead."""
    return and_(Tally.about.in_(about), Tally.at < now + ahead)


def of_groups(
    groups: ColumnElement[bool], now: datetime, *, names: Sequence[str], free: bool
) -> tuple[list[ColumnElement[int]], ColumnElement[bool]]:
    """Sums and condition for the open tasks of the groups that fit, without those from which one of `names` is
    excluded; `free`: only what nobody holds."""
    keys = select(cast(TaskGroup.id, String)).where(groups)
    ours = func.cardinality(Tally.names) == 0
    if names:
        ours = or_(ours, Tally.names.overlap(list(names)))
    where = and_(relevant(("free",) if free else ("free", "held"), now), Tally.key.in_(keys), ours)
    return figures(now, names), where


async def fold() -> int:
    """Merges tallies that say the same, and all that has long been urgent. A chore; how many rows are left of them."""
    long_ago = clock.now() - LONG_AGO
    touched = select(Tally.about, Tally.at, Tally.key).where(Tally.fresh).distinct().cte("touched")
    aged = and_(Tally.about.in_(ABOUT), Tally.what.not_in(LASTING), Tally.at > EPOCH, Tally.at < long_ago)
    gone = (
        delete(Tally)
        .where(or_(aged, tuple_(Tally.about, Tally.at, Tally.key).in_(select(touched))))
        .returning(Tally.__table__)
        .cte("gone")
    )
    instant = case((and_(gone.c.what.not_in(LASTING), gone.c.at < long_ago), literal(EPOCH)), else_=gone.c.at).label(
        "at"
    )
    dimensions = [*(gone.c[d.key] for d in _DIMENSIONS), instant]
    merged = select(*dimensions, func.sum(gone.c.n), false()).group_by(*dimensions).having(func.sum(gone.c.n) != 0)
    columns = [*(d.key for d in _DIMENSIONS), "at", "n", "fresh"]
    async with transaction() as s:
        return (await s.execute(insert(Tally).from_select(columns, merged))).rowcount  # pyright: ignore


async def kinds(session: AsyncSession, where: ColumnElement[bool]) -> dict[str, int]:
    """How many tasks of each kind there are among these tallies."""
    n = func.sum(case((func.cardinality(Tally.names) == 0, Tally.n), else_=-Tally.n))
    statement = select(Tally.kind, n).where(where, Tally.what == "open").group_by(Tally.kind).having(n > 0)
    return {kind: int(number) for kind, number in await session.execute(statement)}
