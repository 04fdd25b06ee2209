"""Somebody leaves while the month's payment is under way: on real servers and books the others are paid, and who has
left costs nothing and blocks nobody. By a program that knows only the contract."""

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from api import starts
from domain.times import at
from simulators.launch import Running
from store import ledger, taking_off
from store.database import session
from store.tables.ledger import Bill, PremiumLine
from tests.api.conftest import Office
from tests.api.program import Program, behave
from tests.api.test_any_day import put_today_on
from tests.api.test_one_side import move
from tests.contract import Json, aperform, complete, pages

TODAY = at(date(2026, 11, 16), "10:00")
LEAVING = {"reason": "本人离职", "ground": "left"}


async def hired(school: Office, *numbers: str) -> list[str]:
    """Cases whose contract began in an earlier month: each has a back payment."""
    cases = [
        await school.case(
            id_number=number, permit_issued="2026-10-28", permit_expires="2027-10-27", contract_start="2026-10-29"
        )
        for number in numbers
    ]
    assert await starts.start_pending(cases) == len(cases)
    return cases


class People(Program):
    """Everybody works until something is so."""

    async def until(self, what: Callable[[], Any]) -> Any:
        for _ in range(150):
            if found := await what():
                return found
            await self.round()
            await asyncio.sleep(0.2)
        raise AssertionError("\n".join(f"{i['kind']} {i['process_id']}" for i in await self.tasks()))

    async def tasks(self, kind: str = "") -> list[Json]:
        found: list[Json] = []
        for name in ("clerk", "supervisor"):
            found += [i for i in await aperform(self.clients[name], pages("/tasks", view="group")) if kind in i["kind"]]
        return found


async def frozen(people: People, *cases: str) -> None:
    """Both levies of all cases on bills of the month: the lists are frozen when all have written their lines."""
    people.left_alone |= {"tax_payment.freeze"}

    async def written() -> bool:
        return all([{x.levy for x in await lines_of(case)} == {"social", "medical"} for case in cases])

    await people.until(written)
    people.left_alone -= {"tax_payment.freeze"}

    async def on_bills() -> bool:
        found = await bills()
        return len(found) == 4 and all(on_it == set(cases) for _, on_it, _ in found.values())

    await people.until(on_bills)


async def lines_of(case: str) -> list[PremiumLine]:
    async with session() as s:
        return await ledger.lines_of_case(s, case)


async def bills() -> dict[tuple[str, str], tuple[Bill, set[str], Decimal]]:
    """(levy, kind) -> the bill, the cases on it, and the sum of its lines."""
    found: dict[tuple[str, str], tuple[Bill, set[str], Decimal]] = {}
    async with session() as s:
        for bill in await s.scalars(select(Bill)):
            lines = await ledger.lines_of_bill(s, bill.id)
            total = sum((x.unit_amount + x.person_amount for x in lines), Decimal(0))
            found[bill.levy, bill.kind] = bill, {x.process_id for x in lines}, total
    return found


async def test_one_who_leaves_while_the_tax_client_is_silent_blocks_nobody(school: Office, agencies: Running) -> None:
    """Cancelled while the person stands on two frozen bills of each levy: undone at the bureaus, never visible."""
    await put_today_on(TODAY)
    behave(agencies.url, sync_after_seconds=100_000)
    stays, leaves = await hired(school, "E41000001", "E41000002")
    people = await People.of(school)

    await frozen(people, stays, leaves)
    answer = await people.clients["clerk"].post(f"/api/v1/processes/{leaves}/cancel", json=LEAVING)
    assert answer.status_code == 200, answer.text
    view = await people.case(leaves)
    assert view["state"] != "cancelled" and "cancelling" in view["flags"], "the bureaus are not undone yet"

    async def off_the_bills() -> bool:
        return all(cases == {stays} for _, cases, _ in (await bills()).values())

    people.left_alone = {"registration.undo"}
    await people.until(off_the_bills)
    assert sum(x.unit_amount + x.person_amount for x in await lines_of(leaves)) == 0, "before any undoing"
    people.left_alone = set()
    assert (await people.until_ended(leaves))["state"] == "cancelled"

    behave(agencies.url)  # the tax client shows everybody who is registered: not the one who left
    await move(1)
    view = await people.until_ended(stays)
    assert view["state"] == "closed", "\n".join(f"{t['at']} {t['text']['zh']}" for t in view["timeline"])
    found = await bills()
    assert {bill.status for bill, _, _ in found.values()} == {"settled"}
    for bill, cases, total in found.values():
        assert cases == {stays}
        assert bill.paid_amount == bill.agency_total == total > 0
    for levy in ("social", "medical"):
        payment = await people.case(f"tax_payment-school-{levy}-2026-11")
        said = [t for t in payment["timeline"] if t["kind"] == "taken_off"]
        assert {t["data"]["persons"] for t in said} == {1} and len(said) == 2
        assert all("参保已撤销" in t["text"]["zh"] and "cancelled" in t["text"]["en"] for t in said)
        assert "incident" not in [t["kind"] for t in payment["timeline"]]


