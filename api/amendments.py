"""Amendment 更正 of what is on record: the values of a case, a proposal for one of them, and what became of each.

One person proposes, a second one confirms by an ordinary task (`workflows/amendment.py`). Checked here are the person,
the value as it was seen, and what deserves a sentence of its own; the same is checked again when it is confirmed and
when it is written. A personal value is shown in full to those who work with it, and to the person.
"""

from fastapi import APIRouter
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api import own_case, permissions, processes, starts
from api.completion import IdempotencyKey
from api.dates import PROOF
from api.json_body import JsonObjectRoute
from api.problems import BadForm, KeyReused, NotAllowedNow, StaleVersion
from api.sign_in import CurrentViewer
from schemas.amendment import (
    FIELDS,
    Amendable,
    AmendBody,
    AmendmentsView,
    AmendmentView,
    RecordedView,
)
from schemas.base import Text
from schemas.messages_of_fields import message_of
from store import amendments, imports, recorded, submissions, users
from store.database import reading, session
from store.recorded import Recorded
from store.tables.amendments import Amendment
from store.tables.office import Document
from store.tables.processes import Process
from store.users import Viewer

router = APIRouter(tags=["amendments"], route_class=JsonObjectRoute)
READS_CLEAR = ("clerk", "supervisor", "head")
UNKNOWN = Text(
    zh="该个案没有登记这个值，请从“已登记的值”中选择。",
    en="The case has no such value on record: choose one of those listed.",
)
SEEN_OTHERWISE = Text(
    zh="该值刚刚有变化，请刷新页面，核对现值后再提出更正。",
    en="The value has changed meanwhile: reload the page, check it, then propose again.",
)
WAITS = Text(
    zh="该值已有一项更正待确认；请等待其结果，或先将其撤销。",
    en="An amendment of this value waits for its confirmation: wait for it, or cancel it first.",
)
NO_PAPER = Text(
    zh=f"请先将更正依据上传到该个案（编码 {PROOF.code}）。",
    en=f"Upload the paper to this case first (code {PROOF.code}).",
)


async def of_case(s: AsyncSession, viewer: Viewer, process_id: str) -> AmendmentsView:
    """What is on record and was amended, as this viewer may read it. NotFound."""
    process = await processes.find_process(s, viewer, process_id)
    clear = _clear(viewer, process)
    names = await users.names(s)
    unsaid = {"reason": "", "note": ""} if own_case.only_subject(viewer, process) else {}
    return AmendmentsView(
        values=[_value(r, clear) for r in await recorded.of_case(s, process)],
        amendments=[
            _view(row, no, await recorded.about(s, row.field, row.of), clear, names).model_copy(update=unsaid)
            for row, no in await amendments.of_case(s, process_id)
        ],
        may_propose=viewer.has(*permissions.AMENDERS),
    )


def _clear(viewer: Viewer, process: Process) -> bool:
    own = viewer.person_id is not None and viewer.person_id == process.subject
    return own or viewer.has(*READS_CLEAR)


def _value(value: Recorded, clear: bool) -> RecordedView:
    field = value.field
    return RecordedView(
        field=field.code,
        of=value.of,
        title=field.title,
        about=value.about,
        shape=field.shape,
        value=amendments.shown(field, value.value, clear=clear),
        masked=field.personal and not clear,
        amendable=value.refused is None,
        why_not=value.refused,
    )


def _view(row: Amendment, case_no: str, about: Text, clear: bool, names: dict[str, Text]) -> AmendmentView:
    field, values = FIELDS[row.field], amendments.values_of(row)
    return AmendmentView(
        id=row.id,
        case_no=case_no,
        field=row.field,
        of=row.of,
        title=field.title,
        about=about,
        old=amendments.shown(field, values.old, clear=clear),
        new=amendments.shown(field, values.new, clear=clear),
        masked=field.personal and not clear,
        reason=row.reason,
        document_id=row.document_id,
        state=row.state,
        proposed_by=row.proposed_by,
        proposed_by_name=names.get(row.proposed_by),
        proposed_at=row.proposed_at,
        decided_by=row.decided_by,
        decided_by_name=names.get(row.decided_by or ""),
        decided_at=row.decided_at,
        note=row.note,
    )


async def propose(viewer: Viewer, process_id: str, body: AmendBody, key: str | None) -> AmendmentView:
    """提出更正. NotFound, NotAllowed, BadForm, StaleVersion, NotAllowedNow, KeyReused.

    The same key again gives the same proposal. It is durable before Temporal is asked.
    """
    permissions.require_role(viewer, *permissions.AMENDERS)
    digest = submissions.body_hash({"process": process_id, **body.model_dump(mode="json")})
    async with session() as s:
        process = await processes.find_process(s, viewer, process_id)
        await imports.lock_starts(s)
        before = await imports.start_by_key(s, viewer.username, key) if key else None
        if before is not None:
            if before.body_hash != digest:
                raise KeyReused
            amendment_id = before.process_id
        else:
            amendment_id = (await _propose(s, viewer, process, body, key, digest)).id
    await starts.start_pending([amendment_id])
    async with reading() as s:
        found = await of_case(s, viewer, process_id)
    return next(a for a in found.amendments if a.id == amendment_id)


async def _propose(
    s: AsyncSession, viewer: Viewer, process: Process, body: AmendBody, key: str | None, digest: str
) -> Amendment:
    value = await recorded.find(s, process, body.field, body.of)
    if value is None:
        raise _fault("/field", "unknown_value", UNKNOWN)
    if value.value != body.was:
        raise StaleVersion(SEEN_OTHERWISE)
    if value.refused is not None:
        raise NotAllowedNow(value.refused, code="not_amendable")
    if await amendments.pending(s, process.id, body.field, body.of) is not None:
        raise NotAllowedNow(WAITS, code="amendment_pending")
    new = _clean(value.field, body.value)
    wrong = await recorded.fault(s, process, value, new)
    if wrong is not None:
        raise _fault("/value", "bad_value", wrong)
    if body.document_id is not None:
        paper = await s.get(Document, body.document_id)
        if paper is None or paper.process_id != process.id or paper.code != PROOF.code:
            raise _fault("/document_id", "document_missing", NO_PAPER)
    return await amendments.propose(
        s,
        process,
        value,
        new,
        reason=body.reason,
        document_id=body.document_id,
        actor=viewer.username,
        excluded=viewer.names,
        key=key,
        body_hash=digest,
    )


def _clean(field: Amendable, value: str) -> str:
    try:
        return field.clean(value)
    except ValidationError as error:
        text = message_of(error.errors()[0])
        named = Text(zh=f"{field.title.zh}：{text.zh}", en=f"{field.title.en}: {text.en}")
        raise _fault("/value", "bad_value", named) from error


def _fault(pointer: str, code: str, text: Text) -> BadForm:
    return BadForm(text, faults=[(pointer, code, text)])


@router.get("/processes/{process_id}/amendments", summary="What is on record in a case, and every amendment of it")
async def get_amendments(viewer: CurrentViewer, process_id: str) -> AmendmentsView:
    async with reading() as s:
        return await of_case(s, viewer, process_id)


@router.post("/processes/{process_id}/amendments", status_code=201, summary="Propose another value (更正)")
async def post_amendment(
    viewer: CurrentViewer, process_id: str, body: AmendBody, idempotency_key: IdempotencyKey = None
) -> AmendmentView:
    return await propose(viewer, process_id, body, idempotency_key)
