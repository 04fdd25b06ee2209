"""Text of the policy files in, models out. A broken file is refused with a sentence that names file and place.

Reading the files is not done here (`policies.read_all()` in an activity, the API or the command line). `snapshot` makes
what one case carries in its history; its version is the hash of the texts it was made from.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from domain.calendar import days_of
from schemas.base import Text
from schemas.countersign import SignRule, roles_of
from schemas.deadlines import (
    AgencyPolicy,
    Calendar,
    CalendarYear,
    ChecklistItem,
    DeadlineRule,
    OwnDays,
    PolicySnapshot,
    Rung,
    StepDuration,
)
from schemas.messages_of_fields import message_of

M = TypeVar("M", bound=BaseModel)
Texts = Mapping[str, str]

DEADLINES = "deadlines.yaml"
SNAPSHOT_FILES = (
    "calendar.yaml",
    "authority_days.yaml",
    "deadlines.yaml",
    "ladders.yaml",
    "step_durations.yaml",
    "agencies.yaml",
    "process_settings.yaml",
    "materials.yaml",
)
CASE_FILES = ("treaties.yaml", "categories.yaml")  # what a case keeps beside its snapshot, and the groups of insurances
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times as fast where libyaml is
MODES = ("portal", "http")
CONDITIONS = (
    "if_treaty_claimed", "if_exemption_claimed", "if_prior_service", "if_transfer",
    "if_early_retirement", "if_late_retirement", "if_traffic", "if_document_replaced",
)  # fmt: skip


class PolicyError(ValueError):
    """A policy file is missing or broken. `text` says in both languages what is wrong and where; `field` is the
    field of a change that is at fault, where it is one."""

    def __init__(self, zh: str, en: str, *, field: str | None = None) -> None:
        super().__init__(f"{zh} {en}")
        self.text = Text(zh=zh, en=en)
        self.field = field


def text_of(texts: Texts, name: str) -> str:
    """The text of a file; PolicyError when it is not there."""
    try:
        return texts[name]
    except KeyError:
        raise PolicyError(
            f"缺少政策数据文件 {name}，请恢复该文件。", f"The policy file {name} is missing; restore it."
        ) from None


def load_mapping(texts: Texts, name: str) -> dict[str, Any]:
    """The top mapping of a YAML file."""
    text = text_of(texts, name)
    try:
        loaded: object = yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else "?"
        raise PolicyError(
            f"{name} 第 {line} 行不是合法的 YAML，请检查缩进和引号。",
            f"{name}, line {line}: not valid YAML; check indentation and quotes.",
        ) from error
    except ValueError as error:  # a date that YAML takes for one and that does not exist
        raise PolicyError(
            f"{name} 中有不存在的日期，请按 2026-11-24 的格式核对。",
            f"{name}: there is a date that does not exist; check them, like 2026-11-24.",
        ) from error
    if not isinstance(loaded, dict):
        raise PolicyError(f"{name} 的最外层应为键值映射。", f"{name}: the top level must be a mapping.")
    return cast("dict[str, Any]", loaded)


def load_list(texts: Texts, name: str, key: str) -> list[dict[str, Any]]:
    """The list of mappings under `key`."""
    found: object = load_mapping(texts, name).get(key)
    items = cast("list[object]", found) if isinstance(found, list) else []
    if not items or not all(isinstance(i, dict) for i in items):
        raise PolicyError(f"{name} 缺少列表 {key}。", f"{name}: the list {key} is missing or empty.")
    return cast("list[dict[str, Any]]", items)


def models(model: type[M], items: list[dict[str, Any]], name: str, key: Callable[[M], object]) -> list[M]:
    """Validates each item; refuses a second one with the same key."""
    found: list[M] = []
    seen: set[object] = set()
    for number, item in enumerate(items, start=1):
        try:
            made = model.model_validate(item)
        except ValidationError as error:
            first = error.errors()[0]
            place, said = ".".join(str(p) for p in first["loc"]), message_of(first)
            raise PolicyError(
                f"{name} 第 {number} 项的 {place} 有误：{said.zh}",
                f"{name}, item {number}, {place}: {said.en}",
            ) from error
        if key(made) in seen:
            raise PolicyError(f"{name} 中 {key(made)} 重复。", f"{name}: {key(made)} occurs twice.")
        seen.add(key(made))
        found.append(made)
    return found


def calendar_years(texts: Texts) -> list[CalendarYear]:
    """The years of `calendar.yaml`, each entry checked: dates of that year, no day both off and at work."""
    name = "calendar.yaml"
    years = models(CalendarYear, load_list(texts, name, "years"), name, lambda y: y.year)
    for year in years:
        try:
            rest = [d for e in [*year.rest, *year.public_holidays] for d in days_of(e)]
            work = [d for e in year.work for d in days_of(e)]
        except ValueError as error:
            raise PolicyError(
                f"{name} {year.year} 年含有不存在的日期或止日早于起日的区间，请核对。",
                f"{name}, {year.year}: there is no such date, or a range ends before it begins; check the year.",
            ) from error
        wrong = [d for d in [*rest, *work] if d.year != year.year] or sorted(set(rest) & set(work))
        if wrong:
            raise PolicyError(
                f"{name} {year.year} 年的 {wrong[0]} 不属于该年，或同时列为休息与上班。",
                f"{name}, {year.year}: {wrong[0]} is not of that year, or both off and at work.",
            )
        if not year.provisional and not year.rest:
            raise PolicyError(
                f"{name} {year.year} 年没有放假安排，应标为 provisional: true。",
                f"{name}, {year.year}: no arrangement given; mark it provisional: true.",
            )
    return years


def agency_policies(texts: Texts, modes: Mapping[str, str] | None = None) -> list[AgencyPolicy]:
    """The agencies, their mode replaced by the settings where these name one."""
    name = "agencies.yaml"
    agencies = models(AgencyPolicy, load_list(texts, name, "agencies"), name, lambda a: a.id)
    known = {a.id for a in agencies}
    names = ", ".join(sorted(known))
    for agency_id, mode in (modes or {}).items():
        if agency_id not in known or mode not in MODES:
            raise PolicyError(
                f"设置的经办方式 {agency_id}={mode} 无效：机构应为 {names}，方式为 portal 或 http。",
                f"The agency mode {agency_id}={mode} is not valid: agencies are {names}; modes portal, http.",
            )
    made = [a.model_copy(update={"mode": (modes or {}).get(a.id, a.mode)}) for a in agencies]
    for agency in made:
        if agency.mode not in MODES or agency.calendar not in known:
            raise PolicyError(
                f"{name}：{agency.id} 的 mode 或 calendar 无效。",
                f"{name}: mode or calendar of {agency.id} is not valid.",
            )
    return made


def own_days(texts: Texts, authorities: Collection[str]) -> list[OwnDays]:
    """The days that an authority has for itself: of a known authority, in order; both off and at work is a day only by
    a correction that was published later."""
    name = "authority_days.yaml"
    found = models(
        OwnDays, load_list(texts, name, "days"), name, lambda d: (d.authority, d.what, d.valid_from.isoformat())
    )
    for number, own in enumerate(found, start=1):
        last = own.valid_to or own.valid_from
        if own.authority not in authorities:
            raise PolicyError(
                f"{name} 第 {number} 项的机构 {own.authority} 不存在，应为 {'、'.join(sorted(authorities))}。",
                f"{name}, item {number}: there is no authority {own.authority}; it is one of "
                f"{', '.join(sorted(authorities))}.",
                field="authority",
            )
        if last < own.valid_from:
            raise PolicyError(
                f"{name} 第 {number} 项的止日早于起日。",
                f"{name}, item {number}: it ends before it begins.",
                field="valid_to",
            )
        for other in found[: number - 1]:
            both = max(own.valid_from, other.valid_from)
            if (
                (own.authority, both <= min(last, other.valid_to or other.valid_from)) == (other.authority, True)
                and own.what != other.what
                and own.published_on == other.published_on
            ):  # fmt: skip
                raise PolicyError(
                    f"{name}：{own.authority} 的 {both} 同时列为休息与上班，公布日期相同；更正原来那一行，"
                    "请填写比它更晚的公布日期（录入错误的，填发现错误之日）。",
                    f"{name}: {both} of {own.authority} is both off and at work, published on the same day. To correct "
                    "what stands there, give a later day of publication (of a wrong entry the day it was noticed).",
                    field="valid_from",
                )
    return found


def calendars(texts: Texts) -> list[Calendar]:
    """One calendar an agency: the arrangement of the years, its own days and closing hour, and the hash of these."""
    years = calendar_years(texts)
    extending = _extending_rest_days(texts)
    agencies = load_list(texts, "agencies.yaml", "agencies")
    days = own_days(texts, {str(a["id"]) for a in agencies})
    found: list[Calendar] = []
    for item in agencies:
        authority, closes = str(item["id"]), str(item.get("closes_at", "17:00"))
        own = sorted((d for d in days if d.authority == authority), key=lambda d: d.published_on or date.min)
        said = json.dumps([d.model_dump(mode="json") for d in own], sort_keys=True)
        version = _digest(text_of(texts, "calendar.yaml"), closes, str(extending), said)
        found.append(
            Calendar(
                authority=authority,
                title=Text.model_validate(item["title"]),
                years=years,
                own=own,
                closes_at=closes,
                version=version,
                extending_rest_days=extending,
            )
        )
    return found


def _extending_rest_days(texts: Texts) -> int:
    """How many rest days of a public holiday in a row lengthen a tax period. 税收征管法实施细则 art. 109."""
    for rule in load_list(texts, "counting_rules.yaml", "rules"):
        if rule.get("id") == "tax_art109" and isinstance(rule.get("extending_rest_days"), int):
            return cast("int", rule["extending_rest_days"])
    raise PolicyError(
        "counting_rules.yaml 的 tax_art109 缺少 extending_rest_days（整数）。",
        "counting_rules.yaml: tax_art109 has no extending_rest_days (a whole number).",
    )


def deadline_rules(texts: Texts) -> list[DeadlineRule]:
    """All rules, each as often as it was changed from a day on; all of one id are counted from the same event."""
    found = models(
        DeadlineRule,
        load_list(texts, DEADLINES, "rules"),
        DEADLINES,
        lambda r: " ".join(str(part) for part in (r.id, r.valid_from, r.published_on) if part is not None),
    )
    anchors: dict[str, str] = {}
    for rule in found:
        if anchors.setdefault(rule.id, rule.anchor) != rule.anchor:
            raise PolicyError(
                f"{DEADLINES} 中 {rule.id} 重复，且起算事件不同。",
                f"{DEADLINES}: {rule.id} occurs twice, counted from different events.",
            )
        if rule.valid_from and rule.valid_to and rule.valid_to < rule.valid_from:
            raise PolicyError(
                f"{DEADLINES}：{rule.id} 的失效日期早于生效日期。", f"{DEADLINES}: {rule.id} ends before it begins."
            )
    return found


def ladder(texts: Texts, which: str = "default") -> list[Rung]:
    name = "ladders.yaml"
    found: object = load_mapping(texts, name).get("ladders")
    if not isinstance(found, dict) or which not in found:
        raise PolicyError(f"{name} 缺少催办阶梯 {which}。", f"{name}: the ladder {which} is missing.")
    return models(Rung, cast("list[dict[str, Any]]", found[which]), name, lambda r: r.id)


def step_durations(texts: Texts) -> list[StepDuration]:
    name = "step_durations.yaml"
    return models(StepDuration, load_list(texts, name, "steps"), name, lambda s: s.step)


@lru_cache(maxsize=32)
def _by_content(content: str) -> PolicySnapshot:
    return PolicySnapshot.model_validate_json(content)


def carried(content: Mapping[str, Any]) -> PolicySnapshot:
    """The rules that a case carries in its history, kept by their whole content: thousands of open cases have one in
    common. It is a value: who needs other rules makes a copy."""
    return _by_content(json.dumps(content, ensure_ascii=False, sort_keys=True))


def snapshot(texts: Texts, modes: Mapping[str, str] | None = None, *, years: range | None = None) -> PolicySnapshot:
    """Everything of the rules that a case needs. `modes` are the settings' agency modes; `years` narrows the calendars
    (all years by default). PolicyError when a file is missing or broken."""
    agencies = agency_policies(texts, modes)
    known = {a.id for a in agencies}
    rules = deadline_rules(texts)
    for rule in rules:
        if rule.authority not in known:
            raise PolicyError(
                f"deadlines.yaml：{rule.id} 的机构 {rule.authority} 不存在。",
                f"deadlines.yaml: {rule.id} names the unknown authority {rule.authority}.",
            )
    settings = load_mapping(texts, "process_settings.yaml")
    found = calendars(texts)
    if years is not None:
        found = [c.model_copy(update={"years": [y for y in c.years if y.year in years]}) for c in found]
    mode_text = ",".join(f"{a.id}={a.mode}" for a in agencies)
    groups = json.dumps(load_mapping(texts, "billing_lines.yaml").get("groups"), sort_keys=True)
    kept = _digest(*(text_of(texts, n) for n in CASE_FILES), groups)
    try:
        return PolicySnapshot(
            version=_digest(*(text_of(texts, n) for n in SNAPSHOT_FILES), mode_text, kept),
            case_rules=kept,
            calendars=found,
            rules=rules,
            ladder=ladder(texts),
            durations=step_durations(texts),
            agencies=agencies,
            checklists=checklists(texts),
            partial_payment_days=settings["partial_payment_days"],
            partial_payment_grace_minutes=settings["partial_payment_grace_minutes"],
            tax_payment_countersign_above=settings.get("tax_payment_countersign_above"),
            tax_payment_sign=_sign_rule(settings, "tax_payment", ["supervisor", "head"]),
            reimbursement_countersign_above=settings.get("reimbursement_countersign_above"),
            reimbursement_sign=_sign_rule(settings, "reimbursement", ["supervisor"]),
        )
    except (KeyError, ValidationError) as error:
        named = error.args[0] if isinstance(error, KeyError) else str(error.errors()[0]["loc"][0])
        raise PolicyError(
            f"process_settings.yaml 的 {named} 缺少或有误，请更正。",
            f"process_settings.yaml: {named} is missing or wrong; correct it.",
        ) from error


def _sign_rule(settings: Mapping[str, Any], of: str, roles: list[str]) -> SignRule:
    """Who signs above the limit of a payment or voucher, and how; what the file does not say is as it was always.
    PolicyError."""
    name = f"{of}_sign_mode"
    try:
        rule = SignRule(roles=roles, mode=settings.get(name, "in_turn"))
        name = f"{of}_signers"
        if name in settings:
            rule.roles = roles_of(str(settings[name]))
        name = f"{of}_quorum"
        rule.quorum = int(settings.get(name, min(rule.quorum, len(rule.roles))))
        if rule.quorum < 1 or (rule.mode == "quorum" and rule.quorum > len(rule.roles)):
            raise ValueError(name)
    except ValueError:
        raise PolicyError(
            f"process_settings.yaml 的 {name} 有误，请更正。", f"process_settings.yaml: {name} is wrong; correct it."
        ) from None
    return rule


def checklists(texts: Texts) -> dict[str, list[ChecklistItem]]:
    """The documents asked for, by category. PolicyError when a list names an unknown document or condition."""
    name = "materials.yaml"
    lists = cast("dict[str, list[dict[str, Any]]]", load_mapping(texts, name).get("checklists") or {})
    if not lists:
        raise PolicyError(f"{name} 缺少 checklists。", f"{name}: checklists is missing.")
    item = checklist_items(texts, name)
    return {category: [item(row) for row in rows] for category, rows in lists.items()}


def checklist_items(texts: Texts, name: str) -> Callable[[Mapping[str, Any]], ChecklistItem]:
    """Makes an item of a row {code, required} of the file `name` with the documents of `materials.yaml`. PolicyError
    for an unknown document or condition."""
    documents = cast("dict[str, dict[str, Any]]", load_mapping(texts, "materials.yaml").get("documents") or {})

    def item(row: Mapping[str, Any]) -> ChecklistItem:
        code, required = str(row["code"]), row["required"]
        if code not in documents:
            raise PolicyError(f"{name}：没有材料 {code}。", f"{name}: there is no document {code}.")
        if not isinstance(required, bool) and required not in CONDITIONS:
            raise PolicyError(
                f"{name}：{code} 的 required 应为 true、false 或 {'、'.join(CONDITIONS)}。",
                f"{name}: required of {code} must be true, false or one of {', '.join(CONDITIONS)}.",
            )
        document = documents[code]
        check = document.get("check")
        extra = {"accept": document["accept"]} if "accept" in document else {}
        return ChecklistItem(
            code=code,
            title=Text(zh=document["zh"], en=document["en"]),
            required=required is True,
            when="" if isinstance(required, bool) else required,
            note=Text(zh=check["zh"], en=check["en"]) if check else None,
            **extra,
        )

    return item


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
