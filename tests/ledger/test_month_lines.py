"""A month's lines in bulk: the very lines that a case writes alone, once however often they are written."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from activities.ledger import write_lines
from domain.contributions import PolicyGap
from runtime import clock
from store import database as db
from store import month_lines, premium_lines
from store.month_lines import InsuredMonth, write_month
from store.tables.ledger import PremiumLine
from tests.ledger.conftest import MEDICAL, NOON, Office, contents, run

WAGES = ("3999.50", "4699.00", "18000.00", "23493.49", "60000.00")
SHOWN = (
    "levy", "premium_month", "payment_month", "insurance", "correction", "corrects", "voids", "base", "unit_rate",
    "person_rate", "unit_amount", "person_amount", "org_unit", "unit", "flags", "explanation_zh", "explanation_en",
    "source", "reason", "created_by", "declared", "scheme",
)  # fmt: skip


def shown(lines: list[PremiumLine]) -> dict[str, tuple[object, ...]]:
    return {line.insurance: tuple(getattr(line, c) for c in SHOWN) for line in lines}


async def write(staff: list[InsuredMonth], month: str = "2026-11") -> int:
    async with db.session() as s:
        return await write_month(
            s, staff, month=month, payment_month="2026-11", known_on=NOON.date(), now=clock.now(), actor="system"
        )


async def test_the_lines_are_those_of_a_single_case(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month_lines, "CHUNK", 2)
    staff: list[InsuredMonth] = []
    alone: dict[str, dict[str, tuple[object, ...]]] = {}
    for wage in WAGES:
        case = await office.case(monthly_wage=Decimal(wage))
        await run(write_lines, office.request(case))
        await run(write_lines, office.request(case, "medical"))
        async with db.session() as s:
            alone[case.person_id] = shown(await premium_lines.lines_of_case(s, case.process_id))
        own = f"month-{case.person_id}"
        staff.append(InsuredMonth(own, case.person_id, "business", "FOREIGN_WORK_PERMIT", Decimal(wage)))
    assert await write(staff) == len(WAGES) * (3 + len(MEDICAL))
    before = await contents()
    assert await write(staff) == 0 and await contents() == before, "written twice it changed something"
    async with db.session() as s:
        for insured in staff:
            rows = list(await s.scalars(select(PremiumLine).where(PremiumLine.process_id == insured.process_id)))
            assert shown(rows) == alone[insured.person_id]


async def test_a_month_without_limits_writes_nothing(office: Office) -> None:
    case = await office.case()
    before = await contents()
    with pytest.raises(PolicyGap):
        await write([InsuredMonth("m", case.person_id, "business", "FOREIGN_WORK_PERMIT", Decimal(9000))], "2009-01")
    assert await contents() == before
