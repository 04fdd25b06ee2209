"""Escalations: who was told and through what, 已知悉 by one for all, and the board's number until then."""

from typing import Any

import pytest
from sqlalchemy import select, update

from runtime import clock
from schemas.base import Text
from schemas.process import Reminder, RungInstant
from store.database import session
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.people import User
from store.tables.processes import Process, ReminderRow, Task
from tests.api.conftest import Office, days, deadline


async def escalated(office: Office, *levels: str) -> tuple[str, str]:
    """A case whose ladder fired for these; returns case and task."""
    case = await office.case()
    task = await office.task(case, deadlines=[deadline(days(1))])
    now = clock.now()
    reminders = [
        Reminder(
            task_id=task, to=level, at=now, text=Text(zh=f"升级 {level}", en=f"Escalated {level}"),
            rungs=[RungInstant(key=f"DL:{level}", deadline_id="DL-REG-FOR", rung=f"{level}-1", to=level, at=now)],
        )
        for level in levels
    ]  # fmt: skip
    await office.task(case, deadlines=[deadline(days(1))], revision=2, reminders=reminders)
    return case, task


async def board_number(office: Office, username: str = "head") -> int:
    """The number on the board; its list has as many."""
    client = await office.sign_in(username)
    figure = (await client.get("/api/v1/board")).json()["totals"]["escalations"]
    page = (await client.get(f"/api/v1{figure['path']}")).json()
    assert page["total"] == len(page["items"]) == figure["value"]
    return figure["value"]


async def refused_with(client: Any, body: dict[str, Any]) -> list[int | None]:
    """The status of what was refused of each, None where it was done."""
    answer = await client.post("/api/v1/escalations/acknowledge", json=body)
    assert answer.status_code == 200, answer.text
    return [i["problem"] and i["problem"]["status"] for i in answer.json()["items"]]


async def ladder(office: Office, case: str, username: str = "head") -> dict[str, Any]:
    answer = await (await office.sign_in(username)).get(f"/api/v1/processes/{case}/reminders")
    return {r["level"]: r for r in answer.json()}


async def test_the_chain_says_who_was_told_through_what_and_who_knows(office: Office) -> None:
    case, task = await escalated(office, "holder", "supervisor", "head")
    async with session() as s:
        sent = clock.real_now()
        await s.execute(update(Outgoing).where(Outgoing.username == "supervisor").values(state="sent", sent_at=sent))
    found = await ladder(office, case)
    assert set(found) == {"holder", "supervisor", "head"}
    (told,) = found["supervisor"]["told"]
    assert (told["username"], told["read_at"], found["supervisor"]["task_id"]) == ("supervisor", None, task)
    assert [(w["channel"], w["state"], w["sent_at"] is not None) for w in told["ways"]] == [("mail", "sent", True)]
    assert [w["state"] for w in found["head"]["told"][0]["ways"]] == ["pending"]
    assert [t["username"] for t in found["holder"]["told"]] == ["clerk", "clerk2"]
    assert "@" not in str(found["supervisor"]["told"]), "an address is shown"
    assert await board_number(office) == 2
    supervisor = await office.sign_in("supervisor")
    (message,) = (await supervisor.get("/api/v1/messages")).json()["items"]
    assert message["escalations"] == [found["supervisor"]["key"]]
    answer = await supervisor.post("/api/v1/escalations/acknowledge", json={"keys": message["escalations"]})
    assert answer.status_code == 200, answer.text
    found = await ladder(office, case)
    assert found["supervisor"]["acknowledged_by"] == "supervisor" and found["supervisor"]["told"][0]["read_at"]
    assert found["head"]["acknowledged_by"] is None and found["head"]["may_acknowledge"]
    assert await board_number(office) == 1
    page = (await supervisor.get("/api/v1/messages")).json()
    assert (page["items"][0]["escalations"], page["items"][0]["acknowledged_by"], page["unread"]) == (
        [], "supervisor", 0,
    )  # fmt: skip
    first = found["supervisor"]["acknowledged_at"]
    again = await supervisor.post("/api/v1/escalations/acknowledge", json={"keys": message["escalations"]})
    assert again.status_code == 200 and again.json()["items"][0]["rung"]["acknowledged_at"] == first
    async with session() as s:
        row = await s.get_one(Task, task)
        assert (row.state, row.closed_at) == ("ready", None), "acknowledging did the task"


