"""Figures by month: each number equals its list, rate and hours are right, months are Shanghai months."""

import io
from datetime import datetime, timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import update

from domain.times import at
from runtime import clock
from store.database import session
from store.tables.processes import Task
from tests.api.conftest import Office, days, deadline


async def finished(office: Office, number: str, closed_at: datetime, hours: int, *, late: bool, **values: Any) -> None:
    case = await office.case(id_number=number)
    due = deadline(days(0)).model_copy(update={"due_at": closed_at + timedelta(hours=-1 if late else 1)})
    task = await office.task(case, deadlines=[due])
    async with session() as s:
        await s.execute(
            update(Task)
            .where(Task.id == task)
            .values(
                state="completed",
                opened_at=closed_at - timedelta(hours=hours),
                closed_at=closed_at,
                **({"completed_by": "clerk", "authority": "social_bureau"} | values),
            )
        )


async def filled(office: Office) -> str:
    """Five of this month and one of the last minute of the month before; returns this month."""
    first = clock.today().replace(day=1)
    for i, (hours, late) in enumerate(((2, False), (4, False), (6, True), (8, False), (30, True))):
        who = {"completed_by": "clerk2", "org_unit": None, "title_zh": "再次审核"} if i == 4 else {}
        await finished(office, f"AA111111{i}", at(first, f"0{i}:00"), hours, late=late, **who)
    await finished(office, "BB2222222", at(first, "00:00") - timedelta(minutes=1), 10, late=False)
    return first.isoformat()[:7]


@pytest.mark.parametrize("by", ["step", "college", "authority", "clerk"])
async def test_each_number_equals_its_list(office: Office, by: str) -> None:
    await filled(office)
    client = await office.sign_in("supervisor")
    view = (await client.get("/api/v1/figures", params={"by": by, "months": 2})).json()
    compared = 0
    for row in (view["whole"], *view["rows"]):
        for month in (row["total"], *row["months"]):
            for name in ("finished", "late"):
                page = (await client.get(f"/api/v1{month[name]['path']}")).json()
                assert page["total"] == len(page["items"]) == month[name]["value"], month
                assert name == "finished" or all(t["late"] for t in page["items"])
                compared += month[name]["value"]
    assert compared > 20
    if by == "step":  # a kind is called the same, whatever its newest task is called
        assert [r["title"]["zh"] for r in view["rows"]] == ["审核参保材料"]
    assert (
        sum(r["total"]["finished"]["value"] for r in view["rows"]) == view["whole"]["total"]["finished"]["value"] == 6
    )


async def test_rate_and_median_of_each_month(office: Office) -> None:
    month = await filled(office)
    client = await office.sign_in("head")
    view = (await client.get("/api/v1/figures", params={"by": "clerk", "months": 2})).json()
    assert view["months"][-1] == month
    before, now = view["whole"]["months"]
    assert (before["finished"]["value"], before["rate"], before["hours"]) == (1, "100.0", "10.0")
    assert (now["finished"]["value"], now["late"]["value"], now["rate"], now["hours"]) == (5, 2, "60.0", "6.0")
    clerk = next(r for r in view["rows"] if r["key"] == "clerk")
    assert (clerk["months"][1]["rate"], clerk["months"][1]["hours"]) == ("75.0", "5.0")
    empty = (await client.get("/api/v1/figures", params={"month": "2020-05", "months": 1})).json()
    assert empty["rows"] == [] and empty["whole"]["total"]["rate"] is None


async def test_spreadsheet_holds_the_same_numbers(office: Office) -> None:
    month = await filled(office)
    client = await office.sign_in("auditor")
    answer = await client.get("/api/v1/figures.xlsx", params={"by": "clerk", "months": 1})
    rows = list(openpyxl.load_workbook(io.BytesIO(answer.content)).active.values)
    assert rows[0][:3] == ("月份", "项目", "办结件数")
    assert rows[1] == (month, "合计", 5, 2, 60, 6)


async def test_who_may_not_read_how_quick_colleagues_are(office: Office) -> None:
    for name in ("clerk", "college", "payroll"):
        client = await office.sign_in(name)
        for path in ("/figures", "/figures.xlsx", "/figures/tasks?first=2026-11&last=2026-11"):
            assert (await client.get(f"/api/v1{path}")).status_code == 403, (name, path)
    client = await office.sign_in("supervisor")
    assert (await client.get("/api/v1/figures", params={"month": "2026-13"})).status_code == 422
