"""会签 in all its modes, 加签 and 减签, and what must not get lost when a signature sends the work back."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.countersign import AddSigner, RemoveSigner, Seat, SeatState, Where
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
        await remove(handle, asked, seats["@z"].id)  # while z is asked
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
