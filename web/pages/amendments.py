"""Amending a value on record: a page with the value as it stands and the form, shown again with what was refused."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from starlette.responses import Response

from api import amendments as room
from api import dates, processes, uploads
from api.permissions import AMENDERS, require_role
from api.problems import NotFound, Problem
from schemas.amendment import AmendBody, RecordedView
from schemas.base import Text
from store.database import reading, session
from web.frame import Guest, Visit, file_of, page, posted
from web.routes import router as make_router
from web.side_forms import body_of

router = make_router()
TYPED = ("value", "reason", "document_id")


def amend_url(process_id: str, value: RecordedView) -> str:
    """Where a value is amended. No value stands in an address: only which one it is."""
    return f"/cases/{process_id}/amend?{urlencode({'field': value.field, 'of': value.of})}"


@router.get("/cases/{process_id}/amend")
async def form(visit: Guest, process_id: str, field: str, of: str = "") -> Response:
    """The form for one value."""
    require_role(visit.viewer, *AMENDERS)
    return await _show(visit, process_id, field, of)


@router.post("/cases/{process_id}/amend")
async def propose(visit: Guest, process_id: str, field: str, of: str = "") -> Response:
    """Proposes the new value; what is refused is said above the form, which keeps what was typed."""
    posted_form = await posted(visit)
    typed = {name: str(posted_form.get(name) or "").strip() for name in TYPED}
    file = file_of(posted_form)
    try:
        body = body_of(AmendBody, posted_form, field=field, of=of, was=str(posted_form.get("was") or ""))
        if file is not None:
            content = await uploads.read_limited(file)
            async with session() as s:
                paper = await dates.upload_paper(
                    s, visit.viewer, process_id, dates.PROOF.code, file.filename or "", content
                )
            body = body.model_copy(update={"document_id": paper.id})
            typed["document_id"] = paper.id
        await room.propose(visit.viewer, process_id, body, str(posted_form.get("key") or "") or None)
    except Problem as problem:
        said = problem.faults[0][2] if problem.faults else problem.text
        return await _show(visit, process_id, field, of, typed, said, problem.status)
    return visit.go(f"/cases/{process_id}", "amend_proposed")


async def _show(
    visit: Visit,
    process_id: str,
    field: str,
    of: str,
    typed: dict[str, str] | None = None,
    refused: Text | None = None,
    status: int = 200,
) -> Response:
    async with reading() as s:
        case = await processes.find_process(s, visit.viewer, process_id)
        found = await room.of_case(s, visit.viewer, process_id)
        case_no = case.case_no
    value = next((v for v in found.values if (v.field, v.of) == (field, of)), None)
    if value is None:
        raise NotFound
    values: dict[str, Any] = {
        "case": {"id": process_id, "case_no": case_no},
        "value": value,
        "typed": typed or dict.fromkeys(TYPED, ""),
        "refused": refused,
        "key": uuid4().hex,
        "amend_url": amend_url,
    }
    return await page(visit, "amend.html", status, **values)
