"""Every number of the board equals the total of its list, for each who may see it."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from api.pictures import heat
from domain.times import at
from runtime import clock
from schemas.base import Text
from schemas.process import ProcessState, Stage, StageState
from store import policies, tallies
from store.database import session
from store.tables.processes import Process, Task
from store.users import create_user
from tests.api.conftest import Office, days, deadline
from tests.api.test_substitutes import away

WAITING = [
    Stage(
        code="social_bureau", title=Text(zh="社保局登记", en="Social bureau"), column=2, state=StageState.ACTIVE,
        waiting_on="social_bureau",
    )
]  # fmt: skip


async def some_cases(office: Office) -> None:
    late = await office.case(id_number="AA1111111")
    passed = deadline(days(-2)).model_copy(update={"authority": "tax_office"})
    await office.task(late, deadlines=[passed], process={"deadlines": [passed]})
    risky = await office.case(id_number="BB2222222", org_unit="physics")
    start = clock.now() - timedelta(hours=1)
    await office.task(
        risky, org_unit="physics", deadlines=[deadline(days(3), start=start)], process={"org_unit": "physics"}
    )
    waiting = await office.case(id_number="CC3333333")
    await office.task(
        waiting, "registration.chase", key="chase/1", outcomes=["chased"],
        process={"stages": WAITING, "state": ProcessState.WAITING, "deadlines": [deadline(days(9))]},
    )  # fmt: skip
    calm = await office.case(id_number="DD4444444")
    await office.task(calm, deadlines=[deadline(days(30))])
    clerk = await office.sign_in("clerk")
    tasks = (await clerk.get("/api/v1/tasks", params={"view": "group"})).json()["items"]
    for task in tasks[:2]:
        assert (await clerk.post(f"/api/v1/tasks/{task['id']}/claim")).status_code == 200


def figures(board: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [row for name in ("by_process", "by_org_unit", "by_person", "by_agency", "by_stage") for row in board[name]]
    rows += board["work"]["rows"] if board["work"] else []
    return [*board["totals"].values(), *(f for r in rows for f in r["figures"].values())]


async def test_every_number_equals_its_list(office: Office) -> None:
    await some_cases(office)
    for name in ("supervisor", "auditor", "college", "payroll"):
        client = await office.sign_in(name)
        board = (await client.get("/api/v1/board")).json()
        checked = figures(board)
        assert len(checked) >= 5
        for figure in checked:
            answer = await client.get(f"/api/v1{figure['path']}&limit=1")
            assert answer.status_code == 200, (figure, answer.text)
            assert answer.json()["total"] == figure["value"], (name, figure)
    supervisor = await office.sign_in("supervisor")
    board = (await supervisor.get("/api/v1/board")).json()
    past = {row["key"]: row["figures"]["past_due"]["value"] for row in board["by_agency"]}
    assert past == {"social_bureau": 0, "medical_bureau": 0, "tax_office": 1}, "ours to meet, nothing waits for it"
    totals = board["totals"]
    assert {k: v["value"] for k, v in totals.items()} == {
        "open": 4, "overdue": 1, "due_today": 0, "at_risk": 1, "waiting": 1, "forecast_late": 0, "unclaimed": 0,
        "incidents": 0, "escalations": 0,
    }  # fmt: skip


async def test_the_picture_of_a_process_counts_each_stage_and_how_much_of_it_is_late(office: Office) -> None:
    await some_cases(office)
    for name in ("supervisor", "college"):
        client = await office.sign_in(name)
        (picture,) = (await client.get("/api/v1/pictures")).json()
        stages = [stage for column in picture["columns"] for stage in column]
        assert picture["kind"] == "enrolment" and stages
        for figure in [f for one in (picture, *stages) for f in one["figures"].values()]:
            assert (await client.get(f"/api/v1{figure['path']}&limit=1")).json()["total"] == figure["value"], figure
    supervisor = await office.sign_in("supervisor")
    (picture,) = (await supervisor.get("/api/v1/pictures")).json()
    (materials,) = [s for column in picture["columns"] for s in column if s["code"] == "materials"]
    assert (materials["figures"]["open"]["value"], materials["figures"]["overdue"]["value"]) == (3, 1)
    assert materials["heat"] == 2  # a third


@pytest.mark.parametrize(("cases", "late", "expected"), [(9, 0, 0), (100, 1, 1), (4, 1, 1), (4, 2, 2), (3, 3, 4)])
def test_heat(cases: int, late: int, expected: int) -> None:
    assert heat(cases, late) == expected


async def test_tasks_that_nobody_took_for_too_long(office: Office) -> None:
    """Two whole working days of the school pass, whatever the weekend; who takes one takes it off the number."""
    await some_cases(office)
    supervisor = await office.sign_in("supervisor")

    async def number() -> int:
        figure = (await supervisor.get("/api/v1/board")).json()["totals"]["unclaimed"]
        page = (await supervisor.get(f"/api/v1{figure['path']}")).json()
        assert page["total"] == len(page["items"]) == figure["value"]
        return figure["value"]

    school, today = policies.calendar("school"), clock.today()
    await opened_on(school.add_working_days(today, -2))
    await tallies.fold()
    assert await number() == 0
    await opened_on(school.add_working_days(today, -3))
    assert await number() == 2  # of four tasks two are held
    await tallies.fold()
    assert await number() == 2
    free = (await supervisor.get("/api/v1/tasks", params={"view": "all", "unclaimed": "true"})).json()["items"]
    clerk = await office.sign_in("clerk")
    assert (await clerk.post(f"/api/v1/tasks/{free[0]['id']}/claim")).status_code == 200
    assert await number() == 1


async def opened_on(day: date) -> None:
    async with session() as s:
        await s.execute(update(Task).values(opened_at=at(day, "10:00")))


async def test_work_per_clerk_says_who_has_most_and_how_the_share_is_made(office: Office) -> None:
    await some_cases(office)
    supervisor = await office.sign_in("supervisor")
    work = (await supervisor.get("/api/v1/board")).json()["work"]
    assert {r["key"]: (r["figures"]["open"]["value"], r["above"]) for r in work["rows"]} == {
        "clerk": (2, "1.0"), "clerk2": (0, "-1.0"),
    }  # fmt: skip
    assert work["share"] == "1.0" and "clerk同志，多 1.0 项" in work["says"]["zh"] and "2 人" in work["says"]["zh"]
    await away(office, "clerk2", "clerk", setter="admin")
    work = (await supervisor.get("/api/v1/board")).json()["work"]
    assert work["share"] == "2.0" and {r["key"]: r["above"] for r in work["rows"]} == {"clerk": "0.0", "clerk2": None}
    college = await office.sign_in("college")
    assert (await college.get("/api/v1/board")).json()["work"] is None


async def test_clock_of_one_case_moves_only_its_own_urgency(office: Office) -> None:
    await some_cases(office)
    supervisor = await office.sign_in("supervisor")
    before = (await supervisor.get("/api/v1/processes", params={"overdue": "true"})).json()["total"]
    async with session() as s:
        rows = await s.scalars(select(Process).where(Process.next_due_at.is_not(None)).order_by(Process.next_due_at))
        calm = list(rows)[-1]
        calm.clock_offset_seconds = 60 * 86400
        target = calm.id
    after = (await supervisor.get("/api/v1/processes", params={"overdue": "true"})).json()
    assert after["total"] == before + 1 and target in [p["id"] for p in after["items"]]
    view = (await supervisor.get(f"/api/v1/processes/{target}")).json()
    assert view["overdue"] is True and view["tasks"][0]["overdue"] is True


async def test_deadlines_of_a_period(office: Office) -> None:
    await some_cases(office)
    head = await office.sign_in("head")
    page = (await head.get("/api/v1/deadlines", params={"from": str(days(5)), "to": str(days(12))})).json()
    assert [d["due"] for d in page["items"]] == [str(days(9))]
    assert (await head.get("/api/v1/deadlines", params={"from": "soon"})).status_code == 422


async def test_who_may_not_see_the_board(office: Office) -> None:
    async with session() as s:
        await create_user(s, "policy", "x" * 12, name_zh="政策", roles=["policy"])
    client = office.anonymous()
    signed = await client.post("/api/v1/session", json={"username": "policy", "password": "x" * 12})
    assert signed.status_code == 200
    assert (await client.get("/api/v1/board")).status_code == 403
    assert (await client.get("/api/v1/processes")).json()["total"] == 0
