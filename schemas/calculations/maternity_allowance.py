"""maternity-allowance: days paid by the fund and the allowance. 女职工劳动保护特别规定 art. 7; 社会保险法 art. 56."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Input, Money, Yuan, label
from schemas.deadlines import DerivationStep


class Delivery(StrEnum):
    NORMAL = "normal"
    DIFFICULT = "difficult"


class AllowanceMethodName(StrEnum):
    """How a day's part of the monthly wage is counted: by the year (Chengdu), or by months of thirty days."""

    BY_YEAR = "x12/365"
    BY_MONTH = "/30"


class MaternityAllowanceInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"unit_avg_monthly_wage": "9000.00", "delivery": "normal", "infants": 1, "method": "x12/365"}]
        }
    )

    unit_avg_monthly_wage: Money = Field(
        ge=0, json_schema_extra=label("单位上年度月平均工资（元）", "Unit's average monthly wage of last year (yuan)")
    )
    delivery: Delivery = Field(json_schema_extra=label("分娩方式", "Delivery"))
    infants: int = Field(ge=1, le=10, strict=True, json_schema_extra=label("婴儿数", "Infants"))
    method: AllowanceMethodName = Field(json_schema_extra=label("计算方法", "Method"))


class MaternityAllowanceAnswer(Answer):
    fund_days: int = Field(json_schema_extra=label("基金支付天数", "Days paid by the fund"))
    allowance: Yuan = Field(json_schema_extra=label("生育津贴（元）", "Allowance (yuan)"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    flags: list[str] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
