"""Automatic checks of a foreign hire's record: at import, when the college confirms, and at verification.

A fault keeps a row from starting or a task from being completed; a watch is shown and hinders nothing (a contract
longer than the permit is normal). Codes Rxx are those of `rejection_reasons.yaml`; the others name faults of the record
itself. Messages hold no number and no name. Duplicates are found by the store, which alone knows who is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import cast

from domain.contributions import ContributionTables, PolicyGap, premium
from domain.identity import IdKind, Patterns
from domain.identity import check as check_number
from domain.names_alike import names_alike
from domain.retirement import RetirementGroup, Track, month_by_track
from domain.times import add_months, month_of
from schemas.base import FIRST_DAY, LAST_DAY, Text
from schemas.enrolment import ForeignHire, Sex


class Severity(StrEnum):
    FAULT = "fault"
    WATCH = "watch"


@dataclass(frozen=True)
class Country:
    """A country or territory of ISO 3166. `foreign`: its people are enrolled as foreigners."""

    alpha3: str
    title: Text
    foreign: bool


@dataclass(frozen=True)
class CheckRules:
    """The data behind the checks. `ages`: male, female."""

    countries: Mapping[str, Country]
    ages: Mapping[str, RetirementGroup]
    patterns: Patterns
    contributions: ContributionTables
    scheme: str
    insurances: Sequence[str]
    minimum_years: int


@dataclass(frozen=True)
class HireFacts:
    """A hire as plain values, any of which may be missing: what a spreadsheet row gives before it is a
    `ForeignHire`."""

    name: str | None = None
    name_zh: str | None = None
    sex: str | None = None
    country: str | None = None
    birth: date | None = None
    id_type: str | None = "PASSPORT"
    id_number: str | None = None
    id_expires: date | None = None
    work_permit_no: str | None = None
    permit_issued: date | None = None
    permit_expires: date | None = None
    residence_expires: date | None = None
    org_unit: str | None = None
    contract_start: date | None = None
    contract_end: date | None = None
    monthly_wage: Decimal | None = None

    @classmethod
    def of(cls, hire: ForeignHire) -> "HireFacts":
        return cls(**{f.name: getattr(hire, f.name) for f in fields(cls)})


@dataclass(frozen=True)
class Finding:
    """One thing noticed. `field` is a field of `ForeignHire`."""

    code: str
    field: str
    message: Text
    severity: Severity = Severity.FAULT

    @property
    def fault(self) -> bool:
        return self.severity is Severity.FAULT


OPTIONAL = ("name_zh",)
MISSING = "MISSING"
BAD_VALUE = "BAD_VALUE"
UNKNOWN_COUNTRY = "UNKNOWN_COUNTRY"
NOT_FOREIGN = "NOT_FOREIGN"
FUTURE_DATE = "FUTURE_DATE"
BEYOND = "BEYOND"
TOO_EARLY = "TOO_EARLY"
PERMIT_AGE = 10  # lint: allow law-number - years before the contract; permits run for five at most: a slip, no rule
NO_RATES = "NO_RATES"
UNDER_AGE = "UNDER_AGE"
OVER_AGE = "R11"
PERMIT_SHORTER = "W01"
DOCUMENT_SHORTER = "W02"
PERMIT_IN_FUTURE = "W03"
NAME_DIFFERS = "NAME_DIFFERS"
NUMBER_DIFFERS = "NUMBER_DIFFERS"
NUMBER_TAKEN = Text(
    zh="该证件号码已登记在另一人名下，请核对。", en="This document number belongs to another person on record."
)
NAME_OF_ANOTHER = Text(
    zh="该证件号码在系统中登记的姓名与此不同：请对照证件核对姓名和号码，或由社保经办人先更正原记录。",
    en="This document number is on record under another name: check name and number against the document, or have the "
    "insurance office correct the record first.",
)


def field_title(field: str) -> Text:
    """The label of a field of `ForeignHire` in both languages."""
    extra = ForeignHire.model_fields[field].json_schema_extra
    if not isinstance(extra, dict):
        raise ValueError(f"{field} has no label. 字段 {field} 没有标签。")
    labels = cast("dict[str, object]", extra)
    return Text(zh=str(labels["title_zh"]), en=str(labels["title_en"]))


def check(facts: HireFacts, on: date, rules: CheckRules, track: Track | None = None) -> list[Finding]:
    """Everything wrong or to be watched about a hire on the Shanghai day `on`: all findings at once, faults first.
    `track`: of retirement, where one is set at the person."""
    found, beyond = _missing(facts), _beyond(facts)
    facts = replace(facts, **dict.fromkeys((f.field for f in beyond), None))  # nothing is counted from such a day
    found += [
        *beyond,
        *_values(facts, on, rules),
        *_number(facts, on, rules),
        *_dates(facts),
        *_permit_too_early(facts, rules),
        *_watches(facts, on),
    ]
    found += _age(facts, rules, track)
    found += _premiums(facts, on, rules)
    return sorted(found, key=lambda f: not f.fault)


def _premiums(facts: HireFacts, on: date, rules: CheckRules) -> list[Finding]:
    """Premiums must be computable from the contract's month on: a month without limits or rates cannot be billed."""
    wage = facts.monthly_wage
    if facts.contract_start is None or wage is None or not wage.is_finite() or wage <= 0:
        return []
    month = month_of(facts.contract_start)
    try:
        premium(wage, month, rules.insurances, rules.scheme, on, rules.contributions)
    except PolicyGap as gap:
        text = Text(
            zh=f"无法计算 {month} 的保费：{gap.text.zh}请核对合同开始日期，或由政策管理员补充数据。",
            en=f"Premiums of {month} cannot be computed: {gap.text.en} Check the date, or have the data completed.",
        )
        return [Finding(NO_RATES, "contract_start", text)]
    return []


