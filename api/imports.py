"""`POST /imports/{kind}`: a spreadsheet goes in, good rows start, the others come back with a sentence per fault.

Invariants: an upload is seen by who made it and by those who see everything (clerk, supervisor, head, auditor); its
rows are read from what was stored, so that the answer, the page and refused.xlsx say the same. `import_run` does the
work.
"""

import base64
from typing import Annotated, Any, cast

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from api import import_run, person_alike, starts
from api.json_body import JsonObjectRoute
from api.problems import BadForm, NotAllowed, NotFound, Problem, language_of, pick
from api.sign_in import CurrentViewer
from api.spreadsheets import reader, refused
from schemas.base import Text
from schemas.enrolment import KIND
from schemas.imports import (
    ImportMode,
    ImportRowView,
    ImportView,
    PersonDecision,
    RowChange,
    RowDecisions,
    RowOutcome,
    RowRemark,
)
from store import database
from store import imports as store
from store.import_files import XLSX
from store.tables.imports import Import, ImportRow
from store.users import Viewer

router = APIRouter(prefix="/imports", tags=["imports"], route_class=JsonObjectRoute)

KINDS = {KIND, "foreign_hires"}
SETTLED = ("started", "done", "unchanged", "pending")  # rows that are not handed back
ALL_SEE = ("clerk", "supervisor", "head", "auditor")


class ImportKindUnknown(Problem):
    status, code = 404, "import_kind_unknown"
    text = Text(
        zh="不支持导入这一种类；可导入：enrolment（外籍人员参保）。",
        en="Lists of this kind cannot be imported; what can be: enrolment.",
    )


class BadSpreadsheet(Problem):
    """A file that cannot be read as a list; `code` says which of the reader's reasons it was."""

    status, code = 422, "bad_spreadsheet"


class NotAPreview(Problem):
    """There is nothing left to start: the upload was no preview."""

    status, code = 409, "not_a_preview"
    text = Text(
        zh="这次上传不是预览，没有可再发起的行；请重新上传表格。",
        en="This upload was no preview: nothing of it is left to start. Upload the list again.",
    )


@router.post("/{kind}", response_model=ImportView)
async def post_import(
    kind: str,
    request: Request,
    viewer: CurrentViewer,
    file: Annotated[UploadFile, File(description=".xlsx, .xls or .csv")],
    mode: Annotated[ImportMode, Form()] = "preview",
    another_person: Annotated[list[int] | None, Form(max_length=5000)] = None,
    same_person: Annotated[list[int] | None, Form(max_length=5000)] = None,
) -> ImportView:
    """Reads a spreadsheet. `preview` says what would start, `good_rows` starts it. A clerk may say of rows whose person
    looks like the person of a case (code `person_alike`) that it is another one, or the same with a new document."""
    if kind not in KINDS:
        raise ImportKindUnknown
    said = decisions(RowDecisions(another_person=another_person or [], same_person=same_person or []))
    return await take(viewer, file.filename or "", await content_of(file), mode, language_of(request), said)


@router.get("/{import_id}", response_model=ImportView)
async def get_import(import_id: str, request: Request, viewer: CurrentViewer) -> ImportView:
    """An upload and what became of its rows."""
    return await view(viewer, import_id, language_of(request))


@router.post("/{import_id}/start", response_model=ImportView)
async def post_start(
    import_id: str, request: Request, viewer: CurrentViewer, body: RowDecisions | None = None
) -> ImportView:
    """Starts the good rows of an upload from the file that was uploaded then, with what a clerk says of persons who
    look alike. For previews, and for uploads in which somebody looks alike. The answer is a new upload's; asked again
    it is the same."""
    return await start_preview(viewer, import_id, language_of(request), decisions(body or RowDecisions()))


