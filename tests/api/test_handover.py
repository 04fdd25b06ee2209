"""Tasks change hands: transfer, delegate, reassign, take over, urge, hand-over; never two holders, no reminder lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import func, select, update

from api import handover
from runtime import clock
from schemas.base import Text
from schemas.process import Reminder, RungInstant
from store.database import session
from store.tables.desk import InboxEvent
from store.tables.office import Audit, Message
from store.tables.outbox import Outgoing
from store.tables.people import User
from store.tables.processes import Task
from store.users import create_user
from tests.api.conftest import PASSWORD, Office, days, deadline
from tests.api.test_tasks import key

WHY = {"reason": "出差一周"}


async def do(office: Office, who: str, task: str, verb: str, **body: Any) -> httpx2.Response:
    client = await office.sign_in(who)
    return await client.post(f"/api/v1/tasks/{task}/{verb}", json=body)


async def row(task: str) -> Task:
    async with session() as s:
        return await s.get_one(Task, task)


async def messages_to(username: str) -> list[str]:
    async with session() as s:
        return list(await s.scalars(select(Message.text_zh).where(Message.username == username).order_by(Message.id)))


async def more_clerks(n: int) -> list[str]:
    names = [f"desk{i}" for i in range(n)]
    async with session() as s:
        for name in names:
            await create_user(s, name, PASSWORD, name_zh=name, roles=["clerk"])
    return names


async def test_of_many_who_claim_at_once_one_holds_and_the_others_learn_who(office: Office) -> None:
    names = ["clerk", "clerk2", *await more_clerks(4)]
    for n in range(3):
        task = await office.task(await office.case(id_number=f"C01X00T4{n}"))
        clients = [await office.sign_in(name) for name in names]
        answers = await asyncio.gather(*(c.post(f"/api/v1/tasks/{task}/claim") for c in clients))
        assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409, 409]
        winner = next(a for a in answers if a.status_code == 200).json()["holder"]
        assert (await row(task)).holder == winner
        said = {a.json()["detail"] for a in answers if a.status_code == 409}
        assert len(said) == 1 and "该任务现由" in (sentence := said.pop())
        assert datetime.now(UTC).astimezone(clock.SHANGHAI).strftime("%Y-%m-%d") in sentence  # since when
        async with session() as s:
            claims = await s.scalar(
                select(func.count()).select_from(Audit).where(Audit.action == "task.claim", Audit.object == task)
            )
        assert claims == 1


async def test_moves_at_the_same_moment_leave_one_holder_and_a_true_history(office: Office) -> None:
    a, b, c, d = await more_clerks(4)
    task = await office.task(await office.case())
    assert (await do(office, a, task, "claim")).status_code == 200
    for name in (a, b, c, d, "supervisor"):
        await office.sign_in(name)
    await asyncio.gather(
        do(office, a, task, "transfer", to=b, **WHY),
        do(office, a, task, "delegate", to=c, **WHY),
        do(office, "supervisor", task, "reassign", to=d, **WHY),
        do(office, "supervisor", task, "take_over", **WHY),
        do(office, a, task, "release"),
    )
    now = await row(task)
    async with session() as s:
        moves = list(await s.scalars(select(InboxEvent).where(InboxEvent.task_id == task).order_by(InboxEvent.id)))
        trail = list(await s.scalars(select(Audit).where(Audit.object == task).order_by(Audit.id)))
    holders: list[str | None] = []
    for line in trail:
        if line.action == "task.claim":
            holders.append(line.actor)
        elif line.action == "task.release":
            assert line.data["holder"] == holders[-1]
            holders.append(None)
        else:
            assert line.data["holder_before"] == holders[-1]  # each move started from what the one before had left
            holders.append(line.data["holder"])
    assert holders[-1] == now.holder
    assert len(moves) == len([t for t in trail if t.action not in ("task.claim", "task.release")]) >= 1


async def test_transfer_moves_holder_and_draft_and_leaves_the_deadline(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, deadlines=[deadline(days(3))], excluded=["payroll"])
    clerk, clerk2 = await office.sign_in("clerk"), await office.sign_in("clerk2")
    assert (await do(office, "clerk", task, "transfer", to="clerk2", **WHY)).status_code == 409  # not in hand
    await clerk.put(f"/api/v1/tasks/{task}/draft", json={"data": {"remark": "半截"}})
    before = await row(task)
    offered = (await clerk.get(f"/api/v1/tasks/{task}/candidates")).json()
    assert [p["username"] for p in offered] == ["clerk2"]
    for to, code in (
        ("clerk", "holds_it"),
        ("nobody", "unknown_user"),
        ("college", "not_a_candidate"),
        ("payroll", "four_eyes"),
    ):
        refused = await do(office, "clerk", task, "transfer", to=to, **WHY)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)
    moved = await do(office, "clerk", task, "transfer", to="clerk2", **WHY)
    assert moved.status_code == 200 and moved.json()["holder"] == "clerk2", moved.text
    after = await row(task)
    assert (after.deadlines, after.next_due_at, after.sort_at) == (before.deadlines, before.next_due_at, before.sort_at)
    assert after.held_since > before.held_since  # type: ignore[operator]
    view = (await clerk2.get(f"/api/v1/tasks/{task}")).json()
    assert view["draft"] == {"remark": "半截"}  # the draft belongs to the task
    assert (await clerk.get(f"/api/v1/tasks/{task}")).json()["draft"] is None
    said = await messages_to("clerk2")
    assert len(said) == 1 and "转办给clerk2同志" in said[0] and str(days(3)) in said[0] and "出差" not in said[0]
    timeline = (await clerk.get(f"/api/v1/processes/{case}")).json()["timeline"]
    line = next(t for t in timeline if t["kind"] == "transfer")
    assert "出差一周" in line["text"]["zh"] and line["actor"] == "clerk" and line["task_id"] == task
    mine = (await clerk2.get("/api/v1/tasks", params={"view": "mine"})).json()
    assert [t["id"] for t in mine["items"]] == [task]
    assert (await do(office, "clerk", task, "transfer", to="clerk2", **WHY)).json()["code"] == "task_held"


async def test_the_ladder_goes_to_the_new_holder(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, deadlines=[deadline(days(3))])
    await do(office, "clerk", task, "claim")
    await do(office, "clerk", task, "transfer", to="clerk2", **WHY)
    counted = {name: len(await messages_to(name)) for name in ("clerk", "clerk2")}
    rung = RungInstant(key="holder-1", deadline_id="DL-REG-FOR", rung="holder-1", to="holder", at=clock.now())
    reminder = Reminder(
        task_id=task, to="holder", at=clock.now(), text=Text(zh="提醒：即将到期", en="Reminder: due soon"), rungs=[rung]
    )
    await office.task(case, deadlines=[deadline(days(3))], revision=2, reminders=[reminder])
    assert len(await messages_to("clerk")) == counted["clerk"]
    assert "即将到期" in (await messages_to("clerk2"))[-1]
    async with session() as s:
        await s.execute(update(User).where(User.username == "clerk2").values(active=False))
    later = rung.model_copy(update={"key": "holder-0", "rung": "holder-0"})
    await office.task(
        case, deadlines=[deadline(days(3))], revision=3, reminders=[reminder.model_copy(update={"rungs": [later]})]
    )
    assert "即将到期" in (await messages_to("clerk"))[-1]  # a closed login loses nothing: the group is told


async def test_a_delegated_task_is_worked_on_returned_and_completed_by_its_owner(office: Office) -> None:
    task = await office.task(await office.case())
    await do(office, "clerk", task, "claim")
    lent = await do(office, "clerk", task, "delegate", to="clerk2", **WHY)
    assert (lent.json()["holder"], lent.json()["owner"]) == ("clerk2", "clerk")
    body = {"outcome": "approve", "data": {}, "version": 1}
    clerk, clerk2 = await office.sign_in("clerk"), await office.sign_in("clerk2")
    for client in (clerk, clerk2):
        early = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
        assert (early.status_code, early.json()["code"]) == (409, "delegated")
    for name in ("clerk", "clerk2"):  # both see it: the one works, the other answers for it
        page = (await (await office.sign_in(name)).get("/api/v1/tasks", params={"view": "mine"})).json()
        assert [t["id"] for t in page["items"]] == [task] and page["counts"]["mine"] == 1
    assert (await do(office, "clerk2", task, "release")).json()["code"] == "delegated"
    assert (await clerk2.put(f"/api/v1/tasks/{task}/draft", json={"data": {"remark": "已核"}})).status_code == 200
    wrong = await do(office, "clerk", task, "return_delegated", note="收回来")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "not_allowed") and "受委派人" in wrong.json()["detail"]
    back = await do(office, "clerk2", task, "return_delegated", note="已与社保局核对")
    assert (back.json()["holder"], back.json()["owner"]) == ("clerk", None)
    view = (await clerk.get(f"/api/v1/tasks/{task}")).json()
    assert view["draft"] == {"remark": "已核"}
    assert [(c["author"], c["text"]) for c in view["comments"]] == [("clerk2", "已与社保局核对")]
    await do(office, "clerk", task, "delegate", to="clerk2", **WHY)
    assert (await do(office, "clerk2", task, "recall", **WHY)).status_code == 403
    assert (await do(office, "clerk", task, "recall", **WHY)).json()["holder"] == "clerk"
    done = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())
    assert done.status_code == 200 and done.json()["task"]["completed_by"] == "clerk"


async def test_the_supervisor_reassigns_and_takes_over_and_four_eyes_stay(office: Office) -> None:
    task = await office.task(await office.case())
    await do(office, "clerk", task, "claim")
    assert (await do(office, "clerk2", task, "reassign", to="clerk2", **WHY)).status_code == 403
    given = await do(office, "supervisor", task, "reassign", to="clerk2", **WHY)
    assert given.json()["holder"] == "clerk2"
    assert any("改派" in m for m in await messages_to("clerk"))  # the old holder is told
    taken = await do(office, "supervisor", task, "take_over", **WHY)
    assert taken.json()["holder"] == "supervisor" and "complete" in taken.json()["actions"]
    supervisor = await office.sign_in("supervisor")
    body = {"outcome": "approve", "data": {}, "version": 1}
    assert (await supervisor.post(f"/api/v1/tasks/{task}/complete", json=body, headers=key())).status_code == 200
    own = await office.task(await office.case(id_number="X9988776"), excluded=["supervisor"])
    refused = await do(office, "supervisor", own, "take_over", **WHY)
    assert (refused.status_code, refused.json()["code"]) == (403, "four_eyes")


async def test_who_may_not_do_it_any_more_holds_it_no_more(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, "tax_payment.approval", roles=["supervisor"])
    assert (await do(office, "supervisor", task, "claim")).status_code == 200
    assert await office.task(case, "tax_payment.approval", roles=["supervisor"], excluded=["head"], revision=2) == task
    assert (await row(task)).holder == "supervisor"
    await office.task(case, "tax_payment.approval", roles=["supervisor"], excluded=["supervisor"], revision=3)
    assert ((await row(task)).holder, (await row(task)).held_since) == (None, None)


async def test_urging_is_limited_recorded_and_told(office: Office) -> None:
    case = await office.case()  # started by clerk
    task = await office.task(case)
    own = await do(office, "clerk2", task, "urge")
    assert own.status_code == 403  # could claim it
    await do(office, "clerk2", task, "claim")
    supervisor = await office.sign_in("supervisor")
    answers = await asyncio.gather(
        do(office, "clerk", task, "urge", note="本月要缴"), supervisor.post(f"/api/v1/tasks/{task}/urge", json={})
    )
    assert sorted(a.status_code for a in answers) == [200, 429]
    refused = next(a for a in answers if a.status_code == 429)
    assert 0 < int(refused.headers["retry-after"]) <= 4 * 3600 and "之后可以再催" in refused.json()["detail"]
    assert len([m for m in await messages_to("clerk2") if "催办" in m]) == 1
    view = (await supervisor.get(f"/api/v1/tasks/{task}")).json()
    assert view["urged_at"] and view["urged_by_name"]
    assert [t["kind"] for t in (await supervisor.get(f"/api/v1/processes/{case}")).json()["timeline"]].count(
        "urge"
    ) == 1
    assert (await do(office, "clerk2", task, "transfer", to="clerk", **WHY)).status_code == 200
    assert (await do(office, "supervisor", task, "urge")).status_code == 200  # it has a new holder
    assert len([m for m in await messages_to("clerk") if "催办" in m]) == 1
    assert (await do(office, "clerk", task, "transfer", to="clerk2", **WHY)).status_code == 200
    clock.set_offset(timedelta(hours=4, seconds=1))
    assert (await do(office, "supervisor", task, "urge")).status_code == 200
    assert (await do(office, "auditor", task, "urge")).status_code == 403
    await do(office, "clerk2", task, "release")
    clock.set_offset(timedelta(hours=9))
    assert (await do(office, "supervisor", task, "urge")).status_code == 200
    assert "催办" in (await messages_to("clerk"))[-1]  # nobody holds it: all who could take it are told
    async with session() as s:
        assert await s.scalar(select(func.count()).select_from(Outgoing).where(Outgoing.task_id == task)) >= 3  # type: ignore[operator]


async def test_what_is_released_keeps_its_draft_and_its_holder_is_told(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    clerk, clerk2, boss = [await office.sign_in(name) for name in ("clerk", "clerk2", "supervisor")]
    assert (await clerk.put(f"/api/v1/tasks/{task}/draft", json={"data": {"remark": "已核"}})).status_code == 200
    batch = {"action": "release", "items": [{"id": task, "key": "r1"}]}
    for _ in range(2):  # the same click again is no news
        assert (await boss.post("/api/v1/tasks/batch", json=batch)).json()["done"] == 1
    told = [m for m in await messages_to("clerk") if "退回待认领" in m]
    assert len(told) == 1 and "supervisor同志退回待认领，草稿保留在任务上" in told[0]
    free = (await do(office, "supervisor", task, "release")).json()
    assert free["code"] == "not_allowed_now" and "无人持有" in free["detail"]
    assert (await boss.get(f"/api/v1/tasks/{task}")).json()["draft"] is None, "a supervisor does not do it"
    seen = (await clerk2.get(f"/api/v1/tasks/{task}")).json()
    assert (seen["draft"], seen["state"]) == ({"remark": "已核"}, "ready"), "or what is typed would take its place"
    assert (await do(office, "clerk2", task, "claim")).json()["state"] == "in_progress"
    assert (await do(office, "clerk2", task, "release")).status_code == 200
    assert (await clerk.get(f"/api/v1/tasks/{task}")).json()["draft"] == {"remark": "已核"}
    assert not [m for m in await messages_to("clerk2") if "退回待认领" in m], "whose own word it was knows"
    lines = (await boss.get(f"/api/v1/processes/{case}")).json()["timeline"]
    assert [t["actor"] for t in lines if t["kind"] == "release"] == ["supervisor", "clerk2"]


async def test_everything_of_a_leaver_is_counted_and_moved_item_by_item(office: Office, monkeypatch: Any) -> None:
    third = (await more_clerks(1))[0]
    tasks = [
        await office.task(await office.case(id_number=f"C01X00T4{n}"), deadlines=[deadline(days(n + 1))])
        for n in range(5)
    ]
    barred = await office.task(await office.case(id_number="C01X00T48"), excluded=["clerk2", third])
    for task in (*tasks[:3], barred):
        await do(office, "clerk", task, "claim")
    await do(office, "clerk", tasks[2], "delegate", to="clerk2", **WHY)  # lent by the leaver
    await do(office, "clerk2", tasks[3], "claim")
    await do(office, "clerk2", tasks[3], "delegate", to="clerk", **WHY)  # lent to the leaver
    clerk = await office.sign_in("clerk")
    soon = {"first_day": str(days(0)), "last_day": str(days(9)), "reason": "休假"}
    assert (await clerk.post("/api/v1/substitutions", json={"substitute": third, **soon})).status_code == 201
    supervisor = await office.sign_in("supervisor")
    place = "/api/v1/users/clerk/hand-over"
    assert (await clerk.get(place)).status_code == 403
    counted = (await supervisor.get(place)).json()
    assert (counted["held"], counted["lent_to_person"], counted["lent_by_person"], counted["substitutions"]) == (
        3,
        1,
        1,
        1,
    )
    real, broken = handover.message, {tasks[1]}

    async def message(s: Any, user: Any, task: Task, *rest: Any) -> None:
        if task.id in broken:
            from api.problems import Unavailable

            raise Unavailable
        await real(s, user, task, *rest)

    monkeypatch.setattr("api.leaving.message", message)
    body = {"to": [third, "clerk2"], "reason": "离职"}
    result = (await supervisor.post(place, json=body)).json()
    by_id = {i["id"]: i for i in result["items"]}
    assert result["failed"] == 1 and by_id[tasks[1]]["result"] == "failed" and by_id[tasks[1]]["problem"]["zh"]
    assert by_id[tasks[0]]["result"] == "moved" and by_id[tasks[0]]["to"] == third
    assert (by_id[tasks[2]]["result"], by_id[tasks[3]]["result"]) == ("moved", "returned")
    assert by_id[barred]["result"] == "released" and by_id[barred]["to"] is None
    assert [i["result"] for i in result["items"] if i["kind"] == "substitution"] == ["ended"]
    assert (await row(tasks[1])).holder == "clerk"  # what failed is as it was
    lent = await row(tasks[2])
    assert (lent.holder, lent.owner) == ("clerk2", by_id[tasks[2]]["to"]) or (lent.holder, lent.owner) == (
        "clerk2",
        None,
    )
    assert ((await row(tasks[3])).holder, (await row(barred)).holder) == ("clerk2", None)
    broken.clear()
    again = (await supervisor.post(place, json=body)).json()
    assert [(i["id"], i["result"]) for i in again["items"]] == [(tasks[1], "moved")]
    left = (await supervisor.get(place)).json()
    assert (left["held"], left["lent_to_person"], left["lent_by_person"], left["substitutions"]) == (0, 0, 0, 0)
