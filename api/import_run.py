"""One upload from bytes to outcomes: read, check, compare with the cases that exist, start the good rows, remember all.

Invariants: rows that start do so in one transaction with the record of the upload; a row that did not start carries a
sentence; nothing of an open case is overwritten. Used by the API and by the pages alike.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from api import import_checks
from api.import_checks import Candidate
from api.spreadsheets import columns, reader, refused
from api.spreadsheets.columns import People, Remark
from api.spreadsheets.headings import label
from api.spreadsheets.units import Unit
from domain.enrolment_checks import NAME_OF_ANOTHER
from domain.names_alike import names_alike
from domain.retirement import Track
from runtime import clock
from schemas.base import Text
from schemas.enrolment import ForeignHire
from schemas.imports import ImportMode, RowOutcome
from store import database, retirement_tracks
from store import imports as store
from store import people as people_store
from store.users import Viewer


@dataclass
class Result:
    """What became of one row, with sentences in both languages."""

    candidate: Candidate
    outcome: RowOutcome
    process_id: str | None = None
    faults: list[Remark] = field(default_factory=list[Remark])
    changes: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


def allowed_units(user: Viewer) -> set[str] | None:
    """The colleges whose people a user may start; None means all (a clerk)."""
    return None if user.has("clerk") else set(user.org_units)


def may_start(user: Viewer) -> bool:
    """Clerks start for every college, college officers for their own."""
    return user.has("clerk", "college")


async def run(user: Viewer, kind: str, filename: str, content: bytes, mode: ImportMode) -> tuple[str, list[str]]:
    """Takes an upload in. Gives its id and the cases whose start Temporal has still to be asked for.

    Errors: `reader.SpreadsheetError` when the file cannot be read as a list.
    """
    async with database.session() as session:
        units = [Unit(u.id, u.name_zh, u.name_en) for u in await store.colleges(session)]
        tracks = await retirement_tracks.by_number(session)
    people, candidates = await asyncio.to_thread(_read, content, filename, units, allowed_units(user), tracks)
    import_id = str(uuid4())
    async with database.session() as session:
        await store.lock_starts(session)
        results = await _decide(session, user, candidates, mode, import_id)
        await store.save_import(
            session,
            kind=kind,
            mode=mode,
            filename=filename,
            sha256=hashlib.sha256(content).hexdigest(),
            actor=user.username,
            head={
                "sheets": [{"sheet": t.sheet, "headings": t.headings} for t in people.tables],
                "notes": [note.model_dump() for note in people.notes],
                "unread": [_remark(r) for r in people.unread],
                **({"file": base64.b64encode(content).decode()} if mode == "preview" else {}),
            },
            rows=[(r.candidate.row.key, r.outcome, r.process_id, _body(r)) for r in results],
            import_id=import_id,
        )
    return import_id, [r.process_id for r in results if r.outcome == "started" and r.process_id]


def _read(
    content: bytes, filename: str, units: list[Unit], allowed: set[str] | None, tracks: Mapping[str, Track]
) -> tuple[People, list[Candidate]]:
    """The part that costs time and needs no database; run in a thread."""
    people = columns.parse(reader.read(content, filename), units)
    return people, import_checks.examine(people, clock.today(), allowed, tracks)


async def _decide(
    session: AsyncSession,
    user: Viewer,
    candidates: list[Candidate],
    mode: ImportMode,
    import_id: str,
) -> list[Result]:
    results: dict[int, Result] = {}
    for candidate in candidates:
        key = candidate.row.key
        if candidate.hire is None:
            results[key] = Result(candidate, "refused", faults=candidate.faults)
        elif candidate.same_as is not None:
            results[key] = _second_copy(candidate, results[candidate.same_as])
        else:
            results[key] = await _start_or_known(session, user, candidate, candidate.hire, mode, import_id)
    return list(results.values())


def _second_copy(candidate: Candidate, first: Result) -> Result:
    """A person who stands in the file twice: the first row counts."""
    table, place = candidate.row.table, first.candidate.row.place
    if not candidate.differs:
        text = Text(
            zh=f"与{place.zh}是同一人（证件号码相同），未重复启动。",
            en=f"The same person as in {place.en} (same document number); not started again.",
        )
        fault = Remark(table.heading("id_number"), "duplicate_in_file", text, "id_number")
        return Result(candidate, "duplicate", first.process_id, [fault])
    faults = [
        Remark(
            table.heading(name),
            "differs_in_file",
            Text(
                zh=f"与{place.zh}是同一人，但内容不同：该行为“{before}”，本行为“{after}”。以{place.zh}为准，请核对。",
                en=f"The same person as in {place.en}, which has {before!r} where this row has {after!r}. "
                "That row counts; please check.",
            ),
            name,
        )
        for name, before, after in candidate.differs
    ]
    if not names_alike(first.candidate.name, candidate.name):
        text = Text(
            zh=f"与{place.zh}证件号码相同，姓名却不同：请对照证件核对是否填错号码。以{place.zh}为准。",
            en=f"The same document number as in {place.en}, under another name: check which number is wrong. "
            "That row counts.",
        )
        unlike = Remark(table.heading("name"), "name_differs", text, "name")
        faults = [unlike, *(f for f in faults if f.field != "name")]
    return Result(candidate, "changed", first.process_id, faults, candidate.differs)


async def _start_or_known(
    session: AsyncSession,
    user: Viewer,
    candidate: Candidate,
    hire: ForeignHire,
    mode: ImportMode,
    import_id: str,
) -> Result:
    table = candidate.row.table
    known = await store.known_case(session, hire.id_number)
    otherwise = await people_store.named_otherwise(session, hire)
    unlike = Remark(table.heading("name"), "name_differs", NAME_OF_ANOTHER, "name")
    if known is None and otherwise:
        return Result(candidate, "refused", faults=[unlike])
    if known is None:
        if mode == "preview":
            return Result(candidate, "started")
        process = await store.open_enrolment(session, hire, user.username, source=f"import:{import_id}")
        return Result(candidate, "started", process.id)
    allowed = allowed_units(user)
    if allowed is not None and known.records[0].org_unit not in allowed:
        # Whoever types a passport number must not learn from it what another college's case says.
        fault = Remark(table.heading("id_number"), "duplicate_elsewhere", ELSEWHERE, "id_number")
        return Result(candidate, "duplicate", None, [fault])
    # The row as it was imported before is no change, even when the college has corrected the case since.
    differing = [import_checks.differences(record, candidate.row.values) for record in known.records]
    if any(not found for found in differing):
        return Result(candidate, "duplicate", known.process_id, [duplicate_fault(known, table.heading("id_number"))])
    faults = [
        Remark(
            table.heading(name),
            "changed" if known.open else "changed_after_close",
            Text(
                zh=f"{label(name).zh}与案件 {known.case_no} 不同：案件中为“{before}”，表格中为“{after}”。"
                + ("案件未被改动，请在案件中更正。" if known.open else "该案件已办结，如需变更请走信息变更。"),
                en=f"{label(name).en} differs from case {known.case_no}: {before!r} there, {after!r} in the file. "
                + ("The case was not changed; correct it there." if known.open else "That case is closed."),
            ),
            name,
        )
        for name, before, after in differing[0]
    ]
    if otherwise:
        faults = [unlike, *(f for f in faults if f.field != "name")]
    return Result(candidate, "changed", known.process_id, faults, differing[0])


ELSEWHERE = Text(
    zh="此人已有其他学院的参保案件，请联系社保经办人。",
    en="This person has a case of another college; please ask the office.",
)


def duplicate_fault(known: store.KnownCase, heading: str) -> Remark:
    """What is said about a person who has a case."""
    if known.open:
        text = Text(
            zh=f"此人已有在办案件 {known.case_no}，未重复启动。",
            en=f"This person has the open case {known.case_no}; nothing was started.",
        )
    else:
        text = Text(
            zh=f"此人已由案件 {known.case_no} 办结参保，未重复启动。",
            en=f"This person was enrolled by case {known.case_no}, which is closed; nothing was started.",
        )
    return Remark(heading, "duplicate", text, "id_number")


def _remark(remark: Remark) -> dict[str, Any]:
    return {"column": remark.column, "code": remark.code, "text": remark.text.model_dump(), "field": remark.field}


def _body(result: Result) -> dict[str, Any]:
    """Everything said about a row, to be stored encrypted."""
    row, table = result.candidate.row, result.candidate.row.table
    return {
        "row": row.number,
        "sheet": table.sheet,
        "name": result.candidate.name,
        "cells": refused.to_json(row.cells),
        "repairs": [_remark(r) for r in row.repairs],
        "faults": [_remark(f) for f in result.faults],
        "watch": [_remark(w) for w in result.candidate.watch],
        "changes": [
            {"column": table.heading(name), "field": name, "before": before, "after": after}
            for name, before, after in result.changes
        ],
    }
