"""Counts as sums of tallies: open, overdue, due today, at risk, and waiting, of groups of tasks, holders and processes.

Invariants: a sum equals what counting the rows with the conditions of `store/urgency.py` gives, at every moment and for
every transaction (`tests/api/test_tallies.py`); only triggers (`store/tables/counting.py`) add, only `fold` merges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Select,
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
    union_all,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.times import at, day_of
from runtime import clock
from store.database import session as transaction
from store.tables.counting import Tally, TaskGroup
from store.urgency import shanghai_day, unclaimed_since

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABOUT = (
    "free",
    "held",
    "free_excluded",
    "held_excluded",
    "holder",
    "process",
    "agency",
    "stage",
)  # what becomes urgent
INSTANTS = ("due", "start", "legal", "late")  # when it does
FIGURES = ("open", "overdue", "due_today", "at_risk")
LONG_AGO = timedelta(hours=6)  # far enough behind now for every reader's clock
LOOKS_AHEAD = timedelta(days=1)  # nothing that counts today becomes urgent later than this
LOOKS_A_WEEK_AHEAD = timedelta(weeks=1)  # the same of what becomes due this week
_DIMENSIONS = (Tally.about, Tally.key, Tally.kind, Tally.org_unit, Tally.names, Tally.clock, Tally.what)


@dataclass(frozen=True)
class Part:
    """Tallies that are added to a sum, or taken off it (`sign` -1)."""

    where: ColumnElement[bool]
    sign: int = 1


def figures(now: datetime, of: type[Tally] = Tally) -> list[ColumnElement[int]]:
    """Sums named open, overdue, due_today, at_risk, waiting, forecast_late."""
    today = _in_same("day", of, now)

    def total(*where: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(of.n).filter(*where), 0)

    late = total(of.what == "due", of.at < now)
    return [
        total(of.what == "open").label("open"),
        late.label("overdue"),
        total(of.what == "due", of.at >= now, today).label("due_today"),
        (total(of.what == "start", of.at < now) - late).label("at_risk"),
        total(of.what == "waiting").label("waiting"),
        (total(of.what == "late", of.at < now) - total(of.what == "legal", of.at < now)).label("forecast_late"),
    ]


def unclaimed(now: datetime) -> Select[int]:
    """How many free tasks nobody took for too long: all but those of the last days, of which there are few."""
    free = and_(Tally.about == "holder", Tally.what == "open", Tally.at == EPOCH, Tally.key == "")
    lately = and_(Tally.about == "opened", Tally.what == "open", Tally.at >= unclaimed_since(now))
    sums = [select(func.coalesce(func.sum(Tally.n), 0)).where(of).scalar_subquery() for of in (free, lately)]
    return select(sums[0] - sums[1])


async def dates(session: AsyncSession, first: date, last: date, authority: str | None) -> dict[tuple[date, str], int]:
    """How many unmet deadlines of open cases there are per day and legal kind, from the first to the last day."""
    day = shanghai_day(Tally.at).label("day")
    where = [Tally.about == "date", Tally.what == "date", Tally.at >= at(first, "00:00"), Tally.at <= at(last, "00:00")]
    where += [Tally.key == authority] if authority else []
    statement = select(day, Tally.kind, func.sum(Tally.n)).where(*where).group_by(day, Tally.kind)
    rows = await session.execute(statement.having(func.sum(Tally.n) > 0))
    return {(on, kind): int(n) for on, kind, n in rows}


def relevant(about: Sequence[str], now: datetime) -> ColumnElement[bool]:
    """The tallies that say something about today."""
    return and_(Tally.about.in_(about), Tally.what.in_(("open", "waiting", *INSTANTS)), Tally.at < now + LOOKS_AHEAD)


def by_holder(now: datetime) -> Select[Any]:
    """Holders (None: nobody), and how many open tasks are in their hands, overdue, due today, at risk, and due later
    this week. Rows of the days after today are read beside those that `relevant` gives, each sort by its index."""
    soon, week = now + LOOKS_AHEAD, now + LOOKS_A_WEEK_AHEAD
    later = and_(Tally.about == "holder", Tally.what == "due", Tally.at >= soon, Tally.at < week)
    columns = (Tally.key, Tally.what, Tally.at, Tally.clock, Tally.n)
    read = union_all(*(select(*columns).where(where) for where in (relevant(("holder",), now), later))).subquery()
    row = aliased(Tally, read)
    counted = [*figures(now, of=row)[:4], _due_week(row, now)]
    statement = select(func.nullif(row.key, ""), *counted).group_by(row.key).having(counted[0] > 0)
    return statement.order_by(row.key)


def _due_week(row: type[Tally], now: datetime) -> ColumnElement[int]:
    return func.coalesce(func.sum(row.n).filter(row.what == "due", row.at >= now, _in_same("week", row, now)), 0)


def _in_same(period: Literal["day", "week"], row: type[Tally], now: datetime) -> ColumnElement[bool]:
    """Whether an instant from now on is in the Shanghai day, or week, that now is, on the clock of the tally. Nearly
    every clock is the installation's: for these it is a comparison, and no arithmetic for each row."""
    ahead = row.clock * text("interval '1 second'")
    on, today = (func.date_trunc(period, shanghai_day(instant + ahead)) for instant in (row.at, literal(now)))
    days = 1 if period == "day" else 7 - day_of(now).weekday()
    return case((row.clock == 0, row.at < at(day_of(now) + timedelta(days=days), "00:00")), else_=on == today)


