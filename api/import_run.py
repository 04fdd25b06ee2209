"""One upload from bytes to outcomes: read, check, compare with the cases that exist, start the good rows, remember all.

Invariants: rows that start do so in one transaction with the record of the upload; a row that did not start carries a
sentence; nothing of an open case is overwritten, but for a document that a clerk said is new (`person_alike`). Used by
the API and by the pages alike.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from api import import_checks, person_alike
from api.import_checks import Candidate
from api.spreadsheets import columns, reader, refused
from api.spreadsheets.columns import People, Remark, Table
from api.spreadsheets.headings import label
from api.spreadsheets.units import Unit
from api.spreadsheets.value_words import value_words
from domain.enrolment_checks import NAME_OF_ANOTHER, NUMBER_TAKEN
from domain.names_alike import names_alike
from domain.retirement import Track
from runtime import clock
from schemas.base import Text
from schemas.enrolment import ForeignHire
from schemas.imports import ImportMode, PersonDecision, RowOutcome
from store import alike as alike_store
from store import database, retirement_tracks
from store import imports as store
from store import people as people_store
from store.alike import AlikeCase
from store.users import Viewer


@dataclass
class Result:
    """What became of one row, with sentences in both languages."""

    candidate: Candidate
    outcome: RowOutcome
    process_id: str | None = None
    faults: list[Remark] = field(default_factory=list[Remark])
    changes: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    decisions: list[PersonDecision] = field(default_factory=list[PersonDecision])


def allowed_units(user: Viewer) -> set[str] | None:
    """The colleges whose people a user may start; None means all (a clerk)."""
    return None if user.has("clerk") else set(user.org_units)


def may_start(user: Viewer) -> bool:
    """Clerks start for every college, college officers for their own."""
    return user.has("clerk", "college")


@dataclass(frozen=True)
class Upload:
    """One upload while it is worked off. `decided`: what a clerk said, by the row's key."""

    user: Viewer
    mode: ImportMode
    id: str
    decided: dict[int, PersonDecision]
    units: list[Unit]


async def run(
    user: Viewer,
    kind: str,
    filename: str,
    content: bytes,
    mode: ImportMode,
    decided: dict[int, PersonDecision] | None = None,
) -> tuple[str, list[str]]:
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
        results = await _decide(session, Upload(user, mode, import_id, decided or {}, units), candidates)
        kept = mode == "preview" or any(r.decisions for r in results)  # a clerk's decision starts from the same file
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
                **({"file": base64.b64encode(content).decode()} if kept else {}),
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
    upload: Upload,
    candidates: list[Candidate],
) -> list[Result]:
    results: dict[int, Result] = {}
    for candidate in candidates:
        key = candidate.row.key
        if candidate.hire is None:
            results[key] = Result(candidate, "refused", faults=candidate.faults)
        elif candidate.same_as is not None:
            results[key] = _second_copy(upload, candidate, results[candidate.same_as])
        else:
            alike = results[candidate.alike.row.key] if candidate.alike else None
            results[key] = await _start_or_known(session, upload, candidate, candidate.hire, alike)
    return list(results.values())


