"""undeclared: what is due for a month that was not declared. 社会保险法 art. 62."""

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, Money, Month, Yuan, label
from schemas.calculations.late_fee import FeeFlag
from schemas.deadlines import DerivationStep


class UndeclaredInput(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"last_month": "128734.55", "month": "2026-11"}]})

    last_month: Money = Field(ge=0, json_schema_extra=label("上月缴费额（元）", "Paid for the month before (yuan)"))
    month: Month | None = Field(
        default=None,
        json_schema_extra=label("未申报月份", "Month not declared", help_zh="留空为本月", help_en="Empty: now"),
    )
    known_on: Day | None = Field(
        default=None,
        json_schema_extra=label(
            "按哪天已公布的规定", "As known on", help_zh="留空按今天", help_en="Empty: as known today"
        ),
    )


class UndeclaredAnswer(Answer):
    amount: Yuan = Field(json_schema_extra=label("暂按应缴（元）", "Due for the time being (yuan)"))
    factor: str = Field(json_schema_extra=label("比例", "Share of last month"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    flags: list[FeeFlag] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
