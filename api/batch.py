"""Batches: the verbs of one task or one case for many, each item with its own result.

Invariants: every item is the same function as a single call, in a transaction of its own; whatever goes wrong with one
stops no other and is said in a sentence; the same key again does nothing twice. Nothing is decided here about who may
do what.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession

from api import completion, handover, incident_words, incidents, processes, tasks, urging
from api.json_body import JsonObjectRoute
from api.permissions import INCIDENT_DESK, require_role
from api.problems import BadCharacter, BadForm, KeyReused, MayFollow, Problem, Unavailable, faults_of, language_of
from api.sign_in import CurrentViewer
from runtime.clock import real_now
from runtime.logging import logger
from schemas.api import CommandBody, CompleteBody, TaskView
from schemas.base import Text
from schemas.batch import BatchItem, BatchResult, CaseBatch, CaseItem, IncidentBatch, ItemResult, TaskBatch
from schemas.desk import GiveBody, ReasonBody, UrgeBody
from schemas.forms import outcome as form_outcome
from schemas.forms import outcomes_of
from schemas.hand_in import HandInItem
from schemas.incident_steps import Way
from schemas.incidents import DecideBody
from store import batches, incident_desk, people
from store.database import AWAY, reading, session
from store.inbox import openable, process_visible
from store.tables.processes import Process, Task
from store.users import Viewer

router = APIRouter(tags=["batch"], route_class=JsonObjectRoute)
log = logger(__name__)
AT_ONCE = 6  # so many items at a time: each has a connection, and each answer waits for its process
PENDING = "pending"

Item = TypeVar("Item", BatchItem, CaseItem, HandInItem)
Outcome = tuple[str, str | None]  # done or pending, and the submission
Named = dict[str, dict[str, Any]]  # what is said of each item beside its result


class Broken(Problem):
    """A fault of ours with one item; it is in the log, and the other items went on."""

    status, code = 500, "internal_error"
    text = Text(
        zh="系统内部错误，已记入日志；其余各项不受影响，请稍后重试此项。",
        en="A fault of the system, kept in its log; the other items went on. Try this one again later.",
    )


async def _guarded(work: Awaitable[Outcome]) -> Outcome | Problem:
    """The outcome of one item, or why there is none."""
    try:
        return await work
    except Problem as problem:
        return problem
    except batches.KeyUsed:
        return KeyReused()
    except AWAY:
        return Unavailable()
    except (DataError, UnicodeEncodeError):
        return BadCharacter()
    except Exception as error:  # one bad item must not take the others along
        log.exception("batch_item_failed", error=type(error).__name__)
        return Broken()


async def each(items: Sequence[Any], act: Callable[[Any], Awaitable[Outcome]]) -> list[Outcome | Problem]:
    """Does every item, some at a time; one result for each, in their order."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(item: Any) -> Outcome | Problem:
        async with slots:
            return await _guarded(act(item))

    return list(await asyncio.gather(*(one(item) for item in items)))


# --- tasks -----------------------------------------------------------------------------------------------------------

_GIVES = {"transfer": handover.transfer, "reassign": handover.reassign}


async def run_tasks(viewer: Viewer, body: TaskBatch, language: str) -> BatchResult:
    """One verb for many tasks. BadForm when the batch itself lacks something that the verb needs."""
    body = body.model_copy(update={"items": distinct(body.items)})
    act = _complete(viewer, body) if body.action == "complete" else _move(viewer, body)
    named = await tasks_named(viewer, [i.id for i in body.items])
    found = await each(body.items, act)
    return result([(i.id, i.key) for i in body.items], found, named, language)


def _move(viewer: Viewer, body: TaskBatch) -> Callable[[BatchItem], Awaitable[Outcome]]:
    """Everything that one transaction does: holding, passing on, urging."""
    verb, argument = _verb(body)
    asked = {"action": body.action, "argument": argument.model_dump() if argument is not None else None}

    async def act(item: BatchItem) -> Outcome:
        async with session() as s:
            if await batches.first(s, viewer.username, item.key, item.id, asked, real_now()):
                await (verb(s, viewer, item.id) if argument is None else verb(s, viewer, item.id, argument))
        return "done", None

    return act


def _verb(body: TaskBatch) -> tuple[Callable[..., Awaitable[Any]], GiveBody | ReasonBody | UrgeBody | None]:
    """The function of a verb, and what it is given. BadForm."""
    try:
        if body.action in _GIVES:
            return _GIVES[body.action], GiveBody.model_validate({"to": body.to or "", "reason": body.reason or ""})
        if body.action == "take_over":
            return handover.take_over, ReasonBody.model_validate({"reason": body.reason or ""})
        if body.action == "urge":
            return urging.urge, UrgeBody(note=body.note)
    except ValidationError as error:
        raise BadForm(faults=faults_of(error.errors())) from error
    return (tasks.claim if body.action == "claim" else handover.release), None


