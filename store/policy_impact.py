"""What of the books a change of the rules touches: the open deadlines of open cases, the premium lines, what is owed
past its day, and who will retire.

Reads only. Lines are those in force, and those that an open enrolment would write today; a wage leaves this module only
inside a `DueLine`, a month of birth only inside an `Insured`. What a change does to them is computed by
`domain/policy_impact.py`.
"""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.contributions import PolicyGap
from domain.policy_impact import Arrears, DueLine, Insured, OpenDeadline
from domain.times import month_of, months_between
from schemas.deadlines import Deadline, LegalKind
from schemas.enrolment import KIND as ENROLMENT
from schemas.enrolment import ForeignHire
from schemas.tasks import TaskState
from store.premium_lines import in_force
from store.rule_tables import RuleTables
from store.sealed import unseal
from store.tables.ledger import Bill, BillLine, PremiumLine
from store.tables.people import Hire
from store.tables.processes import Process, Task

LEVIES = ("social", "medical")
PENSION = "pension"


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
    rows = [(*row, "") for row in cases.tuples()] + list(tasks.tuples())
    for process_id, case_no, stored, state in rows:
        for deadline in (Deadline.model_validate(d) for d in stored if d.get("met_at") is None):
            frozen = state == TaskState.SUSPENDED.value and deadline.legal_kind is LegalKind.INTERNAL
            if not frozen and (deadline.provisional or not provisional):
                found.setdefault((process_id, deadline.id), OpenDeadline(process_id, case_no, deadline))
    return list(found.values())


def _holding(table: type[Process | Task], provisional: bool) -> list[ColumnElement[bool]]:
    return [table.deadlines.contains([{"provisional": True}])] if provisional else []


async def due_lines(session: AsyncSession, tables: RuleTables, today: date) -> list[DueLine]:
    """Every premium line in force as it was first written, and what open enrolments would write if they paid today."""
    written = list(
        (
            await session.execute(
                select(
                    PremiumLine.process_id, PremiumLine.levy, PremiumLine.premium_month, PremiumLine.insurance
                ).where(PremiumLine.correction == 0, *in_force())
            )
        ).tuples()
    )
    begun = {(process_id, levy) for process_id, levy, _, _ in written}
    of_case: dict[str, list[tuple[str, str]]] = {}
    for process_id, _, month, insurance in written:
        of_case.setdefault(process_id, []).append((month, insurance))
    hires = await session.execute(
        select(Hire, Process.case_no, Process.closed_at, Process.kind)
        .join(Process, Process.id == Hire.process_id)
        .where(Hire.valid)
    )
    found: list[DueLine] = []
    for hire, case_no, closed_at, kind in hires.tuples():
        due = of_case.get(hire.process_id, [])
        if closed_at is None and kind == ENROLMENT:
            levies = [levy for levy in LEVIES if (hire.process_id, levy) not in begun]
            due = due + _to_write(hire, levies, tables, month_of(today))
        if due:
            record = ForeignHire.model_validate(unseal(hire.record))
            scheme, _ = tables.categories[hire.category]
            found += [
                DueLine(hire.process_id, case_no, hire.person_id, month, insurance, scheme, record.monthly_wage)
                for month, insurance in due
            ]
    return found


def _to_write(hire: Hire, levies: Iterable[str], tables: RuleTables, month: str) -> list[tuple[str, str]]:
    """(month, insurance) as `premium_lines.premiums` would write them when paid in `month`."""
    _, groups = tables.categories[hire.category]
    first = month_of(hire.contract_start)
    found: list[tuple[str, str]] = []
    for levy in levies:
        try:
            insurances = tables.contributions.of_levy(hire.insurances or groups, levy)
        except PolicyGap:
            continue  # a category whose insurances have no line yet: nothing can be written for it
        found += [(m, i) for m in months_between(first, max(first, month)) for i in insurances]
    return found


async def arrears(session: AsyncSession, today: date) -> list[Arrears]:
    """What is written for this month and earlier ones and not paid, by case, levy and month."""
    rows = await session.execute(
        select(
            PremiumLine.process_id,
            Process.case_no,
            PremiumLine.person_id,
            PremiumLine.levy,
            PremiumLine.premium_month,
            func.sum(PremiumLine.unit_amount + PremiumLine.person_amount),
        )
        .join(Process, Process.id == PremiumLine.process_id)
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
    return [Arrears(*row) for row in rows.tuples()]


async def insured(session: AsyncSession, tables: RuleTables, today: date) -> list[Insured]:
    """Everybody with a contract that has not ended and with pension insurance; each once, by the newest hire."""
    hires = await session.execute(
        select(Hire, Process.case_no)
        .join(Process, Process.id == Hire.process_id)
        .where(Hire.valid, Hire.contract_end >= today)
        .order_by(Hire.id)
    )
    found: dict[str, Insured] = {}
    for hire, case_no in hires.tuples():
        _, groups = tables.categories[hire.category]
        if PENSION in tables.contributions.expand(hire.insurances or groups):
            record = ForeignHire.model_validate(unseal(hire.record))
            one = Insured(hire.process_id, case_no, hire.person_id, str(record.sex.value), month_of(record.birth))
            found[hire.person_id] = one
    return list(found.values())
