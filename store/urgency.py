"""Overdue, due today, at risk, waiting: each defined once, for tasks and processes, for lists and for the board.

The board counts with the same conditions that the lists filter with, so that a number always equals its list's total.
A case's clock is `runtime.clock.now()` plus what the case alone is ahead (a demo's fast-forward; zero in
production); its tasks carry it too.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, and_, cast, func, literal, text

from domain.times import at, day_of
from store import policies
from store.projection import AGENCIES
from store.tables.processes import Process, Task

DayColumn = ColumnElement[Any]
Row = type[Process] | type[Task]


def case_now(row: Row, now: datetime) -> ColumnElement[datetime]:
    """`now` (of `runtime.clock`) on the clock of the case in the row."""
    return literal(now) + row.clock_offset_seconds * text("interval '1 second'")


def shanghai_day(instant: Any) -> DayColumn:
    return cast(func.timezone("UTC", instant + text("interval '8 hours'")), Date)


def overdue(row: Row, now: datetime) -> ColumnElement[bool]:
    """A deadline has ended unmet."""
    return and_(row.closed_at.is_(None), row.next_due_at < case_now(row, now))


def due_today(row: Row, now: datetime) -> ColumnElement[bool]:
    """The next deadline ends later on this Shanghai day."""
    moment = case_now(row, now)
    return and_(
        row.closed_at.is_(None),
        row.next_due_at >= moment,
        shanghai_day(row.next_due_at) == shanghai_day(moment),
    )


def at_risk(row: Row, now: datetime) -> ColumnElement[bool]:
    """Will be late: the latest start of a deadline has passed, and none is overdue yet."""
    moment = case_now(row, now)
    return and_(row.closed_at.is_(None), row.next_due_at >= moment, row.latest_start < moment)


def forecast_late(now: datetime) -> ColumnElement[bool]:
    """Will be late for a date of the law at the speed at which its steps are usually done, and is not yet
    (`domain/forecast.py`); a target of the school that has passed hides none of it."""
    moment = case_now(Process, now)
    return and_(Process.closed_at.is_(None), Process.legal_due_at >= moment, Process.late_from < moment)


def due_week(row: Row, now: datetime) -> ColumnElement[bool]:
    """The next deadline ends later in this week, which ends on Sunday in Shanghai."""
    moment = case_now(row, now)
    week = func.date_trunc("week", shanghai_day(row.next_due_at)) == func.date_trunc("week", shanghai_day(moment))
    return and_(row.closed_at.is_(None), row.next_due_at >= moment, week)


def unclaimed_since(now: datetime) -> datetime:
    """What was opened before this instant and is held by nobody is unclaimed too long: so many whole working days of
    the school (`unclaimed_working_days`) have passed since."""
    before = policies.calendar("school").add_working_days(day_of(now), -policies.setting("unclaimed_working_days"))
    return at(before, "00:00")


def unclaimed(row: type[Task], now: datetime) -> ColumnElement[bool]:
    """Held by nobody for too long, by the installation's clock. A suspended one cannot be taken."""
    opened = row.opened_at - row.clock_offset_seconds * text("interval '1 second'")
    free = and_(row.closed_at.is_(None), row.holder.is_(None), row.state != "suspended")
    return and_(free, opened < unclaimed_since(now))


def waiting_for(agency: str) -> ColumnElement[bool]:
    """An open process waits for this authority; `any` for one of them."""
    wanted = list(AGENCIES) if agency == "any" else [agency]
    return and_(Process.closed_at.is_(None), Process.waiting_on.overlap(wanted))