def _complete(viewer: Viewer, body: TaskBatch) -> Callable[[BatchItem], Awaitable[Outcome]]:
    if not body.outcome:
        text = Text(zh="必填，请填写。", en="Required: fill it in.")
        raise BadForm(faults=[("/outcome", "missing", text)])
    outcome = body.outcome

    async def act(item: BatchItem) -> Outcome:
        known = await _known(viewer, item.id, outcome) if body.use_known else {}
        if item.version is None:
            text = Text(zh="必填，请填写。", en="Required: fill it in.")
            raise BadForm(faults=[("/version", "missing", text)])
        answer = CompleteBody(
            outcome=outcome,
            data={**known, **body.data, **item.data},
            version=item.version,
            on_behalf=item.on_behalf,
        )
        done = await completion.complete(viewer, item.id, answer, item.key)
        return ("done", None) if done.completed is not None else (PENDING, done.submission_id)

    return act


async def _known(viewer: Viewer, task_id: str, outcome: str) -> dict[str, Any]:
    """What a task's answer begins with: prefilled data and the draft, as far as the outcome's form has such fields."""
    async with session() as s:
        view = await tasks.get_task(s, viewer, task_id)
    if outcome not in outcomes_of(view.kind):
        return {}
    return known_values(view, outcome)


def known_values(view: TaskView, outcome: str) -> dict[str, Any]:
    """The values of one outcome's form that a batch may send unasked. A number that is only proposed is none of them:
    the agency gives it, and somebody must have read it."""
    fields = form_outcome(view.kind, outcome).form.model_fields
    data = view.data if view.outcomes and view.outcomes[0].code == outcome else {}
    if view.context.get("number_proposed"):
        data = {k: v for k, v in data.items() if k != "number"}
    return {k: v for k, v in {**data, **(view.draft or {})}.items() if k in fields}


# --- cases -----------------------------------------------------------------------------------------------------------


async def run_cases(viewer: Viewer, body: CaseBatch, language: str) -> BatchResult:
    """One command for many cases. A command that was done under its key is not given again."""
    body = body.model_copy(update={"items": distinct(body.items)})
    argument = CommandBody(reason=body.reason, ground=body.ground)
    asked = {"action": body.action, "argument": argument.model_dump()}

    async def act(item: CaseItem) -> Outcome:
        known = await _known_act(viewer, item, asked)
        if not known:
            await processes.command(viewer, item.id, body.action, argument, item.key)
            async with session() as s:
                await batches.first(s, viewer.username, item.key, item.id, asked, real_now())
        return "done", None

    named = await _cases_named(viewer, [i.id for i in body.items])
    found = await each(body.items, act)
    return result([(i.id, i.key) for i in body.items], found, named, language)


async def _known_act(viewer: Viewer, item: CaseItem, asked: Any) -> bool:
    async with session() as s:
        return await batches.known(s, viewer.username, item.key, item.id, asked)


# --- incidents -------------------------------------------------------------------------------------------------------


async def run_incidents(viewer: Viewer, body: IncidentBatch, language: str) -> BatchResult:
    """One decision for many incidents, each as on its own page. The answer waits for what comes of retries once, for
    all of them together. NotAllowed, BadForm without a reason."""
    require_role(viewer, *INCIDENT_DESK)
    if body.way is not Way.RETRY and len(body.reason.strip()) < incidents.MIN_REASON:
        raise BadForm(faults=[("/reason", "reason_needed", incidents.REASON_NEEDED)])
    body = body.model_copy(update={"items": distinct(body.items)})
    argument = DecideBody(way=body.way, reason=body.reason)
    asked = {"action": "incident", "argument": argument.model_dump(mode="json")}
    before: dict[str, datetime] = {}

    async def act(item: CaseItem) -> Outcome:
        if not await _known_act(viewer, item, asked):
            found = await incidents.decide(viewer, item.id, argument, item.key, alone=False)
            if body.way is Way.RETRY and found.closed_at is None and found.kind == "retrying":
                before[item.id] = failed_at[item.id]
            async with session() as s:
                await batches.first(s, viewer.username, item.key, item.id, asked, real_now())
        return "done", None

    named, failed_at = await _incidents_named(viewer, [i.id for i in body.items])
    found = await each(body.items, act)
    await incidents.attempts_seen(before)
    return result([(i.id, i.key) for i in body.items], found, named, language)


