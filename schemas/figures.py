"""Figures by month of what was finished: how much of it on time, and how long it took.

Invariants: a month is a Shanghai month; a task is on time when none of its deadlines had ended before it was finished;
`hours` are hours of the clock from opening to end, the median, nights and weekends included.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from schemas.api import AddressQuery, Answer
from schemas.base import Text
from schemas.board import Figure

Dimension = Literal["step", "college", "authority", "clerk"]
MONTH = "^20[0-9]{2}-(0[1-9]|1[0-2])$"


class FiguresQuery(AddressQuery):
    """`month` is the last one shown, `months` how many."""

    by: Dimension = "step"
    month: str | None = Field(default=None, pattern=MONTH, examples=["2026-11"])
    months: int = Field(default=6, ge=1, le=36)


class FinishedQuery(AddressQuery):
    """The list behind a number: the tasks finished from the first to the last month."""

    by: Dimension = "step"
    key: str | None = Field(default=None, max_length=60, description="`-` for what has none")
    first: str = Field(pattern=MONTH, examples=["2026-11"])
    last: str = Field(pattern=MONTH, examples=["2026-11"])
    late: bool | None = None
    limit: int = Field(default=50, ge=1, le=200)
    page: int = Field(default=1, ge=1, le=10000)


class MonthFigures(Answer):
    """`rate`: percent on time; it and `hours` are None where nothing was finished."""

    month: str
    finished: Figure
    late: Figure
    rate: Decimal | None
    hours: Decimal | None


class FiguresRow(Answer):
    """One step, college, authority or clerk: the whole period, and its months."""

    key: str
    title: Text
    total: MonthFigures
    months: list[MonthFigures]


class FiguresView(Answer):
    by: Dimension
    months: list[str]
    whole: FiguresRow
    rows: list[FiguresRow]


class FinishedTask(Answer):
    id: str
    process_id: str
    case_no: str
    title: Text
    opened_at: datetime
    closed_at: datetime
    completed_by: str | None
    late: bool
    hours: Decimal


class FinishedPage(Answer):
    items: list[FinishedTask]
    total: int
    page: int
