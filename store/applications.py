"""What an agency's application holds: a person's record under the names of the layouts, and as its interface takes it.

One record and one list of insurances for the file of one person, the list of many and the interface, so that what a
clerk sees is what the agency gets.
Invariants: the insurances are those confirmed at verification, cut to what the agency handles.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from schemas.bureaus import AgencyFiles
from schemas.enrolment import ForeignHire, Sex
from store import case_rules, people
from store import policies as rules
from store.case_rules import CaseRules
from store.import_files import parse_files
from store.sealed import keyed_hash

UNIT = "school"
SEX = {Sex.MALE: "M", Sex.FEMALE: "F"}


def agency_files() -> AgencyFiles:
    """The agencies' file layouts in force."""
    return _agency_files(rules.text("agency_forms.yaml"))


@lru_cache(maxsize=1)
def _agency_files(text: str) -> AgencyFiles:
    return parse_files(text)


async def hire_and_insurances(session: AsyncSession, process_id: str, agency: str) -> tuple[ForeignHire, list[str]]:
    """A case's valid record, and the insurances applied for at one agency. UnknownHire."""
    row = await people.hire_row(session, process_id)
    by = await case_rules.of_case(session, process_id)
    return people.clear(row), insurances_at(agency, row.category, row.insurances, by)


async def file_record_of(session: AsyncSession, process_id: str, agency: str) -> dict[str, Any]:
    """A case's record for one agency's layout. UnknownHire."""
    return file_record(*await hire_and_insurances(session, process_id, agency))


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


def said(agency: str, hire: ForeignHire, papers: list[str]) -> str:
    """Keyed hash of all that an agency is told of the person, whichever way: its file, its interface, the papers. The
    insurances are not in it: the case knows them."""
    record = file_record(hire, []) | {"base": f"{hire.monthly_wage:.2f}"}
    columns = {c.source for c in agency_files().applications[agency].columns if c.source in record}
    values = {name: record[name] for name in columns} | interface_body(hire, [])
    return keyed_hash(repr([agency, sorted(values.items()), papers]))


def interface_body(hire: ForeignHire, insurances: list[str]) -> dict[str, Any]:
    """The application as the agencies' interface takes it."""
    return {
        "kind": "enrolment", "name": hire.name, "id_type": hire.id_type, "id_number": hire.id_number,
        "country": hire.country, "birth": hire.birth.isoformat(), "sex": SEX[hire.sex], "employer": UNIT,
        "start_month": start_month(hire), "base": f"{hire.monthly_wage:.2f}", "insurances": insurances,
        "phone": hire.phone, "email": hire.email,
    }  # fmt: skip
