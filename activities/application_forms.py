"""Fills an agency's application from the person's record: as a file for the case, and as the body of its interface.

Both come from one record and one list of insurances, so that what a clerk sees in the file is what the interface
gets.
Invariants: the insurances are those confirmed at verification, cut to what the agency handles; the file of an attempt
is made once and stays, whatever the record becomes later. Nothing personal is returned: the result is a document's id.
"""

import uuid
from functools import lru_cache
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.import_files import IncompleteRecord, parse_files, workbook
from runtime import clock
from schemas.base import Text
from schemas.bureaus import AgencyFiles
from schemas.calls import RegistrationArg
from schemas.enrolment import ForeignHire, Sex
from store import case_rules, documents, people
from store import policies as rules
from store.case_rules import CaseRules
from store.database import session

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
UNIT = "school"
SEX = {Sex.MALE: "M", Sex.FEMALE: "F"}


def agency_files() -> AgencyFiles:
    """The agencies' file layouts in force."""
    return _agency_files(rules.text("agency_forms.yaml"))


@lru_cache(maxsize=1)
def _agency_files(text: str) -> AgencyFiles:
    return parse_files(text)


def insurances_at(agency: str, category: str, confirmed: list[str] | None, by: CaseRules) -> list[str]:
    """The insurances applied for at one agency: of those it handles the ones that were confirmed, or before that the
    ones of the person's category (an agency also handles what only others have, such as the annuity)."""
    paid = by.insurances(category) if confirmed is None else confirmed
    return [i for i in by.handled[agency] if i in paid]


def start_month(hire: ForeignHire) -> str:
    """The first month insured: that in which the contract begins (another one is refused with R14)."""
    return f"{hire.contract_start:%Y-%m}"


def file_record(hire: ForeignHire, insurances: list[str]) -> dict[str, Any]:
    """The record under the names that the layouts use."""
    return hire.model_dump() | {
        "insurances": insurances, "start_month": start_month(hire), "base": hire.monthly_wage,
        "sex": hire.sex.value, "hire_kind": hire.hire_kind.value, "certificate": hire.certificate.value,
    }  # fmt: skip


def interface_body(hire: ForeignHire, insurances: list[str]) -> dict[str, Any]:
    """The application as the agencies' interface takes it."""
    return {
        "kind": "enrolment", "name": hire.name, "id_type": hire.id_type, "id_number": hire.id_number,
        "country": hire.country, "birth": hire.birth.isoformat(), "sex": SEX[hire.sex], "employer": UNIT,
        "start_month": start_month(hire), "base": f"{hire.monthly_wage:.2f}", "insurances": insurances,
        "phone": hire.phone, "email": hire.email,
    }  # fmt: skip


@activity.defn(name="fill_application")
async def fill_application(arg: RegistrationArg) -> str:
    """Makes the import file of one attempt and keeps it as a document of the case; the id is the same on every retry.

    Raises a non-retryable ApplicationError of type IncompleteRecord that names what the record lacks.
    """
    form = agency_files().applications[arg.agency]
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{arg.process_id}/{arg.agency}/{arg.attempt}/application"))
    async with session() as s:
        try:
            row = await people.hire_row(s, arg.process_id)
            hire = await people.hire_of(s, arg.process_id)
        except people.UnknownHire:
            text = Text(zh="该业务没有人员信息，无法填写申请表。", en="This case has no person's record to fill in.")
            raise ApplicationError(f"{text.zh} {text.en}", type="UnknownHire", non_retryable=True) from None
        try:
            by = await case_rules.of_case(s, arg.process_id)
            applied = insurances_at(arg.agency, row.category, row.insurances, by)
            content = workbook(form, [file_record(hire, applied)])
        except IncompleteRecord as error:
            raise ApplicationError(str(error), type="IncompleteRecord", non_retryable=True) from None
        document = await documents.store(
            s,
            content,
            filename=form.filename.format(attempt=arg.attempt),
            media_type=XLSX,
            code=form.code,
            uploaded_by="system",
            now=clock.now(),
            process_id=arg.process_id,
            document_id=document_id,
            replaces=True,
        )
        return document.id


ACTIVITIES = [fill_application]
