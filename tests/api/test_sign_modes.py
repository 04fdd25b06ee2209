"""A school that lets one of several sign is taken at its word, on real servers: the first signature decides the
payment, and the others find nothing left to sign in their inboxes and counts."""

import asyncio
from datetime import date
from typing import Any

import httpx2

from api import starts
from domain.times import at
from simulators.launch import Running
from tests.api.conftest import Office, add_policy_administrators
from tests.api.program import Program, behave
from tests.api.test_any_day import put_today_on
from tests.api.test_policy import applied
from tests.contract import aperform, complete

ONE_IS_ENOUGH = {
    "file": "process_settings.yaml", "kind": "fields", "key": "", "reason": "任一人签署即可", "source": "校内制度",
    "new": {"tax_payment_countersign_above": "1.00", "tax_payment_sign_mode": "any"},
}  # fmt: skip
KIND = "tax_payment.approval"


async def to_sign(http: httpx2.AsyncClient) -> tuple[list[dict[str, Any]], int]:
    """The approvals that stand in somebody's inbox, and the count beside it."""
    page = (await http.get("/api/v1/tasks", params={"view": "group", "kind": KIND})).json()
    everything = (await http.get("/api/v1/tasks", params={"view": "group", "limit": "200"})).json()
    assert everything["counts"]["group"] == everything["total"] == len(everything["items"])
    return page["items"], everything["counts"]["group"]


async def test_the_first_of_several_signs_and_the_others_are_asked_no_more(school: Office, agencies: Running) -> None:
    await put_today_on(at(date(2026, 11, 16), "10:00"))
    await add_policy_administrators()
    await applied(school, ONE_IS_ENOUGH)
    behave(agencies.url)
    case = await school.case(permit_issued="2026-10-28", permit_expires="2027-10-27", contract_start="2026-11-02")
    assert await starts.start_pending([case]) == 1
    people, head = await Program.of(school), await school.sign_in("head")
    supervisor = people.clients["supervisor"]
    people.left_alone = {KIND}
    for _ in range(150):
        await people.round()
        if len((await to_sign(head))[0]) == 2:
            break
        await asyncio.sleep(0.2)
    mine, counted = await to_sign(head)
    theirs, counted_there = await to_sign(supervisor)
    cases = {item["process_id"] for item in mine}
    assert len(mine) == len(cases) == 2 and {item["process_id"] for item in theirs} == cases, "one each at each levy"
    assert not {item["id"] for item in mine} & {item["id"] for item in theirs}
    signed = mine[0]
    other = next(item for item in theirs if item["process_id"] == signed["process_id"])
    assert (await aperform(head, complete(signed["id"], "approve"))).status_code == 200
    for _ in range(150):
        left, now_counted = await to_sign(supervisor)
        if other["id"] not in {item["id"] for item in left}:
            break
        await asyncio.sleep(0.2)
    assert ([item["id"] for item in left], now_counted) == ([i["id"] for i in theirs if i != other], counted_there - 1)
    assert (len((await to_sign(head))[0]), (await to_sign(head))[1]) == (1, counted - 1)
    refused = await supervisor.post(
        f"/api/v1/tasks/{other['id']}/complete",
        json={"outcome": "approve", "data": {}, "version": other["version"]},
        headers={"Idempotency-Key": "late"},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "task_closed")
    assert "不再需要办理" in refused.json()["detail"]
    signers = (await people.task(signed["id"]))["countersign"]["signers"]
    assert sorted((s["state"], s["actor"]) for s in signers) == [("approved", "head"), ("not_needed", None)]
    payment = await people.case(signed["process_id"])
    assert {s["code"]: s["state"] for s in payment["stages"]}["approval"] == "done", "the first signature decided"