def alike(first: ForeignHire, now: ForeignHire) -> list[Finding]:
    """Name and number as handed in, against the record the case began with: a correction is possible and looked at."""
    found: list[Finding] = []
    if not names_alike(first.name, now.name):
        text = Text(
            zh="姓名与立案时的记录不一致，请对照护照核对是否同一人。",
            en="The name differs from the one the case began with: check against the passport that it is one person.",
        )
        found.append(Finding(NAME_DIFFERS, "name", text, Severity.WATCH))
    if first.id_number != now.id_number:
        text = Text(
            zh="证件号码与立案时的记录不一致，请对照护照核对。",
            en="The document number differs from the one the case began with: check it against the passport.",
        )
        found.append(Finding(NUMBER_DIFFERS, "id_number", text, Severity.WATCH))
    return found


def faults(findings: list[Finding]) -> list[Finding]:
    return [f for f in findings if f.fault]


def _missing(facts: HireFacts) -> list[Finding]:
    found: list[Finding] = []
    for f in fields(facts):
        value: object = getattr(facts, f.name)
        if f.name in OPTIONAL:
            continue
        if value is None or (isinstance(value, str) and not value.strip()):
            title = field_title(f.name)
            text = Text(zh=f"缺少“{title.zh}”，请补填。", en=f"{title.en} is missing; fill it in.")
            found.append(Finding(MISSING, f.name, text))
    return found


def _beyond(facts: HireFacts) -> list[Finding]:
    """Days so far away that no date can be counted from them: a slip of the pen, or somebody's word for "for ever"."""
    found: list[Finding] = []
    for f in fields(facts):
        day: object = getattr(facts, f.name)
        if isinstance(day, date) and not FIRST_DAY <= day <= LAST_DAY:
            title = field_title(f.name)
            text = Text(
                zh=f"{title.zh}（{day}）应在 {FIRST_DAY} 至 {LAST_DAY} 之间，请核对；长期有效的，填写该期间内的日期。",
                en=f"{title.en} ({day}) must lie between {FIRST_DAY} and {LAST_DAY}: check it; for what has no end, "
                "give a day within.",
            )
            found.append(Finding(BEYOND, f.name, text))
    return found


