"""会签 in all its modes, 加签 and 减签, and what must not get lost when a signature sends the work back."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.calendar import work_calendar
from schemas.countersign import AddSigner, RemoveSigner, Seat, SeatState, SignRule, Where
from schemas.process import ProcessCommand
from schemas.tasks import TaskSnapshot
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_returning import refused, send_back, withdraw

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")


def by(role: str) -> Callable[[TaskSnapshot], bool]:
    return lambda t: t.spec.roles == [role]


def seats_of(office: Office, task: TaskSnapshot) -> list[Seat]:
    group = office.tasks[task.id].spec.sign
    assert group is not None
    return group.seats


async def sign(office: Office, handle: Any, role: str, outcome: str = "approve") -> TaskSnapshot:
    """The signature of a role (or of `@login`), by a user of the same name."""
    task = await office.task("test.sign", where=by(role))
    await complete(handle, task, outcome, actor=role.removeprefix("@"))
    return task


async def add(handle: Any, task: TaskSnapshot, who: str, where: Where, actor: str = "a") -> None:
    adding = AddSigner(task_id=task.id, username=who, where=where, reason="请先看", version=task.version, actor=actor)
    await handle.execute_update("add_signer", adding)


async def remove(handle: Any, task: TaskSnapshot, seat: str) -> None:
    removing = RemoveSigner(task_id=task.id, seat=seat, reason="已口头确认", actor="a")
    await handle.execute_update("remove_signer", removing)


@pytest.mark.parametrize(
    ("mode", "quorum", "answers", "verdict", "not_needed"),
    [
        ("all", "", ["a+", "c+", "b+"], "approve by b", 0),
        ("all", "", ["b-"], "refuse by b", 2),
        ("any", "", ["b+"], "approve by b", 2),
        ("any", "", ["a-", "b-", "c-"], "refuse by c", 0),
        ("any", "", ["a-", "c+"], "approve by c", 1),
        ("in_turn", "", ["a+", "b+", "c+"], "approve by c", 0),
        ("in_turn", "", ["a+", "b-"], "refuse by b", 1),
        ("quorum", "2", ["c+", "a+"], "approve by a", 1),
        ("quorum", "2", ["a-", "c+", "b+"], "approve by b", 0),
        ("quorum", "2", ["a-", "b-"], "refuse by b", 1),
    ],
)
async def test_each_mode_has_one_rule(
    stage: Open, mode: str, quorum: str, answers: list[str], verdict: str, not_needed: int
) -> None:
    office = Office()
    more = {"quorum": quorum} if quorum else {}
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode=mode, signers="a,b,c", **more)
        await complete(handle, await office.task("test.prepare"))
        for answer in answers:
            await sign(office, handle, answer[0], "approve" if answer[1] == "+" else "refuse")
        assert await handle.result() == [verdict]
        last = max((t for t in office.tasks.values() if t.spec.sign), key=lambda t: t.revision)
        states = [seat.state for seat in seats_of(office, last)]
        assert states.count(SeatState.NOT_NEEDED) == not_needed
        assert not office.open_tasks()


async def test_nobody_signs_twice_and_in_turn_comes_one_after_the_other(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode="in_turn", signers="a,b")
        await complete(handle, await office.task("test.prepare"))
        first = await office.task("test.sign")
        assert [t.spec.roles for t in office.open_tasks()] == [["a"]]
        assert await refused(complete(handle, first, actor="clerk")) == "FourEyes"  # who prepared
        await s.skip(handle, timedelta(days=2))
        await sign(office, handle, "a")
        second = await office.task("test.sign", where=by("b"))
        assert second.deadlines[0].id == "INT-APPROVAL/2"  # the target of whoever is asked later is their own
        assert await refused(complete(handle, second, actor="a")) == "FourEyes"
        # The signature before is taken back while the next has not acted, and is asked again.
        await withdraw(handle, first, "a")
        await sign(office, handle, "a")
        await sign(office, handle, "b")
        assert await handle.result() == ["approve by b"]


async def test_a_return_out_of_parallel_signatures_keeps_the_process(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode="all", signers="a,b,c")
        prepared = await office.task("test.prepare")
        await complete(handle, prepared)
        await sign(office, handle, "a")
        assert await refused(withdraw(handle, prepared, "clerk")) == "TooLate"
        await send_back(handle, await office.task("test.sign", where=by("b")), "prepare", actor="b")
        again = await office.task("test.prepare")
        assert [t.spec.key for t in office.open_tasks()] == [again.spec.key]  # c's task is closed, nothing is lost
        await complete(handle, again)
        for role in ("c", "b", "a"):  # what they signed has changed: everybody signs anew
            await sign(office, handle, role)
        assert await handle.result() == ["approve by a"]


async def test_people_are_added_before_and_after_and_taken_off(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode="all", signers="a,b")
        prepared = await office.task("test.prepare")
        assert await refused(add(handle, prepared, "x", "before")) == "NotAllowedNow"
        await complete(handle, prepared)
        mine = await office.task("test.sign", where=by("a"))
        assert await refused(add(handle, mine, "clerk", "before")) == "FourEyes"
        await add(handle, mine, "x", "before")
        assert await refused(complete(handle, mine, actor="a")) == "TaskClosed"  # it comes back after x
        asked = await office.task("test.sign", where=by("@x"))
        assert await refused(add(handle, asked, "x", "after", actor="supervisor")) == "SignsAlready"
        await complete(handle, asked, actor="x")
        mine = await office.task("test.sign", where=by("a"))
        await add(handle, mine, "y", "after")
        await add(handle, mine, "z", "after")
        seats = {seat.signer.group: seat for seat in seats_of(office, mine)}
        assert await refused(remove(handle, mine, seats["b"].id)) == "SignerRequired"
        assert await refused(remove(handle, mine, seats["@x"].id)) == "TooLate"
        await complete(handle, mine, actor="a")
        asked = await office.task("test.sign", where=by("@z"))
        await add(handle, asked, "w", "after", actor="head")  # hands over: w in place of z
        await remove(handle, asked, seats["@z"].id)  # while z is asked
        await sign(office, handle, "@w")
        await sign(office, handle, "@y")
        await sign(office, handle, "b")
        assert await handle.result() == ["approve by b"]
        assert {"signer_added", "signer_removed"} <= set(office.kinds(handle.id))


async def test_a_large_bill_is_approved_by_supervisor_and_head_in_turn(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    office.policy = office.policy.model_copy(update={"tax_payment_countersign_above": Decimal("139.99")})
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-09")
        await complete(handle, await office.task("tax_payment.freeze"))
        await complete(handle, await office.task("tax_payment.confirm"))
        await complete(handle, await office.task("tax_payment.approval", where=by("supervisor")), actor="supervisor")
        of_head = await office.task("tax_payment.approval", where=by("head"))
        assert "pay_bill" not in office.calls
        await complete(handle, of_head, "return", {"reason": "请复核"}, actor="head")
        await complete(handle, await office.task("tax_payment.confirm"))
        await complete(handle, await office.task("tax_payment.approval", where=by("supervisor")), actor="supervisor")
        await complete(handle, await office.task("tax_payment.approval", where=by("head")), actor="head")
        await office.settle(lambda: "pay_bill" in office.calls)


@pytest.mark.parametrize(("above", "second"), [("139.99", True), ("140.00", False)])
async def test_a_large_voucher_is_approved_as_the_school_says(stage: Open, above: str, second: bool) -> None:
    """140 yuan in both parts; a refusal of the second sends it back, and a supervisor approves what is small."""
    office = Office()
    office.policy = office.policy.model_copy(
        update={"reimbursement_countersign_above": Decimal(above), "reimbursement_sign": SignRule()}
    )
    async with stage(office) as s:
        handle = await s.begin("Reimbursement", at=START, bill_id="b1")
        await complete(handle, await office.task("withholding.confirm"), actor="payroll")
        await complete(handle, await office.task("reimbursement.voucher"))
        approval = await office.task("reimbursement.approval", where=by("supervisor"))
        if not second:  # whoever is added to a single one has a target of their own, and the voucher keeps its date
            await add(handle, approval, "payroll", "after", actor="supervisor")
        await complete(handle, approval, actor="supervisor")
        if not second:
            added = await office.task("reimbursement.approval", where=by("@payroll"))
            assert [d.id for d in added.deadlines] == ["DL-REIMB", "INT-APPROVAL/2"]
            await complete(handle, added, actor="payroll")
        if second:
            of_head = await office.task("reimbursement.approval", where=by("head"))
            assert "clerk" in of_head.spec.excluded and "supervisor" in of_head.spec.excluded
            await complete(handle, of_head, "return", {"reason": "请复核"}, actor="head")
            await complete(handle, await office.task("reimbursement.voucher"))
            for role in ("supervisor", "head"):
                await complete(handle, await office.task("reimbursement.approval", where=by(role)), actor=role)
        await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
        await handle.result()
        assert office.calls.count("prepare_voucher") == 1 + second


async def test_a_bill_that_a_correction_makes_large_is_approved_by_both(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    office.comparisons, office.adjusted_to = [False, True], "100.01"
    office.policy = office.policy.model_copy(update={"tax_payment_countersign_above": Decimal("140.00")})
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-09")
        await complete(handle, await office.task("tax_payment.freeze"))
        await complete(handle, await office.task("tax_payment.confirm"), "adjust", {"reason": "按征集单"})
        await complete(handle, await office.task("tax_payment.confirm", where=lambda t: t.spec.outcomes == ["confirm"]))
        await complete(handle, await office.task("tax_payment.approval", where=by("supervisor")), actor="supervisor")
        await office.task("tax_payment.approval", where=by("head"))
        assert "pay_bill" not in office.calls


# --- 撤回 and 退回 of signatures -------------------------------------------------------------------------------------


BY_HAND = {"tax_office": "portal"}


async def to_approval(s: Any, office: Office) -> Any:
    """A large bill, compared and confirmed: supervisor and head have to sign."""
    office.lines = {"social": 3}
    office.policy = office.policy.model_copy(update={"tax_payment_countersign_above": Decimal(1)})
    handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-09")
    await complete(handle, await office.task("tax_payment.freeze"))
    await complete(handle, await office.task("tax_payment.visible"))
    await bill_confirmed(office, handle)
    return handle


async def bill_confirmed(office: Office, handle: Any) -> TaskSnapshot:
    await complete(handle, await office.task("tax_payment.bill"))
    confirm = await office.task("tax_payment.confirm")
    await complete(handle, confirm)
    return confirm


def asked(office: Office, group: str) -> Any:
    return office.task("tax_payment.approval", where=by(group))


async def approved(office: Office, handle: Any, group: str) -> TaskSnapshot:
    task = await asked(office, group)
    await complete(handle, task, actor=group.removeprefix("@"))
    return task


def groups(office: Office) -> list[list[str]]:
    """Who has been asked for an approval, in order."""
    found = sorted((t for t in office.tasks.values() if t.spec.sign), key=lambda t: int(t.spec.key.rpartition("/")[2]))
    return [t.spec.roles for t in found]


async def test_who_withdraws_reopens_the_own_seat_alone(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await to_approval(s, office)
        first = await asked(office, "supervisor")
        await add(handle, first, "pay2", "after", actor="supervisor")
        await complete(handle, first, actor="supervisor")
        added = await approved(office, handle, "@pay2")
        await withdraw(handle, added, "pay2")
        assert (await asked(office, "@pay2")).spec.former == office.tasks[added.id].result.submission_id  # type: ignore[union-attr]
        assert await refused(withdraw(handle, added, "pay2")) == "NotAllowedNow"
        await withdraw(handle, first, "supervisor")  # nobody has acted on it: what pay2 did was taken back
        await approved(office, handle, "supervisor")
        await approved(office, handle, "@pay2")
        last = await approved(office, handle, "head")
        payment = await office.task("tax_payment.payment")
        assert payment.spec.after == last.spec.key
        await withdraw(handle, last, "head")
        again = await asked(office, "head")
        assert [t.spec.key for t in office.open_tasks()] == [again.spec.key]
        assert (again.spec.again, again.deadlines[1].id) == (last.spec.key, last.deadlines[1].id)
        assert [x.state for x in seats_of(office, again)] == ["approved", "approved", "open"]
        assert await refused(complete(handle, again, actor="pay2")) == "FourEyes"
        await approved(office, handle, "head")
        await complete(handle, await office.task("tax_payment.payment"))
        await office.settle(lambda: "record_payment" in office.calls)
        names = ["supervisor", "@pay2", "head", "@pay2", "supervisor", "@pay2", "head", "head"]
        assert groups(office) == [[n] for n in names]


async def test_the_last_answer_is_withdrawn_though_a_signer_was_taken_off_after_it(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await to_approval(s, office)
        await approved(office, handle, "supervisor")
        mine = await asked(office, "head")
        await add(handle, mine, "pay2", "after", actor="head")
        await complete(handle, mine, actor="head")
        theirs = await asked(office, "@pay2")
        seat = next(x.id for x in seats_of(office, theirs) if x.signer.username == "pay2")
        await remove(handle, theirs, seat)
        await office.task("tax_payment.payment")
        await withdraw(handle, mine, "head")
        await approved(office, handle, "head")
        await office.task("tax_payment.payment")


async def test_a_signature_beside_others_is_withdrawn_while_nothing_is_decided(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode="quorum", quorum="2", signers="a,b,c")
        await complete(handle, await office.task("test.prepare"))
        first = await sign(office, handle, "a", "refuse")
        await withdraw(handle, first, "a")
        again = await office.task("test.sign", where=by("a"))
        assert await refused(withdraw(handle, first, "a")) == "NotAllowedNow"
        await sign(office, handle, "b")
        await complete(handle, again, actor="a")
        assert await handle.result() == ["approve by a"]


async def test_a_target_goes_on_through_adding_and_taking_off(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await to_approval(s, office)
        first = await asked(office, "supervisor")
        await s.skip(handle, timedelta(days=10))
        await add(handle, first, "pay2", "before", actor="supervisor")
        theirs = await asked(office, "@pay2")
        seat = next(x.id for x in seats_of(office, theirs) if x.signer.username == "pay2")
        await remove(handle, theirs, seat)
        again = await asked(office, "supervisor")
        assert again.deadlines[1] == office.tasks[first.id].deadlines[1]
        assert theirs.deadlines[1].id != first.deadlines[1].id and again.spec.again == first.spec.key


async def test_a_suspension_takes_nothing_of_a_target_that_waits_for_its_seat(stage: Open) -> None:
    """Whoever waits behind an added signer goes on with what was left; whoever is asked first after it begins then."""
    office = Office()
    why = ProcessCommand(reason="等待复函", actor="supervisor")
    async with stage(office) as s:
        handle = await s.begin("Signing", at=START, mode="all", signers="a,b")
        await complete(handle, await office.task("test.prepare"))
        first = await office.task("test.sign", where=by("a"))
        await add(handle, first, "x", "before")
        theirs = await office.task("test.sign", where=by("@x"))
        signed = await sign(office, handle, "b")
        await handle.execute_update("suspend", why)
        assert await refused(withdraw(handle, signed, "b")) == "TaskSuspended"  # nobody may answer what it would ask
        await s.skip(handle, timedelta(days=30))
        await handle.execute_update("resume", why)
        resumed_on = START.date() + timedelta(days=30)
        calendar = work_calendar(office.policy.calendar("school"))
        left = calendar.working_days_between(START.date(), first.deadlines[0].due)
        wanted = calendar.add_working_days(resumed_on, left)
        assert left > 0 and first.deadlines[0].due < resumed_on
        assert office.tasks[theirs.id].deadlines[0].due == wanted
        await sign(office, handle, "@x")
        again = await office.task("test.sign", where=by("a"))
        assert (again.deadlines[0].id, again.deadlines[0].due) == (first.deadlines[0].id, wanted)
        assert office.reminders == [], "nothing of it has passed"
        await add(handle, again, "y", "after")
        await sign(office, handle, "a")
        later = await office.task("test.sign", where=by("@y"))
        assert later.deadlines[0].due > resumed_on and later.deadlines[0].generation == 1
        await sign(office, handle, "@y")
        assert await handle.result() == ["approve by y"]


@pytest.mark.parametrize("changed", [False, True])
async def test_a_signer_sends_the_bill_back_and_the_others_stand_while_it_is_the_same(
    stage: Open, changed: bool
) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await to_approval(s, office)
        await approved(office, handle, "supervisor")
        mine = await asked(office, "head")
        await send_back(handle, mine, "confirm", "straight", actor="head")
        await office.settle(lambda: seats_of(office, mine)[1].state is SeatState.RETURNED)
        assert [x.actor for x in seats_of(office, mine)] == ["supervisor", "head"]
        for kind in ("tax_payment.bill", "tax_payment.confirm"):
            task = await office.task(kind)
            assert task.spec.data["return_reason"] == "护照号有误"
            if changed and kind == "tax_payment.bill":
                office.comparisons, office.adjusted_to = [False, True], "100.01"
            if changed and kind == "tax_payment.confirm":
                await complete(handle, task, "adjust", {"reason": "按征集单"})
                task = await office.task(kind, where=lambda t: t.spec.outcomes == ["confirm"])
            await complete(handle, task)
        if changed:
            await approved(office, handle, "supervisor")
            assert "signatures_void" in office.kinds(handle.id)
        again = await asked(office, "head")
        assert again.spec.again == (None if changed else mine.spec.key)
        await complete(handle, again, actor="head")
        await office.task("tax_payment.payment")
        assert groups(office).count(["supervisor"]) == 1 + changed


async def test_a_return_by_answer_says_why_at_both_steps_and_a_payment_comes_back_to_who_had_it(stage: Open) -> None:
    office = Office(BY_HAND)
    async with stage(office) as s:
        handle = await to_approval(s, office)
        await approved(office, handle, "supervisor")
        await complete(handle, await asked(office, "head"), "return", {"reason": "金额请复核"}, actor="head")
        for kind in ("tax_payment.bill", "tax_payment.confirm"):
            task = await office.task(kind)
            assert (task.spec.data["return_reason"], task.spec.data["returned_by"]) == ("金额请复核", "head")
            await complete(handle, task)
        line = next(e for e in office.timeline[handle.id] if e.kind == "returned")
        assert "金额请复核" in line.text.zh and line.data["signers"] == ["supervisor"]
        for group in ("supervisor", "head"):  # the steps have run again
            await approved(office, handle, group)
        payment = await office.task("tax_payment.payment")
        await send_back(handle, payment, "approval", "straight")
        for group in ("supervisor", "head"):
            await approved(office, handle, group)
        assert (await office.task("tax_payment.payment")).spec.again == payment.spec.key


@pytest.mark.parametrize(
    ("mode", "roles", "quorum", "answers", "left"),
    [
        ("quorum", ["supervisor", "head", "finance"], 2, ["finance", "head"], 1),
        ("all", ["supervisor", "supervisor"], 2, ["supervisor", "supervisor2"], 0),
        ("any", ["supervisor", "head"], 2, ["head"], 1),
    ],
)
async def test_the_school_says_who_signs_a_large_bill_and_how(
    stage: Open, mode: Any, roles: list[str], quorum: int, answers: list[str], left: int
) -> None:
    office = Office(BY_HAND)
    rule = SignRule(roles=roles, mode=mode, quorum=quorum)
    office.policy = office.policy.model_copy(update={"tax_payment_sign": rule})
    async with stage(office) as s:
        handle = await to_approval(s, office)
        await office.settle(lambda: len(office.open_tasks()) == len(roles))
        for who in answers:
            await complete(handle, await asked(office, who.rstrip("2")), actor=who)
        await office.task("tax_payment.payment")
        last = max((t for t in office.tasks.values() if t.spec.sign), key=lambda t: t.revision)
        assert [x.state for x in seats_of(office, last)].count(SeatState.NOT_NEEDED) == left
