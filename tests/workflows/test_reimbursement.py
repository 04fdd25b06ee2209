"""The reimbursement of a paid bill: its approval is countersigned, and what is done stays done."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.countersign import Where
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_countersign import add, by
from tests.workflows.test_returning import send_back

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")


async def to_approval(s: Any, office: Office) -> Any:
    """A voucher that waits for its approval."""
    handle = await s.begin("Reimbursement", at=START, bill_id="b1")
    await complete(handle, await office.task("withholding.confirm"), actor="payroll")
    await complete(handle, await office.task("reimbursement.voucher"))
    return handle


@pytest.mark.parametrize(("where", "asked"), [("before", ["@head", "supervisor"]), ("after", ["supervisor", "@head"])])
async def test_a_person_is_added_to_the_approval_of_a_voucher(stage: Open, where: Where, asked: list[str]) -> None:
    """The month's end is the case's own date, and one for all; each signer has a target of their own."""
    office = Office()
    async with stage(office) as s:
        handle = await to_approval(s, office)
        first = await office.task("reimbursement.approval")
        await add(handle, first, "head", where, actor="supervisor")
        for group in asked:
            task = await office.task("reimbursement.approval", where=by(group))
            target = "INT-APPROVAL/1" if group == "supervisor" else "INT-APPROVAL/2"
            assert [d.id for d in task.deadlines] == ["DL-REIMB", target]
            assert task.deadlines[0] == first.deadlines[0]
            await complete(handle, task, actor=group.removeprefix("@"))
        await complete(handle, await office.task("reimbursement.settlement"), actor="finance")
        await handle.result()
        assert "incident" not in office.kinds(handle.id)


async def test_who_was_added_is_not_asked_in_the_next_round_and_that_is_said(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await to_approval(s, office)
        first = await office.task("reimbursement.approval")
        await add(handle, first, "head", "after", actor="supervisor")
        await complete(handle, first, actor="supervisor")
        theirs = await office.task("reimbursement.approval", where=by("@head"))
        await send_back(handle, theirs, "voucher", "again", actor="head")
        await complete(handle, await office.task("reimbursement.voucher"))
        await complete(handle, await office.task("reimbursement.approval", where=by("supervisor")), actor="supervisor")
        await office.task("reimbursement.settlement")
        said = [e for e in office.timeline[handle.id] if e.kind == "signer_left_out"]
        assert [e.data["signer"] for e in said] == ["head"] and "加签人 head 签署" in said[0].text.zh
