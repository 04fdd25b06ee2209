"""Text of the tables in, models out: retirement, benefits, medical years, procedures, provinces.

Companion of `domain/tables.py`. A broken row is refused with file and line.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, cast

from domain.benefits import AllowanceMethod, BenefitRules, InjuryGrantRule, MaternityRule, UnemploymentRule
from domain.medical_years import LocalMedicalYears, MedicalYearsRule
from domain.policy import (
    PolicyError,
    Texts,
    agency_policies,
    checklist_items,
    checklists,
    deadline_rules,
    load_list,
    load_mapping,
)
from domain.procedures import Procedure, ProcedureDocument, ProcedureTables
from domain.retirement import ElasticRule, RetirementRules, Track
from domain.table_files import BadValue, guard, rows_of
from domain.tables import (
    age_limits,
    article_of,
    category_insurances,
    contribution_tables,
    published_of,
    rejection_reasons,
)
from domain.times import first_day
from schemas.base import Text
from schemas.deadlines import Unit


def retirement_rules(texts: Texts) -> RetirementRules:
    """Groups, elastic retirement, minimum months, tracks."""
    name = "retirement.yaml"
    groups = age_limits(texts)
    rules = sorted(deadline_rules(texts), key=lambda r: (r.valid_from or date.min, r.published_on or date.min))

    def months(rule_id: str) -> list[tuple[str, int]]:
        dated = [(r.valid_from, r.n) for r in rules if r.id == rule_id and r.unit is Unit.MONTHS]
        return [(since.isoformat()[:7] if since else "", n) for since, n in dated if n is not None]

    def elastic(row: dict[str, Any]) -> ElasticRule:
        notice, agreement = months(row["early_rule"]), months(row["late_rule"])
        if not notice or not agreement:
            both = row["early_rule"], row["late_rule"]
            raise BadValue(
                f"early_rule、late_rule（{'、'.join(both)}）应为以月计的期限规则。",
                f"early_rule and late_rule ({', '.join(both)}) must be deadlines in months.",
            )
        first_day(row["valid_from"])
        return ElasticRule(
            row["valid_from"], int(row["early_months"]), int(row["late_months"]), notice, agreement, row["source"],
            published_of(row),
        )  # fmt: skip

    def track(row: dict[str, Any]) -> Track:
        unknown = {row.get("group"), row.get("choose_from")} - {None, *groups}
        if unknown:
            names = sorted(map(str, unknown))
            raise BadValue(f"没有 {'、'.join(names)} 这一组。", f"There is no group {', '.join(names)}.")
        return Track(
            row["id"],
            _text(row["title"]),
            _code(row.get("group")),
            row.get("fixed_years"),
            _code(row.get("choose_from")),
            tuple(groups[g].code for g in row.get("of_groups", groups)),
            row["source"],
            _flag(row),
        )

    def _code(key: str | None) -> str | None:
        return None if key is None else groups[key].code

    minimum = {
        int(r["year"]): guard(f"min_contribution_months.csv:{line}", r, _months)
        for line, r in rows_of(texts, "min_contribution_months.csv")
    }
    tracks = [guard(name, r, track) for r in load_list(texts, name, "tracks")]
    return RetirementRules(
        groups={g.code: g for g in groups.values()},
        elastic=[guard(name, r, elastic) for r in load_list(texts, name, "elastic")],
        minimum=minimum,
        tracks={t.id: t for t in tracks},
    )


def benefit_rules(texts: Texts) -> BenefitRules:
    name = "benefits.yaml"
    return BenefitRules(
        injury=[guard(name, r, _injury) for r in load_list(texts, name, "injury_grant")],
        maternity=[guard(name, r, _maternity) for r in load_list(texts, name, "maternity_allowance")],
        unemployment=[guard(name, r, _unemployment) for r in load_list(texts, name, "unemployment_months")],
    )


def medical_years_rules(texts: Texts) -> dict[str, list[LocalMedicalYears]]:
    """The rules of places by id, the school's own first; each as often as it was changed from a day on."""
    name = "medical_years.yaml"

    def rule(row: dict[str, Any]) -> LocalMedicalYears:
        made = MedicalYearsRule(
            int(row["continuous_months"]),
            int(row["cumulative_months"]),
            int(row["gap_tolerance_months"]),
            _date(row["first_insured_on_or_after"]),
        )
        return LocalMedicalYears(
            _date(row["valid_from"]), made, _text(row["title"]), row["source"], _flag(row), published_of(row)
        )

    found: dict[str, list[LocalMedicalYears]] = {}
    for row in load_list(texts, name, "rules"):
        found.setdefault(str(row["id"]), []).append(guard(name, row, rule))
    return found


def provinces(texts: Texts) -> dict[str, Text]:
    """The two digits of GB/T 2260 -> name."""
    return {r["code"]: Text(zh=r["zh"], en=r["en"]) for _, r in rows_of(texts, "provinces.csv")}