async def test_the_only_one_leaves_during_the_approval_and_nothing_is_paid(school: Office, agencies: Running) -> None:
    await put_today_on(TODAY)
    behave(agencies.url)
    (leaves,) = await hired(school, "E42000001")
    people = await People.of(school)
    people.left_alone = {"tax_payment.approval"}

    await frozen(people, leaves)

    async def two_to_approve() -> bool:
        return len(await people.tasks("tax_payment.approval")) == 2

    await people.until(two_to_approve)
    mistaken = {"reason": "误报", "ground": "mistake"}  # any ground will do, also on a frozen bill
    answer = await people.clients["clerk"].post(f"/api/v1/processes/{leaves}/cancel", json=mistaken)
    assert answer.status_code == 200, answer.text
    people.left_alone = set()
    assert (await people.until_ended(leaves))["state"] == "cancelled"

    async def nothing_left() -> bool:
        return {bill.status for bill, _, _ in (await bills()).values()} == {"void"} and not await people.tasks("tax_")

    await people.until(nothing_left)
    assert sum(x.unit_amount + x.person_amount for x in await lines_of(leaves)) == 0
    payment = await people.case("tax_payment-school-social-2026-11")
    assert [t["kind"] for t in payment["timeline"]].count("bill_void") == 2
    assert payment["state"] == "waiting"
    assert "met" not in [t["kind"] for t in payment["timeline"]] and payment["deadlines"] == []


async def test_who_is_not_visible_is_taken_off_and_paid_later(school: Office, agencies: Running) -> None:
    """The clerk takes one off out of the task; the other is paid at once, and the one with a later bill."""
    await put_today_on(TODAY)
    behave(agencies.url, sync_after_seconds=100_000)
    stays, hidden = await hired(school, "E43000001", "E43000002")
    people = await People.of(school)
    people.left_alone = {"tax_payment.visible"}

    await frozen(people, stays, hidden)
    await move(1)

    async def asked() -> list[Json]:
        found = await people.tasks("tax_payment.visible")
        return found if len(found) == 2 else []

    person = (await lines_of(hidden))[0].person_id
    off: set[str] = set()
    for item in await people.until(asked):
        task = await people.task(item["id"])
        offered = {p["person_id"]: p for p in task["context"]["people"]}
        assert len(offered) == 2
        assert all(p["differs"] for p in offered.values()), "neither is visible yet"
        changes = {"persons": [person], "reason": "税务端查无此人，待核实"}
        answer = await aperform(people.clients["clerk"], complete(item["id"], "take_off", **changes))
        assert answer.status_code == 200, answer.text
        off.add(task["context"]["bill_id"])
    behave(agencies.url)
    people.left_alone = set()
    view = await people.until_ended(stays)
    assert view["state"] == "closed", "\n".join(f"{t['at']} {t['text']['zh']}" for t in view["timeline"])
    view = await people.until_ended(hidden)
    assert view["state"] == "closed", "\n".join(f"{t['at']} {t['text']['zh']}" for t in view["timeline"])
    assert "taken_off" in [t["kind"] for t in view["timeline"]]
    async with session() as s:
        for bill_id in off:
            (one,) = await taking_off.taken_off(s, bill_id)
            assert (one.person_id, one.taken_by, one.cancelled) == (person, "clerk", False)
            assert {x.process_id for x in await ledger.lines_of_bill(s, bill_id)} == {stays}