@pytest.mark.parametrize(
    ("closed", "told"),
    [
        (["head"], {"head": ["admin"]}),
        (["supervisor"], {"supervisor": ["head"], "head": ["head"]}),
        (["supervisor", "head"], {"supervisor": ["admin"], "head": ["admin"]}),
        (["supervisor", "head", "admin"], {"supervisor": [], "head": []}),
    ],
)
async def test_a_level_without_an_open_login_is_said_and_the_next_one_hears(
    office: Office, closed: list[str], told: dict[str, list[str]]
) -> None:
    clerk = await office.sign_in("clerk")
    async with session() as s:
        await s.execute(update(User).where(User.username.in_(closed)).values(active=False))
    case, _ = await escalated(office, "supervisor", "head")
    answer = await clerk.get(f"/api/v1/processes/{case}/reminders")
    found = {r["level"]: [t["username"] for t in r["told"]] for r in answer.json()}
    assert {level: found[level] for level in told} == told
    lines = [t for t in (await clerk.get(f"/api/v1/processes/{case}")).json()["timeline"] if t["kind"] == "unheard"]
    assert {line["data"]["level"]: line["data"]["told"] for line in lines} == {
        level: people for level, people in told.items() if level in closed
    }
    assert len(lines) == len(set(closed) & {"supervisor", "head"})
    for line in lines:
        wanted = "、".join(f"{name}同志" for name in line["data"]["told"]) or "也没有可改为通知的人"
        assert wanted in line["text"]["zh"] and "没有可用的" in line["text"]["zh"]
    async with session() as s:
        heard = set(await s.scalars(select(Message.username)))
    assert heard == {name for people in found.values() for name in people}


async def test_who_was_not_told_cannot_and_nothing_is_open_once_the_task_is_done(office: Office) -> None:
    case, task = await escalated(office, "holder", "supervisor")
    found = await ladder(office, case)
    clerk, stranger = await office.sign_in("clerk"), await office.sign_in("college2")
    keys = {"keys": [found["supervisor"]["key"]]}
    assert await refused_with(clerk, keys) == [403]
    assert await refused_with(stranger, keys) == [404]
    assert (await stranger.get("/api/v1/escalations")).status_code == 403
    holders = {"keys": [found["holder"]["key"]]}
    assert await refused_with(clerk, holders) == [404]
    assert (await clerk.post("/api/v1/escalations/acknowledge", json={"keys": []})).status_code == 422
    assert await board_number(office, "clerk") == 1
    done = {"outcome": "approve", "data": {}, "version": 1}
    answer = await clerk.post(f"/api/v1/tasks/{task}/complete", json=done, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200, answer.text
    assert await board_number(office) == 0
    found = await ladder(office, case)
    closed = answer.json()["task"]["closed_at"]
    for level in ("holder", "supervisor"):
        ended = {name: found[level][name] for name in ("ended", "ended_by", "ended_at", "acknowledged_at")}
        assert ended == {"ended": "completed", "ended_by": "clerk", "ended_at": closed, "acknowledged_at": None}
    assert [t["username"] for t in found["supervisor"]["told"]] == ["supervisor"]
    async with session() as s:
        assert (
            await s.scalar(select(ReminderRow.acknowledged_at).where(ReminderRow.addressed_to == "supervisor")) is None
        )


@pytest.mark.parametrize("level", ["supervisor", "head"])
async def test_an_escalation_that_found_nobody_stays_until_somebody_of_that_role_knows(
    office: Office, level: str
) -> None:
    case, _ = await escalated(office, level)
    async with session() as s:  # as it is written when nobody has the role
        await s.execute(update(ReminderRow).values(recipient="-", message_id=None))
        await s.execute(update(Message).values(key=None))
    found = await ladder(office, case, level)
    assert found[level]["told"] == [] and found[level]["may_acknowledge"]
    assert await board_number(office) == 1
    client = await office.sign_in(level)
    assert await refused_with(client, {"keys": ["zz", found[level]["key"]]}) == [404, None]
    assert await board_number(office) == 0
    async with session() as s:
        assert (await s.get_one(Process, case)).state == "running"
