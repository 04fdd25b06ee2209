"""Applies a transition of a process to the rows that people read. Applied twice it changes nothing.

Invariants: a row is written only by a newer revision; the columns of the inbox (holder, draft) are never touched, but
when a step is asked again with the draft that was kept (`store/recalled.py`, which also tells the holder of a task that
was taken back), and when its holder is excluded meanwhile: who signed in another place holds no second signature. What
a ladder has to say is claimed and told in `store/reminders.py`.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, String, Table, and_, any_, bindparam, case, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.forecast import OpenTask
from domain.slack import most_urgent, urgency_key
from runtime import clock
from schemas.calls import Carrying
from schemas.deadlines import Deadline, LegalKind
from schemas.incidents import TASK_KIND
from schemas.process import CANCELLING, ProcessSnapshot, ProcessState, StageState, TimelineEntry, Transition
from schemas.tasks import OPEN_STATES, TaskSnapshot, TaskState
from store import forecast as forecast_store
from store import incidents, people, recalled, sent_back, standstill
from store.live import INBOX_CHANNEL
from store.reminders import remind
from store.tables.processes import Process, Submission, Task, Timeline

AGENCIES = ("social_bureau", "medical_bureau", "tax_office")
WAITING_KINDS = ("registration.acceptance", "registration.result")  # by hand: the bureau decides, a clerk records it
NEVER = datetime(9999, 12, 30, tzinfo=UTC)

# Statements of every transition are made once: to build and compare them each time costs more than to run them.
_TASKS = cast("Table", Task.__table__)
_WORKFLOW_COLUMNS = (
    "title_zh", "title_en", "roles", "excluded", "org_unit", "stage", "authority", "spec", "deadlines", "state",
    "version", "revision", "opened_at", "closed_at", "sort_day", "legal_rank", "sort_at", "next_due_at", "latest_start",
)  # fmt: skip
_RESULT_COLUMNS = ("outcome", "result", "completed_by", "on_behalf", "submission_id")
_INBOX_COLUMNS = ("holder", "held_since", "owner", "draft", "draft_at")
_FIXED_COLUMNS = ("id", "process_id", "process_kind", "case_no", "key", "kind", "subject", "search")


def _upsert(*changing: str, **computed: ColumnElement[Any]) -> Insert:
    """Inserts a task's row with `on_behalf` and the columns named, or changes these where the row is older."""
    columns = dict.fromkeys((*_FIXED_COLUMNS, "on_behalf", *changing))
    statement = insert(_TASKS).values({c: bindparam(c) for c in columns} | computed)
    written = statement.excluded
    still_open = written["state"].in_([state.value for state in OPEN_STATES])
    may_not = and_(still_open, _TASKS.c.holder == any_(written["excluded"]))
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={c: written[c] for c in (*changing, *computed)}
        | {c: case((may_not, None), else_=_TASKS.c[c]) for c in _INBOX_COLUMNS},
        where=_TASKS.c.revision < written.revision,
    )


