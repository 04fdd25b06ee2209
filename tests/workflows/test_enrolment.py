"""The flagship process against a make-believe office: the whole way, refusals in both modes, cancel, late birth."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from schemas.calls import PollAnswer
from schemas.process import ProcessCommand, Wake
from tests.workflows.office import Office, complete, shanghai

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")


async def to_bureaus(office: Office, handle: Any) -> None:
    """Materials and verification, as college and clerk do them."""
    await complete(handle, await office.task("enrolment.materials"), actor="college")
    await complete(handle, await office.task("enrolment.verification"))


async def pay(office: Office, handle: Any) -> None:
    """What the tax payment and the reimbursement do to the books, and their wake-ups."""
    await office.settle(lambda: len(office.tax_scopes) == 2)
    for scope in office.tax_scopes:
        office.lines[scope.levy] = 0
    await handle.signal("wake", Wake(topic="paid"))


async def test_the_whole_way_from_materials_to_closed(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await pay(office, handle)
        await handle.result()
        assert office.state(handle.id) == "closed"
        assert [x.state for x in office.transitions[-1].process.stages] == ["done"] * 7
        assert "send_notice" in office.calls
        assert {s.levy for s in office.tax_scopes} == {"social", "medical"}
        assert not office.open_tasks()
        assert office.transitions[-1].process.flags == []


async def test_verification_returns_once_with_all_defects_and_the_college_answers(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        defects = [{"code": "R06", "concerns": "M04", "note": "缺签章"}, {"code": "R08", "concerns": "M01", "note": ""}]
        await complete(handle, await office.task("enrolment.verification"), "return", {"defects": defects})
        again = await office.task("enrolment.materials")
        assert again.spec.key == "materials/2"
        assert again.spec.data["defects"] == defects
        await complete(handle, again, actor="college")
        assert (await office.task("enrolment.verification")).spec.key == "verification/2"


@pytest.mark.parametrize("mode", ["http", "portal"])
async def test_each_bureau_refuses_twice_and_the_old_due_date_stands(stage: Open, mode: str) -> None:
    office = Office({"social_bureau": mode, "medical_bureau": mode})
    refusals = [PollAnswer(state="accepted"), PollAnswer(state="refused", code="R08")] * 2 + [
        PollAnswer(state="approved")
    ]
    office.answers = {a: list(refusals) for a in ("social_bureau", "medical_bureau")}
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        for agency in ("social_bureau", "medical_bureau"):
            at_agency = lambda t, a=agency: t.spec.authority == a  # noqa: E731
            if mode == "http":
                for _ in range(2):
                    await complete(handle, await office.task("registration.correction", where=at_agency))
                continue
            for outcome in ("refused", "refused", "approved"):
                await complete(handle, await office.task("registration.hand_in", where=at_agency))
                await complete(handle, await office.task("registration.acceptance", where=at_agency))
                await complete(handle, await office.task("registration.result", where=at_agency), outcome)
                if outcome == "refused":
                    correction = await office.task("registration.correction", where=at_agency)
                    statutory = correction.deadlines[0]
                    assert statutory.id == f"DL-REG-FOR@{agency}"
                    assert statutory.due.isoformat() == "2026-10-15"
                    assert statutory.met_at is None
                    await complete(handle, correction)
        await pay(office, handle)
        await handle.result()
        for agency in ("social_bureau", "medical_bureau"):
            filled = [c for c in office.calls if c.startswith(f"fill_application:{agency}")]
            assert filled == [f"fill_application:{agency}:{n}" for n in (1, 2, 3)]
        assert office.kinds(handle.id).count("refused") == 4


async def test_cancel_undoes_the_registrations_by_tasks(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        await handle.execute_update(
            "cancel", ProcessCommand(reason="许可被注销", actor="clerk", ground="permit_withdrawn")
        )
        for agency in ("social_bureau", "medical_bureau"):
            at_agency = lambda t, a=agency: t.spec.authority == a  # noqa: E731
            await complete(handle, await office.task("registration.undo", where=at_agency))
        await handle.result()
        assert office.state(handle.id) == "cancelled"
        assert {"withdrawn:social_bureau", "withdrawn:medical_bureau", "reverse_lines"} <= set(office.calls)
        assert not office.open_tasks()


async def test_a_case_on_a_frozen_bill_cannot_be_cancelled(stage: Open) -> None:
    office = Office()
    office.frozen = True
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("cancel", ProcessCommand(reason="误报", actor="clerk"))
        assert refused.value.cause.type == "NotAllowedNow"  # type: ignore[attr-defined]


async def test_one_bureau_open_near_the_payment_day_is_decided_by_the_clerk(stage: Open) -> None:
    office = Office()
    office.answers["medical_bureau"] = [PollAnswer(state="accepted")]
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: "submitted:medical_bureau:1" in office.calls)
        await s.skip(handle, timedelta(days=8))
        question = await office.task("enrolment.partial_payment")
        assert question.spec.outcomes == ["pay_approved", "wait"]
        # two working days before Friday the 25th: the Mid-Autumn block begins on the 25th itself
        assert question.opened_at.isoformat() >= shanghai("2026-09-22 08:30").isoformat()
        await complete(handle, question)
        await office.settle(lambda: len(office.tax_scopes) == 1)
        assert office.tax_scopes[0].levy == "social"
        office.answers["medical_bureau"] = [PollAnswer(state="approved")]
        await s.skip(handle, timedelta(days=1))
        await office.settle(lambda: len(office.tax_scopes) == 2 or bool(office.open_tasks()))
        assert "not_same_month" in office.transitions[-1].process.flags


async def test_late_at_birth_shows_the_breach_once_and_asks_for_the_month(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-11-26 10:00"))
        first = await office.task("enrolment.materials")
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        assert first.deadlines[0].due.isoformat() == "2026-10-15"
        holder = [r for r in office.reminders if r.to == "holder"]
        assert len(holder) == 1
        assert "late_at_birth" in office.transitions[-1].process.flags
        await to_bureaus(office, handle)
        question = await office.task("enrolment.payment_month")
        assert question.spec.data["fee_now"] == "12.34"
        await complete(handle, question)
        await pay(office, handle)
        await handle.result()
        assert {s.month for s in office.tax_scopes} == {"2026-11"}


async def test_a_step_that_failed_for_good_is_an_administrators_task_and_nothing_is_asked_twice(stage: Open) -> None:
    office = Office()
    office.fail["apply_record"] = [ApplicationError("broken row", type="BadRow", non_retryable=True)]
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        incident = await office.task("incident.resolve")
        assert incident.spec.roles == ["admin"]
        assert incident.spec.data["error"] == "BadRow"
        await complete(handle, incident, actor="admin")
        await office.task("enrolment.verification")
        assert [t.spec.key for t in office.tasks.values()] == ["materials/1", "incident/1", "verification/1"]


async def test_a_contract_of_the_future_is_paid_with_its_own_month(stage: Open) -> None:
    office = Office()
    office.facts = office.facts.model_copy(
        update={"contract_start": date(2027, 2, 1), "contract_end": date(2029, 1, 31)}
    )
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-11-26 10:00"))
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        assert {s.month for s in office.tax_scopes} == {"2027-02"}
        assert "write_lines:social:2027-02" in office.calls
