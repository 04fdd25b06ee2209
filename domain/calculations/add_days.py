"""add-days: counting days and working days, with or without a calendar of one's own."""

from domain.calculations.base import Calculation, Context
from domain.calculations.calendars import calendar_of
from domain.day_counts import count_days
from domain.deadlines import FilingTable
from schemas.base import Text
from schemas.calculations.add_days import AddDaysAnswer, AddDaysInput
from schemas.deadlines import Unit


def run(given: AddDaysInput, context: Context) -> AddDaysAnswer:
    calendar = calendar_of(given.calendar, context)
    published: FilingTable = context.rules.filing_table if given.calendar is None else {}
    found = count_days(given.start, given.n, Unit(given.unit), given.shift, calendar, published)
    return AddDaysAnswer(
        due=found.due,
        internal_due=found.internal_due,
        provisional=bool(found.missing_years),
        missing_years=found.missing_years,
        steps=found.steps,
    )


CALCULATION = Calculation(
    "add-days",
    Text(zh="天数推算", en="Counting days"),
    Text(zh="从某日起按自然日或工作日推算到期日", en="The day that lies n days or working days after (before) another"),
    AddDaysInput,
    AddDaysAnswer,
    run,
)
