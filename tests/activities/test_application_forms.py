"""The application of an attempt: one document a try, filled from the record as it then stood, on real PostgreSQL."""

import uuid
from io import BytesIO

import openpyxl
import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.application_forms import fill_application
from runtime import clock
from runtime.settings import Settings
from schemas.calls import RegistrationArg
from schemas.enrolment import ForeignHire
from store import case_rules, documents, people, policies
from store.applications import insurances_at, interface_body
from store.database import session
from store.tables.people import Hire
from tests.activities.gateway import HIRE


async def case(process_id: str, hire: ForeignHire = HIRE) -> str:
    """A case with its person and record; gives the person's id."""
    async with session() as s:
        person = await people.save_person(s, hire, str(uuid.uuid4()), clock.now())
        await people.save_hire(s, process_id, person.id, hire, source=str(uuid.uuid4()), now=clock.now())
        return person.id


async def filled(arg: RegistrationArg) -> str:
    return await ActivityEnvironment().run(fill_application, arg)


async def test_each_attempt_has_one_file_and_the_newest_counts(database: Settings) -> None:
    person = await case("enrolment-1")
    arg = RegistrationArg(process_id="enrolment-1", person_id=person, agency="social_bureau", attempt=1)
    first = await filled(arg)
    assert await filled(arg) == first
    async with session() as s:
        corrected = HIRE.model_copy(update={"name": "ANNA MARIA MUSTER"})
        await people.save_hire(s, "enrolment-1", person, corrected, source="correction", now=clock.now())
    second = await filled(arg.model_copy(update={"attempt": 2}))
    async with session() as s:
        assert [d.id for d in await documents.of_process(s, "enrolment-1")] == [second]
        _, content = await documents.read(s, first)
        row, newer = await documents.read(s, second)
    assert row.code == "application_social_bureau" and row.filename.endswith("_2.xlsx")
    assert openpyxl.load_workbook(BytesIO(content)).worksheets[0]["B2"].value == "Anna Muster"
    assert openpyxl.load_workbook(BytesIO(newer)).worksheets[0]["B2"].value == "ANNA MARIA MUSTER"


async def test_exempt_insurances_are_not_applied_for(database: Settings) -> None:
    person = await case("enrolment-2")
    async with session() as s:
        await s.execute(update(Hire).values(insurances=["work_injury", "medical", "maternity", "large_medical"]))
    arg = RegistrationArg(process_id="enrolment-2", person_id=person, agency="social_bureau", attempt=1)
    async with session() as s:
        _, content = await documents.read(s, await filled(arg))
    sheet = openpyxl.load_workbook(BytesIO(content)).worksheets[0]
    row = {sheet.cell(1, c).value: sheet.cell(2, c).value for c in range(1, sheet.max_column + 1)}
    assert (row["参保险种"], row["参保起始年月"]) == ("工伤保险", "202610")


async def test_a_case_without_a_record_is_named(database: Settings) -> None:
    arg = RegistrationArg(process_id="enrolment-none", person_id="x", agency="medical_bureau", attempt=1)
    with pytest.raises(ApplicationError, match="没有人员信息") as caught:
        await filled(arg)
    assert caught.value.non_retryable


def test_file_and_interface_say_the_same() -> None:
    rules = case_rules.parse(policies.texts())
    body = interface_body(HIRE, insurances_at("medical_bureau", "FOREIGN_WORK_PERMIT", None, rules))
    assert body["insurances"] == ["medical", "maternity", "large_medical"]
    # The bureau also handles the annuity, which foreign staff do not have.
    assert insurances_at("social_bureau", "FOREIGN_WORK_PERMIT", None, rules) == [
        "pension",
        "unemployment",
        "work_injury",
    ]
    assert "annuity" in insurances_at("social_bureau", "ESTAB_MAINLAND", None, rules)
    assert (body["sex"], body["base"], body["start_month"]) == ("F", "18000.00", "2026-10")
