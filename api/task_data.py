"""What the system already knows for a task: `data` fills the form of the first outcome, `context` is for reading.

Contract: `data` holds exactly fields of `outcomes[0]`'s form, with values that the server accepts; a program may send
it back as it is. Whatever is shown but not part of a form (findings, proposal, comparison) stands in `context`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import money_data, person_alike
from domain.enrolment_checks import Finding, HireFacts, check
from domain.enrolment_checks import alike as differs_from_first
from domain.exemptions import propose
from domain.times import day_of
from runtime import clock
from schemas.amendment import CONFIRM, FIELDS
from schemas.enrolment import ExemptionProposal, ForeignHire
from schemas.forms import outcome as form_outcome
from schemas.tasks import TaskSpec
from schemas.tax_payment import TAKE_OFF
from store import (
    alike,
    amendment_dates,
    amendments,
    case_rules,
    people,
    policies,
    recorded,
    retirement_tracks,
    rule_tables,
    submissions,
    users,
)
from store.tables.office import Document
from store.tables.people import Hire
from store.tables.processes import Process, Task


@dataclass
class Prefill:
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    context: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Ask:
    """What a prefiller may look at."""

    session: AsyncSession
    task: Task
    process: Process
    spec: TaskSpec
    today: date


async def prefill(session: AsyncSession, task: Task, process: Process, spec: TaskSpec, now: datetime) -> Prefill:
    """Data and context of a task on the case's day. Only fields of the first outcome's form stay in `data`."""
    ask = Ask(session, task, process, spec, day_of(now))
    if clock.looked_at():  # the record, bills and vouchers behind a form are not followed
        return Prefill(context=spec.data | (await _reason_codes(ask)).context)
    maker = _MAKERS.get(task.kind)
    made = await maker(ask) if maker is not None else Prefill()
    made.context = {**spec.data, **made.context}
    if spec.data.get("returned_to", spec.stage) != spec.stage:  # the earlier step was done again since
        made.context["return_done"] = True
    former = await submissions.get(session, spec.former) if spec.former is not None else None
    if former is None and _sent_back_to(spec) and maker is not _record:  # the record has it
        former = await submissions.newest_of_step(session, task)
    if former is not None and former.outcome == spec.outcomes[0]:  # done before: begin with what was answered then
        record = made.data
        made.data = record | submissions.values_of(former)
        if made.data.get("id_number") in await people.replaced_numbers(session, process.id):
            made.data |= {name: record[name] for name in person_alike.DOCUMENT}
    known = form_outcome(task.kind, spec.outcomes[0]).form.model_fields
    made.data = {k: _json(v) for k, v in made.data.items() if k in known and v is not None}
    return made


def _sent_back_to(spec: TaskSpec) -> bool:
    """Whether the work was sent back to this very step. A signature is given anew: nobody begins with the words of
    another signer."""
    return spec.sign is None and spec.data.get("returned_to") == spec.key.rpartition("/")[0]


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_none=True)


async def _record(ask: Ask) -> Prefill:
    """The record as it stands, with what the automatic checks say about it and why it came back."""
    hire = await people.hire_of(ask.session, ask.process.id)
    track = await retirement_tracks.of_person(ask.session, ask.process.subject)
    findings = check(HireFacts.of(hire), ask.today, rule_tables.load().checks, track)
    findings += differs_from_first((await _versions(ask))[0], hire)
    context: dict[str, Any] = {
        "findings": [_finding(f) for f in findings],
        "org_units": {k: _dump(v) for k, v in (await people.org_units(ask.session)).items()},
    }
    reasons = policies.reasons()
    codes = [str(d.get("code")) for d in ask.spec.data.get("defects", [])] + [str(ask.spec.data.get("code", ""))]
    context["reasons"] = {c: _dump(reasons[c]) for c in codes if c in reasons}
    return Prefill(data=_dump(hire), context=context)


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "code": found.code,
        "field": found.field,
        "severity": found.severity.value,
        "message": {"zh": found.message.zh, "en": found.message.en},
    }


async def _verification(ask: Ask) -> Prefill:
    """The record to look at, the treaty's proposal prefilled; other cases that may be of the same person come first."""
    made = await _record(ask)
    hire = ForeignHire.model_validate(made.data)
    twins = await alike.cases(ask.session, hire, besides=ask.process.subject)
    made.context["findings"][:0] = [_finding(f) for f in person_alike.findings(twins)]
    proposal = await exemption(ask, hire)
    labels = {
        name: {"zh": extra.get("title_zh"), "en": extra.get("title_en")}
        for name, info in ForeignHire.model_fields.items()
        if isinstance(extra := info.json_schema_extra, dict)
    }
    made.context |= {
        "record": made.data,
        "labels": labels,
        "proposal": _dump(proposal),
        "changes": await _changes(ask),
        "reason_codes": {c: _dump(t) for c, t in policies.reasons().items()},
    }
    made.data = {"exempt": proposal.exempt, "certificate": hire.certificate.value}
    return made


async def exemption(ask: Ask, hire: ForeignHire) -> ExemptionProposal:
    """What the treaty data propose for this hire, by the agreements of the case's version."""
    return propose(
        hire.country,
        hire.hire_kind,
        hire.certificate,
        hire.permit_issued,
        hire.contract_start,
        ask.today,
        (await case_rules.of_version(ask.session, ask.process.policy_version)).treaties,
    )


