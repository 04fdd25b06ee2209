"""What a change of the rules would do, before it is applied: deadlines, late cases, people whose amounts differ.

Invariants: nothing is written; the texts are checked like shipped files, and a change that breaks them is refused in a
sentence; what costs time runs beside the event loop.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import Problem
from domain import policy, policy_changes, policy_findings, policy_impact
from domain.policy import PolicyError
from domain.policy_impact import AmountChange
from runtime import clock
from schemas.base import Text
from schemas.deadlines import PolicySnapshot
from schemas.policy import ChangedAmount, MovedDeadline, PersonDifference, PolicyChange, Preview
from store import people, policies, rule_tables
from store import policy_changes as changes
from store.policy_impact import due_lines, open_deadlines
from store.rule_tables import RuleTables

LISTED = 500  # lines of each list; counts are whole
ZERO = Decimal("0.00")


class BrokenRule(Problem):
    """The rules could not be used with this change."""

    status, code = 422, "broken_rule"


@dataclass(frozen=True)
class Changed:
    """The rules with one change more, parsed; `before` are those in force."""

    texts: Mapping[str, str]
    before: PolicySnapshot
    after: PolicySnapshot
    tables_before: RuleTables
    tables_after: RuleTables
    old: dict[str, object] | None  # what stands where the change goes, before and after it
    new: dict[str, object] | None
    findings: Sequence[Text]


async def changed(change: PolicyChange) -> Changed:
    """Lays a change on the rules in force. BrokenRule names the fault."""
    return await asyncio.to_thread(_changed, change, clock.today())


def _changed(change: PolicyChange, today: date) -> Changed:
    before = policies.texts()
    try:
        old = policy_changes.current(before, change)
        texts = changes.texts_with(change)
        policy_findings.refuse(texts)
        return Changed(
            texts=texts,
            before=policies.snapshot(),
            after=policy.snapshot(texts, policies.modes()),
            tables_before=rule_tables.load(),
            tables_after=rule_tables.parse(texts),
            old=old,
            new=policy_changes.current(texts, change),
            findings=_new_findings(change.file, before, texts, today),
        )
    except PolicyError as error:
        raise BrokenRule(error.text, faults=[("/new", "broken_rule", error.text)]) from error


def _new_findings(file: str, before: Mapping[str, str], after: Mapping[str, str], today: date) -> list[Text]:
    known = {f.text.en for f in policy_findings.warnings(before, today, [file])}
    return [f.text for f in policy_findings.warnings(after, today, [file]) if f.text.en not in known]


async def preview(s: AsyncSession, rules: Changed) -> Preview:
    """What the change would do now."""
    now, today = clock.now(), clock.today()
    moves: list[MovedDeadline] = []
    if rules.after.version != rules.before.version:
        found = await open_deadlines(s)
        moves = await asyncio.to_thread(policy_impact.moved_by, found, rules.before, rules.after, now)
    differing: list[AmountChange] = []
    missing = 0
    old, new = rules.tables_before.contributions, rules.tables_after.contributions
    if old != new:
        lines = await due_lines(s, rules.tables_before, today)
        differing, missing = await asyncio.to_thread(policy_impact.amounts_changed, lines, old, new, today)
    names = await people.names_of(s, list({c.line.person_id for c in differing}))
    persons = _persons(differing, names)
    unit, person = sum((c.unit for c in differing), ZERO), sum((c.person for c in differing), ZERO)
    return Preview(
        deadlines_moved=sum(m.old_due_at != m.new_due_at for m in moves),
        deadlines_final=sum(m.becomes_final for m in moves),
        deadlines_automatic=sum(m.automatic for m in moves),
        cases_touched=len({m.process_id for m in moves}),
        cases_late=len({m.process_id for m in moves if m.becomes_late}),
        cases_tight=len({m.process_id for m in moves if m.becomes_tight}),
        people=len(persons),
        lines=len(differing),
        unit_difference=str(unit),
        person_difference=str(person),
        total_difference=str(unit + person),
        not_computable=missing,
        findings=list(rules.findings),
        deadlines=moves[:LISTED],
        persons=persons[:LISTED],
        amounts=[_amount(c, names) for c in differing[:LISTED]],
    )


def _amount(change: AmountChange, names: Mapping[str, str]) -> ChangedAmount:
    line = change.line
    return ChangedAmount(
        person_id=line.person_id,
        name=names.get(line.person_id, ""),
        process_id=line.process_id,
        case_no=line.case_no,
        month=line.month,
        insurance=line.insurance,
        old_unit=str(change.old_unit),
        old_person=str(change.old_person),
        new_unit=str(change.new_unit),
        new_person=str(change.new_person),
        difference=str(change.unit + change.person),
    )


def _persons(differing: Sequence[AmountChange], names: Mapping[str, str]) -> list[PersonDifference]:
    """The largest difference first."""
    of_person: dict[str, list[AmountChange]] = defaultdict(list)
    for change in differing:
        of_person[change.line.person_id].append(change)
    totals = [
        (person_id, sum((c.unit for c in mine), ZERO), sum((c.person for c in mine), ZERO), mine)
        for person_id, mine in of_person.items()
    ]
    totals.sort(key=lambda t: (-abs(t[1] + t[2]), t[0]))
    return [
        PersonDifference(
            person_id=person_id,
            name=names.get(person_id, ""),
            months=sorted({c.line.month for c in mine}),
            unit=str(unit),
            person=str(person),
            total=str(unit + person),
        )
        for person_id, unit, person, mine in totals
    ]
