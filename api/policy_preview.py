"""What a change of the rules would do, before it is applied: deadlines, late cases, people whose amounts differ.

Invariants: nothing is written; the texts are checked like shipped files, and a change that breaks them is refused in a
sentence; what costs time runs beside the event loop.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import Problem
from domain import policy, policy_changes, policy_findings, policy_impact
from domain.calendar_changes import refuse_unfit
from domain.policy import PolicyError
from domain.policy_impact import (
    AmountChange,
    Arrears,
    DueLine,
    FeeChange,
    FeeRules,
    Insured,
    NotComputable,
    RetirementChange,
    RetirementTables,
)
from domain.policy_series import Finding
from runtime import clock
from schemas.base import Text
from schemas.deadlines import PolicySnapshot
from schemas.messages_of_fields import message_of
from schemas.policy import (
    ChangedAmount,
    ChangedFee,
    ChangedMonths,
    ChangeKind,
    MovedDeadline,
    NotComputableLine,
    PersonDifference,
    PolicyChange,
    Preview,
)
from schemas.policy_files import FILES, TABLES
from store import people, policies, rule_tables
from store import policy_changes as changes
from store.policy_impact import arrears, due_lines, insured, open_deadlines
from store.rule_tables import RuleTables

LISTED = 500  # lines of each list; counts are whole
ZERO = Decimal("0.00")
_OF_PROPOSAL = ("source", "confidence", "sample", "published_on", "review_by")


class BrokenRule(Problem):
    """The rules could not be used with this change."""

    status, code = 422, "broken_rule"


@dataclass(frozen=True)
class Sides:
    """The rules in force, and with one change more, parsed."""

    before: PolicySnapshot
    after: PolicySnapshot
    tables_before: RuleTables
    tables_after: RuleTables


@dataclass(frozen=True)
class Changed:
    """The rules with one change more. `sides` is None where nothing can be compared: the rules in force cannot be read,
    or other faults are left when a change has been taken back."""

    texts: Mapping[str, str]
    case_version: str | None
    sides: Sides | None
    old: dict[str, object] | None  # what stands where the change goes, before and after it
    new: dict[str, object] | None
    findings: Sequence[Text]


async def changed(change: PolicyChange) -> Changed:
    """Lays a change on the rules in force. BrokenRule names the fault."""
    return await asyncio.to_thread(_changed, change, clock.today())


def _changed(change: PolicyChange, today: date) -> Changed:
    try:
        if change.kind is ChangeKind.REVOKE:
            return _without(change, today)
        texts, before = changes.texts_with(change), policies.texts()
        refuse_unfit(before, change)
        _refuse(change, before, texts)
        sides = _sides(texts)
        return Changed(
            texts=texts,
            case_version=sides.after.version,
            sides=sides,
            old=policy_changes.current(before, change),
            new=policy_changes.current(texts, change),
            findings=_new_findings(change.file, before, texts, today),
        )
    except PolicyError as error:
        inside = "" if error.field in ("kind", "key") else "/new"
        pointer = f"{inside}/{error.field}" if error.field else inside
        raise BrokenRule(error.text, faults=[(pointer, "broken_rule", error.text)]) from error


def _sides(texts: Mapping[str, str]) -> Sides:
    """The rules in force and those of some texts. PolicyError where one cannot be read."""
    with policy_findings.in_words(texts):
        after, tables_after = policy.snapshot(texts, policies.modes()), rule_tables.parse(texts)
    return Sides(policies.snapshot(), after, rule_tables.load(), tables_after)


def _without(change: PolicyChange, today: date) -> Changed:
    """The rules with an applied change taken back. Faults that are there already may stay and are named: rules that
    cannot be read are set right step by step. PolicyError for a fault that is not there yet."""
    place = _taken_back(change)
    (before, there), (texts, left) = changes.fitting(), changes.fitting(change)
    known = {m.text.en for m in there}
    for misfit in left:
        if misfit.text.en not in known:
            raise misfit
    errors = policy_findings.errors(texts)
    for finding in policy_findings.worse(before, texts) if errors else ():
        raise _said(finding)
    sides = None
    if not there:
        with suppress(PolicyError):
            sides = _sides(texts)
    if left or errors:
        findings = [m.text for m in left] + [_said(f).text for f in errors]
    else:
        findings = _new_findings(place.file, before, texts, today) if sides is not None else []
    whole_row = place.kind is ChangeKind.ROW  # what goes is the row that it had brought
    unfit = any(place in m.changes for m in there)
    return Changed(
        texts=texts,
        case_version=sides.after.version if sides is not None else None,
        sides=sides,
        old=place.new if whole_row or unfit else policy_changes.current(before, place),
        new=None if unfit else policy_changes.current(texts, place),
        findings=findings,
    )


def _said(finding: Finding) -> PolicyError:
    return PolicyError(f"{finding.place} {finding.text.zh}", f"{finding.place}: {finding.text.en}")


def _taken_back(change: PolicyChange) -> PolicyChange:
    """The applied change that is to be taken back. PolicyError where there is none of that number in force."""
    for applied in policies.in_force():
        if (str(applied.id), applied.file) == (change.key, change.file):
            return applied
    raise PolicyError(
        f"没有生效中的第 {change.key} 号变更，无可撤销。", f"No change {change.key} is in force: nothing to take back.",
        field="key",
    )  # fmt: skip


def _refuse(change: PolicyChange, before: Mapping[str, str], texts: Mapping[str, str]) -> None:
    """BrokenRule with the fields at fault where the fault is one of the change's fields, PolicyError otherwise. A fault
    that is there already is said as one."""
    errors = policy_findings.errors(texts)
    if not errors:
        return
    new = policy_findings.worse(before, texts)
    if not new:
        raise _there_already(errors[0])
    faults = _fields_at_fault(change, texts)
    if faults:
        pointer, _, text = faults[0]
        where = f"{change.file} {pointer.rpartition('/')[2]}"
        raise BrokenRule(Text(zh=f"{where}：{text.zh}", en=f"{where}: {text.en}"), faults=faults)
    if new[0].kind == "overlap":
        raise BrokenRule(new[0].text, faults=[("/new/valid_from", "overlap", new[0].text)])
    raise _said(new[0])


def _there_already(finding: Finding) -> PolicyError:
    """The sentence for a fault of the rules in force, with the change that has brought it and how to get rid of it."""
    of_file = [c for c in reversed(policies.in_force()) if c.file == finding.file]
    change = next((c for c in of_file if not _stands_without(c, finding)), None)
    whose = (f"由已生效的第 {change.id} 号变更引起", f"comes from change {change.id}") if change else (
        "在随系统发布的文件中", "stands in the shipped files",
    )  # fmt: skip
    advice = ("请先撤销该变更", "take that change back first") if change else (
        "请先更正该值", "correct that value first",
    )  # fmt: skip
    return PolicyError(
        f"现行规则已有错误，{whose[0]}，与本次变更无关：{finding.place} {finding.text.zh}。{advice[0]}，再提出本变更。",
        f"The rules in force have a fault already, not of this change; it {whose[1]}: {finding.place}: "
        f"{finding.text.en}. Please {advice[1]}, then propose this one.",
    )


def _stands_without(change: PolicyChange, finding: Finding) -> bool:
    """Whether the fault would be there also without an applied change."""
    try:
        left = policy_findings.errors(changes.texts_without(change))
    except PolicyError:  # another change needs this one
        return True
    return any((f.file, f.text.en) == (finding.file, finding.text.en) for f in left)


def _fields_at_fault(change: PolicyChange, texts: Mapping[str, str]) -> list[tuple[str, str, Text]]:
    """What the model of the changed file finds wrong with fields of this change."""
    name = change.file
    try:
        if name.endswith(".csv"):
            row = list(policy_findings.values(name, texts))[-1]  # it was added last
            TABLES[name].model_validate(row.fields | row.said)
        else:
            FILES[name].model_validate(policy.load_mapping(texts, name))
    except ValidationError as error:
        found: list[tuple[str, str, Text]] = []
        for detail in error.errors():
            field, said = _field_at_fault(change, detail)
            if field in _OF_PROPOSAL:
                found.append((f"/{field}", str(detail["type"]), said))
            elif change.kind is ChangeKind.ROW or field in change.new:
                found.append((f"/new/{field}", str(detail["type"]), said))
        return found
    return []


def _field_at_fault(change: PolicyChange, detail: ErrorDetails) -> tuple[str, Text]:
    """The field of the change, and the sentence: with the place inside the field where it is a mapping or a list."""
    where, said = [str(p) for p in detail["loc"] if p != "[key]"], message_of(detail)
    named = [i for i, p in enumerate(where) if p in change.new]
    if not named:
        return next((p for p in reversed(detail["loc"]) if isinstance(p, str) and p != "[key]"), ""), said
    inside = ".".join(where[named[-1] + 1 :])
    return where[named[-1]], Text(zh=f"{inside}：{said.zh}", en=f"{inside}: {said.en}") if inside else said


def _new_findings(file: str, before: Mapping[str, str], after: Mapping[str, str], today: date) -> list[Text]:
    known = {f.text.en for f in policy_findings.warnings(before, today, [file])}
    return [f.text for f in policy_findings.warnings(after, today, [file]) if f.text.en not in known]


async def preview(s: AsyncSession, rules: Changed) -> Preview:
    """What the change would do now."""
    now, today = clock.now(), clock.today()
    sides = rules.sides
    moves: list[MovedDeadline] = []
    differing, fees, retiring = list[AmountChange](), list[FeeChange](), list[RetirementChange]()
    unknown: list[NotComputable] = []
    if sides is not None:
        if sides.after.version != sides.before.version:
            found = await open_deadlines(s)
            moves = await asyncio.to_thread(policy_impact.moved_by, found, sides.before, sides.after, now)
        differing, no_line = await _amounts(s, sides, today)
        fees, no_fee = await _fees(s, sides, today)
        retiring, no_track = await _retirements(s, sides, today)
        unknown = [*no_line, *no_fee, *no_track]
    concerned = {c.line.person_id for c in differing}
    concerned |= {c.arrears.person_id for c in fees} | {c.insured.person_id for c in retiring}
    concerned |= {c.person_id for c in unknown}
    names = await people.names_of(s, list(concerned))
    persons = _persons(differing, fees, names)
    unit, person = sum((c.unit for c in differing), ZERO), sum((c.person for c in differing), ZERO)
    fee = sum((c.new - c.old for c in fees), ZERO)
    return Preview(
        deadlines_moved=sum(m.old_due_at != m.new_due_at for m in moves),
        deadlines_replanned=sum(m.replanned for m in moves),
        deadlines_final=sum(m.becomes_final for m in moves),
        deadlines_automatic=sum(m.automatic for m in moves),
        cases_touched=len({m.process_id for m in moves}),
        cases_late=len({m.process_id for m in moves if m.becomes_late}),
        cases_tight=len({m.process_id for m in moves if m.becomes_tight}),
        people=len(persons),
        lines=len(differing),
        fees=len(fees),
        people_months=len(retiring),
        unit_difference=str(unit),
        person_difference=str(person),
        fee_difference=str(fee),
        total_difference=str(unit + person + fee),
        lines_not_computable=len(unknown),
        findings=list(rules.findings),
        deadlines=moves[:LISTED],
        persons=persons[:LISTED],
        amounts=[_amount(c, names) for c in differing[:LISTED]],
        late_fees=[_fee(c, names) for c in fees[:LISTED]],
        retirements=[_retirement(c, names) for c in retiring[:LISTED]],
        not_computable=[_unknown(c, names) for c in unknown[:LISTED]],
    )


async def _amounts(s: AsyncSession, rules: Sides, today: date) -> tuple[list[AmountChange], list[NotComputable]]:
    old, new = rules.tables_before.contributions, rules.tables_after.contributions
    if old == new:
        return [], []
    lines, unknown = await due_lines(s, rules.tables_before, today)
    differing, gaps = await asyncio.to_thread(policy_impact.amounts_changed, lines, old, new, today)
    schemes = {scheme for scheme, _ in rules.tables_before.categories.values()}
    return differing, [*gaps, *policy_impact.touched(unknown, sorted(schemes), old, new, today)]


async def _fees(s: AsyncSession, rules: Sides, today: date) -> tuple[list[FeeChange], list[NotComputable]]:
    old = FeeRules(rules.tables_before.late_fees, rules.before)
    new = FeeRules(rules.tables_after.late_fees, rules.after)
    if old.rates == new.rates and old.snapshot.version == new.snapshot.version:
        return [], []
    return await asyncio.to_thread(policy_impact.fees_changed, await arrears(s, today), old, new, today)


async def _retirements(
    s: AsyncSession, rules: Sides, today: date
) -> tuple[list[RetirementChange], list[NotComputable]]:
    old, new = (RetirementTables(t.checks.ages, t.retirement) for t in (rules.tables_before, rules.tables_after))
    if old == new:
        return [], []
    return policy_impact.retirements_changed(await insured(s, today), old, new)


def _of(found: Arrears | DueLine | Insured | NotComputable, names: Mapping[str, str]) -> dict[str, str]:
    """The fields of `OfPerson`."""
    return {
        "person_id": found.person_id,
        "name": names.get(found.person_id, ""),
        "process_id": found.process_id,
        "case_no": found.case_no,
    }


def _unknown(found: NotComputable, names: Mapping[str, str]) -> NotComputableLine:
    return NotComputableLine(
        **_of(found, names), month=found.month, insurance=found.insurance, levy=found.levy, reason=found.reason
    )


def _fee(change: FeeChange, names: Mapping[str, str]) -> ChangedFee:
    owed = change.arrears
    return ChangedFee(
        **_of(owed, names),
        levy=owed.levy,
        month=owed.month,
        owed=str(owed.owed),
        old_due=change.old_due,
        new_due=change.new_due,
        paid_on=change.paid_on,
        old=str(change.old),
        new=str(change.new),
        difference=str(change.new - change.old),
    )


def _retirement(change: RetirementChange, names: Mapping[str, str]) -> ChangedMonths:
    one = change.insured
    return ChangedMonths(
        **_of(one, names),
        track=one.track,
        old_retire=change.old_month,
        new_retire=change.new_month,
        old_months=change.old_minimum,
        new_months=change.new_minimum,
    )


def _amount(change: AmountChange, names: Mapping[str, str]) -> ChangedAmount:
    line = change.line
    return ChangedAmount(
        **_of(line, names),
        month=line.month,
        insurance=line.insurance,
        old_unit=str(change.old_unit),
        old_person=str(change.old_person),
        new_unit=str(change.new_unit),
        new_person=str(change.new_person),
        difference=str(change.unit + change.person),
    )


def _persons(
    differing: Sequence[AmountChange], fees: Sequence[FeeChange], names: Mapping[str, str]
) -> list[PersonDifference]:
    """The largest difference first."""
    of_person: dict[str, list[AmountChange]] = defaultdict(list)
    fee_of: dict[str, list[FeeChange]] = defaultdict(list)
    for change in differing:
        of_person[change.line.person_id].append(change)
    for charge in fees:
        fee_of[charge.arrears.person_id].append(charge)
    found: list[tuple[Decimal, PersonDifference]] = []
    for person_id in {**of_person, **fee_of}:
        mine, charged = of_person.get(person_id, []), fee_of.get(person_id, [])
        unit, person = sum((c.unit for c in mine), ZERO), sum((c.person for c in mine), ZERO)
        fee = sum((c.new - c.old for c in charged), ZERO)
        total = unit + person + fee
        view = PersonDifference(
            person_id=person_id,
            name=names.get(person_id, ""),
            months=sorted({c.line.month for c in mine} | {c.arrears.month for c in charged}),
            unit=str(unit),
            person=str(person),
            fee=str(fee),
            total=str(total),
        )
        found.append((total, view))
    return [view for _, view in sorted(found, key=lambda f: (-abs(f[0]), f[1].person_id))]
