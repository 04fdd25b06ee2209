"""Premium lines of a case: what is due, writing it once, taking it back, and what it costs to be late.

Invariants: lines are only added; every function may be called twice with the same effect as once; amounts are
`Decimal`, yuan with two places; months, base and scheme are decided here from the case's record, never by a caller; no
premium for a month before the contract's, and none for a case that is being cancelled. Whoever adds lines or puts them
on a bill holds the lock of the ledger, so that a line is never reversed and billed at the same time.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain import contributions, late_fee
from domain.deadlines import compute
from domain.times import day_of, month_of, months_between
from runtime import clock
from schemas.base import Text
from schemas.calls import LateFee, LateFeeArg
from schemas.enrolment import CaseBooks, LineRequest
from schemas.process import CANCELLING, ProcessState
from store import case_rules, people, rule_tables
from store import policies as rules
from store.tables.ledger import Bill, BillLine, PremiumLine, TakenOff
from store.tables.processes import Process

UNIT = "school"
ZERO = Decimal("0.00")
NOT_SAME_MONTH = "not_same_month"
CANCELLED = Text(zh="流程已取消，冲销", en="the case was cancelled: reversed")
_LOCK = 7216  # advisory, for the length of the transaction


async def process_now(session: AsyncSession, process_id: str) -> datetime:
    """The process's own time: the installation's, plus what the demo moved this process."""
    process = await session.get(Process, process_id)
    return clock.now() + timedelta(seconds=process.clock_offset_seconds if process else 0)


def shanghai_day(instant: datetime) -> date:
    """The Shanghai day of an instant."""
    return day_of(instant)


async def lock(session: AsyncSession) -> None:
    """One writer of the ledger at a time, until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def premiums(
    session: AsyncSession, process_id: str, levy: str, payment_month: str, insurances: Sequence[str] | None = None
) -> list[contributions.PremiumAmount]:
    """What is due for a levy when it is paid in `payment_month`: each month from the contract's to that one, by its own
    limits and rates as known today: they are the law of that month, whenever the case began. Which insurances are due,
    and of which scheme, is what the case's own rules say. A contract that begins later is paid for its first month."""
    row = await people.hire_row(session, process_id)
    hire = await people.hire_of(session, process_id)
    await rules.refresh(session)
    loaded = rule_tables.load()
    of_case = await case_rules.of_case(session, process_id)
    scheme, every = of_case.categories[row.category]
    wanted = insurances if insurances is not None else (row.insurances or every)
    of_levy = loaded.contributions.of_levy(wanted, levy)
    known_on = shanghai_day(await process_now(session, process_id))
    first = month_of(hire.contract_start)
    found: list[contributions.PremiumAmount] = []
    if of_levy:
        for month in months_between(first, max(first, payment_month)):
            found += contributions.premium(hire.monthly_wage, month, of_levy, scheme, known_on, loaded.contributions)
    return found


async def write_lines(session: AsyncSession, request: LineRequest) -> None:
    """Adds the lines of a levy that are not there yet; one that is there stays as it is. A call that comes late, after
    its case was cancelled, adds none: nobody would reverse them."""
    await lock(session)
    if await session.scalar(select(Process.id).where(Process.id == request.process_id, being_cancelled())):
        return
    row = await people.hire_row(session, request.process_id)
    now = await process_now(session, request.process_id)
    scheme, _ = (await case_rules.of_case(session, request.process_id)).categories[row.category]
    for amount in await premiums(session, request.process_id, request.levy, request.payment_month, request.insurances):
        explanation = amount.explain()
        await session.execute(
            insert(PremiumLine)
            .values(
                process_id=request.process_id,
                person_id=request.person_id,
                unit=UNIT,
                levy=request.levy,
                premium_month=amount.month,
                payment_month=request.payment_month,
                insurance=amount.insurance,
                declared=amount.declared,
                scheme=scheme,
                base=amount.base,
                unit_rate=amount.unit_rate,
                person_rate=amount.person_rate,
                unit_amount=amount.unit_amount,
                person_amount=amount.person_amount,
                org_unit=row.org_unit,
                flags=[*amount.flags, *([NOT_SAME_MONTH] if request.not_same_month else [])],
                explanation_zh=explanation.zh,
                explanation_en=explanation.en,
                source=f"{amount.limit_source}；{amount.rate_source}",
                created_by="system",
                created_at=now,
            )
            .on_conflict_do_nothing(constraint="uq_premium_lines_line")
        )


