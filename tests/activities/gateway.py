"""What the tests of the gateway do beside the product: the agencies' behaviour and logs, and people on record."""

import dataclasses
import uuid
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2
from pydantic import BaseModel
from temporalio.testing import ActivityEnvironment

from activities.bureaus import poll_application, submit_application
from runtime import clock
from schemas.calls import RegistrationArg
from schemas.enrolment import ForeignHire, Sex
from store import people, registrations
from store.database import session
from store.tables.registrations import Registration

SOCIAL, MEDICAL, TAX = "social_bureau", "medical_bureau", "tax_office"
HIRE = ForeignHire(
    name="Anna Muster", sex=Sex.FEMALE, country="DEU", birth=date(1985, 3, 14), id_number="C01X00T47",
    id_expires=date(2031, 1, 31), work_permit_no="5100202699999999", permit_issued=date(2026, 10, 16),
    permit_expires=date(2027, 10, 16), residence_expires=date(2027, 10, 30), org_unit="business",
    contract_start=date(2026, 10, 20), contract_end=date(2028, 10, 19), monthly_wage=Decimal("18000.00"),
)  # fmt: skip


class Agencies:
    """What a test does with the agencies beside the product: set their behaviour, read their logs."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=10)

    def behave(self, agency: str, **fields: Any) -> None:
        quick = {"accept_after_seconds": 0, "decide_after_seconds": 0, "sync_after_seconds": 0}
        assert self.http.put(f"/{agency}/behaviour", json=quick | fields).status_code == 200

    def log(self, agency: str) -> list[tuple[str, bool]]:
        return [(i["outcome"], i["repeat"]) for i in self.http.get(f"/{agency}/log").json()["items"]]

    def in_force(self, agency: str) -> set[str]:
        return {r["number"] for r in self.http.get(f"/{agency}/registrations").json()["items"]}

    def forget(self) -> None:
        for agency in (SOCIAL, MEDICAL, TAX):
            self.behave(agency)
            self.http.delete(f"/{agency}/log")


async def run(activity: Callable[..., Any], arg: BaseModel, name: str = "test") -> Any:
    """Runs an activity as a worker does, and sees to it that what goes back holds nothing personal."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, activity_id=name)
    result = await environment.run(activity, arg)
    text = result.model_dump_json() if isinstance(result, BaseModel) else str(result)
    assert "Muster" not in text and "X00T" not in text and "DEU0" not in text
    return result


async def case(agency: str = SOCIAL, attempt: int = 1, **changes: Any) -> RegistrationArg:
    """A case of a new person with a record, about to hand in; each person has a document number of its own."""
    number = f"C{uuid.uuid4().hex[:8].upper()}"
    hire = HIRE.model_copy(update={"id_number": number} | changes)
    process_id = f"enrolment-{uuid.uuid4().hex[:8]}"
    async with session() as s:
        person = await people.save_person(s, hire, str(uuid.uuid4()), clock.now())
        await people.save_hire(s, process_id, person.id, hire, source=process_id, now=clock.now())
    return RegistrationArg(process_id=process_id, person_id=person.id, agency=agency, attempt=attempt)


async def row_of(arg: RegistrationArg) -> Registration:
    async with session() as s:
        row = await registrations.get(s, arg.process_id, arg.agency, arg.attempt)
    assert row is not None
    return row


async def enrol(arg: RegistrationArg) -> str:
    """Through the interface to the number."""
    await run(submit_application, arg)
    assert (await run(poll_application, arg)).state == "approved"
    number = registrations.number_of(await row_of(arg))
    assert number is not None
    return number


async def by_hand(agency: str, number: str) -> RegistrationArg:
    """A registration that a clerk made on the bureau's site and recorded here."""
    arg = await case(agency)
    async with session() as s:
        row = await registrations.ensure(s, arg)
        registrations.submitted(row, "GT1", clock.now())
        await registrations.approve(s, row, number, clock.now())
    return arg


def applications(agencies: Agencies, arg: RegistrationArg) -> list[dict[str, Any]]:
    key = f"{arg.process_id}:{arg.agency}:{arg.attempt}"
    return agencies.http.get(f"/{arg.agency}/applications", params={"idempotency_key": key}).json()["items"]
