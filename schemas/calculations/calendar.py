"""A calendar given with an input, in place of ours: {year: {rest: ["a/b", …], work: […]}}."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from schemas.calculations.base import FIRST_YEAR, LAST_YEAR, YEAR_PATTERN, Item, label, refused


class CalendarYearInput(Item):
    """One year: `rest` the days off work, `work` the make-up working days; single days or "from/to", ends included."""

    rest: list[str] = Field(default=[], max_length=200, json_schema_extra=label("休息", "Rest"))
    work: list[str] = Field(default=[], max_length=200, json_schema_extra=label("调休上班", "Make-up work"))


def _year(given: Any) -> Any:
    if not isinstance(given, str) or not given.isascii() or not given.isdigit() or len(given) != 4:
        raise refused("bad_year", "年份应为四位数字，例如 2026。", "A year has four digits, like 2026.")
    if not FIRST_YEAR <= int(given) <= LAST_YEAR:
        raise refused(
            "bad_year",
            f"年份应在 {FIRST_YEAR} 至 {LAST_YEAR} 之间。",
            f"The year must lie between {FIRST_YEAR} and {LAST_YEAR}.",
        )
    return given


_YearKey = Annotated[str, BeforeValidator(_year), WithJsonSchema({"type": "string", "pattern": YEAR_PATTERN})]
CalendarInput = Annotated[
    dict[_YearKey, CalendarYearInput],
    Field(max_length=60, json_schema_extra={"propertyNames": {"pattern": YEAR_PATTERN}}),
]

CALENDAR_FIELD: Any = Field(
    default=None,
    json_schema_extra=label(
        "自备日历",
        "Own calendar",
        widget="json",
        help_zh="留空则用已录入的国务院放假安排；填写后完全取代",
        help_en="Empty: the published calendars; given: replaces them wholly",
        examples=[{"2026": {"rest": ["2026-10-01/2026-10-07"], "work": ["2026-10-10"]}}],
    ),
)
