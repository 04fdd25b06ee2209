"""add-days: a date by counting days or working days. 民法典 art. 201; 社会保险经办条例 (工作日)."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, label
from schemas.calculations.calendar import CALENDAR_FIELD, CalendarInput
from schemas.deadlines import DerivationStep, ShiftPolicy


class CountedUnit(StrEnum):
    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"


class AddDaysInput(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"start": "2026-11-24", "n": 30, "unit": "calendar_days", "shift": "none"}]}
    )

    start: Day = Field(json_schema_extra=label("起算日", "Start", help_zh="起算日当日不计入", help_en="Not counted"))
    n: int = Field(
        ge=-20000,
        le=20000,
        strict=True,
        json_schema_extra=label("天数", "Days", help_zh="负数表示向前倒数", help_en="Negative: counted back"),
    )
    unit: CountedUnit = Field(json_schema_extra=label("单位", "Unit"))
    shift: ShiftPolicy = Field(default=ShiftPolicy.NONE, json_schema_extra=label("遇休息日", "On a rest day"))
    calendar: CalendarInput | None = CALENDAR_FIELD


class AddDaysAnswer(Answer):
    due: Day = Field(json_schema_extra=label("到期日", "Due"))
    internal_due: Day = Field(
        json_schema_extra=label("校内办理期限", "Internal due day", help_zh="到期日当日或之前最后一个工作日")
    )
    provisional: bool = Field(json_schema_extra=label("暂定", "Provisional"))
    missing_years: list[int] = Field(json_schema_extra=label("未公布日历的年份", "Years without a calendar"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
