"""What an amended wage changes in the premium lines of a case: lines that add the difference, never a changed line.

Invariants: a difference is one of rounded amounts, by the limits and rates that the line was written by, so that the
old line and the new one together are what the right wage gives to the cent (`domain/differences.py` counts the same
way). A line that is on no bill yet is made up on the same bill; one that is billed is made up with the next payment, as
a supplementary or back-payment bill. What was billed too high is no line of ours: the tax office refunds it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import contributions
from domain.contributions import PremiumAmount
from domain.times import add_to_month, month_of
from schemas.base import Text
from schemas.calls import PaymentScope
from store import policies, rule_tables
from store.premium_lines import add_correction, in_force, lock, payment_day, shanghai_day, unbilled
from store.tables.ledger import BillLine, PremiumLine

WAGE = Text(zh="月工资更正，补差", en="the monthly wage was amended: the difference")


@dataclass(frozen=True)
class WageDifference:
    """Of one line: by how much it was too low (negative: too high), and the amount by the right wage."""

    line: PremiumLine
    right: PremiumAmount
    unit: Decimal
    person: Decimal
    billed: bool


async def of_case(session: AsyncSession, process_id: str, old: Decimal, new: Decimal) -> list[WageDifference]:
    """The lines of a case that the wage moves; limits can keep one where it is."""
    rows = await session.execute(
        select(PremiumLine, BillLine.bill_id)
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .where(PremiumLine.process_id == process_id, PremiumLine.correction == 0, *in_force())
        .order_by(PremiumLine.id)
    )
    await policies.refresh(session)
    tables = rule_tables.load().contributions
    found: list[WageDifference] = []
    for line, bill_id in rows:
        if line.declared is None or line.scheme is None:
            continue  # the agency's own amount, which no wage of ours has made
        known_on = shanghai_day(line.created_at)
        was, right = (
            contributions.premium(wage, line.premium_month, [line.insurance], line.scheme, known_on, tables)[0]
            for wage in (old, new)
        )
        unit, person = right.unit_amount - was.unit_amount, right.person_amount - was.person_amount
        if unit or person:
            found.append(WageDifference(line, right, unit, person, bill_id is not None))
    return found


async def write(
    session: AsyncSession, process_id: str, old: Decimal, new: Decimal, *, actor: str, now: datetime
) -> None:
    """Adds the lines of the differences."""
    await lock(session)
    following = next_payment(shanghai_day(now))
    for found in await of_case(session, process_id, old, new):
        await add_correction(
            session,
            found.line,
            found.unit,
            found.person,
            WAGE,
            actor=actor,
            now=now,
            by=found.right,
            payment_month=following if found.billed else None,
        )


def next_payment(today: date) -> str:
    """The month with whose payment a line of today is paid."""
    month = month_of(today)
    return month if today <= payment_day(month) else add_to_month(month, 1)


async def to_pay(session: AsyncSession, process_id: str) -> list[PaymentScope]:
    """The payments that wait for lines of this case."""
    rows = await session.execute(
        select(PremiumLine.unit, PremiumLine.levy, PremiumLine.payment_month)
        .where(PremiumLine.process_id == process_id, *unbilled())
        .distinct()
        .order_by(PremiumLine.levy, PremiumLine.payment_month)
    )
    return [PaymentScope(unit=unit, levy=levy, month=month) for unit, levy, month in rows]
