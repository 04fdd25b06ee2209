"""Dates that people move, by HTTP on real servers: an internal target with a ground, a date of the law with a paper."""

import asyncio
import uuid
from datetime import date
from typing import Any

import httpx2

from api import starts
from simulators.launch import Running
from store import policies
from tests.api.conftest import Office, days
from tests.api.program import behave

PDF = b"%PDF-1.4\n%%EOF\n"


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def working(n: int) -> str:
    """The next working day after n days."""
    return policies.calendar("school").next_working_day(days(n)).isoformat()


async def first_task(client: httpx2.AsyncClient, **query: str) -> dict[str, Any]:
    """The first task that this person could take; waits for it."""
    for _ in range(400):
        items = (await client.get("/api/v1/tasks", params={"view": "group", **query})).json()["items"]
        if items:
            return (await client.get(f"/api/v1/tasks/{items[0]['id']}")).json()
        await asyncio.sleep(0.1)
    raise AssertionError("no task came")


async def test_targets_and_dates_of_the_law_are_moved_by_those_who_may(school: Office, agencies: Running) -> None:
    behave(agencies.url)
    case = await school.case(contract_start="2026-11-01", permit_issued=days(-3).isoformat())
    await starts.start_pending([case])
    college, clerk, supervisor, head = [await school.sign_in(n) for n in ("college", "clerk", "supervisor", "head")]
    task = await first_task(college)
    law, target = task["deadlines"]
    path = f"/api/v1/tasks/{task['id']}/deadlines/extend"
    later = working((date.fromisoformat(target["due"]) - days(0)).days + 1)
    body = {"deadline": target["id"], "due": later, "ground": "person", "reason": "护照在换发"}
    sunday = next(days(n) for n in range(20, 30) if days(n).weekday() == 6).isoformat()
    for who, changes, expected in (
        (clerk, {}, (403, "not_allowed")),
        (supervisor, {"deadline": law["id"]}, (422, "bad_form")),
        (supervisor, {"due": days(0).isoformat()}, (422, "bad_form")),
        (supervisor, {"due": sunday}, (422, "bad_form")),
        (supervisor, {"due": "9999-12-31"}, (422, "bad_form")),
        (supervisor, {"due": working(200)}, (422, "bad_date")),  # past the date of the law: the process refuses
        (supervisor, {"ground": "mood"}, (422, "bad_form")),
    ):
        answer = await who.post(path, json=body | changes, headers=key())
        assert (answer.status_code, answer.json()["code"]) == expected, answer.text
    for due, words in ((working(200), "校内时限不能晚于 "), (target["due"], f"新的时限应晚于 {target['due']}。")):
        said = (await supervisor.post(path, json=body | {"due": due}, headers=key())).json()
        assert words in said["detail"] and "经办机构" not in said["detail"], said
    assert "extend" in (await supervisor.get(f"/api/v1/tasks/{task['id']}")).json()["actions"]
    once = key()
    for _ in range(2):  # the same click twice
        moved = (await supervisor.post(path, json=body, headers=once)).json()
        assert [d["due"] for d in moved["deadlines"]] == [law["due"], later]
    said = [t["text"]["zh"] for t in (await clerk.get(f"/api/v1/processes/{case}")).json()["timeline"]]
    assert sum("护照在换发" in s for s in said) == 1

    room = f"/api/v1/processes/{case}"
    paper = await college.post(
        f"{room}/documents", files={"file": ("d.pdf", PDF, "application/pdf")}, data={"code": "authority_decision"}
    )
    assert paper.status_code == 403
    wrong = await clerk.post(
        f"{room}/documents", files={"file": ("d.pdf", PDF, "application/pdf")}, data={"code": "passport"}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_file")
    paper = await clerk.post(
        f"{room}/documents", files={"file": ("d.pdf", PDF, "application/pdf")}, data={"code": "authority_decision"}
    )
    assert paper.status_code == 201, paper.text
    decided = days(60).isoformat()
    decision = {
        "deadline": law["id"], "due": decided, "number": "成社险函〔2026〕88号", "reason": "系统升级，受理顺延",
        "document_id": paper.json()["id"],
    }  # fmt: skip
    for who, changes, expected in (
        (college, {}, (403, "not_allowed")),
        (clerk, {"deadline": target["id"]}, (422, "bad_form")),
        (clerk, {"document_id": "nothing"}, (422, "bad_form")),
        (clerk, {"due": "9999-12-31"}, (422, "bad_form")),
        (clerk, {"due": law["due"]}, (422, "bad_date")),
        (clerk, {"due": days(-2).isoformat()}, (422, "bad_form")),  # before the present day, and nobody said so
        (clerk, {"due": days(-4).isoformat(), "earlier": True}, (422, "bad_form")),  # before it begins to count
    ):
        answer = await who.post(f"{room}/deadlines/decision", json=decision | changes, headers=key())
        assert (answer.status_code, answer.json()["code"]) == expected, answer.text
    same = await clerk.post(f"{room}/deadlines/decision", json=decision | {"due": law["due"]}, headers=key())
    assert same.json()["detail"].startswith(f"现行期限就是 {law['due']}"), same.text
    assert (await clerk.post(f"{room}/deadlines/decision", json=decision, headers=key())).status_code == 200
    assert (await clerk.get(room)).json()["deadlines"][0]["due"] == law["due"]  # nothing moves by one person's word
    asked = await first_task(head)
    assert asked["kind"] == "date.confirm"
    second = await clerk.post(f"{room}/deadlines/decision", json=decision, headers=key())
    assert second.status_code == 409 and "88号" in second.json()["detail"], second.text
    assert asked["context"]["files"][0]["id"] == paper.json()["id"]
    assert (asked["context"]["date_old"], asked["context"]["date_new"]) == (law["due"], decided)
    done = await head.post(
        f"/api/v1/tasks/{asked['id']}/complete", json={"outcome": "confirm", "data": {}, "version": 1}, headers=key()
    )
    assert done.status_code == 200, done.text
    view = (await clerk.get(room)).json()
    assert view["deadlines"][0]["due"] == decided
    told = next(step["text"]["zh"] for step in view["deadlines"][0]["derivation"] if step["kind"] == "decided")
    assert all(
        words in told for words in (law["due"], decided, "88号", "系统升级", "（登记：clerk同志；确认：head同志）")
    )
    lines = [t["text"] for t in view["timeline"] if t["kind"] in ("extended", "date_decided")]
    by = ("；supervisor同志）", "（登记：clerk同志；确认：head同志）")
    assert [sum(line["zh"].count(words) for words in by) for line in lines] == [1, 1]
    assert "(recorded by Clerk, confirmed by Head)" in lines[-1]["en"]
