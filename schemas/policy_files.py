"""The shape of every rule file: one model a YAML file, one model for a row of each table.

Unknown fields are refused, so that a misspelt one is not silently without effect. Every file has a model (ages,
retirement and benefits in `policy_benefit_files`, documents, words and headings in `policy_office_files`). What rows
mean together (overlaps, gaps, unknown codes) is in `domain/policy_findings.py` and in the parsers.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from schemas.base import Text
from schemas.bureaus import AgencyFiles
from schemas.calculations.base import refused
from schemas.deadlines import LegalKind, ShiftPolicy, Unit
from schemas.policy_benefit_files import AgeFile, BenefitsFile, MedicalYearsFile, RetirementFile
from schemas.policy_office_files import (
    CountryRow,
    HeadingsFile,
    IdentityFile,
    MakeUpFile,
    MaterialsFile,
    NoticeFile,
    ProceduresFile,
    ProvinceRow,
    SettingsFile,
    SourceRow,
    TermRow,
)
from schemas.policy_values import (
    Confidence,
    DayOrRange,
    Flag,
    Hour,
    Insurance,
    Locality,
    OptionalDay,
    OptionalNumber,
    Published,
    Scheme,
    Share,
    Sourced,
    Strict,
    TableLine,
    Yuan,
    quoted,
)

# --- YAML files ------------------------------------------------------------------------------------------------------


class Year(Sourced):
    year: Annotated[int, Field(ge=2000, le=2100)]
    provisional: bool = False
    rest: list[DayOrRange] = []
    work: list[DayOrRange] = []
    public_holidays: list[DayOrRange] = []
    names: dict[str, Text] = {}


class CalendarFile(Sourced):
    years: Annotated[list[Year], Field(min_length=1)]


class OwnDaysRow(Sourced):
    authority: str
    what: Literal["rest", "work"]
    valid_from: date
    valid_to: OptionalDay = None
    name: Text


class AuthorityDaysFile(Sourced):
    days: Annotated[list[OwnDaysRow], Field(min_length=1)]


class Agency(Sourced):
    id: str
    title: Text
    mode: Literal["portal", "http"]
    calendar: str
    closes_at: Hour = "17:00"
    staff_change_cutoff_day: Annotated[int, Field(ge=1, le=31)] | None = None
    staff_change_cutoff_shift: ShiftPolicy = ShiftPolicy.NONE
    norm_working_days: Annotated[int, Field(ge=0, le=250)]
    chase_working_days: Annotated[int, Field(ge=0, le=250)]
    insurances: list[Insurance] = []
    levy: Literal["social", "medical"] | None = None


class AgenciesFile(Sourced):
    agencies: Annotated[list[Agency], Field(min_length=1)]


class Line(Sourced):
    insurance: str
    title: Text
    levy: Literal["social", "medical"]
    limits: Insurance
    shares: list[Insurance] = []  # billed with it, by rates added up


class BillingFile(Sourced):
    localities: list[Locality]
    gathered_on: date
    expired_in_use_months: Annotated[int, Field(ge=0, le=60)]
    work_injury_class: Annotated[int, Field(ge=1, le=8)]
    groups: dict[str, list[Insurance]]
    lines: list[Line]


class RegionExemption(Sourced):
    regions: Annotated[list[str], Field(min_length=1)]
    insurances: Annotated[list[Insurance], Field(min_length=1)]
    needs: str
    in_force: date


class Category(Sourced):
    id: str
    title: Text
    pension: Literal["public_institution", "enterprise", "none"]
    insurances: list[str]
    id_types: list[str]
    permits: list[str] = []
    since: date | None = None
    exemption: RegionExemption | None = None
    agency: dict[str, Any] | None = None


class CategoriesFile(Sourced):
    categories: list[Category]


class CountingRule(Sourced):
    id: str
    value: str | bool
    extending_rest_days: Annotated[int, Field(ge=1, le=31)] | None = None


class CountingFile(Sourced):
    rules: list[CountingRule]


class CrosscheckRule(Sourced):
    code: Annotated[str, Field(pattern=r"^X\d{2}$")]
    zh: str
    severity: Literal["error", "warning"]
    besides: Annotated[list[str], Field(alias="except")] = []  # categories and circumstances it does not look at


class CrosscheckFile(Sourced):
    rules: list[CrosscheckRule]


class Deadline(Sourced):
    id: Annotated[str, Field(pattern=r"^[A-Z0-9-]+$")]
    title: Text
    anchor: str
    who: str | None = None
    n: Annotated[int, Field(ge=-400, le=400)] | None = None
    unit: Unit
    legal_kind: LegalKind
    authority: str = "school"
    met_by: str
    shift_policy: ShiftPolicy = ShiftPolicy.NONE
    extend: int | None = None
    consequence: Text | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class DeadlinesFile(Sourced):
    rules: list[Deadline]


class RungRow(Sourced):
    id: str
    to: Literal["holder", "supervisor", "head"]
    offset: int
    at: Hour
    kinds: list[LegalKind]
    on_breach: bool = False


class LaddersFile(Sourced):
    ladders: dict[str, list[RungRow]]


class FeeRate(Sourced):
    valid_from: date
    daily_rate: Share


class LateFeeFile(Sourced):
    rates: list[FeeRate]


class UndeclaredRate(Sourced):
    valid_from: date
    factor: Annotated[Decimal, BeforeValidator(quoted), Field(gt=0)]


class UndeclaredFile(Sourced):
    rates: list[UndeclaredRate]


class Reason(Sourced):
    code: Annotated[str, Field(pattern=r"^R\d{2}$")]
    zh: str
    en: str


class ReasonsFile(Sourced):
    reasons: list[Reason]


class Duration(Sourced):
    step: str
    working_days: Annotated[int, Field(ge=0, le=250)]


class DurationsFile(Sourced):
    steps: list[Duration]


class Local(Strict):
    exempt: list[Insurance]
    max_months: int | None = None


class TreatyRow(Sourced):
    country: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    in_force: date | None
    signed: date | None = None
    exempt: list[Insurance]
    first_months: int | None = None
    extend_months: int | None = None
    max_months: int | None = None
    local_hire: Local | None = None


class TreatiesFile(Sourced):
    certificate_rule: str
    treaties: list[TreatyRow]


class Watch(Sourced):
    kind: str
    title: Text
    advice: Text
    days: Annotated[list[int], Field(min_length=1)]


class WatchFile(Sourced):
    rules: list[Watch]


FILES: Mapping[str, type[BaseModel]] = {
    "age_limits.yaml": AgeFile,
    "agencies.yaml": AgenciesFile,
    "agency_forms.yaml": AgencyFiles,
    "authority_days.yaml": AuthorityDaysFile,
    "benefits.yaml": BenefitsFile,
    "billing_lines.yaml": BillingFile,
    "calendar.yaml": CalendarFile,
    "categories.yaml": CategoriesFile,
    "counting_rules.yaml": CountingFile,
    "crosscheck_rules.yaml": CrosscheckFile,
    "deadlines.yaml": DeadlinesFile,
    "identity.yaml": IdentityFile,
    "import_columns.yaml": HeadingsFile,
    "ladders.yaml": LaddersFile,
    "late_fee.yaml": LateFeeFile,
    "make_up_routing.yaml": MakeUpFile,
    "materials.yaml": MaterialsFile,
    "medical_years.yaml": MedicalYearsFile,
    "notice_texts.yaml": NoticeFile,
    "procedures.yaml": ProceduresFile,
    "process_settings.yaml": SettingsFile,
    "rejection_reasons.yaml": ReasonsFile,
    "retirement.yaml": RetirementFile,
    "step_durations.yaml": DurationsFile,
    "treaties.yaml": TreatiesFile,
    "undeclared.yaml": UndeclaredFile,
    "watch_rules.yaml": WatchFile,
}


# --- tables ----------------------------------------------------------------------------------------------------------


class Row(TableLine):
    """What each row of a table of values says of itself."""

    source: Annotated[str, Field(min_length=1)]
    confidence: Confidence
    sample: Flag
    review_by: OptionalDay = None


class DatedRow(Row):
    valid_from: date
    valid_to: OptionalDay = None
    published_on: Published = ""


class LimitRow(DatedRow):
    insurance: Insurance
    scheme: Scheme
    locality: Locality
    floor: Yuan
    cap: Yuan
    avg_year: OptionalNumber = None
    avg_annual: OptionalNumber = None
    avg_month: OptionalNumber = None
    doc: str = ""


class RateRow(DatedRow):
    insurance: Insurance
    scheme: Scheme
    locality: Locality
    unit: Share
    person: Share


class InjuryRow(DatedRow):
    cls: Annotated[int, Field(alias="class", ge=1, le=8)]
    rate: Share
    float_steps: str


class MonthsRow(Row):
    year: Annotated[int, Field(ge=2000, le=2100)]
    months: Annotated[int, Field(gt=0)]


FilingDay = Annotated[int, Field(ge=1, le=31)]


class FilingRow(Row):
    year: Annotated[int, Field(ge=2000, le=2100)]
    nominal_day: Annotated[int, Field(ge=1, le=28)]  # a day that every month has
    m01: FilingDay
    m02: FilingDay
    m03: FilingDay
    m04: FilingDay
    m05: FilingDay
    m06: FilingDay
    m07: FilingDay
    m08: FilingDay
    m09: FilingDay
    m10: FilingDay
    m11: FilingDay
    m12: FilingDay

    @field_validator("m02", "m04", "m06", "m09", "m11")
    @classmethod
    def _in_its_month(cls, day: int, info: ValidationInfo) -> int:
        month, last = int(str(info.field_name)[1:]), 0
        if "year" in info.data:
            last = monthrange(info.data["year"], month)[1]
        if last and day > last:
            raise refused("no_such_day", f"{month} 月只有 {last} 天。", f"That month has {last} days only.")
        return day


TABLES: Mapping[str, type[BaseModel]] = {
    "contribution_limits.csv": LimitRow,
    "contribution_rates.csv": RateRow,
    "work_injury_rates.csv": InjuryRow,
    "min_contribution_months.csv": MonthsRow,
    "tax_filing_due.csv": FilingRow,
    "countries.csv": CountryRow,
    "provinces.csv": ProvinceRow,
    "glossary.csv": TermRow,
    "sources.csv": SourceRow,
}

TITLES: Mapping[str, Text] = {
    "age_limits.yaml": Text(zh="参保年龄", en="Ages"),
    "agencies.yaml": Text(zh="经办机构：截止日、下班时间、办结时限", en="Agencies: cut-off days, closing hours, norms"),
    "agency_forms.yaml": Text(zh="经办机构表单", en="Forms of the agencies"),
    "authority_days.yaml": Text(zh="各机构自己的休息与上班日", en="Days of one authority alone"),
    "benefits.yaml": Text(zh="待遇标准", en="Benefits"),
    "billing_lines.yaml": Text(zh="账单险种", en="Lines of a bill"),
    "calendar.yaml": Text(zh="放假与调休", en="Holidays and make-up days"),
    "categories.yaml": Text(zh="人员类别", en="Categories of staff"),
    "contribution_limits.csv": Text(zh="缴费基数上下限", en="Floors and caps of the base"),
    "contribution_rates.csv": Text(zh="缴费费率", en="Contribution rates"),
    "counting_rules.yaml": Text(zh="期限计算规则", en="How days are counted"),
    "crosscheck_rules.yaml": Text(zh="交叉核对规则", en="Checks of a record"),
    "deadlines.yaml": Text(zh="办理期限", en="Deadlines"),
    "identity.yaml": Text(zh="证件号码规则", en="Identity numbers"),
    "ladders.yaml": Text(zh="催办阶梯", en="Reminders"),
    "late_fee.yaml": Text(zh="滞纳金", en="Late fee"),
    "make_up_routing.yaml": Text(zh="补差方式", en="How differences are paid"),
    "materials.yaml": Text(zh="材料清单", en="Checklists"),
    "medical_years.yaml": Text(zh="医保缴费年限", en="Medical contribution years"),
    "min_contribution_months.csv": Text(zh="最低缴费月数", en="Least contribution months"),
    "notice_texts.yaml": Text(zh="告知书文字", en="Words of notices"),
    "procedures.yaml": Text(zh="办理事项", en="Procedures"),
    "process_settings.yaml": Text(zh="流程设置", en="Settings of processes"),
    "rejection_reasons.yaml": Text(zh="退回理由", en="Reasons of refusal"),
    "retirement.yaml": Text(zh="退休", en="Retirement"),
    "step_durations.yaml": Text(zh="各步骤用时", en="How long our steps take"),
    "tax_filing_due.csv": Text(zh="纳税申报期限", en="Tax filing dates"),
    "treaties.yaml": Text(zh="社保互免协定", en="Social-security treaties"),
    "undeclared.yaml": Text(zh="未申报的核定", en="Months not declared"),
    "watch_rules.yaml": Text(zh="到期提醒", en="Dates to watch"),
    "work_injury_rates.csv": Text(zh="工伤保险行业费率", en="Work-injury rates"),
}
