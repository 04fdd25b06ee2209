"""The bureaus' side: receipts, verdicts, withdrawals, outages, repeats, and what a kill -9 leaves."""

import time
from pathlib import Path
from typing import Any

import pytest

from simulators.launch import start
from tests.simulators.conftest import Caller


def test_an_application_gets_a_receipt_then_a_number(caller: Any) -> None:
    caller.behave("social_bureau", accept_after_seconds=0.3, decide_after_seconds=0.3)
    receipt = caller.apply("social_bureau", "k1").json()["receipt_no"]
    assert caller.progress("social_bureau", receipt)["state"] == "submitted"
    time.sleep(0.4)
    accepted = caller.progress("social_bureau", receipt)
    assert accepted["state"] == "accepted" and accepted["accepted_at"] and accepted["number"] is None
    time.sleep(0.4)
    approved = caller.progress("social_bureau", receipt)
    assert (approved["state"], approved["number"]) == ("approved", "DEU0C01X00T47")
    assert [r["number"] for r in caller.http.get("/social_bureau/registrations").json()["items"]] == ["DEU0C01X00T47"]


def test_left_as_they_are_the_demos_bureaus_answer_within_five_seconds(server: Any) -> None:
    """From the hand-in to the number, and on to being visible to the tax office: no behaviour was ordered."""
    caller = Caller(server.url)
    agencies = ("social_bureau", "medical_bureau")
    begun = time.monotonic()
    receipts = {agency: caller.apply(agency, "k1").json()["receipt_no"] for agency in agencies}
    assert all(caller.progress(a, r)["state"] == "submitted" for a, r in receipts.items()), "a delay can be seen"
    waiting = dict(receipts)
    while waiting:
        assert time.monotonic() - begun < 5, waiting
        time.sleep(0.1)
        waiting = {a: r for a, r in waiting.items() if caller.progress(a, r)["state"] != "approved"}
    query = {"number": caller.progress("social_bureau", receipts["social_bureau"])["number"], "levy": "social"}
    while not caller.http.get("/tax_office/visible", params=query).json()["visible"]:
        assert time.monotonic() - begun < 5
        time.sleep(0.1)


def test_the_same_key_is_one_application_and_logged_as_a_repeat(caller: Any) -> None:
    first = caller.apply("medical_bureau", "same")
    second = caller.apply("medical_bureau", "same")
    assert first.json() == second.json()
    logged = [(i["repeat"], i["outcome"]) for i in caller.log("medical_bureau")]
    assert logged == [(False, "submitted"), (True, "submitted")]
    assert len(caller.http.get("/medical_bureau/registrations").json()["items"]) == 1
    other = caller.apply("medical_bureau", "same", base="19000.00")
    assert other.status_code == 422 and other.json()["code"] == "key_reused"
    assert other.json()["first_answer"] == first.json()
    found = caller.http.get("/medical_bureau/applications", params={"idempotency_key": "same"}).json()["items"]
    assert [a["receipt_no"] for a in found] == [first.json()["receipt_no"]]
    assert caller.http.get("/medical_bureau/applications", params={"idempotency_key": "no"}).json()["total"] == 0


def test_a_second_application_under_another_key_is_refused(caller: Any) -> None:
    caller.enrol("social_bureau", "a")
    receipt = caller.apply("social_bureau", "b").json()["receipt_no"]
    answer = caller.progress("social_bureau", receipt)
    assert (answer["state"], answer["code"]) == ("refused", "R09")
    assert caller.http.get("/social_bureau/registrations").json()["total"] == 1


def test_ordered_refusals_are_used_up_and_can_name_a_person(caller: Any) -> None:
    caller.behave("social_bureau", refuse=[{"times": 2, "code": "R02"}, {"code": "R06", "id_number": "E7654321"}])
    codes = []
    for attempt in range(3):
        receipt = caller.apply("social_bureau", f"k{attempt}").json()["receipt_no"]
        answer = caller.progress("social_bureau", receipt)
        codes.append((answer["state"], answer["code"]))
    assert codes == [("refused", "R02"), ("refused", "R02"), ("approved", None)]
    receipt = caller.apply("social_bureau", "other", id_number="E7654321").json()["receipt_no"]
    answer = caller.progress("social_bureau", receipt)
    assert answer["code"] == "R06" and answer["reason"].startswith("合同")


def test_withdrawing_twice_is_one_withdrawal_and_keeps_the_number(caller: Any) -> None:
    number = caller.enrol("social_bureau", "a")
    path = f"/social_bureau/registrations/{number}/withdraw"
    assert [caller.http.post(path).json()["state"] for _ in range(2)] == ["withdrawn", "withdrawn"]
    withdrawals = [i for i in caller.log("social_bureau") if i["path"] == path]
    assert [i["repeat"] for i in withdrawals] == [False, True]
    assert caller.http.get("/social_bureau/registrations").json()["items"] == []
    assert caller.enrol("social_bureau", "again") == number
    assert caller.http.post("/social_bureau/registrations/XXX0NOBODY/withdraw").status_code == 404


