"""The shape of the rule files of documents, procedures, identity numbers, words and headings, and of the words' tables.

Codes of other files (documents, deadlines, conditions) are held to them by the parsers in `domain/`.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from schemas.base import Text
from schemas.calculations.base import refused
from schemas.calculations.insurances import Category, Insurance
from schemas.countersign import SIGNER_ROLES, SignMode, roles_of
from schemas.policy_values import Confidence, Described, Flag, Sourced, StartDay, Strict, TableLine, Told, Yuan

DocumentCode = Annotated[str, Field(pattern=r"^M\d{2,3}$")]
ReasonCode = Annotated[str, Field(pattern=r"^R\d{2}$")]
Suffix = Literal["pdf", "png", "jpg", "jpeg", "xlsx", "xls", "doc", "docx"]
Words = list[str]


# --- identity numbers, make-up differences ---------------------------------------------------------------------------


def _expression(given: str) -> str:
    try:
        re.compile(given)
    except re.error as error:
        raise refused(
            "bad_pattern",
            "不是有效的正则表达式，请检查括号是否成对。",
            "Not a valid regular expression: check that its brackets are in pairs.",
        ) from error
    return given


class NumberForm(Sourced):
    pattern: Annotated[str, Field(min_length=1), AfterValidator(_expression)]


class IdentityFile(Sourced):
    foreign_ssn: NumberForm
    passport: NumberForm


class WhoDeclares(Strict):
    batch: list[Insurance]
    otherwise: Literal["self_declare", "self_declare_by_former_unit"]


class Practice(Described):
    valid_from: StartDay
    source: Annotated[str, Field(min_length=1)]
    confidence: Confidence | None = None
    sample: bool | None = None
    stopped: WhoDeclares
    retired: WhoDeclares
    moved: WhoDeclares


class MakeUpFile(Sourced):
    practices: Annotated[list[Practice], Field(min_length=1)]


# --- documents and procedures ----------------------------------------------------------------------------------------


def _required(given: Any) -> Any:
    """true, false, or the name of a condition, which the parser knows."""
    if not isinstance(given, bool | str) or given == "":
        raise refused("not_required", "应为 true、false 或条件名。", "It must be true, false or a condition's name.")
    return given


class Asked(Sourced):
    code: DocumentCode
    required: Annotated[Any, BeforeValidator(_required)]


class Listed(Asked):
    replaces: list[DocumentCode] = []


class AskedOf(Asked):
    categories: list[Category] = []


class Document(Sourced):
    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]
    check: Text | None = None
    accept: Annotated[list[Suffix], Field(min_length=1)] = ["pdf"]


class MaterialsFile(Sourced):
    documents: Annotated[dict[DocumentCode, Document], Field(min_length=1)]
    checklists: Annotated[dict[Category, list[Listed]], Field(min_length=1)]


def _of_category(given: Any) -> Any:
    return [] if given == "category" else given


class ProcedureRow(Described):
    id: str
    title: Text
    source: Annotated[str, Field(min_length=1)]
    confidence: Confidence
    sample: bool | None = None
    insurances: Annotated[list[Insurance], BeforeValidator(_of_category)]
    categories: list[Category] = []
    checklist: Literal["category"] | None = None
    documents: list[AskedOf] | None = None
    rejections: list[ReasonCode]
    deadlines: Words

    @model_validator(mode="after")
    def _one_list(self) -> "ProcedureRow":
        if (self.checklist is None) == (self.documents is None):
            raise refused(
                "not_one", "checklist 与 documents 须且只能填一个。", "Give exactly one of checklist and documents."
            )
        return self


class ProceduresFile(Told):
    procedures: Annotated[list[ProcedureRow], Field(min_length=1)]


# --- words and headings ----------------------------------------------------------------------------------------------


class Card(Told):
    id: str
    title: Text
    steps: Annotated[list[Text], Field(min_length=1)]


class NoticeFile(Sourced):
    cards: Annotated[list[Card], Field(min_length=1)]


class Brackets(Strict):
    harmless: Words
    example: Words
    other: Words


class HeadingGroups(Strict):
    endings: Words
    neutral: Words


class MoneyWords(Strict):
    factors: dict[str, Annotated[int, Field(gt=0)]]
    harmless: Words
    least: Annotated[int, Field(ge=0)]
    wrong: dict[str, Text]


class HeadingsFile(Sourced):
    sheet: str
    fields: dict[str, Annotated[Words, Field(min_length=1)]]
    parts: dict[str, Words | dict[str, str]]
    brackets: Brackets
    groups: HeadingGroups
    money: MoneyWords
    second: dict[str, Words]
    ignored: Words
    required: Words
    labels_en: dict[str, str]
    choices: dict[str, dict[str, Words]]

    @field_validator("parts")
    @classmethod
    def _meanings(cls, given: dict[str, Words | dict[str, str]]) -> dict[str, Words | dict[str, str]]:
        if [k for k, v in given.items() if isinstance(v, dict)] != ["meanings"]:
            raise refused(
                "bad_parts", "各部分应为词表，只有 meanings 为对照表。", "Parts are lists, meanings a mapping."
            )
        return given


class CountryRow(TableLine):
    alpha3: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    alpha2: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    numeric: Annotated[str, Field(pattern=r"^[0-9]{3}$")]
    zh: str
    en: str
    foreign: Flag


class ProvinceRow(TableLine):
    code: Annotated[str, Field(pattern=r"^[0-9]{2}$")]
    zh: str
    en: str
    mainland: Flag


class TermRow(TableLine):
    zh: str
    en: str
    code_name: str


class SourceRow(TableLine):
    id: str
    what: str
    address: str = ""


# --- settings of processes ---------------------------------------------------------------------------------------


class SettingsFile(Sourced):
    partial_payment_days: Annotated[int, Field(ge=0, le=31)]
    partial_payment_grace_minutes: Annotated[int, Field(ge=0)]
    forecast_months: Annotated[int, Field(ge=1, le=60)]
    forecast_enough: Annotated[int, Field(ge=1, le=2000)]
    unclaimed_working_days: Annotated[int, Field(ge=1, le=31)]
    urge_pause_hours: Annotated[float, Field(gt=0, le=720, strict=True)]
    tax_payment_countersign_above: Yuan | None = None
    tax_payment_signers: str = "supervisor、head"
    tax_payment_quorum: Annotated[int, Field(ge=1, le=9)] = 2
    tax_payment_sign_mode: SignMode = "in_turn"
    reimbursement_countersign_above: Yuan | None = None
    reimbursement_signers: str = "supervisor"
    reimbursement_quorum: Annotated[int, Field(ge=1, le=9)] = 1
    reimbursement_sign_mode: SignMode = "in_turn"

    @field_validator("tax_payment_signers", "reimbursement_signers")
    @classmethod
    def _roles(cls, given: str) -> str:
        try:
            roles_of(given)
        except ValueError as unknown:
            raise refused(
                "unknown_role",
                f"会签角色“{unknown}”无效，请用顿号分隔：{'、'.join(t.zh for t in SIGNER_ROLES.values())}。",
                f"{str(unknown) or 'Nothing'} is no role that signs; name some of {', '.join(SIGNER_ROLES)}.",
            ) from None
        return given

    @field_validator("tax_payment_sign_mode", "reimbursement_sign_mode")
    @classmethod
    def _quorum(cls, mode: SignMode, info: ValidationInfo) -> SignMode:
        of = str(info.field_name).removesuffix("_sign_mode")
        signers, need = info.data.get(f"{of}_signers"), info.data.get(f"{of}_quorum")
        if mode == "quorum" and signers is not None and need is not None:
            places = len(roles_of(signers))
            if need > places:
                raise refused(
                    "quorum_too_large",
                    f"须同意的人数（{need}）超过会签人数（{places}），会签永远不能通过；请增加会签角色或减少人数。",
                    f"{need} of {places} signatures can never be had: name more roles or ask for fewer.",
                )
        return mode
