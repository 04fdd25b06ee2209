"""A change that would be applied and do nothing, or less than it says, is refused at the proposal at its field."""

from typing import Any

import pytest

from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import LIMIT, applied, get, post, proposed
from tests.api.test_policy_preview import RATE
from tests.api.test_policy_published import YEAR

PLACE = {"reason": "测试", "source": "测试文件"}
AGES = {"file": "age_limits.yaml", "kind": "fields", **PLACE}
GRANT = {
    "file": "benefits.yaml", "kind": "row", "key": "injury_grant", **PLACE,
    "new": {"valid_from": "2027-01-01", "floor_share": "0.6", "cap_share": "3"},
}  # fmt: skip
UNDECLARED = {"file": "undeclared.yaml", "kind": "row", "key": "rates", **PLACE}


@pytest.fixture
async def keepers(office: Office) -> Office:
    await add_policy_administrators()
    return office


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({**RATE, "new": {"valid_from": "2011-07-01", "daily_rate": "0.0008"}}, "/new/valid_from", "2011-07-01"),
        ({**UNDECLARED, "new": {"valid_from": "2011-07-01", "factor": "1.20"}}, "/new/valid_from", "2011-07-01"),
        ({**LIMIT, "new": {**LIMIT["new"], "valid_from": "2023-01-01"}}, "/new/valid_from", "2024-01-01"),
        (
            {"file": "calendar.yaml", "kind": "fields", "key": "years[2027]", "new": {"provisional": False}, **PLACE},
            "/kind",
            "year",
        ),
        ({**YEAR, "new": {**YEAR["new"], "rest": YEAR["new"]["rest"][:4]}}, "/new/rest", "2027-05-01"),
        ({**AGES, "key": "male", "new": {"step": 0}}, "/new/step", "不能小于 1"),
        ({**GRANT, "new": {**GRANT["new"], "months": {"1": 27}}}, "/new/months", "缺少 2、3、4"),
    ],
)
async def test_it_is_refused_at_its_field(keepers: Office, body: dict[str, Any], pointer: str, says: str) -> None:
    answer = await post(keepers, "policy", "/changes", **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "broken_rule"), answer.text
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == pointer and says in str(fault)


@pytest.mark.parametrize("new", [{}, {"floor": "99999"}])
async def test_a_row_without_its_fields_is_told_which(keepers: Office, new: dict[str, Any]) -> None:
    answer = await post(keepers, "policy", "/changes", **{**LIMIT, "new": new})
    assert (answer.status_code, answer.json()["code"]) == (422, "broken_rule"), answer.text
    found = {e["pointer"]: e["message"] for e in answer.json()["errors"]}
    needed = {"insurance", "scheme", "locality", "valid_from", "floor", "cap"} - set(new)
    assert found == {f"/new/{n}": "必填，请填写。" for n in needed}


async def test_a_wrong_row_of_a_list_is_corrected_from_its_own_first_day(keepers: Office) -> None:
    wrong = {**RATE, "new": {"valid_from": "2026-01-01", "daily_rate": "0.005"}}
    right = {**RATE, "new": {"valid_from": "2026-01-01", "daily_rate": "0.0006"}, "published_on": "2026-11-20"}
    await applied(keepers, wrong)
    number = (await applied(keepers, right))["id"]
    fee = {"owed": "10000", "due": "2026-10-25", "paid": "2026-11-04"}
    clerk = await keepers.sign_in("clerk")
    for known_on, amount in ((None, "60.00"), ("2026-11-20", "60.00"), ("2026-11-19", "500.00")):
        found = await clerk.post("/api/v1/calculations/late-fee", json={**fee, "known_on": known_on})
        assert found.json()["amount"] == amount
    seen = (await get(keepers, "policy", "/files/late_fee.yaml/value?key=rates[2026-01-01]")).json()
    assert seen["value"]["fields"]["daily_rate"] == "0.0006" and seen["value"]["change_id"] == number
    assert [v["fields"]["daily_rate"] for v in seen["series"]] == ["0.0006", "0.005", "0.0005"]
    assert len({v["change_id"] for v in seen["series"]}) == 3 and len(seen["changes"]) == 2


async def test_a_change_within_a_period_is_said_in_the_preview_and_a_correction_is_not(keepers: Office) -> None:
    within = {**LIMIT, "new": {**LIMIT["new"], "valid_from": "2026-07-01"}}
    for body, count in ((within, 1), (LIMIT, 0)):
        seen = (await get(keepers, "policy2", f"/changes/{await proposed(keepers, body)}/preview")).json()
        said = [f for f in seen["findings"] if "overlaps" in f["en"]]
        assert len(said) == count and all("2026-07-01" in f["zh"] for f in said)
