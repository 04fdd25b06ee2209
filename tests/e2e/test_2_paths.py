"""Refusals, cancelling, suspending, the same click again, and the clock, each with cases of its own on the one running
product; every agency is reached by its interface."""

import os
import signal
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contract import Json, filled, hire
from tests.e2e.installation import ONCE
from tests.e2e.ladder import SHANGHAI, instants
from tests.e2e.office import Office
from tests.e2e.product import BUREAUS, Product, assert_board_counts_its_lists, assert_no_incident

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]
REGISTER = ("enrolment.materials", "enrolment.verification")


def verified(office: Office, *cases: str) -> None:
    """Takes cases as far as the bureaus."""
    at_bureaus = lambda: all(  # noqa: E731
        {"social_bureau", "medical_bureau"} <= {s["code"] for s in office.case(c)["stages"] if s["state"] != "pending"}
        for c in cases
    )
    office.work(at_bureaus, cases=cases, seconds=60)


def body_of(office: Office, person: str, task_id: str) -> Json:
    """What completes a task forward, after its required papers were uploaded."""
    task = office[person].get(f"/tasks/{task_id}")
    for document in task["documents"]:
        if document["required"] and not document["received"]:
            office[person].provide(task_id, document)
    outcome = task["outcomes"][0]
    return {"outcome": outcome["code"], "data": filled(outcome["schema"], task["data"]), "version": task["version"]}


def complete(office: Office, person: str, task_id: str, body: Json, key: str) -> Any:
    return office[person].write("POST", f"/tasks/{task_id}/complete", json=body, headers={"Idempotency-Key": key})


def test_each_bureau_refuses_twice_by_its_interface_and_the_case_is_closed(product: Product, office: Office) -> None:
    person = hire()
    for bureau in BUREAUS:
        product.behave(bureau, refuse=[{"times": 2, "code": "R08", "id_number": person["id_number"]}])
    case = office.start(**person)
    office.work(office.to_state("closed", case), cases=[case], seconds=240)
    for bureau in BUREAUS:
        assert product.applications(bureau).count(person["id_number"]) == 3, bureau
        assert [r["id_number"] for r in product.registrations(bureau)].count(person["id_number"]) == 1
    said = [(e["kind"], e["data"].get("agency"), e["data"].get("code")) for e in office.case(case)["timeline"]]
    for bureau in BUREAUS:
        assert said.count(("refused", bureau, "R08")) == 2
    assert [t["kind"] for t in office.case(case)["tasks"]].count("registration.correction") == 4
    assert_no_incident(office, case)
    product.assert_nothing_twice()


def test_cancel_before_hand_in_leaves_nothing_at_the_bureaus(product: Product, office: Office) -> None:
    person = hire()
    case = office.start(**person)
    office.wait(lambda: office.open_tasks(case))
    answer = office.command(case, "cancel")
    assert answer.status_code == 200, answer.text
    office.wait(office.to_state("cancelled", case))
    assert not office.open_tasks(case)
    for bureau in BUREAUS:
        assert person["id_number"] not in product.applications(bureau)
        assert person["id_number"] not in {r["id_number"] for r in product.registrations(bureau)}
    again = office.command(case, "cancel")
    assert again.status_code == 409, again.text
    assert again.json()["code"]


def test_cancel_after_approval_undoes_both_bureaus(product: Product, office: Office) -> None:
    """Approved at one bureau, still undecided at the other: neither keeps anything, then or later."""
    person = hire()
    product.behave("medical_bureau", decide_after_seconds=3600)
    case = office.start(**person)
    verified(office, case)
    registered = lambda bureau: person["id_number"] in {r["id_number"] for r in product.registrations(bureau)}  # noqa: E731
    office.wait(lambda: registered("social_bureau"))
    office.wait(lambda: "approved" in {e["kind"] for e in office.case(case)["timeline"]})
    office.wait(lambda: person["id_number"] in product.applications("medical_bureau"))
    assert office.command(case, "cancel").status_code == 200
    office.work(office.to_state("cancelled", case), cases=[case], seconds=60)
    product.behave("medical_bureau")  # what was still under way would be decided now
    for bureau in BUREAUS:
        assert not registered(bureau), bureau
    undone = [t for t in office.case(case)["tasks"] if t["kind"] == "registration.undo"]
    assert {t["state"] for t in undone} == {"completed"}
    assert len(undone) == 2
    assert_no_incident(office, case)


@ONCE
def test_a_suspended_case_refuses_answers_and_goes_on_after_resuming(office: Office) -> None:
    case = office.start()
    task = office.wait(lambda: office.open_tasks(case, "enrolment.materials"))[0]
    body = body_of(office, "college", task["id"])
    assert office.command(case, "suspend").status_code == 200
    assert office.case(case)["state"] == "suspended"
    assert {t["state"] for t in office.open_tasks(case)} == {"suspended"}
    body["version"] = office["college"].get(f"/tasks/{task['id']}")["version"]
    refused = complete(office, "college", task["id"], body, "while-suspended")
    assert refused.status_code == 409, refused.text
    assert refused.json()["code"] == "task_suspended"
    assert_board_counts_its_lists(office)
    assert office.command(case, "suspend").status_code == 409
    assert office.command(case, "resume").status_code == 200
    body["version"] = office["college"].get(f"/tasks/{task['id']}")["version"]
    taken = complete(office, "college", task["id"], body, "after-resuming")
    assert taken.status_code == 200, taken.text
    kinds = [e["kind"] for e in office.case(case)["timeline"]]
    assert kinds.index("suspended") < kinds.index("resumed")
    assert office.open_tasks(case, "enrolment.verification")
    assert office.command(case, "cancel").status_code == 200


