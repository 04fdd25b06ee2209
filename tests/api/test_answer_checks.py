"""An answer that is well formed and still wrong: 422 with the field named, nothing stored, nothing sent."""

from typing import Any

import pytest
from sqlalchemy import select

from store.database import session
from store.tables.processes import Submission
from tests.api.test_tasks import key

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def answered(office: Any, task: str, user: str, outcome: str, data: dict[str, Any]) -> dict[str, str]:
    """pointer -> code of a refused answer."""
    client = await office.sign_in(user)
    body = {"outcome": outcome, "data": data, "version": 1}
    answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert answer.status_code == 422, answer.text
    assert office.temporal.calls == []
    async with session() as s:
        assert (await s.scalars(select(Submission))).all() == []
    return {e["pointer"]: e["code"] for e in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id_expires": "2026-01-01"}, "/data/id_expires"),
        ({"permit_expires": "2026-11-18"}, "/data/permit_expires"),
        ({"contract_end": "2026-01-01"}, "/data/contract_end"),
        ({"country": "ZZZ"}, "/data/country"),
        ({"org_unit": "nowhere"}, "/data/org_unit"),
        ({"id_number": "??"}, "/data/id_number"),
    ],
)
async def test_a_record_is_checked_as_an_uploaded_row_is(office: Any, change: dict[str, str], pointer: str) -> None:
    case = await office.case()
    task = await office.task(case, "enrolment.materials", key="materials/1", roles=["college"], outcomes=["submit"])
    college = await office.sign_in("college")
    known = (await college.get(f"/api/v1/tasks/{task}")).json()["data"]
    assert pointer in await answered(office, task, "college", "submit", known | change)


async def test_medical_is_never_exempt(office: Any) -> None:
    task = await office.task(await office.case())
    wrong = await answered(office, task, "clerk", "approve", {"exempt": ["medical", "pension"]})
    assert wrong == {"/data/exempt": "not_exemptible"}
