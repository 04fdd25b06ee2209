"""exemption: what is exempt by agreement, or for HK/Macao/Taiwan residents. 人社部令16 art. 9; O41 art. 11."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Day, Input, Month, label, left_out
from schemas.deadlines import DerivationStep
from schemas.enrolment import HireKind


class ExemptionReason(StrEnum):
    NO_AGREEMENT = "no_agreement"
    AGREEMENT_NOT_IN_FORCE = "agreement_not_in_force"
    NOT_POSTED = "not_posted"
    NO_CERTIFICATE = "no_certificate"


class ExemptionInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "country": "KOR",
                    "kind": "local_hire",
                    "permit": "2026-09-01",
                    "certificate": "2026-11-20",
                    "paid_from": "2026-09",
                }
            ]
        }
    )

    country: str = Field(
        pattern=r"^[A-Z]{3}$", json_schema_extra=label("国家或地区代码", "Country or region (ISO alpha-3)")
    )
    kind: HireKind = Field(json_schema_extra=label("聘用方式", "Kind of hire"))
    permit: Day = Field(
        json_schema_extra=label(
            "办理就业证件之日",
            "Work permit issued on",
            help_zh="港澳台居民填用工之日",
            help_en="HK/Macao/Taiwan residents: start of employment",
        )
    )
    certificate: Day | None = Field(json_schema_extra=label("提交参保证明之日", "Certificate handed in on"))
    paid_from: Month | None = Field(json_schema_extra=label("已缴费起始月", "Premiums paid since"))


class ExemptionAnswer(Answer):
    model_config = ConfigDict(serialize_by_alias=True)

    exempt: list[str] = Field(json_schema_extra=label("免缴险种", "Exempt"))
    since: Month | None = Field(serialization_alias="from", json_schema_extra=label("免缴起始月", "From"))
    refund_months: list[Month] = Field(json_schema_extra=label("退费月份", "Months refunded"))
    still_due: list[str] = Field(json_schema_extra=label("仍须缴纳险种", "Still due"))
    max_months: int | None = Field(
        default=None, exclude_if=left_out, json_schema_extra=label("最长月数", "Months at most")
    )
    reason: ExemptionReason | None = Field(default=None, exclude_if=left_out, json_schema_extra=label("原因", "Reason"))
    flags: list[str] = Field(json_schema_extra=label("提示", "Flags"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