def _second_copy(upload: Upload, candidate: Candidate, first: Result) -> Result:
    """A person who stands in the file twice: the first row counts."""
    table, place = candidate.row.table, first.candidate.row.place
    if not candidate.differs:
        text = Text(
            zh=f"与{place.zh}是同一人（证件号码相同），未重复启动。",
            en=f"The same person as in {place.en} (same document number); not started again.",
        )
        fault = Remark(table.heading("id_number"), "duplicate_in_file", text, "id_number")
        return Result(candidate, "duplicate", first.process_id, [fault, *_spelled(table, candidate.spelled)])
    faults = [
        Remark(
            table.heading(name),
            "differs_in_file",
            Text(
                zh=f"与{place.zh}是同一人，但内容不同：该行为“{before.zh}”，本行为“{after.zh}”。以{place.zh}为准，请核对。",
                en=f"The same person as in {place.en}, which has “{before.en}” where this row has “{after.en}”. "
                "That row counts; please check.",
            ),
            name,
        )
        for name, before, after in _in_words(upload, candidate.differs)
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
    upload: Upload,
    candidate: Candidate,
    hire: ForeignHire,
    alike: Result | None,
) -> Result:
    user, table = upload.user, candidate.row.table
    known = await store.known_case(session, hire.id_number)
    otherwise = await people_store.named_otherwise(session, hire)
    unlike = Remark(table.heading("name"), "name_differs", NAME_OF_ANOTHER, "name")
    if known is None and otherwise:
        return Result(candidate, "refused", faults=[unlike])
    if known is None:
        return await _alike(session, upload, candidate, hire, alike) or await _start(session, upload, candidate, hire)
    allowed = allowed_units(user)
    if allowed is not None and known.records[0].org_unit not in allowed:
        # Whoever types a passport number must not learn from it what another college's case says.
        fault = Remark(table.heading("id_number"), "duplicate_elsewhere", ELSEWHERE, "id_number")
        return Result(candidate, "duplicate", None, [fault])
    # The row as it was imported before is no change, even when the college has corrected the case since.
    differing = [import_checks.differences(record, candidate.row.values) for record in known.records]
    same = next((record for record, found in zip(known.records, differing, strict=True) if not found), None)
    if same is not None:
        spelled = _spelled(table, import_checks.spellings(same, candidate.row.values))
        fault = duplicate_fault(known, table.heading("id_number"))
        return Result(candidate, "duplicate", known.process_id, [fault, *spelled])
    faults = _differs(upload, table, differing[0], known.case_no, is_open=known.open)
    if otherwise:
        faults = [unlike, *(f for f in faults if f.field != "name")]
    return Result(candidate, "changed", known.process_id, faults, differing[0])


def _spelled(table: Table, spelled: list[tuple[str, str, str]]) -> list[Remark]:
    """What is said of values that are the same and only spelled otherwise."""
    return [
        Remark(
            table.heading(name),
            "spelled_otherwise",
            Text(
                zh=f"写法不同（原为“{before}”，本行为“{after}”），视为相同，原有写法未改动。",
                en=f"Spelled otherwise ({before!r} before, {after!r} in this row), taken for the same, not changed.",
            ),
            name,
        )
        for name, before, after in spelled
    ]


def _in_words(upload: Upload, differing: list[tuple[str, str, str]]) -> list[tuple[str, Text, Text]]:
    return [
        (n, value_words(n, before, upload.units), value_words(n, after, upload.units)) for n, before, after in differing
    ]


def _differs(
    upload: Upload, table: Table, differing: list[tuple[str, str, str]], case_no: str, *, is_open: bool
) -> list[Remark]:
    """A sentence for each field that a row states otherwise than a case."""
    return [
        Remark(
            table.heading(name),
            "changed" if is_open else "changed_after_close",
            Text(
                zh=f"{label(name).zh}与案件 {case_no} 不同：案件中为“{before.zh}”，表格中为“{after.zh}”。"
                + ("案件未被改动，请在案件中更正。" if is_open else "该案件已办结，如需变更请走信息变更。"),
                en=f"{label(name).en} differs from case {case_no}: “{before.en}” there, “{after.en}” in the file. "
                + ("The case was not changed; correct it there." if is_open else "That case is closed."),
            ),
            name,
        )
        for name, before, after in _in_words(upload, differing)
    ]


async def _start(session: AsyncSession, upload: Upload, candidate: Candidate, hire: ForeignHire) -> Result:
    if upload.mode == "preview":
        return Result(candidate, "started")
    others = await alike_store.cases(session, hire)
    source = f"import:{upload.id}"
    process = await store.open_enrolment(session, hire, upload.user.username, source=source)
    if upload.decided.get(candidate.row.key) == "another_person" and others:
        await person_alike.note_another(session, upload.user, process, others)
    return Result(candidate, "started", process.id)


