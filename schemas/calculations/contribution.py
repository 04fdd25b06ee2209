"""contribution: base and premium of one person and month. 社会保险法 arts 12, 23, 35, 44, 53."""

from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, Money, Month, Yuan, label
from schemas.calculations.insurances import Category, Flag, Insurance, Limits, Rates
from schemas.deadlines import DerivationStep


class ContributionInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "declared": "18000.00",
                    "category": "FOREIGN_WORK_PERMIT",
                    "period": "2025-10",
                    "known_on": "2025-10-20",
                },
                {
                    "declared": "4300",
                    "limits": ["4588", "22938"],
                    "rates": {"pension": ["0.16", "0.08"], "medical": ["0.083", "0.02"]},
                },
            ]
        }
    )

    declared: Money = Field(gt=0, json_schema_extra=label("申报工资（元）", "Declared wage (yuan)"))
    category: Category = Field(
        default=Category.CONTRACT_MAINLAND, json_schema_extra=label("人员类别", "Category of the person")
    )
    period: Month | None = Field(
        default=None,
        json_schema_extra=label("费款所属期", "Month of the premium", help_zh="留空为本月", help_en="Empty: now"),
    )
    known_on: Day | None = Field(
        default=None,
        json_schema_extra=label(
            "按哪一天已公布的数据计算",
            "As known on",
            help_zh="留空为今天；当年标准公布前沿用上年上下限",
            help_en="Empty: today; until a year's notice is out, last year's limits stay in use",
        ),
    )
    limits: Limits | None = Field(
        default=None,
        json_schema_extra=label(
            "上下限（元）",
            "Floor and cap (yuan)",
            widget="json",
            help_zh="留空按规定；填写后用于全部险种",
            help_en="Empty: by the rules; given: for all insurances",
        ),
    )
    rates: Rates | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=label(
            "费率",
            "Rates",
            widget="json",
            help_zh="留空按规定；填写后每一项单独成行并取整：险种 → [单位, 个人]",
            help_en="Empty: by the rules; given: each entry is a line of its own: insurance -> [unit, person]",
            examples=[{"pension": ["0.16", "0.08"]}],
        ),
    )


class ContributionAnswer(Answer):
    base: Yuan | None = Field(json_schema_extra=label("缴费基数（元）", "Contribution base (yuan)"))
    bases: dict[Insurance, Yuan] = Field(json_schema_extra=label("各险种基数（元）", "Base of each insurance (yuan)"))
    lines: dict[Insurance, tuple[Yuan, Yuan]] = Field(
        json_schema_extra=label("各行金额：单位、个人（元）", "Lines: unit, person (yuan)")
    )
    total: Annotated[tuple[Yuan, Yuan], Field(json_schema_extra=label("合计：单位、个人（元）", "Total: unit, person"))]
    flags: list[Flag] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
