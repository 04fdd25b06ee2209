"""policy-value: one limit or rate of the rules, for a month, as it was known on a day."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from schemas.calculations.base import Answer, Day, Input, Month, Whole, label
from schemas.calculations.insurances import Flag, Insurance, Locality

Lines = Literal[
    Insurance.PENSION, Insurance.ANNUITY, Insurance.UNEMPLOYMENT, Insurance.WORK_INJURY, Insurance.MEDICAL,
    Insurance.MATERNITY, Insurance.LARGE_MEDICAL, Insurance.LONG_TERM_CARE,
]  # fmt: skip


RiskClass = Annotated[Whole, Field(ge=1, le=8)]


class AnyScheme(StrEnum):
    """`all`: values that hold for both schemes."""

    ENTERPRISE = "enterprise"
    PUBLIC_INSTITUTION = "public_institution"
    ALL = "all"


class ValueField(StrEnum):
    FLOOR = "floor"
    CAP = "cap"
    UNIT_RATE = "unit_rate"
    PERSON_RATE = "person_rate"


class PolicyValueInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "insurance": "pension",
                    "scheme": "public_institution",
                    "locality": "SC",
                    "period": "2021-03",
                    "field": "floor",
                    "known_on": "2021-12-01",
                }
            ]
        }
    )

    insurance: Lines = Field(json_schema_extra=label("险种", "Insurance"))
    scheme: AnyScheme = Field(json_schema_extra=label("养老类型", "Pension scheme"))
    locality: Locality = Field(
        json_schema_extra=label("统筹地区", "Locality", help_zh="包含其上级地区", help_en="Includes the wider ones")
    )
    period: Month = Field(json_schema_extra=label("费款所属期", "Month of the premium"))
    field: ValueField = Field(json_schema_extra=label("查询项", "Value"))
    class_: RiskClass | None = Field(
        default=None,
        alias="class",
        json_schema_extra=label(
            "行业风险类别",
            "Risk class",
            help_zh="仅工伤保险；留空为本校类别",
            help_en="Work injury only; empty: the school's",
        ),
    )
    known_on: Day = Field(json_schema_extra=label("按哪一天已公布的数据", "As known on"))


Published = Annotated[str, WithJsonSchema({"type": "string", "examples": ["2021-11-09", "2026", ""]})]
"""Day, month or year of publication, as exactly as the source says; empty where it does not."""


class PolicyValueAnswer(Answer):
    value: str = Field(json_schema_extra=label("数值", "Value"))
    flags: list[Flag] = Field(json_schema_extra=label("提示", "Flags"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    published_on: Published | None = Field(json_schema_extra=label("公布日期", "Published on"))
    valid_from: Day = Field(json_schema_extra=label("生效自", "Valid from"))
    valid_to: Day | None = Field(json_schema_extra=label("生效至", "Valid to"))
