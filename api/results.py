"""What an agency answered for many, from its result file or a table: each row completes its own person's task.

Invariants: whatever is wrong with one row stops no other and is said in a sentence; what a row means and does is in
`api/result_rows.py`, what is wrong with it in `api/result_checks.py`. Rows are kept encrypted like those of any upload,
and given back as a spreadsheet by `GET /imports/{id}/refused.xlsx`.
"""

import hashlib
import uuid
from datetime import date
from typing import Annotated, Any, cast

from fastapi import APIRouter, File, Form, Request, UploadFile

from api import batch, imports, permissions, result_checks, result_rows
from api.hand_in import agency_named
from api.json_body import JsonObjectRoute
from api.problems import NotFound, Problem, language_of, pick
from api.sign_in import CurrentViewer
from api.spreadsheets import reader
from api.spreadsheets.results import FIELDS, Results, Said, read_results, say
from schemas.base import Text
from schemas.hand_in import ResultFault, ResultOutcome, ResultRowView, ResultsBody, ResultsView
from store import applications, policies, submissions
from store import imports as store
from store.database import session
from store.users import Viewer

router = APIRouter(prefix="/agencies", tags=["agencies"], route_class=JsonObjectRoute)
KIND = "agency_results"
TYPED = "办理结果"


# --- taking a list ---------------------------------------------------------------------------------------------------


async def take_file(
    viewer: Viewer, agency: str, filename: str, content: bytes, day: date | None, language: str
) -> ResultsView:
    """A result file. NotAllowed, NotFound, BadSpreadsheet."""
    permissions.require_hat(viewer, *permissions.HAND_IN)
    agency_named(agency)
    try:
        headings = applications.agency_files().results.headings
        found = read_results(reader.read(content, filename), headings, policies.reasons())
    except reader.SpreadsheetError as error:
        raise imports.problem_of(error) from error
    return await _take(viewer, agency, filename, hashlib.sha256(content).hexdigest(), found, day, language)


async def take_rows(viewer: Viewer, agency: str, body: ResultsBody, language: str) -> ResultsView:
    """Results typed as a table. NotAllowed, NotFound."""
    permissions.require_hat(viewer, *permissions.HAND_IN)
    agency_named(agency)
    headings = applications.agency_files().results.headings
    columns = {name: cast("list[str]", getattr(headings, name))[0] for name in FIELDS}
    typed: list[Said] = []
    for number, row in enumerate(body.rows, 1):
        values = {name: getattr(row, name, None) for name in FIELDS}
        cells = [{"date": v.isoformat()} if isinstance(v, date) else v for v in values.values()]
        typed.append(say(Said(number, TYPED, cells, columns=columns), values, policies.reasons()))
    digest = submissions.body_hash(body.model_dump(mode="json"))
    found = Results(typed, [(TYPED, list(columns.values()))])
    return await _take(viewer, agency, "", digest, found, body.day, language)


async def _take(
    viewer: Viewer, agency: str, filename: str, digest: str, results: Results, day: date | None, language: str
) -> ResultsView:
    """Records every row that can be, and keeps what became of each."""
    persons = await result_rows.find(viewer, agency, results.rows)
    result_checks.doubled(results.rows, persons)
    result_checks.one_number_for_two(results.rows, persons)
    for said, found in zip(results.rows, persons, strict=True):
        result_checks.check(said, found)
    good = [i for i, said in enumerate(results.rows) if not said.faults]

    async def act(i: int) -> batch.Outcome:
        return await result_rows.record(viewer, agency, results.rows[i], persons[i], day), None

    outcomes: list[str] = ["refused"] * len(results.rows)
    for i, became in zip(good, await batch.each(good, act), strict=True):
        if isinstance(became, Problem):
            result_rows.told(results.rows[i], became)
        else:
            outcomes[i] = became[0]
    import_id = str(uuid.uuid4())
    async with session() as s:
        await store.save_import(
            s,
            kind=KIND,
            mode="good_rows",
            filename=filename,
            sha256=digest,
            actor=viewer.username,
            head={
                "agency": agency,
                "sheets": [{"sheet": name, "headings": headings} for name, headings in results.sheets],
                "notes": [note.model_dump() for note in results.notes],
            },
            rows=[
                (key, outcome, found.process.id if found.process else None, _body(said, found))
                for key, (said, found, outcome) in enumerate(zip(results.rows, persons, outcomes, strict=True), 1)
            ],
            import_id=import_id,
        )
    return await view(viewer, agency, import_id, language)


def _body(said: Said, found: result_rows.Found) -> dict[str, Any]:
    return {
        "row": said.row,
        "sheet": said.sheet,
        "name": found.name or said.name,
        "case_no": found.process.case_no if found.process else None,
        "cells": said.cells,
        "faults": [{"column": f.column, "code": f.code, "text": f.text.model_dump()} for f in said.faults],
    }


# --- reading it back -------------------------------------------------------------------------------------------------


async def view(viewer: Viewer, agency: str, import_id: str, language: str) -> ResultsView:
    """A list of results as it was taken. NotFound unless it is the viewer's own, or the viewer sees everything."""
    upload, head, rows = await imports.load(viewer, import_id, KIND)
    if head["agency"] != agency:
        raise NotFound
    several = len(head["sheets"]) > 1
    views_: list[ResultRowView] = []
    for row in rows:
        body = store.row_body(row)
        views_.append(
            ResultRowView(
                row=body["row"],
                sheet=body["sheet"] if several else "",
                name=body["name"],
                process_id=row.process_id,
                case_no=body["case_no"],
                outcome=cast("ResultOutcome", row.outcome),
                faults=[
                    ResultFault(column=f["column"], code=f["code"], message=pick(Text(**f["text"]), language))
                    for f in body["faults"]
                ],
            )
        )
    outcomes: tuple[ResultOutcome, ...] = ("done", "unchanged", "pending", "refused")
    return ResultsView(
        id=upload.id,
        agency=agency,
        filename=upload.filename,
        notes=[pick(Text(**note), language) for note in head["notes"]],
        counts={outcome: sum(v.outcome == outcome for v in views_) for outcome in outcomes},
        rows=views_,
    )


# --- routes ----------------------------------------------------------------------------------------------------------


@router.post("/{agency}/results", summary="Results typed as a table: each row completes its own task")
async def post_results(viewer: CurrentViewer, agency: str, body: ResultsBody, request: Request) -> ResultsView:
    return await take_rows(viewer, agency, body, language_of(request))


@router.post("/{agency}/results/file", summary="A result file (.xlsx, .xls, .csv): each row completes its own task")
async def post_results_file(
    viewer: CurrentViewer,
    agency: str,
    request: Request,
    file: Annotated[UploadFile, File(description=".xlsx, .xls or .csv")],
    day: Annotated[date | None, Form(description="the day of rows without one; today if left out")] = None,
) -> ResultsView:
    content = await imports.content_of(file)
    return await take_file(viewer, agency, file.filename or "", content, day, language_of(request))


@router.get("/{agency}/results/{import_id}", summary="A list of results, and what became of each row")
async def get_results(viewer: CurrentViewer, agency: str, import_id: str, request: Request) -> ResultsView:
    return await view(viewer, agency, import_id, language_of(request))
