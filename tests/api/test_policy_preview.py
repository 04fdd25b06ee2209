"""What a change touches in the books: every line of the ledger, with or without a case, and what nobody can tell."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from runtime import clock
from schemas.base import Text
from store import people
from store.database import session
from store.month_lines import InsuredMonth, write_month
from store.policy_impact import NO_WAGE, OF_THE_AGENCY
from store.premium_lines import add_correction, lines_of_case
from store.tables.ledger import PremiumLine
from tests.api.conftest import Office, add_policy_administrators, hire
from tests.api.test_policy import LIMIT, applied, get, proposed

MONTH = "2026-09"  # past its payment day on the tests' day
RATE = {
    "file": "late_fee.yaml", "kind": "row", "key": "rates", "new": {"valid_from": "2026-01-01", "daily_rate": "0.001"},
    "reason": "测试", "source": "测试文件",
}  # fmt: skip


@pytest.fixture
async def keepers(office: Office) -> Office:
    """Two policy administrators beside the office."""
    await add_policy_administrators()
    return office


async def of_the_list(number: int, wage: str) -> InsuredMonth:
    """Somebody of the month's list: a person without any enrolment here."""
    person = f"person-of-list-{number}"
    async with session() as s:
        await people.save_person(s, hire(id_number=f"C01X00T{number}"), person, clock.now())
    return InsuredMonth(f"monthly-{person}", person, "business", "FOREIGN_WORK_PERMIT", Decimal(wage))


async def written(*staff: InsuredMonth, month: str = MONTH, known_on: date | None = None) -> None:
    async with session() as s:
        await write_month(
            s, staff, month=month, payment_month=month, known_on=known_on or clock.today(), now=clock.now(),
            actor="system",
        )  # fmt: skip


async def seen_of(office: Office, body: dict[str, Any]) -> dict[str, Any]:
    answer = await get(office, "policy2", f"/changes/{await proposed(office, body)}/preview")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_lines_of_a_months_list_are_counted_without_a_case(keepers: Office) -> None:
    above, below = await of_the_list(61, "18000.00"), await of_the_list(62, "6000.00")
    await written(above, below)
    seen = await seen_of(keepers, LIMIT)
    assert (seen["people"], seen["lines"], seen["lines_not_computable"]) == (1, 1, 0)
    [amount] = seen["amounts"]
    assert (amount["person_id"], amount["process_id"], amount["case_no"]) == (above.person_id, above.process_id, "")
    assert (amount["month"], amount["insurance"], amount["old_unit"]) == (MONTH, "pension", "2880.00")
    assert seen["total_difference"] == amount["difference"] == "-719.76"
    assert seen["persons"][0]["name"] == "Anna Muster（穆安娜）"

    fees = await seen_of(keepers, RATE)
    owing = {(f["person_id"], f["levy"]) for f in fees["late_fees"]}
    assert owing == {(p.person_id, levy) for p in (above, below) for levy in ("social", "medical")}
    assert {f["case_no"] for f in fees["late_fees"]} == {""} and fees["people"] == 2
    assert (await applied(keepers, RATE))["impact"]["fees"] == 4


async def test_a_written_line_is_computed_by_its_own_wage_not_by_a_later_record(keepers: Office) -> None:
    """The record of a case says another wage today than the one the line was declared with."""
    case = await keepers.case(monthly_wage="30000.00")
    async with session() as s:
        person = (await people.hire_row(s, case)).person_id
    await written(InsuredMonth(case, person, "business", "FOREIGN_WORK_PERMIT", Decimal("18000.00")), month="2026-11")
    seen = await seen_of(keepers, LIMIT)
    [amount] = [a for a in seen["amounts"] if a["process_id"] == case]
    assert (amount["old_unit"], amount["new_unit"]) == ("2880.00", "2400.16")


async def test_what_cannot_be_computed_is_listed_with_its_reason(keepers: Office) -> None:
    someone = await of_the_list(63, "18000.00")
    await written(someone)
    async with session() as s:
        [first] = [p for p in await lines_of_case(s, someone.process_id) if p.insurance == "pension"]
        by_agency = await add_correction(
            s, first, Decimal("16.00"), Decimal("8.00"), Text(zh="账单", en="bill"), actor="clerk", now=clock.now(),
            month="2026-08",
        )  # fmt: skip
        columns = {c.key: getattr(first, c.key) for c in PremiumLine.__table__.columns if c.key != "id"}
        unknown = {"process_id": "taken-over", "declared": None, "scheme": None}
        await s.execute(insert(PremiumLine).values(columns | unknown))
    assert by_agency.correction == 0
    seen = await seen_of(keepers, LIMIT)
    assert seen["lines"] == 1 and seen["lines_not_computable"] == len(seen["not_computable"]) == 2
    found = {n["process_id"]: n for n in seen["not_computable"]}
    assert found["taken-over"]["reason"] == NO_WAGE.model_dump()
    assert (found["taken-over"]["name"], found["taken-over"]["insurance"]) == ("Anna Muster（穆安娜）", "pension")
    assert (found[someone.process_id]["month"], found[someone.process_id]["reason"]) == (
        "2026-08", OF_THE_AGENCY.model_dump(),
    )  # fmt: skip
    other = await seen_of(keepers, {**LIMIT, "new": {**LIMIT["new"], "insurance": "unemployment"}})
    assert {n["process_id"] for n in other["not_computable"]} == set(), "another insurance touches it"

    async with session() as s:  # a month before any limit of ours
        await s.execute(insert(PremiumLine).values(columns | {"premium_month": "2009-01"}))
    gap = await seen_of(keepers, LIMIT)
    [old] = [n for n in gap["not_computable"] if n["month"] == "2009-01"]
    assert old["reason"]["en"].startswith("By the rules in force:") and "2009-01" in old["reason"]["en"]
    assert (await applied(keepers, LIMIT))["impact"]["lines_not_computable"] == 3
