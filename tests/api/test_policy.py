"""The rules kept by policy administrators: proposed, approved by a second person, previewed, applied; the old stays."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from domain.contributions import limit_for
from runtime import clock
from schemas.enrolment import LineRequest
from store import policies, policy_orders, premium_lines, rule_tables
from store.database import session
from store.tables.ledger import PremiumLine
from store.tables.office import Audit
from store.tables.policy import PolicyChangeRow
from tests.api.conftest import Office, add_policy_administrators

LIMIT = {
    "file": "contribution_limits.csv", "kind": "row", "key": "", "reason": "上限公布", "source": "川人社发〔2026〕99号",
    "new": {
        "insurance": "pension", "scheme": "all", "locality": "SC", "valid_from": "2026-01-01",
        "valid_to": "2026-12-31", "floor": "5000", "cap": "15000.50", "doc": "川人社发〔2026〕99号",
    },
    "published_on": "2026-11-20",
}  # fmt: skip
DURATION = {
    "file": "step_durations.yaml", "kind": "fields", "key": "steps[verification]", "new": {"working_days": "3"},
    "reason": "实测", "source": "本校测算 2026", "sample": True,
}  # fmt: skip


@pytest.fixture
async def keepers(office: Office) -> Office:
    """Two policy administrators beside the office."""
    await add_policy_administrators()
    return office


async def post(office: Office, who: str, path: str, **body: Any) -> Any:
    return await (await office.sign_in(who)).post(f"/api/v1/policy{path}", json=body)


async def get(office: Office, who: str, path: str) -> Any:
    return await (await office.sign_in(who)).get(f"/api/v1/policy{path}")


async def proposed(office: Office, body: dict[str, Any], who: str = "policy") -> int:
    answer = await post(office, who, "/changes", **body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def applied(office: Office, body: dict[str, Any]) -> dict[str, Any]:
    number = await proposed(office, body)
    assert (await post(office, "policy2", f"/changes/{number}/approve")).status_code == 200
    answer = await post(office, "policy", f"/changes/{number}/apply")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_four_eyes_and_the_old_value_stays(keepers: Office) -> None:
    number = await proposed(keepers, DURATION)
    assert policies.snapshot().durations[1].working_days == 2  # nothing is in force by a proposal
    view = (await get(keepers, "policy", f"/changes/{number}")).json()
    assert (view["state"], view["old"]["working_days"], view["actions"]) == ("proposed", 2, ["withdraw"])
    assert (await get(keepers, "policy2", f"/changes/{number}")).json()["actions"] == ["approve", "reject"]
    own = await post(keepers, "policy", f"/changes/{number}/approve")
    assert (own.status_code, own.json()["code"]) == (403, "four_eyes")
    early = await post(keepers, "policy2", f"/changes/{number}/apply")
    assert (early.status_code, early.json()["code"]) == (409, "change_decided")
    assert (await post(keepers, "policy2", f"/changes/{number}/approve")).json()["decided_by"] == "policy2"
    assert (await post(keepers, "policy2", f"/changes/{number}/approve")).status_code == 409
    done = (await post(keepers, "policy", f"/changes/{number}/apply")).json()
    assert (done["state"], done["number"], done["actions"]) == ("applied", 1, ["revoke"])
    assert policies.snapshot().durations[1].working_days == 3
    [value] = [
        v for v in (await get(keepers, "auditor", "/files/step_durations.yaml")).json() if "verification" in v["key"]
    ]
    assert (value["fields"]["working_days"], value["source"], value["sample"]) == (3, "本校测算 2026", True)
    for verb in ("reject", "withdraw", "apply"):
        assert (await post(keepers, "policy2", f"/changes/{number}/{verb}", note="x")).status_code == 409
    assert (await get(keepers, "policy", f"/changes/{number}")).json()["old"]["working_days"] == 2
    async with session() as s:
        trail = list(await s.scalars(select(Audit.action).where(Audit.action.like("policy.%")).order_by(Audit.id)))
    assert trail == ["policy.propose", "policy.approve", "policy.apply"]
    with pytest.raises(IntegrityError, match="four_eyes"):  # the database refuses it as well
        async with session() as s:
            await s.execute(text("UPDATE policy_changes SET decided_by = proposed_by"))


async def test_a_form_has_the_fields_of_its_value_and_a_notice_is_read(keepers: Office) -> None:
    form = (await get(keepers, "policy", "/files/deadlines.yaml/form?key=rules[DL-REG-FOR]")).json()
    fields = form["schema"]["properties"]
    assert (form["kind"], form["key"], form["values"]["n"]) == ("fields", "rules[DL-REG-FOR]", 30)
    assert "working_days" in fields["unit"]["enum"] and "title_zh" in fields and "id" not in fields
    row = (await get(keepers, "policy", "/files/late_fee.yaml/form?key=rates[2011-07-01]")).json()
    assert (row["kind"], row["key"], set(row["schema"]["properties"])) == ("row", "rates", {"daily_rate", "valid_from"})
    limits = await get(keepers, "policy", "/files/contribution_limits.csv/form?key=medical all CD 2026-07-01")
    assert "pension" in limits.json()["schema"]["properties"]["insurance"]["enum"]
    text = "一、元旦：1月1日至3日放假，共3天。二、春节：2月5日至8日放假"
    seen = (await post(keepers, "policy", "/calendar-notice", year=2027, text=text)).json()
    assert seen["new"]["names"] == {
        "2027-01-01/2027-01-03": {"zh": "元旦", "en": "New Year's Day"},
        "2027-02-05/2027-02-08": {"zh": "春节", "en": "Spring Festival"},
    }
    assert any("2027-04-05" in f["text"]["en"] for f in seen["faults"])  # Qingming is missing: a public holiday
    assert (await post(keepers, "clerk", "/calendar-notice", year=2027, text=text)).status_code == 403


async def test_a_decision_that_needs_no_note_needs_no_body(keepers: Office) -> None:
    place = "/api/v1/policy/changes/{}/{}"
    first, second = await proposed(keepers, DURATION), await proposed(keepers, LIMIT)
    approved = await (await keepers.sign_in("policy2")).post(place.format(first, "approve"))
    withdrawn = await (await keepers.sign_in("policy")).post(place.format(second, "withdraw"))
    assert [approved.status_code, withdrawn.status_code] == [200, 200], (approved.text, withdrawn.text)
    assert [approved.json()["state"], withdrawn.json()["state"]] == ["approved", "withdrawn"]


async def test_reject_and_withdraw(keepers: Office) -> None:
    first, second = await proposed(keepers, DURATION), await proposed(keepers, LIMIT)
    bare = await post(keepers, "policy2", f"/changes/{first}/reject")
    assert bare.json()["errors"][0]["pointer"] == "/note"
    assert (await post(keepers, "policy2", f"/changes/{first}/reject", note="无依据")).json()["note"] == "无依据"
    assert (await post(keepers, "policy2", f"/changes/{second}/withdraw")).status_code == 403
    assert (await post(keepers, "policy2", f"/changes/{second}/approve")).status_code == 200
    assert (await post(keepers, "policy", f"/changes/{second}/withdraw")).json()["state"] == "withdrawn"
    assert (await post(keepers, "policy", f"/changes/{second}/apply")).status_code == 409
    assert not policies.in_force()
    assert [c["state"] for c in (await get(keepers, "policy", "/changes")).json()] == ["withdrawn", "rejected"]
    assert (await get(keepers, "policy", "/changes?state=open")).json() == []


async def test_a_value_names_the_change_that_brought_it_and_each_version_has_an_address(keepers: Office) -> None:
    shipped = (await get(keepers, "policy", "/versions/0")).json()
    assert (shipped["number"], shipped["change_id"]) == (0, None)
    case = await keepers.case()
    await keepers.task(case, process={"policy_version": shipped["case_version"]})
    first = await applied(keepers, LIMIT)
    second = await applied(keepers, DURATION)
    [new] = [
        v
        for v in (await get(keepers, "auditor", "/files/contribution_limits.csv")).json()
        if v["change_id"] == first["id"]
    ]
    assert (new["fields"]["floor"], new["source"]) == ("5000", LIMIT["source"])
    found = (await get(keepers, "policy", f"/files/contribution_limits.csv/value?key={new['key']}")).json()
    assert [v["valid_from"] for v in found["series"]][:2] == [
        "2026-01-01",
        "2026-01-01",
    ]  # the old one stands beside it
    assert {v["change_id"] for v in found["series"]} == {None, first["id"]}
    assert [c["id"] for c in found["changes"]] == [first["id"]]
    rules = await (await keepers.sign_in("clerk")).get("/api/v1/rules/values?month=2026-03&insurance=pension")
    assert rules.json()["items"][0]["limit"]["change_id"] == first["id"]  # published later, so it counts
    assert rules.json()["items"][0]["rate"]["change_id"] is None
    step = (await get(keepers, "policy", "/files/step_durations.yaml/value?key=steps[verification]")).json()
    assert (step["value"]["change_id"], step["changes"][0]["old"]["working_days"]) == (second["id"], 2)
    assert (await get(keepers, "policy", "/files/step_durations.yaml/value?key=steps[none]")).status_code == 404
    listed = (await get(keepers, "policy", "/versions")).json()
    assert [(v["number"], v["change_id"]) for v in listed] == [(2, second["id"]), (1, first["id"]), (0, None)]
    assert listed[1]["case_version"] == shipped["case_version"] != listed[0]["case_version"]  # a case carries no limits
    one = (await get(keepers, "policy", f"/versions/{shipped['case_version']}")).json()
    assert (one["open_cases"], [c["process_id"] for c in one["cases"]]) == (1, [case])
    assert (await get(keepers, "policy", f"/versions/{listed[0]['version']}")).json()["number"] == 2
    assert (await get(keepers, "policy", "/versions/77")).status_code == 404


async def test_the_preview_shows_late_fees_and_retirement(keepers: Office) -> None:
    from store.people import names_of

    case = await keepers.case(contract_start="2026-09-01", permit_issued="2026-08-20")
    async with session() as s:
        person = str((await s.execute(text("SELECT person_id FROM hires WHERE process_id = :p"), {"p": case})).scalar())
        await premium_lines.write_lines(
            s,
            LineRequest(
                process_id=case,
                person_id=person,
                levy="social",
                payment_month=str(clock.today())[:7],
                insurances=rule_tables.load().categories["FOREIGN_WORK_PERMIT"][1],
            ),
        )
        books = await premium_lines.case_books(s, case)
        name = (await names_of(s, [person]))[person]
    rate = {"valid_from": "2026-01-01", "daily_rate": "0.001"}
    fee = {
        "file": "late_fee.yaml", "kind": "row", "key": "rates", "new": rate, "reason": "测试", "source": "测试文件",
    }  # fmt: skip
    seen = (await get(keepers, "policy2", f"/changes/{await proposed(keepers, fee)}/preview")).json()
    old = sum(Decimal(f["old"]) for f in seen["late_fees"])
    assert old == Decimal(books.late_fee["social"]) > 0  # what the books say today
    assert {f["name"] for f in seen["late_fees"]} == {name}
    assert seen["fees"] == len(seen["late_fees"]) >= 1 and seen["people"] == 1
    for row in seen["late_fees"]:  # twice the rate, each rounded from the exact product
        days = (date.fromisoformat(row["paid_on"]) - date.fromisoformat(row["old_due"])).days
        assert Decimal(row["new"]) == (Decimal(row["owed"]) * Decimal("0.001") * days).quantize(
            Decimal("0.01"), "ROUND_HALF_UP"
        )
    assert seen["total_difference"] == seen["fee_difference"] == seen["persons"][0]["fee"]
    later = {**fee, "new": {**rate, "valid_from": "2027-07-01"}}
    seen = (await get(keepers, "policy2", f"/changes/{await proposed(keepers, later)}/preview")).json()
    assert {f["paid_on"] for f in seen["late_fees"]} == {"2027-07-01"}

    months = {
        "file": "min_contribution_months.csv", "kind": "row", "new": {"year": "2040", "months": "252"},
        "reason": "测试", "source": "测试文件",
    }  # fmt: skip
    seen = (await get(keepers, "policy2", f"/changes/{await proposed(keepers, months)}/preview")).json()
    [one] = seen["retirements"]
    assert (one["name"], one["old_months"], one["new_months"], seen["people_months"]) == (name, 240, 252, 1)
    assert one["old_retire"] == one["new_retire"] > "2040"
    assert (seen["people"], seen["total_difference"]) == (0, "0.00")
    none = {**months, "new": {"year": "2030", "months": "187"}}
    assert (await get(keepers, "policy2", f"/changes/{await proposed(keepers, none)}/preview")).json()[
        "people_months"
    ] == 0


async def test_who_may_read_and_change(keepers: Office) -> None:
    number = await proposed(keepers, DURATION)
    for path in (
        "/files", "/files/late_fee.yaml", "/files/step_durations.yaml/value?key=steps[materials]", "/changes",
        f"/changes/{number}/preview", "/take-over", "/versions", "/versions/0",
    ):  # fmt: skip
        for who, status in (("policy2", 200), ("auditor", 200), ("head", 200), ("clerk", 403), ("college", 403)):
            assert (await get(keepers, who, path)).status_code == status, (who, path)
    for who in ("auditor", "admin", "head", "clerk"):
        assert (await post(keepers, who, "/changes", **DURATION)).status_code == 403
        assert (await post(keepers, who, "/take-over", reason="x")).status_code == 403
        for verb in ("approve", "reject", "apply", "withdraw"):
            assert (await post(keepers, who, f"/changes/{number}/{verb}", note="x")).status_code == 403
    assert (await get(keepers, "policy", "/changes/99999999999")).status_code == 404
    assert (await get(keepers, "policy", "/files/countries.csv")).status_code == 404


async def test_what_breaks_the_rules_or_changes_nothing_is_refused(keepers: Office) -> None:
    broken = await post(keepers, "policy", "/changes", **{**DURATION, "new": {"working_days": "-3"}})
    assert (broken.status_code, broken.json()["code"]) == (422, "broken_rule")
    assert "working_days" in broken.json()["detail"]
    assert broken.json()["errors"][0]["pointer"] == "/new/working_days"
    bad = {**LIMIT, "new": {**LIMIT["new"], "floor": "-1", "valid_from": ""}}
    found = {e["pointer"] for e in (await post(keepers, "policy", "/changes", **bad)).json()["errors"]}
    assert found == {"/new/floor", "/new/valid_from"}
    twice = {**LIMIT, "new": {**LIMIT["new"], "published_on": "2026"}}
    assert (await post(keepers, "policy", "/changes", **twice)).json()["errors"][0]["pointer"] == "/new/valid_from"
    await applied(keepers, DURATION)
    same = await post(keepers, "policy", "/changes", **{**DURATION, "new": {"working_days": 3}})
    assert (same.status_code, same.json()["code"]) == (422, "no_change")
    assert (await post(keepers, "policy", "/changes", **{**DURATION, "sample": False})).status_code == 201  # confirmed
    unknown = await post(keepers, "policy", "/changes", **{**DURATION, "file": "secrets.yaml"})
    assert unknown.json()["errors"][0]["pointer"] == "/file"
    assert (await post(keepers, "policy", "/changes", **{**DURATION, "source": " "})).status_code == 422


async def test_a_value_that_moved_meanwhile_is_not_applied(keepers: Office) -> None:
    first, second = await proposed(keepers, DURATION), await proposed(keepers, {**DURATION, "new": {"working_days": 4}})
    for number in (first, second):
        assert (await post(keepers, "policy2", f"/changes/{number}/approve")).status_code == 200
    answers = await asyncio.gather(*(post(keepers, "policy", f"/changes/{n}/apply") for n in (first, second)))
    assert sorted(a.status_code for a in answers) == [200, 409]
    [late] = [a.json() for a in answers if a.status_code == 409]
    assert late["code"] == "value_moved"
    async with session() as s:
        numbers = list(await s.scalars(select(PolicyChangeRow.number).order_by(PolicyChangeRow.id)))
    assert sorted(numbers, key=str) == [1, None]


async def test_another_process_works_by_it_after_a_refresh(keepers: Office) -> None:
    await applied(keepers, DURATION)
    version = policies.snapshot().version
    policies.use(())  # as a process that has not looked yet
    assert policies.snapshot().version != version
    await policies.refresh()
    assert policies.snapshot().version == version


async def test_the_preview_of_a_limit_is_what_is_written_then(keepers: Office) -> None:
    """One case has its social lines written by the old cap, one has written nothing yet."""
    written, later = await keepers.case(), await keepers.case(id_number="C01X00T55", monthly_wage="14000.10")
    month = str(clock.today())[:7]

    async def write(case: str) -> None:
        async with session() as s:
            person = (await s.execute(text("SELECT person_id FROM hires WHERE process_id = :p"), {"p": case})).scalar()
            await premium_lines.write_lines(
                s,
                LineRequest(
                    process_id=case,
                    person_id=str(person),
                    levy="social",
                    payment_month=month,
                    insurances=rule_tables.load().categories["FOREIGN_WORK_PERMIT"][1],
                ),
            )

    await write(written)
    number = await proposed(keepers, LIMIT)
    seen = (await get(keepers, "policy2", f"/changes/{number}/preview")).json()
    assert (seen["people"], seen["lines"], seen["deadlines_moved"], seen["lines_not_computable"]) == (1, 1, 0, 0)
    [amount] = seen["amounts"]
    assert (amount["process_id"], amount["month"], amount["insurance"]) == (written, month, "pension")
    assert (amount["old_unit"], amount["old_person"]) == ("2880.00", "1440.00")  # 18000 between floor and cap
    assert (amount["new_unit"], amount["new_person"]) == ("2400.16", "1200.08")  # the cap, rounded to 15001 yuan
    assert seen["total_difference"] == amount["difference"] == "-719.76"
    assert seen["persons"][0]["name"] == "Anna Muster（穆安娜）"

    done = await applied(keepers, {**LIMIT, "new": {**LIMIT["new"], "cap": "13000", "valid_to": ""}})
    assert done["impact"]["people"] == 2
    await write(later)
    async with session() as s:
        lines = {
            line.process_id: line
            for line in await s.scalars(select(PremiumLine).where(PremiumLine.insurance == "pension"))
        }
    assert lines[written].unit_amount == Decimal("2880.00")  # the books stay
    assert (lines[later].unit_amount, lines[later].base) == (Decimal("2080.00"), Decimal(13000))
    assert limit_for(
        "pension", "enterprise", "2025-12", date(2026, 12, 1), rule_tables.load().contributions
    )[0].source != LIMIT["source"]  # fmt: skip


async def test_orders_are_told_once_and_survive_silence(keepers: Office) -> None:
    """Temporal away: the order stays; the case gone: it is closed; the same version again: no second order."""
    from api.policy_orders import send_policy_orders
    from schemas.process import PolicyAnswer

    first, second = await keepers.case(), await keepers.case(id_number="C01X00T55")
    for case in (first, second):
        await keepers.task(case, process={"policy_version": "older"})
    answer = await post(keepers, "policy", "/take-over", reason="统一", process_ids=[first])
    assert (answer.status_code, answer.json()["ordered"]) == (202, 1)
    assert (await post(keepers, "policy", "/take-over", reason="统一")).json()["ordered"] == 1  # the other one
    assert (await post(keepers, "policy", "/take-over", reason="x", process_ids=["nobody"])).status_code == 422
    keepers.temporal.silent = True
    assert await send_policy_orders() == 0
    standing = (await get(keepers, "policy", "/take-over")).json()
    assert (standing["behind"], standing["pending"], standing["done"]) == (2, 2, 0)
    keepers.temporal.silent = False
    async with session() as s:
        orders = await policy_orders.pending(s, 10)
    assert [o.attempts for o in orders] == [1, 1]
    for order in orders:
        keepers.temporal.answers[f"policy/{order.id}"] = PolicyAnswer(version=policies.snapshot().version, moved=0)
    assert await send_policy_orders() == 2
    assert await send_policy_orders() == 0
    assert (await get(keepers, "policy", "/take-over")).json()["done"] == 2
