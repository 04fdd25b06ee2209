"""A case keeps the agreements and insurances of its version; limits and rates are the law of the premium's month."""

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.enrolment import load_enrolment_facts, record_exemption
from activities.processes import load_policy, open_process
from api.policy_orders import send_policy_orders
from api.starts import start_pending
from runtime import clock
from schemas.calls import CaseArg, ExemptionDecision
from schemas.enrolment import EnrolmentFacts
from schemas.process import ProcessStart
from store import people, policies, policy_impact, premium_lines, rule_tables
from store.database import session
from store.tables.processes import Process, Timeline
from store.tables.registrations import Registration
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import applied, get, post
from tests.api.test_policy_published import until

FRENCH: dict[str, Any] = {
    "country": "FRA", "hire_kind": "posted", "certificate": "held", "permit_issued": "2026-11-16",
    "contract_start": "2026-11-20",
}  # fmt: skip
IN_FORCE = {
    "file": "treaties.yaml", "kind": "fields", "key": "treaties[FRA]", "reason": "协定生效", "source": "人社部公告",
    "new": {"in_force": "2026-11-01", "exempt": ["pension"], "first_months": 60},
}  # fmt: skip
NO_UNEMPLOYMENT = {
    "file": "categories.yaml", "kind": "fields", "key": "categories[FOREIGN_WORK_PERMIT]", "reason": "险种调整",
    "source": "试验文件",
    "new": {"insurances": ["pension", "work_injury", "medical_maternity"]},
}  # fmt: skip
RATE = {
    "file": "contribution_rates.csv", "kind": "row", "key": "", "reason": "费率调整", "source": "试验文件",
    "new": {
        "insurance": "pension", "scheme": "enterprise", "locality": "SC", "valid_from": "2026-11-01", "valid_to": "",
        "unit": "0.15", "person": "0.08", "published_on": "2026-11-20",
    },
}  # fmt: skip


@pytest.fixture
async def keepers(office: Office) -> Office:
    """Two policy administrators beside the office."""
    await add_policy_administrators()
    return office


async def run(activity: Any, arg: Any) -> Any:
    return await ActivityEnvironment().run(activity, arg)


async def begun(office: Office, number: int) -> str:
    """A case as its workflow begins it: the rules kept, the verification open."""
    case = await office.case(**FRENCH, id_number=f"C01X00T{number}")
    opened = await run(open_process, ProcessStart(process_id=case, started_by="clerk"))
    await office.task(case, process={"policy_version": opened.policy["version"]})
    return case


async def person_of(case: str) -> str:
    async with session() as s:
        return (await people.hire_row(s, case)).person_id


async def facts(case: str) -> EnrolmentFacts:
    return await run(load_enrolment_facts, CaseArg(process_id=case, person_id=await person_of(case)))


async def confirmed(case: str, *exempt: str) -> EnrolmentFacts:
    """The clerk approves, with what is exempt."""
    decision = ExemptionDecision(
        process_id=case, person_id=await person_of(case), exempt=list(exempt), certificate="held", actor="clerk"
    )
    return await run(record_exemption, decision)


async def proposal(office: Office, case: str) -> str:
    task = uuid.uuid5(uuid.NAMESPACE_URL, f"{case}/verification/1")
    return (await (await office.sign_in("clerk")).get(f"/api/v1/tasks/{task}")).json()["context"]["proposal"]["reason"]


async def rates(case: str) -> dict[str, Decimal]:
    async with session() as s:
        due = await premium_lines.premiums(s, case, "social", "2026-11")
    return {a.insurance: a.unit_rate for a in due}


async def test_a_running_case_keeps_its_agreements_and_insurances(keepers: Office) -> None:
    old, confirmed_before = await begun(keepers, 71), await begun(keepers, 72)
    assert (await confirmed(confirmed_before)).insurances[:3] == ["pension", "unemployment", "work_injury"]
    assert (await rates(old))["pension"] == Decimal("0.16")
    version = policies.snapshot().version
    await applied(keepers, IN_FORCE)
    await applied(keepers, NO_UNEMPLOYMENT)
    assert policies.snapshot().version != version
    await applied(keepers, RATE)
    new = await begun(keepers, 73)

    assert await proposal(keepers, old) == "treaty_not_in_force"
    assert await proposal(keepers, new) == "treaty_exempt"
    assert "unemployment" not in (await facts(new)).insurances
    for case in (old, confirmed_before):
        assert "unemployment" in (await facts(case)).insurances
        found = await rates(case)
        assert found["pension"] == Decimal("0.15"), "the rate is the law of the premium's month"
        assert "unemployment" in found
    assert set(await rates(new)) == {"pension", "work_injury"}
    async with session() as s:
        due, unknown = await policy_impact.due_lines(s, rule_tables.load(), date(2026, 11, 25))
    assert {d.process_id for d in due if d.insurance == "unemployment"} == {old, confirmed_before}
    assert {d.process_id for d in due} == {old, confirmed_before, new} and not unknown
    assert "pension" not in (await confirmed(new, "pension")).insurances


