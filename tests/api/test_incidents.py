"""The incident desk on real servers: opened by the worker, decided by people, ended when the step succeeds."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from api import completion, engine, starts
from api.policy_orders import send_policy_orders
from runtime import clock
from runtime.namespace import prepare
from runtime.settings import Settings
from schemas.base import Text
from schemas.process import CANCELLING, PolicyAnswer, ProcessState, Transition
from schemas.tasks import Completion, CompletionAnswer
from simulators.launch import Running
from store import incidents, policy_orders, projection
from store.database import session
from store.tables.policy import PolicyOrder
from store.tables.processes import Process
from tests.api.conftest import Office, complete, process_snapshot
from tests.api.program import Program, behave
from worker import halted
from worker.untaken import sweep_untaken

DESK = "/api/v1/incidents"
NOWHERE = "http://127.0.0.1:9"


async def listed(http: httpx2.AsyncClient, wanted: int, **query: str) -> list[dict[str, Any]]:
    """The desk's list, once it has so many lines."""
    for _ in range(600):
        page = (await http.get(DESK, params=query)).json()
        if page["total"] == wanted:
            assert len(page["items"]) == wanted
            return page["items"]
        await asyncio.sleep(0.15)
    raise AssertionError(page)


async def decide(http: httpx2.AsyncClient, incident: str, way: str, reason: str = "", key: str = "k") -> Any:
    return await http.post(
        f"{DESK}/{incident}/decide", json={"way": way, "reason": reason}, headers={"Idempotency-Key": key}
    )


async def test_bureaus_that_are_away_one_is_done_by_hand_the_other_retried(
    school: Office, agencies: Running, database: Settings
) -> None:
    behave(agencies.url)
    database.simulators_url = NOWHERE
    case = await school.case(contract_start="2026-11-01")
    await starts.start_pending([case])
    program = await Program.of(school)
    clerk, admin = await school.sign_in("clerk"), await school.sign_in("admin")
    for _ in range(400):
        await program.round()
        if "enrolment.verification" in [item["kind"] for item in program.done]:
            break
        await asyncio.sleep(0.1)
    social, medical = await by_agency(clerk)
    assert social["what"]["zh"] == "未能提交参保申请"
    assert "暂时无法访问" in social["why"]["zh"] and social["attempts"] >= 3
    assert social["actions"] == ["retry", "correct", "by_hand"]
    assert social["fault"] is None
    assert [i["agency"] for i in (social, medical)] == ["social_bureau", "medical_bureau"]
    assert social["subject_name"].startswith("Anna Muster") and social["org_unit_name"]["zh"] == "商学院"
    seen = (await admin.get(f"{DESK}/{social['id']}")).json()
    assert seen["fault"].startswith("AgencyUnavailable: ") and seen["actions"] == ["retry"]
    figure = (await clerk.get("/api/v1/board")).json()["totals"]["incidents"]
    assert (figure["value"], figure["path"]) == (2, "/incidents?state=open")
    assert (await decide(admin, social["id"], "by_hand", "停机")).status_code == 403
    assert (await decide(clerk, social["id"], "by_hand", "")).json()["code"] == "bad_form"
    both = {"way": "by_hand", "reason": "停机，去窗口"}
    for n in range(40):  # while an attempt is being made it cannot be decided
        both["items"] = [{"id": i, "key": f"k{n}-{i}"} for i in (social["id"], "nobody")]
        answer = await clerk.post(f"{DESK}/batch", json=both)
        assert answer.status_code == 200, answer.text
        if answer.json()["done"]:
            break
        await asyncio.sleep(0.2)
    first, other = answer.json()["items"]
    assert (first["result"], first["agency"], other["problem"]["code"]) == ("done", "social_bureau", "not_found")
    decided = (await clerk.get(f"{DESK}/{social['id']}")).json()
    assert (decided["way"], decided["decided_by"]) == ("by_hand", "clerk")
    again = await decide(clerk, social["id"], "by_hand", "停机，去窗口", "other")
    assert again.status_code == 200 and (await decide(clerk, social["id"], "retry")).json()["code"] == "task_closed"
    another = await decide(clerk, social["id"], "by_hand", "网上可以办了", "another")
    assert another.status_code == 409 and "已处理（clerk同志）" in another.json()["detail"], another.text
    assert (await clerk.get(f"{DESK}/{social['id']}")).json()["reason"] == "停机，去窗口"
    tasks = (await clerk.get("/api/v1/tasks", params={"view": "group", "kind": "registration.hand_in"})).json()
    assert tasks["total"] == 1
    database.simulators_url = agencies.url
    database.update_timeout_seconds = 60.0
    retried = await decide(clerk, medical["id"], "retry")
    assert retried.status_code == 200 and retried.json()["retried_by"] == "clerk"
    assert retried.json()["ended"]["zh"] == "已自行恢复", "who asks for a retry is told what came of it"
    assert await listed(clerk, 0) == []
    ended = {i["id"]: i["ended"]["zh"] for i in await listed(clerk, 2, state="closed")}
    assert ended == {social["id"]: "已处理", medical["id"]: "已自行恢复"}
    view = (await clerk.get(f"/api/v1/processes/{case}")).json()
    told = [t for t in view["timeline"] if t["kind"] == "incident_decided"]
    assert [(t["actor"], t["text"]["zh"]) for t in told] == [
        ("clerk", "「提交参保申请」：改为人工办理（停机，去窗口）")
    ]


