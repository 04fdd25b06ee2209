"""A login is closed and opened again: sessions and tokens end at once, work is named, the last administrator stays."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import select, update

from runtime import clock
from schemas.base import Text
from store import departures, messages, reminders, users
from store.database import session
from store.policies import calendar
from store.tables.office import Audit
from store.tables.outbox import Outgoing
from store.tables.people import User
from store.tables.processes import Task
from tests.api.conftest import PASSWORD, Office
from tests.api.test_handover import do

WHY = {"reason": "离职"}


async def patch(office: Office, who: str, username: str, **body: Any) -> httpx2.Response:
    client = await office.sign_in(who)
    return await client.patch(f"/api/v1/users/{username}", json=WHY | body)


async def test_a_login_that_is_closed_is_out_at_once_and_nobody_is_offered_it(office: Office) -> None:
    task = await office.task(await office.case())
    clerk = await office.sign_in("clerk2")
    async with session() as s:
        token = await users.create_token(s, "clerk2", "robot", clock.real_now())
        user = await s.get_one(User, "clerk2")
        user.email = "clerk2@example.edu"
        await messages.notify(
            s, user, Text(zh="提醒", en="Reminder"), key="a", link=None, now=clock.now(), lasting=True
        )
    assert (await patch(office, "supervisor", "clerk2", active=False)).status_code == 403
    assert (await patch(office, "admin", "nobody", active=False)).status_code == 404
    short = await patch(office, "admin", "clerk2", active=False, reason=" ")
    assert (short.status_code, short.json()["errors"][0]["pointer"]) == (422, "/reason")
    shut = await patch(office, "admin", "clerk2", active=False)
    assert shut.status_code == 200 and shut.json()["active"] is False, shut.text
    assert (await patch(office, "admin", "clerk2", active=False)).status_code == 200  # the same again
    robot = office.anonymous()
    robot.headers["Authorization"] = f"Bearer {token}"
    assert [(await c.get("/api/v1/session")).status_code for c in (clerk, robot)] == [401, 401]
    signing_in = {"username": "clerk2", "password": PASSWORD}
    assert (await robot.post("/api/v1/session", json=signing_in)).status_code == 401
    assert (await do(office, "clerk", task, "claim")).status_code == 200
    boss = await office.sign_in("supervisor")
    offered = [c["username"] for c in (await boss.get(f"/api/v1/tasks/{task}/candidates")).json()]
    assert "clerk2" not in offered
    day = str(clock.today())
    first = await office.sign_in("clerk")
    for client, verb, body in (
        (boss, "tasks/{}/reassign", {"to": "clerk2", **WHY}),
        (boss, "tasks/{}/copies", {"usernames": ["clerk2"]}),
        (first, "substitutions", {"substitute": "clerk2", "first_day": day, "last_day": day, **WHY}),
    ):
        answer = await client.post(f"/api/v1/{verb.format(task)}", json=body)
        assert (answer.status_code, [e["code"] for e in answer.json()["errors"]]) == (422, ["unknown_user"]), (
            answer.text
        )
    later = clock.now() + timedelta(days=9)
    async with session() as s:
        assert await departures.take(s, "mail", now=later, office_now=later, school=calendar("school")) is None
        assert set(await s.scalars(select(Outgoing.state).where(Outgoing.username == "clerk2"))) == {"dropped"}
        found = await s.get_one(Task, task)
        found.holder = None
        told = await reminders.in_charge(s, reminders.whose(found))
        assert [u.username for u, _ in told] == ["clerk"]
    again = await patch(office, "admin", "clerk2", active=True, reason="返聘")
    assert again.json()["active"] is True
    assert [(await c.get("/api/v1/session")).status_code for c in (clerk, robot)] == [401, 401], "what ended stays so"
    assert (await office.anonymous().post("/api/v1/session", json=signing_in)).status_code == 200
    async with session() as s:
        lines = await s.execute(select(Audit.action, Audit.actor).where(Audit.object == "clerk2").order_by(Audit.id))
        assert [tuple(x) for x in lines if x[0].startswith("user.")] == [
            ("user.close", "admin"), ("user.reopen", "admin"),
        ]  # fmt: skip


async def test_who_still_has_work_is_closed_only_in_so_many_words(office: Office) -> None:
    task = await office.task(await office.case())
    assert (await do(office, "clerk2", task, "claim")).status_code == 200
    refused = await patch(office, "admin", "clerk2", active=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "has_work")
    assert "在办任务 1 项（FE" in refused.json()["detail"] and "《审核参保材料》" in refused.json()["detail"]
    async with session() as s:
        await s.execute(update(Task).values(case_no="tax_payment-school-medical-2026-11"))
    by_name = (await patch(office, "admin", "clerk2", active=False)).json()["detail"]
    assert "（医保费 2026-11《审核参保材料》）" in by_name, "the name that pages show, no id"
    shut = await patch(office, "admin", "clerk2", active=False, anyway=True)
    assert shut.status_code == 200 and shut.json()["left"]["held"] == 1
    boss = await office.sign_in("supervisor")
    moved = await boss.post("/api/v1/users/clerk2/hand-over", json={"to": ["clerk"], **WHY})
    assert [i["result"] for i in moved.json()["items"]] == ["moved"], "and handed over afterwards"


async def test_the_last_administrator_stays(office: Office) -> None:
    refused = await patch(office, "admin", "admin", active=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")
    async with session() as s:
        await users.create_user(s, "admin2", PASSWORD, name_zh="管理", roles=["admin"])
    own = await patch(office, "admin", "admin", active=False)
    assert own.status_code == 403 and "另一位管理员" in own.json()["detail"]
    first, second = await office.sign_in("admin"), await office.sign_in("admin2")
    body = WHY | {"active": False}
    answers = await asyncio.gather(
        first.patch("/api/v1/users/admin2", json=body), second.patch("/api/v1/users/admin", json=body)
    )
    assert sorted(a.status_code for a in answers) in ([200, 401], [200, 403], [200, 409]), "one of two stays"
    async with session() as s:
        assert len(await users.with_roles(s, ["admin"])) == 1
