"""tax-due: the last filing day of each month of a year. 税收征管法实施细则 art. 109; published tables."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.calculations.base import FIRST_YEAR, LAST_YEAR, Answer, Day, Input, label
from schemas.calculations.calendar import CALENDAR_FIELD, CalendarInput
from schemas.deadlines import DerivationStep


class DueSource(StrEnum):
    """`published`: the table of the tax authority; `rule`: computed by art. 109."""

    PUBLISHED = "published"
    RULE = "rule"


class TaxDueInput(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"year": 2026, "nominal_day": 15}]})

    year: int = Field(ge=FIRST_YEAR, le=LAST_YEAR, strict=True, json_schema_extra=label("年份", "Year"))
    nominal_day: int = Field(
        ge=1,
        le=31,
        strict=True,
        json_schema_extra=label("申报期限日", "Nominal day", help_zh="例如 15 日", help_en="Such as the 15th"),
    )
    calendar: CalendarInput | None = CALENDAR_FIELD


class TaxDueAnswer(Answer):
    months: Annotated[list[int], Field(min_length=12, max_length=12)] = Field(
        json_schema_extra=label("各月期限日", "Day of each month")
    )
    due: list[Day] = Field(json_schema_extra=label("各月期限日期", "Date of each month"))
    sources: list[DueSource] = Field(json_schema_extra=label("来源", "Source"))
    provisional: bool = Field(json_schema_extra=label("暂定", "Provisional"))
    missing_years: list[int] = Field(json_schema_extra=label("未公布日历的年份", "Years without a calendar"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
