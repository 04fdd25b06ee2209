"""Each way out of a step that fails: decided by a person, told in the timeline, and the case goes on to its end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from schemas.base import Text
from schemas.calls import PollAnswer
from schemas.deadlines import PolicySnapshot
from schemas.incident_steps import ONE_STEP, REDONE, STEPS, Way
from schemas.incidents import StepDecision
from schemas.process import PolicyAnswer, PolicyUpdate, ProcessCommand
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_countersign import by
from tests.workflows.test_enrolment import pay, to_bureaus
from tests.workflows.test_tax_payment import SCOPE

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")
REASON = {"reason": "系统停机，改为其他方式"}


def broken() -> list[Exception]:
    return [ApplicationError("HTTP 403", type="AgencyRefused", non_retryable=True)]


def away() -> list[Exception]:
    return [ApplicationError("away", type="AgencyUnavailable") for _ in range(50)]


async def by_portal(office: Office, handle: Any, agency: str, *, handed_in: bool = False) -> None:
    mine = lambda t: t.spec.authority == agency  # noqa: E731
    if not handed_in:
        await complete(
            handle, await office.task("registration.hand_in", where=mine),
            data={"handed_in_on": "2026-09-16", "receipt_no": "SL1"},
        )  # fmt: skip
    accepted = await office.task("registration.acceptance", where=mine)
    await complete(handle, accepted, "accepted", {"accepted_on": "2026-09-16"})
    result = await office.task("registration.result", where=mine)
    await complete(handle, result, "approved", {"approved_on": "2026-09-16"})


async def closes(office: Office, handle: Any) -> None:
    await pay(office, handle)
    await handle.result()
    assert office.state(handle.id) == "closed"
    assert not office.open_tasks()


async def decided(office: Office, process_id: str) -> tuple[str, str | None, str]:
    """The way, who decided it, and the sentence that people read."""
    await office.settle(lambda: "incident_decided" in office.kinds(process_id))
    entry = next(e for e in office.timeline[process_id] if e.kind == "incident_decided")
    return entry.data["way"], entry.actor, entry.text.zh


async def test_a_hand_in_that_failed_for_good_is_done_by_hand(stage: Open) -> None:
    office = Office()
    office.fail["submit_application"] = broken()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        incident = await office.task("incident.resolve")
        assert incident.spec.roles == ["admin", "clerk", "supervisor"]
        assert incident.spec.outcomes == ["retry", "correct", "by_hand"]
        await complete(handle, incident, "by_hand", REASON)
        hand_in = await office.task("registration.hand_in")
        assert hand_in.deadlines[0].met_at is None
        await by_portal(office, handle, hand_in.spec.authority or "")
        assert await decided(office, handle.id) == (
            "by_hand",
            "clerk",
            f"「提交参保申请」：改为人工办理（{REASON['reason']}）",
        )
        await closes(office, handle)


@pytest.mark.parametrize("step", ["submit_application", "fill_application:social_bureau:1"])
async def test_a_corrected_record_is_handed_in_again_under_the_same_attempt(stage: Open, step: str) -> None:
    office = Office()
    office.fail[step] = broken()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await complete(handle, await office.task("incident.resolve"), "correct", REASON)
        await complete(handle, await office.task("registration.correction"))
        await closes(office, handle)
        assert sorted(c for c in office.calls if c.startswith("submitted")) == [
            "submitted:medical_bureau:1", "submitted:social_bureau:1",
        ]  # fmt: skip
        assert "apply_record" in office.calls[office.calls.index(step) :]


async def test_a_form_is_skipped_and_so_is_the_notice(stage: Open) -> None:
    office = Office()
    office.fail["fill_application:social_bureau:1"] = broken()
    office.fail["send_notice"] = broken()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        incident = await office.task("incident.resolve")
        assert incident.spec.roles == ["admin", "clerk", "head", "supervisor"]
        await complete(handle, incident, "skip", REASON, actor="supervisor")
        await pay(office, handle)
        notice = await office.task("incident.resolve")
        assert notice.spec.data["step"] == "send_notice"
        await complete(handle, notice, "skip", REASON, actor="supervisor")
        await handle.result()
        assert office.calls.count("fill_application:social_bureau:1") == office.calls.count("send_notice") == 1


async def test_a_step_that_is_tried_for_ever_is_taken_over_without_its_failing(stage: Open) -> None:
    office = Office()
    office.fail["submit_application"] = away()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: office.calls.count("submit_application") >= 3)
        for agency in ("social_bureau", "medical_bureau"):
            decision = StepDecision(
                activity_id=f"submit_application/{agency}/1", way=Way.BY_HAND, reason="停机", actor="clerk"
            )
            await handle.execute_update("decide_step", decision)
            with pytest.raises(WorkflowUpdateFailedError):  # decided once
                await handle.execute_update("decide_step", decision)
            await by_portal(office, handle, agency)
        await closes(office, handle)
        assert not [c for c in office.calls if c.startswith("submitted")]


@pytest.mark.parametrize("wrong", [{"way": Way.RETRY}, {"way": Way.SKIP}, {"activity_id": "submit_application/x/1"}])
async def test_what_a_step_does_not_know_is_refused(stage: Open, wrong: dict[str, Any]) -> None:
    office = Office()
    office.fail["submit_application"] = away()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: "submit_application" in office.calls)
        values: dict[str, Any] = {"activity_id": "submit_application/social_bureau/1", "way": Way.BY_HAND}
        decision = StepDecision(**(values | wrong), reason="停机", actor="clerk")
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("decide_step", decision)
        assert "incident_decided" not in office.kinds(handle.id)


@pytest.mark.parametrize("accepted", [False, True])
async def test_the_answer_of_a_bureau_is_recorded_by_hand(stage: Open, accepted: bool) -> None:
    office = Office()
    office.answers["social_bureau"] = [PollAnswer(state="accepted" if accepted else "pending")]
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: "poll:social_bureau" in office.calls)
        office.fail["poll:social_bureau"] = broken()
        await s.skip(handle, timedelta(hours=1))
        await complete(handle, await office.task("incident.resolve"), "by_hand", REASON)
        if accepted:
            result = await office.task("registration.result")
            await complete(handle, result, "approved", {"approved_on": "2026-09-16"})
        else:
            await by_portal(office, handle, "social_bureau", handed_in=True)
        await closes(office, handle)


@pytest.mark.parametrize("faults", [broken, away])
async def test_a_registration_is_undone_by_hand(stage: Open, faults: Callable[[], list[Exception]]) -> None:
    """Also while the bureau is away: a case that is being cancelled does not wait for it."""
    office = Office()
    office.fail["withdrawn:social_bureau"] = faults()
    office.answers = {a: [PollAnswer(state="pending")] for a in ("social_bureau", "medical_bureau")}
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len([c for c in office.calls if c.startswith("submitted")]) == 2)
        await handle.execute_update("cancel", ProcessCommand(reason="离职", actor="clerk", ground="left"))
        for agency in ("social_bureau", "medical_bureau"):
            task = await office.task("registration.undo", where=lambda t, a=agency: t.spec.authority == a)
            await complete(handle, task, data={"undone_on": "2026-09-16"})
        if faults is broken:
            await complete(handle, await office.task("incident.resolve"), "by_hand", REASON)
        else:
            await office.settle(lambda: "withdrawn:social_bureau" in office.calls)
            decision = StepDecision(
                activity_id="withdraw_registration/social_bureau", way=Way.BY_HAND, reason="停机", actor="clerk"
            )
            await handle.execute_update("decide_step", decision)
        again = await office.task("registration.undo")
        assert again.spec.title.zh == "到社保局人工撤销登记"
        await complete(handle, again, data={"undone_on": "2026-09-16"})
        await handle.result()
        assert office.state(handle.id) == "cancelled"


async def test_payment_goes_on_by_hand_at_each_of_its_steps(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    for name in ("check_visible", "fetch_bill", "pay_bill", "wake_cases:paid"):
        office.fail[name] = broken()
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, **SCOPE)
        await complete(handle, await office.task("tax_payment.freeze"))
        steps: list[str] = []

        async def resolve(way: str) -> None:
            incident = await office.task("incident.resolve")
            steps.append(incident.spec.data["step"])
            await complete(handle, incident, way, REASON, actor="supervisor")

        await resolve("by_hand")
        await complete(handle, await office.task("tax_payment.visible"))
        await resolve("by_hand")
        await complete(handle, await office.task("tax_payment.bill"))
        await complete(handle, await office.task("tax_payment.confirm"))
        await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
        await resolve("by_hand")
        payment = await office.task("tax_payment.payment")
        assert "record_payment" not in office.calls
        await complete(handle, payment)
        await resolve("skip")
        await office.settle(lambda: office.state(handle.id) == "waiting")
        assert steps == ["check_visible", "fetch_bill", "pay_bill", "wake_cases"]
        assert set(office.bills.values()) == {"paid"}
        assert office.calls.count("pay_bill") == 1


@pytest.mark.parametrize("mode", ["in_turn", "all"])
async def test_a_fault_at_one_seat_keeps_the_signatures(stage: Open, mode: str) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode=mode, signers="a,b,c", fault="yes")
        await complete(handle, await office.task("test.prepare"))
        await complete(handle, await office.task("test.sign"), actor="a")
        incident = await office.task("incident.resolve")
        assert incident.spec.data["redone"] == REDONE[ONE_STEP].model_dump()
        await complete(handle, incident, actor="admin")
        for role in ("b", "c"):
            await complete(handle, await office.task("test.sign", where=by(role)), actor=role)
        assert await handle.result() == ["approve by c"]
        kinds = sorted(t.spec.kind for t in office.tasks.values())
        assert kinds == ["incident.resolve", "test.prepare", *["test.sign"] * 3]


def lacking(office: Office, rule: str) -> PolicySnapshot:
    """The office's rules without one: whatever is counted by it fails. Gives the whole ones."""
    whole = office.policy
    office.policy = whole.model_copy(update={"version": "torn", "rules": [r for r in whole.rules if r.id != rule]})
    return whole


