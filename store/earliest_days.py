"""The day before which something on record cannot have happened: deadlines are met and norms counted by such days.

Invariants: one rule for a day when it is recorded and when it is amended; a sentence says which day is the bound, why,
and what to do where that day itself is wrong. What lies in the future is refused elsewhere.
"""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from domain.times import day_of, first_day
from schemas.base import Text
from store import people
from store.tables.ledger import Bill
from store.tables.processes import Process


async def hand_in_fault(session: AsyncSession, process: Process, day: date, today: date) -> Text | None:
    """Why an application cannot have been handed in on a day; None when it can.

    The legal time runs from the day of the permit. Where that is unknown, or said to be still to come, nothing was
    handed in before the case was begun.
    """
    try:
        permit = (await people.hire_of(session, process.id)).permit_issued
    except people.UnknownHire:
        permit = None
    if permit is None or permit > today:
        begun = day_of(process.started_at)
        if day >= begun:
            return None
        return Text(
            zh=f"日期不能早于本案发起日期（{begun}），请核对。",
            en=f"The date cannot be before the case was begun ({begun}): check it.",
        )
    if day >= permit:
        return None
    return Text(
        zh=f"日期不能早于工作许可签发日期（{permit}），参保登记的法定期限自该日起算；该日期登记有误的，请先更正。",
        en=f"The date cannot be before the work permit was issued ({permit}), from which the legal time limit of the "
        "registration counts: if that day is wrong on record, amend it first.",
    )


async def payment_fault(session: AsyncSession, bill_id: str, day: date) -> Text | None:
    """Why a bill cannot have been paid on a day; None when it can. The bill of a month is paid in it or later; one of a
    month to come, from the day on which its list was frozen."""
    bill = await session.get_one(Bill, bill_id)
    begins, frozen = first_day(bill.month), day_of(bill.created_at)
    if day >= min(begins, frozen):
        return None
    if frozen < begins:
        return Text(
            zh=f"缴款日期不能早于缴费名单锁定日（{frozen}），请核对。",
            en=f"The payment cannot be before the list was frozen ({frozen}): check the date.",
        )
    return Text(
        zh=f"缴款日期不能早于本征集单缴费月份的第一天（{begins}），请核对。",
        en=f"The payment cannot be before the first day of the month in which this bill is due ({begins}): check the "
        "date.",
    )
