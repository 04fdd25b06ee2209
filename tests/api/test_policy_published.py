"""A year is published on real servers: a case over New Year becomes final, exactly as the preview said; others stay."""

import asyncio
from datetime import date
from typing import Any

import pytest

from api.policy_orders import send_policy_orders
from api.starts import start_pending
from schemas.deadlines import Deadline
from store.database import session
from store.tables.processes import Process
from store.users import create_user
from tests.api.conftest import PASSWORD, Office
from tests.api.test_policy import get, post, proposed

YEAR = {
    "file": "calendar.yaml", "kind": "year", "key": "2027", "reason": "国务院办公厅通知",
    "source": "国办发明电〔2026〕5号",
    "new": {
        "doc": "国办发明电〔2026〕5号",
        "rest": ["2027-01-01/2027-01-03", "2027-01-05/2027-01-07", "2027-02-05/2027-02-12"], "work": ["2027-01-09"],
    },
}  # fmt: skip


async def row(process_id: str) -> Process:
    async with session() as s:
        return await s.get_one(Process, process_id)


def dates(process: Process) -> dict[str, tuple[date, date, bool]]:
    found = [Deadline.model_validate(d) for d in process.deadlines]
    return {d.id: (d.due, d.internal_due, d.provisional) for d in found}


@pytest.mark.asyncio(loop_scope="session")
async def test_publishing_a_year_does_what_its_preview_said(school: Office) -> None:
    async with session() as s:
        for name in ("policy", "policy2"):
            await create_user(s, name, PASSWORD, name_zh=name, name_en=name, roles=["policy"])
    over = await school.case(permit_issued="2026-12-11", contract_start="2026-12-14")
    before_year = await school.case(id_number="C01X00T55", permit_issued="2026-11-02")
    await start_pending()
    for _ in range(200):
        rows = [await row(p) for p in (over, before_year)]
        if all(r.deadlines and r.policy_version for r in rows):
            break
        await asyncio.sleep(0.1)
    old = {r.id: (dates(r), r.policy_version) for r in rows}
    assert any(provisional for _, _, provisional in old[over][0].values())
    number = await proposed(school, YEAR)
    seen: dict[str, Any] = (await get(school, "policy2", f"/changes/{number}/preview")).json()
    touched = {m["process_id"] for m in seen["deadlines"] if m["automatic"]}
    assert touched == {p for p in old if any(x for _, _, x in old[p][0].values())}
    assert (await post(school, "policy2", f"/changes/{number}/approve")).status_code == 200
    done = (await post(school, "policy", f"/changes/{number}/apply")).json()
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
