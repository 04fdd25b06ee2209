"""What of the books a change of the rules touches: the open deadlines of open cases, the premium lines, what is owed
past its day, and who will retire.

Reads only. Lines are all those in force, whether a case wrote them or a month's list, and those that an open enrolment
would write today; what cannot be computed is named with the reason and never left out. A wage leaves this module only
inside a `DueLine`, a month of birth only inside an `Insured`. What a change does to them is computed by
`domain/policy_impact.py`.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.contributions import PolicyGap
from domain.policy_impact import PENSION, Arrears, DueLine, Insured, NotComputable, OpenDeadline
from domain.times import add_to_month, month_of, months_between
from schemas.amendment import WAGE
from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind
from schemas.enrolment import KIND as ENROLMENT
from schemas.enrolment import ForeignHire
from schemas.tasks import TaskState
from store import case_rules, retirement_tracks
from store.case_rules import CaseRules
from store.people import vital
from store.premium_lines import in_force
from store.rule_tables import RuleTables
from store.sealed import unseal
from store.tables.amendments import Amendment
from store.tables.ledger import Bill, BillLine, PremiumLine
from store.tables.people import Hire, Person
from store.tables.processes import Process, Task

LEVIES = ("social", "medical")
OF_THE_AGENCY = Text(
    zh="按经办机构的账单登记，没有本校的申报工资，须以机构下次账单为准。",
    en="Booked from the agency's bill, without a declared wage of ours; the agency's next bill decides.",
)
NO_WAGE = Text(
    zh="该行未记载申报工资，也没有参保记录，请按原始申报表人工核算。",
    en="The line holds no declared wage and there is no record of enrolment; compute it by hand from the declaration.",
)


async def open_deadlines(
    session: AsyncSession, process_ids: Iterable[str] | None = None, *, provisional: bool = False
) -> list[OpenDeadline]:
    """The unmet deadlines of open cases (of these, or of all), each id of a case once; only the provisional ones when
    asked. What stands still in a suspended task is left out."""
    wanted: list[ColumnElement[bool]] = [Process.closed_at.is_(None)]
    if process_ids is not None:
        wanted.append(Process.id.in_(list(process_ids)))
    cases = await session.execute(
        select(Process.id, Process.case_no, Process.deadlines).where(*wanted, *_holding(Process, provisional))
    )
    tasks = await session.execute(
        select(Process.id, Process.case_no, Task.deadlines, Task.state)
        .join(Task, Task.process_id == Process.id)
        .where(*wanted, Task.closed_at.is_(None), *_holding(Task, provisional))
    )
    found: dict[tuple[str, str], OpenDeadline] = {}
    rows = [(*row, "") for row in cases] + [(*row,) for row in tasks]
    for process_id, case_no, stored, state in rows:
        for deadline in (Deadline.model_validate(d) for d in stored if d.get("met_at") is None):
            frozen = state == TaskState.SUSPENDED.value and deadline.legal_kind is LegalKind.INTERNAL
            if not frozen and (deadline.provisional or not provisional):
                found.setdefault((process_id, deadline.id), OpenDeadline(process_id, case_no, deadline))
    return list(found.values())


def _holding(table: type[Process | Task], provisional: bool) -> list[ColumnElement[bool]]:
    return [table.deadlines.contains([{"provisional": True}])] if provisional else []


async def due_lines(
    session: AsyncSession, tables: RuleTables, today: date
) -> tuple[list[DueLine], list[NotComputable]]:
    """Every premium line in force as it was first written, and what open enrolments would write if they paid today; and
    the lines of which nobody knows by what wage they were computed."""
    hires: dict[str, tuple[Hire, CaseRules, str, bool]] = {}
    rows = await session.execute(
        select(Hire, Process.policy_version, Process.case_no, Process.closed_at, Process.kind)
        .join(Process, Process.id == Hire.process_id)
        .where(Hire.valid)
    )
    for hire, version, case_no, closed_at, kind in rows:
        of_case = await case_rules.of_version(session, version)
        hires[hire.process_id] = hire, of_case, case_no, closed_at is None and kind == ENROLMENT
    amended = await _wage_amended(session)
    found: list[DueLine] = []
    unknown: list[NotComputable] = []
    begun: set[tuple[str, str]] = set()
    lines = await session.execute(
        select(
            PremiumLine.process_id,
            func.coalesce(Process.case_no, ""),
            PremiumLine.person_id,
            PremiumLine.premium_month,
            PremiumLine.insurance,
            PremiumLine.levy,
            PremiumLine.scheme,
            PremiumLine.declared,
            PremiumLine.corrects,
        )
        .outerjoin(Process, Process.id == PremiumLine.process_id)
        .where(PremiumLine.correction == 0, *in_force())
        .order_by(PremiumLine.id)
    )
    for process_id, named, person_id, month, insurance, levy, scheme, declared, corrects in lines:
        begun.add((process_id, levy))
        whose = process_id, named, person_id, month, insurance
        known = hires.get(process_id)
        if declared is not None and scheme is not None:
            right = _wage(known[0]) if known is not None and process_id in amended else declared
            found.append(DueLine(*whose, scheme, right))
        elif corrects is not None:
            unknown.append(NotComputable(*whose, OF_THE_AGENCY))
        elif known is not None:  # written before lines kept their wage
            found.append(DueLine(*whose, known[1].categories[known[0].category][0], _wage(known[0])))
        else:
            unknown.append(NotComputable(*whose, NO_WAGE))
    for hire, of_case, case_no, running in hires.values():
        levies = [levy for levy in LEVIES if (hire.process_id, levy) not in begun] if running else []
        due, gaps = _to_write(hire, levies, of_case, tables, month_of(today))
        if due:
            scheme, wage = of_case.categories[hire.category][0], _wage(hire)
            found += [DueLine(hire.process_id, case_no, hire.person_id, *line, scheme, wage) for line in due]
        unknown += [
            NotComputable(hire.process_id, case_no, hire.person_id, month_of(today), "", reason, levy)
            for levy, reason in gaps
        ]
    return found, unknown


async def _wage_amended(session: AsyncSession) -> set[str]:
    """Cases whose wage was amended: lines of the difference stand beside the first ones, and both are of that wage."""
    rows = await session.scalars(
        select(Amendment.process_id).where(Amendment.field == WAGE, Amendment.state == "applied").distinct()
    )
    return set(rows)


def _wage(hire: Hire) -> Decimal:
    return ForeignHire.model_validate(unseal(hire.record)).monthly_wage


def _to_write(
    hire: Hire, levies: Iterable[str], of_case: CaseRules, tables: RuleTables, month: str
) -> tuple[list[tuple[str, str]], list[tuple[str, Text]]]:
    """(month, insurance) as `premium_lines.premiums` would write them when paid in `month`; and the levies for which
    it would find no line to write, with the reason."""
    paid = hire.insurances or of_case.insurances(hire.category)
    first = month_of(hire.contract_start)
    found: list[tuple[str, str]] = []
    gaps: list[tuple[str, Text]] = []
    for levy in levies:
        try:
            insurances = tables.contributions.of_levy(paid, levy)
        except PolicyGap as gap:
            gaps.append((levy, gap.text))
            continue
        found += [(m, i) for m in months_between(first, max(first, month)) for i in insurances]
    return found, gaps


async def arrears(session: AsyncSession, today: date) -> list[Arrears]:
    """What is written for this month and earlier ones and not paid, by case, levy and month."""
    rows = await session.execute(
        select(
            PremiumLine.process_id,
            func.coalesce(Process.case_no, ""),
            PremiumLine.person_id,
            PremiumLine.levy,
            PremiumLine.premium_month,
            func.sum(PremiumLine.unit_amount + PremiumLine.person_amount),
        )
        .outerjoin(Process, Process.id == PremiumLine.process_id)
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .outerjoin(Bill, Bill.id == BillLine.bill_id)
        .where(
            PremiumLine.premium_month <= month_of(today),
            func.coalesce(Bill.status, "").not_in(("paid", "settled")),
            *in_force(),
        )
        .group_by(
            PremiumLine.process_id,
            Process.case_no,
            PremiumLine.person_id,
            PremiumLine.levy,
            PremiumLine.premium_month,
        )
    )
    return [Arrears(*row) for row in rows]


async def insured(session: AsyncSession, today: date) -> list[Insured]:
    """Everybody with a contract that has not ended and with pension insurance, by the newest hire; and whoever has a
    pension line of this month or the last one without such a record. Each once, with the track set at the person."""
    hires = await session.execute(
        select(Hire, Process.policy_version, Process.case_no)
        .join(Process, Process.id == Hire.process_id)
        .where(Hire.valid)
        .order_by(Hire.id)
    )
    found: dict[str, Insured] = {}
    known: set[str] = set()
    for hire, version, case_no in hires:
        known.add(hire.person_id)
        of_case = await case_rules.of_version(session, version)
        if hire.contract_end >= today and PENSION in (hire.insurances or of_case.insurances(hire.category)):
            record = ForeignHire.model_validate(unseal(hire.record))
            one = Insured(hire.process_id, case_no, hire.person_id, str(record.sex.value), month_of(record.birth))
            found[hire.person_id] = one
    lines = await session.execute(
        select(PremiumLine.process_id, Person)
        .join(Person, Person.id == PremiumLine.person_id)
        .where(
            PremiumLine.insurance == PENSION,
            PremiumLine.premium_month >= add_to_month(month_of(today), -1),
            PremiumLine.correction == 0,
            *in_force(),
        )
        .order_by(PremiumLine.id)
    )
    for process_id, person in lines:
        if person.id not in known:
            sex, birth = vital(person)
            found[person.id] = Insured(process_id, "", person.id, sex, month_of(birth))
    tracks = await retirement_tracks.of_people(session, found)
    return [replace(one, track=tracks.get(one.person_id, one.track)) for one in found.values()]
