"""rate-difference: what a rate changed after the fact makes of months that are billed (work injury)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.calculations.base import MONTH_PATTERN, Answer, Input, Money, Month, Rate, Yuan, label


class RateDifferenceInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"base_totals": {"2025-01": "6500000", "2025-02": "6512000"}, "old": "0.0032", "new": "0.004"}]
        }
    )

    base_totals: Annotated[dict[Month, Annotated[Money, Field(ge=0)]], Field(min_length=1, max_length=240)] = Field(
        json_schema_extra=label(
            "各月基数合计（元）",
            "Sum of bases by month (yuan)",
            widget="json",
            help_zh="月份 → 全体人员缴费基数之和",
            help_en="Month -> sum of the bases of all staff",
            propertyNames={"pattern": MONTH_PATTERN},
        )
    )
    old: Rate = Field(json_schema_extra=label("原费率", "Old rate"))
    new: Rate = Field(json_schema_extra=label("新费率", "New rate"))


class RateDifferenceAnswer(Answer):
    """Each month of the input as a field of its own, and their sum."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Yuan]  # pyright: ignore[reportIncompatibleVariableOverride]

    sum: Yuan = Field(json_schema_extra=label("合计（元）", "Sum (yuan)"))
