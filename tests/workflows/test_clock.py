"""The deadline clock: each rung once, at its minute, over a Spring Festival with make-up days; outage; suspension."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError

from schemas.deadlines import LegalKind
from schemas.process import ProcessCommand
from tests.workflows.office import Office, complete, shanghai

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]

# Permit of 2026-01-26: thirty days later is Wednesday 2026-02-25, two days after the festival (15–23 February).
# Saturday the 14th is a make-up working day, so working days before the due day are 24, 14, 13, 12, 11, 10, 9 February.
EXPECTED = [
    ("INT-MATERIALS/1", "holder", "2026-02-04 08:30"),
    ("INT-MATERIALS/1", "holder", "2026-02-06 08:30"),
    ("DL-REG-FOR", "holder", "2026-02-09 08:30"),
    ("INT-MATERIALS/1", "holder", "2026-02-09 08:30"),
    ("INT-MATERIALS/1", "supervisor", "2026-02-10 08:30"),
    ("DL-REG-FOR", "holder", "2026-02-13 08:30"),
    ("DL-REG-FOR", "supervisor", "2026-02-13 08:30"),
    ("DL-REG-FOR", "head", "2026-02-24 08:30"),
    ("DL-REG-FOR", "holder", "2026-02-24 08:30"),
    ("DL-REG-FOR", "holder", "2026-02-25 08:30"),
    ("DL-REG-FOR", "head", "2026-02-25 17:00"),
]


def festival(office: Office) -> None:
    office.facts = office.facts.model_copy(
        update={
            "permit_issued": date(2026, 1, 26),
            "permit_expires": date(2027, 1, 26),
            "contract_start": date(2026, 2, 1),
            "contract_end": date(2028, 1, 31),
        }
    )


def seen(office: Office, process_id: str, since: int = 0) -> list[tuple[str, str, str]]:
    """(deadline, recipient, Shanghai minute) of the rungs in the timeline."""
    found: list[tuple[str, str, str]] = []
    for entry in office.timeline[process_id]:
        if "rung" in entry.data:
            local = entry.at + timedelta(hours=8)
            deadline = str(entry.data["rung"]).rsplit(":", 2)[0]
            found.append((deadline, str(entry.data["to"]), local.strftime("%Y-%m-%d %H:%M")))
    return sorted(found[since:], key=lambda r: (r[2], r[0], r[1]))


async def test_each_rung_once_at_its_minute_over_a_spring_festival(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-02 09:00"))
        await office.task("enrolment.materials")
        await s.skip(handle, timedelta(days=60))
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        assert seen(office, handle.id) == EXPECTED
        said = [e.text for e in office.timeline[handle.id] if "rung" in e.data]
        assert len({t.zh for t in said}) == len({t.en for t in said}) == len(EXPECTED)  # no two read alike
        assert any("提醒办理人（到期前 7 个工作日）" in t.zh for t in said), said[0]
        keys = [k for k, _ in office.rungs(handle.id)]
        assert len(keys) == len(set(keys))
        assert office.kinds(handle.id).count("breached") == 1
        both = [r for r in office.reminders if r.rungs[0].at == shanghai("2026-02-09 08:30")]
        assert [[x.deadline_id for x in r.rungs] for r in both] == [["DL-REG-FOR", "INT-MATERIALS/1"]]  # one message
        assert (await office.task("enrolment.materials")).state == "ready"  # a timeout decides nothing


async def test_a_task_that_opens_late_says_it_once_to_everybody_who_should_know(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-26 09:00"))  # born after everything was due
        await office.task("enrolment.materials")
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        (line,) = [e for e in office.timeline[handle.id] if "rung" in e.data]
        assert line.data["told"] == ["holder", "supervisor", "head"] and line.kind == "escalated"
        assert line.data["rung"] == "DL-REG-FOR:1:head-breach"
        assert "提醒办理人、科长、处长（到期未完成，开始时已过此时点）" in line.text.zh, line.text
        assert {r.to: [x.rung for x in r.rungs] for r in office.reminders} == {
            "holder": ["holder-0"], "supervisor": ["supervisor-3"], "head": ["head-breach"],
        }  # fmt: skip
        assert len(office.reminders) == 3 and office.kinds(handle.id).count("breached") == 1
        await s.skip(handle, timedelta(days=3))
        assert [e for e in office.timeline[handle.id] if "DL-REG-FOR" in str(e.data.get("rung"))] == [line]
        assert len([r for r in office.reminders if r.rungs[0].deadline_id == "DL-REG-FOR"]) == 3


async def test_a_task_that_opens_between_two_rungs_is_told_the_last_one_and_goes_on(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-12 09:00"))  # the days of seven and three working days are over
        await office.task("enrolment.materials")
        await office.settle(lambda: len(office.reminders) > 0)
        late = [e for e in office.timeline[handle.id] if "rung" in e.data]
        assert len(late) == 1 and "开始时已过" in late[0].text.zh
        first = len(office.reminders)
        await s.skip(handle, timedelta(days=20))
        await office.settle(lambda: "breached" in office.kinds(handle.id))
        fired = [e for e in office.timeline[handle.id] if str(e.data.get("rung", "")).startswith("DL-REG-FOR")]
        keys = [e.data["rung"] for e in fired]
        assert len(keys) == len(set(keys)) > 3 and keys[-1] == "DL-REG-FOR:1:head-breach"
        assert not any("开始时已过" in e.text.zh for e in fired[1:]) and len(office.reminders) > first


async def test_a_finished_task_falls_silent(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-02 09:00"))
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        task = await office.task("enrolment.verification")
        await s.skip(handle, timedelta(days=3))
        late = [k for k, _ in office.rungs(handle.id) if k.startswith("INT-MATERIALS/1") and "holder" in k]
        assert late == []
        assert task.spec.key == "verification/1"


async def test_a_rung_that_comes_with_the_answer_finds_the_task_closed(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office, max_cached_workflows=0) as s:
        handle = await s.begin(at=shanghai("2026-02-02 09:00"))
        task = await office.task("enrolment.materials")
        await s.quiet(handle)
    # To the first rung, while nobody works on the case: the answer comes before the case knows of it.
    passing = asyncio.create_task(s.skip(handle, timedelta(days=2)))
    await s.happened(handle, EventType.EVENT_TYPE_TIMER_FIRED)
    answer = asyncio.create_task(complete(handle, task, actor="college", key="late"))
    await s.arrived(handle, f"{task.id}/late")
    async with stage(office, queue=s.queue):
        await asyncio.gather(answer, passing)
        await office.task("enrolment.verification")
        assert office.rungs(handle.id) == []
        assert office.reminders == []


async def test_a_notice_that_cannot_be_written_delays_the_case_and_is_not_lost(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-02 09:00"))
        task = await office.task("enrolment.materials")
        office.fail["record_transition"] = [ConnectionError("the database is away") for _ in range(3)]
        await s.skip(handle, timedelta(days=5))
        await office.settle(lambda: len(office.reminders) >= 2)
        assert office.fail["record_transition"] == []
        assert [r[2] for r in seen(office, handle.id)] == ["2026-02-04 08:30", "2026-02-06 08:30"]
        assert [[x.key for x in r.rungs] for r in office.reminders] == [[k] for k, _ in office.rungs(handle.id)]
        await complete(handle, task, actor="college")
        await office.task("enrolment.verification")


async def test_suspending_keeps_what_is_left_of_internal_targets_only(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-02 09:00"))
        task = await office.task("enrolment.materials")
        internal = next(d for d in task.deadlines if d.legal_kind is LegalKind.INTERNAL)
        assert internal.due == date(2026, 2, 9)  # five working days
        await s.skip(handle, timedelta(days=2))
        command = ProcessCommand(reason="等待复函", actor="supervisor")
        await handle.execute_update("suspend", command)
        assert office.state(handle.id) == "suspended"
        suspended = await office.task("enrolment.materials")
        assert suspended.state == "suspended"
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complete(handle, suspended, actor="college")
        assert refused.value.cause.type == "TaskSuspended"  # type: ignore[attr-defined]
        before = len(seen(office, handle.id))
        await s.skip(handle, timedelta(days=6))  # 10 February: three working days of the target were left
        silent = [r for r in seen(office, handle.id)[before:] if r[0].startswith("INT-")]
        assert silent == []
        assert any(r[0] == "DL-REG-FOR" and r[2] == "2026-02-09 08:30" for r in seen(office, handle.id))
        await handle.execute_update("resume", command)
        resumed = await office.task("enrolment.materials")
        moved = next(d for d in resumed.deadlines if d.legal_kind is LegalKind.INTERNAL)
        statutory = next(d for d in resumed.deadlines if d.legal_kind is LegalKind.STATUTORY)
        assert moved.due == date(2026, 2, 13)
        assert moved.generation == 2
        assert statutory.due == date(2026, 2, 25)
        await complete(handle, resumed, actor="college")


async def test_a_corrected_permit_date_moves_the_statutory_date_and_its_ladder(stage: Open) -> None:
    office = Office()
    festival(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-02-02 09:00"))
        materials = await office.task("enrolment.materials")
        office.facts = office.facts.model_copy(update={"permit_issued": date(2026, 1, 28)})
        await complete(handle, materials, actor="college")
        verification = await office.task("enrolment.verification")
        moved = verification.deadlines[0]
        assert (moved.due, moved.generation) == (date(2026, 2, 27), 2)
        assert "moved" in office.kinds(handle.id)
