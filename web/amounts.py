"""The contributions of one person by month and insurance, as the ledger has them: for that person's own page.

Invariants: sums of the append-only lines (a correction is a difference), nothing computed; the caller passes the person
behind the login and nobody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables.ledger import Bill, BillLine, PremiumLine


@dataclass
class Amount:
    """One insurance of one month. `standing` is open (on no bill), frozen, paid or settled."""

    month: str
    insurance: str
    base: Decimal
    unit_amount: Decimal
    person_amount: Decimal
    standing: str
    sample: bool


async def of_person(session: AsyncSession, person_id: str) -> Sequence[Amount]:
    """The newest month first; insurances whose lines cancel out are left out."""
    standing = func.coalesce(Bill.status, "open")
    rows = await session.execute(
        select(
            PremiumLine.premium_month,
            PremiumLine.insurance,
            func.max(PremiumLine.base),
            func.sum(PremiumLine.unit_amount),
            func.sum(PremiumLine.person_amount),
            func.min(standing),
            func.bool_or(PremiumLine.flags.contains(["sample"])),
        )
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .outerjoin(Bill, Bill.id == BillLine.bill_id)
        .where(PremiumLine.person_id == person_id)
        .group_by(PremiumLine.premium_month, PremiumLine.insurance)
        .order_by(PremiumLine.premium_month.desc(), func.min(PremiumLine.id))
    )
    found = [Amount(*row) for row in rows]
    return [a for a in found if a.unit_amount or a.person_amount]
