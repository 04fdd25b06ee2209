"""medical-years: when the months of contribution suffice, and what a gap costs. 成都市城镇职工基本医疗保险办法."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from schemas.calculations.base import Answer, AnswerMonth, Day, Input, Item, Month, label, left_out, refused
from schemas.deadlines import DerivationStep


def _in_order(given: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    before: str | None = ""
    for first, last in given:
        if before is None or first <= before or (last is not None and last < first):
            raise refused(
                "not_in_order",
                "缴费时间段应按先后排列、互不重叠，只有最后一段可以没有结束月份。",
                "The periods must be in order and apart; only the last may have no end.",
            )
        before = last
    return given


class MedicalYearsRuleInput(Item):
    continuous_months: int = Field(
        ge=1, le=1200, strict=True, json_schema_extra=label("连续缴费月数", "Continuous months")
    )
    cumulative_months: int = Field(
        ge=1, le=1200, strict=True, json_schema_extra=label("累计缴费月数", "Cumulative months")
    )
    gap_tolerance_months: int = Field(
        ge=0, le=1200, strict=True, json_schema_extra=label("不算中断的最长间隔", "Longest gap that does not break")
    )
    first_insured_on_or_after: Day = Field(json_schema_extra=label("首次参保不早于", "First insured on or after"))


class MedicalYearsInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rule": {
                        "continuous_months": 180,
                        "cumulative_months": 240,
                        "gap_tolerance_months": 4,
                        "first_insured_on_or_after": "2009-01-01",
                    },
                    "periods": [["2010-01", "2019-12"], ["2020-07", None]],
                    "backpaid": False,
                }
            ]
        }
    )

    rule: MedicalYearsRuleInput | None = Field(
        default=None,
        json_schema_extra=label(
            "规则", "Rule", help_zh="留空则用本地数据（成都，示例）", help_en="Empty: the data of this place (a sample)"
        ),
    )
    periods: Annotated[list[tuple[Month, Month | None]], AfterValidator(_in_order)] = Field(
        min_length=1,
        max_length=200,
        json_schema_extra=label("缴费时间段", "Periods", help_zh="结束月份为空表示持续缴费", help_en="No end: goes on"),
    )
    backpaid: bool = Field(
        default=False, strict=True, json_schema_extra=label("中断月份已补缴", "The gap was paid back")
    )


class MedicalYearsAnswer(Answer):
    paid_before_gap: int = Field(json_schema_extra=label("中断前缴费月数", "Months before the gap"))
    gap_months: int = Field(json_schema_extra=label("中断月数", "Months of the gap"))
    continuous_reached: AnswerMonth | None = Field(
        json_schema_extra=label("连续年限达到月份", "Continuous months reached in")
    )
    cumulative_reached: AnswerMonth | None = Field(
        json_schema_extra=label("累计年限达到月份", "Cumulative months reached in")
    )
    eligible_from_contribution_month: AnswerMonth | None = Field(
        json_schema_extra=label("达到年限的缴费月份", "Months suffice from")
    )
    without_gap: AnswerMonth | None = Field(json_schema_extra=label("如无中断", "Without a gap"))
    delay_months: int | None = Field(json_schema_extra=label("推迟月数", "Months of delay"))
    continuity_kept: bool = Field(json_schema_extra=label("连续性保留", "Continuity kept"))
    reason: str | None = Field(
        default=None,
        exclude_if=left_out,
        examples=["first_insured_earlier"],
        json_schema_extra=label("未计算的原因", "Why nothing is computed"),
    )
    flags: list[str] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
