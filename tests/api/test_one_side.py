"""One bureau is still open when the payment day comes near: the approved side is paid now, the other follows as back
payment. Real servers, real books, the demo's clock moved over the days."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import httpx2
from sqlalchemy import select

from api import engine, starts
from cli.demo_clock import fast_forward
from domain.times import at
from simulators.launch import Running
from store import demo_clock, ledger
from store.database import session
from store.tables.ledger import Bill, BillLine
from store.tables.processes import Process
from tests.api.conftest import Office
from tests.api.program import Program, behave
from tests.api.test_any_day import put_today_on
from tests.contract import Json

QUESTION = "enrolment.partial_payment"


async def test_the_approved_side_is_paid_and_the_open_one_follows_as_back_payment(
    school: Office, agencies: Running
) -> None:
    await put_today_on(at(date(2026, 11, 20), "10:00"))
    behave(agencies.url)
    slow = {"accept_after_seconds": 0, "decide_after_seconds": 100_000}
    httpx2.put(f"{agencies.url}/medical_bureau/behaviour", json=slow).raise_for_status()
    case = await school.case(
        id_number="E31000001", permit_issued="2026-11-10", permit_expires="2027-11-09", contract_start="2026-11-12"
    )
    assert await starts.start_pending([case]) == 1
    program = await Program.of(school)

    async def work(until: Callable[[Json], bool]) -> Json:
        """Everybody works until the case is as expected; gives it."""
        view: Json = {}
        for _ in range(300):
            await program.round()
            view = await program.case(case)
            if until(view):
                return view
            await asyncio.sleep(0.2)
        raise AssertionError("\n".join(f"{t['at']} {t['text']['zh']}" for t in view["timeline"]))

    said: list[Json] = []

    def seen(item: Json) -> None:
        if item["kind"] == QUESTION:
            said.append(item)

    program.choose = seen
    await work(lambda v: {s["code"]: s["state"] for s in v["stages"]}["social_bureau"] == "done")
    assert said == [], "five days before nobody is asked"

    await move(4)  # Tuesday the 24th; asked on Monday, two working days before the 25th
    view = await work(lambda v: any(t["kind"] == "paid" for t in v["timeline"]))
    assert len(said) == 1
    question = await program.task(said[0]["id"])
    asked_at = datetime.fromisoformat(question["opened_at"])
    assert asked_at.replace(second=0, microsecond=0) == at(date(2026, 11, 23), "08:30"), "two working days before it"
    context = question["context"]
    assert Decimal(context["fee_pay_approved"]) == 0
    assert Decimal(context["fee_wait"]) > 0
    assert view["state"] != "closed"
    assert await bills(case) == {("social", "2026-11", "regular")}

    await move(10)  # Friday the 4th of December
    behave(agencies.url)
    await move(1)
    view = await program.until_ended(case)
    assert view["state"] == "closed", "\n".join(f"{t['at']} {t['text']['zh']}" for t in view["timeline"])
    assert "not_same_month" in view["flags"]
    assert await bills(case) == {
        ("social", "2026-11", "regular"),
        ("medical", "2026-12", "back_payment"),
        ("medical", "2026-12", "regular"),
    }
    async with session() as s:
        lines = await ledger.lines_of_case(s, case)
        late = {
            b.kind: Decimal((await ledger.bill_ref(s, b.id)).late_fee)
            for b in await s.scalars(select(Bill).where(Bill.levy == "medical"))
        }
    assert {(x.levy, x.premium_month) for x in lines} == {
        ("social", "2026-11"), ("medical", "2026-11"), ("medical", "2026-12")
    }  # fmt: skip
    assert late["back_payment"] > 0
    assert late["regular"] == 0


async def move(days: int) -> None:
    """The demo's clock and every running process; one that has ended on the way does not arrive."""
    moved, left = await fast_forward(await engine.client(), None, timedelta(days=days))
    assert moved
    async with session() as s:
        assert [i for i in left if (await s.get_one(Process, i)).closed_at is None] == []
    await demo_clock.refresh()


async def bills(case: str) -> set[tuple[str, str, str]]:
    """(levy, month of payment, kind) of every bill on which the case stands."""
    async with session() as s:
        ids = [x.id for x in await ledger.lines_of_case(s, case)]
        joined = select(Bill).join(BillLine, BillLine.bill_id == Bill.id)
        found = await s.scalars(joined.where(BillLine.line_id.in_(ids)))
        return {(b.levy, b.month, b.kind) for b in found}
