"""identity: the number of a document, checked by the standard of its kind. GB 11643; ICAO 9303; 人社部令16 annex."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, Text, label, left_out


class IdentityType(StrEnum):
    """CN resident; HMT residence or travel permit of HK, Macao, Taiwan; PR2017, PR2023 permanent-resident cards."""

    CN = "CN"
    HMT = "HMT"
    PR2017 = "PR2017"
    PR2023 = "PR2023"
    PASSPORT = "PASSPORT"
    SSN_FOREIGN = "SSN_FOREIGN"


class IdentityReason(StrEnum):
    LENGTH = "length"
    FORMAT = "format"
    DATE = "date"
    AREA = "area"
    CHECK_DIGIT = "check_digit"


class NumberSex(StrEnum):
    MALE = "male"
    FEMALE = "female"


class IdentityInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"value": "11010519491231002x"}, {"value": "DEU0C01X00T47", "type": "SSN_FOREIGN"}]
        }
    )

    value: str = Field(max_length=60, json_schema_extra=label("号码", "Number"))
    type: IdentityType | None = Field(
        default=None,
        json_schema_extra=label("证件类型", "Type", help_zh="留空则自动识别", help_en="Empty: recognised"),
    )


class IdentityAnswer(Answer):
    valid: bool = Field(json_schema_extra=label("有效", "Valid"))
    type: IdentityType = Field(json_schema_extra=label("证件类型", "Type"))
    normalised: str = Field(json_schema_extra=label("规范写法", "Normalised"))
    sex: NumberSex | None = Field(default=None, exclude_if=left_out, json_schema_extra=label("性别", "Sex"))
    birth: Day | None = Field(default=None, exclude_if=left_out, json_schema_extra=label("出生日期", "Birth"))
    province: str | None = Field(
        default=None, exclude_if=left_out, examples=["51"], json_schema_extra=label("省份代码", "Province")
    )
    country: str | None = Field(
        default=None, exclude_if=left_out, examples=["DEU"], json_schema_extra=label("国家代码", "Country")
    )
    form: str | None = Field(
        default=None,
        exclude_if=left_out,
        examples=["residence_permit"],
        json_schema_extra=label("证件形式", "Form"),
    )
    reason: IdentityReason | None = Field(
        default=None, exclude_if=left_out, json_schema_extra=label("无效原因", "Reason")
    )
    message: Text | None = Field(default=None, exclude_if=left_out, json_schema_extra=label("说明", "What is wrong"))
    suggestion: str | None = Field(default=None, exclude_if=left_out, json_schema_extra=label("建议号码", "Suggestion"))
