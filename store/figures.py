"""Finished tasks summed by month, and the list behind each sum: both by the same conditions.

Invariant: reads finished tasks by their index alone (`ix_tasks_closed`), within the months asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.times import add_to_month, at, first_day
from schemas.figures import Dimension, FinishedQuery
from store.tables.processes import Process, Task
from store.urgency import shanghai_day

COLUMNS: dict[Dimension, Any] = {
    "step": Task.kind,
    "college": Task.org_unit,
    "authority": Task.authority,
    "clerk": Task.completed_by,
}
_SECONDS = 3600
LATE: ColumnElement[bool] = literal_column(
    "EXISTS (SELECT FROM jsonb_array_elements(tasks.deadlines) d"
    " WHERE (d.value ->> 'due_at')::timestamptz < tasks.closed_at)",
    Boolean,
)
HOURS: ColumnElement[Any] = func.extract("epoch", Task.closed_at - Task.opened_at) / _SECONDS
_MONTH: ColumnElement[str] = func.to_char(shanghai_day(Task.closed_at), "YYYY-MM")


@dataclass(frozen=True)
class Sum:
    """`month` and `key` are None where the sum is over all of them."""

    month: str | None
    key: str | None
    whole: bool
    finished: int
    late: int
    hours: Decimal


def within(first: str, last: str) -> ColumnElement[bool]:
    """Finished in these months, both included."""
    start, end = (at(first_day(month), "00:00") for month in (first, add_to_month(last, 1)))
    return and_(Task.state == "completed", Task.closed_at >= start, Task.closed_at < end)


async def sums(s: AsyncSession, by: Dimension, first: str, last: str) -> list[Sum]:
    """Per key and month, per key, per month, and over all."""
    month, key = _MONTH.label("month"), COLUMNS[by].label("key")
    rows = select(month, key, LATE.label("late"), HOURS.label("hours")).where(within(first, last)).subquery("finished")
    median = func.percentile_cont(0.5).within_group(rows.c.hours)
    statement = select(
        rows.c.month,
        rows.c.key,
        func.grouping(rows.c.month),
        func.grouping(rows.c.key),
        func.count(),
        func.count().filter(rows.c.late),
        median,
    ).group_by(func.cube(rows.c.month, rows.c.key))
    found: Sequence[Any] = (await s.execute(statement)).all()
    return [
        Sum(
            None if all_months else m, None if all_keys else k or "-", bool(all_keys), n, late, Decimal(str(hours or 0))
        )
        for m, k, all_months, all_keys, n, late, hours in found
        if n
    ]


async def finished(s: AsyncSession, query: FinishedQuery) -> tuple[list[tuple[Task, Process, bool, datetime]], int]:
    """One page of the tasks behind a number, newest first, and how many there are."""
    where = [within(query.first, query.last)]
    if query.key:
        column = COLUMNS[query.by]
        where.append(column.is_(None) if query.key == "-" else column == query.key)
    if query.late is not None:
        where.append(LATE if query.late else ~LATE)
    total = (await s.execute(select(func.count()).select_from(Task).where(*where))).scalar_one()
    rows = await s.execute(
        select(Task, Process, LATE, Task.closed_at)
        .join(Process, Process.id == Task.process_id)
        .where(*where)
        .order_by(Task.closed_at.desc(), Task.id)
        .limit(query.limit)
        .offset((query.page - 1) * query.limit)
    )
    return [(t, p, bool(late), closed) for t, p, late, closed in rows if closed is not None], total
