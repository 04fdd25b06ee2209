"""An amended wage: to the cent what the right wage gives, on the same bill or with the next payment, never a refund."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from activities.ledger import freeze_bill, open_lines, reverse_lines, write_lines
from domain.times import at
from runtime import clock
from schemas.amendment import FIELDS, WAGE
from schemas.calls import CaseArg, FreezeArg, PaymentScope
from schemas.tax_payment import BillKind
from store import database as db
from store import ledger, premium_lines, recorded, wage_differences
from store.recorded import BILLED_TOO_HIGH, RECORD, Recorded
from store.tables.processes import Process
from tests.ledger.conftest import SCOPE, Office, run

REGULAR = FreezeArg(scope=SCOPE, kind=BillKind.REGULAR, round=1)
OLD = "18000.00"


async def amend(case: CaseArg, new: str, old: str = OLD) -> None:
    """As a confirmed amendment writes it."""
    async with db.session() as s:
        process = await process_of(s, case)
        value = Recorded(FIELDS[WAGE], "", RECORD, old)
        await recorded.write(s, process, value, new, source=f"amendment-{new}", actor="supervisor")


async def process_of(s: db.AsyncSession, case: CaseArg) -> Process:
    found = await s.get(Process, case.process_id)
    if found is None:
        found = Process(
            id=case.process_id, kind="enrolment", case_no=case.process_id, subject=case.person_id,
            started_by="clerk", started_at=clock.now(),
        )  # fmt: skip
        s.add(found)
        await s.flush()
    return found


async def sums(case: CaseArg) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """(month, insurance) -> both parts over all lines of the case."""
    found: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    async with db.session() as s:
        for line in await ledger.lines_of_case(s, case.process_id):
            found[line.premium_month, line.insurance][0] += line.unit_amount
            found[line.premium_month, line.insurance][1] += line.person_amount
    return {key: (unit, person) for key, (unit, person) in found.items()}


async def right(case: CaseArg) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """What the record's wage gives, counted anew."""
    async with db.session() as s:
        due = await premium_lines.premiums(s, case.process_id, "social", "2026-11", office_insurances())
    return {(a.month, a.insurance): (a.unit_amount, a.person_amount) for a in due}


def office_insurances() -> list[str]:
    return ["pension", "unemployment", "work_injury"]


@pytest.mark.parametrize("new", ["21345.67", "9000.55", "1.00", "900000.00"])  # the last two beyond both limits
async def test_what_is_on_no_bill_is_made_up_on_the_same_bill(office: Office, new: str) -> None:
    case = await office.case(contract_start=date(2026, 9, 7), permit_issued=date(2026, 9, 1))
    await run(write_lines, office.request(case))
    await amend(case, new)
    assert await sums(case) == await right(case)
    await amend(case, "20000.01", old=new)  # and once more
    assert await sums(case) == await right(case)
    regular = await run(freeze_bill, REGULAR)
    back = await run(freeze_bill, REGULAR.model_copy(update={"kind": BillKind.BACK_PAYMENT}))
    total = sum(unit + person for unit, person in (await right(case)).values())
    assert regular.total + back.total - Decimal(regular.late_fee) - Decimal(back.late_fee) == total
    assert (await run(open_lines, SCOPE)) == (await run(open_lines, SCOPE)).model_copy(
        update={"current": 0, "earlier": 0}
    )


async def test_what_is_billed_is_made_up_with_the_next_payment_and_never_lowered(office: Office) -> None:
    case = await office.case()
    bill = await office.billed(case)
    await amend(case, "19000.00")
    assert await sums(case) == await right(case)
    async with db.session() as s:
        assert await wage_differences.to_pay(s, case.process_id) == [SCOPE], "still before the payment day"
    more = await run(freeze_bill, FreezeArg(scope=SCOPE, kind=BillKind.SUPPLEMENTARY, round=2))
    assert more.lines == 3 and more.bill_id != bill.bill_id
    async with db.session() as s:
        process = await process_of(s, case)
        process.started_at = at(date(2026, 11, 3), "09:00")
        value = Recorded(FIELDS[WAGE], "", RECORD, "19000.00")
        assert await recorded.fault(s, process, value, "18500.00") == BILLED_TOO_HIGH
        assert await recorded.fault(s, process, value, "19500.00") is None
    december = "2026-12"
    assert wage_differences.next_payment(date(2026, 11, 25)) == "2026-11"
    assert wage_differences.next_payment(date(2026, 11, 26)) == december
    assert PaymentScope(unit="school", levy="social", month=december) != SCOPE


async def test_a_cancelled_case_reverses_the_differences_too(office: Office) -> None:
    case = await office.case()
    await run(write_lines, office.request(case))
    await amend(case, "19000.00")
    await run(reverse_lines, case)
    assert all(unit == person == 0 for unit, person in (await sums(case)).values())
    async with db.session() as s:
        assert await wage_differences.of_case(s, case.process_id, Decimal("19000.00"), Decimal("20000.00")) == []
