"""late-fee: what late payment of premiums costs. 社会保险法 art. 86."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, Money, Rate, Yuan, label
from schemas.deadlines import DerivationStep


class FeeFlag(StrEnum):
    SAMPLE = "sample"


class LateFeeInput(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"owed": "10000.00", "due": "2026-10-25", "paid": "2026-11-04"}]}
    )

    owed: Money = Field(ge=0, json_schema_extra=label("欠缴金额（元）", "Owed (yuan)"))
    due: Day = Field(json_schema_extra=label("应缴日", "Due"))
    paid: Day = Field(json_schema_extra=label("实缴日", "Paid"))
    rate_per_day: Rate | None = Field(
        default=None,
        json_schema_extra=label(
            "日费率", "Rate per day", help_zh="留空按实缴日有效的规定", help_en="Empty: the rate in force when paid"
        ),
    )
    known_on: Day | None = Field(
        default=None,
        json_schema_extra=label(
            "按哪天已公布的规定", "As known on", help_zh="留空按今天", help_en="Empty: as known today"
        ),
    )


class LateFeeAnswer(Answer):
    days: int = Field(ge=0, json_schema_extra=label("逾期天数", "Days late"))
    amount: Yuan = Field(json_schema_extra=label("滞纳金（元）", "Late fee (yuan)"))
    rate_per_day: Rate = Field(json_schema_extra=label("日费率", "Rate per day"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    flags: list[FeeFlag] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
