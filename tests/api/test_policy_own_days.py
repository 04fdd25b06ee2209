"""An authority's own days through the API: proposed, approved, previewed, applied; running cases keep their rules."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from api.policy_orders import send_policy_orders
from api.starts import start_pending
from runtime import clock
from schemas.deadlines import Deadline
from store import policies
from store.database import session
from store.tables.processes import Process, Task
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import get, post, proposed
from tests.api.test_policy_published import row, until

FILE = "authority_days.yaml"


def own_days() -> dict[str, Any]:
    """The school is closed on the next two working days."""
    first = policies.calendar("school").next_working_day(clock.today())
    last = policies.calendar("school").next_working_day(first)
    return {
        "file": FILE, "kind": "row", "key": "days", "reason": "校历", "source": "校历 2026", "confidence": "known",
        "new": {
            "authority": "school", "what": "rest", "valid_from": first.isoformat(), "valid_to": last.isoformat(),
            "name": {"zh": "校庆", "en": "Anniversary"},
        },
    }  # fmt: skip


@pytest.fixture
async def keepers(school: Office) -> Office:
    await add_policy_administrators()
    return school


def deadlines_of(process: Process) -> dict[str, Deadline]:
    return {d.id: d for d in (Deadline.model_validate(d) for d in process.deadlines)}


async def target(process_id: str) -> date:
    """The school's own date for the materials of a case."""
    found: list[date] = []

    async def there() -> bool:
        async with session() as s:
            tasks = await s.scalars(select(Task).where(Task.process_id == process_id, Task.closed_at.is_(None)))
            held = [Deadline.model_validate(d) for t in tasks for d in t.deadlines]
        found.extend(d.due for d in held if d.id.startswith("INT-MATERIALS"))
        return bool(found)

    await until(there)
    return found[0]


@pytest.mark.asyncio(loop_scope="session")
async def test_own_days_are_applied_and_running_cases_keep_their_version(keepers: Office) -> None:
    old_case = await keepers.case(permit_issued=clock.today().isoformat())
    await start_pending()

    def projected(process_id: str) -> Any:
        async def ready() -> bool:
            found = await row(process_id)
            return bool(found.deadlines and found.policy_version)

        return ready

    await until(projected(old_case))
    before = await row(old_case)
    kept = (deadlines_of(before), before.policy_version)
    body = own_days()
    number = await proposed(keepers, body)
    seen = (await get(keepers, "policy2", f"/changes/{number}/preview")).json()
    assert seen["deadlines_automatic"] == 0
    assert (await post(keepers, "policy", f"/changes/{number}/approve")).status_code == 403  # four eyes
    assert (await post(keepers, "policy2", f"/changes/{number}/approve")).status_code == 200
    done = (await post(keepers, "policy", f"/changes/{number}/apply")).json()
    assert (done["state"], done["impact"]["cases_told"]) == ("applied", 0)
    assert await send_policy_orders() == 0
    now = await row(old_case)
    assert (deadlines_of(now), now.policy_version) == kept

    assert policies.snapshot().calendar("school").own[-1].name.zh == "校庆"
    new_case = await keepers.case(id_number="C01X00T55", permit_issued=clock.today().isoformat())
    await start_pending()
    await until(projected(new_case))
    assert (await row(new_case)).policy_version == policies.snapshot().version != kept[1]
    plain = policies.calendar("school").statutory
    assert await target(old_case) == plain.add_working_days(clock.today(), 5)
    assert await target(new_case) == plain.add_working_days(clock.today(), 7)
