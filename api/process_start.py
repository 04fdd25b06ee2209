"""`POST /processes`: starts one process by hand; for now the enrolment of one foreign hire.

Invariants: the same rules as an upload (checks, one case per person, a college's own people only); the case and its
start are durable before Temporal is asked, and the answer does not wait longer for it than a click may; the same
`Idempotency-Key` with the same body gives the same case. `tax_payment` and `reimbursement` are started by cases alone.
"""

import hashlib
import json
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Request, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api import import_checks, import_run, person_alike, starts
from api import retirement as retirement_room
from api.json_body import JsonObjectRoute
from api.problems import BadForm, KeyReused, NotAllowed, Problem, Unavailable, faults_of, language_of, pick
from api.record_spelling import spelled
from api.sign_in import CurrentViewer
from domain.enrolment_checks import NAME_OF_ANOTHER, NUMBER_TAKEN, Finding, HireFacts, check
from domain.times import day_of
from runtime import clock
from schemas.base import Text
from schemas.enrolment import KIND, ForeignHire
from schemas.imports import PersonDecision, RowRemark, StartBody, StartedView
from schemas.retirement import TrackBody
from store import alike, database, people, retirement_tracks
from store import imports as store
from store.tables.processes import Process
from store.users import Viewer

router = APIRouter(tags=["processes"], route_class=JsonObjectRoute)

KEY = r"^[\x21-\x7e]{1,200}$"


class KindUnknown(Problem):
    status, code = 422, "kind_unknown"
    text = Text(
        zh="这一流程种类不能手工启动；可手工启动的有：enrolment（外籍人员参保）。",
        en="Processes of this kind are not started by hand; what can be: enrolment.",
    )


class DuplicateCase(Problem):
    """The person has a case already; `existing` is the process to look at."""

    status, code = 409, "duplicate_case"


class PersonAlike(Problem):
    """The person looks like the person of a case under another document number: a clerk says whether it is another."""

    status, code = 409, person_alike.ALIKE


@router.post("/processes", status_code=201, response_model=StartedView)
async def post_process(
    body: StartBody,
    request: Request,
    response: Response,
    viewer: CurrentViewer,
    key: Annotated[str | None, Header(alias="Idempotency-Key", pattern=KEY)] = None,
) -> StartedView:
    """Starts a process; 201 with its id, also when the same key started it before."""
    language = language_of(request)
    started = await start(viewer, body.kind, body.input, key, language, body.decision, body.retirement)
    if body.decision == "same_person":
        response.status_code = 200  # nothing was made
    response.headers["Location"] = f"/api/v1/processes/{started.id}"
    return started


async def start(
    viewer: Viewer,
    kind: str,
    data: dict[str, Any],
    key: str | None,
    language: str,
    decision: PersonDecision | None = None,
    retirement: TrackBody | None = None,
) -> StartedView:
    """Starts one process. `decision`: what a clerk says of a person who looks alike; for the same person the open case
    gets the document and is the answer. `retirement`: the track to be set at the person, by which the age is asked.

    Errors: NotAllowed, KindUnknown, BadForm (pointers below /input), DuplicateCase, PersonAlike, KeyReused.
    """
    if not import_run.may_start(viewer) or (decision and not person_alike.may_decide(viewer)):
        raise NotAllowed
    if kind != KIND:
        raise KindUnknown(faults=[("/kind", "kind_unknown", KindUnknown.text)])
    told = [kind, data, *([retirement.model_dump(mode="json")] if retirement else [])]
    body_hash = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
    if key is not None:
        before = await _started_before(viewer, key, body_hash, data, language)
        if before is not None:
            return before
    hire, watch = await _checked(data, viewer, language, retirement)
    started = await _open(viewer, hire, key, body_hash, watch, decision, retirement)
    if started is None and key is not None:
        started = await _started_before(viewer, key, body_hash, data, language)
    if started is None:
        raise Unavailable  # the request that was faster has been undone: ask again
    await starts.start_pending([started.id])
    return started


