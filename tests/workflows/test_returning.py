"""退回 and 撤回 on the real server: from a parallel branch, with an application at the bureau, over time."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from schemas.process import ProcessCommand
from schemas.steps import Returning, Withdrawal
from schemas.tasks import TaskSnapshot
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_clock import EXPECTED, festival, seen
from tests.workflows.test_enrolment import pay, to_bureaus

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")
BY_HAND = {"social_bureau": "portal", "medical_bureau": "portal", "tax_office": "portal"}


def at(agency: str) -> Callable[[TaskSnapshot], bool]:
    return lambda t: t.spec.authority == agency


async def send_back(
    handle: Any, task: TaskSnapshot, to: str, way: str = "again", actor: str = "clerk", version: int = 0
) -> None:
    argument = Returning(
        task_id=task.id,
        to=to,
        way=way,
        reason="护照号有误",
        version=version or task.version,
        actor=actor,  # type: ignore[arg-type]
    )
    await handle.execute_update("return_task", argument)


async def withdraw(handle: Any, task: TaskSnapshot, actor: str) -> None:
    await handle.execute_update("withdraw_task", Withdrawal(task_id=task.id, reason="漏传一页", actor=actor))


async def refused(attempt: Any) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await attempt
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause.type


async def approve_at(office: Office, handle: Any, agency: str) -> None:
    """From the hand-in to the bureau's approval, by hand."""
    await complete(handle, await office.task("registration.hand_in", where=at(agency)))
    await complete(handle, await office.task("registration.acceptance", where=at(agency)))
    await complete(handle, await office.task("registration.result", where=at(agency)))


def told_otherwise(office: Office, *agencies: str) -> None:
    """From the next answer on the record says something else of what these agencies are told."""
    said = office.facts.applications | dict.fromkeys(agencies, "other")
    office.facts = office.facts.model_copy(update={"applications": said})