async def by_agency(http: httpx2.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """The incidents of the social and of the medical bureau."""
    await listed(http, 2)
    async with session() as s:
        rows = {row.activity_id.split("/")[1]: row.id for row in await incidents.open_of(s, "retrying")}
    social, medical = [
        (await http.get(f"{DESK}/{rows[agency]}")).json() for agency in ("social_bureau", "medical_bureau")
    ]
    return social, medical


async def test_many_are_retried_at_once_and_one_that_fails_stops_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [await office.case(), await office.case(id_number="X2222222"), await office.case(id_number="X3333333")]
    clerk, ids = await office.sign_in("clerk"), [incidents.incident_id(of) for of in cases]
    async with session() as s:
        for of, incident in zip(cases, ids, strict=True):
            fault = incidents.Fault("AgencyUnavailable")
            await incidents.failing(s, incident, "retrying", of, fault, clock.now(), step="poll_application")
    tried: list[str] = []
    attempts: list[asyncio.Task[None]] = []

    async def attempt(process_id: str) -> None:
        await asyncio.sleep(0.5)
        async with session() as s:
            await incidents.end(s, ids[cases.index(process_id)], "succeeded", clock.real_now())

    async def try_again(process_id: str, activity_id: str) -> None:
        tried.append(process_id)
        if process_id == cases[1]:
            raise engine.ProcessGone
        attempts.append(asyncio.create_task(attempt(process_id)))

    monkeypatch.setattr(engine, "try_again", try_again)
    body = {"way": "retry", "items": [{"id": i, "key": f"r-{i}"} for i in ids]}
    answer = (await clerk.post(f"{DESK}/batch", json=body)).json()
    assert [i["result"] for i in answer["items"]] == ["done", "refused", "done"]
    assert answer["items"][1]["problem"]["code"] == "task_closed" and answer["items"][1]["case_no"]
    assert [i["id"] for i in await listed(clerk, 1)] == [ids[1]], "the answer waits for what comes of the attempts"
    again = (await clerk.post(f"{DESK}/batch", json=body)).json()
    assert again["done"] == 2 and sorted(tried) == sorted([*cases, cases[1]]), "the same key tries nothing again"
    none = await clerk.post(f"{DESK}/batch", json={**body, "way": "by_hand", "reason": " "})
    assert none.json()["errors"][0]["pointer"] == "/reason"
    college = await office.sign_in("college")
    assert (await college.post(f"{DESK}/batch", json=body)).status_code == 403
    await asyncio.gather(*attempts)


async def test_what_the_machine_tried_of_a_cancelled_case_leaves_the_desk_with_it(office: Office) -> None:
    case, other = await office.case(), await office.case(id_number="X2222222")
    clerk, now = await office.sign_in("clerk"), clock.now()
    async with session() as s:
        for of, kind in ((case, "retrying"), (case, "stuck"), (other, "retrying")):
            fault = incidents.Fault("AgencyUnavailable")
            await incidents.failing(s, incidents.incident_id(of, kind), kind, of, fault, now, step="poll_application")
    await listed(clerk, 3)

    async def writes(revision: int, **changes: Any) -> None:
        async with session() as s:
            await projection.apply(s, Transition(process=process_snapshot(case, revision=revision, **changes)), now)

    await writes(1)
    await listed(clerk, 3)
    await writes(2, flags=[CANCELLING])
    (left,) = await listed(clerk, 1)
    assert left["process_id"] == other
    assert {i["ended"]["zh"] for i in await listed(clerk, 2, state="closed")} == {"不再需要"}
    async with session() as s:  # what undoing it meets is an incident again, until the case has ended
        await incidents.failing(s, "undo", "retrying", case, fault, now, step="withdraw_registration")
    await writes(3, flags=[CANCELLING])
    await listed(clerk, 2)
    await writes(4, state=ProcessState.CANCELLED, closed_at=now)
    await listed(clerk, 1)


async def test_a_decision_task_is_an_incident_of_who_may_decide_it(office: Office) -> None:
    case = await office.case()
    await office.task(
        case, "incident.resolve", key="incident/1", roles=["admin", "clerk", "head", "supervisor"],
        outcomes=["retry", "correct", "skip"], data={"error": "BadRow", "message": "坏行", "step": "fill_application"},
    )  # fmt: skip
    clerk, supervisor, admin = [await office.sign_in(name) for name in ("clerk", "supervisor", "admin")]
    (item,) = await listed(clerk, 1)
    assert (item["kind"], item["actions"]) == ("failed", ["retry", "correct"])
    assert (await (await office.sign_in("college")).get(DESK)).status_code == 403
    assert (await (await office.sign_in("auditor")).get(DESK)).json()["items"][0]["actions"] == []
    assert (await decide(clerk, item["id"], "skip", "不需要")).status_code == 403
    unknown = (await decide(clerk, item["id"], "take_off", "不需要")).json()
    assert (unknown["code"], unknown["errors"][0]["pointer"]) == ("bad_form", "/way")
    assert "可选：重试、更正资料后重试、跳过此步" in unknown["errors"][0]["message"]
    task = f"/api/v1/tasks/{item['task_id']}"
    body = {"outcome": "skip", "data": {"reason": "不需要"}, "version": 1}
    refused = await clerk.post(f"{task}/complete", json=body, headers={"Idempotency-Key": "1"})
    assert refused.status_code == 403
    assert [o["code"] for o in (await admin.get(task)).json()["outcomes"]] == ["retry"]
    assert (await decide(supervisor, item["id"], "skip")).json()["code"] == "bad_form"
    async with session() as s:  # a suspended case takes no decision
        (await s.get_one(Process, case)).state = "suspended"
    assert (await supervisor.get(f"{DESK}/{item['id']}")).json()["actions"] == []
    assert (await decide(supervisor, item["id"], "skip", "窗口已有申请表")).json()["code"] == "task_suspended"
    async with session() as s:
        (await s.get_one(Process, case)).state = "running"
    done = (await decide(supervisor, item["id"], "skip", "窗口已有申请表")).json()
    assert (done["way"], done["decided_by"], done["reason"]) == ("skip", "supervisor", "窗口已有申请表")
    assert done["closed_at"] and done["actions"] == []
    assert (await clerk.get(DESK, params={"state": "closed", "step": "fill_application"})).json()["total"] == 1
    assert (await clerk.get(DESK, params={"state": "closed", "kind": "stuck"})).json()["total"] == 0
    assert (await clerk.get(f"{DESK}/nothing")).status_code == 404


@workflow.defn(name="Halting")
class Halting:
    """Fails as a fault of the program does; the mended one below goes on."""

    @workflow.run
    async def run(self) -> None:
        raise ValueError("a fault of ours")


@workflow.defn(name="Halting")
class Mended:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


async def test_a_case_that_stands_still_is_found_whatever_else_is_broken(
    office: Office, client: Client, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = database.temporal_namespace = database.temporal_task_queue  # what other tests left running is elsewhere
    client = await prepare(database)
    engine.use_client(client)
    cases = [await office.case(), await office.case(id_number="X2222222")]
    unsandboxed = UnsandboxedWorkflowRunner()
    admin = await office.sign_in("admin")
    good = halted._last_failure  # pyright: ignore[reportPrivateUsage]

    async def broken(found: Client, execution: Any) -> Any:
        if execution.id == cases[0]:
            raise RuntimeError("cannot be looked at")
        return await good(found, execution)

    monkeypatch.setattr(halted, "_last_failure", broken)
    handles = [await client.start_workflow("Halting", id=case, task_queue=queue) for case in cases]
    nobody = await client.start_workflow("Halting", id=f"nobody-{queue}", task_queue=queue)
    async with Worker(client, task_queue=queue, workflows=[Halting], workflow_runner=unsandboxed):
        for _ in range(400):
            mine = {handle.id for handle in (*handles, nobody)}
            if mine <= {e.id async for e in client.list_workflows(halted.HALTED)}:
                break
            await asyncio.sleep(0.3)
    await halted.sweep_incidents()
    (item,) = await listed(admin, 1)
    assert (item["process_id"], item["kind"], item["actions"]) == (cases[1], "stuck", [])
    assert item["fault"] == "ValueError: WORKFLOW_WORKER_UNHANDLED_FAILURE"
    await halted.sweep_incidents()
    assert (await listed(admin, 1))[0]["id"] == item["id"]
    async with Worker(client, task_queue=queue, workflows=[Mended], workflow_runner=unsandboxed):
        for _ in range(400):
            if not mine & {e.id async for e in client.list_workflows(halted.HALTED)}:
                break
            await asyncio.sleep(0.3)
        await halted.sweep_incidents()
        assert await listed(admin, 0) == []
        (ended,) = await listed(admin, 1, state="closed")
        assert ended["ended"]["zh"] == "已自行恢复"
        for handle in (*handles, nobody):
            await handle.terminate()


@workflow.defn(name="Deaf")
class Deaf:
    """Fails as a fault of the program does, and on an answer only: nothing but the answer tells of it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def complete_task(self, answer: Completion) -> CompletionAnswer:
        raise KeyError(answer.task_id)


@workflow.defn(name="Deaf")
class Hearing:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def complete_task(self, answer: Completion) -> CompletionAnswer:
        return await workflow.execute_activity(taken, answer, start_to_close_timeout=timedelta(minutes=1))


@activity.defn
async def taken(answer: Completion) -> CompletionAnswer:
    return await complete(answer)


async def test_an_answer_that_its_case_does_not_take_is_an_incident_until_it_is_taken(
    office: Office, client: Client, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = database.temporal_namespace = database.temporal_task_queue
    client = await prepare(database)
    engine.use_client(client)
    case = await office.case()
    task = await office.task(case)
    clerk, supervisor, admin = [await office.sign_in(name) for name in ("clerk", "supervisor", "admin")]
    unsandboxed = UnsandboxedWorkflowRunner()
    handle = await client.start_workflow("Deaf", id=case, task_queue=queue)
    body = {"outcome": "approve", "data": {}, "version": 1}
    async with Worker(client, task_queue=queue, workflows=[Deaf], workflow_runner=unsandboxed):
        sent = await clerk.post(f"/api/v1/tasks/{task}/complete", json=body, headers={"Idempotency-Key": "k"})
        assert sent.status_code == 202, sent.text
    await halted.sweep_incidents()
    await sweep_untaken()
    assert await listed(admin, 0) == [], "an answer that is young is on its way"
    database.untaken_after_seconds = 0.001
    for _ in range(2):
        assert await sweep_untaken() == 1
    for desk in (supervisor, admin):
        (item,) = await listed(desk, 1)
        assert (item["kind"], item["process_id"], item["task_id"], item["actions"]) == ("untaken", case, task, [])
        assert (item["what"]["zh"], item["answered_by"]) == ("「审核参保材料」的办理结果尚未被流程接收", "clerk")
        assert item["answered_by_name"]["zh"] == "clerk同志" and "请勿重复填报" in item["advice"]["zh"]
        assert (await desk.get("/api/v1/board")).json()["totals"]["incidents"]["value"] == 1
    assert (await decide(supervisor, item["id"], "retry")).status_code == 403
    monkeypatch.setattr(completion, "RESEND_AFTER", timedelta(0))
    database.update_timeout_seconds = 60.0
    async with Worker(
        client, task_queue=queue, workflows=[Hearing], activities=[taken], workflow_runner=unsandboxed
    ):  # fmt: skip
        for _ in range(20):
            if await completion.resend_pending_submissions():
                break
        assert await sweep_untaken() == 0
        assert await listed(supervisor, 0) == []
        (ended,) = await listed(supervisor, 1, state="closed")
        assert (ended["kind"], ended["ended"]["zh"]) == ("untaken", "流程已接收")
        await handle.terminate()


async def test_a_start_or_an_order_that_is_not_taken_is_an_incident_until_it_is(
    office: Office, database: Settings
) -> None:
    started, told, queued = [await office.case(id_number=f"X{n}222222") for n in (1, 2, 3)]
    for case in (told, queued):
        await starts.start_pending([case])
        await office.task(case)
    reason = Text(zh="新规则", en="new rules")
    office.temporal.silent = True
    await starts.start_pending([started])
    async with session() as s:
        await policy_orders.add(s, [told], policy_orders.ALL, reason, version="v2", actor="policy", now=clock.now())
    await send_policy_orders()
    async with session() as s:  # its turn has not come
        await policy_orders.add(s, [queued], policy_orders.ALL, reason, version="v2", actor="policy", now=clock.now())
        order = await s.scalar(select(PolicyOrder.id).where(PolicyOrder.process_id == told))
    await sweep_untaken()
    supervisor = await office.sign_in("supervisor")
    assert await listed(supervisor, 0) == [], "what is young is on its way"
    database.untaken_after_seconds = 0.001
    for _ in range(2):
        assert await sweep_untaken() == 2
    items = {i["process_id"]: i for i in await listed(supervisor, 2)}
    assert {i["kind"] for i in items.values()} == {"untaken"} and not any(i["actions"] for i in items.values())
    assert (items[started]["what"]["zh"], items[started]["answered_by"]) == ("流程尚未开始", "clerk")
    assert "请勿重复上传" in items[started]["advice"]["zh"] and items[started]["task_id"] is None
    assert (items[told]["what"]["zh"], items[told]["answered_by"]) == ("改按新规则办理的指令尚未被个案接收", "policy")
    assert "请勿重复下令" in items[told]["advice"]["zh"] and "by the rules it had" in items[told]["why"]["en"]
    office.temporal.silent = False
    office.temporal.answers |= {f"policy/{n}": PolicyAnswer(version="v2", moved=0) for n in (order, (order or 0) + 1)}
    await starts.start_pending()
    await send_policy_orders()
    assert await sweep_untaken() == 1, "the engine keeps the start, and no worker has taken it up"
    assert [i["process_id"] for i in await listed(supervisor, 1)] == [started]
    await office.task(started)
    assert await sweep_untaken() == 0
    assert await listed(supervisor, 0) == []
    assert {i["ended"]["zh"] for i in await listed(supervisor, 2, state="closed")} == {"流程已接收"}
