"""代理: a substitute does an absent person's tasks, under both names, never against four eyes, for some days."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from runtime import clock
from schemas.base import Text
from schemas.process import Reminder, RungInstant
from store.database import session
from store.tables.office import Audit, Message
from store.tables.processes import Task
from store.users import create_user
from tests.api.conftest import PASSWORD, Office, days
from tests.api.test_handover import do, messages_to
from tests.api.test_tasks import key
from worker.exclusions import give_back

BODY = {"outcome": "approve", "data": {}, "version": 1}


async def away(office: Office, who: str, by: str, first: int = 0, last: int = 3, setter: str | None = None) -> Any:
    client = await office.sign_in(setter or who)
    body = {"substitute": by, "first_day": str(days(first)), "last_day": str(days(last)), "reason": "出差"}
    return await client.post("/api/v1/substitutions", json=body | ({"absent": who} if setter else {}))


async def second_supervisor() -> None:
    async with session() as s:
        await create_user(s, "deputy", PASSWORD, name_zh="副科长", name_en="Deputy", roles=["supervisor"])


async def seen(office: Office, who: str, view: str) -> list[str]:
    page = (await (await office.sign_in(who)).get("/api/v1/tasks", params={"view": view})).json()
    assert page["counts"][view] == page["total"] == len(page["items"])
    return [t["id"] for t in page["items"]]


async def test_a_substitute_does_the_tasks_of_the_absent_person_and_both_names_stand(office: Office) -> None:
    await second_supervisor()
    case = await office.case()
    held = await office.task(case, "enrolment.verification", key="a/1", roles=["supervisor"], outcomes=["approve"])
    free = await office.task(case, "enrolment.verification", key="a/2", roles=["supervisor"], outcomes=["approve"])
    await do(office, "supervisor", held, "claim")
    assert (await away(office, "supervisor", "payroll")).status_code == 422  # other work: not by oneself
    for_ever = await away(office, "supervisor", "deputy", last=800)
    assert [(e["pointer"], e["code"]) for e in for_ever.json()["errors"]] == [("/last_day", "too_far")]
    assert await seen(office, "payroll", "group") == []
    assert (await away(office, "supervisor", "payroll", setter="admin")).status_code == 201
    assert any("代理" in m for m in await messages_to("payroll")) and any(
        "代理" in m for m in await messages_to("supervisor")
    )
    assert await seen(office, "payroll", "mine") == [held]
    assert await seen(office, "payroll", "group") == [free]
    payroll = await office.sign_in("payroll")
    item = (await payroll.get(f"/api/v1/tasks/{held}")).json()
    assert (item["holder"], item["substitute"], item["acting_for"]) == ("supervisor", "payroll", "supervisor")
    own = (await (await office.sign_in("supervisor")).get(f"/api/v1/tasks/{held}")).json()
    assert (own["holder"], own["substitute"]) == ("supervisor", None), "who is there works under the own name"
    assert (await do(office, "payroll", free, "claim")).json()["holder"] == "supervisor"  # one responsible person
    assert (await do(office, "payroll", free, "reassign", to="deputy", reason="xx")).status_code == 403  # tasks only
    done = await payroll.post(f"/api/v1/tasks/{held}/complete", json=BODY, headers=key())
    assert done.status_code == 200, done.text
    assert (done.json()["task"]["completed_by"], done.json()["task"]["completed_for"]) == ("payroll", "supervisor")
    assert await seen(office, "payroll", "done") == await seen(office, "supervisor", "done") == [held]
    async with session() as s:
        trail = (await s.scalars(select(Audit).where(Audit.action == "task.complete"))).one()
    assert (trail.actor, trail.on_behalf, trail.data["acting_for"]) == ("payroll", True, "supervisor")


async def test_the_timeline_names_who_did_it_for_whom(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    await do(office, "clerk", task, "claim")
    await away(office, "clerk", "clerk2")
    await do(office, "clerk2", task, "transfer", to="clerk2", reason="代为处理")
    clerk2 = await office.sign_in("clerk2")
    timeline = (await clerk2.get(f"/api/v1/processes/{case}")).json()["timeline"]
    line = next(t for t in timeline if t["kind"] == "transfer")
    assert (line["actor"], line["acting_for"], line["acting_for_name"]["zh"]) == ("clerk2", "clerk", "clerk同志")


async def test_neither_approves_what_either_did(office: Office) -> None:
    await second_supervisor()
    case = await office.case()
    own = await office.task(
        case, "enrolment.verification", key="a/1", roles=["supervisor"], excluded=["clerk"], outcomes=["approve"]
    )
    theirs = await office.task(
        case, "enrolment.verification", key="a/2", roles=["supervisor"], excluded=["supervisor"], outcomes=["approve"]
    )
    assert (await away(office, "supervisor", "clerk", setter="admin")).status_code == 201
    clerk = await office.sign_in("clerk")
    for task in (own, theirs):  # the request of the substitute, and that of the absent person
        assert task not in await seen(office, "clerk", "group")
        refused = await clerk.post(f"/api/v1/tasks/{task}/complete", json=BODY, headers=key())
        assert (refused.status_code, refused.json()["code"]) == (403, "four_eyes")
        assert (await clerk.post(f"/api/v1/tasks/{task}/claim")).status_code == 403
    await do(office, "supervisor", own, "claim")  # held by the absent person: still not for the substitute
    assert own not in await seen(office, "clerk", "mine")
    assert (await clerk.post(f"/api/v1/tasks/{own}/complete", json=BODY, headers=key())).status_code == 403
    deputy = await office.sign_in("deputy")
    assert (await deputy.post(f"/api/v1/tasks/{theirs}/complete", json=BODY, headers=key())).status_code == 200


async def test_a_task_goes_back_from_who_becomes_the_substitute_of_somebody_who_took_part(office: Office) -> None:
    """At once where the substitution begins today, by the chore where it begins later; refusals say the true reason."""
    await second_supervisor()
    asked: dict[str, Any] = {"roles": ["supervisor"], "excluded": ["clerk"], "outcomes": ["approve"]}
    case = await office.case()
    held = await office.task(case, "enrolment.verification", key="a/1", **asked)
    later = await office.task(case, "enrolment.verification", key="a/2", **asked | {"excluded": ["clerk2"]})
    mine = await office.task(case, "enrolment.verification", key="a/3", roles=["supervisor"], outcomes=["approve"])
    for task in (held, later, mine):
        await do(office, "supervisor", task, "claim")
    assert (await away(office, "clerk", "supervisor", setter="admin")).status_code == 201
    assert sorted(await seen(office, "supervisor", "mine")) == sorted([later, mine])
    assert held in await seen(office, "deputy", "group")
    said = "代理clerk同志，clerk同志已参与上一步"
    for who in ("supervisor", "deputy"):
        assert [m for m in await messages_to(who) if said in m and "退回组内" in m], who
    refused = await do(office, "supervisor", held, "claim")
    assert refused.status_code == 403 and f"您正{said}" in refused.json()["detail"]
    supervisor = await office.sign_in("supervisor")
    answered = await supervisor.post(f"/api/v1/tasks/{held}/complete", json=BODY, headers=key())
    assert answered.status_code == 403 and f"您正{said}" in answered.json()["detail"]
    assert (await away(office, "clerk2", "supervisor", 5, 6, setter="admin")).status_code == 201
    assert await give_back() == 0 and later in await seen(office, "supervisor", "mine")
    clock.set_offset(timedelta(days=5))
    assert (await give_back(), await give_back()) == (1, 0)
    assert await seen(office, "supervisor", "mine") == [mine]
    async with session() as s:
        assert (await s.get_one(Task, later)).holder is None
    clock.set_offset(timedelta())


async def test_who_had_it_done_by_a_substitute_does_not_approve_it(office: Office) -> None:
    await second_supervisor()
    case = await office.case()
    prepared = await office.task(case, roles=["supervisor"], key="v/1")
    await away(office, "supervisor", "deputy")
    deputy = await office.sign_in("deputy")
    await do(office, "supervisor", prepared, "claim")
    assert (await deputy.post(f"/api/v1/tasks/{prepared}/complete", json=BODY, headers=key())).status_code == 200
    # The process excludes the actor it knows, the deputy; the one for whom he acted is excluded as well.
    approval = await office.task(
        case,
        "enrolment.verification",
        key="a/1",
        roles=["supervisor"],
        excluded=["deputy"],
        outcomes=["approve"],
        revision=5,
    )
    supervisor = await office.sign_in("supervisor")
    refused = await supervisor.post(f"/api/v1/tasks/{approval}/complete", json=BODY, headers=key())
    assert (refused.status_code, refused.json()["code"]) == (403, "four_eyes")


async def test_it_ends_by_itself_and_does_not_pass_on(office: Office) -> None:
    task = await office.task(await office.case())
    college = await office.task(
        await office.case(id_number="X9988776", org_unit="physics"), "enrolment.materials", key="m/1",
        roles=["college"], outcomes=["submit"], org_unit="physics", process={"org_unit": "physics"},
    )  # fmt: skip
    await do(office, "clerk", task, "claim")
    async with session() as s:
        await create_user(s, "desk", PASSWORD, name_zh="劳资乙", roles=["payroll"])
    assert (await away(office, "clerk", "payroll", setter="admin")).status_code == 201
    assert (await away(office, "college2", "college")).status_code == 201
    assert await seen(office, "college", "group") == [college]  # another college's, for these days
    chained = await away(office, "payroll", "desk")
    assert (chained.status_code, chained.json()["code"]) == (409, "substitution_overlaps")
    assert await seen(office, "payroll", "mine") == [task]
    twice = await away(office, "clerk", "clerk2", 2, 8)
    assert twice.status_code == 409 and str(days(0)) in twice.json()["detail"]
    assert (await away(office, "clerk", "clerk2", 9, 7)).status_code == 422
    assert (await away(office, "clerk2", "clerk", setter="clerk")).status_code == 403
    clock.set_offset(timedelta(days=4))
    assert await seen(office, "payroll", "mine") == [] and await seen(office, "college", "group") == []
    payroll, college_client = await office.sign_in("payroll"), await office.sign_in("college")
    late = await payroll.post(f"/api/v1/tasks/{task}/complete", json=BODY, headers=key())
    assert late.status_code in (403, 404)
    assert (await college_client.get(f"/api/v1/tasks/{college}")).status_code == 404
    async with session() as s:
        assert (await s.get_one(Task, task)).holder == "clerk"  # nothing has to be given back
    clock.set_offset(timedelta())
    clerk = await office.sign_in("clerk")
    mine = (await clerk.get("/api/v1/substitutions")).json()
    assert (await payroll.post(f"/api/v1/substitutions/{mine[0]['id']}/end")).status_code == 403
    assert (await clerk.post(f"/api/v1/substitutions/{mine[0]['id']}/end")).json()["in_force"] is False
    assert await seen(office, "payroll", "mine") == []


async def test_reminders_reach_the_substitute_too(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    await do(office, "clerk", task, "claim")
    await away(office, "clerk", "clerk2")
    rung = RungInstant(key="holder-1", deadline_id="DL-REG-FOR", rung="holder-1", to="holder", at=clock.now())
    reminder = Reminder(
        task_id=task, to="holder", at=clock.now(), text=Text(zh="提醒：即将到期", en="Reminder: due soon"), rungs=[rung]
    )
    await office.task(case, revision=2, reminders=[reminder])
    async with session() as s:
        told = await s.scalars(select(Message.username).where(Message.text_zh.contains("即将到期")))
    assert sorted(told) == ["clerk", "clerk2"]
