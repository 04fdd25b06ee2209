"""plan-back: when each of several steps must begin so that a day is kept, and the working days that are left."""

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, Item, Whole, label
from schemas.calculations.calendar import CALENDAR_FIELD, CalendarInput
from schemas.deadlines import DerivationStep


class StepToPlan(Item):
    """A step and the working days that it takes."""

    step: str = Field(min_length=1, max_length=60, json_schema_extra=label("步骤", "Step"))
    working_days: Whole = Field(ge=0, le=250, json_schema_extra=label("工作日", "Working days"))


class PlanBackInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "due": "2026-10-15",
                    "plan": [
                        {"step": "A", "working_days": 5},
                        {"step": "B", "working_days": 2},
                        {"step": "C", "working_days": 1},
                    ],
                    "today": "2026-09-16",
                }
            ]
        }
    )

    due: Day = Field(json_schema_extra=label("到期日", "Due"))
    plan: list[StepToPlan] = Field(
        min_length=1,
        max_length=50,
        json_schema_extra=label("到期前的步骤（按顺序）", "Steps before it, in order", widget="json"),
    )
    today: Day | None = Field(
        default=None, json_schema_extra=label("从哪天看", "As of", help_zh="留空为今天", help_en="Empty: today")
    )
    calendar: CalendarInput | None = CALENDAR_FIELD


class StepPlanned(Item):
    step: str = Field(json_schema_extra=label("步骤", "Step"))
    working_days: int = Field(json_schema_extra=label("工作日", "Working days"))
    latest_start: Day = Field(json_schema_extra=label("最晚开始", "Latest start"))
    latest_end: Day = Field(json_schema_extra=label("最晚完成", "Latest end"))


class PlanBackAnswer(Answer):
    """`slack`: working days left until the first step must begin; negative when that day has passed."""

    latest_start: Day = Field(json_schema_extra=label("最晚开始", "Latest start"))
    slack: int = Field(json_schema_extra=label("余量（工作日）", "Slack (working days)"))
    plan: list[StepPlanned] = Field(json_schema_extra=label("各步骤", "Steps"))
    provisional: bool = Field(json_schema_extra=label("暂定", "Provisional"))
    missing_years: list[int] = Field(json_schema_extra=label("未公布日历的年份", "Years without a calendar"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