async def test_a_branch_goes_on_untouched_while_nothing_changed_of_what_it_works_with(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        medical = await office.task("registration.hand_in", where=at("medical_bureau"))

        async def round_trip() -> None:
            social = await office.task("registration.hand_in", where=at("social_bureau"))
            await send_back(handle, social, "materials", "straight")
            await complete(handle, await office.task("enrolment.materials"), actor="college")
            new = lambda t: at("social_bureau")(t) and t.id != social.id  # noqa: E731
            await office.task("registration.hand_in", where=new)

        await round_trip()  # the same data again
        told_otherwise(office, "social_bureau")
        noticed = {"today": office.facts.today + timedelta(days=1), "findings": ["W01"]}
        office.facts = office.facts.model_copy(update=noticed)
        await round_trip()  # what only the social bureau is told
        mine = office.tasks[medical.id]
        assert (mine.state, mine.version) == ("ready", medical.version)
        assert "task_obsolete" not in office.kinds(handle.id)
        told_otherwise(office, "medical_bureau")
        await round_trip()
        again = await office.task("registration.hand_in", where=at("medical_bureau"))
        assert (office.tasks[medical.id].state, again.spec.data["attempt"]) == ("obsolete", 2)
        gone = next(t for t in office.transitions if any(x.id == medical.id and x.closed_at for x in t.tasks))
        why = next(e for e in gone.timeline if e.kind == "task_obsolete")  # with it, so that its holder is told why
        assert why.text.zh.startswith("参保信息已更改，按新信息重新办理") and why.data == {"again": "hand_in"}
        assert why.actor == "clerk", "whose own word it was is not told of it"


async def test_a_branch_goes_back_to_the_materials_and_the_other_is_neither_lost_nor_run_twice(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        medical = await office.task("registration.hand_in", where=at("medical_bureau"))
        await complete(handle, medical)
        social = await office.task("registration.hand_in", where=at("social_bureau"))
        assert await refused(send_back(handle, social, "notice")) == "BadTarget"
        assert await refused(send_back(handle, social, "verification", "straight")) == "BadTarget"
        assert await refused(send_back(handle, social, "materials", version=9)) == "StaleVersion"
        await send_back(handle, social, "materials", "straight")
        assert office.tasks[social.id].state == "returned"
        assert await refused(complete(handle, social, key="late")) == "TaskClosed"

        again = await office.task("enrolment.materials")
        statutory, target = again.deadlines
        assert (statutory.id, statutory.due, statutory.generation) == (
            "DL-REG-FOR@social_bureau", date(2026, 10, 15), 1,
        )  # fmt: skip
        assert target.id == "INT-MATERIALS/2"  # an occurrence of its own, with its own reminders
        assert again.spec.data["return_reason"] == "护照号有误"
        # The other branch goes on meanwhile.
        await complete(handle, await office.task("registration.acceptance", where=at("medical_bureau")))
        fired_before = len(office.rungs(handle.id))
        await s.skip(handle, timedelta(days=9))
        await office.settle(lambda: len(office.rungs(handle.id)) > fired_before)
        new = [k for k, _ in office.rungs(handle.id)[fired_before:]]
        assert any(k.startswith("INT-MATERIALS/2:") for k in new)
        assert not any(k.startswith("INT-HAND-IN/") for k in new if office.tasks[social.id].deadlines[1].id in k)

        told_otherwise(office, "medical_bureau")
        await complete(handle, again, actor="college")  # straight back: no verification in between
        await approve_at(office, handle, "social_bureau")
        question = await office.task("registration.record_changed", where=at("medical_bureau"))
        await complete(handle, await office.task("registration.result", where=at("medical_bureau")))
        await pay(office, handle)
        await office.settle(lambda: office.kinds(handle.id).count("paid") == 2)
        assert "send_notice" not in office.calls  # the case waits for the question
        await complete(handle, question, "unaffected", {"reason": "医保不受影响"})
        await handle.result()
        assert office.state(handle.id) == "closed"
        handed_in = [c for c in office.calls if c.endswith(":handed_in")]
        assert sorted(handed_in) == [
            "record_registration:medical_bureau:handed_in", "record_registration:social_bureau:handed_in",
        ]  # fmt: skip
        assert [s.state for s in office.transitions[-1].process.stages] == ["done"] * 7
        assert len([t for t in office.tasks.values() if t.spec.kind == "enrolment.verification"]) == 1


async def test_the_ladder_of_the_law_is_whole_however_often_the_case_goes_back(stage: Open) -> None:
    """Each rung once and at its minute: none is lost with a task that went back, none comes again with the next."""
    office = Office(BY_HAND)
    festival(office)
    async with stage(office) as s:
        back = await s.begin(at=shanghai("2026-02-02 09:00"))
        materials = await office.task("enrolment.materials")
        await complete(back, materials, actor="college")
        await office.task("enrolment.verification")
        await s.skip(back, timedelta(days=8))  # the first rungs have fired
        await withdraw(back, materials, "college")
        await complete(back, await office.task("enrolment.materials"), actor="college")
        await complete(back, await office.task("enrolment.verification"))
        hand_in = await office.task("registration.hand_in", where=at("social_bureau"))
        await send_back(back, hand_in, "materials", "straight")
        await office.task("enrolment.materials")
        await s.skip(back, timedelta(days=4))
        await complete(back, await office.task("enrolment.materials"), actor="college")
        await office.task("registration.hand_in", where=at("social_bureau"))
        await s.skip(back, timedelta(days=12))
        await office.settle(lambda: office.kinds(back.id).count("breached") == 2)
        whole = [(to, when) for which, to, when in EXPECTED if which == "DL-REG-FOR"]
        for agency in ("social_bureau", "medical_bureau"):
            ids = ("DL-REG-FOR", f"DL-REG-FOR@{agency}")
            assert [(to, when) for which, to, when in seen(office, back.id) if which in ids] == whole


async def test_what_lies_at_the_bureau_is_taken_back_first_and_the_date_does_not_restart(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        social_hand_in = await office.task("registration.hand_in", where=at("social_bureau"))
        medical_hand_in = await office.task("registration.hand_in", where=at("medical_bureau"))
        await complete(handle, social_hand_in)
        acceptance = await office.task("registration.acceptance", where=at("social_bureau"))
        assert acceptance.spec.return_to[0].undo is not None
        await s.skip(handle, timedelta(days=1))
        await send_back(handle, acceptance, "materials", "again")
        await complete(handle, await office.task("registration.undo", where=at("social_bureau")))
        again = await office.task("enrolment.materials")
        reopened = again.deadlines[0]
        assert (reopened.due, reopened.generation, reopened.met_at) == (date(2026, 10, 15), 1, None)
        await complete(handle, again, actor="college")
        verification = await office.task("enrolment.verification")
        assert verification.spec.key == "verification/2"
        # A second way back, from the other branch, waits for the first.
        await send_back(handle, medical_hand_in, "verification")
        await complete(handle, verification, "return", {"defects": [{"code": "R06", "concerns": "M04", "note": ""}]})
        assert len([t for t in office.open_tasks() if t.spec.kind.startswith("enrolment.")]) <= 1
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        await complete(handle, await office.task("enrolment.verification"))
        await complete(
            handle, await office.task("enrolment.verification", where=lambda t: t.spec.key != "verification/3")
        )
        for agency in ("social_bureau", "medical_bureau"):
            await approve_at(office, handle, agency)
        for question in [t for t in office.open_tasks() if t.spec.kind == "registration.record_changed"]:
            await complete(handle, question)
        await pay(office, handle)
        await handle.result()
        assert office.state(handle.id) == "closed"
        assert office.calls.count("record_registration:social_bureau:undone") == 1
        assert "fill_application:social_bureau:2" in office.calls


async def test_cancelling_while_a_branch_is_on_its_way_back_leaves_nothing_open(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await send_back(handle, await office.task("registration.hand_in", where=at("social_bureau")), "materials")
        await office.task("enrolment.materials")
        await handle.execute_update("cancel", ProcessCommand(reason="离职", actor="clerk", ground="left"))
        await handle.result()
        assert office.state(handle.id) == "cancelled"
        assert not office.open_tasks()


async def test_an_answer_is_withdrawn_only_while_nobody_has_acted_on_it(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        first = await office.task("enrolment.materials")
        assert await refused(withdraw(handle, first, "college")) == "NotAllowedNow"
        await complete(handle, first, actor="college")
        await office.task("enrolment.verification")
        assert await refused(withdraw(handle, first, "clerk")) == "NotYours"
        await withdraw(handle, first, "college")
        second = await office.task("enrolment.materials")
        assert second.spec.key == "materials/2"
        assert second.spec.former == office.tasks[first.id].result.submission_id  # type: ignore[union-attr]
        # Nobody gains days by it: the same hands, the same target, the step's own title.
        assert (second.spec.again, second.deadlines, second.spec.title) == (
            first.spec.key, first.deadlines, first.spec.title
        )  # fmt: skip
        await complete(handle, second, actor="college")
        verification = await office.task("enrolment.verification")
        await complete(handle, verification)
        assert await refused(withdraw(handle, second, "college")) == "TooLate"

        # Both bureaus' tasks stand on the verification: it is taken back from both at once, and comes again once.
        await office.task("registration.hand_in", where=at("social_bureau"))
        await office.task("registration.hand_in", where=at("medical_bureau"))
        fired = office.rungs(handle.id)
        await withdraw(handle, verification, "clerk")
        once_more = await office.task("enrolment.verification")
        assert [t.spec.kind for t in office.open_tasks()] == ["enrolment.verification"]
        assert once_more.deadlines[0].id == "DL-REG-FOR"
        assert once_more.deadlines[0].generation == 1
        assert (once_more.spec.again, once_more.deadlines[1]) == (verification.spec.key, verification.deadlines[1])
        assert office.rungs(handle.id) == fired
        await complete(handle, once_more)
        await complete(handle, await office.task("registration.hand_in", where=at("social_bureau")))
        assert await refused(withdraw(handle, once_more, "clerk")) == "TooLate"
        await handle.execute_update("suspend", ProcessCommand(reason="等待", actor="supervisor"))
        medical = await office.task("registration.hand_in", where=at("medical_bureau"))
        assert await refused(send_back(handle, medical, "materials")) == "TaskSuspended"


async def test_money_goes_back_by_the_declared_steps(stage: Open) -> None:
    office = Office(BY_HAND)
    office.lines = {"social": 3}
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-09")
        await complete(handle, await office.task("tax_payment.freeze"))
        await complete(handle, await office.task("tax_payment.visible"))
        await complete(handle, await office.task("tax_payment.bill"))
        confirm = await office.task("tax_payment.confirm")
        await complete(handle, confirm)
        await office.task("tax_payment.approval")
        await withdraw(handle, confirm, "clerk")
        again = await office.task("tax_payment.confirm")  # at once: the bill beside ours is the same
        assert (again.spec.again, again.deadlines, again.spec.title) == (
            confirm.spec.key, confirm.deadlines, confirm.spec.title
        )  # fmt: skip
        await complete(handle, again)
        await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
        payment = await office.task("tax_payment.payment")
        await send_back(handle, payment, "approval", "straight")
        await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
        payment = await office.task("tax_payment.payment")
        await send_back(handle, payment, "confirm")
        await complete(handle, await office.task("tax_payment.bill"))
        await complete(handle, await office.task("tax_payment.confirm"))
        approval = await office.task("tax_payment.approval")
        assert await refused(complete(handle, approval)) == "FourEyes"
        await complete(handle, approval, actor="supervisor", key="2")
        await complete(handle, await office.task("tax_payment.payment"))
        await office.settle(lambda: "wake_cases:paid" in office.calls)
        assert office.calls.count("record_payment") == 1

        office.calls.clear()
        handle = await s.begin("Reimbursement", at=START, bill_id="b1")
        await complete(handle, await office.task("withholding.confirm"), actor="payroll")
        voucher = await office.task("reimbursement.voucher")
        await complete(handle, voucher)
        await office.task("reimbursement.approval")
        await withdraw(handle, voucher, "clerk")
        again = await office.task("reimbursement.voucher")
        assert (again.spec.again, again.deadlines) == (voucher.spec.key, voucher.deadlines)
        await complete(handle, again)
        await complete(handle, await office.task("reimbursement.approval"), actor="supervisor")
        settlement = await office.task("reimbursement.settlement")
        await send_back(handle, settlement, "voucher", actor="finance")
        await complete(handle, await office.task("reimbursement.voucher"))
        await complete(handle, await office.task("reimbursement.approval"), actor="supervisor")
        await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
        await handle.result()
        assert office.calls.count("prepare_voucher") == 3
        assert office.calls.count("settle_voucher") == 1
