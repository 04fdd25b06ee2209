"""Who leaves takes the only hands away: named before, no refusal; and a task that nobody may do is at the desk."""

from schemas.base import Text
from schemas.countersign import Seat, SeatState, Signer, SignGroup
from store.database import session
from store.tables.people import User
from tests.api.conftest import Office
from tests.api.test_handover import do
from tests.api.test_logins import patch
from tests.api.test_steps import SCOPE
from worker.nobody import sweep_nobody


async def desk(office: Office) -> list[dict[str, object]]:
    client = await office.sign_in("supervisor")
    return (await client.get("/api/v1/incidents", params={"kind": "nobody", "state": "all"})).json()["items"]


async def test_what_nobody_could_do_without_the_leaver_is_named_and_refuses_nothing(office: Office) -> None:
    """Two clerks: one took part, so the other is the only one; the head signs later and is the only one at all."""
    case, other = await office.case(), await office.case(id_number="C01X00T50")
    only = await office.task(case, "tax_payment.approval", roles=["head"], excluded=["supervisor"])
    shared = await office.task(other, roles=["clerk"], excluded=["clerk"])
    seats = [
        Seat(id="1", place=1, signer=Signer(role="supervisor"), state=SeatState.OPEN),
        Seat(id="2", place=2, signer=Signer(role="head"), state=SeatState.WAITING),
    ]
    third = await office.case(id_number="C01X00T60")
    group = SignGroup(id="approval.sign/1", mode="in_turn", need=2, seats=seats)
    signed = await office.task(
        third, "tax_payment.approval", roles=["supervisor"], excluded=["clerk"], outcomes=["approve", "return"],
        sign=group, data=SCOPE,
    )  # fmt: skip
    boss = await office.sign_in("supervisor")
    left = (await boss.get("/api/v1/users/head/hand-over")).json()
    assert {(n["task_id"], n["later"], n["role"]["zh"]) for n in left["nobody_left"]} == {
        (None, True, "处长"), (only, False, "处长"), (signed, True, "处长"),
    }  # fmt: skip
    assert all(Text.model_validate(n["title"]).en for n in left["nobody_left"])
    mine = (await boss.get("/api/v1/users/clerk2/hand-over")).json()["nobody_left"]
    assert shared not in {n["task_id"] for n in mine}, "a supervisor takes over what clerks do"
    await sweep_nobody()
    assert await desk(office) == []

    shut = await patch(office, "admin", "head", active=False)
    assert shut.status_code == 200 and len(shut.json()["left"]["nobody_left"]) == 3, "a warning, and no refusal"
    assert await sweep_nobody() == 1
    await sweep_nobody()
    (seen,) = await desk(office)
    assert (seen["task_id"], seen["actions"], seen["closed_at"]) == (only, [], None)
    assert "处长" in seen["why"]["zh"] and "head" in seen["why"]["en"]  # type: ignore[index]
    told = await office.sign_in("supervisor")
    refused = await told.post(
        f"/api/v1/incidents/{seen['id']}/decide", json={"way": "retry"}, headers={"Idempotency-Key": "k"}
    )
    assert refused.status_code == 403
    assert (await patch(office, "admin", "head", active=True)).status_code == 200
    assert await sweep_nobody() == 0
    (seen,) = await desk(office)
    assert seen["ended"]["zh"] == "已有人可以办理"  # type: ignore[index]
    async with session() as s:
        (await s.get_one(User, "head")).active = False
    await sweep_nobody()
    assert [i["closed_at"] is None for i in await desk(office)].count(True) == 1, "it has come back: one more"


async def test_who_holds_a_task_can_do_it_whatever_becomes_of_the_group(office: Office) -> None:
    task = await office.task(await office.case(), roles=["payroll"])
    assert (await do(office, "payroll", task, "claim")).status_code == 200
    await sweep_nobody()
    assert await desk(office) == []
    boss = await office.sign_in("supervisor")
    left = (await boss.get("/api/v1/users/payroll/hand-over")).json()["nobody_left"]
    assert {n["task_id"] for n in left} == {None, task}