async def mended(office: Office, handle: Any, whole: PolicySnapshot) -> None:
    office.policy = whole
    order = PolicyUpdate(id="1", scope="all", reason=Text(zh="补上规则", en="the rule is there"), actor="policy")
    await handle.execute_update("update_policy", order, result_type=PolicyAnswer)
    await complete(handle, await office.task("incident.resolve"), actor="admin")


async def test_a_fault_in_a_later_step_keeps_what_was_answered(stage: Open) -> None:
    office = Office({"social_bureau": "portal", "medical_bureau": "portal"})
    async with stage(office) as s:
        whole = lacking(office, "INT-APPROVAL")
        bill = await s.begin("Reimbursement", at=START, bill_id="b1")
        await complete(bill, await office.task("withholding.confirm"), actor="payroll")
        await complete(bill, await office.task("reimbursement.voucher"))
        await mended(office, bill, whole)
        await complete(bill, await office.task("reimbursement.approval"), actor="supervisor")
        await complete(bill, await office.task("reimbursement.settlement"), actor="finance")
        await bill.result()
        assert office.calls.count("prepare_voucher") == office.calls.count("withholding_list") == 1
        assert office.kinds(bill.id).count("incident") == 1
        whole = lacking(office, "INT-HAND-IN")
        case = await s.begin(at=START)
        await to_bureaus(office, case)
        mend = await office.task("incident.resolve")
        assert mend.spec.data["redone"] == REDONE[ONE_STEP].model_dump()
        await office.settle(lambda: office.kinds(case.id).count("incident") == 2)  # at both bureaus
        await mended(office, case, whole)
        await complete(case, await office.task("incident.resolve"), actor="admin")
        await office.settle(lambda: [t.spec.kind for t in office.open_tasks(case.id)] == ["registration.hand_in"] * 2)
        assert sum(t.spec.kind == "enrolment.materials" for t in office.tasks.values()) == 1


async def test_every_way_of_the_table_is_taken_above() -> None:
    taken = {
        ("submit_application", Way.BY_HAND), ("submit_application", Way.CORRECT), ("fill_application", Way.SKIP),
        ("fill_application", Way.CORRECT), ("poll_application", Way.BY_HAND), ("withdraw_registration", Way.BY_HAND),
        ("check_visible", Way.BY_HAND), ("fetch_bill", Way.BY_HAND), ("pay_bill", Way.BY_HAND),
        ("wake_cases", Way.SKIP), ("send_notice", Way.SKIP),
        ("fetch_bill", Way.TAKE_OFF), ("wake_payments", Way.SKIP),  # both in test_taking_off.py
    }  # fmt: skip
    assert {(name, way) for name, step in STEPS.items() for way in step.ways if way is not Way.RETRY} == taken
