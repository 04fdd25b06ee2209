"""unemployment-months: whether a claim is admissible, and for how long. 社会保险法 arts 45-46."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Input, label
from schemas.deadlines import DerivationStep


class LeavingReason(StrEnum):
    CONTRACT_NOT_RENEWED_BY_EMPLOYER = "contract_not_renewed_by_employer"
    DISMISSED = "dismissed"
    MUTUAL_ON_EMPLOYER_PROPOSAL = "mutual_on_employer_proposal"
    RESIGNED = "resigned"


class UnemploymentMonthsInput(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"paid_months": 70, "reason": "contract_not_renewed_by_employer"}]}
    )

    paid_months: int = Field(ge=0, le=1200, strict=True, json_schema_extra=label("累计缴费月数", "Months paid"))
    reason: LeavingReason = Field(json_schema_extra=label("离职原因", "Reason of leaving"))


class UnemploymentMonthsAnswer(Answer):
    claim_admissible: bool = Field(json_schema_extra=label("可以申领", "Claim is admissible"))
    max_months: int = Field(json_schema_extra=label("最长领取月数", "Months at most"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    steps: list[DerivationStep] = Field(json_schema_extra=label("推算过程", "Derivation"))
