"""Many tasks and many cases at once: a result an item, nothing stopped by one, nothing done twice."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from api import handover, steps
from api.problems import MayFollow
from schemas.base import Text
from schemas.process import CANCELLING, ProcessState, TimelineEntry
from schemas.tasks import Refusal
from store.database import session
from store.tables.office import Audit
from store.tables.processes import Submission, Task
from tests.api.conftest import Office, days, deadline

BATCH = "/api/v1/tasks/batch"


async def verifications(office: Office, n: int, **more: Any) -> list[str]:
    """So many open verifications of as many cases."""
    made: list[str] = []
    for i in range(n):
        case = await office.case(id_number=f"BB{1000000 + i}")
        made.append(await office.task(case, deadlines=[deadline(days(9))], **more))
    return made


def items(ids: list[str], **more: Any) -> list[dict[str, Any]]:
    return [{"id": task, "key": f"k-{task}", **more} for task in ids]


def said(answer: httpx2.Response) -> list[tuple[str, str | None]]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["done"] + body["pending"] + body["refused"] == len(body["items"])
    return [(i["result"], i["problem"] and i["problem"]["code"]) for i in body["items"]]


async def holders(ids: list[str]) -> list[str | None]:
    async with session() as s:
        rows = {t.id: t.holder for t in await s.scalars(select(Task).where(Task.id.in_(ids)))}
    return [rows[i] for i in ids]


async def test_many_are_claimed_and_approved_at_once(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    tasks = await verifications(office, 30)
    claimed = await clerk.post(BATCH, json={"action": "claim", "items": items(tasks)})
    assert said(claimed) == [("done", None)] * 30
    assert claimed.json()["items"][0]["subject_name"].startswith("Anna Muster")
    body = {
        "action": "complete", "outcome": "approve", "use_known": True, "data": {"remark": "批量审核"},
        "items": [
            {"id": t, "key": f"a-{t}", "version": 1, "data": {"remark": "单独"} if i == 3 else {}}
            for i, t in enumerate(tasks)
        ],
    }  # fmt: skip
    first = await clerk.post(BATCH, json=body)
    assert said(first) == [("done", None)] * 30
    again = await clerk.post(BATCH, json=body)
    assert again.json()["items"] == first.json()["items"]
    async with session() as s:
        assert (await s.scalar(select(func.count()).select_from(Submission))) == 30
    view = (await clerk.get(f"/api/v1/tasks/{tasks[3]}")).json()
    other = (await clerk.get(f"/api/v1/tasks/{tasks[4]}")).json()
    assert (view["answer"]["remark"], other["answer"]["remark"]) == ("单独", "批量审核")
    assert view["answer"]["certificate"] == "none" and view["completed_by"] == "clerk"


async def test_one_bad_item_stops_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk, second = await office.sign_in("clerk"), await office.sign_in("clerk2")
    tasks = await verifications(office, 5)
    await second.post(f"/api/v1/tasks/{tasks[1]}/claim")
    ids = [*tasks, "00000000-0000-0000-0000-000000000000"]
    given = [{"id": t, "key": f"x{i}", "version": 7 if i == 2 else 1} for i, t in enumerate(ids)]
    given[3]["data"] = {"remark": "x" * 501}
    answer = await clerk.post(BATCH, json={"action": "complete", "outcome": "approve", "items": given})
    assert said(answer) == [
        ("done", None), ("refused", "task_held"), ("refused", "stale_version"), ("refused", "bad_form"),
        ("done", None), ("refused", "not_found"),
    ]  # fmt: skip
    refused = answer.json()["items"]
    assert "clerk2" in refused[1]["problem"]["detail"]
    assert refused[3]["problem"]["errors"][0]["pointer"] == "/data/remark"
    assert refused[5]["title"] is None

    async def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("no such thing should happen")

    # A fault of ours is an item's result as well, and said to be one.
    fresh = await verifications(office, 2)
    await clerk.post(BATCH, json={"action": "claim", "items": items(fresh)})
    away = [{"id": t, "key": f"t{i}"} for i, t in enumerate(fresh)]
    given_away = {"action": "transfer", "to": "clerk2", "reason": "出差", "items": away}
    real = handover.message
    calls = iter([broken, real])
    monkeypatch.setattr(handover, "message", lambda *a, **k: next(calls)(*a, **k))  # pyright: ignore[reportUnknownLambdaType]
    answers = said(await clerk.post(BATCH, json=given_away))
    assert sorted(answers) == [("done", None), ("refused", "internal_error")]
    assert sorted(map(str, await holders(fresh))) == ["clerk", "clerk2"]


async def test_passing_on_and_urging_happen_once_per_key(office: Office) -> None:
    clerk, supervisor = await office.sign_in("clerk"), await office.sign_in("supervisor")
    tasks = await verifications(office, 3)
    await clerk.post(BATCH, json={"action": "claim", "items": items(tasks[:2])})
    away = {"action": "transfer", "to": "clerk2", "reason": "出差一周"}
    moves = [{"id": t, "key": f"move-{t}"} for t in tasks]
    first = await clerk.post(BATCH, json={**away, "items": moves})
    assert said(first) == [("done", None), ("done", None), ("refused", "not_allowed_now")]
    assert said(await clerk.post(BATCH, json={**away, "items": moves})) == said(first)
    assert await holders(tasks) == ["clerk2", "clerk2", None]
    other = {**away, "to": "clerk", "items": moves[:1]}
    assert said(await clerk.post(BATCH, json=other)) == [("refused", "idempotency_key_reused")]
    urged = {"action": "urge", "note": "本周内", "items": [{"id": t, "key": f"u-{t}"} for t in tasks]}
    assert said(await supervisor.post(BATCH, json=urged)) == [("done", None)] * 3
    assert said(await supervisor.post(BATCH, json=urged)) == [("done", None)] * 3
    later = {**urged, "items": [{"id": tasks[0], "key": "another"}]}
    assert said(await supervisor.post(BATCH, json=later)) == [("refused", "too_soon")]
    back = {
        "action": "reassign",
        "to": "clerk",
        "reason": "均衡工作量",
        "items": [{"id": t, "key": f"b-{t}"} for t in tasks],
    }
    assert said(await clerk.post(BATCH, json=back)) == [("refused", "not_allowed")] * 3
    assert said(await supervisor.post(BATCH, json=back)) == [("done", None)] * 3
    assert await holders(tasks) == ["clerk"] * 3
    async with session() as s:
        actions = list(await s.scalars(select(Audit.action).where(Audit.object == tasks[0]).order_by(Audit.id)))
    assert actions == ["task.claim", "task.transfer", "task.urge", "task.reassign"]


async def test_an_answer_on_its_way_is_said_to_be(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    tasks = await verifications(office, 2)
    office.temporal.silent = True
    body = {"action": "complete", "outcome": "approve", "items": items(tasks, version=1)}
    answer = await clerk.post(BATCH, json=body)
    assert said(answer) == [("pending", None)] * 2
    address = f"/api/v1/submissions/{answer.json()['items'][0]['submission']}"
    assert (await clerk.get(address)).json()["status"] == "pending"
    office.temporal.silent = False
    assert said(await clerk.post(BATCH, json=body)) == [("done", None)] * 2


async def test_a_batch_that_is_wrong_as_a_whole_does_nothing(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    tasks = await verifications(office, 2)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"action": "claim", "items": []}, "/items"),
        (
            {"action": "claim", "items": [i | {"version": n} for n, i in enumerate(items([tasks[0]] * 2), 1)]},
            "/items/1/id",
        ),
        ({"action": "claim", "items": items(tasks, key="same")}, "/items/1/key"),
        ({"action": "transfer", "items": items(tasks)}, "/to"),
        ({"action": "transfer", "to": "clerk2", "items": items(tasks)}, "/reason"),
        ({"action": "complete", "items": items(tasks)}, "/outcome"),
        ({"action": "claim", "items": [{"id": f"t{i}", "key": f"k{i}"} for i in range(201)]}, "/items"),
    ]
    for body, pointer in wrong:
        answer = await clerk.post(BATCH, json=body)
        assert answer.status_code == 422, body
        assert pointer in [e["pointer"] for e in answer.json()["errors"]], answer.text
    assert await holders(tasks) == [None, None]
    free = await clerk.post(BATCH, json={"action": "release", "items": items([tasks[0]] * 2)})
    assert [i["id"] for i in free.json()["items"]] == [tasks[0]] and said(free) == [("refused", "not_allowed_now")]
    assert "无人持有" in free.json()["items"][0]["problem"]["detail"]
    auditor = await office.sign_in("auditor")
    assert (
        said(await auditor.post(BATCH, json={"action": "claim", "items": items(tasks)}))
        == [("refused", "not_allowed")] * 2
    )


async def test_cases_are_commanded_together(office: Office) -> None:
    clerk, auditor = await office.sign_in("clerk"), await office.sign_in("auditor")
    cases = [await office.case(id_number=f"CC{1000000 + i}") for i in range(3)]
    body = {
        "action": "suspend", "reason": "学院推迟报到",
        "items": [{"id": c, "key": f"s-{c}"} for c in [*cases, "enrolment-none"]],
    }  # fmt: skip
    assert said(await auditor.post("/api/v1/processes/batch", json=body)) == [
        *[("refused", "not_allowed")] * 3, ("refused", "not_found"),
    ]  # fmt: skip
    answer = await clerk.post("/api/v1/processes/batch", json=body)
    assert said(answer) == [*[("done", None)] * 3, ("refused", "not_found")]
    assert said(await clerk.post("/api/v1/processes/batch", json=body)) == said(answer)
    assert sorted(c for c in office.temporal.calls if c[0] == "suspend") == [
        ("suspend", f"{c}/suspend/s-{c}") for c in cases
    ]


async def test_a_command_without_an_answer_is_not_called_refused(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    case = await office.case()
    one, many = f"/api/v1/processes/{case}/suspend", "/api/v1/processes/batch"
    batch = {"action": "cancel", "reason": "重复录入", "items": [{"id": case, "key": "c1"}]}
    headers = {"Idempotency-Key": "s1"}
    office.temporal.silent = True
    alone = await clerk.post(one, json={"reason": "学院推迟报到"}, headers=headers)
    assert (alone.status_code, alone.json()["code"]) == (504, "not_confirmed")
    assert alone.json()["detail"] == "已送达，尚未得到确认，可能稍后执行；请稍后刷新查看，不要重复操作。"
    english = await clerk.post(f"{one}?lang=en", json={"reason": "学院推迟报到"}, headers=headers)
    assert "may be carried out later" in english.json()["detail"]
    assert said(await clerk.post(many, json=batch)) == [("pending", "not_confirmed")]
    with pytest.raises(MayFollow):  # every verb of a task that is an Update goes this way
        await steps.send(case, "return_task", None, "r1", object)
    office.temporal.silent, office.temporal.away = False, True
    alone = await clerk.post(one, json={"reason": "学院推迟报到"}, headers=headers)
    assert (alone.status_code, alone.json()["code"], alone.headers["Retry-After"]) == (503, "unavailable", "5")
    assert said(await clerk.post(many, json=batch)) == [("refused", "unavailable")]
    office.temporal.away = False
    assert said(await clerk.post(many, json=batch)) == [("done", None)]
    assert {c for c in office.temporal.calls if c[0] == "cancel"} == {("cancel", f"{case}/cancel/c1")}


AT = datetime(2026, 11, 20, 1, 15, tzinfo=UTC)
SINCE = "2026-11-20 09:15"


def since(zh: str, en: str) -> tuple[str, str]:
    return f"该个案{zh}（{SINCE} 起，clerk2同志）。", f"The case {en}, since {SINCE}, by Clerk2."


async def case_that_is(office: Office, n: int, kind: str, **columns: Any) -> tuple[str, str]:
    """A case whose timeline says that clerk2 made it so; gives its id and that of its task."""
    case = await office.case(id_number=f"DD{1000000 + n}")
    line = TimelineEntry(seq=9, at=AT, kind=kind, text=Text(zh=kind, en=kind), actor="clerk2")
    return case, await office.task(case, revision=9, process=columns, timeline=[line])


async def details(http: httpx2.AsyncClient, address: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """What is said of each item, in both languages."""
    found: list[list[str]] = []
    for lang in ("zh", "en"):
        given = [{"id": i, "key": f"{body['action']}-{lang}-{i}"} for i in body["items"]]
        answer = await http.post(f"{address}?lang={lang}", json={**body, "items": given})
        assert answer.status_code == 200, answer.text
        found.append([i["problem"]["detail"] if i["problem"] else i["result"] for i in answer.json()["items"]])
    return list(zip(*found, strict=True))


async def test_what_is_so_already_is_said_with_since_when_and_by_whom(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    suspended, sleeping = await case_that_is(office, 1, "suspended", state=ProcessState.SUSPENDED)
    cancelled, unneeded = await case_that_is(office, 2, "cancelled", state=ProcessState.CANCELLED, closed_at=AT)
    closed, _ = await case_that_is(office, 3, "closed", state=ProcessState.CLOSED, closed_at=AT)
    leaving, done = await case_that_is(office, 4, "cancelling", flags=[CANCELLING])
    resumed, back = await case_that_is(office, 5, "resumed")
    office.temporal.refuse = [Refusal.NOT_ALLOWED_NOW] * 30
    batch = {"reason": "学院推迟报到"}
    said_of = {
        cancelled: since("已经撤销", "is cancelled already"),
        closed: since("已经办结", "is closed already"),
        leaving: since("正在撤销", "is being cancelled"),
    }  # fmt: skip
    for action in ("cancel", "suspend", "resume"):
        wanted = {"action": action, "items": list(said_of), **batch}
        assert await details(clerk, "/api/v1/processes/batch", wanted) == list(said_of.values()), action
    twice = {"action": "suspend", "items": [suspended], **batch}
    assert await details(clerk, "/api/v1/processes/batch", twice) == [since("已经中止", "is suspended already")]
    runs = {"action": "resume", "items": [resumed], **batch}
    assert await details(clerk, "/api/v1/processes/batch", runs) == [
        since("没有中止，正在办理", "is not suspended: it runs")
    ]  # fmt: skip
    states = {
        sleeping: {"state": "suspended"},
        unneeded: {"state": "obsolete", "closed_at": AT},
        done: {"state": "completed", "closed_at": AT, "completed_by": "clerk2"},
        back: {"state": "returned", "closed_at": AT, "completed_by": "clerk2"},
    }
    async with session() as s:
        for task, columns in states.items():
            await s.execute(update(Task).where(Task.id == task).values(**columns))
    stopped = since("已经中止", "is suspended already")
    expected = [
        (f"{stopped[0]}恢复后才能办理。", f"{stopped[1]} Resume it first."),
        (
            f"该任务自 {SINCE} 起不再需要办理（个案已撤销），请刷新待办。",
            f"The task is not needed any more since {SINCE} (its case is cancelled): refresh your inbox.",
        ),
        (
            f"该任务已由clerk2同志于 {SINCE} 办结，请刷新待办。",
            f"Clerk2 has finished this task already, at {SINCE}: refresh your inbox.",
        ),
        (
            f"该任务已由clerk2同志于 {SINCE} 退回，请刷新待办。",
            f"Clerk2 has sent back this task already, at {SINCE}: refresh your inbox.",
        ),
    ]
    supervisor = await office.sign_in("supervisor")
    verbs = (
        ("claim", clerk),
        ("transfer", clerk),
        ("take_over", supervisor),
        ("reassign", supervisor),
        ("urge", clerk),
    )
    for action, who in verbs:
        wanted = {"action": action, "items": list(states), "reason": "出差一周", "to": "clerk2"}
        assert await details(who, BATCH, wanted) == expected, action
    assert await details(clerk, BATCH, {"action": "release", "items": list(states)[1:]}) == expected[1:]
    answers = [{"id": task, "key": f"answer-{task}", "version": 1} for task in states]
    wanted = {"action": "complete", "outcome": "approve", "items": answers}
    refused = (await clerk.post(BATCH, json=wanted)).json()["items"]
    assert [i["problem"]["detail"] for i in refused] == [zh for zh, _ in expected]
