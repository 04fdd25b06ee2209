"""Text of the tables in, models out: limits, rates, billing lines, treaties, checklists, countries, age limits.

Companion of `domain/policy.py` (calendars, deadlines, ladders, agencies). A broken row is refused with file and line.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar, cast

from domain.contributions import WORK_INJURY, BillingLine, ContributionTables, Limit, Rate
from domain.enrolment_checks import CheckRules, Country
from domain.exemptions import RegionExemption, Treaty, TreatyTable
from domain.identity import Patterns
from domain.late_fee import LateFeeRate
from domain.materials import RejectionReason
from domain.policy import PolicyError, Texts, deadline_rules, load_list, load_mapping
from domain.retirement import RetirementGroup
from domain.table_files import BadValue, Row
from domain.table_files import guard as _guard
from domain.table_files import rows_of as _rows
from schemas.base import Text
from schemas.deadlines import Unit

T = TypeVar("T")


FOREIGN = "FOREIGN_WORK_PERMIT"


def contribution_tables(texts: Texts, risk_class: int | None = None) -> ContributionTables:
    """Limits, rates (those of work injury for a risk class, by default the school's), billing lines. PolicyError when
    broken."""
    settings = load_mapping(texts, "billing_lines.yaml")
    lines, groups = billing_lines(texts)
    wanted = str(risk_class or settings.get("work_injury_class"))
    injury = [r for _, r in _rows(texts, "work_injury_rates.csv") if r["class"] == wanted]
    if not injury:
        raise PolicyError(
            f"work_injury_rates.csv 没有行业风险类别 {wanted}。",
            f"work_injury_rates.csv has no risk class {wanted}.",
        )
    rates = _each(texts, "contribution_rates.csv", _rate)
    rates += [_guard("work_injury_rates.csv", r, _injury_rate) for r in injury]
    return ContributionTables(
        limits=_each(texts, "contribution_limits.csv", _limit),
        rates=rates,
        lines=lines,
        groups=groups,
        localities=tuple(cast("list[str]", settings["localities"])),
        expired_months=cast("int", settings["expired_in_use_months"]),
        gathered_on=cast("date", settings["gathered_on"]),
    )


def billing_lines(texts: Texts) -> tuple[dict[str, BillingLine], dict[str, tuple[str, ...]]]:
    """Insurances as they stand on a bill, in its order, and the groups that stand for several of them."""
    name = "billing_lines.yaml"
    lines = {line.insurance: line for line in (_guard(name, i, _line) for i in load_list(texts, name, "lines"))}
    groups = cast("dict[str, list[str]]", load_mapping(texts, name).get("groups") or {})
    return lines, {k: tuple(v) for k, v in groups.items()}


def late_fee_rates(texts: Texts) -> list[LateFeeRate]:
    return [_guard("late_fee.yaml", i, _fee_rate) for i in load_list(texts, "late_fee.yaml", "rates")]


def filing_table(texts: Texts) -> dict[tuple[str, int], int]:
    """Published filing days of taxes by month and nominal day: ("2026-01", 15) -> 20."""
    name = "tax_filing_due.csv"

    def days(row: Row) -> dict[tuple[str, int], int]:
        nominal = int(row["nominal_day"])
        found = {(f"{int(row['year'])}-{m:02d}", nominal): int(row[f"m{m:02d}"]) for m in range(1, 13)}
        for (month, _), day in found.items():
            date.fromisoformat(f"{month}-{day:02d}")
        return found

    return {month: day for _, row in _rows(texts, name) for month, day in _guard(name, row, days).items()}


def treaty_table(texts: Texts) -> TreatyTable:
    name = "treaties.yaml"
    rule_id = str(load_mapping(texts, name).get("certificate_rule"))
    rule = next((r for r in reversed(deadline_rules(texts)) if r.id == rule_id), None)
    if rule is None or rule.n is None or rule.unit is not Unit.MONTHS:
        raise PolicyError(
            f"{name} 引用的期限规则 {rule_id} 不存在或单位不是月。",
            f"{name}: rule {rule_id} is missing or not in months.",
        )
    treaties = [_guard(name, i, _treaty) for i in load_list(texts, name, "treaties")]
    return TreatyTable({t.country: t for t in treaties}, rule.n, rule.source, rule.sample, _regional(texts))


def _regional(texts: Texts) -> RegionExemption | None:
    """The exemption of HK/Macao/Taiwan residents, which stands with their category."""
    name = "categories.yaml"
    rows = [c["exemption"] for c in load_list(texts, name, "categories") if isinstance(c.get("exemption"), dict)]
    made = [
        _guard(
            name,
            r,
            lambda r: RegionExemption(
                tuple(r["regions"]), tuple(r["insurances"]), str(r["source"]), _yaml_date(r["in_force"])
            ),
        )
        for r in rows
    ]
    return made[0] if made else None


def rejection_reasons(texts: Texts) -> dict[str, RejectionReason]:
    """Code -> reason, in the order of the file."""
    name = "rejection_reasons.yaml"
    found = [
        _guard(name, i, lambda r: RejectionReason(_code(r["code"]), _text(r)))
        for i in load_list(texts, name, "reasons")
    ]
    return {r.code: r for r in found}


def category_titles(texts: Texts) -> dict[str, Text]:
    """Category -> what it is called."""
    name = "categories.yaml"
    return {str(c["id"]): _guard(name, c, lambda r: _text(r["title"])) for c in load_list(texts, name, "categories")}


def category_insurances(texts: Texts) -> dict[str, tuple[str, list[str]]]:
    """Category -> (pension scheme, insurances or groups)."""
    name = "categories.yaml"
    return {
        str(c["id"]): _guard(name, c, lambda r: (str(r["pension"]), [str(i) for i in r["insurances"]]))
        for c in load_list(texts, name, "categories")
    }


def countries(texts: Texts) -> dict[str, Country]:
    """Alpha-3 code -> country."""

    def country(row: Row) -> Country:
        if not re.fullmatch(r"[A-Z]{3}", row["alpha3"]) or row["foreign"] not in ("true", "false"):
            raise BadValue(
                f"国家代码 {row['alpha3']} 应为三位大写字母，foreign 应为 true 或 false。",
                f"The country's code {row['alpha3']} must be three capital letters, foreign true or false.",
            )
        return Country(row["alpha3"], Text(zh=row["zh"], en=row["en"]), row["foreign"] == "true")

    return {c.alpha3: c for c in _each(texts, "countries.csv", country)}


def identity_patterns(texts: Texts) -> Patterns:
    name = "identity.yaml"
    loaded = load_mapping(texts, name)

    provinces = [r["code"] for _, r in _rows(texts, "provinces.csv") if _bool(r["mainland"])]
    numeric = {r["numeric"]: r["alpha3"] for _, r in _rows(texts, "countries.csv")}

    def patterns(row: dict[str, Any]) -> Patterns:
        found = Patterns(row["passport"]["pattern"], row["foreign_ssn"]["pattern"], frozenset(provinces), numeric)
        re.compile(found.passport)
        re.compile(found.foreign_ssn)
        return found

    return _guard(name, loaded, patterns)


def age_limits(texts: Texts) -> dict[str, RetirementGroup]:
    """Group (male, female, female_worker) -> its line of the gradual scheme."""
    name = "age_limits.yaml"
    loaded = load_mapping(texts, name)

    def group(row: dict[str, Any]) -> RetirementGroup:
        made = RetirementGroup(
            int(row["base_years"]),
            str(row["first_cohort"]),
            int(row["step"]),
            int(row["max_delay_months"]),
            str(row["code"]),
        )
        date.fromisoformat(f"{made.first_cohort}-01")
        return made

    return {k: _guard(name, loaded[k], group) for k in ("male", "female", "female_worker") if k in loaded}


def check_rules(texts: Texts) -> CheckRules:
    """What the automatic checks of a hire need."""
    scheme, insurances = category_insurances(texts)[FOREIGN]
    return CheckRules(
        countries(texts),
        age_limits(texts),
        identity_patterns(texts),
        contribution_tables(texts),
        scheme,
        insurances,
        _guard("age_limits.yaml", load_mapping(texts, "age_limits.yaml"), lambda row: int(row["minimum_years"])),
    )


def _each(texts: Texts, name: str, make: Callable[[Row], T]) -> list[T]:
    return [_guard(f"{name}:{line}", row, make) for line, row in _rows(texts, name)]


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _known_from(published: str, valid_from: date) -> date:
    """The first day on which a value may be used. Where only year or month of publication are known, their first day,
    but not before the value holds: the data mark such rows by the short form."""
    if not published:
        return valid_from
    if len(published) == 10:
        return date.fromisoformat(published)
    first = date.fromisoformat(f"{published}-01" if len(published) == 7 else f"{published}-01-01")
    return max(first, valid_from) if first.year == valid_from.year else first


def _share(text: str) -> Decimal:
    value = Decimal(text)
    if not 0 <= value < 1:
        raise BadValue(f"{text} 应为 0 到 1 之间的小数。", f"{text} must be a share between 0 and 1.")
    return value


def _period(row: Row) -> tuple[date, date | None]:
    start, end = date.fromisoformat(row["valid_from"]), _day(row["valid_to"])
    if end is not None and end < start:
        raise BadValue(f"止日 {end} 早于起日 {start}。", f"It ends on {end}, before it begins on {start}.")
    return start, end


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise BadValue(f"{text} 应为 true 或 false。", f"{text} must be true or false.")
    return text == "true"


def _limit(row: Row) -> Limit:
    start, end = _period(row)
    floor, cap = Decimal(row["floor"]), Decimal(row["cap"])
    if not 0 < floor < cap:
        raise BadValue(f"下限 {floor} 应低于上限 {cap}。", f"The floor {floor} must be below the cap {cap}.")
    return Limit(
        insurance=row["insurance"],
        scheme=row["scheme"],
        locality=row["locality"],
        valid_from=start,
        valid_to=end,
        floor=floor,
        cap=cap,
        known_from=_known_from(row["published_on"], start),
        doc=row["doc"],
        source=row["source"],
        confidence=row["confidence"],
        sample=_bool(row["sample"]),
        review_by=_day(row["review_by"]),
        published_on=row["published_on"],
    )


def _rate(row: Row) -> Rate:
    start, end = _period(row)
    return Rate(
        insurance=row["insurance"],
        scheme=row["scheme"],
        locality=row["locality"],
        valid_from=start,
        valid_to=end,
        unit=_share(row["unit"]),
        person=_share(row["person"]),
        known_from=_known_from(row["published_on"], start),
        source=row["source"],
        confidence=row["confidence"],
        sample=_bool(row["sample"]),
        review_by=_day(row["review_by"]),
        published_on=row["published_on"],
    )


def _injury_rate(row: Row) -> Rate:
    """Work injury is paid by the unit alone (工伤保险条例 art. 10)."""
    return _rate(
        {**row, "insurance": WORK_INJURY, "scheme": "all", "locality": "SC", "unit": row["rate"], "person": "0"}
    )


def _line(row: dict[str, Any]) -> BillingLine:
    shares = tuple(map(str, row.get("shares", ())))
    source = str(row.get("source", ""))
    return BillingLine(
        row["insurance"], _text(row["title"]), row["levy"], row["limits"], bool(row["sample"]), shares, source
    )


def article_of(row: Mapping[str, Any]) -> Text | None:
    """The source as a derivation names it; None where the source is the same in both languages."""
    return Text.model_validate(row["article"]) if row.get("article") else None


def published_of(row: Mapping[str, Any]) -> date | None:
    """The day of publication of a row of a list; None where its source names none."""
    return None if row.get("published_on") is None else _yaml_date(row["published_on"])


def _fee_rate(row: dict[str, Any]) -> LateFeeRate:
    start = row["valid_from"]
    if not isinstance(start, date) or not isinstance(row["daily_rate"], str):
        raise BadValue(
            "valid_from 应为日期，daily_rate 应加引号。", "valid_from must be a date, daily_rate a number in quotes."
        )
    return LateFeeRate(
        start,
        _share(row["daily_rate"]),
        row["source"],
        bool(row["sample"]),
        article_of(row),
        published_of(row),
    )


def _yaml_date(value: object) -> date:
    if not isinstance(value, date):
        raise BadValue(f"{value} 应为日期，如 2026-11-24。", f"{value} must be a date, like 2026-11-24.")
    return value


def _treaty(row: dict[str, Any]) -> Treaty:
    local = cast("dict[str, Any]", row.get("local_hire") or {})
    return Treaty(
        country=row["country"],
        in_force=None if row["in_force"] is None else _yaml_date(row["in_force"]),
        exempt=tuple(row["exempt"]),
        first_months=row.get("first_months"),
        local_exempt=tuple(local.get("exempt", ())),
        local_months=local.get("max_months"),
        confidence=str(row["confidence"]),
        sample=bool(row["sample"]),
        longest_months=_longest(row),
    )


def _longest(row: dict[str, Any]) -> int | None:
    """The most months of exemption: as named, or the first months and the extension."""
    if row.get("max_months") is not None:
        return int(row["max_months"])
    first = row.get("first_months")
    return None if first is None else int(first) + int(row.get("extend_months") or 0)


def _code(code: str) -> str:
    if not re.fullmatch(r"R\d{2}", code):
        raise BadValue(f"{code} 应为 R 加两位数字。", f"{code} must be R and two digits.")
    return code


def _text(row: dict[str, Any]) -> Text:
    return Text(zh=row["zh"], en=row["en"])