async def test_taking_over_lets_the_insurances_follow_and_leaves_what_a_person_confirmed(keepers: Office) -> None:
    case = await begun(keepers, 74)
    before = await confirmed(case)
    await applied(keepers, IN_FORCE)
    await applied(keepers, NO_UNEMPLOYMENT)
    loaded = await run(load_policy, ProcessStart(process_id=case, started_by="clerk"))
    assert (await facts(case)).insurances == before.insurances, "loading the rules alone changes nothing"
    # What the case's workflow does when it is told: it works by the version, shows it, and reads its facts again.
    await keepers.task(case, key="verification/2", revision=2, process={"policy_version": loaded.policy["version"]})
    after = (await facts(case)).insurances
    assert after == [i for i in before.insurances if i != "unemployment"] != before.insurances
    async with session() as s:
        row = await people.hire_row(s, case)
    assert (row.insurances, row.exempt) == (after, [])


async def test_the_preview_shows_insurances_and_agreements_that_change(keepers: Office) -> None:
    """Open, with an exemption confirmed, and told to an agency: each as taking over would leave it."""
    open_one, decided, told = [await begun(keepers, n) for n in (76, 77, 78)]
    before = await confirmed(decided)
    await confirmed(told)
    async with session() as s:
        person = await people.hire_row(s, told)
        s.add(
            Registration(
                process_id=told, person_id=person.person_id, agency="social_bureau", attempt=1, state="submitted",
                submitted_at=clock.now(),
            )
        )  # fmt: skip
    assert (await get(keepers, "supervisor", "/take-over")).json()["changes"] == []
    await applied(keepers, IN_FORCE)
    await applied(keepers, NO_UNEMPLOYMENT)
    seen = (await get(keepers, "supervisor", "/take-over")).json()
    assert seen["behind"] == 3
    found = {c["process_id"]: c for c in seen["changes"]}
    assert set(found) == {open_one, decided}, "what an agency was told stays"
    after = [i for i in before.insurances if i != "unemployment"]
    for case in (open_one, decided):
        assert (found[case]["old_insurances"], found[case]["new_insurances"]) == (before.insurances, after)
    assert "尚未生效" in found[open_one]["old_exemption"]["zh"] and "exempt" in found[open_one]["new_exemption"]["en"]
    assert (found[decided]["old_exemption"], found[decided]["new_exemption"]) == (None, None), "confirmed stays"
    chosen = (await post(keepers, "supervisor", "/take-over/preview", process_ids=[decided])).json()
    assert [c["process_id"] for c in chosen["changes"]] == [decided]


async def test_a_year_alone_leaves_agreements_and_insurances(keepers: Office) -> None:
    """A version "old+year" has the case rules of the old one."""
    case = await begun(keepers, 75)
    version = policies.snapshot().version
    await applied(keepers, NO_UNEMPLOYMENT)
    await keepers.task(case, key="verification/2", revision=2, process={"policy_version": f"{version}+abcdef"})
    assert "unemployment" in (await facts(case)).insurances
    await keepers.task(case, key="verification/3", revision=3, process={"policy_version": "of-nobody"})
    assert "unemployment" not in (await facts(case)).insurances  # a version nobody kept: the rules in force


@pytest.mark.asyncio(loop_scope="session")
async def test_a_case_in_the_engine_is_told_of_other_insurances(school: Office) -> None:
    """The whole way on real servers: begun, the rules changed, nothing moves, ordered, the insurances follow."""
    await add_policy_administrators()
    case = await school.case(**FRENCH)
    await start_pending([case])

    async def begun_there() -> bool:
        async with session() as s:
            return bool((await s.get_one(Process, case)).policy_version)

    async def noted() -> list[dict[str, Any]]:
        async with session() as s:
            rows = await s.scalars(
                select(Timeline).where(Timeline.process_id == case, Timeline.kind == "policy_updated")
            )
            return [row.data for row in rows]

    await until(begun_there)
    before = (await facts(case)).insurances
    await applied(school, NO_UNEMPLOYMENT)
    assert await send_policy_orders() == 0 and await noted() == []
    assert (await facts(case)).insurances == before
    answer = await post(school, "supervisor", "/take-over", reason="险种调整", process_ids=[case])
    assert answer.json()["items"][0]["result"] == "ordered"
    assert await send_policy_orders() == 1
    after = [i for i in before if i != "unemployment"]
    assert [n.get("new") for n in await noted()] == [None, after]
    assert (await facts(case)).insurances == after
