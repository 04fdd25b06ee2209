"""Amendments 更正 of values on record: the proposal, and what the second person's word does to the books.

Invariants: both values stay; one proposal a value at a time; a confirmed value is written in the transaction in which
the amendment is closed, and only while the value is still the one that was proposed against; deciding twice changes
nothing. Texts of the timeline hold a personal value masked. Must not be done here: speaking to Temporal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notices import mask
from runtime import clock
from schemas.amendment import FIELDS, KIND, WAGE, Amendable
from schemas.base import Text
from schemas.process import ProcessStart, ProcessState
from store import demo_clock, inbox_events, notifications, people, recorded
from store.premium_lines import process_now
from store.recorded import Recorded
from store.sealed import seal, unseal
from store.tables.amendments import Amendment
from store.tables.processes import Process, ProcessStartRow

PROPOSED, APPLIED, REJECTED, WITHDRAWN, VOID = "proposed", "applied", "rejected", "withdrawn", "void"
TOLD = ("registration.number", WAGE)  # what the notice to the person rests on
CHANGED = Text(
    zh="提出更正后，登记的值已有变化，不能再按原提议更正：请不予更正，核对后重新提出。",
    en="The value on record has changed since this was proposed: do not amend it, check, and propose anew.",
)
GONE = Text(zh="该值已不在登记中。", en="The value is no longer on record.")


@dataclass(frozen=True)
class Values:
    """Both values in clear."""

    old: str
    new: str


def values_of(row: Amendment) -> Values:
    return Values(str(unseal(row.old)), str(unseal(row.new)))


def shown(field: Amendable, value: str, *, clear: bool) -> str:
    """The value for people: a personal one only for those who work with it."""
    return value if clear or not field.personal else mask(value)


async def get(session: AsyncSession, amendment_id: str) -> Amendment:
    return await session.get_one(Amendment, amendment_id)


async def of_case(session: AsyncSession, process_id: str) -> list[tuple[Amendment, str]]:
    """Every amendment of a case with the number of its process, newest first."""
    rows = await session.execute(
        select(Amendment, Process.case_no)
        .join(Process, Process.id == Amendment.id)
        .where(Amendment.process_id == process_id)
        .order_by(Amendment.proposed_at.desc(), Amendment.id.desc())
    )
    return [(row, case_no) for row, case_no in rows]


async def amended_cases(session: AsyncSession, asking: Iterable[Process]) -> dict[str, Process]:
    """The case of each process that asks for a confirmation, by the id of that process."""
    ids = [p.id for p in asking if p.kind == KIND]
    if not ids:
        return {}
    statement = select(Amendment.id, Process).join(Process, Process.id == Amendment.process_id)
    return {row.id: row.Process for row in await session.execute(statement.where(Amendment.id.in_(ids)))}


async def pending(session: AsyncSession, process_id: str, code: str, of: str) -> Amendment | None:
    """The proposal for this value that waits for its confirmation."""
    return await session.scalar(
        select(Amendment).where(
            Amendment.process_id == process_id,
            Amendment.field == code,
            Amendment.of == of,
            Amendment.state == PROPOSED,
        )
    )


async def propose(
    session: AsyncSession,
    process: Process,
    value: Recorded,
    new: str,
    *,
    reason: str,
    document_id: str | None,
    actor: str,
    excluded: list[str],
    key: str | None,
    body_hash: str,
) -> Amendment:
    """Writes the proposal and the start of the process that asks for its confirmation. The caller has checked it, and
    holds the lock of starts."""
    now = clock.now()
    case_no = await people.next_case_no(session, clock.today().year, prefix="AM")
    amendment_id = f"{KIND}-{case_no}"
    what = _what(value)
    asking = Process(
        id=amendment_id,
        kind=KIND,
        case_no=case_no,
        title=process.title or process.case_no,
        search=f"{process.search} {people.search_text(case_no)}",
        state=ProcessState.RUNNING.value,
        started_by=actor,
        started_at=now,
        parameters={"of": process.id},
    )
    session.add(asking)
    await session.flush()
    row = Amendment(
        id=amendment_id,
        process_id=process.id,
        field=value.field.code,
        of=value.of,
        old=seal(value.value),
        new=seal(new),
        reason=reason,
        document_id=document_id,
        state=PROPOSED,
        proposed_by=actor,
        proposed_at=await process_now(session, process.id),
    )
    start = ProcessStart(
        process_id=amendment_id,
        started_by=actor,
        clock_offset_seconds=await demo_clock.stored(session),
        parameters={
            "of": process.id,
            "field": value.field.code,
            "excluded": " ".join(excluded),
            "what_zh": what.zh,
            "what_en": what.en,
        },
    )
    session.add_all(
        [
            row,
            ProcessStartRow(
                process_id=amendment_id,
                kind=KIND,
                start=start.model_dump(mode="json"),
                state="pending",
                idempotency_key=key or str(uuid4()),
                body_hash=body_hash,
                started_by=actor,
                created_at=clock.real_now(),
            ),
        ]
    )
    await session.flush()
    await _tell(session, process, row, value, "amend_proposed", actor)
    return row


async def refused(session: AsyncSession, row: Amendment) -> Text | None:
    """Why the proposed value cannot be put in the old one's place now; None when it can."""
    process = await session.get_one(Process, row.process_id)
    found = await recorded.find(session, process, row.field, row.of)
    if found is None:
        return GONE
    values = values_of(row)
    if found.value != values.old:
        return CHANGED
    return found.refused or await recorded.fault(session, process, found, values.new)


