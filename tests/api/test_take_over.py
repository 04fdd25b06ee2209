"""Running cases chosen to take over the rules in force: seen before, ordered together, and what became of each."""

from datetime import date
from typing import Any

import pytest

from api.policy_orders import send_policy_orders
from domain.deadlines import compute
from schemas.deadlines import Deadline
from schemas.process import PolicyAnswer
from schemas.tasks import Refusal
from store import policies, policy_orders
from store.database import session
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import get, post


@pytest.fixture
async def keepers(office: Office) -> Office:
    """Two policy administrators beside the office."""
    await add_policy_administrators()
    return office


def longer_before() -> Deadline:
    """A target that older rules counted with ten days more."""
    snapshot = policies.snapshot()
    rule = snapshot.rule("INT-VERIFICATION")
    older = rule.model_copy(update={"n": (rule.n or 0) + 10})
    return compute(older, date(2026, 11, 23), snapshot, remaining_steps=["verification"])


async def behind(office: Office, number: int) -> str:
    case = await office.case(id_number=f"C01X00T{number}")
    await office.task(case, deadlines=[longer_before()], process={"policy_version": "older"})
    return case


async def ordered(office: Office, who: str, *cases: str) -> Any:
    return await post(office, who, "/take-over", reason="统一按新规则办理", process_ids=list(cases))


async def test_the_chosen_are_seen_before_and_each_has_its_result(keepers: Office) -> None:
    first, second, third = [await behind(keepers, n) for n in (91, 92, 93)]
    standing = (await get(keepers, "auditor", "/take-over")).json()
    assert {c["process_id"]: (c["moved"], c["order"]) for c in standing["cases"]} == {
        first: (1, None), second: (1, None), third: (1, None),
    }  # fmt: skip
    assert (standing["behind"], len(standing["deadlines"]), standing["may_order"]) == (3, 3, False)

    seen = (await post(keepers, "supervisor", "/take-over/preview", process_ids=[first, second])).json()
    assert {d["process_id"] for d in seen["deadlines"]} == {c["process_id"] for c in seen["cases"]} == {first, second}
    [move] = [d for d in seen["deadlines"] if d["process_id"] == first]
    assert (move["old_due"], move["new_due"]) == (longer_before().due.isoformat(), "2026-11-25")  # two working days
    assert (seen["behind"], seen["may_order"]) == (3, True)
    assert (await post(keepers, "clerk", "/take-over/preview", process_ids=[first])).status_code == 403
    assert (await post(keepers, "policy", "/take-over/preview", process_ids=[])).status_code == 422
    async with session() as s:
        assert await policy_orders.counts(s) == {}, "a preview orders nothing"

    assert (await ordered(keepers, "supervisor", first)).json()["items"][0]["result"] == "ordered"
    mixed = await ordered(keepers, "policy", first, second, "enrolment-none")
    assert (mixed.status_code, mixed.json()["ordered"]) == (202, 1)
    assert {i["process_id"]: i["result"] for i in mixed.json()["items"]} == {
        first: "waiting", second: "ordered", "enrolment-none": "not_behind",
    }  # fmt: skip
    none = await ordered(keepers, "policy", "enrolment-none")
    assert (none.status_code, none.json()["errors"][0]["pointer"]) == (422, "/process_ids")
    for who in ("auditor", "head", "admin", "clerk", "college"):
        assert (await ordered(keepers, who, third)).status_code == 403, who


async def test_what_became_of_each_order_is_listed(keepers: Office) -> None:
    """One case takes over, one has ended meanwhile, one could not; all at once by "all"."""
    cases = [await behind(keepers, n) for n in (94, 95, 96)]
    done = (await post(keepers, "supervisor", "/take-over", reason="全部更新")).json()
    assert done["ordered"] == 3 and {i["result"] for i in done["items"]} == {"ordered"}
    async with session() as s:
        orders = {o.process_id: o.id for o in await policy_orders.pending(s, 10)}
    keepers.temporal.answers[f"policy/{orders[cases[0]]}"] = PolicyAnswer(version=policies.snapshot().version, moved=1)
    # The two others are refused, in the order in which they are sent: ended, then a refusal of another kind.
    keepers.temporal.refuse = [Refusal.NOT_ALLOWED_NOW, Refusal.TASK_CLOSED]
    assert await send_policy_orders() == 1
    standing = (await get(keepers, "supervisor", "/take-over")).json()
    assert {o["state"] for o in standing["orders"]} == {"done", "gone", "failed"}
    of_first = next(o for o in standing["orders"] if o["process_id"] == cases[0])
    assert (of_first["state"], of_first["moved"], of_first["actor"]) == ("done", 1, "supervisor")
    [failed] = [o for o in standing["orders"] if o["state"] == "failed"]
    assert failed["error"] and failed["reason"]["zh"] == "全部更新"
    assert {c["process_id"]: c["order"] for c in standing["cases"]}[failed["process_id"]] == "failed"
    again = await ordered(keepers, "policy", failed["process_id"])  # what failed can be ordered again
    assert again.json()["items"][0]["result"] == "ordered"
