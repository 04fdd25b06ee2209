"""A day of one authority alone: proposed, previewed, approved, applied; its deadlines go by it, those of others do not,
and running cases keep their rules."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api.policy_orders import send_policy_orders
from api.starts import start_pending
from domain.calendar import work_calendar
from domain.deadlines import compute
from runtime import clock
from schemas.deadlines import Deadline, LegalKind, Unit
from store import policies
from store.database import session
from store.tables.processes import Process, Task
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import applied, get, post, proposed
from tests.api.test_policy_published import row, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
async def keepers(office: Office) -> Office:
    await add_policy_administrators()
    return office


def closed(authority: str = "social_bureau", **changes: Any) -> dict[str, Any]:
    """The next three working days but one, closed by the authority's own notice."""
    calendar = work_calendar(policies.snapshot().calendar("school"))
    first = calendar.add_working_days(clock.today(), 2)
    new = {
        "authority": authority, "what": "rest", "valid_from": first.isoformat(),
        "valid_to": calendar.add_working_days(first, 2).isoformat(),
        "name": {"zh": "系统升级停办", "en": "Closed for a system change"},
    }  # fmt: skip
    return {
        "file": "authority_days.yaml", "kind": "row", "key": "days", "new": new | changes, "reason": "窗口通知",
        "source": "社保局网站公告", "confidence": "confirmed", "published_on": clock.today().isoformat(),
    }  # fmt: skip


async def test_the_deadlines_of_that_authority_move_by_its_days(keepers: Office) -> None:
    before = policies.snapshot()
    norm = next(r for r in before.rules if r.legal_kind is LegalKind.NORM and r.unit is Unit.WORKING_DAYS)
    change = closed()
    await applied(keepers, change)
    after = policies.snapshot()

    def due(rules: Any, authority: str) -> Any:
        return compute(norm, clock.today(), rules, remaining_steps=[], authority=authority)

    moved = due(after, "social_bureau")
    calendar = work_calendar(before.calendar("social_bureau"))
    assert moved.due == calendar.add_working_days(due(before, "social_bureau").due, 3)
    assert "系统升级停办" in str(moved.derivation) and "Closed for a system change" in str(moved.derivation)
    for other in ("medical_bureau", "tax_office", "school"):
        assert due(after, other).due == due(before, other).due
    assert due(policies.snapshot_known(clock.today()), "social_bureau").due == moved.due
    assert due(policies.snapshot_known(clock.today() - timedelta(days=1)), "social_bureau").due < moved.due
    [row] = [
        v for v in (await get(keepers, "auditor", "/files/authority_days.yaml")).json() if "系统升级停办" in str(v)
    ]
    assert row["source"] == "社保局网站公告"


async def test_a_wrong_day_is_refused_at_its_field(keepers: Office) -> None:
    start = clock.today().isoformat()
    for changes, said in (
        ({"authority": "bank"}, "bank"),
        ({"valid_to": (clock.today() - timedelta(days=9)).isoformat()}, "止日早于起日"),
        ({"what": "half"}, "what"),
        ({"valid_from": "soon"}, "valid_from"),
    ):
        answer = await post(keepers, "policy", "/changes", **closed(**{"valid_from": start, **changes}))
        assert answer.status_code == 422, (changes, answer.text)
        assert said in str(answer.json()["errors"]), (changes, answer.json())


async def test_the_form_offers_the_fields_of_a_day(keepers: Office) -> None:
    form = (await get(keepers, "policy", "/files/authority_days.yaml/form?key=days[2024-10-07]")).json()
    assert form["kind"] == "row" and form["key"] == "days"
    assert {"authority", "what", "valid_from", "valid_to", "name_zh", "name_en"} <= set(form["schema"]["properties"])
    assert form["schema"]["properties"]["what"]["enum"] == ["rest", "work"]


def own_days() -> dict[str, Any]:
    """The school is closed on the next two working days."""
    first = policies.calendar("school").next_working_day(clock.today())
    last = policies.calendar("school").next_working_day(first)
    return {
        "file": "authority_days.yaml", "kind": "row", "key": "days", "reason": "校历",
        "source": "校历 2026", "confidence": "known",
        "new": {
            "authority": "school", "what": "rest", "valid_from": first.isoformat(), "valid_to": last.isoformat(),
            "name": {"zh": "校庆", "en": "Anniversary"},
        },
    }  # fmt: skip


@pytest.fixture
async def keepers_of_school(school: Office) -> Office:
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


async def test_own_days_are_applied_and_running_cases_keep_their_version(keepers_of_school: Office) -> None:
    old_case = await keepers_of_school.case(permit_issued=clock.today().isoformat())
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
    number = await proposed(keepers_of_school, body)
    seen = (await get(keepers_of_school, "policy2", f"/changes/{number}/preview")).json()
    assert seen["deadlines_automatic"] == 0
    assert (await post(keepers_of_school, "policy", f"/changes/{number}/approve")).status_code == 403  # four eyes
    assert (await post(keepers_of_school, "policy2", f"/changes/{number}/approve")).status_code == 200
    done = (await post(keepers_of_school, "policy", f"/changes/{number}/apply")).json()
    assert (done["state"], done["impact"]["cases_told"]) == ("applied", 0)
    assert await send_policy_orders() == 0
    now = await row(old_case)
    assert (deadlines_of(now), now.policy_version) == kept

    assert policies.snapshot().calendar("school").own[-1].name.zh == "校庆"
    new_case = await keepers_of_school.case(id_number="C01X00T55", permit_issued=clock.today().isoformat())
    await start_pending()
    await until(projected(new_case))
    assert (await row(new_case)).policy_version == policies.snapshot().version != kept[1]
    plain = policies.calendar("school").statutory
    assert await target(old_case) == plain.add_working_days(clock.today(), 5)
    assert await target(new_case) == plain.add_working_days(clock.today(), 7)
