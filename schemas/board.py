"""What a supervisor steers from: figures with the list behind each, work per clerk, deadlines of a period and of a
month.

Invariant: a figure is always the total of the list at its path.
"""

from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

from schemas.api import Answer
from schemas.base import Text
from schemas.deadlines import DeadlineView


class Figure(Answer):
    """A number and the list behind it: the list's `total` is this number, always."""

    value: int
    path: str = Field(description="path and query of the list under /api/v1, e.g. /processes?overdue=true")


class BoardRow(Answer):
    key: str
    title: Text
    figures: dict[str, Figure]


class StageRow(BoardRow):
    """Open cases in a stage. `key` is the stage; a case in two stages at once counts in both."""

    kind: str
    kind_title: Text


class WorkRow(BoardRow):
    """One clerk's tasks. `above`: how many more (or fewer) than the fair share; None for who is absent today."""

    above: Decimal | None = None


class WorkView(Answer):
    """Work per clerk. `share` is the fair share, `says` how it is computed and who has most and least."""

    share: Decimal | None = None
    says: Text
    rows: list[WorkRow]


class BoardView(Answer):
    now: datetime
    totals: dict[str, Figure]  # open, overdue, due_today, at_risk, waiting, unclaimed, incidents, escalations
    by_process: list[BoardRow]
    by_org_unit: list[BoardRow]
    by_person: list[BoardRow]
    by_agency: list[BoardRow]
    by_stage: list[StageRow] = []
    work: WorkView | None = None  # for who sees all tasks


class DeadlineItem(DeadlineView):
    """A deadline of an open process, with where it comes from."""

    process_id: str
    process_title: str
    process_kind: str
    case_no: str
    org_unit: str | None = None
    authority: str


class DeadlinePage(Answer):
    """`total` is of the whole period; `next_cursor` where it goes on."""

    items: list[DeadlineItem]
    total: int
    next_cursor: str | None = None


class CalendarDay(Answer):
    """`make_up`: a weekend day on which one works (调休). `figures` by legal kind, only those above zero."""

    day: date
    rest: bool
    make_up: bool
    name: Text | None = None
    figures: dict[str, Figure]


class CalendarMonth(Answer):
    """`provisional`: the State Council's arrangement of the year is not in the data."""

    month: str
    authority: str | None
    authorities: dict[str, Text]
    provisional: bool
    previous: str
    following: str
    totals: dict[str, Figure]
    days: list[CalendarDay]


class PictureStage(Answer):
    """`heat`: 0 where nothing is overdue, up to 4 where all of it is."""

    code: str
    title: Text
    heat: int
    figures: dict[str, Figure]


class Picture(Answer):
    """A kind of process. Stages of one column run side by side."""

    kind: str
    title: Text
    figures: dict[str, Figure]
    columns: list[list[PictureStage]]
