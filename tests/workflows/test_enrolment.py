"""The flagship process against a make-believe office: the whole way, refusals in both modes, cancel, late birth."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from schemas.calls import AppliedForm, PollAnswer
from schemas.enrolment import EnrolmentFacts
from schemas.process import ProcessCommand, Stage, Wake
from schemas.tasks import Refusal
from tests.workflows.office import Office, complete, shanghai

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")
NEAR = shanghai("2026-09-23 08:00")  # the day on which an open side is asked about


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


def stage_of(office: Office, code: str) -> Stage:
    return next(x for x in office.transitions[-1].process.stages if x.code == code)


async def test_the_whole_way_from_materials_to_closed(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        both = [f"tax_payment-school-{levy}-2026-09" for levy in ("medical", "social")]
        await office.settle(lambda: sorted(stage_of(office, "tax_payment").waits) == both)
        await pay(office, handle)
        await handle.result()
        assert stage_of(office, "tax_payment").waits == []
        assert office.state(handle.id) == "closed"
        assert [x.state for x in office.transitions[-1].process.stages] == ["done"] * 7
        assert "send_notice" in office.calls
        assert {s.levy for s in office.tax_scopes} == {"social", "medical"}
        assert not office.open_tasks()
        assert office.transitions[-1].process.flags == []


async def test_an_old_answer_of_the_ledger_does_not_say_that_the_other_levy_is_paid(stage: Open) -> None:
    """Both branches write at the same time: what the medical one heard was true before the social one wrote."""
    office = Office()
    async with stage(office) as s:
        month = "2026-09"
        office.slow[f"write_lines:social:{month}"] = 0.5
        office.late["write_lines:medical"] = 1.5  # and it arrives after the social one's answer
        office.slow[f"start_tax_payment:social:{month}"] = 2.5
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        both = [f"tax_payment-school-{levy}-{month}" for levy in ("medical", "social")]
        await office.settle(lambda: sorted(stage_of(office, "tax_payment").waits) == both)
        assert "paid" not in office.kinds(handle.id)


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
        await complete(handle, again, actor="clerk2")  # on behalf of the college
        second = await office.task("enrolment.verification")
        assert second.spec.key == "verification/2" and second.spec.excluded == ["clerk2"]
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complete(handle, second, actor="clerk2")
        assert isinstance(refused.value.cause, ApplicationError) and refused.value.cause.type == Refusal.FOUR_EYES
        await complete(handle, second, actor="clerk", key="2")


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


class Corrected(Office):
    """The second correction brings another date of the permit; the answer to the first is long under way."""

    @activity.defn(name="apply_record")
    async def apply_record(self, arg: AppliedForm) -> EnrolmentFacts:
        await self._called("corrected")
        answered = self.facts
        match self.calls.count("corrected"):
            case 2:  # the first is the college's own form
                await asyncio.sleep(1.5)
            case 3:
                answered = self.facts = self.facts.model_copy(update={"permit_issued": date(2026, 9, 16)})
        return answered


async def test_two_corrections_at_once_leave_the_later_record(stage: Open) -> None:
    office = Corrected()
    twice = [PollAnswer(state="refused", code="R03"), PollAnswer(state="refused", code="R03")]
    office.answers = {a: list(twice) for a in ("social_bureau", "medical_bureau")}
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        first = [
            await office.task("registration.correction", where=lambda t, a=agency: t.spec.authority == a)
            for agency in ("social_bureau", "medical_bureau")
        ]
        await asyncio.gather(*(complete(handle, task) for task in first))
        again = [
            await office.task(
                "registration.correction",
                where=lambda t, a=agency: t.spec.authority == a and t.id not in {x.id for x in first},
            )
            for agency in ("social_bureau", "medical_bureau")
        ]
        assert [t.deadlines[0].due.isoformat() for t in again] == ["2026-10-16"] * 2


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


@pytest.mark.parametrize("moment", range(6))
async def test_cancelling_at_any_moment_ends_the_case(stage: Open, moment: int) -> None:
    """An activity that ends in the very step of the cancel must not let its branch go on."""
    office = Office()
    office.slow = {"start_tax_payment": 0.02, "submit_application": 0.02, "poll_application": 0.02}
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await asyncio.sleep(0.03 * moment)
        await handle.execute_update("cancel", ProcessCommand(reason="离职", actor="clerk", ground="left"))
        for _ in range(1200):
            for task in office.open_tasks():
                assert task.spec.kind == "registration.undo"
                await complete(handle, task)
            if office.state(handle.id) == "cancelled":
                break
            await asyncio.sleep(0.05)
        await handle.result()
        assert office.state(handle.id) == "cancelled"


@pytest.mark.parametrize("ground", ["mistake", "other", "left", "permit_withdrawn"])
async def test_a_case_on_a_frozen_bill_is_cancelled_on_any_ground(stage: Open, ground: Any) -> None:
    office = Office()
    office.frozen = True
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.tax_scopes) == 2)
        await handle.execute_update("cancel", ProcessCommand(reason="误报", actor="clerk", ground=ground))
        for agency in ("social_bureau", "medical_bureau"):
            await complete(
                handle, await office.task("registration.undo", where=lambda t, a=agency: t.spec.authority == a)
            )
        await handle.result()
        assert office.state(handle.id) == "cancelled" and "wake_payments" in office.calls


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
        fees = {name: value for name, value in question.spec.data.items() if name.startswith("fee_")}
        assert fees == {"fee_pay_approved": "12.34", "fee_wait": "12.34"}
        # two working days before Friday the 25th, the first day of the Mid-Autumn block
        assert question.opened_at.replace(second=0, microsecond=0) == shanghai("2026-09-23 08:30")
        await complete(handle, question)
        await office.settle(lambda: len(office.tax_scopes) == 1)
        assert office.tax_scopes[0].levy == "social"
        await s.skip(handle, timedelta(days=2))  # past the 25th
        office.answers["medical_bureau"] = [PollAnswer(state="approved")]
        await s.skip(handle, timedelta(days=3))
        await complete(handle, await office.task("enrolment.payment_month"))
        await office.settle(lambda: len(office.tax_scopes) == 2)
        # The rows of the answer travel beside the calls that follow it.
        await office.settle(lambda: "not_same_month" in office.transitions[-1].process.flags)


async def test_the_question_about_the_open_side_escalates_and_time_never_answers_it(stage: Open) -> None:
    office = Office()
    office.answers["medical_bureau"] = [PollAnswer(state="accepted")]
    async with stage(office) as s:
        handle = await s.begin(at=NEAR)
        await to_bureaus(office, handle)
        await office.settle(lambda: "submitted:medical_bureau:1" in office.calls)
        await s.skip(handle, timedelta(hours=2))
        question = await office.task("enrolment.partial_payment")
        await s.skip(handle, timedelta(days=5))  # past the target of a day, and past the payment day
        assert {r.to for r in office.reminders if r.task_id == question.id} == {"holder", "supervisor", "head"}
        assert (await office.task("enrolment.partial_payment")).id == question.id
        assert office.tax_scopes == []


async def test_whoever_waits_for_the_open_side_pays_both_together(stage: Open) -> None:
    office = Office()
    office.answers["medical_bureau"] = [PollAnswer(state="accepted")]
    async with stage(office) as s:
        handle = await s.begin(at=NEAR)
        await to_bureaus(office, handle)
        await office.settle(lambda: "submitted:medical_bureau:1" in office.calls)
        await s.skip(handle, timedelta(hours=2))
        await complete(handle, await office.task("enrolment.partial_payment"), "wait")
        assert office.tax_scopes == []
        office.answers["medical_bureau"] = [PollAnswer(state="approved")]
        await s.skip(handle, timedelta(hours=6))  # still before the 25th
        await office.settle(lambda: {x.levy for x in office.tax_scopes} == {"social", "medical"})
        assert "not_same_month" not in office.transitions[-1].process.flags


async def test_late_at_birth_shows_the_breach_once_and_asks_for_the_month(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-11-26 10:00"))
        first = await office.task("enrolment.materials")
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        assert first.deadlines[0].due.isoformat() == "2026-10-15"
        holder = [r for r in office.reminders if r.to == "holder"]
        assert len(holder) == 1
        await office.settle(lambda: "late_at_birth" in office.transitions[-1].process.flags)
        await to_bureaus(office, handle)
        question = await office.task("enrolment.payment_month")
        assert question.spec.data["fee_now"] == "24.68"  # of both levies, as one answer is for both
        await complete(handle, question)
        await pay(office, handle)
        await handle.result()
        assert {s.month for s in office.tax_scopes} == {"2026-11"}


async def test_a_step_that_failed_for_good_is_an_administrators_task_and_nothing_is_asked_twice(stage: Open) -> None:
    office = Office()
    taken = {"zh": "第 7 行的号码已属于他人。", "en": "The number in row 7 is somebody else's."}
    office.fail["apply_record"] = [ApplicationError("broken row", taken, type="BadRow", non_retryable=True)]
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        # The answer was to be written by the call that failed: it is written all the same, before the incident.
        closed = next(t for t in office.transitions if "task_completed" in {e.kind for e in t.timeline})
        incident = await office.task("incident.resolve")
        assert incident.spec.roles == ["admin"]
        assert incident.spec.data["error"] == "BadRow"
        assert incident.spec.data["cause"] == taken
        said = next(e.text for t in office.transitions for e in t.timeline if e.kind == "incident")
        assert taken["zh"] in said.zh and taken["en"] in said.en and "BadRow" not in said.zh + said.en
        opened = next(t for t in office.transitions if incident.id in {x.id for x in t.tasks})
        assert closed.process.revision < opened.process.revision
        assert office.transitions.index(closed) < office.transitions.index(opened)
        await complete(handle, incident, actor="admin")
        await office.task("enrolment.verification")
        assert [t.spec.key for t in office.tasks.values()] == ["materials/1", "incident/1", "verification/1"]


async def test_an_answer_and_the_books_that_follow_from_it_are_one_activity(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        materials = await office.task("enrolment.materials")
        while (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.05)  # an answer that comes while rows are being written waits for these
        await asyncio.sleep(0.5)
        await complete(handle, materials, actor="college")
        await office.task("enrolment.verification")
        assert office.calls[-3:] == ["apply_record", "carried", "record_transition"]
        revisions = [t.process.revision for t in office.transitions]
        assert revisions == sorted(set(revisions))
        seqs = [e.seq for e in office.timeline[handle.id]]
        assert seqs == list(range(1, len(seqs) + 1))  # nothing lost, nothing twice


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


async def test_a_hand_in_recorded_late_was_in_time(stage: Open) -> None:
    office = Office({"social_bureau": "portal", "medical_bureau": "portal"})
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-10-14 09:00"))
        await to_bureaus(office, handle)
        social = lambda t: t.spec.authority == "social_bureau"  # noqa: E731
        hand_in = await office.task("registration.hand_in", where=social)
        await s.skip(handle, timedelta(days=3))  # the due day was Thursday the 15th
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        hand_in = await office.task("registration.hand_in", where=social)
        form = {"handed_in_on": "2026-10-15", "receipt_no": "SL1"}
        await complete(handle, hand_in, "handed_in", form)
        acceptance = await office.task("registration.acceptance", where=social)
        held = [d for t in office.transitions for d in t.process.deadlines if d.id == "DL-REG-FOR@social_bureau"]
        assert held[-1].met_at is not None
        assert held[-1].met_at <= held[-1].due_at
        assert not held[-1].breached
        # The agency's norm counts from the hand-in until an acceptance is recorded: ten working days from the 15th.
        assert acceptance.deadlines[0].due == date(2026, 10, 29)


async def test_an_agency_that_never_answers_is_chased(stage: Open) -> None:
    office = Office()
    office.answers["social_bureau"] = [PollAnswer(state="pending")]
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-10-12 09:00"))
        await to_bureaus(office, handle)
        await office.settle(lambda: "submitted:social_bureau:1" in office.calls)
        await s.skip(handle, timedelta(days=11))
        chase = await office.task("registration.chase")
        assert chase.spec.authority == "social_bureau"


async def test_a_corrected_permit_moves_both_agencies_dates(stage: Open) -> None:
    office = Office()
    office.answers["social_bureau"] = [PollAnswer(state="refused", code="R03"), PollAnswer(state="approved")]
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        correction = await office.task("registration.correction")
        assert correction.deadlines[0].due == date(2026, 10, 15)
        office.facts = office.facts.model_copy(update={"permit_issued": date(2026, 9, 10)})
        await complete(handle, correction)
        await office.settle(lambda: "moved" in office.kinds(handle.id))
        held = {d.id: d.due for t in office.transitions for d in t.process.deadlines}
        assert held["DL-REG-FOR@social_bureau"] == held["DL-REG-FOR@medical_bureau"] == date(2026, 10, 10)


async def test_payments_of_a_month_cannot_be_cancelled(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-09")
        freeze = await office.task("tax_payment.freeze")
        # four steps of a day each; the 25th is a holiday, so the last of them ends on the 24th: begin on the 21st
        assert freeze.deadlines[0].latest_start == shanghai("2026-09-21 08:30")
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("cancel", ProcessCommand(reason="误操作", actor="clerk"))