async def decide(session: AsyncSession, amendment_id: str, outcome: str, actor: str, note: str | None) -> Amendment:
    """Applies, rejects or withdraws. What cannot be applied any more is void, with the reason as its note."""
    row = await session.get_one(Amendment, amendment_id, with_for_update=True)
    if row.state != PROPOSED:
        return row
    process = await session.get_one(Process, row.process_id, with_for_update=True)
    found = await recorded.find(session, process, row.field, row.of)
    now = await process_now(session, process.id)
    row.decided_by, row.decided_at, row.note = actor, now, note
    row.state = {"confirm": APPLIED, "reject": REJECTED}.get(outcome, WITHDRAWN)
    if row.state == APPLIED:
        why = await refused(session, row)
        if why is not None or found is None:
            row.state, row.note = VOID, (why or GONE).zh
        else:
            await recorded.write(session, process, found, values_of(row).new, source=row.id, actor=actor)
            if row.field in TOLD:
                await notifications.renew(session, process.id, row.id, now)
    await session.flush()
    await _tell(session, process, row, found, f"amend_{row.state}", actor)
    return row


# --- what the case's timeline says -----------------------------------------------------------------------------------


def _what(value: Recorded) -> Text:
    return Text(
        zh=f"{value.about.zh}{value.field.title.zh}", en=f"{value.field.title.en}, {value.about.en}"
    )  # fmt: skip


_SAYS = {
    "amend_proposed": Text(zh="提出更正，待另一人确认", en="Amendment proposed, to be confirmed by someone else"),
    "amend_applied": Text(zh="已更正", en="Amended"),
    "amend_rejected": Text(zh="不予更正", en="Not amended"),
    "amend_withdrawn": Text(zh="撤回更正", en="Amendment withdrawn"),
    "amend_void": Text(zh="未能更正", en="Could not be amended"),
}


async def _tell(
    session: AsyncSession, process: Process, row: Amendment, value: Recorded | None, kind: str, actor: str
) -> None:
    """Audit and timeline of the case; a personal value is masked there, the amendment itself keeps it."""
    field = FIELDS[row.field]
    values = values_of(row)
    old, new = (shown(field, v, clear=False) for v in (values.old, values.new))
    what = _what(value) if value is not None else field.title
    says = _SAYS[kind]
    because = f"；{row.note}" if row.note else ""
    by = row.proposed_by if kind != "amend_proposed" else ""
    data = {"amendment": row.id, "field": row.field, "of": row.of}
    if not field.personal:
        data |= {"old": values.old, "new": values.new}
    await inbox_events.line(
        session,
        actor,
        f"process.{kind}",
        Text(
            zh=f"{says.zh}：{what.zh}由 {old} 改为 {new}。理由：{row.reason}"
            + (f"（提出：{by}）" if by else "")
            + because,
            en=f"{says.en}: {what.en}, from {old} to {new}. Reason: {row.reason}"
            + (f" (proposed by {by})" if by else "")
            + because.replace("；", "; "),
        ),
        process,
        None,
        acting_for=None,
        **data,
    )
