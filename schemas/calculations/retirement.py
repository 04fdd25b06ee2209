"""retirement: statutory month, elastic window, whether a chosen month is possible. 全国人大常委会决定 2024-09-13."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, AnswerMonth, Input, Month, label, left_out
from schemas.deadlines import DerivationStep


class Group(StrEnum):
    MALE60 = "male60"
    FEMALE55 = "female55"
    FEMALE50 = "female50"


class RetirementTrack(StrEnum):
    """How one person retires when not by the own post (women with senior titles): set by HR, samples."""

    STANDARD = "standard"
    SENIOR_TITLE = "senior_title"
    SENIOR_TITLE_FIXED = "senior_title_fixed"


class RetirementFlag(StrEnum):
    SAMPLE = "sample"


class RetirementInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"group": "male60", "birth": "1970-05", "chosen": "2030-06", "contribution_months_then": 240},
                {"group": "female55", "birth": "1971-06"},
            ]
        }
    )

    group: Group = Field(
        json_schema_extra=label(
            "人员类别",
            "Group",
            help_zh="女性按岗位：管理、专业技术岗原55岁，工人岗原50岁",
            help_en="Women by post: managers and specialists formerly 55, workers 50",
        )
    )
    birth: Month = Field(json_schema_extra=label("出生年月", "Month of birth"))
    chosen: Month | None = Field(default=None, json_schema_extra=label("选择的退休月份", "Chosen month"))
    contribution_months_then: int | None = Field(
        default=None,
        ge=0,
        le=1200,
        strict=True,
        json_schema_extra=label("届时缴费月数", "Contribution months by then"),
    )
    agreement: bool | None = Field(
        default=None, strict=True, json_schema_extra=label("已与单位达成延迟协议", "Agreed on postponement")
    )
    track: RetirementTrack = Field(
        default=RetirementTrack.STANDARD,
        json_schema_extra=label(
            "本人退休口径", "Track of the person", help_zh="由人事部门逐人确定", help_en="Set per person by HR"
        ),
    )


class RetirementAnswer(Answer):
    delay: int = Field(json_schema_extra=label("延迟月数", "Months of delay"))
    age: str = Field(examples=["61y5m"], json_schema_extra=label("退休年龄", "Age"))
    retire: AnswerMonth = Field(json_schema_extra=label("法定退休月份", "Statutory month"))
    min_months: int = Field(json_schema_extra=label("最低缴费月数", "Minimum contribution months"))
    elastic: tuple[AnswerMonth, AnswerMonth] | None = Field(
        json_schema_extra=label("可选月份（最早、最晚）", "Months to choose from (earliest, latest)")
    )
    allowed: bool | None = Field(
        default=None, exclude_if=left_out, json_schema_extra=label("所选月份可行", "Chosen month is possible")
    )
    reason: str | None = Field(default=None, exclude_if=left_out, json_schema_extra=label("原因", "Reason"))
    needed: int | None = Field(
        default=None,
        exclude_if=left_out,
        json_schema_extra=label("届时须达到的缴费月数", "Contribution months needed by then"),
    )
    notice_no_later_than: AnswerMonth | None = Field(
        default=None,
        exclude_if=left_out,
        json_schema_extra=label("书面告知不迟于", "Written notice no later than"),
    )
    written_agreement_no_later_than: AnswerMonth | None = Field(
        default=None,
        exclude_if=left_out,
        json_schema_extra=label("书面协议不迟于", "Written agreement no later than"),
    )
    flags: list[RetirementFlag] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