def procedure_tables(texts: Texts) -> ProcedureTables:
    """PolicyError when a procedure names an unknown document, reason, deadline, insurance or category."""
    name = "procedures.yaml"
    lines = contribution_tables(texts)
    insured = {c: tuple(lines.expand(groups)) for c, (_, groups) in category_insurances(texts).items()}
    reasons = rejection_reasons(texts)
    rules = {r.id for r in deadline_rules(texts)}
    item = checklist_items(texts, name)
    whole_file_is_sample = _flag(load_mapping(texts, name))

    def refuse_unknown(named: list[str], known: Mapping[str, object] | set[str]) -> None:
        unknown = sorted(set(named) - set(known))
        if unknown:
            raise BadValue(f"{'、'.join(unknown)} 不存在。", f"There is no {', '.join(unknown)}.")

    def document(row: dict[str, Any]) -> ProcedureDocument:
        of = cast("list[str]", row.get("categories") or [])
        refuse_unknown(of, insured)
        return ProcedureDocument(item(row), tuple(of))

    def procedure(row: dict[str, Any]) -> Procedure:
        own = None if row["insurances"] == "category" else cast("list[str]", row["insurances"])
        of = cast("list[str]", row.get("categories") or [])
        refuse_unknown(own or [], lines.lines)
        refuse_unknown(of, insured)
        refuse_unknown(row["rejections"], reasons)
        refuse_unknown(row["deadlines"], rules)
        by_category = row.get("checklist") == "category"
        return Procedure(
            row["id"],
            _text(row["title"]),
            None if own is None else tuple(own),
            tuple(of),
            None if by_category else tuple(document(d) for d in row["documents"]),
            tuple(row["rejections"]),
            tuple(row["deadlines"]),
            row["source"],
            str(row["confidence"]),
            whole_file_is_sample,
        )

    made = [guard(name, r, procedure) for r in load_list(texts, name, "procedures")]
    return ProcedureTables({p.id: p for p in made}, checklists(texts), insured, agency_policies(texts), reasons)


def check_benefits(texts: Texts) -> None:
    """Parses every table of this module and so refuses a broken one."""
    for parse in (retirement_rules, benefit_rules, medical_years_rules, provinces, procedure_tables):
        parse(texts)


def _injury(row: dict[str, Any]) -> InjuryGrantRule:
    months = {int(k): int(v) for k, v in cast("dict[int, int]", row["months"]).items()}
    floor, cap = _exact(row["floor_share"]), _exact(row["cap_share"])
    if not 0 < floor < cap:
        raise BadValue(
            f"floor_share {floor} 应大于 0 且低于 cap_share {cap}。",
            f"floor_share {floor} must be above 0 and below cap_share {cap}.",
        )
    return InjuryGrantRule(
        _date(row["valid_from"]), months, floor, cap, row["source"], _flag(row), article_of(row), published_of(row)
    )


def _maternity(row: dict[str, Any]) -> MaternityRule:
    methods = {
        str(k): AllowanceMethod(int(v["times"]), int(v["divided_by"]), v["source"], _flag(v))
        for k, v in cast("dict[str, dict[str, Any]]", row["methods"]).items()
    }
    if row["local_method"] not in methods:
        raise BadValue(
            f"local_method {row['local_method']} 不在 methods 中。",
            f"local_method {row['local_method']} is not among the methods.",
        )
    return MaternityRule(
        _date(row["valid_from"]),
        int(row["leave_days"]),
        int(row["difficult_days"]),
        int(row["further_infant_days"]),
        methods,
        row["local_method"],
        row["source"],
        _flag(row),
        article_of(row),
        published_of(row),
    )


def _unemployment(row: dict[str, Any]) -> UnemploymentRule:
    steps = [(int(s["paid_months"]), int(s["benefit_months"])) for s in cast("list[dict[str, Any]]", row["steps"])]
    return UnemploymentRule(
        _date(row["valid_from"]), sorted(steps), dict(row["reasons"]), row["source"], _flag(row), article_of(row),
        published_of(row),
    )  # fmt: skip


def _months(row: dict[str, str]) -> int:
    if not row["source"]:
        raise PolicyError("最低缴费年限缺少来源。", "A minimum of contribution months has no source.")
    return int(row["months"])


def _flag(row: Mapping[str, Any]) -> bool:
    if not isinstance(row["sample"], bool):
        raise BadValue("sample 应为 true 或 false。", "sample must be true or false.")
    return row["sample"]


def _date(value: object) -> date:
    if not isinstance(value, date):
        raise BadValue(f"{value} 应为日期，如 2026-11-24。", f"{value} must be a date, like 2026-11-24.")
    return value


def _exact(value: object) -> Decimal:
    if not isinstance(value, str):
        raise BadValue(f"{value} 应加引号。", f"{value} must be in quotes.")
    return Decimal(value)


def _text(row: Mapping[str, str]) -> Text:
    return Text(zh=row["zh"], en=row["en"])