def being_cancelled() -> ColumnElement[bool]:
    """A case that is cancelled, or about to be: its premiums are no longer due."""
    return or_(Process.state == ProcessState.CANCELLED.value, Process.flags.contains([CANCELLING]))


def unbilled() -> list[ColumnElement[bool]]:
    """A line that stands on no bill, reverses nothing and is not reversed."""
    return [~exists().where(BillLine.line_id == PremiumLine.id), *in_force()]


def in_force() -> list[ColumnElement[bool]]:
    """A line that reverses nothing and is not reversed."""
    return [~PremiumLine.voids, ~taken_back()]


def taken_back() -> ColumnElement[bool]:
    """A line that another one reverses."""
    reversal = aliased(PremiumLine)
    return exists().where(reversal.corrects == PremiumLine.id, reversal.voids)


async def reverse_lines(session: AsyncSession, process_id: str) -> None:
    """Takes back what stands on no bill: a line with the opposite amounts that names the first."""
    await lock(session)
    lines = await session.scalars(
        select(PremiumLine).where(PremiumLine.process_id == process_id, *unbilled()).order_by(PremiumLine.id)
    )
    now = await process_now(session, process_id)
    for line in list(lines):
        await reverse(session, line, now)


async def reverse(session: AsyncSession, line: PremiumLine, now: datetime) -> None:
    """The line of a cancelled case and its reversal add up to nothing."""
    await add_correction(
        session, line, -line.unit_amount, -line.person_amount, CANCELLED, actor="system", now=now, voids=True
    )


async def add_correction(
    session: AsyncSession,
    line: PremiumLine,
    unit: Decimal,
    person: Decimal,
    reason: Text,
    *,
    actor: str,
    now: datetime,
    voids: bool = False,
    month: str | None = None,
    insurance: str | None = None,
    by: contributions.PremiumAmount | None = None,
    payment_month: str | None = None,
) -> PremiumLine:
    """A new line by `unit` and `person` yuan more (or less) that names the one it corrects; `by`: the whole amount as
    it should be, where the base was another; `payment_month`: where it is paid later than the line that it corrects.

    With `month` or `insurance` it books what the case had not written at all; the line named is then the person's first
    on the bill, and the amounts have no base of ours.
    """
    other = (month or line.premium_month, insurance or line.insurance) != (line.premium_month, line.insurance)
    last = await session.scalar(
        select(func.max(PremiumLine.correction)).where(
            PremiumLine.process_id == line.process_id,
            PremiumLine.levy == line.levy,
            PremiumLine.premium_month == (month or line.premium_month),
            PremiumLine.insurance == (insurance or line.insurance),
        )
    )
    added = PremiumLine(
        process_id=line.process_id,
        person_id=line.person_id,
        unit=line.unit,
        levy=line.levy,
        premium_month=month or line.premium_month,
        payment_month=payment_month or line.payment_month,
        insurance=insurance or line.insurance,
        correction=0 if last is None else last + 1,
        corrects=line.id,
        voids=voids,
        declared=None if other else by.declared if by else line.declared,
        scheme=None if other else line.scheme,
        base=ZERO if other else by.base if by else line.base,
        unit_rate=ZERO if other else line.unit_rate,
        person_rate=ZERO if other else line.person_rate,
        unit_amount=unit,
        person_amount=person,
        org_unit=line.org_unit,
        flags=line.flags,
        explanation_zh=f"更正第 {line.id} 行（单位 {unit:+}，个人 {person:+}）：{reason.zh}",
        explanation_en=f"Corrects line {line.id} (unit {unit:+}, person {person:+}): {reason.en}",
        source=line.source,
        reason=reason.zh,
        created_by=actor,
        created_at=now,
    )
    session.add(added)
    await session.flush()
    return added


