"""A case late at birth reaches `closed` on any day of the year, without a clock being moved: on real servers, with the
real activities and books, by a program that knows only the contract.

"Today" is put on the day by the installation's offset, which every process takes with it when it starts. From the
payment day's closing on the clerk chooses between paying now with a fee and next month's payment; both lead to the end.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from api import starts
from domain.times import at, last_day, month_of, months_between
from runtime import clock
from simulators.launch import Running
from store import ledger
from store.database import session
from store.demo_clock import KEY
from store.tables.ledger import Bill, BillLine
from store.tables.office import Setting
from tests.api.conftest import Office
from tests.api.program import Program, behave

NOW, NEXT = "pay_now", "next_month"
DAYS: dict[str, tuple[str, list[str]]] = {  # the choices asked for: none before the month's payment has closed
    "the payment day before its closing": ("2026-11-25 10:00", []),
    "the payment day after its closing, a rest day, which does not move it": ("2026-10-25 18:00", [NOW, NEXT]),
    "the last day of a month, a rest day": ("2026-10-31 10:00", [NOW]),
    "a public holiday": ("2026-10-03 10:00", []),
    "the last day of a year before one without a published calendar": ("2026-12-31 16:30", [NEXT]),
    "the last day of February, a make-up working day": ("2026-02-28 10:00", [NOW]),
}
PAYMENT_DAY = 25  # Sichuan's, inclusive, until 17:00
UNPUBLISHED = date(2026, 12, 31)  # from here on dates lie in a year without a published calendar
QUESTION = "enrolment.payment_month"


async def put_today_on(instant: datetime) -> None:
    """The installation's clock, for this process and for every workflow that starts."""
    offset = instant - clock.real_now()
    async with session() as s:
        s.add(Setting(key=KEY, value=int(offset.total_seconds())))
    clock.set_offset(offset)


async def late_case(office: Office, today: date, number: int) -> str:
    """Somebody whose permit is 45 days old; the contract began ten days later, in an earlier month."""
    permit = today - timedelta(days=45)
    case = await office.case(
        id_number=f"E{number:08d}",
        id_expires=str(today + timedelta(days=2000)),
        permit_issued=str(permit),
        permit_expires=str(today + timedelta(days=295)),
        residence_expires=str(today + timedelta(days=300)),
        contract_start=str(permit + timedelta(days=10)),
        contract_end=str(today + timedelta(days=600)),
    )
    assert await starts.start_pending([case]) == 1
    return case


@pytest.mark.parametrize("kind", DAYS)
async def test_late_at_birth_reaches_closed(school: Office, agencies: Running, kind: str) -> None:
    instant, choices = DAYS[kind]
    day, _, hour = instant.partition(" ")
    today = date.fromisoformat(day)
    await put_today_on(at(today, hour))
    behave(agencies.url)
    number = 30_000_000 + 10 * list(DAYS).index(kind)
    cases = {await late_case(school, today, number + n): choice for n, choice in enumerate(choices or [""])}
    program = await Program.of(school)
    program.choose = lambda item: (cases[item["process_id"]], {}) if item["kind"] == QUESTION else None
    for case, choice in cases.items():
        view = await program.until_ended(case)
        log = "\n".join(f"{t['at']} {t['text']['zh']}" for t in view["timeline"])
        assert view["state"] == "closed", log
        assert all(d["met_at"] for d in view["deadlines"] if d["legal_kind"] == "payment"), "paid, and still overdue"
        assert "incident" not in [t["kind"] for t in view["timeline"]], log
        assert "late_at_birth" in view["flags"]
        assert [t["data"]["deadline"] for t in view["timeline"] if t["kind"] == "breached"].count("DL-REG-FOR") == 1
        assert any(t["provisional"] for t in view["tasks"]) == (today >= UNPUBLISHED), log
        assert all(t["at"][:10] <= str(today + timedelta(days=1)) for t in view["timeline"]), "a clock was moved"
        asked = [t for t in view["tasks"] if t["kind"] == QUESTION]
        assert len(asked) == (choice in choices), log
        if asked:
            context = (await program.task(asked[0]["id"]))["context"]
            assert 0 < Decimal(context["fee_now"]) < Decimal(context["fee_next"])
        await bills_are_right(case, today, choice)


async def bills_are_right(case: str, today: date, choice: str) -> None:
    """Every month from the contract's on is paid with the chosen month's payment; the earlier ones, and a month whose
    payment day has passed, have a late fee."""
    month = month_of(last_day(month_of(today)) + timedelta(days=1)) if choice == NEXT else month_of(today)
    async with session() as s:
        lines = await ledger.lines_of_case(s, case)
        bills = {
            row[0]: row[1]
            for row in await s.execute(
                select(Bill, BillLine.bill_id)
                .join(BillLine, BillLine.bill_id == Bill.id)
                .where(BillLine.line_id.in_([x.id for x in lines]))
            )
        }
        fees = {b.kind: Decimal((await ledger.bill_ref(s, b.id)).late_fee) for b in bills}
    first = month_of(today - timedelta(days=35))
    assert sorted({x.premium_month for x in lines}) == months_between(first, month)
    assert {(x.levy, x.payment_month) for x in lines} == {("social", month), ("medical", month)}
    assert {b.status for b in bills} == {"settled"}
    assert {b.month for b in bills} == {month}
    assert sorted({b.kind for b in bills}) == ["back_payment", "regular"]
    assert fees["back_payment"] > 0
    assert (fees["regular"] > 0) == (choice == NOW and today.day > PAYMENT_DAY), "counted from the next day on"
