"""The track of retirement is set at the person, with its ground, and counts wherever a retirement is computed."""

from typing import Any

import pytest
from sqlalchemy import select

from domain.retirement import statutory_month
from runtime import clock
from store import people, policy_impact, retirement_tracks, rule_tables
from store.database import session
from store.month_lines import InsuredMonth, write_month
from store.tables.office import Audit
from tests.api.conftest import Office, add_policy_administrators, hire
from tests.api.test_policy import get as of_policy
from tests.api.test_policy import proposed

SENIOR = {"track": "senior_title", "ground": "副教授任职文件 校人〔2025〕12号"}
BORN = "1971-06-14"


@pytest.fixture
async def keepers(office: Office) -> Office:
    """Two policy administrators beside the office."""
    await add_policy_administrators()
    return office


async def person_of(case: str) -> str:
    async with session() as s:
        return (await people.hire_row(s, case)).person_id


async def read(office: Office, who: str, person: str) -> Any:
    return await (await office.sign_in(who)).get(f"/api/v1/rules/persons/{person}/retirement")


async def put(office: Office, who: str, person: str, **body: str) -> Any:
    return await (await office.sign_in(who)).post(f"/api/v1/rules/persons/{person}/retirement-track", json=body)


async def test_set_with_ground_by_the_office_and_kept_with_who_and_when(office: Office) -> None:
    person = await person_of(await office.case(birth=BORN))
    before = (await read(office, "clerk", person)).json()
    ages = rule_tables.load().checks.ages
    assert (before["track"], before["group"]) == ("standard", ages["female"].code)
    assert before["retire"] == statutory_month("1971-06", ages["female"])
    assert (before["history"], before["may_set"]) == ([], True)
    assert {o["track"] for o in before["offers"]} == {"standard", "senior_title", "senior_title_fixed"}

    done = await put(office, "clerk", person, **SENIOR)
    assert done.status_code == 200, done.text
    assert done.json()["retire"] == statutory_month("1971-06", ages["male"]) > before["retire"]
    assert done.json()["sample"] is True
    again = await put(office, "supervisor", person, **SENIOR)
    assert (again.status_code, again.json()["code"]) == (409, "same_track")
    fixed = await put(office, "supervisor", person, track="senior_title_fixed", ground="人事处复函")
    assert fixed.json()["retire"] == "2031-06"
    seen = (await read(office, "college", person)).json()  # the college of the person reads and cannot change
    assert [(h["track"], h["set_by"], h["ground"]) for h in seen["history"]] == [
        ("senior_title_fixed", "supervisor", "人事处复函"), ("senior_title", "clerk", SENIOR["ground"]),
    ]  # fmt: skip
    assert seen["may_set"] is False
    async with session() as s:
        rows = list(await s.scalars(select(Audit).where(Audit.action == "retirement.track").order_by(Audit.id)))
    assert [(r.actor, r.object, r.data) for r in rows] == [
        ("clerk", person, {"old": "standard", "new": "senior_title"}),
        ("supervisor", person, {"old": "senior_title", "new": "senior_title_fixed"}),
    ]


async def test_who_may_and_what_is_refused(office: Office) -> None:
    woman = await person_of(await office.case(birth=BORN))
    man = await person_of(await office.case(id_number="C01X00T81", sex="male"))
    for who in ("auditor", "head", "college", "payroll", "admin"):
        assert (await put(office, who, woman, **SENIOR)).status_code == 403, who
    assert (await read(office, "college2", woman)).status_code == 404
    assert (await put(office, "clerk", "nobody", **SENIOR)).status_code == 404
    wrong = await put(office, "clerk", man, **SENIOR)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/track")
    assert (await put(office, "clerk", woman, track="senior_title", ground="  ")).status_code == 422
    assert (await put(office, "clerk", woman, track="of_my_own", ground="x")).status_code == 422
    async with session() as s:
        assert await retirement_tracks.of_people(s, [woman, man]) == {}
        assert await retirement_tracks.of_person(s, man) is None  # by the own post
        assert await retirement_tracks.of_number(s, "C01X00T81") is None
        assert await retirement_tracks.of_number(s, "nobody's") is await retirement_tracks.of_person(s, None) is None
    assert (await put(office, "clerk", woman, **SENIOR)).status_code == 200
    for track, found in (("senior_title", "senior_title"), ("standard", None), ("of_old_rules", None)):
        async with session() as s:
            await retirement_tracks.add(s, woman, track, "人事处函", "clerk", clock.now())
            one = await retirement_tracks.of_person(s, woman)
            assert (one.id if one is not None else None) == found


