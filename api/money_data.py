"""What a task about money or an agency shows for reading: application, bill beside the agency's lines, the split.

Amounts are strings of yuan with two places, as they came from the books; nothing is computed here that decides
anything. Every premium line carries its base, rates, explanation and source.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from schemas.calls import PaymentScope
from schemas.tasks import TaskSpec
from schemas.tax_payment import (
    CASE_CANCELLED,
    NO_NUMBER,
    NOT_ON_LIST,
    NOT_VISIBLE,
    TAKEN_OFF_BY_US,
    TO_A_LATER_BILL,
    WAS_REVERSED,
    to_remove,
)
from store import documents, ledger, people, policies, registrations, taking_off, vouchers
from store.sealed import unseal
from store.tables.ledger import Bill

ZERO = Decimal("0.00")


async def application(session: AsyncSession, process_id: str, spec: TaskSpec) -> dict[str, Any]:
    """The application's file of this agency, newest first, and what the attempts before it came to."""
    agency = spec.authority or ""
    rows = await documents.of_process(session, process_id)
    files = [{"id": d.id, "code": d.code, "filename": d.filename} for d in rows if agency in d.code]
    tried = [r for r in await registrations.of_case(session, process_id) if r.agency == agency]
    found: dict[str, Any] = {"files": files[::-1]}
    if tried:
        found["attempts"] = [
            {
                "attempt": r.attempt,
                "state": r.state,
                "receipt_no": r.receipt_no,
                "submitted_at": r.submitted_at.isoformat() if r.submitted_at else None,
                "refused_code": r.refused_code,
                "refused_note": r.refused_note,
            }
            for r in tried
        ]
    return found


async def open_list(session: AsyncSession, scope: dict[str, Any]) -> dict[str, Any]:
    """How many lines wait to be frozen: of the month, and of earlier months."""
    lines = await ledger.open_lines(session, PaymentScope.model_validate(scope))
    return {"current_lines": lines.current, "earlier_lines": lines.earlier}


async def bill(session: AsyncSession, bill_id: str) -> dict[str, Any]:
    """A bill with its totals, its lines, and the comparison per person, month and insurance."""
    row = await ledger.get_bill(session, bill_id)
    ref = await ledger.bill_ref(session, bill_id)
    lines = await ledger.lines_of_bill(session, bill_id)
    pairs = await ledger.beside_agency(session, bill_id)
    names = await people.names_of(session, [person for person, _, _ in pairs])
    units = await people.org_units(session)
    numbers = await _numbers(session, {x.person_id for x in lines}, row.levy)
    found: dict[str, Any] = {
        "bill_kind": ref.kind,
        "levy": row.levy,
        "month": row.month,
        "persons": ref.persons,
        "unit_total": ref.unit_total,
        "person_total": ref.person_total,
        "total": str(Decimal(ref.unit_total) + Decimal(ref.person_total)),
        "late_fee": ref.late_fee,
        "sample": ref.sample,
        "agency_bill_no": row.agency_bill_no,
        "certificate_no": row.certificate_no,
        "lines": [
            {
                "person_name": names.get(x.person_id, ""),
                "number": numbers.get(x.person_id),
                "org_unit": units[x.org_unit].model_dump() if x.org_unit in units else x.org_unit,
                "premium_month": x.premium_month,
                "insurance": x.insurance,
                "base": str(x.base),
                "unit_rate": str(x.unit_rate),
                "person_rate": str(x.person_rate),
                "unit_amount": str(x.unit_amount),
                "person_amount": str(x.person_amount),
                "explanation": {"zh": x.explanation_zh, "en": x.explanation_en},
                "source": x.source,
                "correction": x.correction > 0,
                "sample": "sample" in x.flags,
            }
            for x in lines
        ],
    }
    found |= await _gone(session, row)
    if row.agency_total is not None:
        found |= await _comparison(session, row, pairs, names)
    return found


async def _comparison(session: AsyncSession, row: Bill, pairs: ledger.Pairs, names: dict[str, str]) -> dict[str, Any]:
    """Our lines beside the agency's. Who is on the agency's bill alone is marked, by name or by the number on it."""
    others = await ledger.strangers(session, row.id)
    off = {x.person_id for x in await taking_off.taken_off(session, row.id)}
    numbers = {person: str(unseal(number)) for person, number in others.items() if number is not None}
    lines: list[dict[str, Any]] = []
    for (person, month, insurance), (ours, theirs) in pairs.items():
        lines.append(
            {
                "person_name": names.get(person, ""),
                "premium_month": month,
                "insurance": insurance,
                "ours_unit": str(ours.unit),
                "theirs_unit": str(theirs.unit),
                "ours_person": str(ours.person),
                "theirs_person": str(theirs.person),
                "difference": str(theirs.unit + theirs.person - ours.unit - ours.person),
                "equal": ours == theirs and person not in others,
            }
        )
        if person in others:
            mark = TAKEN_OFF_BY_US if person in off else NOT_ON_LIST
            lines[-1] |= {"number_on_bill": numbers.get(person), "mark": mark.model_dump()}
    return {"comparison": lines} | ({"not_on_list": to_remove(len(others)).model_dump()} if others else {})


