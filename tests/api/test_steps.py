"""Return and withdraw through HTTP: who may, what is said when not, and what reaches the process."""

import uuid
from typing import Any

import pytest

from api import countersign
from api.tasks import get_task
from schemas.base import Text
from schemas.countersign import Seat, SeatState, Signer, SignGroup
from schemas.steps import ReturnTarget
from schemas.tasks import Refusal
from store.database import session
from store.tables.people import User
from store.tables.processes import Task
from store.users import create_user, seen_as
from tests.api.conftest import Office

TARGETS = [ReturnTarget(step="materials", title=Text(zh="材料", en="Materials"), ways=["straight", "again"])]
BODY: dict[str, Any] = {"to": "materials", "way": "straight", "reason": "护照号有误", "version": 1}


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


async def test_a_task_is_returned_by_who_may_do_it(office: Office) -> None:
    task = await office.task(await office.case(), "registration.hand_in", outcomes=["handed_in"], return_to=TARGETS)
    clerk = await office.sign_in("clerk")
    view = (await clerk.get(f"/api/v1/tasks/{task}")).json()
    assert "return" in view["actions"]
    assert view["return_to"][0]["ways"] == ["straight", "again"]
    answer = await clerk.post(f"/api/v1/tasks/{task}/return", json=BODY, headers=key())
    assert answer.status_code == 200, answer.text
    assert office.temporal.calls[-1][0] == "return_task"


