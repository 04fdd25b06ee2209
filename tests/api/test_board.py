"""Every number of the board equals the total of its list, for each who may see it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from runtime import clock
from schemas.base import Text
from schemas.process import ProcessState, Stage, StageState
from store.database import session
from store.tables.processes import Process
from store.users import create_user
from tests.api.conftest import Office, days, deadline

WAITING = [
    Stage(
        code="social_bureau", title=Text(zh="社保局登记", en="Social bureau"), column=2, state=StageState.ACTIVE,
        waiting_on="social_bureau",
    )
]  # fmt: skip


async def some_cases(office: Office) -> None:
    late = await office.case(id_number="AA1111111")
    await office.task(late, deadlines=[deadline(days(-2))])
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
    rows = [*board["by_process"], *board["by_org_unit"], *board["by_person"], *board["by_agency"]]
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
    totals = (await supervisor.get("/api/v1/board")).json()["totals"]
    assert {k: v["value"] for k, v in totals.items()} == {
        "open": 4, "overdue": 1, "due_today": 0, "at_risk": 1, "waiting": 1, "incidents": 0,
    }  # fmt: skip


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