@router.get("/{import_id}/refused.xlsx", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def get_refused(import_id: str, request: Request, viewer: CurrentViewer) -> Response:
    """The rows that did not start, under their own headings, with a sentence per fault: to correct and upload again."""
    content = await refused_file(viewer, import_id, language_of(request))
    disposition = f'attachment; filename="refused-{import_id[:8]}.xlsx"'
    return Response(content, media_type=XLSX, headers={"Content-Disposition": disposition})


async def content_of(file: UploadFile) -> bytes:
    """An upload's bytes; BadSpreadsheet with its true size when it is too large, before anything of it is read."""
    try:
        reader.check_size(file.size or 0)
    except reader.SpreadsheetError as error:
        raise problem_of(error) from error
    return await file.read(reader.MAX_BYTES + 1)


def decisions(said: RowDecisions) -> dict[int, PersonDecision]:
    """What was said, by row. BadForm where both was said of one row."""
    if both := set(said.another_person) & set(said.same_person):
        rows = "、".join(str(row) for row in sorted(both))
        text = Text(
            zh=f"第 {rows} 行同时确认为“另一人”和“同一人”，请只选一项。",
            en=f"Of row {rows} both was said, another and the same person: choose one.",
        )
        raise BadForm(faults=[("/same_person", "said_both", text)])
    return {**dict.fromkeys(said.another_person, "another_person"), **dict.fromkeys(said.same_person, "same_person")}


async def take(
    viewer: Viewer,
    filename: str,
    content: bytes,
    mode: ImportMode,
    language: str,
    decided: dict[int, PersonDecision] | None = None,
) -> ImportView:
    """Takes an upload in and starts its good rows. Errors: NotAllowed (also who decides about persons without being a
    clerk), BadSpreadsheet."""
    if not import_run.may_start(viewer) or (decided and not person_alike.may_decide(viewer)):
        raise NotAllowed
    try:
        import_id, started = await import_run.run(viewer, KIND, filename, content, mode, decided)
    except reader.SpreadsheetError as error:
        raise problem_of(error) from error
    await starts.start_pending(started)
    return await view(viewer, import_id, language)


async def start_preview(
    viewer: Viewer, import_id: str, language: str, decided: dict[int, PersonDecision] | None = None
) -> ImportView:
    """Starts what a preview promised; every row is checked again, for days may have passed.

    Errors: NotAllowed, NotFound, NotAPreview, BadSpreadsheet.
    """
    if not import_run.may_start(viewer):
        raise NotAllowed
    upload, head, _ = await load(viewer, import_id)
    if "started_as" in head:
        return await view(viewer, head["started_as"], language)
    if "file" not in head:
        raise NotAPreview
    result = await take(viewer, upload.filename, base64.b64decode(head["file"]), "good_rows", language, decided)
    async with database.session() as session:
        found = await store.load_import(session, import_id)
        if found is not None:
            await store.started_as(session, found[0], result.id)
    return result


def problem_of(error: reader.SpreadsheetError) -> Problem:
    """A file that cannot be read, as people and programs are told."""
    return BadSpreadsheet(error.text, status=error.status, code=error.code, faults=[("/file", error.code, error.text)])


async def load(
    viewer: Viewer, import_id: str, kind: str | None = KIND
) -> tuple[Import, dict[str, Any], list[ImportRow]]:
    """An upload of a kind (None: of any) with its head and rows. NotFound when this user may not see it."""
    async with database.session() as session:
        found = await store.load_import(session, import_id)
    if found is None or (found[0].uploaded_by != viewer.username and not viewer.has(*ALL_SEE)):
        raise NotFound
    if kind is not None and found[0].kind != kind:
        raise NotFound
    return found


async def view(viewer: Viewer, import_id: str, language: str) -> ImportView:
    """An upload as people read it. NotFound when there is none that this user may see."""
    upload, head, rows = await load(viewer, import_id)
    sheets = head["sheets"]
    several = len(sheets) > 1
    views = [_row_view(row, store.row_body(row), language, several) for row in rows]
    outcomes: tuple[RowOutcome, ...] = ("started", "refused", "duplicate", "changed")
    return ImportView(
        id=upload.id,
        kind=upload.kind,
        mode=cast("ImportMode", upload.mode),
        filename=upload.filename,
        sheet="、".join(s["sheet"] for s in sheets),
        notes=[pick(Text(**note), language) for note in head["notes"]],
        unread=_remarks(head.get("unread", []), language),  # uploads of before kept none
        counts={outcome: sum(v.outcome == outcome for v in views) for outcome in outcomes},
        rows=views,
        can_start="file" in head,
    )


def _remarks(stored: list[dict[str, Any]], language: str) -> list[RowRemark]:
    return [
        RowRemark(column=r["column"], code=r["code"], message=pick(Text(**r["text"]), language), field=r["field"])
        for r in stored
    ]


def _row_view(row: ImportRow, body: dict[str, Any], language: str, several: bool) -> ImportRowView:
    return ImportRowView(
        row=body["row"],
        key=row.row,
        sheet=body["sheet"] if several else "",
        name=body["name"],
        outcome=cast("RowOutcome", row.outcome),
        process_id=row.process_id,
        repairs=_remarks(body["repairs"], language),
        faults=_remarks(body["faults"], language),
        watch=_remarks(body["watch"], language),
        changes=[RowChange(**change) for change in body["changes"]],
        decisions=body.get("decisions", []),
    )


async def refused_file(viewer: Viewer, import_id: str, language: str) -> bytes:
    """The rows that did not start, or changed nothing for want of something, as .xlsx; NotFound when there are none."""
    _, head, rows = await load(viewer, import_id, kind=None)
    lines: dict[str, list[tuple[list[Any], list[str]]]] = {}
    for row in rows:
        if row.outcome not in SETTLED:
            body = store.row_body(row)
            sentences = [f"{f['column']}：{pick(Text(**f['text']), language)}" for f in body["faults"]]
            lines.setdefault(body["sheet"], []).append((body["cells"], sentences))
    if not lines:
        raise NotFound(
            Text(zh="全部行均已办理，没有退回的行。", en="Every row was done; there is nothing to hand back.")
        )
    return refused.write(
        [(s["sheet"], s["headings"], lines[s["sheet"]]) for s in head["sheets"] if s["sheet"] in lines]
    )
