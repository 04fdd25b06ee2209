"""The board's number of cases that will be late equals its list; speeds come from finished tasks; the case says why."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from domain.times import at
from runtime import clock
from schemas.base import Text
from schemas.deadlines import Basis, Deadline, LegalKind, Unit
from schemas.process import ProcessState, TimelineEntry, Transition
from schemas.tasks import TaskSnapshot, TaskSpec, TaskState
from store import forecast, policies, projection, tallies
from store.database import reading, session
from store.tables.processes import Process, Task
from tests.api.conftest import Office, deadline, process_snapshot


def due_in(working_days: int, *steps: str) -> Deadline:
    day = policies.calendar("school").add_working_days(clock.today(), working_days)
    basis = Basis(rule="DL-REG-FOR", anchor="2026-11-01", unit=Unit.CALENDAR_DAYS, steps=list(steps))
    return deadline(day, kind=LegalKind.STATUTORY).model_copy(update={"basis": basis})


async def verifying(office: Office, number: str, working_days: int) -> str:
    case = await office.case(id_number=number)
    due = due_in(working_days, "verification", "hand_in")
    await office.task(case, deadlines=[due], process={"deadlines": [due]})
    return case


async def finished(office: Office, n: int, working_days: int) -> None:
    """So many verifications of the last weeks that took so many working days."""
    case = await office.case(id_number="ZZ9999999")
    school = policies.calendar("school")
    last = school.last_working_day_on_or_before(clock.today() - timedelta(days=1))
    ids = [await office.task(case, key=f"verification/{i}") for i in range(n)]
    async with session() as s:
        await s.execute(
            update(Task)
            .where(Task.id.in_(ids))
            .values(
                opened_at=at(school.add_working_days(last, 1 - working_days), "09:00"),
                closed_at=at(last, "16:00"),
                state="completed",
            )
        )


async def listed(office: Office) -> tuple[int, set[str]]:
    client = await office.sign_in("supervisor")
    figure = (await client.get("/api/v1/board")).json()["totals"]["forecast_late"]
    page: dict[str, Any] = (await client.get(f"/api/v1{figure['path']}")).json()
    assert page["total"] == len(page["items"]) == figure["value"]
    return figure["value"], {p["id"] for p in page["items"]}


async def test_number_list_and_reason_follow_what_was_measured(office: Office) -> None:
    soon = await verifying(office, "AA1111111", 1)
    later = await verifying(office, "BB2222222", 6)
    # With the very transition that set its dates: two days of verification and one of hand-in do not fit into two.
    assert await listed(office) == (1, {soon})
    assert await forecast.sweep() == 0  # and nothing is left for the chore
    assert await listed(office) == (1, {soon})
    client = await office.sign_in("clerk")
    (said,) = (await client.get(f"/api/v1/processes/{soon}")).json()["forecasts"]
    assert said["late"] and "尚不足" in said["says"]["zh"] and not said["steps"][0]["measured"]

    await finished(office, policies.setting("forecast_enough") - 1, 9)
    await forecast.measure()
    await forecast.sweep()
    assert await listed(office) == (1, {soon})
    await finished(office, policies.setting("forecast_enough"), 9)
    assert await forecast.measure() == 1
    async with reading() as s:
        assert await forecast.waiting(s) == 4
    await forecast.sweep()
    await tallies.fold()
    assert await listed(office) == (2, {soon, later})
    (said,) = (await client.get(f"/api/v1/processes/{later}")).json()["forecasts"]
    assert "审核通常需要 9 个工作日（90% 在 9 日内）" in said["says"]["zh"] and said["says"]["zh"].endswith(
        "预计逾期。"
    )
    assert await forecast.measure() == 0  # nothing new: no case is forecast again


async def test_a_passed_target_of_the_school_hides_no_date_of_the_law(office: Office) -> None:
    case = await office.case(id_number="AA1111111")
    law = due_in(1, "verification", "hand_in")
    target = deadline(clock.today() - timedelta(days=3), kind=LegalKind.INTERNAL)
    both = [law, target.model_copy(update={"id": "INT-VERIFICATION"})]
    await office.task(case, deadlines=both, process={"deadlines": both})
    assert await listed(office) == (1, {case})
    client = await office.sign_in("supervisor")
    assert [p["id"] for p in (await client.get("/api/v1/processes", params={"overdue": True})).json()["items"]] == [
        case
    ]


async def test_a_target_of_the_school_is_not_overdue_while_its_case_is_suspended(office: Office) -> None:
    case = await office.case(id_number="AA1111111")
    target = deadline(clock.today() - timedelta(days=3), kind=LegalKind.INTERNAL)
    task = await office.task(case, deadlines=[target], process={"deadlines": [target]})
    client = await office.sign_in("supervisor")

    async def overdue() -> list[int]:
        lists = (("processes", {"overdue": True}), ("tasks", {"view": "all", "overdue": True}))
        return [(await client.get(f"/api/v1/{name}", params=asked)).json()["total"] for name, asked in lists]

    assert await overdue() == [1, 1]
    async with session() as s:
        row = await s.get_one(Task, task)
        asked = TaskSnapshot(
            id=task, process_id=case, revision=2, spec=TaskSpec.model_validate(row.spec), state=TaskState.SUSPENDED,
            version=2, opened_at=row.opened_at, deadlines=[target],
        )  # fmt: skip
        process = process_snapshot(case, revision=2, state=ProcessState.SUSPENDED, deadlines=[target])
        await projection.apply(s, Transition(process=process, tasks=[asked]), clock.now())
    assert await overdue() == [0, 0]


async def test_a_case_that_moves_on_is_forecast_again(office: Office) -> None:
    case = await verifying(office, "AA1111111", 1)
    assert await listed(office) == (1, {case})
    calm = due_in(20, "hand_in")
    await office.task(case, "registration.hand_in", key="hand_in/1", revision=2, deadlines=[calm],
                      process={"deadlines": [calm]})  # fmt: skip
    async with session() as s:
        await s.execute(update(Task).where(Task.key == "verification/1").values(closed_at=clock.now()))
    assert await listed(office) == (0, set())  # at once: a list says what the page of the case says
    at_once = await late_from(case)
    assert at_once is not None

    line = TimelineEntry(seq=9, at=clock.now(), kind="reminded", text=Text(zh="提醒办理人", en="Reminded the holder"))
    await tell(case, 3, line)  # moves no date: the forecast stands, and the chore has nothing to do
    assert await forecast.sweep() == 0 and await late_from(case) == at_once
    async with session() as s:
        await s.execute(update(Process).values(forecast_revision=-1, late_from=None))  # as when a speed has changed
    await tell(case, 4, line.model_copy(update={"seq": 10}))  # which a line in between does not hide
    assert await forecast.sweep() == 1
    assert await late_from(case) == at_once  # chore and transition say the same
    assert await listed(office) == (0, set())


async def tell(case: str, revision: int, line: TimelineEntry) -> None:
    async with session() as s:
        snapshot = process_snapshot(case, revision=revision)
        await projection.apply(s, Transition(process=snapshot, timeline=[line]), clock.now())


async def late_from(case: str) -> datetime | None:
    async with reading() as s:
        return (await s.get_one(Process, case)).late_from
