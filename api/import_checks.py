"""From rows of a spreadsheet to hires that may start: values, rules, permissions, copies within the file.

What the row says is read by `api.spreadsheets`; what the law and the record demand is `domain.enrolment_checks`. Here
both meet, each cell getting one sentence at most of each kind. Nothing here writes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from api.spreadsheets.cells import half_width
from api.spreadsheets.columns import People, Remark, Row, Table
from api.spreadsheets.headings import label
from domain.enrolment_checks import OVER_AGE, CheckRules, Finding, HireFacts, check
from domain.names_alike import name_key, names_alike
from domain.retirement import STANDARD, Track
from schemas.base import Text
from schemas.enrolment import ForeignHire
from store import rule_tables
from store.sealed import number_hash

OTHER_TRACK = Text(
    zh="如属高级职称或处级女性，请由社保经办人在“单个录入”中选择退休口径并写明任职文件后发起。",
    en="A woman with a senior title or a division head: the insurance office starts her as a single person, with the "
    "track of retirement and the paper behind it.",
)
_FACTS = frozenset(HireFacts.__dataclass_fields__)


def check_rules() -> CheckRules:
    """The data behind the checks."""
    return rule_tables.load().checks


@dataclass
class Candidate:
    """A row with everything said about it. `hire` is there when nothing hinders it."""

    row: Row
    name: str
    hire: ForeignHire | None = None
    faults: list[Remark] = field(default_factory=list[Remark])
    watch: list[Remark] = field(default_factory=list[Remark])
    same_as: int | None = None  # the key of the row of this file with the same person
    alike: "Candidate | None" = None  # an earlier row of this file that may be the same person with another document
    differs: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    spelled: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


def code_of(finding: Finding) -> str:
    """R03 stays as the agencies write it; words become small letters like all other codes of the API."""
    return finding.code if finding.code[1:].isdigit() else finding.code.lower()


def advised(finding: Finding, sex: str | None, track: Track | None) -> Text:
    """The sentence of a finding; of somebody over the age by the own post also where another track is set, if there is
    one for the group."""
    loaded = rule_tables.load()
    group = loaded.checks.ages.get(str(sex))
    by_post = track is None or track.id == STANDARD
    if finding.code != OVER_AGE or not by_post or group is None or not any(t.fits(group.code) for t in others(loaded)):
        return finding.message
    return Text(zh=finding.message.zh + OTHER_TRACK.zh, en=f"{finding.message.en} {OTHER_TRACK.en}")


def others(loaded: rule_tables.RuleTables) -> list[Track]:
    """The tracks of retirement that are not the own post."""
    return [track for track in loaded.retirement.tracks.values() if track.id != STANDARD]


def findings(
    values: dict[str, Any], today: date, known_faults: set[str], tracks: Mapping[str, Track]
) -> tuple[list[Remark], list[Remark]]:
    """Faults and watches of the rules, each with the field's template heading as column.

    `known_faults` are fields about which something was said already: they are not called missing as well.
    `tracks` of retirement by the hash of the person's number.
    """
    number = values.get("id_number")
    track = tracks.get(number_hash(number)) if isinstance(number, str) and tracks else None
    facts = HireFacts(**{k: v for k, v in values.items() if k in _FACTS})
    faults: list[Remark] = []
    watch: list[Remark] = []
    for found in check(facts, today, check_rules(), track):
        if found.field in known_faults:
            continue
        remark = Remark(label(found.field).zh, code_of(found), advised(found, facts.sex, track), found.field)
        (faults if found.fault else watch).append(remark)
    return faults, watch


def validate(values: dict[str, Any]) -> tuple[ForeignHire | None, list[Remark]]:
    """The record as the case will store it, or what its model refuses."""
    try:
        return ForeignHire.model_validate(values), []
    except ValidationError as error:
        faults: list[Remark] = []
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else ""
            faults.append(Remark(label(name).zh if name else "", "bad_value", _sentence(name, item), name))
        return None, faults


def _sentence(name: str, item: Any) -> Text:
    """A pydantic fault in the words of the office."""
    title = label(name) if name else Text(zh="该行", en="The row")
    context = item.get("ctx") or {}
    kind = str(item["type"])
    if kind == "missing":
        return Text(zh=f"缺少{title.zh}，请补填。", en=f"{title.en} is missing; please add it.")
    if kind == "string_too_long":
        n = context.get("max_length")
        return Text(zh=f"{title.zh}过长，最多 {n} 个字符。", en=f"{title.en} is too long: at most {n} characters.")
    if kind == "string_too_short":
        n = context.get("min_length")
        return Text(zh=f"{title.zh}过短，至少 {n} 个字符。", en=f"{title.en} is too short: at least {n} characters.")
    if kind in ("less_than_equal", "greater_than", "decimal_max_places", "finite_number"):
        return Text(
            zh=f"{title.zh}应大于 0、不超过 1000000，且最多两位小数。",
            en=f"{title.en} must be above 0, at most 1000000, with at most two decimal places.",
        )
    return Text(zh=f"{title.zh}填写有误，请核对。", en=f"{title.en} is not valid; please check it.")


def examine(
    people: People, today: date, allowed_units: set[str] | None, tracks: Mapping[str, Track]
) -> list[Candidate]:
    """Every row of a file with its faults.

    Args:
        today: the Shanghai day of the upload.
        allowed_units: colleges whose people this user may start; None: all.
        tracks: of retirement, by the hash of the person's number, where one was set.
    """
    candidates: list[Candidate] = []
    first: dict[str, Candidate] = {}
    alike: dict[str, Candidate] = {}
    for row in people.rows:
        candidate = Candidate(row, str(row.values.get("name", "")), faults=list(row.faults))
        said = {f.field for f in row.faults}
        faults, candidate.watch = findings(row.values, today, said, tracks)
        candidate.faults += faults
        unit = row.values.get("org_unit")
        if allowed_units is not None and unit is not None and unit not in allowed_units:
            candidate.faults.append(Remark(label("org_unit").zh, "org_unit_not_yours", NOT_YOURS, "org_unit"))
        if not candidate.faults:
            candidate.hire, candidate.faults = validate(row.values)
        if candidate.hire is not None:
            earlier = first.setdefault(candidate.hire.id_number, candidate)
            if earlier is not candidate:
                candidate.same_as = earlier.row.key
                candidate.differs = differences(earlier.hire, row.values) if earlier.hire else []
                candidate.spelled = spellings(earlier.hire, row.values) if earlier.hire else []
            else:
                marks = marks_of(candidate.hire)
                candidate.alike = next((alike[mark] for mark in marks if mark in alike), None)
                for mark in marks:
                    alike.setdefault(mark, candidate)
        candidate.faults = [_with_heading(f, row.table) for f in candidate.faults]
        candidate.watch = [_with_heading(f, row.table) for f in candidate.watch]
        candidates.append(candidate)
    return candidates


def marks_of(hire: ForeignHire) -> tuple[str, str]:
    """By what a person is known again under another document number: work permit; name, birth and country."""
    return f"permit {hire.work_permit_no}", f"who {name_key(hire.name)} {hire.birth} {hire.country}"


NOT_YOURS = Text(
    zh="该人员不属于您负责的学院，请由所在学院或社保经办人提交。",
    en="This person belongs to a college that is not yours; that college or the office must submit the row.",
)


def _with_heading(remark: Remark, table: Table) -> Remark:
    """The same remark under the heading that the file has."""
    if not remark.field or remark.column in table.headings:
        return remark
    return Remark(table.heading(remark.field), remark.code, remark.text, remark.field)


def differences(known: ForeignHire, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Fields that the row states otherwise than the record: (field, before, after); one left out is none, and another
    spelling of the same value is none."""
    return [(name, one, two) for name, one, two in _unlike(known, values) if not _same(name, one, two)]


def spellings(known: ForeignHire, values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Fields that the row only spells otherwise than the record: TANAKA, Haruto for Haruto Tanaka."""
    return [(name, one, two) for name, one, two in _unlike(known, values) if _same(name, one, two)]


def _unlike(known: ForeignHire, values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in values.items():
        before, after = plain(getattr(known, name)), plain(value)
        if before != after:
            yield name, before, after


def _same(name: str, one: str, two: str) -> bool:
    """Whether two texts are one value to people: order and case of a name, case of an address, 86 before a number."""
    if name == "name":
        return names_alike(one, two)
    if name == "phone":
        one, two = (re.sub(r"^(\+|00)86", "", number) for number in (one, two))
    return half_width(one).casefold() == half_width(two).casefold()


def plain(value: Any) -> str:
    """A value as people read it, the same for equal values."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