async def _incidents_named(viewer: Viewer, ids: list[str]) -> tuple[Named, dict[str, datetime]]:
    """What the viewer may read of them, and when each failed last."""
    async with reading() as s:
        rows = await incident_desk.named(s, viewer, ids)
        names = await _names(s, [p.subject for _, p in rows])
    named: Named = {
        i.id: {
            "title": incident_words.what(i),
            "agency": incident_words.agency(i),
            "process_id": p.id,
            "case_no": p.case_no,
            "subject_name": names.get(p.subject or ""),
        }
        for i, p in rows
    }
    return named, {i.id: i.last_at for i, _ in rows}


# --- results ---------------------------------------------------------------------------------------------------------


def distinct(items: Sequence[Item]) -> list[Item]:
    """The items, one that stands twice once, by its first key. BadForm where the same task is asked for in two ways or
    two share a key: of two results nobody would know which is which."""
    text = Text(
        zh="同一批次内重复而内容不同，请去掉一个。", en="It stands twice in the batch with other content: remove one."
    )
    found: dict[str, Item] = {}
    keys: set[str] = set()
    for index, item in enumerate(items):
        known = found.setdefault(item.id, item)
        if known is not item and known.model_copy(update={"key": item.key}) != item:
            raise BadForm(faults=[(f"/items/{index}/id", "duplicate", text)])
        if known is item and item.key in keys:
            raise BadForm(faults=[(f"/items/{index}/key", "duplicate", text)])
        keys.add(item.key)
    return list(found.values())


def result(keys: list[tuple[str, str]], found: Sequence[Outcome | Problem], named: Named, language: str) -> BatchResult:
    """The answer: one line an item, and how many of each kind."""
    items: list[ItemResult] = []
    for (item_id, key), outcome in zip(keys, found, strict=True):
        given: dict[str, Any] = {"id": item_id, "key": key, **named.get(item_id, {})}
        if isinstance(outcome, MayFollow):
            items.append(ItemResult(result="pending", problem=outcome.view(language), **given))
        elif isinstance(outcome, Problem):
            items.append(ItemResult(result="refused", problem=outcome.view(language), **given))
        else:
            items.append(
                ItemResult(result="pending" if outcome[0] == PENDING else "done", submission=outcome[1], **given)
            )
    counts = {name: sum(i.result == name for i in items) for name in ("done", "pending", "refused")}
    return BatchResult(items=items, **counts)


async def tasks_named(viewer: Viewer, ids: list[str]) -> Named:
    """What the viewer may read of the tasks, before anything is done: afterwards some may be out of sight."""
    async with reading() as s:
        statement = select(Task, Process).join(Process, Process.id == Task.process_id)
        rows = list(await s.execute(statement.where(Task.id.in_(ids), openable(viewer))))
        names = await _names(s, [t.subject for t, _ in rows])
    return {
        t.id: {
            "title": Text(zh=t.title_zh, en=t.title_en),
            "process_id": p.id,
            "case_no": t.case_no,
            "subject_name": names.get(t.subject or ""),
        }
        for t, p in rows
    }


async def _cases_named(viewer: Viewer, ids: list[str]) -> Named:
    async with reading() as s:
        rows = list(await s.scalars(select(Process).where(Process.id.in_(ids), process_visible(viewer))))
        names = await _names(s, [p.subject for p in rows])
    return {p.id: {"process_id": p.id, "case_no": p.case_no, "subject_name": names.get(p.subject or "")} for p in rows}


async def _names(s: AsyncSession, subjects: list[str | None]) -> dict[str, str]:
    return await people.names_of(s, [x for x in subjects if x])


# --- routes ----------------------------------------------------------------------------------------------------------


@router.post("/tasks/batch", summary="One verb for many tasks, a result for each")
async def post_tasks(viewer: CurrentViewer, body: TaskBatch, request: Request) -> BatchResult:
    return await run_tasks(viewer, body, language_of(request))


@router.post("/processes/batch", summary="Suspend, resume or cancel many cases, a result for each")
async def post_cases(viewer: CurrentViewer, body: CaseBatch, request: Request) -> BatchResult:
    return await run_cases(viewer, body, language_of(request))


@router.post("/incidents/batch", summary="One decision for many incidents, a result for each")
async def post_incidents(viewer: CurrentViewer, body: IncidentBatch, request: Request) -> BatchResult:
    return await run_incidents(viewer, body, language_of(request))