async def lines_of_case(session: AsyncSession, process_id: str) -> list[PremiumLine]:
    """All lines of a case, reversals included."""
    return list(
        await session.scalars(
            select(PremiumLine)
            .where(PremiumLine.process_id == process_id)
            .order_by(
                PremiumLine.premium_month, PremiumLine.levy, PremiumLine.insurance, PremiumLine.correction
            )
        )
    )  # fmt: skip


async def case_books(session: AsyncSession, process_id: str) -> CaseBooks:
    """Where the money of one case stands: lines written, unpaid, bills that finance has not settled, and the late fee
    on unpaid lines if they were paid today."""
    rows = await session.execute(
        select(PremiumLine.levy, Bill.id, Bill.status, func.count())
        .select_from(PremiumLine)
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .outerjoin(Bill, Bill.id == BillLine.bill_id)
        .where(PremiumLine.process_id == process_id, *in_force())
        .group_by(PremiumLine.levy, Bill.id, Bill.status)
    )
    books = CaseBooks()
    unsettled: set[str] = set()
    for levy, bill_id, status, count in rows:
        books.written[levy] = books.written.get(levy, 0) + count
        if status not in ("paid", "settled"):
            books.unpaid[levy] = books.unpaid.get(levy, 0) + count
        if status == "paid":
            unsettled.add(bill_id)
        books.frozen = books.frozen or bill_id is not None
    books.taken_off = {
        row[0]: row[1]
        for row in await session.execute(
            select(PremiumLine.levy, func.count())
            .where(
                PremiumLine.process_id == process_id,
                exists().where(TakenOff.line_id == PremiumLine.id),
                *unbilled(),
            )
            .group_by(PremiumLine.levy)
        )
    }
    books.unsettled = sorted(unsettled)
    today = shanghai_day(await process_now(session, process_id))
    for levy in sorted(books.unpaid):
        owed = await _owed(session, process_id, levy)
        books.late_fee[levy] = str(fee_on(owed, today)[0])
    return books


async def _owed(session: AsyncSession, process_id: str, levy: str) -> dict[str, Decimal]:
    """Unpaid yuan by premium month."""
    rows = await session.execute(
        select(PremiumLine.premium_month, func.sum(PremiumLine.unit_amount + PremiumLine.person_amount))
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .outerjoin(Bill, Bill.id == BillLine.bill_id)
        .where(
            PremiumLine.process_id == process_id,
            PremiumLine.levy == levy,
            func.coalesce(Bill.status, "").not_in(("paid", "settled")),
            *in_force(),
        )
        .group_by(PremiumLine.premium_month)
    )
    return {str(row[0]): row[1] for row in rows}


def payment_day(month: str) -> date:
    """The legal payment day of a month (DL-PAY-OTHER)."""
    snapshot = rules.snapshot()
    return compute(snapshot.rule("DL-PAY-OTHER", month), month, snapshot, remaining_steps=[]).due


def fee_on(owed: Mapping[str, Decimal], paid_on: date) -> tuple[Decimal, int]:
    """Estimated late fee in yuan and the longest delay in days, each month counted from its own payment day
    (社会保险法 art. 86)."""
    rates = rule_tables.load().late_fees
    estimates = [late_fee.estimate(a, payment_day(m), paid_on, rates) for m, a in sorted(owed.items())]
    return sum((e.amount for e in estimates), ZERO), max((e.days for e in estimates), default=0)


def by_month(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """(month, yuan) added up by month."""
    found: dict[str, Decimal] = {}
    for month, amount in amounts:
        found[month] = found.get(month, ZERO) + amount
    return found


async def late_fee_estimate(session: AsyncSession, arg: LateFeeArg) -> LateFee:
    """What it would cost to pay the case's premiums of a levy on `paid_on`."""
    due = await premiums(session, arg.process_id, arg.levy, arg.payment_month)
    amount, days = fee_on(by_month((a.month, a.unit_amount + a.person_amount) for a in due), arg.paid_on)
    return LateFee(amount=str(amount), days=days)
