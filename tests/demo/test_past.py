"""The demo university's past: closed, consistent everywhere, said to be demo data, and enough to measure by."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import func, select

from cli.demo_past import past_cases
from cli.demo_people import DEMO_PASSWORD
from cli.demo_university import create_demo, create_past
from domain.times import add_to_month, day_of, month_of
from runtime import clock
from runtime.settings import Settings
from store import database as db
from store import forecast, policies
from store.tables.processes import Process, Task
from tests.applications import with_pages

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("today", [date(2026, 11, 28), date(2027, 3, 1)])
async def test_the_same_past_for_the_same_day_and_all_of_it_over(today: date) -> None:
    cases = past_cases(today, policies.snapshot())
    assert cases == past_cases(today, policies.snapshot())
    months = Counter(month_of(day_of(c.process.closed_at)) for c in cases if c.process.closed_at is not None)
    assert all(months[add_to_month(month_of(today), -n)] >= 3 for n in range(1, 6)), months
    for case in cases:
        steps = [(t.opened_at, t.closed_at) for t in case.tasks]
        assert all(opened < closed for opened, closed in steps if closed is not None)
        closed = max(c for _, c in steps if c is not None)
        assert case.process.closed_at == closed and day_of(closed) < today
        assert min(o for o, _ in steps) == case.process.started_at and case.hire.permit_issued < today
    late = [t for c in cases for t in c.tasks if any(d.due_at < (t.closed_at or d.due_at) for d in t.deadlines)]
    assert 0.03 < len(late) / sum(len(c.tasks) for c in cases) < 0.3


@pytest_asyncio.fixture(loop_scope="session")
async def app(database: Settings) -> AsyncIterator[Any]:
    """The application on a fresh demo."""
    async with db.session() as s:
        await create_demo(s)
        assert await create_past(s, clock.today()) > 50
    async with db.session() as s:
        assert await create_past(s, clock.today()) == 0, "an installation with cases gets no past"
    database.demo, database.temporal_ui_url = True, "http://127.0.0.1:8233"
    yield with_pages()


async def visitor(app: Any, username: str) -> httpx2.AsyncClient:
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")
    answer = await client.post("/api/v1/session", json={"username": username, "password": DEMO_PASSWORD})
    assert answer.status_code == 200, answer.text
    return client


async def test_lists_counts_figures_and_pages_agree_and_offer_nothing(app: Any) -> None:
    async with db.session() as s:
        cases = await s.scalar(select(func.count()).select_from(Process))
        counted = await s.execute(select(Task.completed_by, func.count()).group_by(Task.completed_by))
        done = {str(name): number for name, number in counted}
        rows = (
            await s.execute(select(Task.kind, Task.outcome, func.min(Task.id)).group_by(Task.kind, Task.outcome))
        ).all()
        case_id = (await s.scalars(select(Process.id).order_by(Process.id))).first()
    admin, boss = await visitor(app, "admin"), await visitor(app, "supervisor")

    board = (await boss.get("/api/v1/board")).json()
    assert {f["value"] for f in board["totals"].values()} == {0}, "nothing of it is open"
    listed = (await boss.get("/api/v1/processes?state=closed")).json()
    assert listed["total"] == cases and {i["state"] for i in listed["items"]} == {"closed"}
    assert all(i["flags"] == ["demo_data"] and i["case_no"].startswith("DEMO") for i in listed["items"])
    for name in ("clerk", "clerk2", "college", "college2"):
        page = (await (await visitor(app, name)).get("/api/v1/tasks?view=done&limit=200")).json()
        assert page["total"] == page["counts"]["done"] == done[name], name
        assert len(page["items"]) == min(200, done[name])

    for by in ("step", "college", "authority", "clerk"):
        view = (await boss.get("/api/v1/figures", params={"by": by, "months": 12})).json()
        total = view["whole"]["total"]
        assert total["finished"]["value"] == sum(done.values()) and 70 < float(total["rate"]) < 100
        assert sum(m["finished"]["value"] > 0 for m in view["whole"]["months"]) >= 6
        for row in (view["whole"], *view["rows"]):
            for name in ("finished", "late"):
                found = (await boss.get(f"/api/v1{row['total'][name]['path']}")).json()
                assert found["total"] == row["total"][name]["value"]

    one = (await boss.get(f"/api/v1/processes/{case_id}")).json()
    assert one["actions"] == [] and one["forecasts"] == [] and one["stage_plans"] == []
    assert "Demo data" in one["timeline"][0]["text"]["en"]
    for lang, mark in (("zh", "演示数据"), ("en", "demo data")):
        page = await admin.get(f"/cases/{case_id}?lang={lang}")
        assert page.status_code == 200 and mark in page.text
        assert "8233" not in page.text, "there is no workflow to look at"
        assert f'action="/cases/{case_id}/suspend"' not in (await boss.get(f"/cases/{case_id}?lang={lang}")).text
        for kind, outcome, task_id in rows:
            page = await boss.get(f"/tasks/{task_id}?lang={lang}")
            assert page.status_code == 200 and "/complete" not in page.text, (kind, outcome)

    await forecast.measure()
    async with db.session() as s:
        speeds = await forecast.speeds(s)
    assert all(speeds[step].measured for step in ("materials", "verification", "hand_in"))
    assert 1 < speeds["materials"].median < speeds["materials"].most
