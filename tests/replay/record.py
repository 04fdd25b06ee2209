"""Records the histories that every later version of the workflows must replay: `python -m tests.replay.record`.

The scripted cases go through every branch that a real case can take: returns, refusals in both modes, cancel,
suspension, late birth, every rung of a ladder. A new history is added when a workflow changes behind
`workflow.patched`; an old one is never recorded anew, because it stands for the cases that are open in the field.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment
from temporalio.worker import Worker

from schemas.amendment import Amended
from schemas.base import Text
from schemas.calls import PollAnswer
from schemas.countersign import AddSigner, RemoveSigner, SignRule, Where
from schemas.process import LEFT, PolicyAnswer, PolicyUpdate, ProcessCommand, Wake
from schemas.steps import Returning, Way, Withdrawal
from schemas.tasks import TaskSnapshot
from tests.workflows.conftest import Stage
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_clock import festival
from tests.workflows.test_enrolment import pay
from worker.activations import OneAtATime
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS

FOLDER = Path(__file__).parent / "histories"
START = shanghai("2026-02-02 09:00")


async def refused_twice(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """Returned once, refused twice by both agencies, paid, settled, closed; every rung of the materials' ladder."""
    refusals = [PollAnswer(state="accepted"), PollAnswer(state="refused", code="R08")] * 2
    answers = [*refusals, PollAnswer(state="approved")]
    office.answers = {a: list(answers) for a in ("social_bureau", "medical_bureau")}
    handle = await s.begin(at=START)
    await office.task("enrolment.materials")
    await s.skip(handle, timedelta(days=30))
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("enrolment.verification"), "return", {"defects": [{"code": "R06"}]})
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("enrolment.verification"))
    for agency in ("social_bureau", "medical_bureau"):
        at_agency = lambda t, a=agency: t.spec.authority == a  # noqa: E731
        if office.policy.agency(agency).mode == "http":
            for _ in range(2):
                await complete(handle, await office.task("registration.correction", where=at_agency))
            continue
        for outcome in ("refused", "refused", "approved"):
            await complete(handle, await office.task("registration.hand_in", where=at_agency))
            await complete(handle, await office.task("registration.acceptance", where=at_agency))
            await complete(handle, await office.task("registration.result", where=at_agency), outcome)
            if outcome == "refused":
                await complete(handle, await office.task("registration.correction", where=at_agency))
    await pay(office, handle)
    await handle.result()
    return handle


