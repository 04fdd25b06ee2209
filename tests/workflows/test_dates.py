"""Dates that people move: internal targets with a ground, dates of the law by an authority's decision; and what a
suspension leaves behind."""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from schemas.dates import DateDecision, ExtendTarget
from schemas.deadlines import LegalKind
from schemas.process import ProcessCommand, Reminder
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_clock import festival, seen
from tests.workflows.test_policy_update import rungs_of
from tests.workflows.test_returning import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-02-02 09:00")  # the law's date is 25 February, the target of the materials the 9th


async def extend(handle: Any, task: str, due: date, deadline: str = "INT-MATERIALS/1") -> None:
    extending = ExtendTarget(
        task_id=task, deadline=deadline, due=due, ground="person", reason="护照在换发", actor="supervisor"
    )
    await handle.execute_update("extend_target", extending)


def told_of(office: Office, deadline: str) -> list[Reminder]:
    return [r for r in office.reminders if any(rung.deadline_id == deadline for rung in r.rungs)]


async def decide(handle: Any, due: date, deadline: str = "DL-REG-FOR", *, earlier: bool = False) -> None:
    decision = DateDecision(
        id=str(uuid.uuid4()), deadline=deadline, due=due, number="函88号", reason="系统升级", document="d",
        actor="supervisor", earlier=earlier,
    )  # fmt: skip
    await handle.execute_update("decide_date", decision)


