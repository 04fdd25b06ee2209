"""Deadlines looked up by date: after a change an older event is answered by the rule that was in force then."""

from typing import Any

import pytest

from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import applied, get, post

CHANGE = {
    "file": "deadlines.yaml", "kind": "fields", "key": "rules[DL-REG-FOR]", "reason": "修订", "source": "试验文件",
    "new": {"n": "20", "valid_from": "2027-01-01"}, "published_on": "2026-11-20",
}  # fmt: skip


@pytest.fixture
async def keepers(office: Office) -> Office:
    await add_policy_administrators()
    return office


async def asked(office: Office, query: str) -> Any:
    return await (await office.sign_in("clerk")).get(f"/api/v1/rules/deadlines{query}")


async def test_an_older_day_is_answered_by_the_older_rule(keepers: Office) -> None:
    form = (await get(keepers, "policy", "/files/deadlines.yaml/form?key=rules[DL-REG-FOR]")).json()
    assert form["schema"]["properties"]["valid_from"]["format"] == "date"
    assert "valid_from" in form["schema"]["required"]
    change = await applied(keepers, CHANGE)
    for anchor, known, n, brought in (
        ("2026-12-31", "", 30, None),
        ("2027-01-04", "", 20, change["id"]),
        ("2027-01-04", "&known_on=2026-11-19", 30, None),
    ):
        found = (await asked(keepers, f"/DL-REG-FOR?anchor={anchor}{known}")).json()
        assert (found["n"], found["rule"]["change_id"]) == (n, brought), (anchor, known)
    before_all = await asked(keepers, "/DL-REG-FOR?anchor=2011-10-01")
    assert before_all.status_code == 422
    assert "2011-10-01" in str(before_all.json()["errors"])
    assert (await asked(keepers, "/DL-NONE?anchor=2026-12-31")).status_code == 404
    for on, n in (("", 30), ("?on=2027-02-01", 20), ("?on=2027-02-01&known_on=2026-11-01", 30)):
        items = (await asked(keepers, on)).json()["items"]
        assert [i["n"] for i in items if i["id"] == "DL-REG-FOR"] == [n]
    history = (await get(keepers, "policy", "/files/deadlines.yaml/value?key=rules[DL-REG-FOR]")).json()
    assert [v["fields"]["n"] for v in history["series"]] == [20, 30]  # the newest first, the old one stays


async def test_a_rule_without_its_day_is_refused_and_the_same_day_again_corrects(keepers: Office) -> None:
    undated = CHANGE | {"new": {"n": "20"}}
    refused = await post(keepers, "policy", "/changes", **undated)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/new/valid_from")
    await applied(keepers, CHANGE)
    await applied(keepers, CHANGE | {"new": {"n": "25", "valid_from": "2027-01-01"}, "reason": "录入更正"})
    for anchor, n in (("2026-12-31", 30), ("2027-01-04", 25)):
        assert (await asked(keepers, f"/DL-REG-FOR?anchor={anchor}")).json()["n"] == n


YEAR = {
    "file": "calendar.yaml", "kind": "year", "key": "2027", "reason": "国务院办公厅通知", "source": "试验文件",
    "new": {
        "doc": "试验文件", "work": ["2027-01-09"],
        "rest": [
            "2027-01-01/2027-01-03", "2027-02-05/2027-02-12", "2027-04-05", "2027-05-01/2027-05-03", "2027-06-09",
            "2027-09-15", "2027-10-01/2027-10-07",
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("published", ["2026-11-20", None])
async def test_a_date_asked_as_known_before_the_holiday_notice_is_provisional(
    keepers: Office, published: str | None
) -> None:
    await applied(keepers, YEAR | {"published_on": published})
    for known, provisional in (("", False), ("&known_on=2026-11-19", True), ("&known_on=2040-01-01", False)):
        found = (await asked(keepers, f"/DL-INFO-CHG?anchor=2026-12-28{known}")).json()
        assert (found["provisional"], found["missing_years"]) == (provisional, [2027] * provisional), known
        assert found["due"] == ("2027-01-12" if provisional else "2027-01-11"), known