async def _versions(ask: Ask) -> list[ForeignHire]:
    """The records of the case, the first version first."""
    rows = await ask.session.scalars(select(Hire).where(Hire.process_id == ask.process.id).order_by(Hire.version))
    return [people.clear(row) for row in rows]


async def _changes(ask: Ask) -> list[str]:
    """Fields that differ between the first version of the record and the valid one."""
    versions = await _versions(ask)
    first, last = versions[0].model_dump(), versions[-1].model_dump()
    return sorted(k for k in last if first[k] != last[k])


async def _reason_codes(ask: Ask) -> Prefill:
    return Prefill(context={"reason_codes": {c: _dump(t) for c, t in policies.reasons().items()}})


async def _hand_in(ask: Ask) -> Prefill:
    return Prefill(
        data={"handed_in_on": ask.today}, context=await money_data.application(ask.session, ask.process.id, ask.spec)
    )


async def _acceptance(ask: Ask) -> Prefill:
    made = await _reason_codes(ask)
    made.data = {"accepted_on": ask.today}
    made.context |= await money_data.application(ask.session, ask.process.id, ask.spec)
    return made


async def _result(ask: Ask) -> Prefill:
    """The number is the agency's to give and always wins; proposed is the one that the rule of Order 16's annex makes
    (country, 0, document number), for the clerk to compare with the agency's paper."""
    made = await _reason_codes(ask)
    hire = await people.hire_of(ask.session, ask.process.id)
    made.data = {"approved_on": ask.today, "number": f"{hire.country}0{hire.id_number}"}
    made.context["number_proposed"] = True
    made.context |= await money_data.application(ask.session, ask.process.id, ask.spec)
    return made


async def _decided_date(ask: Ask) -> Prefill:
    """What was recorded of an authority's decision, with its paper."""
    paper = await ask.session.get(Document, str(ask.spec.data["document"]))
    recorded = (await users.names(ask.session)).get(str(ask.spec.data["recorded_by"]))
    context: dict[str, Any] = {"files": [{"id": paper.id, "filename": paper.filename}] if paper else []}
    return Prefill(context=context | ({"recorded_by": _dump(recorded)} if recorded else {}))


async def _amendment(ask: Ask) -> Prefill:
    """Both values in full, with the dates that move, the reason and the paper: only who works with such values sees
    this task."""
    row = await amendments.get(ask.session, ask.process.id)
    case = await ask.session.get_one(Process, row.process_id)
    values = amendments.values_of(row)
    about, title = await recorded.about(ask.session, row.field, row.of), FIELDS[row.field].title
    proposer = (await users.names(ask.session)).get(row.proposed_by)
    paper = await ask.session.get(Document, row.document_id) if row.document_id else None
    context: dict[str, Any] = {
        "amended_case": case.case_no if case.case_no != case.id else case.title,
        "amended_value": {"zh": f"{about.zh}{title.zh}", "en": f"{title.en}, {about.en}"},
        "value_old": values.old,
        "value_new": values.new,
        "amend_reason": row.reason,
        "proposed_by": _dump(proposer) if proposer else row.proposed_by,
        "files": [{"id": paper.id, "filename": paper.filename}] if paper else [],
        "dates_moved": [
            {"deadline_title": _dump(m.title), "due_old": m.old.isoformat(), "due_new": m.new.isoformat()}
            for m in await amendment_dates.moved(ask.session, row)
        ],
    }
    return Prefill(context=context)


async def _undo(ask: Ask) -> Prefill:
    return Prefill(data={"undone_on": ask.today})


async def _bill(ask: Ask) -> Prefill:
    """A step of the tax payment: the bill beside the agency's lines."""
    bill_id = ask.spec.data.get("bill_id")
    if bill_id is None:
        return Prefill(context=await money_data.open_list(ask.session, ask.spec.data))
    context = await money_data.bill(ask.session, str(bill_id))
    if TAKE_OFF.code in ask.spec.outcomes:
        missing = [str(p) for p in ask.spec.data.get("missing", [])]
        context["people"] = await money_data.people_on(ask.session, str(bill_id), missing)
    return Prefill(context=context)


async def _payment(ask: Ask) -> Prefill:
    made = await _bill(ask)
    made.data = {"paid_on": ask.today, "amount": made.context.get("total")}
    return made


async def _reimbursement(ask: Ask) -> Prefill:
    bill_id = str(ask.spec.data["bill_id"])
    context = await money_data.bill(ask.session, bill_id)
    context |= await money_data.voucher(ask.session, bill_id)
    return Prefill(data={"budget_line": context.get("budget_line")}, context=context)


_MAKERS: dict[str, Callable[[Ask], Awaitable[Prefill]]] = {
    "enrolment.materials": _record,
    "enrolment.verification": _verification,
    "registration.hand_in": _hand_in,
    "registration.acceptance": _acceptance,
    "registration.result": _result,
    "registration.correction": _record,
    "registration.undo": _undo,
    "date.confirm": _decided_date,
    CONFIRM: _amendment,
    "tax_payment.freeze": _bill,
    "tax_payment.visible": _bill,
    "tax_payment.bill": _bill,
    "tax_payment.confirm": _bill,
    "tax_payment.approval": _bill,
    "tax_payment.payment": _payment,
    "withholding.confirm": _reimbursement,
    "reimbursement.voucher": _reimbursement,
    "reimbursement.approval": _reimbursement,
    "reimbursement.settlement": _reimbursement,
}
