"""Days that nothing can be counted from: a sentence wherever they come in, never an error of the program."""

from typing import Any

import pytest

from tests.api.conftest import Office, hire

pytestmark = pytest.mark.asyncio(loop_scope="session")
FAR = ("0001-01-01", "1900-01-01", "2199-12-31", "9999-12-31")
KNOWN = {"month": "2026-11", "anchor": "2026-11-24", "rule_id": "DL-REG-FOR", "person_id": "nobody", "q": "a"}


def _days_asked(described: dict[str, Any]) -> list[tuple[str, dict[str, str], str]]:
    """Every address that is read with a day, what else it must be given, and the name of the day."""
    found: list[tuple[str, dict[str, str], str]] = []
    for path, verbs in described["paths"].items():
        parameters = verbs.get("get", {}).get("parameters", [])
        days = [p["name"] for p in parameters if '"date"' in str(p["schema"]).replace("'", '"')]
        others = {p["name"]: KNOWN.get(p["name"], "x") for p in parameters if p["required"] or p["in"] == "path"}
        found += [(path, others, day) for day in days]
    return found


async def test_no_day_of_an_address_is_too_far_away(office: Office) -> None:
    supervisor = await office.sign_in("supervisor")
    asked = _days_asked((await supervisor.get("/openapi.json")).json())
    assert len(asked) > 5, asked
    for path, others, name in asked:
        for day in FAR:
            answer = await supervisor.get(path.format(**others), params=others | {name: day})
            assert answer.status_code in (200, 404, 422), (path, name, day, answer.text)


async def test_no_day_of_a_single_person_is_too_far_away(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    fields = ("birth", "contract_start", "contract_end", "permit_issued", "permit_expires", "id_expires")
    for day in ("0001-01-01", "9999-12-31"):
        given = hire().model_dump(mode="json") | dict.fromkeys(fields, day)
        answer = await clerk.post("/api/v1/processes", json={"kind": "enrolment", "input": given})
        assert answer.status_code == 422, answer.text
        wrong = {e["pointer"] for e in answer.json()["errors"] if e["code"] == "beyond"}
        assert wrong == {f"/input/{name}" for name in fields}, (day, answer.text)
