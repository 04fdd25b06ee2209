"""Cases with a record in a real database, forms as submitted, and activities run as a worker runs them."""

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest_asyncio
from pydantic import BaseModel
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from domain.times import SHANGHAI
from runtime import clock
from runtime.settings import Settings
from schemas.calls import BillArg, CaseArg, FreezeArg, PaymentScope
from schemas.enrolment import ForeignHire, LineRequest, Sex
from schemas.forms import Form
from schemas.tax_payment import BillKind, BillRef
from store import database as db
from store import documents, ledger, people, submissions
from store.tables.ledger import AgencyLine
from store.tables.people import OrgUnit

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=SHANGHAI)  # a Wednesday before the payment day
SOCIAL = ["pension", "unemployment", "work_injury"]
MEDICAL = ["medical", "maternity", "large_medical"]
SCOPE = PaymentScope(unit="school", levy="social", month="2026-11")
HIRE = ForeignHire(
    name="Anna Muster", name_zh="穆安娜", sex=Sex.FEMALE, country="DEU", birth=date(1985, 3, 14),
    id_number="C01X00T47", id_expires=date(2031, 1, 31), work_permit_no="5100202699999999",
    permit_issued=date(2026, 11, 2), permit_expires=date(2027, 11, 2), residence_expires=date(2027, 11, 30),
    org_unit="business", contract_start=date(2026, 11, 3), contract_end=date(2028, 11, 2),
    monthly_wage=Decimal("18000.00"),
)  # fmt: skip


async def run(activity: Callable[..., Any], arg: BaseModel) -> Any:
    """Runs an activity, and sees to it that what goes back holds no name and no number."""
    result = await ActivityEnvironment().run(activity, arg)
    seen = result.model_dump_json() if isinstance(result, BaseModel) else str(result)
    assert "Muster" not in seen and "X00T" not in seen
    return result


async def twice(activity: Callable[..., Any], arg: BaseModel) -> Any:
    """Runs an activity twice: the second time it changes no row and gives the same answer."""
    first = await run(activity, arg)
    before = await contents()
    again = await run(activity, arg)
    assert again == first and await contents() == before, f"{activity.__name__} is not idempotent"
    return first


async def contents() -> dict[str, list[str]]:
    """Every row of the tables this area writes."""
    names = (
        "premium_lines", "bills", "bill_lines", "taken_off", "agency_lines", "withholdings", "vouchers",
        "voucher_splits", "registrations", "hires", "watch_dates", "documents",
    )  # fmt: skip
    async with db.session() as s:
        return {n: sorted(str(r) for r in await s.execute(text(f"SELECT * FROM {n}"))) for n in names}


class Office:
    """What a test does around the activities: cases, submitted forms, the agency's bill."""

    async def case(self, **changes: Any) -> CaseArg:
        """A case of a new person; each has a document number of its own."""
        hire = HIRE.model_copy(update={"id_number": f"C{uuid.uuid4().hex[:8].upper()}"} | changes)
        process_id = f"enrolment-{uuid.uuid4().hex[:8]}"
        async with db.session() as s:
            person = await people.save_person(s, hire, str(uuid.uuid4()), clock.now())
            await people.save_hire(s, process_id, person.id, hire, source="import", now=clock.now())
        return CaseArg(process_id=process_id, person_id=person.id)

    def request(self, case: CaseArg, levy: str = "social", month: str = "2026-11", **more: Any) -> LineRequest:
        return LineRequest(
            process_id=case.process_id,
            person_id=case.person_id,
            levy=levy,
            payment_month=month,
            insurances=SOCIAL if levy == "social" else MEDICAL,
            **more,
        )

    async def submit(self, kind: str, outcome: str, form: Form, process_id: str = "x", actor: str = "clerk") -> str:
        """The id of a submission as the API stores it."""
        async with db.session() as s:
            row = await submissions.add(
                s,
                task_id=str(uuid.uuid4()),
                process_id=process_id,
                kind=kind,
                key=str(uuid.uuid4()),
                digest="",
                form=form.model_dump(mode="json"),
                outcome_code=outcome,
                version=1,
                actor=actor,
                on_behalf=False,
                reason=None,
                document_id=None,
                now=clock.now(),
            )
            return row.id

    async def billed(self, *cases: CaseArg, kind: str = BillKind.REGULAR, number: int = 1) -> BillRef:
        """The cases' open lines of the month's social levy on a bill."""
        async with db.session() as s:
            for case in cases:
                await ledger.write_lines(s, self.request(case))
        async with db.session() as s:
            return await ledger.freeze_bill(s, FreezeArg(scope=SCOPE, kind=kind, round=number))

    async def agency_says(self, bill: BillArg, cents: int = 0, **extra: Any) -> None:
        """The agency's bill: ours, its first line's unit part `cents` higher; `extra` adds a line."""
        async with db.session() as s:
            pairs = await ledger.beside_agency(s, bill.bill_id)
            for n, ((person, month, insurance), (ours, _)) in enumerate(pairs.items()):
                unit = ours.unit + (Decimal(cents) / 100 if n == 0 else 0)
                s.add(
                    AgencyLine(
                        bill_id=bill.bill_id, person_id=person, premium_month=month, insurance=insurance,
                        unit_amount=unit, person_amount=ours.person,
                    )
                )  # fmt: skip
            if extra:
                s.add(AgencyLine(bill_id=bill.bill_id, **extra))

    async def file(self, document_id: str) -> bytes:
        async with db.session() as s:
            return (await documents.read(s, document_id))[1]


@pytest_asyncio.fixture(loop_scope="session")
async def office(database: Settings) -> AsyncIterator[Office]:
    """A database with two colleges, at noon of a working day in November 2026."""
    clock.set_offset(NOON - clock.real_now())
    async with db.session() as s:
        s.add(OrgUnit(id="business", name_zh="商学院", name_en="Business School"))
        s.add(OrgUnit(id="physics", name_zh="物理学院", name_en="School of Physics"))
    yield Office()