@pytest.mark.parametrize(
    ("who", "changes", "status", "code"),
    [
        ("payroll", {}, 404, "not_found"),
        ("auditor", {}, 403, "not_allowed"),
        ("clerk", {"to": "notice"}, 422, "bad_target"),
        ("clerk", {"version": 2}, 409, "stale_version"),
        ("clerk", {"reason": ""}, 422, "bad_form"),
    ],
)
async def test_a_return_that_cannot_be_is_refused_before_the_process_is_asked(
    office: Office, who: str, changes: dict[str, Any], status: int, code: str
) -> None:
    task = await office.task(await office.case(), "registration.hand_in", outcomes=["handed_in"], return_to=TARGETS)
    client = await office.sign_in(who)
    answer = await client.post(f"/api/v1/tasks/{task}/return", json=BODY | changes, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not office.temporal.calls


async def test_what_somebody_else_holds_is_not_returned(office: Office) -> None:
    task = await office.task(await office.case(), "registration.hand_in", outcomes=["handed_in"], return_to=TARGETS)
    first, second = await office.sign_in("clerk"), await office.sign_in("clerk2")
    await first.post(f"/api/v1/tasks/{task}/claim")
    answer = await second.post(f"/api/v1/tasks/{task}/return", json=BODY, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (409, "task_held")


async def test_an_answer_is_withdrawn_until_the_next_has_a_draft(office: Office) -> None:
    case = await office.case()
    mine = await office.task(case, "registration.chase", key="chase/1", outcomes=["chased"])
    clerk, other = await office.sign_in("clerk"), await office.sign_in("clerk2")
    early = await clerk.post(f"/api/v1/tasks/{mine}/withdraw", json={"reason": "误点"})
    assert (early.status_code, early.json()["code"]) == (409, "not_allowed_now")
    done = await clerk.post(
        f"/api/v1/tasks/{mine}/complete", json={"outcome": "chased", "data": {}, "version": 1}, headers=key()
    )
    assert done.status_code == 200, done.text
    following = await office.task(case, key="verification/2", revision=5, after="chase/1")
    assert "withdraw" in (await clerk.get(f"/api/v1/tasks/{mine}")).json()["actions"]
    assert "withdraw" not in (await other.get(f"/api/v1/tasks/{mine}")).json()["actions"]
    await other.post(f"/api/v1/tasks/{following}/claim")  # a claim alone is no work
    answer = await clerk.post(f"/api/v1/tasks/{mine}/withdraw", json={"reason": "误点"}, headers=key())
    assert answer.status_code == 200, answer.text
    assert office.temporal.calls[-1][0] == "withdraw_task"
    office.temporal.refuse = [Refusal.TOO_LATE]  # the process knows more than the inbox
    answer = await clerk.post(f"/api/v1/tasks/{mine}/withdraw", json={"reason": "误点"}, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")
    office.temporal.refuse = [Refusal.PROGRAM_FAULT] * 2  # an error of the program's own says so, and what to do
    supervisor = await office.sign_in("supervisor")
    for whose, room in ((clerk, f"tasks/{mine}/withdraw"), (supervisor, f"processes/{case}/resume")):
        answer = await whose.post(f"/api/v1/{room}", json={"reason": "误点"}, headers=key())
        assert (answer.status_code, answer.json()["code"]) == (500, "program_fault")
        assert "未作任何改动" in answer.json()["detail"]
    await other.put(f"/api/v1/tasks/{following}/draft", json={"data": {"remark": "…"}})
    answer = await clerk.post(f"/api/v1/tasks/{mine}/withdraw", json={"reason": "误点"}, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")
    answer = await other.post(f"/api/v1/tasks/{mine}/withdraw", json={"reason": "误点"}, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


SCOPE = {"unit": "school", "levy": "social", "month": "2026-11"}


def signed(role: str = "supervisor", added: str = "") -> SignGroup:
    seats = [Seat(id="1", place=1, signer=Signer(role=role), state=SeatState.OPEN)]
    if added:
        seats.append(Seat(id="2", place=1, signer=Signer(username=added), added_by="supervisor"))
    return SignGroup(id="approval.sign/1", mode="in_turn", need=1, seats=seats)


async def test_people_are_added_by_who_signs_and_see_their_task_by_name(office: Office) -> None:
    case = await office.case()
    task = await office.task(
        case, "tax_payment.approval", roles=["supervisor"], excluded=["clerk"], outcomes=["approve", "return"],
        sign=signed(added="payroll"), data=SCOPE,
    )  # fmt: skip
    path = f"/api/v1/tasks/{task}/countersign"
    adding = {"username": "head", "where": "before", "reason": "金额较大", "version": 1}
    supervisor, clerk, payroll = [await office.sign_in(n) for n in ("supervisor", "clerk", "payroll")]
    view = (await supervisor.get(f"/api/v1/tasks/{task}")).json()
    assert "add_signer" in view["actions"]
    assert [(s["name"] or {}).get("en") for s in view["countersign"]["signers"]] == [None, "Payroll"]
    answer = await supervisor.post(path, json=adding, headers=key())
    assert answer.status_code == 200, answer.text
    assert office.temporal.calls[-1][0] == "add_signer"
    for client, changes, expected in (
        (clerk, {}, (403, "not_allowed")),
        (supervisor, {"username": "clerk"}, (422, "bad_form")),
        (supervisor, {"username": "auditor"}, (422, "bad_form")),
        (supervisor, {"username": "nobody"}, (422, "bad_form")),
        (supervisor, {"version": 3}, (409, "stale_version")),
    ):
        answer = await client.post(path, json=adding | changes, headers=key())
        assert (answer.status_code, answer.json()["code"]) == expected
    off = {"seat": "2", "reason": "已口头确认"}
    assert (await payroll.post(f"{path}/remove", json=off)).status_code == 404
    assert (await supervisor.post(f"{path}/remove", json=off)).status_code == 200
    assert office.temporal.calls[-1][0] == "remove_signer"
    office.temporal.refuse = [Refusal.SIGNER_REQUIRED]
    answer = await supervisor.post(f"{path}/remove", json={"seat": "1", "reason": "不需要"})
    assert (answer.status_code, answer.json()["code"]) == (409, "signer_required")

    theirs = await office.task(
        case, "tax_payment.approval", key="approval/2", roles=["@payroll"], outcomes=["approve", "return"], revision=4,
        sign=signed(added="payroll"), data=SCOPE,
    )  # fmt: skip
    assert [t["id"] for t in (await payroll.get("/api/v1/tasks?view=group")).json()["items"]] == [theirs]
    done = await payroll.post(
        f"/api/v1/tasks/{theirs}/complete", json={"outcome": "approve", "data": {}, "version": 1}, headers=key()
    )
    assert done.status_code == 200, done.text
    shown = (await supervisor.get(f"/api/v1/processes/{case}")).json()["countersigns"]
    assert [s["username"] for s in shown[0]["signers"]] == ["", "payroll"]


async def test_a_step_that_comes_again_begins_with_the_former_answer(office: Office) -> None:
    case = await office.case()
    first = await office.task(case, "registration.hand_in", key="h/1", outcomes=["handed_in"])
    clerk = await office.sign_in("clerk")
    form = {"handed_in_on": "2026-11-20", "receipt_no": "SL77"}
    done = await clerk.post(
        f"/api/v1/tasks/{first}/complete", json={"outcome": "handed_in", "data": form, "version": 1}, headers=key()
    )
    assert done.status_code == 200, done.text
    async with session() as s:
        submission = (await s.get_one(Task, first)).submission_id
    again = await office.task(
        case, "registration.hand_in", key="h/2", outcomes=["handed_in"], revision=5, former=submission
    )
    assert (await clerk.get(f"/api/v1/tasks/{again}")).json()["data"] == form
    about = {"returned_to": "h", "return_reason": "回执号有误"}
    for where, receipt in (("h/3", "SL77"), ("other/3", None)):  # sent back to it, or to another step
        back = await office.task(
            case, "registration.hand_in", key=where, outcomes=["handed_in"], revision=6, data=about
        )
        assert (await clerk.get(f"/api/v1/tasks/{back}")).json()["data"].get("receipt_no") == receipt


async def test_nobody_is_added_without_whom_a_later_place_has_no_signer(office: Office) -> None:
    group = signed()
    group.seats.append(Seat(id="2", place=2, signer=Signer(role="head")))
    task = await office.task(
        await office.case(), "tax_payment.approval", roles=["supervisor"], excluded=["clerk"],
        outcomes=["approve", "return"], sign=group, data=SCOPE,
    )  # fmt: skip
    supervisor = await office.sign_in("supervisor")
    adding = {"username": "head", "where": "before", "reason": "金额较大", "version": 1}
    answer = await supervisor.post(f"/api/v1/tasks/{task}/countersign", json=adding, headers=key())
    assert answer.status_code == 422 and "再无其他处长可签" in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "/username"
    named = await supervisor.post(f"/api/v1/tasks/{task}/countersign", json=adding | {"username": "clerk"})
    assert named.json()["errors"][0]["code"] == "four_eyes" and "您" not in named.json()["detail"]
    async with session() as s:
        viewer = await seen_as(s, await s.get_one(User, "supervisor"))
        offered = {login for login, _ in await countersign.choices(s, await get_task(s, viewer, task))}
    assert "payroll" in offered and "head" not in offered
    async with session() as s:
        await create_user(s, "head2", "a password", name_zh="副处长", roles=["head"])
    answer = await supervisor.post(f"/api/v1/tasks/{task}/countersign", json=adding, headers=key())
    assert answer.status_code == 200, answer.text
    unknown = {"seat": "9", "reason": "不需要"}
    answer = await supervisor.post(f"/api/v1/tasks/{task}/countersign/remove", json=unknown, headers=key())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/seat")
    async with session() as s:
        (await s.get_one(Task, task)).excluded = ["clerk", "supervisor"]
    answer = await supervisor.post(f"/api/v1/tasks/{task}/countersign", json=adding, headers=key())
    assert answer.status_code == 403 and "您已签署或参与过上一步" in answer.json()["detail"]


async def test_a_signature_asked_by_name_is_reassigned_by_a_supervisor_alone(office: Office) -> None:
    group = signed(added="payroll")
    task = await office.task(
        await office.case(), "tax_payment.approval", key="approval/2", roles=["@payroll"], excluded=["clerk"],
        outcomes=["approve", "return"], sign=group, data=SCOPE,
    )  # fmt: skip
    payroll, supervisor, head = [await office.sign_in(n) for n in ("payroll", "supervisor", "head")]
    await payroll.post(f"/api/v1/tasks/{task}/claim")
    assert "transfer" not in (await payroll.get(f"/api/v1/tasks/{task}")).json()["actions"]
    giving = {"to": "head", "reason": "休假"}
    answer = await payroll.post(f"/api/v1/tasks/{task}/transfer", json=giving)
    assert answer.status_code == 409 and "请科长改派" in answer.json()["detail"]
    offered = (await supervisor.get(f"/api/v1/tasks/{task}/candidates")).json()
    assert "head" in {p["username"] for p in offered} and "clerk" not in {p["username"] for p in offered}
    for who, code in (("clerk", "four_eyes"), ("auditor", "not_a_candidate")):
        answer = await supervisor.post(f"/api/v1/tasks/{task}/reassign", json=giving | {"to": who})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    assert (await supervisor.post(f"/api/v1/tasks/{task}/reassign", json=giving)).status_code == 200
    done = await head.post(
        f"/api/v1/tasks/{task}/complete", json={"outcome": "approve", "data": {}, "version": 1}, headers=key()
    )
    assert done.status_code == 200, done.text
