"""A day of one authority alone: proposed, approved, applied; its deadlines go by it, those of others do not."""

from datetime import timedelta
from typing import Any

import pytest

from domain.calendar import work_calendar
from domain.deadlines import compute
from runtime import clock
from schemas.deadlines import LegalKind, Unit
from store import policies
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import applied, get, post

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