def of_groups(groups: ColumnElement[bool], now: datetime, *, names: Sequence[str], free: bool) -> list[Part]:
    """The open tasks of the groups that fit, without those from which one of `names` is excluded; `free`: only what
    nobody holds."""
    ours = Tally.key.in_(select(cast(TaskGroup.id, String)).where(groups))
    places = ("free",) if free else ("free", "held")
    found = [Part(and_(relevant(places, now), ours))]
    if names:
        theirs = and_(Tally.names != text("'{}'"), Tally.names.overlap(list(names)))  # as `ix_tallies_names` says it
        excluded = relevant([f"{place}_excluded" for place in places], now)
        found.append(Part(and_(excluded, theirs, ours), -1))
    return found


def of_holder(username: str, now: datetime) -> Part:
    """The open tasks in one person's hands."""
    return Part(and_(relevant(("holder",), now), Tally.key == username))


def of_starter(username: str) -> Part:
    """The open tasks of the cases that one person started."""
    return Part(and_(Tally.about == "started", Tally.what == "open", Tally.at == EPOCH, Tally.key == username))


def of_done(username: str) -> Part:
    """What one person, or a substitute for this person, ever finished."""
    return Part(and_(Tally.about == "done", Tally.what == "open", Tally.at == EPOCH, Tally.key == username))


def sums(views: Mapping[str, Sequence[Part]], now: datetime) -> Select[Any]:
    """A row with name and `FIGURES` for each view of which there is anything; each part is read by its own index."""
    read = union_all(
        *(_read(part).add_columns(literal(v).label("view")) for v, parts in views.items() for part in parts)
    )
    rows = read.subquery()
    return select(rows.c.view, *figures(now, of=aliased(Tally, rows))[:4]).group_by(rows.c.view)


def _read(part: Part) -> "Select[*tuple[Any, ...]]":
    n = Tally.n if part.sign > 0 else -Tally.n
    return select(Tally.what, Tally.at, Tally.clock, n.label("n")).where(part.where)


async def dates_by_authority(session: AsyncSession, first: date, last: date) -> dict[str, int]:
    """How many unmet deadlines of open cases there are per authority, from the first to the last day."""
    days = and_(Tally.at >= at(first, "00:00"), Tally.at <= at(last, "00:00"))
    statement = select(Tally.key, func.sum(Tally.n)).where(Tally.about == "date", Tally.what == "date", days)
    return {authority: int(n) for authority, n in await session.execute(statement.group_by(Tally.key))}


async def fold() -> int:
    """Merges tallies that say the same, and all that has long been urgent. A chore; how many rows are left of them."""
    long_ago = clock.now() - LONG_AGO
    place = (Tally.about, Tally.what, Tally.at, Tally.key)
    touched = select(*place).where(Tally.fresh).distinct().cte("touched")
    aged = and_(Tally.about.in_(ABOUT), Tally.what.in_(INSTANTS), Tally.at > EPOCH, Tally.at < long_ago)
    gone = delete(Tally).where(or_(aged, tuple_(*place).in_(select(touched)))).returning(Tally.__table__).cte("gone")
    instant = case((and_(gone.c.about.in_(ABOUT), gone.c.at < long_ago), literal(EPOCH)), else_=gone.c.at).label("at")
    dimensions = [*(gone.c[d.key] for d in _DIMENSIONS), instant]
    merged = select(*dimensions, func.sum(gone.c.n), false()).group_by(*dimensions).having(func.sum(gone.c.n) != 0)
    columns = [*(d.key for d in _DIMENSIONS), "at", "n", "fresh"]
    async with transaction() as s:
        return (await s.execute(insert(Tally).from_select(columns, merged))).rowcount  # pyright: ignore


async def kinds(session: AsyncSession, parts: Sequence[Part]) -> dict[str, int]:
    """How many tasks of each kind there are among these tallies."""
    open_ones = (_read(part).add_columns(Tally.kind).where(Tally.what == "open") for part in parts)
    rows = union_all(*open_ones).subquery()
    n = func.sum(rows.c.n)
    statement = select(rows.c.kind, n).group_by(rows.c.kind).having(n > 0)
    return {kind: int(number) for kind, number in await session.execute(statement)}
