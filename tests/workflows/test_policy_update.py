"""A running case takes over rules: a published year makes provisional dates final, and each rung still fires once."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from domain import policy as policy_files
from policies import read_all
from schemas.base import Text
from schemas.deadlines import PolicySnapshot
from schemas.process import PolicyAnswer, PolicyUpdate
from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_returning import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]

# An invented notice: 5 to 7 January are off as well, so five working days from 29 December end on Saturday the 9th,
# which is made up.
NOTICE_2027 = """  - year: 2027
    doc: 试验〔2026〕1号
    confidence: confirmed
    rest: ["2027-01-01/2027-01-03", "2027-01-05/2027-01-07", "2027-02-05/2027-02-12"]
    work: ["2027-01-09"]
"""
WHY = Text(zh="2027年放假安排公布", en="the holidays of 2027 are published")


def published() -> PolicySnapshot:
    texts = read_all()
    head, _, rest = texts["calendar.yaml"].partition("  - year: 2027\n")
    tail = rest[rest.index("  - year: 2028\n") :]
    return policy_files.snapshot({**texts, "calendar.yaml": head + NOTICE_2027 + tail})


def hired(office: Office) -> None:
    office.facts = office.facts.model_copy(
        update={
            "permit_issued": date(2026, 12, 11),
            "permit_expires": date(2027, 12, 11),
            "contract_start": date(2026, 12, 21),
            "contract_end": date(2028, 12, 20),
        }
    )


async def take_over(handle: WorkflowHandle[Any, Any], scope: str, ident: str) -> PolicyAnswer:
    order = PolicyUpdate(id=ident, scope=scope, reason=WHY, actor="policy")
    return await handle.execute_update("update_policy", order, result_type=PolicyAnswer)


def rungs_of(office: Office, process_id: str) -> Counter[tuple[str, str]]:
    """How often each rung of each deadline fired, whatever the generation."""
    keys = [key.rsplit(":", 2) for key, _ in office.rungs(process_id)]
    return Counter((deadline, rung) for deadline, _, rung in keys)


async def test_publishing_a_year_makes_provisional_dates_final(stage: Open) -> None:
    office = Office()
    hired(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-12-29 09:00"))
        task = await office.task("enrolment.materials")
        law, target = task.deadlines
        assert (law.due, law.internal_due, law.provisional) == (date(2027, 1, 10), date(2027, 1, 8), True)
        assert (target.due, target.provisional) == (date(2027, 1, 6), True)
        await s.skip(handle, timedelta(days=4))  # 2 January: holder-3 of the target has fired
        before = rungs_of(office, handle.id)
        assert before["INT-MATERIALS/1", "holder-3"] == 1

        old = office.policy
        office.policy = published()
        answer = await take_over(handle, "calendar", "o1")
        assert (answer.version, answer.moved) == (office.policy.version, 1)
        law, target = (await office.task("enrolment.materials")).deadlines
        assert (law.due, law.internal_due, law.provisional, law.generation) == (
            date(2027, 1, 10), date(2027, 1, 9), False, 1,
        )  # fmt: skip
        assert (target.due, target.provisional, target.generation) == (date(2027, 1, 9), False, 2)
        notes = {e.kind: e for e in office.timeline[handle.id]}
        assert notes["moved"].data | {"order": ""} == {
            "deadline": "INT-MATERIALS/1", "old": "2027-01-06", "new": "2027-01-09", "order": "",
        }  # fmt: skip
        assert "2027年放假安排公布" in notes["moved"].text.zh
        assert old.version in notes["policy_updated"].text.en

        assert (await take_over(handle, "calendar", "o2")).moved == 0  # the same rules again: nothing happens
        assert office.kinds(handle.id).count("policy_updated") == 1
        await s.skip(handle, timedelta(days=20))
        await office.settle(lambda: rungs_of(office, handle.id)["INT-MATERIALS/1", "supervisor-after-1"] == 1)
        fired = rungs_of(office, handle.id)
        assert set(fired.values()) == {1}, fired
        assert fired["DL-REG-FOR", "head-breach"] == 1


async def test_a_case_keeps_its_rules_until_it_is_told(stage: Open) -> None:
    office = Office()
    hired(office)
    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-12-14 09:00"))
        target = (await office.task("enrolment.materials")).deadlines[1]
        assert target.due == date(2026, 12, 21)
        await s.skip(handle, timedelta(days=3))  # 17 December: holder-3 has fired on the 16th
        rules = [
            r.model_copy(update={"n": 10}) if r.id in ("INT-MATERIALS", "INT-VERIFICATION") else r
            for r in office.policy.rules
        ]
        good = office.policy.model_copy(update={"rules": rules, "version": "v2"})
        office.policy = good.model_copy(update={"calendars": [], "agencies": [], "version": "broken"})
        assert await refused(take_over(handle, "all", "o0")) == "ProgramFault"  # and the case goes on as it did
        office.policy = good
        assert (await take_over(handle, "calendar", "o1")).moved == 0  # nothing was published
        assert (await office.task("enrolment.materials")).deadlines[1].due == date(2026, 12, 21)
        assert (await take_over(handle, "all", "o2")).moved == 1
        moved = (await office.task("enrolment.materials")).deadlines[1]
        assert (moved.due, moved.generation) == (date(2026, 12, 28), 2)
        await s.skip(handle, timedelta(days=9))  # past the 23rd, the day of holder-3 of the new date
        assert rungs_of(office, handle.id)["INT-MATERIALS/1", "holder-3"] == 1
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        following = (await office.task("enrolment.verification")).deadlines[1]
        assert following.basis is not None
        assert following.basis.n == 10  # what comes later goes by the rules taken over


async def test_taking_over_lets_the_insurances_follow_until_an_agency_has_them(stage: Open) -> None:
    office = Office(modes={"social_bureau": "portal", "medical_bureau": "portal"})
    hired(office)

    def newer(version: str, *insurances: str) -> None:
        office.policy = office.policy.model_copy(update={"case_rules": version, "version": version})
        office.facts = office.facts.model_copy(update={"insurances": list(insurances)})

    async with stage(office) as s:
        handle = await s.begin(at=shanghai("2026-12-14 09:00"))
        await office.task("enrolment.materials")
        newer("v2", "pension", "annuity", "medical")
        assert (await take_over(handle, "calendar", "o1")).version != "v2", "a year brings no agreements along"
        assert office.calls.count("load_enrolment_facts") == 1
        assert (await take_over(handle, "all", "o2")).version == "v2"
        assert office.calls.count("load_enrolment_facts") == 2
        note = [e for e in office.timeline[handle.id] if e.kind == "policy_updated"][-1]
        assert note.data["new"] == ["pension", "annuity", "medical"]
        assert WHY.zh in note.text.zh

        await complete(handle, await office.task("enrolment.materials"), actor="college")
        await complete(handle, await office.task("enrolment.verification"))
        at_social = lambda t: t.spec.authority == "social_bureau"  # noqa: E731
        await complete(handle, await office.task("registration.hand_in", where=at_social))
        await office.task("registration.acceptance", where=at_social)
        newer("v3", "pension", "medical")
        assert (await take_over(handle, "all", "o3")).version == "v3"
        assert office.calls.count("load_enrolment_facts") == 2, "what an agency has been told stands"
