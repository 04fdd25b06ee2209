"""Withholding and vouchers of a paid bill.

Invariant: the voucher's person part equals the sum of the withheld lines, to the cent; `prepare` refuses otherwise.
"""

import uuid
from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store import ledger
from store.ledger import ZERO
from store.tables.ledger import Voucher, VoucherSplit, Withholding

Split = dict[tuple[str, str, str], Decimal]


class PartsDiffer(ValueError):
    """The voucher's person part and the withheld lines do not agree."""


class NotPrepared(LookupError):
    """The bill has no voucher yet."""


async def withheld(session: AsyncSession, bill_id: str) -> dict[str, Decimal]:
    """The person part of each person on the bill."""
    amounts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in await ledger.lines_of_bill(session, bill_id):
        amounts[line.person_id] += line.person_amount
    return dict(amounts)


async def list_withholdings(session: AsyncSession, bill_id: str) -> list[Withholding]:
    """Writes the list once and gives it back."""
    for person_id, amount in sorted((await withheld(session, bill_id)).items()):
        await session.execute(
            insert(Withholding).values(bill_id=bill_id, person_id=person_id, amount=amount).on_conflict_do_nothing()
        )
    rows = await session.scalars(
        select(Withholding).where(Withholding.bill_id == bill_id).order_by(Withholding.person_id)
    )
    return list(rows)


async def confirm_withholdings(session: AsyncSession, bill_id: str, how: str, actor: str, now: datetime) -> None:
    """Payroll says how it takes the person part: this_month, next_month or receivable."""
    await session.execute(
        update(Withholding).where(Withholding.bill_id == bill_id).values(how=how, confirmed_by=actor, confirmed_at=now)
    )


async def split(session: AsyncSession, bill_id: str) -> Split:
    """(part, insurance, college) -> amount."""
    amounts: Split = defaultdict(lambda: ZERO)
    for line in await ledger.lines_of_bill(session, bill_id):
        amounts["unit", line.insurance, line.org_unit] += line.unit_amount
        amounts["person", line.insurance, line.org_unit] += line.person_amount
    return {k: v for k, v in sorted(amounts.items()) if v}


def part(amounts: Split, name: str) -> Decimal:
    """The total of `unit` or `person`, in yuan."""
    return sum((v for k, v in amounts.items() if k[0] == name), ZERO)


async def prepare(
    session: AsyncSession, bill_id: str, *, voucher_no: str, budget_line: str, actor: str, now: datetime
) -> Voucher:
    """Makes the voucher, or makes it anew after it was sent back; a settled one stays as it is.

    PartsDiffer when the person part is not the sum of what is withheld.
    """
    amounts = await split(session, bill_id)
    taken = sum((w.amount for w in await list_withholdings(session, bill_id)), ZERO)
    if part(amounts, "person") != taken:
        raise PartsDiffer(f"{part(amounts, 'person')} != {taken}")
    voucher = await of_bill(session, bill_id)
    if voucher is not None and voucher.status == "settled":
        return voucher
    if voucher is None:
        voucher = Voucher(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:voucher:{bill_id}")),
            bill_id=bill_id,
            voucher_no=voucher_no,
            budget_line=budget_line,
            prepared_by=actor,
            prepared_at=now,
        )
        session.add(voucher)
    voucher.voucher_no, voucher.budget_line = voucher_no, budget_line
    voucher.prepared_by, voucher.prepared_at = actor, now
    voucher.splits_total = sum(amounts.values(), ZERO)
    await session.flush()
    await session.execute(delete(VoucherSplit).where(VoucherSplit.voucher_id == voucher.id))
    for (which, insurance, org_unit), amount in amounts.items():
        session.add(
            VoucherSplit(voucher_id=voucher.id, part=which, insurance=insurance, org_unit=org_unit, amount=amount)
        )
    await session.flush()
    return voucher


async def of_bill(session: AsyncSession, bill_id: str) -> Voucher | None:
    """The voucher of a bill, if one was prepared."""
    return await session.scalar(select(Voucher).where(Voucher.bill_id == bill_id))


async def settle(session: AsyncSession, bill_id: str, *, settlement_no: str, actor: str, now: datetime) -> None:
    """Finance has settled: voucher and bill are closed. A second call changes nothing."""
    voucher = await of_bill(session, bill_id)
    bill = await ledger.get_bill(session, bill_id)
    if voucher is None:
        raise NotPrepared(bill_id)
    if voucher.status == "settled":
        return
    voucher.status, voucher.settlement_no, voucher.settled_by, voucher.settled_at = "settled", settlement_no, actor, now
    bill.status, bill.settled_at = "settled", now