def test_what_is_entered_at_the_counter_is_in_force_and_entered_once(caller: Any) -> None:
    body = {
        "name": "ANNA MUSTER", "id_type": "PASSPORT", "id_number": "C01X00T47", "country": "DEU", "birth": "1985-03-14",
        "sex": "F", "employer": "school", "start_month": "2026-10", "base": "18000.00", "insurances": ["medical"],
    }  # fmt: skip
    for _ in range(2):
        assert caller.http.put("/medical_bureau/registrations/51019", json=body).status_code == 200
    assert [i["repeat"] for i in caller.log("medical_bureau")] == [False, True]
    assert caller.http.get("/medical_bureau/registrations").json()["total"] == 1
    assert caller.bill("b", "51019", "2026-10", levy="medical").json()["total"] == "1602.00"
    receipt = caller.apply("medical_bureau", "k").json()["receipt_no"]
    assert caller.progress("medical_bureau", receipt)["code"] == "R09"


def test_an_open_application_is_withdrawn_and_an_approved_one_says_how(caller: Any) -> None:
    caller.behave("medical_bureau", accept_after_seconds=60)
    receipt = caller.apply("medical_bureau", "a").json()["receipt_no"]
    assert caller.http.post(f"/medical_bureau/applications/{receipt}/withdraw").json()["state"] == "withdrawn"
    caller.behave("medical_bureau")
    assert caller.progress("medical_bureau", receipt)["state"] == "withdrawn"
    approved = caller.apply("medical_bureau", "b").json()["receipt_no"]
    refused = caller.http.post(f"/medical_bureau/applications/{approved}/withdraw")
    assert refused.status_code == 409 and refused.json()["number"].startswith("5101")


def test_an_outage_refuses_everything_and_logs_nothing(caller: Any) -> None:
    caller.behave("social_bureau", outage=True)
    answer = caller.apply("social_bureau", "a")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    caller.behave("social_bureau", outage_seconds=0.4)
    assert caller.apply("social_bureau", "a").status_code == 503
    time.sleep(0.5)
    assert caller.apply("social_bureau", "a").status_code == 200
    assert len(caller.log("social_bureau")) == 1


def test_a_lost_answer_was_still_an_application(caller: Any) -> None:
    caller.behave("social_bureau", duplicate_responses=True)
    assert caller.apply("social_bureau", "a").status_code == 504
    assert caller.apply("social_bureau", "a").status_code == 200
    assert [i["repeat"] for i in caller.log("social_bureau")] == [False, True]


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"id_number": "x y"}, "body_invalid"), ({"insurances": ["medical"]}, "insurance_unknown"),
     ({"country": "DE"}, "body_invalid")],
)  # fmt: skip
def test_an_unreadable_application_is_refused_with_a_sentence(caller: Any, fields: dict[str, Any], code: str) -> None:
    answer = caller.apply("social_bureau", "a", **fields)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == code and problem["detail"] and problem["detail_en"]
    assert caller.http.post("/social_bureau/applications", json={}).status_code == 422


def test_a_misspelt_behaviour_is_refused(caller: Any) -> None:
    assert caller.http.put("/social_bureau/behaviour", json={"outrage": True}).status_code == 422


def test_everything_survives_kill_9(caller: Any, server: Any, tmp_path: Path) -> None:
    receipt = caller.apply("social_bureau", "a").json()["receipt_no"]
    caller.behave("medical_bureau", refuse="R08")
    server.kill()
    again = start(tmp_path / "agencies", server.port)
    try:
        assert caller.progress("social_bureau", receipt)["state"] == "approved"
        assert caller.apply("social_bureau", "a").json()["receipt_no"] == receipt
        assert [i["repeat"] for i in caller.log("social_bureau")] == [False, True]
        assert caller.http.get("/medical_bureau/behaviour").json()["refuse"][0]["code"] == "R08"
    finally:
        again.stop()


def test_stamps_follow_the_callers_demo_clock(caller: Any) -> None:
    caller.http.headers["X-Clock-Offset-Seconds"] = str(40 * 86400)
    moved = caller.progress("social_bureau", caller.apply("social_bureau", "a").json()["receipt_no"])
    del caller.http.headers["X-Clock-Offset-Seconds"]
    plain = caller.apply("medical_bureau", "b").json()
    assert (moved["submitted_at"] > plain["submitted_at"]) and moved["decided_at"] > plain["submitted_at"]
