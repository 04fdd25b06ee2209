"""Starting cases from the outside: is the person there already, the case with its start in the outbox, and uploads.

Invariants: a person has at most one enrolment that has not ended (all starts pass one advisory lock, so two uploads at
once cannot both start the same person); the case, its record and its start are one transaction, and Temporal is asked
after it; an upload never changes a case that exists. Must not be done here: speaking to Temporal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from schemas.enrolment import KIND, ForeignHire
from schemas.process import ProcessStart, ProcessState
from store import audit, demo_clock, people
from store.sealed import seal, unseal
from store.tables.imports import Import, ImportRow
from store.tables.people import Hire, OrgUnit
from store.tables.processes import Process, ProcessStartRow

START_LOCK = 0x62616F71  # "baoq": serialises starts, so that "is there a case" and "open one" are one step


@dataclass(frozen=True)
class KnownCase:
    """The enrolment that a person has: its valid record and all earlier ones, newest first."""

    process_id: str
    case_no: str
    open: bool
    records: list[ForeignHire]


async def lock_starts(session: AsyncSession) -> None:
    """Holds back other starts until this transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": START_LOCK})


async def colleges(session: AsyncSession) -> list[OrgUnit]:
    """All org units, for matching names."""
    return list(await session.scalars(select(OrgUnit).order_by(OrgUnit.id)))


async def known_case(session: AsyncSession, id_number: str) -> KnownCase | None:
    """The person's enrolment: the open one, else the last closed one. A cancelled one does not count."""
    person = await people.find_person(session, id_number)
    if person is None:
        return None
    process = await session.scalar(
        select(Process)
        .where(Process.subject == person.id, Process.kind == KIND, Process.state != ProcessState.CANCELLED.value)
        .order_by(Process.closed_at.desc().nulls_first(), Process.started_at.desc())
        .limit(1)
    )
    if process is None:
        return None
    rows = await session.scalars(
        select(Hire).where(Hire.process_id == process.id).order_by(Hire.valid.desc(), Hire.version.desc())
    )
    records = [ForeignHire.model_validate(unseal(row.record)) for row in rows]
    return KnownCase(process.id, process.case_no, process.closed_at is None, records)


async def open_enrolment(
    session: AsyncSession,
    hire: ForeignHire,
    actor: str,
    *,
    source: str,
    idempotency_key: str | None = None,
    body_hash: str | None = None,
) -> Process:
    """Writes person, record, case and the start to be made. The caller holds `lock_starts` and has asked `known_case`.

    The start carries the demo's clock (0 in real life); the row's own offset is what the case alone is ahead of it: 0.
    """
    now, offset = clock.now(), await demo_clock.stored(session)
    person = await people.save_person(session, hire, str(uuid4()), now)
    case_no = await people.next_case_no(session, clock.today().year)
    process_id = f"{KIND}-{case_no}"
    process = Process(
        id=process_id,
        kind=KIND,
        case_no=case_no,
        title=people.display_name(person),
        search=people.search_text(case_no, person.name, person.name_zh),
        state=ProcessState.RUNNING.value,
        subject=person.id,
        org_unit=hire.org_unit,
        started_by=actor,
        started_at=now,
    )
    session.add(process)
    await session.flush()
    await people.save_hire(session, process_id, person.id, hire, source=source, now=now)
    start = ProcessStart(
        process_id=process_id,
        started_by=actor,
        subject=person.id,
        org_unit=hire.org_unit,
        clock_offset_seconds=offset,
    )
    session.add(
        ProcessStartRow(
            process_id=process_id,
            kind=KIND,
            start=start.model_dump(mode="json"),
            state="pending",
            idempotency_key=idempotency_key,
            body_hash=body_hash,
            started_by=actor,
            created_at=clock.real_now(),
        )
    )
    audit.record(session, actor, "process.start", process_id, source=source.split(":")[0])
    await session.flush()
    return process


