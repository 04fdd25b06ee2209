"""The month's tax payment: freeze, R19, comparison to the cent, four eyes, supplementary and back-payment bills."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas.process import Wake
from tests.workflows.office import Office, complete, shanghai

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")
SCOPE = {"unit": "school", "levy": "social", "month": "2026-09"}


async def bill(office: Office, handle: Any) -> None:
    await complete(handle, await office.task("tax_payment.confirm"))
    await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")


async def test_lines_of_the_month_then_later_ones_then_the_month_ends(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        await complete(handle, await office.task("tax_payment.freeze"))
        await bill(office, handle)
        await office.settle(lambda: office.state(handle.id) == "waiting")
        office.lines = {"social": 1, "social-earlier": 2}
        await handle.signal("wake", Wake(topic="lines"))
        await complete(handle, await office.task("tax_payment.freeze"))
        await bill(office, handle)
        await bill(office, handle)
        await office.settle(lambda: office.state(handle.id) == "waiting")
        assert list(office.bills) == ["bill-regular-1", "bill-supplementary-2", "bill-back_payment-2"]
        assert set(office.bills.values()) == {"paid"}
        assert office.calls.count("start_reimbursement") == 3
        assert office.calls.count("wake_cases:paid") == 3
        assert {s.code: s.waits for s in office.transitions[-1].process.stages if s.waits} == {"collect": ["lines"]}
        await s.skip(handle, timedelta(days=15))
        await handle.result()
        assert office.state(handle.id) == "closed"
        assert {(s.state.value, *s.waits) for s in office.transitions[-1].process.stages} == {("done",)}


async def test_a_difference_of_a_cent_is_not_confirmed(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    office.comparisons = [False, False, False, True]
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        await complete(handle, await office.task("tax_payment.freeze"))
        different = await office.task("tax_payment.confirm")
        assert different.spec.outcomes == ["adjust", "recheck", "take_off"]
        assert different.spec.data["difference"] == "0.01"
        office.only_strangers = True
        await complete(handle, different, "recheck")
        strangers = await office.task("tax_payment.confirm")
        assert strangers.spec.outcomes == ["recheck", "take_off"], "a correction would change nothing"
        office.only_strangers = False
        await complete(handle, strangers, "recheck")
        again = await office.task("tax_payment.confirm")
        await complete(handle, again, "adjust", {"reason": "税务端按月取整"})
        equal = await office.task("tax_payment.confirm", where=lambda t: t.spec.outcomes == ["confirm"])
        await complete(handle, equal)
        await office.task("tax_payment.approval")


async def test_nothing_is_compared_before_everyone_is_visible(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    office.visible_after = 3
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        await complete(handle, await office.task("tax_payment.freeze"))
        await office.task("tax_payment.confirm")
        assert office.calls.index("fetch_bill") > max(i for i, c in enumerate(office.calls) if c == "check_visible")
        assert office.calls.count("check_visible") == 4


async def test_an_approver_can_send_it_back(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        await complete(handle, await office.task("tax_payment.freeze"))
        await complete(handle, await office.task("tax_payment.confirm"))
        approval = await office.task("tax_payment.approval")
        await complete(handle, approval, "return", {"reason": "请复核人数"}, actor="supervisor")
        await bill(office, handle)
        await office.settle(lambda: "pay_bill" in office.calls)


async def test_by_portal_a_clerk_uploads_the_bill_and_records_the_payment(stage: Open) -> None:
    office = Office({"tax_office": "portal"})
    office.lines = {"social": 3}
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        for kind in ("freeze", "visible", "bill", "confirm"):
            await complete(handle, await office.task(f"tax_payment.{kind}"))
        await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
        payment = await office.task("tax_payment.payment")
        assert [d.code for d in payment.spec.documents] == ["certificate"]
        await complete(handle, payment)
        await office.settle(lambda: "record_payment" in office.calls)
        assert "pay_bill" not in office.calls


async def test_reimbursement_from_withholding_to_settlement(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin("Reimbursement", at=START, bill_id="b1")
        await complete(handle, await office.task("withholding.confirm"), "next_month", actor="payroll")
        await complete(handle, await office.task("reimbursement.voucher"))
        approval = await office.task("reimbursement.approval")
        assert approval.deadlines[0].due.isoformat() == "2026-09-30"
        await complete(handle, approval, "return", {"reason": "经费项目有误"}, actor="supervisor")
        await complete(handle, await office.task("reimbursement.voucher"))
        await complete(handle, await office.task("reimbursement.approval"), actor="supervisor")
        await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
        await handle.result()
        assert office.state(handle.id) == "closed"
        assert {"record_withholding:next_month", "settle_voucher", "wake_cases:settled"} <= set(office.calls)


async def test_by_portal_a_bill_is_compared_again_with_a_new_file(stage: Open) -> None:
    office = Office({"tax_office": "portal"})
    office.lines = {"social": 3}
    office.comparisons = [False, True]
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        for kind in ("freeze", "visible", "bill"):
            await complete(handle, await office.task(f"tax_payment.{kind}"))
        await complete(handle, await office.task("tax_payment.confirm"), "recheck")
        await complete(handle, await office.task("tax_payment.bill"))
        await complete(handle, await office.task("tax_payment.confirm"), "confirm")
        await office.task("tax_payment.approval")
        assert office.calls.count("fetch_bill") == 2
