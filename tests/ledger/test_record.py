"""The record behind a case: facts without personal data, corrections, the confirmed exemption, registrations."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError

from activities.enrolment import apply_record, load_enrolment_facts, record_exemption
from activities.registrations import record_registration
from domain.times import SHANGHAI
from schemas.amendment import FIELDS
from schemas.calls import AppliedForm, CaseArg, ExemptionDecision, RegistrationEvent
from schemas.enrolment import Certificate, EnrolmentFacts, HireKind, MaterialsForm
from schemas.forms import EmptyForm
from schemas.registration import AcceptedForm, ApprovedForm, CorrectionForm, HandInForm, RefusedForm, UndoneForm
from store import database as db
from store import people, registrations
from store.recorded import RECORD, Recorded, write
from store.tables.people import Hire, WatchDate
from store.tables.processes import Process
from tests.ledger.conftest import MEDICAL, NOON, SOCIAL, Office, contents, run, twice

POSTED = {"hire_kind": HireKind.POSTED}


def decision(case: CaseArg, exempt: list[str], certificate: str = "held") -> ExemptionDecision:
    return ExemptionDecision(
        process_id=case.process_id, person_id=case.person_id, exempt=exempt, certificate=certificate, actor="clerk"
    )


async def test_facts_are_dates_and_codes_of_the_cases_day(office: Office) -> None:
    case = await office.case()
    facts: EnrolmentFacts = await twice(load_enrolment_facts, case)
    assert facts.today == date(2026, 11, 18) and facts.org_unit == "business"
    assert facts.insurances == [*SOCIAL, *MEDICAL]
    assert facts.findings == ["W01", "W01"], "work and residence permit end before the contract: only watched"


async def test_a_correction_replaces_the_record_and_keeps_the_old_one(office: Office) -> None:
    case = await office.case()
    before = (await people_record(case)).model_dump()
    form = MaterialsForm.model_validate(before | {"contract_start": date(2026, 11, 9), "org_unit": "physics"})
    submission = await office.submit("enrolment.materials", "submit", form)
    arg = AppliedForm(process_id=case.process_id, person_id=case.person_id, submission_id=submission)
    known: EnrolmentFacts = await run(load_enrolment_facts, case)
    facts = await twice(apply_record, arg)
    assert (facts.contract_start, facts.org_unit) == (date(2026, 11, 9), "physics")
    assert all(facts.applications[a] != known.applications[a] for a in ("social_bureau", "medical_bureau"))
    same = await office.submit("enrolment.materials", "submit", form)
    assert await run(apply_record, arg.model_copy(update={"submission_id": same})) == facts, "the same data again"
    number = form.model_copy(update={"work_permit_no": "5100202699990000"})
    other = await office.submit("enrolment.materials", "submit", number)
    now = await run(apply_record, arg.model_copy(update={"submission_id": other}))
    assert now.applications["social_bureau"] != facts.applications["social_bureau"]
    assert now.applications["medical_bureau"] == facts.applications["medical_bureau"], "it is not told that number"
    async with db.session() as s:
        rows = list(await s.scalars(select(Hire).where(Hire.process_id == case.process_id).order_by(Hire.version)))
    assert [(r.version, r.valid, r.contract_start.day) for r in rows] == [(1, False, 3), (2, False, 9), (3, True, 9)]


async def people_record(case: CaseArg) -> MaterialsForm:
    async with db.session() as s:
        return MaterialsForm.model_validate((await people.hire_of(s, case.process_id)).model_dump())


async def test_a_number_of_another_person_becomes_an_incident(office: Office) -> None:
    other, case = await office.case(), await office.case()
    taken = (await people_record(other)).id_number
    form = CorrectionForm.model_validate((await people_record(case)).model_dump() | {"id_number": taken})
    submission = await office.submit("registration.correction", "corrected", form)
    with pytest.raises(ApplicationError) as refused:
        await run(
            apply_record,
            AppliedForm(process_id=case.process_id, person_id=case.person_id, submission_id=submission),
        )
    assert refused.value.non_retryable and taken not in str(refused.value)


async def test_exempt_is_what_was_confirmed_and_an_agreement_allows(office: Office) -> None:
    """Medical and work injury are never exempt, whatever was ticked."""
    case = await office.case(**POSTED)
    facts = await twice(record_exemption, decision(case, ["pension", "unemployment", "medical", "work_injury"]))
    assert facts.insurances == ["work_injury", *MEDICAL] and facts.certificate == Certificate.HELD
    async with db.session() as s:
        assert (await people.hire_row(s, case.process_id)).exempt == ["pension", "unemployment"]


async def test_a_pending_certificate_is_watched_until_it_is_there(office: Office) -> None:
    """Three months from the permit of 2 November; the confirmed certificate outlives a later correction."""
    case = await office.case(**POSTED)
    facts = await twice(record_exemption, decision(case, [], "pending"))
    assert facts.insurances == [*SOCIAL, *MEDICAL]
    watched = await certificate_watch(case)
    assert (watched.on, watched.done_at) == (date(2027, 2, 2), None)
    form = CorrectionForm.model_validate((await people_record(case)).model_dump() | {"monthly_wage": Decimal("19000")})
    submission = await office.submit("registration.correction", "corrected", form)
    arg = AppliedForm(process_id=case.process_id, person_id=case.person_id, submission_id=submission)
    assert (await run(apply_record, arg)).certificate == Certificate.PENDING
    await run(record_exemption, decision(case, ["pension"], "held"))
    assert (await certificate_watch(case)).done_at is not None


async def certificate_watch(case: CaseArg) -> WatchDate:
    async with db.session() as s:
        return (
            await s.scalars(
                select(WatchDate).where(
                    WatchDate.process_id == case.process_id, WatchDate.kind == "certificate_due"
                )
            )
        ).one()  # fmt: skip


async def recorded(office: Office, case: CaseArg, kind: str, event: str, form: object, attempt: int = 1) -> None:
    submission = await office.submit(f"registration.{kind}", event, form)  # pyright: ignore[reportArgumentType]
    await twice(
        record_registration,
        RegistrationEvent(
            process_id=case.process_id, person_id=case.person_id, agency="social_bureau", attempt=attempt,
            event=event, submission_id=submission, on=date(2026, 11, 18),
        ),
    )  # fmt: skip


async def test_every_attempt_keeps_its_history_and_the_agencys_number_wins(office: Office) -> None:
    case = await office.case()
    await recorded(office, case, "hand_in", "handed_in", HandInForm(handed_in_on=date(2026, 11, 17), receipt_no="SL1"))
    await recorded(office, case, "result", "refused", RefusedForm(code="R08", note="姓名不符"))
    await recorded(
        office, case, "hand_in", "handed_in", HandInForm(handed_in_on=date(2026, 11, 18), receipt_no="SL2"), 2
    )
    await recorded(office, case, "acceptance", "accepted", AcceptedForm(accepted_on=date(2026, 11, 18)), 2)
    await recorded(
        office, case, "result", "approved", ApprovedForm(approved_on=date(2026, 11, 18), number="DEU0C01X00T47"), 2
    )
    async with db.session() as s:
        first, second = await registrations.of_case(s, case.process_id)
        held = [
            await registrations.held_by_another(s, agency, "deu0c01x00t47", person)
            for agency in ("social_bureau", "medical_bureau")
            for person in ("somebody else", case.person_id)
        ]
    assert (first.state, first.receipt_no, first.refused_code) == ("refused", "SL1", "R08")
    assert first.submitted_at == datetime(2026, 11, 17, 12, 0, tzinfo=SHANGHAI)
    assert (second.state, second.receipt_no) == ("approved", "SL2")
    assert held == [True, False, False, False], "however it is typed, of this agency, and of another person"
    assert registrations.number_of(second) == "DEU0C01X00T47"
    assert "C01X00T47" not in str(await contents()), "the number is never in clear in the database"


async def test_undone_leaves_nothing_in_force(office: Office) -> None:
    case = await office.case()
    form = ApprovedForm(approved_on=date(2026, 11, 18), number="DEU0C01X00T47")
    await recorded(office, case, "result", "approved", form)
    await recorded(office, case, "undo", "undone", UndoneForm(undone_on=date(2026, 11, 18)))
    async with db.session() as s:
        assert await registrations.approved(s, case.person_id, "social_bureau") is None
        assert [r.state for r in await registrations.of_case(s, case.process_id)] == ["undone"]


async def test_an_event_without_its_form_is_a_programming_error(office: Office) -> None:
    case = await office.case()
    submission = await office.submit("registration.chase", "chased", EmptyForm())
    with pytest.raises(ApplicationError) as refused:
        await run(
            record_registration,
            RegistrationEvent(
                process_id=case.process_id, person_id=case.person_id, agency="social_bureau", attempt=1,
                event="approved", submission_id=submission,
            ),
        )  # fmt: skip
    assert refused.value.non_retryable


async def test_an_amended_permit_moves_the_day_of_a_certificate_to_come(office: Office) -> None:
    case = await office.case(**POSTED)
    await run(record_exemption, decision(case, [], "pending"))
    before = (await certificate_watch(case)).on
    async with db.session() as s:
        process = Process(
            id=case.process_id, kind="enrolment", case_no="FE2026-1", subject=case.person_id, started_by="clerk",
            started_at=NOON,
        )  # fmt: skip
        s.add(process)
        await s.flush()
        value = Recorded(FIELDS["hire.permit_issued"], "", RECORD, "2026-11-02")
        await write(s, process, value, "2026-10-20", source="amendment-1", actor="supervisor")
    after = (await certificate_watch(case)).on
    assert (before, after) == (date(2027, 2, 2), date(2027, 1, 20))
