"""A document behind its link; beside it a spreadsheet as a table, or a .docx as its text, for reading.

Invariants: who may not download a document sees no table of it; values only, nothing of a file is run or drawn as it
says; the reader's own limits hold, and of a long sheet the page says how much it shows.
"""

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from api import uploads, word_files
from api.spreadsheets.cells import text_of
from api.spreadsheets.reader import Sheet, SpreadsheetError, read
from store.database import session
from web.frame import Guest, bare, sentence, words
from web.routes import router as make_router

router = make_router()
SHEETS, ROWS, COLUMNS, CHARACTERS = 5, 100, 30, 200
PROSE = word_files.Limits(lines=ROWS, columns=COLUMNS, characters=10 * CHARACTERS)


@dataclass(frozen=True)
class Shown:
    """One sheet, as much of it as is shown: the number of each row, and its cells."""

    name: str
    rows: list[tuple[int, list[str]]]
    cut: bool


@router.get("/documents/{document_id}")
async def document(visit: Guest, document_id: str) -> Response:
    """The file itself, as the API gives it; what is wrong with it is a page, not an answer for programs. NotFound."""
    async with session() as s:
        row, content = await uploads.download(s, visit.viewer, document_id)
    return uploads.file_response(row, content)


@router.get("/documents/{document_id}/table")
async def table(visit: Guest, document_id: str) -> Response:
    """The part of a page that a fold beside the link opens. NotFound."""
    async with session() as s:
        row, content = await uploads.download(s, visit.viewer, document_id)
    try:
        book = await asyncio.to_thread(read, content, row.filename)
    except SpreadsheetError as error:
        sheets, fault = list[Shown](), sentence(visit, error.text)
    else:
        sheets, fault = [_shown(sheet) for sheet in book.sheets[:SHEETS] if sheet.rows], ""
    context = {**words(visit.lang), "sheets": sheets, "fault": fault, "filename": row.filename, "most": ROWS}
    return await bare("sheet.html", context)


@router.get("/documents/{document_id}/text")
async def text(visit: Guest, document_id: str) -> Response:
    """The same for a .docx. NotFound."""
    async with session() as s:
        row, content = await uploads.download(s, visit.viewer, document_id)
    blocks, cut, fault = list[word_files.Block](), False, ""
    try:
        blocks, cut = await asyncio.to_thread(word_files.read, content, PROSE)
    except word_files.UnreadableWord as error:
        fault = sentence(visit, error.text)
    context = {**words(visit.lang), "blocks": blocks, "fault": fault, "filename": row.filename, "cut": cut}
    return await bare("word.html", {**context, "most": ROWS})


def _shown(sheet: Sheet) -> Shown:
    rows = [(number, [_text(text_of(c)) for c in cells[:COLUMNS]]) for number, cells in sheet.numbered()[:ROWS]]
    cut = len(sheet.rows) > ROWS or any(len(cells) > COLUMNS for cells in sheet.rows[:ROWS])
    width = max((len(cells) for _, cells in rows), default=0)
    return Shown(sheet.name, [(n, cells + [""] * (width - len(cells))) for n, cells in rows if any(cells)], cut)


def _text(value: str) -> str:
    return value if len(value) <= CHARACTERS else f"{value[:CHARACTERS]}…"
