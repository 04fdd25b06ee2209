"""Hand-over of signatures that were asked of the leaver by name."""

from schemas.base import Text
from schemas.countersign import Seat, SeatState, Signer, SignGroup
from schemas.tasks import Refusal
from tests.api.conftest import Office
from tests.api.test_handover import do, row
from tests.api.test_steps import SCOPE

PLACE = "/api/v1/users/payroll/hand-over"


async def asked(office: Office, state: SeatState, added_by: str | None = "supervisor", **more: str) -> str:
    """An approval that asks payroll by name: open, or after the supervisor's signature. Its open task."""
    case = await office.case(**more)
    waits = state is SeatState.WAITING
    seats = [
        Seat(id="1", place=1, signer=Signer(role="supervisor"), state=SeatState.OPEN if waits else SeatState.APPROVED),
        Seat(id="2", place=1, signer=Signer(username="payroll"), state=state, added_by=added_by),
    ]
    group = SignGroup(id="approval.sign/1", mode="in_turn", need=1, seats=seats)

    async def write(revision: int) -> str:
        return await office.task(
            case, "tax_payment.approval", roles=["supervisor"] if waits else ["@payroll"], excluded=["clerk"],
            outcomes=["approve", "return"], sign=group, data=SCOPE, revision=revision,
        )  # fmt: skip

    task = await write(1)
    seats[0 if waits else 1].task_id = task
    return await write(2)


async def test_what_was_asked_by_name_is_asked_of_a_successor(office: Office) -> None:
    claimed = await asked(office, SeatState.OPEN)
    free = await asked(office, SeatState.OPEN, added_by=None, id_number="C01X00T50")
    later = [await asked(office, SeatState.WAITING, id_number=f"C01X00T6{n}") for n in range(2)]
    named = await asked(office, SeatState.WAITING, added_by=None, id_number="C01X00T70")
    assert (await do(office, "payroll", claimed, "claim")).status_code == 200
    supervisor = await office.sign_in("supervisor")
    counted = (await supervisor.get(PLACE)).json()
    assert (counted["held"], counted["asked_by_name"]) == (0, 5)
    body = {"to": ["clerk", "auditor"], "reason": "离职"}  # one took part, the other approves nothing
    result = (await supervisor.post(PLACE, json=body)).json()
    assert [(i["kind"], i["result"]) for i in result["items"]] == [("signature", "failed")] * 5
    said = {i["id"]: i["problem"]["zh"] for i in result["items"]}
    assert all("另选接任人" in said[t] for t in (claimed, free, *later)) and "尚未轮到签署" in said[named]
    assert ((await row(claimed)).holder, (await row(free)).holder) == ("payroll", None), "not back to who leaves"
    assert [c for c in office.temporal.calls if "signer" in c[0]] == [], "nothing was begun"
    office.temporal.refuse = [Refusal.TASK_SUSPENDED]
    result = (await supervisor.post(PLACE, json=body | {"to": ["clerk", "head"]})).json()
    by_id = {i["id"]: i for i in result["items"]}
    assert {(by_id[t]["result"], by_id[t]["to"]) for t in (claimed, free)} == {("moved", "head")}
    assert sorted((by_id[t]["result"], by_id[t]["to"]) for t in later) == [("failed", None), ("moved", "head")]
    assert all(Text.model_validate(i["problem"]).en for i in by_id.values() if i["result"] == "failed")
    verbs = [name for name, _ in office.temporal.calls if "signer" in name]
    assert verbs == ["add_signer", "add_signer", "remove_signer"], "whoever comes is asked before the leaver goes"
    assert ((await row(claimed)).holder, (await row(free)).holder) == ("head", "head")
    left = (await supervisor.get(PLACE)).json()
    assert (left["held"], left["asked_by_name"]) == (0, 3)
    theirs = (await supervisor.get("/api/v1/users/head/hand-over")).json()
    assert theirs["held"] == 2, "what was given is the successor's, and goes on when that one leaves"
    again = await supervisor.post("/api/v1/users/head/hand-over", json=body | {"to": ["clerk2"]})
    assert again.status_code == 200, again.text
    assert [(i["result"], i["to"]) for i in again.json()["items"]] == [("moved", "clerk2")] * 2
    last = await office.sign_in("clerk2")
    assert "complete" in (await last.get(f"/api/v1/tasks/{free}")).json()["actions"]
