"""Amendment 更正: the second person's word with its own date, and what running processes count anew."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from schemas.amendment import Amended
from schemas.deadlines import Deadline
from schemas.process import ProcessCommand
from tests.replay.record import begin_amendment
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_clock import festival
from tests.workflows.test_dates import extend, told_of
from tests.workflows.test_enrolment import pay, to_bureaus
from tests.workflows.test_returning import at, refused, told_otherwise

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")  # a Wednesday; the permit is of the 15th, the law's date 15 October
NORM = "DL-AGENCY-NORM@social_bureau/1"
LAW = "DL-REG-FOR@social_bureau"


def held(office: Office, process_id: str) -> dict[str, Deadline]:
    return {d.id: d for t in office.transitions if t.process.id == process_id for d in t.process.deadlines}


def texts(office: Office, process_id: str) -> str:
    return "\n".join(e.text.zh for e in office.timeline[process_id])


async def take(handle: Any, field: str, new: date, of: str = "social_bureau/1", ident: str = "") -> None:
    word = Amended(id=ident or f"{field}/{of}/{new}", field=field, of=of, old=new, new=new, actor="supervisor")
    await handle.execute_update("take_amendment", word, id=word.id)


async def test_the_second_person_is_asked_reminded_and_not_the_proposer(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await begin_amendment(s)
        task = await office.task("amendment.confirm")
        assert task.spec.roles == ["clerk", "supervisor"]
        assert [d.id for d in task.deadlines] == ["INT-APPROVAL/1"]
        for name in ("clerk", "deputy"):
            assert await refused(complete(handle, task, actor=name)) == "FourEyes"
        # No date of the law limits it; a day that nothing can be counted from would stop the case.
        assert await refused(extend(handle, task.id, date.max, "INT-APPROVAL/1")) == "BadDate"
        await s.skip(handle, timedelta(days=10))
        assert {r.to for r in office.reminders} >= {"holder", "supervisor"}, "it is escalated like any task"
        await complete(handle, task, actor="supervisor")
        await handle.result()
        calls = [c for c in office.calls if "amend" in c]
        assert calls == ["decide_amendment:confirm:supervisor", "tell_amended"]
        assert office.state(handle.id) == "closed" and "amend_applied" in office.kinds(handle.id)


async def test_what_is_not_applied_is_told_to_nobody(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        rejected = await begin_amendment(s)
        await complete(
            rejected, await office.task("amendment.confirm"), "reject", {"reason": "原值无误"}, actor="clerk2"
        )
        await rejected.result()
        office.amended = "void"
        void = await begin_amendment(s)
        await complete(void, await office.task("amendment.confirm"), actor="clerk2")
        await void.result()
        withdrawn = await begin_amendment(s)
        await office.task("amendment.confirm")
        await withdrawn.execute_update("cancel", ProcessCommand(reason="提错了", actor="clerk"))
        await withdrawn.result()
        assert [c for c in office.calls if "amend" in c] == [
            "decide_amendment:reject:clerk2", "decide_amendment:confirm:clerk2", "decide_amendment:withdraw:clerk"
        ]  # fmt: skip
        assert office.open_tasks() == []
        assert [office.kinds(h.id)[-3:-1] for h in (rejected, void)] and "未能更正" in texts(office, void.id)
        gone = next(e for e in office.timeline[withdrawn.id] if e.kind == "task_obsolete")
        assert gone.actor == "clerk", "by whose word; the projection does not tell that person of it"
        assert office.state(withdrawn.id) == "cancelled" and "amend_withdrawn" in office.kinds(withdrawn.id)


async def test_an_amended_day_moves_what_was_met_and_counted_by_it(stage: Open) -> None:
    office = Office({"social_bureau": "portal", "medical_bureau": "portal"})
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        day = {"handed_in_on": "2026-09-16", "receipt_no": "SL1"}
        await complete(handle, await office.task("registration.hand_in", where=at("social_bureau")), data=day)
        acceptance = await office.task("registration.acceptance", where=at("social_bureau"))
        before = held(office, handle.id)
        assert before[LAW].met_at is not None and before[LAW].met_at.date() == date(2026, 9, 16)

        await take(handle, "registration.receipt_no", date(2026, 9, 9))  # no day of it is counted by
        await take(handle, "registration.handed_in_on", date(2026, 9, 9), of="social_bureau/2")  # no attempt of now
        assert held(office, handle.id) == before
        await take(handle, "registration.handed_in_on", date(2026, 9, 9))
        after = held(office, handle.id)
        assert after[LAW].met_at is not None and after[LAW].met_at.date() == date(2026, 9, 9)
        assert after[NORM].due < before[NORM].due
        task = office.tasks[acceptance.id]
        assert [d.due for d in task.deadlines] == [after[NORM].due], "and the open task carries the new day"
        said = texts(office, handle.id)
        assert f"由 {before[NORM].due} 改为 {after[NORM].due}" in said
        assert "由 2026-09-16 改为 2026-09-09" in said

        # Once the agency has accepted, its norm counts from there: only that day moves it.
        await complete(handle, acceptance, data={"accepted_on": "2026-09-16"})
        result = await office.task("registration.result", where=at("social_bureau"))
        accepted = held(office, handle.id)[NORM].due
        await take(handle, "registration.handed_in_on", date(2026, 9, 8))
        assert held(office, handle.id)[NORM].due == accepted
        await take(handle, "registration.accepted_on", date(2026, 9, 10))
        assert held(office, handle.id)[NORM].due < accepted

        # A day after the date of the law makes it late, and the next amendment takes that back.
        await s.skip(handle, timedelta(days=40))
        await take(handle, "registration.handed_in_on", date(2026, 10, 20))
        late = held(office, handle.id)[LAW]
        assert late.breached and "晚于期限 2026-10-15" in texts(office, handle.id)
        await take(handle, "registration.handed_in_on", date(2026, 9, 16), ident="again")
        assert not held(office, handle.id)[LAW].breached
        await complete(handle, result, data={"approved_on": "2026-09-16"})
        decided = held(office, handle.id)[NORM]
        await take(handle, "registration.accepted_on", date(2026, 9, 14))
        moved = held(office, handle.id)[NORM]
        assert moved.due != decided.due and moved.met_at == decided.met_at, "met when it was met"


async def test_an_amended_permit_moves_both_dates_and_asks_where_an_application_lies(stage: Open) -> None:
    office = Office({"social_bureau": "portal", "medical_bureau": "portal"})
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        await office.task("enrolment.verification")
        await take(handle, "hire.permit_issued", date(2026, 9, 14), of="")
        assert held(office, handle.id)["DL-REG-FOR"].due == date(2026, 10, 14)
        assert "由 2026-10-15 改为 2026-10-14" in texts(office, handle.id)
        # Into the past: whoever has the task, the supervisor and the head hear of it at once, and not once more when it
        # moves within the past.
        for day in (date(2026, 8, 10), date(2026, 8, 7)):
            await take(handle, "hire.permit_issued", day, of="", ident=f"past {day}")
            assert held(office, handle.id)["DL-REG-FOR"].breached
            await office.settle(lambda: len(told_of(office, "DL-REG-FOR")) == 3)
            told = told_of(office, "DL-REG-FOR")
            assert sorted(r.to for r in told) == ["head", "holder", "supervisor"]
            assert all("已于 2026-09-09 到期" in r.text.zh for r in told)
        await take(handle, "hire.permit_issued", date(2026, 9, 14), of="", ident="right again")
        assert len(told_of(office, "DL-REG-FOR")) == 3
        # What the record says at the next step is what the books say, and they have the new day.
        office.facts = office.facts.model_copy(update={"permit_issued": date(2026, 9, 14)})
        await complete(handle, await office.task("enrolment.verification"))
        day = {"handed_in_on": "2026-09-16", "receipt_no": "SL1"}
        await complete(handle, await office.task("registration.hand_in", where=at("social_bureau")), data=day)
        await office.task("registration.acceptance", where=at("social_bureau"))
        medical = await office.task("registration.hand_in", where=at("medical_bureau"))
        office.facts = office.facts.model_copy(update={"permit_issued": date(2026, 8, 10)})
        await take(handle, "hire.permit_issued", date(2026, 8, 10), of="")
        dates = held(office, handle.id)
        assert [dates[f"DL-REG-FOR@{a}"].due for a in ("social_bureau", "medical_bureau")] == [date(2026, 9, 9)] * 2
        assert dates[LAW].breached and dates[LAW].met_at is not None, "handed in late, by the right day"
        question = await office.task("registration.record_changed", where=at("social_bureau"))
        await complete(handle, question, "unaffected", {"reason": "机构处日期无误"})
        # No application says the day of the permit: the hand-in not yet made goes on, by its new date. Only what its
        # agency is told makes it begin anew, and what neither agency is told asks nobody.
        await take(handle, "hire.residence_expires", date(2027, 9, 1), of="")
        still = await office.task("registration.hand_in", where=at("medical_bureau"))
        assert (still.id, still.deadlines[0].due) == (medical.id, date(2026, 9, 9))
        told_otherwise(office, "medical_bureau")
        await take(handle, "hire.monthly_wage", date(2026, 9, 16), of="")
        again = await office.task(
            "registration.hand_in", where=lambda t: t.id != medical.id and at("medical_bureau")(t)
        )
        assert again.spec.data["attempt"] == 2
        assert [t for t in office.open_tasks() if t.spec.kind == "registration.record_changed"] == []
        await complete(handle, again, data=day)
        for agency in ("social_bureau", "medical_bureau"):
            accepted = await office.task("registration.acceptance", where=at(agency))
            await complete(handle, accepted, data={"accepted_on": "2026-09-16"})
            result = await office.task("registration.result", where=at(agency))
            await complete(handle, result, data={"approved_on": "2026-09-16"})
        await office.settle(lambda: len(office.tax_scopes) == 2)
        told_otherwise(office, "social_bureau")
        await take(handle, "hire.work_permit_no", date(2026, 9, 16), of="")  # told to the social bureau alone
        await complete(handle, await office.task("registration.record_changed", where=at("social_bureau")))
        await pay(office, handle)
        await handle.result()
        assert office.open_tasks() == []


async def test_what_the_program_cannot_count_by_is_refused_and_the_case_goes_on(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        await office.task("enrolment.verification")
        before, lines = held(office, handle.id), len(office.timeline[handle.id])
        assert await refused(take(handle, "hire.permit_issued", date(9999, 12, 20), of="")) == "ProgramFault"
        assert held(office, handle.id) == before and len(office.timeline[handle.id]) == lines
        await complete(handle, await office.task("enrolment.verification"))
        await office.settle(lambda: "submitted:social_bureau:1" in office.calls)
        assert held(office, handle.id)[LAW].due == before["DL-REG-FOR"].due


async def test_the_months_end_of_a_reimbursement_follows_the_day_of_payment(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin("Reimbursement", at=shanghai("2026-02-02 09:00"), bill_id="b1", paid_on="2026-02-02")
        task = await office.task("withholding.confirm")
        assert task.deadlines[0].due == date(2026, 2, 28)
        await take(handle, "payment.certificate_no", date(2026, 1, 29), of="b1")
        assert office.tasks[task.id].deadlines[0].due == date(2026, 2, 28)
        await take(handle, "payment.paid_on", date(2026, 1, 29), of="b1")
        assert office.tasks[task.id].deadlines[0].due == date(2026, 1, 30)
        assert "由 2026-02-28 改为 2026-01-30" in texts(office, handle.id)
        await complete(handle, task, actor="payroll")
        voucher = await office.task("reimbursement.voucher")
        assert voucher.deadlines[0].due == date(2026, 1, 30)


async def test_a_case_that_has_ended_counts_nothing_anew(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await to_bureaus(office, handle)
        await take(handle, "registration.handed_in_on", date(2026, 9, 15))  # by the agency's own system: it goes along
        await office.settle(lambda: "submitted:social_bureau:1" in office.calls)
        await pay(office, handle)
        await handle.result()
        with pytest.raises(Exception, match="completed"):
            await take(handle, "registration.handed_in_on", date(2026, 9, 14))