async def test_a_target_is_extended_and_its_ladder_goes_along(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        task = await office.task("enrolment.materials")
        for due, deadline, kind in (
            (date(2026, 2, 9), "INT-MATERIALS/1", "BadDate"),  # no later day
            (date(2026, 2, 26), "INT-MATERIALS/1", "BadDate"),  # past the date of the law
            (date(2026, 2, 13), "DL-REG-FOR", "BadTarget"),  # no target of the school's own
        ):
            assert await refused(extend(handle, task.id, due, deadline)) == kind
        await s.skip(handle, timedelta(days=4, hours=1))  # the 6th: two rungs of the target have fired
        await extend(handle, task.id, date(2026, 2, 14))  # a Saturday that is worked
        law, target = (await office.task("enrolment.materials")).deadlines
        assert (law.due, law.generation) == (date(2026, 2, 25), 1)
        assert (target.due, target.generation) == (date(2026, 2, 14), 2)
        assert "护照在换发" in target.derivation[-2].text.zh + target.derivation[-3].text.zh
        await s.skip(handle, timedelta(days=60))
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        days = [r[2][:10] for r in seen(office, handle.id) if r[0].startswith("INT-MATERIALS")]
        assert days == ["2026-02-04", "2026-02-06", "2026-02-11", "2026-02-13", "2026-02-14", "2026-02-24"]
        keys = Counter(k for k, _ in office.rungs(handle.id))
        assert set(keys.values()) == {1}
        await extend(handle, task.id, date(2026, 5, 7))  # past a date of the law that was missed: allowed, and said
        target = (await office.task("enrolment.materials")).deadlines[1]
        assert any("已于 2026-02-25 到期，仍为逾期" in step.text.zh for step in target.derivation)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        assert await refused(extend(handle, task.id, date(2026, 5, 8))) == "TaskClosed"


async def test_an_authority_moves_a_date_of_the_law_and_two_people_say_so(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await office.task("enrolment.materials")
        assert await refused(decide(handle, date(2026, 2, 25))) == "BadDate"
        assert await refused(decide(handle, date(2026, 3, 2), "INT-MATERIALS/1")) == "BadTarget"
        for nowhere in (date.min, date.max):
            assert await refused(decide(handle, nowhere)) == "BadDate"
        await decide(handle, date(2026, 3, 2))
        assert await refused(decide(handle, date(2026, 3, 5))) == "NotAllowedNow"  # one at a time
        asked = await office.task("date.confirm")
        assert asked.spec.roles == ["supervisor", "head"]
        assert await refused(complete(handle, asked, actor="supervisor")) == "FourEyes"
        await complete(handle, asked, "reject", {"reason": "文号不符"}, actor="head")
        await office.settle(lambda: "date_rejected" in office.kinds(handle.id))
        assert (await office.task("enrolment.materials")).deadlines[0].due == date(2026, 2, 25)

        await handle.execute_update("suspend", ProcessCommand(reason="等待复函", actor="supervisor"))
        await s.skip(handle, timedelta(days=24))  # past the 25th: breached, while the case is suspended
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        await decide(handle, date(2026, 3, 13))
        asked = await office.task("date.confirm")
        assert asked.state == "ready"  # the dates of the law run on, and so does what concerns them
        await complete(handle, asked, actor="head")
        await handle.execute_update("resume", ProcessCommand(reason="继续", actor="supervisor"))
        law = (await office.task("enrolment.materials")).deadlines[0]
        assert (law.due, law.generation, law.breached) == (date(2026, 3, 13), 2, False)
        told = next(step for step in law.derivation if step.kind == "decided")
        assert all(w in told.text.zh for w in ("2026-02-25", "2026-03-13", "函88号", "系统升级", "supervisor", "head"))
        # It stands when its anchor is corrected, and for both agencies after the split; each rung comes once.
        office.facts = office.facts.model_copy(update={"permit_issued": date(2026, 1, 28)})
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        await complete(handle, await office.task("enrolment.verification"))
        await office.settle(lambda: f"submitted:{'social_bureau'}:1" in office.calls)
        held = {d.id: d for t in office.transitions for d in t.process.deadlines}
        for agency in ("social_bureau", "medical_bureau"):
            own = held[f"DL-REG-FOR@{agency}"]
            assert own.due == date(2026, 3, 13)
            assert own.title.zh.count("（") == 1
        assert office.kinds(handle.id).count("date_decided") == 1


async def test_a_date_decided_twice_keeps_its_remaining_steps(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        first = (await office.task("enrolment.materials")).deadlines[0]
        wanted = [p.step for p in first.plan]
        assert len(wanted) > 1
        for due in (date(2026, 11, 13), date(2026, 11, 20)):
            await decide(handle, due)
            await complete(handle, await office.task("date.confirm"), actor="head")
            law = (await office.task("enrolment.materials")).deadlines[0]
            assert (law.due, [p.step for p in law.plan]) == (due, wanted)
            assert law.latest_start < law.due_at - timedelta(days=7)  # days of work, not the last hour
        await handle.terminate()


async def test_a_date_moves_back_only_when_that_is_said_and_a_day_in_the_past_is_breached_at_once(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        law = (await office.task("enrolment.materials")).deadlines[0]
        assert law.anchored_on is not None
        past = START.date() - timedelta(days=1)
        assert law.anchored_on < past < law.due
        assert await refused(decide(handle, past)) == "BadDate"
        assert await refused(decide(handle, law.anchored_on - timedelta(days=1), earlier=True)) == "BadDate"
        for due, breached in ((past, True), (law.due + timedelta(days=9), False)):
            await decide(handle, due, earlier=True)
            asked = await office.task("date.confirm")
            assert ("立即逾期" in asked.spec.title.zh) == breached
            await complete(handle, asked, actor="head")
            law = (await office.task("enrolment.materials")).deadlines[0]
            held = next(d for t in reversed(office.transitions) for d in t.process.deadlines if d.id == law.id)
            assert (law.due, law.breached, held.breached) == (due, breached, breached)
            await office.settle(lambda: len(told_of(office, "DL-REG-FOR")) == 3)
            told = told_of(office, "DL-REG-FOR")
            assert sorted(r.to for r in told) == ["head", "holder", "supervisor"], "at once, and one message each"
            assert all(f"已于 {past} 到期" in r.text.zh for r in told)
        assert office.kinds(handle.id).count("breached") == 1
        lines = [e.text.zh for e in office.timeline[handle.id] if "rung" in e.data and law.id in str(e.data["rung"])]
        assert len(lines) == 3 and sum("，已过期" in line for line in lines) == 2, lines
        await handle.terminate()


async def test_a_recorded_decision_ends_with_the_case(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin()
        await office.task("enrolment.materials")
        await decide(handle, date(2026, 12, 30))
        await office.task("date.confirm")
        await handle.execute_update("cancel", ProcessCommand(reason="误报", actor="clerk", ground="mistake"))
        await handle.result()
        assert office.open_tasks(handle.id) == []


async def test_no_storm_of_timers_and_reminders_when_a_long_suspension_ends(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await office.task("enrolment.materials")
        await s.skip(handle, timedelta(days=1))
        await handle.execute_update("suspend", ProcessCommand(reason="等待复函", actor="supervisor"))
        before = len(office.rungs(handle.id))
        await s.skip(handle, timedelta(days=90))
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        meanwhile = seen(office, handle.id, before)
        # The clock of the law ran on, each rung at its own minute; the school's own target was silent.
        assert {r[0] for r in meanwhile} == {"DL-REG-FOR"}
        assert len({r[2] for r in meanwhile}) > 4
        count, sent = len(office.rungs(handle.id)), len(office.reminders)
        history = await handle.fetch_history()
        await handle.execute_update("resume", ProcessCommand(reason="已复函", actor="supervisor"))
        task = await office.task("enrolment.materials")
        target = next(d for d in task.deadlines if d.legal_kind is LegalKind.INTERNAL)
        assert (target.due, target.generation) == (date(2026, 5, 9), 2)  # four days were left; the 9th is made up
        assert len(office.rungs(handle.id)) == count
        assert len(office.reminders) == sent  # nothing is made up for
        after = await handle.fetch_history()
        started = [e for e in after.events[len(history.events) :] if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
        assert len(started) <= 1
        await s.skip(handle, timedelta(days=30))
        assert max(rungs_of(office, handle.id).values()) == 1
