"""A year is published on real servers: a case over New Year becomes final, exactly as the preview said; others stay.
Each rung of its ladder fires once all the same, and a crash before or after the call loses and doubles nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api import engine
from api.policy_orders import send_policy_orders
from api.starts import start_pending
from cli.demo_clock import fast_forward
from domain.times import at
from schemas.deadlines import Deadline
from store import demo_clock, policy_orders
from store.database import session
from store.policy_orders import DONE, PENDING
from store.tables.policy import PolicyOrder
from store.tables.processes import Process, ReminderRow, Task, Timeline
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_any_day import put_today_on
from tests.api.test_policy import applied, get, post, proposed

YEAR = {
    "file": "calendar.yaml", "kind": "year", "key": "2027", "reason": "国务院办公厅通知",
    "source": "国办发明电〔2026〕5号",
    "new": {
        "doc": "国办发明电〔2026〕5号",
        "rest": [
            "2027-01-01/2027-01-03", "2027-01-05/2027-01-07", "2027-02-05/2027-02-12", "2027-04-05",
            "2027-05-01/2027-05-02", "2027-06-09", "2027-09-15", "2027-10-01/2027-10-03",
        ],
        "work": ["2027-01-09"],
    },
}  # fmt: skip


async def row(process_id: str) -> Process:
    async with session() as s:
        return await s.get_one(Process, process_id)


def dates(process: Process) -> dict[str, tuple[date, date, bool]]:
    found = [Deadline.model_validate(d) for d in process.deadlines]
    return {d.id: (d.due, d.internal_due, d.provisional) for d in found}


@pytest.fixture
async def keepers(school: Office) -> Office:
    """Two policy administrators beside the office."""
    await add_policy_administrators()
    return school


@pytest.mark.asyncio(loop_scope="session")
async def test_publishing_a_year_does_what_its_preview_said(keepers: Office) -> None:
    over = await keepers.case(permit_issued="2026-12-11", contract_start="2026-12-14")
    before_year = await keepers.case(id_number="C01X00T55", permit_issued="2026-11-02")
    await start_pending()

    async def projected() -> bool:
        return all(r.deadlines and r.policy_version for r in [await row(p) for p in (over, before_year)])

    await until(projected)
    old = {r.id: (dates(r), r.policy_version) for r in [await row(p) for p in (over, before_year)]}
    assert any(provisional for _, _, provisional in old[over][0].values())
    number = await proposed(keepers, YEAR)
    seen: dict[str, Any] = (await get(keepers, "policy2", f"/changes/{number}/preview")).json()
    touched = {m["process_id"] for m in seen["deadlines"] if m["automatic"]}
    assert touched == {p for p in old if any(x for _, _, x in old[p][0].values())}
    assert (await post(keepers, "policy2", f"/changes/{number}/approve")).status_code == 200
    done = (await post(keepers, "policy", f"/changes/{number}/apply")).json()
    assert done["impact"]["cases_told"] == len(touched)
    assert await send_policy_orders() == len(touched)
    for process_id in old:
        now = await row(process_id)
        if process_id not in touched:
            assert (dates(now), now.policy_version) == old[process_id]
            continue
        expected = {
            m["deadline_id"]: (date.fromisoformat(m["new_due"]), date.fromisoformat(m["new_internal"]))
            for m in seen["deadlines"]
            if m["process_id"] == process_id
        }
        for key, (due, internal, provisional) in dates(now).items():
            assert not provisional
            assert (due, internal) == expected.get(key, old[process_id][0][key][:2])
    assert await send_policy_orders() == 0


async def the_day_after(days: int) -> None:
    """The demo's clock moved on: running cases, the rows, this process."""
    _, behind = await fast_forward(await engine.client(), None, timedelta(days=days))
    assert behind == []
    await demo_clock.refresh()


async def rungs_of(process_id: str) -> Counter[tuple[str, str, str]]:
    """How often each rung of each deadline was sent to somebody, whatever the deadline's generation."""
    async with session() as s:
        rows = list(await s.scalars(select(ReminderRow).where(ReminderRow.process_id == process_id)))
    keys = [(r.key.split("/", 2)[2].rsplit(":", 2), r.recipient) for r in rows]
    return Counter((deadline, rung, to) for (deadline, _, rung), to in keys)


async def told(process_id: str, kind: str) -> int:
    async with session() as s:
        rows = await s.scalars(select(Timeline.seq).where(Timeline.process_id == process_id, Timeline.kind == kind))
        return len(list(rows))


async def until(true: Callable[[], Any]) -> None:
    for _ in range(600):
        if await true():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come about")


class Killed(BaseException):
    """The process ends here: nothing of the program sees it coming."""


@pytest.mark.parametrize("where", ["before the call", "after the call"])
async def test_a_crash_loses_and_doubles_nothing_and_each_rung_fires_once(
    keepers: Office, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    await put_today_on(at(date(2026, 12, 29), "09:00"))
    case = await keepers.case(
        permit_issued="2026-12-11", permit_expires="2027-12-11", contract_start="2026-12-21", contract_end="2028-12-20"
    )
    await start_pending()

    async def target() -> tuple[date, bool] | None:
        async with session() as s:
            tasks = await s.scalars(select(Task).where(Task.process_id == case, Task.closed_at.is_(None)))
            found = [Deadline.model_validate(d) for t in tasks for d in t.deadlines]
        return next(((d.due, d.provisional) for d in found if d.id == "INT-MATERIALS/1"), None)

    await until(target)
    assert await target() == (date(2027, 1, 6), True)
    await the_day_after(4)  # 2 January: the reminder three working days before has been sent

    async def reminded() -> bool:
        return any(rung == "holder-3" for _, rung, _ in await rungs_of(case))

    await until(reminded)
    assert (await applied(keepers, YEAR))["impact"]["cases_told"] == 1

    async def killed(*_: Any, **__: Any) -> None:
        raise Killed

    place = (engine, "update") if where == "before the call" else (policy_orders, "mark")
    with monkeypatch.context() as patched:
        patched.setattr(*place, killed)
        with pytest.raises(Killed):
            await send_policy_orders()
    async with session() as s:
        assert [(o.state, o.attempts) for o in await s.scalars(select(PolicyOrder))] == [(PENDING, 0)]
    assert await told(case, "policy_updated") == (where == "after the call")

    assert await send_policy_orders() == 1
    assert await send_policy_orders() == 0
    async with session() as s:
        assert [(o.state, o.attempts, o.moved) for o in await s.scalars(select(PolicyOrder))] == [(DONE, 1, 1)]
    assert (await told(case, "policy_updated"), await told(case, "moved")) == (1, 1)
    assert await target() == (date(2027, 1, 9), False)

    await the_day_after(20)

    async def at_the_end() -> bool:
        sent = {(d, rung) for d, rung, _ in await rungs_of(case)}
        return {("INT-MATERIALS/1", "supervisor-after-1"), ("DL-REG-FOR", "head-breach")} <= sent

    await until(at_the_end)
    assert set((await rungs_of(case)).values()) == {1}
