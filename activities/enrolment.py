"""The record behind an enrolment: facts for the workflow, corrected values, the confirmed exemption.

Invariants: no personal data in what goes back (dates, codes and ids only); the same call again changes nothing; nothing
is exempt that no agreement exempts, whatever was confirmed; agreements and insurances are those of the case's version
(`store/case_rules.py`), what the checks notice is by the rules of today.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.final import final
from domain import enrolment_checks
from domain.exemptions import TreatyTable
from schemas.base import Text
from schemas.calls import AppliedForm, CaseArg, ExemptionDecision
from schemas.enrolment import Certificate, EnrolmentFacts, ForeignHire, HireKind
from store import (
    applications,
    case_rules,
    documents,
    people,
    projection,
    retirement_tracks,
    rule_tables,
    submissions,
    watch_dates,
)
from store.database import session
from store.premium_lines import process_now, shanghai_day
from store.tables.people import Hire


async def _facts(s: AsyncSession, row: Hire) -> EnrolmentFacts:
    hire = people.clear(row)
    today = shanghai_day(await process_now(s, row.process_id))
    rules = await case_rules.of_case(s, row.process_id)
    track = await retirement_tracks.of_person(s, row.person_id)
    papers = await documents.papers(s, row.process_id)
    findings = enrolment_checks.check(enrolment_checks.HireFacts.of(hire), today, rule_tables.load().checks, track)
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
        insurances=row.insurances if row.insurances is not None else rules.insurances(row.category),
        findings=[f.code for f in findings],
        applications={a: applications.said(a, hire, papers) for a in applications.agency_files().applications},
        today=today,
    )


@activity.defn(name="load_enrolment_facts")
async def load_enrolment_facts(arg: CaseArg) -> EnrolmentFacts:
    """What the case may know of the hire. What is paid is what the case's rules say now, without what was confirmed to
    be exempt: a case that takes over rules reads its facts again."""
    async with session() as s:
        row = await people.hire_row(s, arg.process_id)
        if row.exempt is not None:
            row.insurances = (await case_rules.of_case(s, arg.process_id)).insurances(row.category, row.exempt)
        return await _facts(s, row)


@activity.defn(name="apply_record")
async def apply_record(arg: AppliedForm) -> EnrolmentFacts:
    """Makes the corrected record of a submission the valid one; the earlier version is kept.

    A document number that belongs to another person becomes an incident: the API refuses it before it gets here.
    """
    async with session() as s:
        await projection.carried(s, arg)
        form = await submissions.read_form(s, arg.submission_id)
        hire = ForeignHire.model_validate(form.model_dump(include=set(ForeignHire.model_fields)))
        now = await process_now(s, arg.process_id)
        try:
            row = await people.save_hire(s, arg.process_id, arg.person_id, hire, source=arg.submission_id, now=now)
        except people.NumberTaken:
            text = Text(
                zh="证件号码已属于另一人员，请核对后由管理员处理。", en="The document number belongs to another person."
            )
            raise final("NumberTaken", text) from None
        return await _facts(s, row)


@activity.defn(name="record_exemption")
async def record_exemption(arg: ExemptionDecision) -> EnrolmentFacts:
    """Stores what is paid and what is exempt; a certificate to come is remembered with its last day."""
    async with session() as s:
        await projection.carried(s, arg)
        now = await process_now(s, arg.process_id)
        row = await _with_certificate(s, arg, now)
        rules = await case_rules.of_case(s, arg.process_id)
        exempt = set(arg.exempt) & _exemptible(rules.treaties)
        row.exempt = [i for i in rules.insurances(row.category) if i in exempt]
        row.insurances = rules.insurances(row.category, row.exempt)
        await s.flush()
        if arg.certificate == Certificate.PENDING.value:
            await watch_dates.watch_certificate(s, row, shanghai_day(now))
        else:
            await watch_dates.done(s, arg.process_id, watch_dates.CERTIFICATE_DUE, now)
        return await _facts(s, row)


async def _with_certificate(s: AsyncSession, arg: ExemptionDecision, now: datetime) -> Hire:
    """The valid record with the certificate as confirmed, so that a later correction keeps it."""
    hire = await people.hire_of(s, arg.process_id)
    confirmed = hire.model_copy(update={"certificate": Certificate(arg.certificate)})
    return await people.save_hire(
        s, arg.process_id, arg.person_id, confirmed, source=f"verification/{arg.certificate}", now=now
    )


def _exemptible(treaties: TreatyTable) -> set[str]:
    """What any agreement exempts; medical with maternity and work injury stand in none."""
    return {i for t in treaties.treaties.values() for i in (*t.exempt, *t.local_exempt)}


ACTIVITIES = [load_enrolment_facts, apply_record, record_exemption]
