"""People leave a frozen bill: a case is cancelled at each moment of the month's payment, or a clerk takes somebody off.

What was compared, confirmed and approved on the old sum counts no more; the others are paid; nobody waits for ever.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from schemas.process import CANCELLING, LEFT, ProcessCommand, Wake
from schemas.steps import Returning
from schemas.tasks import TaskSnapshot, TaskState
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_enrolment import to_bureaus

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")
SCOPE = {"unit": "school", "levy": "social", "month": "2026-09"}
CONFIRM, APPROVAL = "tax_payment.confirm", "tax_payment.approval"
OFF: dict[str, Any] = {"persons": ["p1"], "reason": "税务端查无此人"}


def office_of(persons: int = 3, **modes: str) -> Office:
    office = Office(modes)
    office.lines = {"social": 3 * persons}
    office.persons = persons
    return office


async def frozen(s: Any, office: Office) -> Any:
    handle = await s.begin("TaxPayment", at=START, **SCOPE)
    await complete(handle, await office.task("tax_payment.freeze"))
    return handle


async def leaves(office: Office, handle: Any, persons: int = 1) -> None:
    """A case is cancelled: the books know, and the payment is woken."""
    office.left += persons
    await handle.signal("wake", Wake(topic=LEFT))
    await office.settle(lambda: any(e.kind == "taken_off" for e in office.timeline[handle.id]))


async def anew(office: Office, former: TaskSnapshot) -> TaskSnapshot:
    """The same step asked again; the former task is no longer needed."""
    again = await office.task(former.spec.kind, where=lambda t: t.id != former.id)
    assert office.tasks[former.id].state is TaskState.OBSOLETE
    return again


async def paid(office: Office, handle: Any) -> None:
    """Confirmed and approved, each once more, and paid."""
    await complete(handle, await office.task(CONFIRM))
    await complete(handle, await office.task(APPROVAL), actor="supervisor")
    await office.settle(lambda: "record_payment" in office.calls)
    await office.settle(lambda: office.state(handle.id) == "waiting")
    assert office.calls.count("record_payment") == 1


def said(office: Office, handle: Any, kind: str = "taken_off") -> list[str]:
    return [e.text.zh for e in office.timeline[handle.id] if e.kind == kind]


async def test_a_cancelled_case_gives_its_lines_back_before_anything_is_undone(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        await handle.execute_update("cancel", ProcessCommand(reason="离职", actor="clerk", ground="left"))
        assert office.transitions[-1].process.flags == [CANCELLING], "the books know at once"
        for agency in ("social_bureau", "medical_bureau"):
            undo = await office.task("registration.undo", where=lambda t, a=agency: t.spec.authority == a)
            assert office.calls.count("reverse_lines") == 1
            assert office.calls.count("wake_payments") == 1
            await complete(handle, undo)
        await handle.result()
        assert (office.state(handle.id), office.transitions[-1].process.flags) == ("cancelled", [])
        assert office.calls.count("reverse_lines") == 1


async def test_a_cancelled_case_on_a_bill_tells_the_bill_before_anything_is_undone(stage: Open) -> None:
    office = Office()
    office.frozen = True
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        command = ProcessCommand(reason="许可被注销", actor="clerk", ground="permit_withdrawn")
        await handle.execute_update("cancel", command)
        await office.task("registration.undo")
        assert office.calls.index("reverse_lines") < office.calls.index("wake_payments")
        for _ in range(2):
            await complete(handle, await office.task("registration.undo"))
        await handle.result()


async def test_who_left_before_the_freezing_costs_no_question(stage: Open) -> None:
    office = office_of()
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        task = await office.task("tax_payment.freeze")
        await handle.signal("wake", Wake(topic=LEFT))
        await complete(handle, task)
        await paid(office, handle)
        assert said(office, handle) == []


async def test_a_list_that_everybody_left_is_not_asked_for(stage: Open) -> None:
    office = office_of()
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        task = await office.task("tax_payment.freeze")
        await handle.signal("wake", Wake(topic=LEFT))
        await office.settle(lambda: office.calls.count("open_lines") == 2)
        assert office.tasks[task.id].state is TaskState.READY, "others wait for it"
        office.lines = {}
        await handle.signal("wake", Wake(topic=LEFT))
        await office.settle(lambda: office.state(handle.id) == "waiting")
        assert office.tasks[task.id].state is TaskState.OBSOLETE
        assert said(office, handle, "no_longer_due") and not said(office, handle, "met")
        office.lines = {"social": 3}
        await handle.signal("wake", Wake(topic="lines"))
        await complete(handle, await office.task("tax_payment.freeze"))
        await paid(office, handle)


async def test_left_while_the_tax_client_does_not_show_everyone(stage: Open) -> None:
    office = office_of()
    office.visible_after = 10_000
    async with stage(office) as s:
        handle = await frozen(s, office)
        await office.settle(lambda: "check_visible" in office.calls)
        await leaves(office, handle)
        office.visible_after = 0
        await paid(office, handle)
        assert said(office, handle) == [
            "当月征集单：移出 1 人（参保已撤销），余 2 人、280.00 元；须重新核对、确认和审批"
        ]


async def test_left_while_a_clerk_looks_at_the_tax_client(stage: Open) -> None:
    office = office_of(tax_office="portal")
    async with stage(office) as s:
        handle = await frozen(s, office)
        looking = await office.task("tax_payment.visible")
        await leaves(office, handle)
        await complete(handle, await anew(office, looking))
        await complete(handle, await office.task("tax_payment.bill"))
        await complete(handle, await office.task(CONFIRM))


@pytest.mark.parametrize("equal", [True, False])
async def test_left_while_the_bill_is_compared(stage: Open, equal: bool) -> None:
    office = office_of()
    office.comparisons = [equal]
    async with stage(office) as s:
        handle = await frozen(s, office)
        comparing = await office.task(CONFIRM)
        assert comparing.spec.outcomes == (["confirm"] if equal else ["adjust", "recheck", "take_off"])
        await leaves(office, handle)
        again = await anew(office, comparing)
        assert again.spec.outcomes == ["confirm"]
        assert office.calls.count("fetch_bill") == 2, "the agency makes its bill anew"
        await paid(office, handle)


async def test_left_while_a_file_of_the_clerk_is_compared(stage: Open) -> None:
    office = office_of(tax_office="portal")
    async with stage(office) as s:
        handle = await frozen(s, office)
        await complete(handle, await office.task("tax_payment.visible"))
        await complete(handle, await office.task("tax_payment.bill"))
        comparing = await office.task(CONFIRM)
        await leaves(office, handle)
        await complete(handle, await office.task("tax_payment.bill"))
        await complete(handle, await anew(office, comparing))
        await office.task(APPROVAL)


async def test_left_during_the_approval_everybody_signs_anew(stage: Open) -> None:
    office = office_of()
    office.policy = office.policy.model_copy(update={"tax_payment_countersign_above": Decimal(300)})
    async with stage(office) as s:
        handle = await frozen(s, office)
        await complete(handle, await office.task(CONFIRM))
        await complete(handle, await office.task(APPROVAL), actor="supervisor")
        head = await office.task(APPROVAL, where=lambda t: t.spec.roles == ["head"])
        await leaves(office, handle)
        await office.task(CONFIRM)
        assert office.tasks[head.id].state is TaskState.OBSOLETE
        assert "pay_bill" not in office.calls
        await paid(office, handle)  # 280 yuan are left: below the limit the supervisor alone decides
        assert office.calls.count("pay_bill") == 1


async def test_a_lost_wake_up_pays_for_nobody_who_has_left(stage: Open) -> None:
    office = office_of()
    async with stage(office) as s:
        handle = await frozen(s, office)
        await complete(handle, await office.task(CONFIRM))
        approval = await office.task(APPROVAL)
        office.left = 1
        await complete(handle, approval, actor="supervisor")
        await office.task(CONFIRM)
        assert "pay_bill" not in office.calls
        await paid(office, handle)
        assert len(said(office, handle)) == 1


async def test_left_while_it_is_paid_by_hand_stays_until_it_is_sent_back(stage: Open) -> None:
    office = office_of(tax_office="portal")
    async with stage(office) as s:
        handle = await frozen(s, office)
        for kind in ("visible", "bill", "confirm"):
            await complete(handle, await office.task(f"tax_payment.{kind}"))
        await complete(handle, await office.task(APPROVAL), actor="supervisor")
        payment = await office.task("tax_payment.payment")
        office.left = 1
        await handle.signal("wake", Wake(topic=LEFT))
        back = Returning(
            task_id=payment.id, to="confirm", way="again", reason="有人离职", version=payment.version, actor="clerk"
        )
        await handle.execute_update("return_task", back)
        await complete(handle, await office.task("tax_payment.bill"))
        assert said(office, handle) != []
        await complete(handle, await office.task(CONFIRM))
        await complete(handle, await office.task(APPROVAL), actor="supervisor")
        again = await office.task("tax_payment.payment")
        await handle.signal("wake", Wake(topic=LEFT))
        await complete(handle, again)
        await office.settle(lambda: office.bills == {"bill-regular-1": "paid"})


async def test_left_after_the_payment_changes_nothing_and_hinders_nothing(stage: Open) -> None:
    office = office_of()
    async with stage(office) as s:
        handle = await frozen(s, office)
        await paid(office, handle)
        office.left = 1
        await handle.signal("wake", Wake(topic=LEFT))
        office.lines = {"social": 3}
        await handle.signal("wake", Wake(topic="lines"))
        await complete(handle, await office.task("tax_payment.freeze"))
        await office.task(CONFIRM)
        assert office.bills == {"bill-regular-1": "paid", "bill-supplementary-2": "frozen"}
        assert said(office, handle) == []


async def test_a_bill_that_everybody_left_ends_without_payment(stage: Open) -> None:
    office = office_of(persons=2)
    async with stage(office) as s:
        handle = await frozen(s, office)
        comparing = await office.task(CONFIRM)
        await leaves(office, handle, persons=2)
        await office.settle(lambda: office.state(handle.id) == "waiting")
        assert office.tasks[comparing.id].state is TaskState.OBSOLETE
        assert not office.open_tasks()
        assert office.bills == {"bill-regular-1": "void"}
        assert not {"pay_bill", "record_payment", "start_reimbursement"} & set(office.calls)
        assert "作废" in said(office, handle, "bill_void")[0]
        assert "不再适用" in said(office, handle, "no_longer_due")[0]
        assert said(office, handle, "met") == [], "nothing was paid, so no date was kept"
        office.lines = {"social": 3}
        await handle.signal("wake", Wake(topic="lines"))
        await complete(handle, await office.task("tax_payment.freeze"))
        await paid(office, handle)
        assert office.bills == {"bill-regular-1": "void", "bill-supplementary-2": "paid"}
        await office.settle(lambda: len(said(office, handle, "met")) == 1)
        await s.skip(handle, timedelta(days=15))
        await handle.result()
        assert office.state(handle.id) == "closed"


async def test_a_clerk_takes_off_who_is_not_visible_and_no_other_bill_waits(stage: Open) -> None:
    office = office_of()
    office.lines["social-earlier"] = 3
    office.visible_after = 10_000
    async with stage(office) as s:
        handle = await frozen(s, office)
        await office.settle(lambda: "check_visible" in office.calls)
        await s.skip(handle, timedelta(days=1))
        looking = await office.task("tax_payment.visible")
        assert looking.spec.outcomes == ["visible", "take_off"]
        assert looking.spec.data["missing"] == ["p1"]
        office.to_take_off, office.visible_after = 1, 0
        await complete(handle, looking, "take_off", OFF)
        await complete(handle, await office.task(CONFIRM))
        await complete(handle, await office.task(APPROVAL), actor="supervisor")
        await complete(handle, await office.task(CONFIRM, where=lambda t: t.spec.data["bill_kind"] == "back_payment"))
        await complete(handle, await office.task(APPROVAL), actor="supervisor")
        await office.settle(lambda: set(office.bills.values()) == {"paid"} and len(office.bills) == 2)
        assert "take_off:clerk" in office.calls
        assert "wake_cases:taken_off" in office.calls, "the case on it hears of it"
        entry = next(e for e in office.timeline[handle.id] if e.kind == "taken_off")
        assert entry.actor == "clerk"
        assert OFF["reason"] in entry.text.zh
        assert OFF["reason"] in entry.text.en


async def test_who_leaves_leaves_the_bill_that_waits_as_well(stage: Open) -> None:
    office = office_of()
    office.lines["social-earlier"] = 3
    async with stage(office) as s:
        handle = await frozen(s, office)
        comparing = await office.task(CONFIRM)
        asked = office.calls.count("take_off_leavers")
        await leaves(office, handle)
        await anew(office, comparing)
        assert office.calls.count("take_off_leavers") == asked + 2, "both bills are asked about"


async def test_a_clerk_takes_off_whom_the_tax_office_bills_wrongly(stage: Open) -> None:
    office = office_of()
    office.comparisons = [False, True]
    async with stage(office) as s:
        handle = await frozen(s, office)
        different = await office.task(CONFIRM)
        office.to_take_off = 1
        await complete(handle, different, "take_off", OFF)
        await paid(office, handle)
        assert len(said(office, handle)) == 1


async def test_who_has_no_number_is_taken_off_out_of_the_incident(stage: Open) -> None:
    office = office_of()
    office.fail["fetch_bill"] = [ApplicationError("no number", type="NumberMissing", non_retryable=True)]
    async with stage(office) as s:
        handle = await frozen(s, office)
        incident = await office.task("incident.resolve")
        assert incident.spec.outcomes == ["retry", "take_off", "by_hand"]
        await complete(handle, incident, "take_off", {"reason": "无参保编号"})
        office.to_take_off = 1
        await complete(handle, await office.task("tax_payment.visible"), "take_off", OFF)
        await paid(office, handle)
        assert office.calls.count("fetch_bill") == 2


async def test_taking_off_needs_people_and_a_reason(stage: Open) -> None:
    office = office_of(tax_office="portal")
    async with stage(office) as s:
        handle = await frozen(s, office)
        looking = await office.task("tax_payment.visible")
        for data in ({"persons": [], "reason": "查无此人"}, {"persons": ["p1"], "reason": ""}):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await complete(handle, looking, "take_off", data, key=str(data))
            assert refused.value.cause.type == "BadForm"  # type: ignore[attr-defined]


async def test_a_wake_up_that_nobody_hears_of_can_be_skipped(stage: Open) -> None:
    office = Office()
    office.frozen = True
    office.fail["wake_payments"] = [ApplicationError("no", type="AgencyRefused", non_retryable=True)]
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        await handle.execute_update("cancel", ProcessCommand(reason="离职", actor="clerk", ground="left"))
        await complete(handle, await office.task("incident.resolve"), "skip", {"reason": "已电话告知"})
        for _ in range(2):
            await complete(handle, await office.task("registration.undo"))
        await handle.result()
        assert office.state(handle.id) == "cancelled"


async def test_the_case_of_who_was_taken_off_says_so_and_waits_for_a_later_bill(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        office.taken_off = {"social": 3}
        for _ in range(2):
            await handle.signal("wake", Wake(topic="taken_off"))
        await office.settle(lambda: said(office, handle) != [])
        office.taken_off, office.lines = {}, {"social": 0, "medical": 0}
        await handle.signal("wake", Wake(topic="paid"))
        await handle.result()
        assert said(office, handle) == ["社保局险种保费已移出征集单，列入后续征集单缴纳"]
