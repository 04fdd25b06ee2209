"""Premium lines: what is due and how it came about, written once, only ever added to, late fees, reversal."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from activities.ledger import case_books, freeze_bill, late_fee_estimate, open_lines, reverse_lines, write_lines
from runtime import clock
from schemas.calls import CaseArg, FreezeArg, LateFeeArg
from store import database as db
from store import premium_lines
from store.tables.ledger import PremiumLine
from tests.ledger.conftest import SCOPE, Office, run, twice

CENT = Decimal("0.01")


async def lines(case: CaseArg) -> list[PremiumLine]:
    async with db.session() as s:
        return await premium_lines.lines_of_case(s, case.process_id)


async def test_each_line_shows_base_rate_period_and_source(office: Office) -> None:
    case = await office.case()
    books = await twice(write_lines, office.request(case))
    assert books.written == {"social": 3} and books.unpaid == {"social": 3} and not books.frozen
    assert books.late_fee == {"social": "0.00"}
    found = {x.insurance: x for x in await lines(case)}
    assert sorted(found) == ["pension", "unemployment", "work_injury"]
    pension = found["pension"]
    assert (pension.base, pension.unit_rate, pension.person_rate) == (18000, Decimal("0.16"), Decimal("0.08"))
    assert (pension.unit_amount, pension.person_amount) == (Decimal("2880.00"), Decimal("1440.00"))
    assert "2026-11" in pension.explanation_zh and "18000" in pension.explanation_zh and "16%" in pension.explanation_zh
    assert "B2019" in pension.source and "川人社办发" in pension.source
    assert "sample" in pension.flags, "the limits of 2026 are a sample and must say so"
    assert found["work_injury"].person_amount == 0


async def test_back_months_are_written_by_their_own_limits(office: Office) -> None:
    """Medical limits change in July: a wage above both caps has two bases."""
    case = await office.case(
        contract_start=date(2026, 5, 6), permit_issued=date(2026, 5, 4), monthly_wage=Decimal("60000.00")
    )
    await twice(write_lines, office.request(case, "medical", not_same_month=True))
    found = [x for x in await lines(case) if x.insurance == "medical"]
    assert [(x.premium_month, x.base) for x in found] == [
        ("2026-05", 22938), ("2026-06", 22938), ("2026-07", 23493), ("2026-08", 23493), ("2026-09", 23493),
        ("2026-10", 23493), ("2026-11", 23493),
    ]  # fmt: skip
    assert all("not_same_month" in x.flags and x.payment_month == "2026-11" for x in found)
    waiting = await run(open_lines, SCOPE.model_copy(update={"levy": "medical"}))
    assert (waiting.current, waiting.earlier) == (3, 18)


async def test_no_premium_before_the_contract(office: Office) -> None:
    """Enrolled early: paid with November's payment is the contract's first month, not November."""
    case = await office.case(contract_start=date(2026, 12, 1))
    await run(write_lines, office.request(case))
    assert {x.premium_month for x in await lines(case)} == {"2026-12"}
    waiting = await run(open_lines, SCOPE)
    assert (waiting.current, waiting.earlier) == (3, 0)


async def test_exempt_insurances_are_not_written(office: Office) -> None:
    case = await office.case()
    request = office.request(case).model_copy(update={"insurances": ["work_injury"]})
    await run(write_lines, request)
    assert [x.insurance for x in await lines(case)] == ["work_injury"]


@pytest.mark.parametrize("statement", [update(PremiumLine).values(unit_amount=0), delete(PremiumLine)])
async def test_the_database_refuses_to_change_a_line(office: Office, statement: object) -> None:
    case = await office.case()
    await run(write_lines, office.request(case))
    before = [(x.id, x.unit_amount) for x in await lines(case)]
    with pytest.raises(DBAPIError, match="append-only"):
        async with db.session() as s:
            await s.execute(statement)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert [(x.id, x.unit_amount) for x in await lines(case)] == before


async def test_reversal_adds_opposite_lines_and_leaves_nothing_to_pay(office: Office) -> None:
    case = await office.case()
    await run(write_lines, office.request(case))
    books = await twice(reverse_lines, case)
    assert books.written == {} and books.unpaid == {} and not books.frozen
    found = await lines(case)
    assert len(found) == 6 and sum(x.unit_amount + x.person_amount for x in found) == 0
    assert {x.corrects for x in found if x.voids} == {x.id for x in found if not x.voids}
    assert (await run(open_lines, SCOPE)).current == 0


async def test_a_billed_line_is_not_reversed(office: Office) -> None:
    case = await office.case()
    await run(write_lines, office.request(case))
    await run(freeze_bill, FreezeArg(scope=SCOPE, kind="regular", round=1))
    books = await run(reverse_lines, case)
    assert books.frozen and len(await lines(case)) == 3


async def test_late_fee_counts_each_month_from_its_own_payment_day(office: Office) -> None:
    """October was due on 25 October; paid on 30 November it is 36 days late, November 5: 0.05 % a day."""
    case = await office.case(contract_start=date(2026, 10, 8), permit_issued=date(2026, 10, 5))
    arg = LateFeeArg(
        process_id=case.process_id, levy="social", payment_month="2026-11", paid_on=date(2026, 11, 30)
    )  # fmt: skip
    fee = await run(late_fee_estimate, arg)
    await run(write_lines, office.request(case))
    by_month: dict[str, Decimal] = {}
    for x in await lines(case):
        by_month[x.premium_month] = by_month.get(x.premium_month, Decimal(0)) + x.unit_amount + x.person_amount
    expected = sum(
        (by_month[m] * Decimal("0.0005") * days).quantize(CENT) for m, days in (("2026-10", 36), ("2026-11", 5))
    )
    assert (Decimal(fee.amount), fee.days) == (expected, 36) and expected > 0
    in_time = await run(late_fee_estimate, arg.model_copy(update={"paid_on": date(2026, 10, 25)}))
    assert (in_time.amount, in_time.days) == ("0.00", 0)


async def test_the_books_say_what_it_costs_to_be_late_today(office: Office) -> None:
    case = await office.case(contract_start=date(2026, 10, 8), permit_issued=date(2026, 10, 5))
    await run(write_lines, office.request(case))
    arg = LateFeeArg(
        process_id=case.process_id, levy="social", payment_month="2026-11", paid_on=date(2026, 11, 18)
    )  # fmt: skip
    books = await run(case_books, case)
    assert books.late_fee["social"] == (await run(late_fee_estimate, arg)).amount != "0.00"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wage=st.decimals(min_value="0.01", max_value="1000000", places=2),
    months=st.integers(min_value=0, max_value=9),
    levy=st.sampled_from(["social", "medical"]),
)
async def test_every_amount_is_base_times_rate_to_the_cent(
    office: Office, wage: Decimal, months: int, levy: str
) -> None:
    start = date(2026, 11 - months, 3)
    case = await office.case(monthly_wage=wage, contract_start=start, permit_issued=start)
    await run(write_lines, office.request(case, levy))
    await run(write_lines, office.request(case, levy))
    found = await lines(case)
    assert len(found) == 3 * (months + 1)
    for x in found:
        assert x.base == x.base.to_integral_value() and x.base > 0
        for amount, rate in ((x.unit_amount, x.unit_rate), (x.person_amount, x.person_rate)):
            assert abs(amount - x.base * rate) <= CENT / 2 and amount == amount.quantize(CENT)


async def test_known_on_is_the_cases_own_day(office: Office) -> None:
    """Rates are those known on the day of writing: moved a year on, the same month is still computed by its year."""
    case = await office.case()
    await run(write_lines, office.request(case))
    first = {x.insurance: x.base for x in await lines(case)}
    clock.set_offset(clock.offset() + clock.timedelta(days=365))
    later = await office.case()
    await run(write_lines, office.request(later))
    async with db.session() as s:
        rows = await s.scalars(
            select(PremiumLine).where(
                PremiumLine.process_id == later.process_id, PremiumLine.premium_month == "2026-11"
            )
        )
        assert {x.insurance: x.base for x in rows} == first