# The answer is settled in the same statement that closes its task: it knows for which absent person it was given. (As
# text: an `update()` inside of this statement would take the task's values for its own columns of the same names.)
_SETTLED = (
    text("UPDATE submissions SET status = 'done', answer = :answered WHERE id = :answer_id RETURNING acting_for")
    .bindparams(bindparam("answered", type_=JSONB))
    .columns(acting_for=String)
    .cte("settled")
)
_WRITE_TASK = _upsert(*_WORKFLOW_COLUMNS)
_TAKE_BACK_TASK = _WRITE_TASK.returning(_TASKS.c.holder, _TASKS.c.owner)
_KNOWN = select(Task.id).where(Task.id == bindparam("id"))
_WRITE_CLOSED_TASK = _upsert(*_WORKFLOW_COLUMNS, *_RESULT_COLUMNS)
_WRITE_ANSWERED_TASK = _upsert(
    *_WORKFLOW_COLUMNS, *_RESULT_COLUMNS, completed_for=select(_SETTLED.c.acting_for).scalar_subquery()
)
_LOCKED = (
    select(Process)
    .where(Process.id == bindparam("process_id"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_OPEN_TASKS = select(Task.next_due_at, Task.latest_start, Task.kind, Task.authority, Task.opened_at).where(
    Task.process_id == bindparam("process_id"), Task.closed_at.is_(None)
)
# One statement for two things that every transition does: its lines are written, and open pages are told.
_WRITE_TIMELINE_AND_TELL = text("""
    WITH written AS (
        INSERT INTO timeline (process_id, seq, at, kind, text_zh, text_en, actor, task_id, data)
        SELECT :process_id, e.seq, e.at, e.kind, e.text_zh, e.text_en, e.actor, e.task_id, e.data
        FROM jsonb_to_recordset(:entries) AS e(
            seq integer, at timestamptz, kind text, text_zh text, text_en text, actor text, task_id text, data jsonb
        )
        ON CONFLICT DO NOTHING
    )
    SELECT pg_notify(:channel, :process_id)
""").bindparams(bindparam("entries", type_=JSONB), bindparam("process_id", type_=String))


async def apply(session: AsyncSession, transition: Transition, now: datetime) -> None:
    """Everything that changed, in the caller's transaction."""
    snapshot = transition.process
    process = await _locked(session, snapshot)
    fresh = snapshot.revision > process.revision
    stops = fresh and _stops(process, snapshot)
    dated = fresh and _moves_dates(process, transition)
    forecast_stands = process.forecast_revision == process.revision
    taken: list[recalled.Held] = []
    kept: list[recalled.Held] = []
    opened: list[TaskSnapshot] = []
    with session.no_autoflush:  # the process's row is written once, when all about it is known
        if fresh:
            update_process(process, snapshot)
        for task in transition.tasks:
            step = recalled.asked_again(task) if task.state in OPEN_STATES else None
            said = task.state in OPEN_STATES and sent_back.concerns(task)
            new = (said or step is not None) and await session.scalar(_KNOWN, {"id": task.id}) is None
            if said and new:
                opened.append(task)
            if names := await _write_task(session, process, task):
                taken.append(recalled.Held(task, names))
            if step is not None and new and (held := await recalled.carry(session, task, step)):
                kept.append(held)
        if dated:
            await _urgency(session, process, snapshot)
        if dated or (fresh and forecast_stands):
            process.forecast_revision = process.revision
    await session.flush()
    if stops:
        await incidents.given_up(session, process.id, now)
    await remind(session, process, transition.reminders, now)
    await recalled.tell(session, process, transition, taken, kept, now)
    await sent_back.tell(session, process, transition, opened, {h.task.id for h in kept}, now)
    await standstill.tell(session, process, transition, now)
    await _write_timeline(session, transition)


async def carried(session: AsyncSession, call: Carrying) -> None:
    """The transition that a call into the books brings along, first in the caller's transaction."""
    if call.transition is not None:
        await apply(session, call.transition, clock.now())


async def _locked(session: AsyncSession, snapshot: ProcessSnapshot) -> Process:
    """The process row, locked; made when the process was started by nobody's form."""
    found = await session.scalar(_LOCKED, {"process_id": snapshot.id})
    if found is not None:
        return found
    await session.execute(
        insert(Process)
        .values(
            id=snapshot.id,
            kind=snapshot.kind,
            case_no=snapshot.id,
            title=snapshot.id,
            search=snapshot.id.lower(),
            state=snapshot.state.value,
            revision=-1,
            started_by="system",
            started_at=snapshot.started_at,
            subject=snapshot.subject,
            org_unit=snapshot.org_unit,
            stages=[],
            active_stages=[],
            deadlines=[],
            waiting_on=[],
            flags=[],
            parameters={},
            clock_offset_seconds=0,
        )
        .on_conflict_do_nothing()
    )
    return (await session.execute(_LOCKED, {"process_id": snapshot.id})).scalar_one()


def _stops(process: Process, snapshot: ProcessSnapshot) -> bool:
    """Whether what the machine was doing is left here: the case begins to be cancelled, or ends."""
    cancelled = CANCELLING in snapshot.flags and CANCELLING not in process.flags
    return cancelled or (snapshot.closed_at is not None and process.closed_at is None)


def _moves_dates(process: Process, transition: Transition) -> bool:
    """Whether anything changes of what `_urgency` reads; a reminder by itself changes nothing of it."""
    snapshot = transition.process
    stages = [s.model_dump(mode="json") for s in snapshot.stages]
    changed = transition.tasks or snapshot.deadlines or snapshot.dropped
    return bool(changed) or process.state != snapshot.state.value or process.stages != stages


def update_process(process: Process, snapshot: ProcessSnapshot) -> None:
    """The workflow's columns of the process's row, but for what its open tasks say of its urgency."""
    process.revision = snapshot.revision
    process.state = snapshot.state.value
    process.stages = [s.model_dump(mode="json") for s in snapshot.stages]
    process.active_stages = [s.code for s in snapshot.stages if s.state is StageState.ACTIVE]
    known = {d["id"]: d for d in process.deadlines if d["id"] not in snapshot.dropped}
    known.update({d.id: d.model_dump(mode="json") for d in snapshot.deadlines})
    process.deadlines = list(known.values())
    process.closed_at = snapshot.closed_at
    process.reason = snapshot.reason
    process.policy_version = snapshot.policy_version or process.policy_version
    process.flags = snapshot.flags


def task_columns(process: Process, task: TaskSnapshot, excluded: list[str]) -> dict[str, Any]:
    """The workflow's columns of a task's row; those of its result only where it has one."""
    spec = task.spec
    day, rank, instant, _ = urgency_key(task.deadlines, process.case_no)
    # A target of the school stands still while its case is suspended, and moves on when that ends.
    still = (LegalKind.INTERNAL,) if task.state is TaskState.SUSPENDED else ()
    unmet = [d for d in task.deadlines if d.met_at is None and d.legal_kind not in still]
    is_open = task.state in OPEN_STATES
    columns: dict[str, Any] = {
        "id": task.id,
        "process_id": process.id,
        "process_kind": process.kind,
        "case_no": process.case_no,
        "key": spec.key,
        "kind": spec.kind,
        "subject": spec.subject,
        "search": f"{process.search} {_words_of_title(spec.title.zh)} {spec.title.en.lower()}",
        "title_zh": spec.title.zh,
        "title_en": spec.title.en,
        "roles": spec.roles,
        "excluded": excluded,
        "org_unit": spec.org_unit,
        "stage": spec.stage,
        "authority": spec.authority,
        "spec": spec.model_dump(mode="json", exclude={"deadlines"}),
        "deadlines": [d.model_dump(mode="json") for d in task.deadlines],
        "state": task.state.value,
        "version": task.version,
        "revision": task.revision,
        "opened_at": task.opened_at,
        "closed_at": None if is_open else task.closed_at or task.opened_at,
        "sort_day": day,
        "legal_rank": rank,
        "sort_at": instant,
        "next_due_at": min((d.due_at for d in unmet), default=None),
        "latest_start": min((d.latest_start for d in unmet), default=None),
        "on_behalf": False,
    }
    if task.result is not None:
        columns |= {
            "outcome": task.result.outcome,
            "result": task.result.model_dump(mode="json"),
            "completed_by": task.result.actor,
            "on_behalf": task.result.on_behalf,
            "submission_id": task.result.submission_id or None,
        }
    return columns


async def _write_task(session: AsyncSession, process: Process, task: TaskSnapshot) -> list[str]:
    """Writes a task's row; gives who held it, when it is news that it is obsolete."""
    values = task_columns(process, task, await _excluded(session, process.id, task.spec.excluded))
    statement = _WRITE_TASK if task.result is None else _WRITE_CLOSED_TASK
    if task.state is TaskState.COMPLETED and task.result is not None:
        statement = _WRITE_ANSWERED_TASK
        values |= {"answer_id": task.result.submission_id, "answered": {"status": 200, "code": task.result.outcome}}
    elif task.state is TaskState.OBSOLETE:
        statement = _TAKE_BACK_TASK
    written = await session.execute(statement, values)
    names = [name for row in written for name in row if name is not None] if statement is _TAKE_BACK_TASK else []
    if task.spec.kind == TASK_KIND:
        await incidents.of_task(session, process.id, task)
    return names


async def _excluded(session: AsyncSession, process_id: str, names: list[str]) -> list[str]:
    """Four eyes over substitutes: who had it done is excluded as well as who did it."""
    if not names:
        return names
    absent = await session.scalars(
        select(Submission.acting_for)
        .where(Submission.process_id == process_id, Submission.actor.in_(names), Submission.acting_for.is_not(None))
        .distinct()
    )
    return list(dict.fromkeys([*names, *(str(a) for a in absent)]))


@lru_cache(maxsize=256)
def _words_of_title(title: str) -> str:
    return people.search_text(title)


def line_columns(process_id: str, entry: TimelineEntry) -> dict[str, Any]:
    """The row of one line of a timeline."""
    return {
        "process_id": process_id,
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "text_zh": entry.text.zh,
        "text_en": entry.text.en,
        "actor": entry.actor,
        "task_id": entry.task_id,
        "data": entry.data,
    }


async def _write_timeline(session: AsyncSession, transition: Transition) -> None:
    entries = [line_columns(transition.process.id, e) | {"at": e.at.isoformat()} for e in transition.timeline]
    values = {"process_id": transition.process.id, "entries": entries, "channel": INBOX_CHANNEL}
    await session.execute(_WRITE_TIMELINE_AND_TELL, values)


async def _urgency(session: AsyncSession, process: Process, snapshot: ProcessSnapshot) -> None:
    """What the lists and the board compare with the clock: unmet dates of the case, and those of its open tasks.

    Internal targets count only through an open task: a target of a step that is done binds nobody.
    """
    tasks = list(await session.execute(_OPEN_TASKS, {"process_id": process.id}))
    waiting = {name for s in snapshot.stages if s.state is StageState.ACTIVE for name in s.waits}
    process.waiting_on = sorted(
        waiting | {authority for _, _, kind, authority, _ in tasks if kind in WAITING_KINDS and authority}
    )
    if snapshot.state in (ProcessState.CLOSED, ProcessState.CANCELLED):
        process.next_due_at = process.latest_start = process.legal_due_at = None
        process.waiting_on = []
        return
    held = [Deadline.model_validate(d) for d in process.deadlines]
    binding = [d for d in held if d.met_at is None and d.legal_kind is not LegalKind.INTERNAL]
    dues = [d.due_at for d in binding] + [due for due, *_ in tasks if due]
    starts = [d.latest_start for d in binding] + [start for _, start, *_ in tasks if start]
    process.next_due_at = min(dues, default=None)
    process.latest_start = min(starts, default=None)
    process.legal_due_at = min((d.due_at for d in binding), default=None)
    process.late_from = None
    if any(d.steps for d in binding):
        known = await forecast_store.speeds(session)
        under_way = [OpenTask(t.kind, t.opened_at) for t in tasks]
        process.late_from = forecast_store.late_from(process.id, binding, under_way, known)


def urgent(deadlines: list[dict[str, Any]]) -> Deadline | None:
    """The stored deadline that decides a task's place in the inbox."""
    return most_urgent([Deadline.model_validate(d) for d in deadlines])


async def revision_of(session: AsyncSession, process_id: str) -> int:
    """The highest revision or timeline number stored for a process; 0 for a new one."""
    process = await session.scalar(select(Process.revision).where(Process.id == process_id))
    tasks = await session.scalar(select(func.max(Task.revision)).where(Task.process_id == process_id))
    seq = await session.scalar(select(func.max(Timeline.seq)).where(Timeline.process_id == process_id))
    return max(process or 0, tasks or 0, seq or 0, 0)