async def _alike(
    session: AsyncSession, upload: Upload, candidate: Candidate, hire: ForeignHire, twin: Result | None
) -> Result | None:
    """What becomes of a person who may be the one of a case, or of an earlier row; None: another person, start it."""
    decision = upload.decided.get(candidate.row.key)
    if decision == "another_person":
        return None
    column = candidate.row.table.heading("id_number")
    if twin is not None and twin.outcome == "started":
        text = _alike_in_file(candidate, hire, twin)
        fault = Remark(column, person_alike.ALIKE_IN_FILE, text, "id_number")
        able: list[PersonDecision] = ["another_person"] if person_alike.may_decide(upload.user) else []
        return Result(candidate, "refused", faults=[fault], decisions=able)
    cases = await alike_store.cases(session, hire)
    case = person_alike.replaceable(cases)
    if decision == "same_person":
        if case is None:
            fault = Remark(column, "nothing_to_replace", person_alike.NOTHING_TO_REPLACE, "id_number")
            return Result(candidate, "refused", faults=[fault])
        return await _replaced(session, upload, candidate, hire, case)
    if not cases:
        return None
    allowed = allowed_units(upload.user)
    seen = cases[0].process_id if person_alike.may_see(cases[0], allowed) else None
    fault = Remark(column, person_alike.ALIKE, person_alike.said(cases, upload.user, allowed), "id_number")
    offered: list[PersonDecision] = []
    if person_alike.may_decide(upload.user):
        offered = ["another_person", "same_person"] if case else ["another_person"]
    return Result(candidate, "refused", seen, [fault], decisions=offered)


def _alike_in_file(candidate: Candidate, hire: ForeignHire, twin: Result) -> Text:
    place, other = twin.candidate.row.place, twin.candidate.hire
    marks = import_checks.marks_of(other) if other else ("", "")
    permit, who = (one == two for one, two in zip(marks, import_checks.marks_of(hire), strict=True))
    why = person_alike.ground(same_permit=permit, same_who=who)
    return Text(
        zh=f"与{place.zh}可能是同一人（{why.zh}，证件号码不同），未启动。是同一人请删除一行；是另一人，由经办人确认后发起。",
        en=f"This may be the person of {place.en} ({why.en}, another document number); not started. Delete one of the "
        "rows, or have a clerk confirm that they are two persons.",
    )


async def _replaced(
    session: AsyncSession, upload: Upload, candidate: Candidate, hire: ForeignHire, case: AlikeCase
) -> Result:
    """The open case of the same person gets the row's document; what else differs is shown and not taken over."""
    column = candidate.row.table.heading("id_number")
    if await people_store.find_person(session, hire.id_number) is not None:
        return Result(candidate, "refused", faults=[Remark(column, "number_taken", NUMBER_TAKEN, "id_number")])
    before = await people_store.hire_of(session, case.process_id)
    if upload.mode != "preview":
        source = f"import:{upload.id}/{candidate.row.key}"
        await person_alike.replace_document(session, upload.user, case, hire, source)
    differing = import_checks.differences(before, candidate.row.values)
    taken = [change for change in differing if change[0] in person_alike.DOCUMENT]
    text = Text(
        zh=f"已确认是同一人：案件 {case.case_no} 的证件已更新为本行的证件，没有新开案件。",
        en=f"Confirmed as the same person: case {case.case_no} has this row's document now; no case was started.",
    )
    done = Remark(column, "document_replaced", text, "id_number")
    rest = [change for change in differing if change not in taken]
    faults = [done, *_differs(upload, candidate.row.table, rest, case.case_no, is_open=True)]
    return Result(candidate, "changed", case.process_id, faults, differing)


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
        "decisions": result.decisions,
    }