@ONCE
def test_the_same_click_again_and_its_rivals(office: Office) -> None:
    case = office.start()
    task = office.wait(lambda: office.open_tasks(case, "enrolment.materials"))[0]["id"]
    body, key = body_of(office, "college", task), str(uuid.uuid4())

    bad = complete(office, "college", task, body | {"data": body["data"] | {"birth": "yesterday"}}, str(uuid.uuid4()))
    assert bad.status_code == 422, bad.text
    assert bad.headers["content-type"].startswith("application/problem+json")
    assert [e["pointer"] for e in bad.json()["errors"]] == ["/data/birth"]
    stale = complete(office, "college", task, body | {"version": body["version"] + 7}, str(uuid.uuid4()))
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_version")
    keyless = office["college"].write("POST", f"/tasks/{task}/complete", json=body)
    assert 400 <= keyless.status_code < 500

    first = complete(office, "college", task, body, key)
    assert first.status_code == 200, first.text
    again = complete(office, "college", task, body, key)
    assert again.status_code == 200
    assert again.json()["task"] == first.json()["task"], "the same key, the same answer"
    other = complete(office, "college", task, body | {"data": body["data"] | {"phone": "13900000000"}}, key)
    assert other.status_code == 422, "a known key with another body"
    second_key = complete(office, "college", task, body, str(uuid.uuid4()))
    assert second_key.status_code == 409

    verification = office.open_tasks(case, "enrolment.verification")[0]["id"]
    assert office["clerk"].write("POST", f"/tasks/{verification}/claim").status_code == 200
    body = body_of(office, "clerk", verification)
    held = complete(office, "clerk2", verification, body, str(uuid.uuid4()))
    assert held.status_code == 409, held.text
    assert office.open_tasks(case, "enrolment.verification")[0]["holder"] == "clerk"
    assert office["clerk"].write("POST", f"/tasks/{verification}/release").status_code == 200
    for outsider in ("college", "finance", "auditor", "admin"):
        answer = complete(office, outsider, verification, body, str(uuid.uuid4()))
        assert answer.status_code in (403, 404), (outsider, answer.text)
    assert office.command(case, "cancel").status_code == 200


@ONCE
def test_an_answer_given_while_no_worker_runs_arrives_later(product: Product, office: Office) -> None:
    case = office.start()
    task = office.wait(lambda: office.open_tasks(case, "enrolment.materials"))[0]["id"]
    body, key = body_of(office, "college", task), str(uuid.uuid4())
    worker = product.pids()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        answer = complete(office, "college", task, body, key)
        assert answer.status_code == 202, answer.text
        place = answer.headers["location"].removeprefix("/api/v1")
        assert office["college"].get(place)["status"] == "pending"
    finally:
        os.kill(worker, signal.SIGCONT)
    assert product.pids()["worker"] == worker, "it was only held, not replaced"
    office.wait(lambda: office["college"].get(place)["status"] == "done", seconds=90)
    assert complete(office, "college", task, body, key).status_code == 200
    assert [t["kind"] for t in office.open_tasks(case)] == ["enrolment.verification"]
    assert office.command(case, "cancel").status_code == 200


@ONCE
def test_fast_forward_fires_every_rung_once_at_its_minute(product: Product, office: Office) -> None:
    """Holder, supervisor and head are told on the days that the ladder and the calendar give, and nobody else."""
    today = datetime.now(SHANGHAI).date()
    issued = today - timedelta(days=3)
    case = office.start(permit_issued=str(issued))
    task = office.wait(lambda: office.open_tasks(case, "enrolment.materials"))[0]["id"]
    assert office["college"].write("POST", f"/tasks/{task}/claim").status_code == 200
    deadlines = {d["id"]: d for d in office["college"].get(f"/tasks/{task}")["deadlines"]}
    assert {d["legal_kind"] for d in deadlines.values()} == {"statutory", "internal"}
    expected = {
        f"{name}:1:{rung}": instant
        for name, deadline in deadlines.items()
        for rung, instant in instants(deadline, issued if deadline["legal_kind"] == "statutory" else today).items()
    }
    before = {n: office[n].get("/messages")["total"] for n in ("college", "supervisor", "head")}
    moved = product.command("demo", "fast-forward", case.removeprefix("enrolment-"), "--days", "40")
    assert moved.returncode == 0, moved.stdout + moved.stderr

    fired = lambda: [e for e in office.case(case)["timeline"] if "rung" in e["data"]]  # noqa: E731
    office.wait(lambda: len(fired()) >= len(expected))
    planned = {e["data"]["rung"]: datetime.fromisoformat(e["data"]["planned_at"]) for e in fired()}
    assert planned == expected
    assert len(fired()) == len(expected), "each rung once"
    for event in fired():
        late = datetime.fromisoformat(event["at"]) - expected[event["data"]["rung"]]
        assert timedelta() <= late < timedelta(minutes=1), event
    assert {e["data"]["to"] for e in fired()} == {"holder", "supervisor", "head"}
    for name, count in before.items():
        office.wait(lambda name=name, count=count: office[name].get("/messages")["total"] > count)

    now_overdue = office.case(case)
    assert now_overdue["overdue"]
    assert now_overdue["state"] in ("running", "waiting"), "a timeout never closes anything"
    assert task in {t["id"] for t in office.open_tasks(case)}
    assert_board_counts_its_lists(office)
    again = product.command("demo", "fast-forward", case.removeprefix("enrolment-"), "--days", "20")
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(fired()) == len(expected), "the ladder is at its end"
    assert office.command(case, "cancel").status_code == 200