async def start_by_key(session: AsyncSession, actor: str, key: str) -> ProcessStartRow | None:
    """What the same person started before with this idempotency key."""
    return await session.scalar(
        select(ProcessStartRow).where(ProcessStartRow.started_by == actor, ProcessStartRow.idempotency_key == key)
    )


async def pending_starts(session: AsyncSession, process_ids: Sequence[str] | None = None) -> list[ProcessStartRow]:
    """Starts that Temporal has not confirmed, those tried least often first, so that one that cannot be made holds up
    none; of these cases, or at most 100 of all."""
    query = select(ProcessStartRow).where(ProcessStartRow.state == "pending")
    query = query.order_by(ProcessStartRow.attempts, ProcessStartRow.created_at)
    query = query.where(ProcessStartRow.process_id.in_(process_ids)) if process_ids is not None else query.limit(100)
    return list(await session.scalars(query))


async def mark_start(session: AsyncSession, process_id: str, error: str | None) -> None:
    """Remembers the result of one attempt: started, or what went wrong (it stays pending and is tried again)."""
    await session.execute(
        update(ProcessStartRow)
        .where(ProcessStartRow.process_id == process_id)
        .values(
            state="pending" if error else "started",
            error=error[:500] if error else None,
            attempts=ProcessStartRow.attempts + 1,
        )
    )


async def save_import(
    session: AsyncSession,
    *,
    kind: str,
    mode: str,
    filename: str,
    sha256: str,
    actor: str,
    head: dict[str, Any],
    rows: Sequence[tuple[int, str, str | None, dict[str, Any]]],
    import_id: str,
) -> None:
    """Stores an upload. `rows`: number, outcome, process id, and everything said about the row."""
    session.add(
        Import(
            id=import_id,
            kind=kind,
            mode=mode,
            filename=filename[:200],
            sha256=sha256,
            uploaded_by=actor,
            created_at=clock.real_now(),
            body=seal(head),
        )
    )
    await session.flush()
    session.add_all(
        ImportRow(import_id=import_id, row=number, outcome=outcome, process_id=process_id, body=seal(body))
        for number, outcome, process_id, body in rows
    )
    audit.record(session, actor, "import", import_id, kind=kind, mode=mode, rows=len(rows))


async def load_import(session: AsyncSession, import_id: str) -> tuple[Import, dict[str, Any], list[ImportRow]] | None:
    """An upload with its head and rows, or None."""
    found = await session.get(Import, import_id)
    if found is None:
        return None
    rows = await session.scalars(select(ImportRow).where(ImportRow.import_id == import_id).order_by(ImportRow.row))
    return found, unseal(found.body), list(rows)


async def started_as(session: AsyncSession, preview: Import, import_id: str) -> None:
    """Notes on a preview which upload started its rows; the kept file has served and is dropped."""
    head = {k: v for k, v in unseal(preview.body).items() if k != "file"}
    preview.body = seal({**head, "started_as": import_id})
    await session.flush()


def row_body(row: ImportRow) -> dict[str, Any]:
    """Everything said about a stored row."""
    return unseal(row.body)


async def imports_of(session: AsyncSession, actor: str, limit: int = 20) -> list[tuple[Import, dict[str, int]]]:
    """The last uploads of a person, each with its count of rows by outcome."""
    found = list(
        await session.scalars(
            select(Import).where(Import.uploaded_by == actor).order_by(Import.created_at.desc()).limit(limit)
        )
    )
    counts: dict[str, dict[str, int]] = {i.id: {} for i in found}
    query = (
        select(ImportRow.import_id, ImportRow.outcome, func.count())
        .where(ImportRow.import_id.in_(counts))
        .group_by(ImportRow.import_id, ImportRow.outcome)
    )
    for import_id, outcome, number in await session.execute(query):
        counts[import_id][outcome] = number
    return [(i, counts[i.id]) for i in found]
