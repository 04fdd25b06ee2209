"""The record behind an enrolment: facts for the workflow, corrected values, the confirmed exemption.

No personal data in what goes back: dates, codes and ids only.
"""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

import policies
from domain import enrolment_checks, exemptions, tables
from schemas.calls import AppliedForm, CaseArg, ExemptionDecision
from schemas.enrolment import Certificate, EnrolmentFacts, ForeignHire, HireKind
from store import people, submissions
from store.database import session
from store.ledger import process_now, shanghai_day


async def _facts(s: AsyncSession, process_id: str) -> EnrolmentFacts:
    row = await people.hire_row(s, process_id)
    hire = await people.hire_of(s, process_id)
    today = shanghai_day(await process_now(s, process_id))
    texts = policies.read_all()
    findings = enrolment_checks.check(enrolment_checks.HireFacts.of(hire), today, tables.check_rules(texts))
    insurances = row.insurances
    if insurances is None:
        _, groups = tables.category_insurances(texts)[row.category]
        insurances = tables.contribution_tables(texts).expand(groups)
    return EnrolmentFacts(
        country=row.country,
        permit_issued=row.permit_issued,
        permit_expires=row.permit_expires,
        contract_start=row.contract_start,
        contract_end=row.contract_end,
        hire_kind=HireKind(row.hire_kind),
        certificate=Certificate(row.certificate),
        org_unit=row.org_unit,
        category=row.category,
        insurances=list(insurances),
        findings=[f.code for f in findings],
        today=today,
    )


@activity.defn(name="load_enrolment_facts")
async def load_enrolment_facts(arg: CaseArg) -> EnrolmentFacts:
    """What the case may know of the hire."""
    async with session() as s:
        return await _facts(s, arg.process_id)


@activity.defn(name="apply_record")
async def apply_record(arg: AppliedForm) -> EnrolmentFacts:
    """Makes the corrected record of a submission the valid one; the earlier version is kept."""
    async with session() as s:
        form = await submissions.read_form(s, arg.submission_id)
        hire = ForeignHire.model_validate(form.model_dump(include=set(ForeignHire.model_fields)))
        now = await process_now(s, arg.process_id)
        await people.save_hire(s, arg.process_id, arg.person_id, hire, source=arg.submission_id, now=now)
        return await _facts(s, arg.process_id)


@activity.defn(name="record_exemption")
async def record_exemption(arg: ExemptionDecision) -> EnrolmentFacts:
    """Stores what is paid and what is exempt; a certificate to come is remembered with its last day."""
    async with session() as s:
        row = await people.hire_row(s, arg.process_id)
        texts = policies.read_all()
        _, groups = tables.category_insurances(texts)[row.category]
        every = tables.contribution_tables(texts).expand(groups)
        row.exempt = [i for i in every if i in arg.exempt]
        row.insurances = [i for i in every if i not in arg.exempt]
        row.certificate = arg.certificate
        if arg.certificate == Certificate.PENDING.value:
            today = shanghai_day(await process_now(s, arg.process_id))
            by = _certificate_by(row.country, row.hire_kind, row.permit_issued, row.contract_start, today)
            if by is not None:
                await people.watch(s, arg.person_id, arg.process_id, "certificate_due", by)
        await s.flush()
        return await _facts(s, arg.process_id)


def _certificate_by(country: str, kind: str, permit: date, start: date, today: date) -> date | None:
    """The last day on which a certificate works back to the start (three months from the permit)."""
    table = tables.treaty_table(policies.read_all())
    return exemptions.propose(country, HireKind(kind), Certificate.PENDING, permit, start, today, table).certificate_by


ACTIVITIES = [load_enrolment_facts, apply_record, record_exemption]