def _values(facts: HireFacts, on: date, rules: CheckRules) -> list[Finding]:
    found: list[Finding] = []
    for field in ("name", "name_zh"):
        name: str = getattr(facts, field) or ""
        if name.strip() and not any(sign.isalpha() for sign in name):
            title = field_title(field)
            text = Text(
                zh=f"“{title.zh}”中没有文字，只有数字或符号，不是人名，请按护照填写。",
                en=f"{title.en} holds no letter, only figures or signs: write the name as it stands in the passport.",
            )
            found.append(Finding(BAD_VALUE, field, text))
    if facts.sex and facts.sex not in tuple(Sex):
        text = Text(zh="性别应为男或女，请更正。", en="Sex must be male or female; correct it.")
        found.append(Finding(BAD_VALUE, "sex", text))
    if facts.country:
        country = rules.countries.get(facts.country)
        if country is None:
            text = Text(
                zh=f"国籍代码“{facts.country}”不存在，应为三位字母代码，例如 DEU。",
                en=f"There is no country code {facts.country!r}; give the three letters, e.g. DEU.",
            )
            found.append(Finding(UNKNOWN_COUNTRY, "country", text))
        elif not country.foreign:
            text = Text(
                zh=f"“{country.title.zh}”人员不按外籍人员参保，请改用相应的参保流程。",
                en=f"People of {country.title.en} are not enrolled as foreign staff; use their own category.",
            )
            found.append(Finding(NOT_FOREIGN, "country", text))
    if facts.birth and facts.birth > on:
        text = Text(
            zh=f"出生日期 {facts.birth} 在将来，请更正。", en=f"The date of birth {facts.birth} lies in the future."
        )
        found.append(Finding(FUTURE_DATE, "birth", text))
    if facts.monthly_wage is not None and (not facts.monthly_wage.is_finite() or facts.monthly_wage <= 0):
        text = Text(zh="月工资必须大于零，请更正。", en="The monthly wage must be more than zero; correct it.")
        found.append(Finding(BAD_VALUE, "monthly_wage", text))
    return found


def _number(facts: HireFacts, on: date, rules: CheckRules) -> list[Finding]:
    if not facts.id_number or not facts.id_type:
        return []
    if facts.id_type not in tuple(IdKind):
        text = Text(
            zh=f"证件类型“{facts.id_type}”无法识别，外籍人员一般为护照（PASSPORT）。",
            en=f"The document type {facts.id_type!r} is not known; for foreign staff it is usually PASSPORT.",
        )
        return [Finding(BAD_VALUE, "id_type", text)]
    result = check_number(
        IdKind(facts.id_type), facts.id_number, today=on, patterns=rules.patterns, countries=rules.countries.keys()
    )
    if result.valid:
        if result.birth and facts.birth and result.birth != facts.birth:
            text = Text(
                zh="出生日期与证件号码中的出生日期不一致，请核对证件。",
                en="The date of birth differs from the one in the document number; check the document.",
            )
            return [Finding("R02", "birth", text)]
        return []
    return [Finding("R02", "id_number", result.text or Text(zh="证件号码有误。", en="The document number is wrong."))]


def _dates(facts: HireFacts) -> list[Finding]:
    found: list[Finding] = []
    start = facts.contract_start
    if start:
        for field in ("id_expires", "permit_expires", "residence_expires"):
            until: date | None = getattr(facts, field)
            if until and until < start:
                title = field_title(field)
                text = Text(
                    zh=f"{title.zh}（{until}）早于合同开始日期（{start}），用工起始日无有效证件，请更新证件后再提交。",
                    en=f"{title.en} ({until}) is before the contract starts ({start}): renew it, then hand in again.",
                )
                found.append(Finding("R03", field, text))
        if facts.contract_end and facts.contract_end < start:
            text = Text(
                zh=f"合同结束日期（{facts.contract_end}）早于开始日期（{start}），请更正。",
                en=f"The contract ends ({facts.contract_end}) before it starts ({start}); correct it.",
            )
            found.append(Finding("R06", "contract_end", text))
    if facts.permit_issued and facts.permit_expires and facts.permit_expires < facts.permit_issued:
        text = Text(
            zh=f"工作许可有效期（{facts.permit_expires}）早于签发日期（{facts.permit_issued}），请更正。",
            en=f"The work permit ends ({facts.permit_expires}) before its issue ({facts.permit_issued}); correct it.",
        )
        found.append(Finding("R03", "permit_expires", text))
    if facts.birth and start and facts.birth >= start:
        text = Text(
            zh="出生日期不早于合同开始日期，请更正。", en="The date of birth is not before the contract; correct it."
        )
        found.append(Finding(BAD_VALUE, "birth", text))
    return found


