"""procedure-needs: documents, agencies, insurances and reasons of refusal of a procedure for a category of person."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from schemas.calculations.base import Answer, Input, Item, Text, label
from schemas.calculations.insurances import Category


class ProcedureName(StrEnum):
    ENROLMENT = "enrolment"
    CESSATION = "cessation"
    BASE_DECLARATION = "base_declaration"
    RETIREMENT = "retirement"
    UNEMPLOYMENT = "unemployment"
    WORK_INJURY = "work_injury"
    MATERNITY = "maternity"
    MEDICAL_REIMBURSEMENT = "medical_reimbursement"
    INFORMATION_CHANGE = "information_change"
    TRANSFER = "transfer"
    DEATH = "death"


class DocumentCondition(StrEnum):
    IF_TREATY_CLAIMED = "if_treaty_claimed"
    IF_EXEMPTION_CLAIMED = "if_exemption_claimed"
    IF_PRIOR_SERVICE = "if_prior_service"
    IF_TRANSFER = "if_transfer"
    IF_EARLY_RETIREMENT = "if_early_retirement"
    IF_LATE_RETIREMENT = "if_late_retirement"
    IF_TRAFFIC = "if_traffic"
    IF_DOCUMENT_REPLACED = "if_document_replaced"


class ProcedureNeedsInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"category": "FOREIGN_WORK_PERMIT", "procedure": "enrolment", "conditions": ["if_treaty_claimed"]}
            ]
        }
    )

    category: Category = Field(json_schema_extra=label("人员类别", "Category"))
    procedure: ProcedureName = Field(json_schema_extra=label("事项", "Procedure"))
    conditions: list[DocumentCondition] = Field(
        default_factory=list[DocumentCondition], json_schema_extra=label("适用情形", "Conditions that hold")
    )


class NeededDocument(Item):
    code: str = Field(json_schema_extra=label("编号", "Code", hidden=True))
    title: Text = Field(json_schema_extra=label("名称", "Name"))
    required: bool = Field(json_schema_extra=label("必需", "Required"))
    note: Text | None = Field(default=None, json_schema_extra=label("说明", "Note"))


class NeededAgency(Item):
    agency: str = Field(json_schema_extra=label("代码", "Code", hidden=True))
    title: Text = Field(json_schema_extra=label("名称", "Name"))
    insurances: list[str] = Field(json_schema_extra=label("险种", "Insurances"))


class RefusalReason(Item):
    code: str = Field(json_schema_extra=label("编号", "Code", hidden=True))
    text: Text = Field(json_schema_extra=label("原因", "Reason"))


class NeededDeadline(Item):
    rule: str = Field(json_schema_extra=label("编号", "Code", hidden=True))
    title: Text = Field(json_schema_extra=label("名称", "Name"))


class ProcedureNeedsAnswer(Answer):
    documents: list[NeededDocument] = Field(json_schema_extra=label("材料", "Documents"))
    agencies: list[NeededAgency] = Field(json_schema_extra=label("经办机构", "Agencies"))
    insurances: list[str] = Field(json_schema_extra=label("险种", "Insurances"))
    reasons: list[RefusalReason] = Field(json_schema_extra=label("常见退回原因", "Reasons of refusal"))
    deadlines: list[NeededDeadline] = Field(json_schema_extra=label("相关时限", "Deadlines"))
    source: str = Field(json_schema_extra=label("依据", "Source"))
    flags: list[str] = Field(json_schema_extra=label("提示", "Flags"))
