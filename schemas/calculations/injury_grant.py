"""injury-grant: the one-off disability grant. 工伤保险条例 arts 35-37, 64."""

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Input, Money, Yuan, label
from schemas.deadlines import DerivationStep


class InjuryGrantInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"avg_contribution_wage_12m": "6000.00", "regional_avg": "7646.00", "grade": 9}]
        }
    )

    avg_contribution_wage_12m: Money = Field(
        ge=0, json_schema_extra=label("前12个月平均缴费工资（元）", "Average contribution wage of 12 months (yuan)")
    )
    regional_avg: Money = Field(
        gt=0, json_schema_extra=label("统筹地区职工月平均工资（元）", "Average monthly wage of the region (yuan)")
    )
    grade: int = Field(ge=1, le=10, strict=True, json_schema_extra=label("伤残等级", "Grade"))


class InjuryGrantAnswer(Answer):
    own_wage: Yuan = Field(json_schema_extra=label("本人工资（元）", "Own wage (yuan)"))
    grant: Yuan = Field(json_schema_extra=label("一次性伤残补助金（元）", "One-off grant (yuan)"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