def _permit_too_early(facts: HireFacts, rules: CheckRules) -> list[Finding]:
    """The legal time counts from the permit, so a day on which it cannot have been issued is refused: before the holder
    could work at all, or long before the work that it is for."""
    issued, birth, start = facts.permit_issued, facts.birth, facts.contract_start
    if issued is None:
        return []
    if birth and issued < add_months(birth, 12 * rules.minimum_years):
        text = Text(
            zh=f"工作许可签发日期（{issued}）时本人尚未出生或未满 {rules.minimum_years} 周岁，请核对两个日期。",
            en=f"On the day the work permit was issued ({issued}) its holder was not born or under "
            f"{rules.minimum_years}: check that day and the date of birth.",
        )
        return [Finding(TOO_EARLY, "permit_issued", text)]
    if start and add_months(issued, 12 * PERMIT_AGE) < start:
        text = Text(
            zh=f"工作许可签发日期（{issued}）比合同开始日期（{start}）早 {PERMIT_AGE} 年以上，请按现行工作许可核对。",
            en=f"The work permit was issued ({issued}) more than {PERMIT_AGE} years before the contract starts "
            f"({start}): check it against the present permit.",
        )
        return [Finding(TOO_EARLY, "permit_issued", text)]
    return []


def _watches(facts: HireFacts, on: date) -> list[Finding]:
    found: list[Finding] = []
    start, end = facts.contract_start, facts.contract_end
    if start and end:
        for field, code in (
            ("permit_expires", PERMIT_SHORTER),
            ("residence_expires", PERMIT_SHORTER),
            ("id_expires", DOCUMENT_SHORTER),
        ):
            until: date | None = getattr(facts, field)
            if until and start <= until < end:
                title = field_title(field)
                text = Text(
                    zh=f"{title.zh}（{until}）早于合同结束日期（{end}），到期前需延期；不影响本次参保。",
                    en=f"{title.en} ({until}) ends before the contract ({end}): extend it in time; no obstacle now.",
                )
                found.append(Finding(code, field, text, Severity.WATCH))
    if facts.permit_issued and facts.permit_issued > on:
        text = Text(
            zh=f"工作许可签发日期（{facts.permit_issued}）在今天之后，请核对。",
            en=f"The work permit is dated after today ({facts.permit_issued}); please check.",
        )
        found.append(Finding(PERMIT_IN_FUTURE, "permit_issued", text, Severity.WATCH))
    return found


def _age(facts: HireFacts, rules: CheckRules, track: Track | None) -> list[Finding]:
    if not (facts.birth and facts.contract_start and facts.sex in tuple(Sex)):
        return []
    group = rules.ages.get(str(facts.sex))
    if group is None:
        return []
    youngest = add_months(facts.birth, 12 * rules.minimum_years)
    if facts.contract_start < youngest:
        text = Text(
            zh=f"合同开始时未满 {rules.minimum_years} 周岁，请核对出生日期与合同开始日期。",
            en=f"Under {rules.minimum_years} when the contract starts: check the birth date and the contract's start.",
        )
        return [Finding(UNDER_AGE, "birth", text)]
    groups = {g.code: g for g in rules.ages.values()}
    limit = month_by_track(month_of(facts.birth), group, groups, track)
    if month_of(facts.contract_start) <= limit:
        return []
    text = Text(
        zh=f"合同开始时已超过法定退休年龄（{limit}），不能新参保；请向经办机构确认后按超龄人员办理。",
        en=f"Over the statutory retirement age ({limit}) when the contract starts: cannot be enrolled; ask the agency.",
    )
    return [Finding(OVER_AGE, "birth", text)]
