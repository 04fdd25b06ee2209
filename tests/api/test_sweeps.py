"""The chores that do again what was promised: one row that cannot be done stops no other, and is tried again."""

from typing import Any

import pytest
from sqlalchemy import select, update

from api import engine
from api.completion import resend_pending_submissions
from api.policy_orders import send_policy_orders
from api.starts import start_pending
from domain.policy_impact import OpenDeadline
from runtime import clock
from schemas.process import PolicyAnswer
from store import forecast, policies, policy_orders
from store.database import session
from store.tables.processes import Process, ProcessStartRow, Submission
from tests.api.conftest import Office
from tests.api.test_forecast import due_in, finished


async def test_one_bad_row_stops_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = await office.case(), await office.case(id_number="C01X00T55")
    clerk = await office.sign_in("clerk")
    office.temporal.silent = True
    awaited = due_in(3, "verification").model_copy(update={"provisional": True})
    for case in (bad, good):  # the bad one is the older of each kind
        task = await office.task(case, process={"policy_version": "older", "deadlines": [awaited]})
        headers = {"Idempotency-Key": "1"}
        body = {"outcome": "approve", "data": {}, "version": 1}
        assert (await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=headers)).status_code == 202
    office.temporal.silent = False
    whole = engine.update

    async def broken(process_id: str, *rest: Any) -> Any:
        if process_id == bad:
            raise ValueError("a fault in the program")
        return await whole(process_id, *rest)

    monkeypatch.setattr(engine, "update", broken)
    async with session() as s:
        await s.execute(update(Submission).values(created_at=clock.real_now() - clock.timedelta(minutes=1)))
    assert await resend_pending_submissions() == 1
    async with session() as s:
        answers = dict((await s.execute(select(Submission.process_id, Submission.status))).all())
    assert answers == {bad: "pending", good: "done"}

    snapshot = policies.snapshot()

    def finalised(found: list[OpenDeadline], *_: Any) -> list[OpenDeadline]:
        if found[0].process_id == bad:
            raise ValueError("a fault in the program")
        return found

    monkeypatch.setattr(policy_orders, "finalised_by", finalised)
    async with session() as s:
        assert await policy_orders.order_published(s, snapshot, clock.now()) == 1
        ordered = {"version": snapshot.version, "actor": "policy", "now": clock.now()}
        await policy_orders.add(s, [bad, good], policy_orders.ALL, policy_orders.PUBLISHED, **ordered)
        orders = await policy_orders.pending(s, 10)
    assert sorted((o.process_id == good, o.scope) for o in orders) == [
        (False, "all"),
        (True, "all"),
        (True, "calendar"),
    ]
    for order in orders:
        office.temporal.answers[f"policy/{order.id}"] = PolicyAnswer(version=snapshot.version)
    assert await send_policy_orders() == 2
    async with session() as s:
        assert [(o.process_id, o.attempts) for o in await policy_orders.pending(s, 10)] == [(bad, 1)]

    started: list[str] = []

    async def start_workflow(*_: Any, id: str, **__: Any) -> None:
        started.append(id)

    monkeypatch.setattr(office.temporal, "start_workflow", start_workflow, raising=False)
    async with session() as s:
        (await s.get_one(ProcessStartRow, bad)).start = {}
    assert await start_pending() == 1
    assert started == [good]
    async with session() as s:
        assert (await s.get_one(ProcessStartRow, bad)).state == "pending"
        row = await s.get_one(Process, bad)
        row.deadlines = [{k: v for k, v in d.items() if k != "latest_start"} for d in row.deadlines]

    async with session() as s:
        before = (await s.get_one(Process, good)).late_from
    await finished(office, policies.setting("forecast_enough"), 9)
    assert await forecast.measure() == 1  # slower than the rules say: every open case is forecast again
    await forecast.sweep()
    async with session() as s:
        after = (await s.get_one(Process, good)).late_from
        assert before is not None and after is not None and after < before
        left = await s.get_one(Process, bad)
        assert (left.late_from, left.forecast_revision) == (None, left.revision)