async def _gone(session: AsyncSession, row: Bill) -> dict[str, Any]:
    """Who was taken off the bill, why and what becomes of it; and who stands on it although the case was cancelled."""
    off = await taking_off.taken_off(session, row.id)
    leaving = await taking_off.leavers(session, row.id) if taking_off.is_open(row) else []
    names = await people.names_of(session, [x.person_id for x in off] + leaving)
    found: dict[str, Any] = {}
    if off:
        found["taken_off"] = [
            {
                "person_name": names.get(x.person_id, ""),
                "amount": str(x.amount),
                "reason": x.reason or CASE_CANCELLED.model_dump(),
                "afterwards": (WAS_REVERSED if x.cancelled else TO_A_LATER_BILL).model_dump(),
            }
            for x in off
        ]
    if leaving:
        found["leaving"] = [names.get(person, "") for person in leaving]
    return found


async def people_on(session: AsyncSession, bill_id: str, missing: Collection[str]) -> list[dict[str, Any]]:
    """Who can be taken off the bill; those whom the tax client did not show when it was last asked are marked."""
    row = await ledger.get_bill(session, bill_id)
    amounts: dict[str, Decimal] = {}
    for line in await ledger.lines_of_bill(session, bill_id):
        amounts[line.person_id] = amounts.get(line.person_id, ZERO) + line.unit_amount + line.person_amount
    names = await people.names_of(session, list(amounts))
    numbers = await _numbers(session, set(amounts), row.levy)
    return [
        {
            "person_id": person,
            "person_name": names.get(person, ""),
            "number": numbers.get(person),
            "amount": str(amount),
            "differs": person in missing or numbers.get(person) is None,
            "hidden": _hidden(person in missing, numbers.get(person)),
        }
        for person, amount in sorted(amounts.items(), key=lambda x: (x[0] not in missing, names.get(x[0], "")))
    ]


def _hidden(missing: bool, number: str | None) -> dict[str, str] | None:
    """Why the tax office does not know a person, as far as we know."""
    if number is None:
        return NO_NUMBER.model_dump()
    return NOT_VISIBLE.model_dump() if missing else None


async def without_number(session: AsyncSession, bill_id: str) -> list[str]:
    """Names of those on the bill for whom the tax office cannot be asked."""
    return [x["person_name"] for x in await people_on(session, bill_id, ()) if x["number"] is None]


async def _numbers(session: AsyncSession, persons: set[str], levy: str) -> dict[str, str | None]:
    """The agency's number of each person: what a clerk compares with the agency's bill."""
    agency = next((a.id for a in policies.snapshot().agencies if a.levy == levy), "")
    found: dict[str, str | None] = {}
    for person in sorted(persons):
        registered = await registrations.approved(session, person, agency)
        found[person] = registrations.number_of(registered) if registered is not None else None
    return found


async def voucher(session: AsyncSession, bill_id: str) -> dict[str, Any]:
    """The split by part, insurance and college, what is withheld of whom, and the voucher once it is made."""
    amounts = await vouchers.split(session, bill_id)
    units = await people.org_units(session)
    withheld = await vouchers.list_withholdings(session, bill_id)
    names = await people.names_of(session, [w.person_id for w in withheld])
    found: dict[str, Any] = {
        "split": [
            {
                "part": part,
                "insurance": insurance,
                "org_unit": units[unit].model_dump() if unit in units else unit,
                "amount": str(amount),
            }
            for (part, insurance, unit), amount in amounts.items()
        ],
        "withholdings": [
            {"person_name": names.get(w.person_id, ""), "amount": str(w.amount), "how": w.how} for w in withheld
        ],
        "withheld_total": str(sum((w.amount for w in withheld), ZERO)),
    }
    made = await vouchers.of_bill(session, bill_id)
    if made is not None:
        found |= {"voucher_no": made.voucher_no, "budget_line": made.budget_line, "prepared_by": made.prepared_by}
    return found