async def cancelled(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """Suspended, resumed, registered, on a bill, then cancelled with both registrations undone."""
    office.frozen = True
    handle = await s.begin(at=START)
    task = await office.task("enrolment.materials")
    await handle.execute_update("suspend", ProcessCommand(reason="等待复函", actor="supervisor"))
    await s.skip(handle, timedelta(days=3))
    await handle.execute_update("resume", ProcessCommand(reason="已复函", actor="supervisor"))
    task = await office.task("enrolment.materials", where=lambda t: t.state == "ready")
    await complete(handle, task, actor="college")
    await complete(handle, await office.task("enrolment.verification"))
    await office.settle(lambda: len(office.tax_scopes) == 2)
    await handle.execute_update("cancel", ProcessCommand(reason="离职", actor="clerk", ground="left"))
    for agency in ("social_bureau", "medical_bureau"):
        await complete(handle, await office.task("registration.undo", where=lambda t, a=agency: t.spec.authority == a))
    await handle.result()
    return handle


async def one_side_open(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """The medical bureau is silent until it is chased; the approved side is paid first."""
    office.answers["medical_bureau"] = [PollAnswer(state="accepted")]
    handle = await s.begin(at=shanghai("2026-02-11 09:00"))
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("enrolment.verification"))
    await office.settle(lambda: "submitted:medical_bureau:1" in office.calls)
    await s.skip(handle, timedelta(days=14))
    await complete(handle, await office.task("enrolment.partial_payment"))
    await office.settle(lambda: len(office.tax_scopes) == 1)
    await s.skip(handle, timedelta(days=3))
    await complete(handle, await office.task("registration.chase"))
    office.answers["medical_bureau"] = [PollAnswer(state="approved")]
    await s.skip(handle, timedelta(days=3))
    await complete(handle, await office.task("enrolment.payment_month"), "next_month")
    await pay(office, handle)
    await handle.result()
    return handle


async def a_month_of_bills(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """A regular bill with a difference, then a supplementary and a back-payment bill, then the month ends."""
    office.lines = {"social": 3}
    office.comparisons = [False, True]
    office.visible_after = 2
    handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-02")
    await complete(handle, await office.task("tax_payment.freeze"))
    different = await office.task("tax_payment.confirm")
    await complete(handle, different, "adjust", {"reason": "按征集单"})
    await complete(handle, await office.task("tax_payment.confirm", where=lambda t: t.spec.outcomes == ["confirm"]))
    approval = await office.task("tax_payment.approval")
    await complete(handle, approval, "return", {"reason": "请复核"}, actor="supervisor")
    await complete(handle, await office.task("tax_payment.confirm"))
    await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
    await office.settle(lambda: office.state(handle.id) == "waiting")
    office.lines = {"social": 1, "social-earlier": 2}
    await handle.signal("wake", Wake(topic="lines"))
    await complete(handle, await office.task("tax_payment.freeze"))
    for _ in range(2):
        await complete(handle, await office.task("tax_payment.confirm"))
        await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
    await office.settle(lambda: office.state(handle.id) == "waiting")
    await s.skip(handle, timedelta(days=40))
    await handle.result()
    return handle


async def a_bill_settled(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    handle = await s.begin("Reimbursement", at=START, bill_id="b1")
    await complete(handle, await office.task("withholding.confirm"), actor="payroll")
    await complete(handle, await office.task("reimbursement.voucher"))
    await complete(
        handle, await office.task("reimbursement.approval"), "return", {"reason": "请修改"}, actor="supervisor"
    )
    await complete(handle, await office.task("reimbursement.voucher"))
    await complete(handle, await office.task("reimbursement.approval"), actor="supervisor")
    await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
    await handle.result()
    return handle


async def send_back(handle: WorkflowHandle[Any, Any], task: TaskSnapshot, to: str, way: Way, actor: str) -> None:
    argument = Returning(task_id=task.id, to=to, way=way, reason="有误", version=task.version, actor=actor)
    await handle.execute_update("return_task", argument)


async def returned(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """Withdrawn twice, returned straight by one bureau and with an application to undo by the other."""

    async def withdraw(task: TaskSnapshot, actor: str) -> None:
        await handle.execute_update("withdraw_task", Withdrawal(task_id=task.id, reason="漏传", actor=actor))

    social = lambda t: t.spec.authority == "social_bureau"  # noqa: E731
    medical = lambda t: t.spec.authority == "medical_bureau"  # noqa: E731
    handle = await s.begin(at=START)
    materials = await office.task("enrolment.materials")
    await complete(handle, materials, actor="college")
    await office.task("enrolment.verification")
    await withdraw(materials, "college")
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    verification = await office.task("enrolment.verification")
    await complete(handle, verification)
    await office.task("registration.hand_in", where=social)
    await office.task("registration.hand_in", where=medical)
    await withdraw(verification, "clerk")
    await complete(handle, await office.task("enrolment.verification"))
    await complete(handle, await office.task("registration.hand_in", where=medical))
    await send_back(handle, await office.task("registration.hand_in", where=social), "materials", "straight", "clerk")
    await s.skip(handle, timedelta(days=8))
    office.facts = office.facts.model_copy(update={"applications": {"medical_bureau": "changed"}})
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("registration.record_changed", where=medical))
    acceptance = await office.task("registration.acceptance", where=medical)
    await send_back(handle, acceptance, "verification", "again", "clerk")
    await complete(handle, await office.task("registration.undo", where=medical))
    await complete(handle, await office.task("enrolment.verification"))
    for where in (social, medical):
        await complete(handle, await office.task("registration.hand_in", where=where))
        await complete(handle, await office.task("registration.acceptance", where=where))
        await complete(handle, await office.task("registration.result", where=where))
    await pay(office, handle)
    await handle.result()
    return handle


async def money_returned(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """Finance returns a voucher, the approval is withdrawn."""
    handle = await s.begin("Reimbursement", at=START, bill_id="b1")
    await complete(handle, await office.task("withholding.confirm"), actor="payroll")
    await complete(handle, await office.task("reimbursement.voucher"))
    approval = await office.task("reimbursement.approval")
    await complete(handle, approval, actor="supervisor")
    await office.task("reimbursement.settlement")
    taken_back = Withdrawal(task_id=approval.id, reason="误点", actor="supervisor")
    await handle.execute_update("withdraw_task", taken_back)
    await complete(handle, await office.task("reimbursement.approval"), actor="supervisor")
    await send_back(handle, await office.task("reimbursement.settlement"), "voucher", "again", "finance")
    await complete(handle, await office.task("reimbursement.voucher"))
    await complete(handle, await office.task("reimbursement.approval"), actor="supervisor")
    await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
    await handle.result()
    return handle


async def people_left(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """A clerk takes off who is not visible, one leaves during the comparison, one during the approval; then nobody is
    left on a later bill."""
    office.lines, office.persons = {"social": 12}, 4
    office.visible_after = 10_000
    handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-02")
    await complete(handle, await office.task("tax_payment.freeze"))
    await office.settle(lambda: "check_visible" in office.calls)
    await s.skip(handle, timedelta(days=1))
    looking = await office.task("tax_payment.visible")
    office.to_take_off, office.visible_after = 1, 0
    await complete(handle, looking, "take_off", {"persons": ["p1"], "reason": "税务端查无此人"})

    async def leaves(task: TaskSnapshot, persons: int = 1) -> None:
        office.left += persons
        await handle.signal("wake", Wake(topic=LEFT))
        await office.settle(lambda: office.tasks[task.id].state == "obsolete")

    await leaves(await office.task("tax_payment.confirm"))
    await complete(handle, await office.task("tax_payment.confirm"))
    await leaves(await office.task("tax_payment.approval"))
    await complete(handle, await office.task("tax_payment.confirm"))
    await complete(handle, await office.task("tax_payment.approval"), actor="supervisor")
    await office.settle(lambda: office.state(handle.id) == "waiting")
    office.lines, office.persons = {"social": 3}, 1
    await handle.signal("wake", Wake(topic="lines"))
    await complete(handle, await office.task("tax_payment.freeze"))
    await leaves(await office.task("tax_payment.confirm"))
    await office.settle(lambda: office.state(handle.id) == "waiting")
    await s.skip(handle, timedelta(days=40))
    await handle.result()
    return handle


async def voucher_countersigned(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """A voucher that the school has approved by supervisor and head in turn."""
    rule = SignRule(roles=["supervisor", "head"])
    office.policy = office.policy.model_copy(
        update={"reimbursement_countersign_above": Decimal(0), "reimbursement_sign": rule}
    )
    handle = await s.begin("Reimbursement", at=START, bill_id="b3")
    await complete(handle, await office.task("withholding.confirm"), actor="payroll")
    await complete(handle, await office.task("reimbursement.voucher"))
    for role in rule.roles:
        task = await office.task("reimbursement.approval", where=lambda t, role=role: t.spec.roles == [role])
        await complete(handle, task, actor=role)
    await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
    await handle.result()
    return handle


async def countersigned(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """A large bill: supervisor and head in turn; one person added before, one after, one taken off; one signature
    withdrawn; compared once more for the head, to whom it comes straight back."""
    office.lines = {"social": 3}
    office.policy = office.policy.model_copy(update={"tax_payment_countersign_above": Decimal(1)})
    handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-02")
    await complete(handle, await office.task("tax_payment.freeze"))
    await complete(handle, await office.task("tax_payment.confirm"))

    def asked(role: str) -> Awaitable[TaskSnapshot]:
        return office.task("tax_payment.approval", where=lambda t: t.spec.roles == [role])

    async def add(username: str, where: Where) -> None:
        task = await asked("supervisor")
        adding = AddSigner(
            task_id=task.id, username=username, where=where, reason="请看", version=task.version, actor="supervisor"
        )
        await handle.execute_update("add_signer", adding)

    await add("finance", "before")
    await complete(handle, await asked("@finance"), actor="finance")
    await add("payroll", "after")
    await add("clerk9", "after")
    task = await asked("supervisor")
    group = task.spec.sign
    seat = next(x.id for x in group.seats if x.signer.username == "clerk9") if group else ""
    removing = RemoveSigner(task_id=task.id, seat=seat, reason="不需要", actor="supervisor")
    await handle.execute_update("remove_signer", removing)
    await complete(handle, task, actor="supervisor")
    await complete(handle, await asked("@payroll"), actor="payroll")
    await asked("head")
    theirs = next(t for t in office.tasks.values() if t.spec.roles == ["@payroll"])
    await handle.execute_update("withdraw_task", Withdrawal(task_id=theirs.id, reason="误点", actor="payroll"))
    await complete(handle, await asked("@payroll"), actor="payroll")
    await send_back(handle, await asked("head"), "confirm", "straight", "head")
    await complete(handle, await office.task("tax_payment.confirm"))
    await complete(handle, await asked("head"), actor="head")
    await office.settle(lambda: office.state(handle.id) == "waiting")
    await s.skip(handle, timedelta(days=40))
    await handle.result()
    return handle


async def rules_taken_over(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """Newer rules with other insurances and a shorter target, taken over while the college has the materials."""
    handle = await s.begin(at=START)
    await office.task("enrolment.materials")
    rules = [r.model_copy(update={"n": 3}) if r.id == "INT-MATERIALS" else r for r in office.policy.rules]
    office.policy = office.policy.model_copy(update={"rules": rules, "case_rules": "v2", "version": "v2"})
    office.facts = office.facts.model_copy(update={"insurances": office.facts.insurances[1:]})
    why = Text(zh="统一按新规则办理", en="all by the new rules")
    order = PolicyUpdate(id="1", scope="all", reason=why, actor="policy")
    await handle.execute_update("update_policy", order, result_type=PolicyAnswer)
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("enrolment.verification"))
    await pay(office, handle)
    await handle.result()
    return handle


async def amended(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """A day at a bureau amended before and after the agency has accepted, while the case goes on."""

    async def take(number: int, field: str, old: int, new: int) -> None:
        days = {"old": START.date().replace(day=old), "new": START.date().replace(day=new)}
        word = Amended(id=f"a{number}", field=f"registration.{field}", of="social_bureau/1", actor="clerk", **days)
        await handle.execute_update("take_amendment", word)

    social = lambda t: t.spec.authority == "social_bureau"  # noqa: E731
    handle = await s.begin(at=shanghai("2026-02-12 09:00"))
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("enrolment.verification"))
    day = {"handed_in_on": "2026-02-12", "receipt_no": "SL1"}
    await complete(handle, await office.task("registration.hand_in", where=social), data=day)
    acceptance = await office.task("registration.acceptance", where=social)
    await take(1, "handed_in_on", 12, 3)
    await complete(handle, acceptance, data={"accepted_on": "2026-02-12"})
    result = await office.task("registration.result", where=social)
    await take(2, "accepted_on", 12, 9)
    await complete(handle, result, data={"approved_on": "2026-02-12"})
    await office.settle(lambda: len(office.tax_scopes) == 2)
    for scope in office.tax_scopes:
        office.lines[scope.levy] = 0
    await handle.signal("wake", Wake(topic="paid"))
    await handle.result()
    return handle


async def an_amendment(s: Stage, office: Office) -> WorkflowHandle[Any, Any]:
    """Asked for, reminded of, confirmed; the books and the case are told."""
    handle = await begin_amendment(s)
    task = await office.task("amendment.confirm")
    await s.skip(handle, timedelta(days=3))
    await complete(handle, task, actor="supervisor")
    await handle.result()
    return handle


async def begin_amendment(s: Stage) -> WorkflowHandle[Any, Any]:
    return await s.begin(
        "Amendment",
        at=START,
        of="enrolment-1",
        field="registration.number",
        excluded="clerk deputy",
        what_zh="社保局参保编号",
        what_en="Number given by the agency, social bureau",
    )


CASES: dict[str, tuple[Any, dict[str, str]]] = {
    "enrolment-refused-twice-http": (refused_twice, {}),
    "enrolment-refused-twice-portal": (refused_twice, {"social_bureau": "portal", "medical_bureau": "portal"}),
    "enrolment-cancelled": (cancelled, {}),
    "enrolment-one-side-open": (one_side_open, {}),
    "tax_payment-month": (a_month_of_bills, {}),
    "reimbursement-settled": (a_bill_settled, {}),
    "enrolment-returned": (returned, {"social_bureau": "portal", "medical_bureau": "portal"}),
    "tax_payment-people-left": (people_left, {}),
    "tax_payment-countersigned": (countersigned, {}),
    "reimbursement-returned": (money_returned, {}),
    "reimbursement-countersigned": (voucher_countersigned, {}),
    "enrolment-rules-taken-over": (rules_taken_over, {}),
    "enrolment-amended": (amended, {"social_bureau": "portal"}),
    "amendment-confirmed": (an_amendment, {}),
}


async def main(names: list[str]) -> None:
    """Records the named cases (all that have no history yet when none is named)."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        data_converter=pydantic_data_converter,
        search_attributes=[SearchAttributeKey.for_keyword("CaseType")],
    )
    FOLDER.mkdir(exist_ok=True)
    for name, (case, modes) in CASES.items():
        target = FOLDER / f"{name}.json"
        if (names and name not in names) or (not names and target.exists()):
            continue
        office = Office(modes)
        festival(office)
        queue = f"record-{uuid.uuid4().hex[:8]}"
        async with Worker(
            environment.client,
            task_queue=queue,
            workflows=WORKFLOWS,
            activities=office.activities(),
            workflow_runner=workflow_runner(),
            workflow_task_executor=OneAtATime(),
        ):
            handle = await case(Stage(environment, office, queue), office)
        target.write_text((await handle.fetch_history()).to_json(), encoding="utf-8")
        sys.stdout.write(f"{target.name}\n")
    await environment.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads can abort the interpreter at its end