async def _open(
    viewer: Viewer,
    hire: ForeignHire,
    key: str | None,
    body_hash: str,
    watch: list[RowRemark],
    decision: PersonDecision | None,
    retirement: TrackBody | None,
) -> StartedView | None:
    """Writes the case; None when another request with this key was faster."""
    async with database.session() as session:
        await store.lock_starts(session)
        if key is not None and await store.start_by_key(session, viewer.username, key) is not None:
            return None
        if hire.org_unit not in {u.id for u in await store.colleges(session)}:
            raise BadForm(faults=[("/input/org_unit", "org_unit_unknown", UNIT_UNKNOWN)])
        known = await store.known_case(session, hire.id_number)
        if known is not None:
            raise DuplicateCase(_duplicate(viewer, known))
        if await people.named_otherwise(session, hire):
            raise BadForm(faults=[("/input/name", "name_differs", NAME_OF_ANOTHER)])
        others = await alike.cases(session, hire)
        if others and decision is None:
            raise PersonAlike(person_alike.said(others, viewer, import_run.allowed_units(viewer)))
        if decision == "same_person":
            process = await _same_person(session, viewer, hire, others)
        else:
            process = await store.open_enrolment(
                session, hire, viewer.username, source="form", idempotency_key=key, body_hash=body_hash
            )
            if others:
                await person_alike.note_another(session, viewer, process, others)
        if retirement is not None and process.subject is not None:
            await retirement_room.keep(session, viewer, process.subject, retirement)
        return _view(process, watch)


async def _same_person(
    session: AsyncSession, viewer: Viewer, hire: ForeignHire, others: list[alike.AlikeCase]
) -> Process:
    """The open case of the same person gets the document of `hire`; nothing else of it changes."""
    case = person_alike.replaceable(others)
    if case is None:
        raise PersonAlike(person_alike.NOTHING_TO_REPLACE, code="nothing_to_replace")
    if await people.find_person(session, hire.id_number) is not None:
        raise BadForm(faults=[("/input/id_number", "number_taken", NUMBER_TAKEN)])
    await person_alike.replace_document(session, viewer, case, hire, f"form:{uuid4()}")
    return await session.get_one(Process, case.process_id)


UNIT_UNKNOWN = Text(
    zh="系统中没有这个学院代码，请从列表中选择。", en="There is no college with this code; choose one from the list."
)


async def _started_before(
    viewer: Viewer, key: str, body_hash: str, data: dict[str, Any], language: str
) -> StartedView | None:
    """The case that this key started, asked for again at Temporal if need be. KeyReused for another body."""
    async with database.session() as session:
        row = await store.start_by_key(session, viewer.username, key)
        if row is None:
            return None
        if row.body_hash != body_hash:
            raise KeyReused
        process = await session.get_one(Process, row.process_id)
    await starts.start_pending([process.id])
    # The same body as then, seen on the day it was taken: the same remarks.
    hire = ForeignHire.model_validate(spelled(data, "/input")[0])
    found = check(HireFacts.of(hire), day_of(process.started_at), import_checks.check_rules())
    return _view(process, _watch(found, language))


async def _checked(
    data: dict[str, Any], viewer: Viewer, language: str, retirement: TrackBody | None
) -> tuple[ForeignHire, list[RowRemark]]:
    """The record, or every fault of it at once."""
    cleaned, unreadable = spelled(data, "/input")
    try:
        hire = ForeignHire.model_validate(cleaned)
    except ValidationError as error:
        said = {pointer for pointer, _, _ in unreadable}
        rest = [f for f in faults_of(error.errors(), "/input") if f[0] not in said]
        raise BadForm(faults=unreadable + rest) from error
    if unreadable:
        raise BadForm(faults=unreadable)
    allowed = import_run.allowed_units(viewer)
    if allowed is not None and hire.org_unit not in allowed:
        raise BadForm(faults=[("/input/org_unit", "org_unit_not_yours", import_checks.NOT_YOURS)])
    if retirement is not None:
        track = retirement_room.at_start(viewer, hire.sex.value, retirement)
    else:
        async with database.reading() as session:
            track = await retirement_tracks.of_number(session, hire.id_number)
    found = check(HireFacts.of(hire), clock.today(), import_checks.check_rules(), track)
    faults = [
        (
            f"/input/{f.field}",
            import_checks.code_of(f),
            import_checks.advised(f, hire.sex.value, track),
        )
        for f in found
        if f.fault
    ]
    if faults:
        raise BadForm(faults=faults)
    return hire, _watch(found, language)


def _watch(found: list[Finding], language: str) -> list[RowRemark]:
    return [
        RowRemark(column=f.field, code=import_checks.code_of(f), message=pick(f.message, language), field=f.field)
        for f in found
        if not f.fault
    ]


def _duplicate(viewer: Viewer, known: store.KnownCase) -> Text:
    allowed = import_run.allowed_units(viewer)
    if allowed is not None and known.records[0].org_unit not in allowed:
        return import_run.ELSEWHERE
    return import_run.duplicate_fault(known, "").text


def _view(process: Process, watch: list[RowRemark]) -> StartedView:
    return StartedView(
        id=process.id,
        kind=process.kind,
        case_no=process.case_no,
        title=process.title,
        state=process.state,
        subject=process.subject or "",
        org_unit=process.org_unit or "",
        watch=watch,
    )