async def test_the_preview_of_a_change_goes_by_the_track_of_each_person(keepers: Office) -> None:
    """Other months of contribution are needed in 2033: whom that concerns depends on the own track."""
    plain, senior = await keepers.case(birth=BORN), await keepers.case(id_number="C01X00T82", birth=BORN)
    listed = "person-of-the-list"
    async with session() as s:
        await people.save_person(s, hire(id_number="C01X00T83", birth=BORN), listed, clock.now())
        one = InsuredMonth("monthly-1", listed, "business", "FOREIGN_WORK_PERMIT", hire().monthly_wage)
        await write_month(
            s, [one], month=str(clock.today())[:7], payment_month=str(clock.today())[:7], known_on=clock.today(),
            now=clock.now(), actor="system",
        )  # fmt: skip
    assert (await put(keepers, "clerk", await person_of(senior), **SENIOR)).status_code == 200
    retire = {p: (await read(keepers, "clerk", p)).json()["retire"] for p in (await person_of(plain), listed)}
    assert max(retire.values()) < "2033", retire
    months = {
        "file": "min_contribution_months.csv", "kind": "row", "new": {"year": "2033", "months": "210"},
        "reason": "测试", "source": "测试文件",
    }  # fmt: skip
    number = await proposed(keepers, months)
    seen = (await of_policy(keepers, "policy2", f"/changes/{number}/preview")).json()
    [moved] = seen["retirements"]
    assert (moved["person_id"], moved["track"]) == (await person_of(senior), "senior_title")
    assert moved["new_retire"] == "2033-02" and moved["new_months"] == 210
    async with session() as s:
        found = {i.person_id: (i.track, i.case_no) for i in await policy_impact.insured(s, clock.today())}
    assert found[listed] == ("standard", "") and found[await person_of(senior)][0] == "senior_title"

    async with session() as s:  # a track that the rules no longer know
        await retirement_tracks.add(s, listed, "of_old_rules", "旧文件", "clerk", clock.now())
    seen = (await of_policy(keepers, "policy2", f"/changes/{number}/preview")).json()
    [unknown] = seen["not_computable"]
    assert (unknown["person_id"], unknown["insurance"]) == (listed, "pension")


async def test_who_may_be_enrolled_is_asked_by_the_track(office: Office) -> None:
    """A woman of 58: too old by the post, not too old with a senior title; a person already on record."""
    too_old = "1968-03-14"
    person = await person_of(await office.case(birth=too_old))
    clerk = await office.sign_in("clerk")
    form = hire(birth=too_old, id_number="C01X00T47").model_dump(mode="json", exclude_none=True)
    refused = await clerk.post("/api/v1/processes", json={"kind": "enrolment", "input": form})
    assert "R11" in refused.text, refused.text
    assert (await put(office, "clerk", person, **SENIOR)).status_code == 200
    answer = await clerk.post("/api/v1/processes", json={"kind": "enrolment", "input": form})
    assert "R11" not in answer.text and answer.json()["code"] == "duplicate_case", answer.text


async def started(office: Office, who: str, number: str, birth: str = "1968-03-14", **more: Any) -> Any:
    """A start by the form of somebody who is not on record."""
    form = hire(birth=birth, id_number=number, name=f"NEW PERSON {number}").model_dump(mode="json", exclude_none=True)
    body = {"kind": "enrolment", "input": form, **more}
    return await (await office.sign_in(who)).post("/api/v1/processes", json=body)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_person_over_the_age_by_the_post_is_started_with_the_track(school: Office) -> None:
    """Nobody on record yet, so the track comes with the start; without it the refusal says where to set it."""
    refused = await started(school, "clerk", "C01X00T48")
    [fault] = refused.json()["errors"]
    assert (refused.status_code, fault["code"]) == (422, "R11") and "退休口径" in fault["message"]
    assert (await started(school, "college", "C01X00T48", retirement=SENIOR)).status_code == 403
    unsaid = await started(school, "clerk", "C01X00T48", retirement={**SENIOR, "ground": " "})
    assert (unsaid.status_code, unsaid.json()["errors"][0]["pointer"]) == (422, "/retirement/ground")
    done = await started(school, "clerk", "C01X00T48", retirement=SENIOR)
    assert done.status_code == 201, done.text
    person = done.json()["subject"]
    found = (await read(school, "clerk", person)).json()
    assert [(h["track"], h["set_by"], h["ground"]) for h in found["history"]] == [
        ("senior_title", "clerk", SENIOR["ground"])
    ]
    async with session() as s:
        rows = list(await s.scalars(select(Audit).where(Audit.action == "retirement.track", Audit.object == person)))
    assert [(r.actor, r.data) for r in rows] == [("clerk", {"old": "standard", "new": "senior_title"})]

    too_old = await started(school, "clerk", "C01X00T49", birth="1955-03-14", retirement=SENIOR)
    assert [e["code"] for e in too_old.json()["errors"]] == ["R11"], "over the age by this track too"
    async with session() as s:
        assert await people.find_person(s, "C01X00T49") is None


async def test_a_track_that_is_not_for_the_person_starts_nobody(office: Office) -> None:
    form = hire(sex="male", id_number="C01X00T50").model_dump(mode="json", exclude_none=True)
    body = {"kind": "enrolment", "input": form, "retirement": SENIOR}
    wrong = await (await office.sign_in("clerk")).post("/api/v1/processes", json=body)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/retirement/track")
    async with session() as s:
        assert await people.find_person(s, "C01X00T50") is None
