"""Answers to tasks, kept before Temporal is asked: what a clerk typed is never lost, and never counted twice.

Invariants: (task, idempotency key) is unique and its body hash fixed; `pending` rows are sent again with the same
Update id until the process has taken or refused them. The clear form leaves here only as the form's model.
"""

import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.forms import Form, outcome
from store.sealed import seal, unseal
from store.tables.processes import Submission, Task


class UnknownSubmission(LookupError):
    """There is no such submission."""


def body_hash(body: dict[str, Any]) -> str:
    """Of a request's body, the same for the same JSON values."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def add(
    session: AsyncSession,
    *,
    task_id: str,
    process_id: str,
    kind: str,
    key: str,
    digest: str,
    form: dict[str, Any],
    outcome_code: str,
    version: int,
    actor: str,
    acting_for: str | None = None,
    on_behalf: bool,
    reason: str | None,
    document_id: str | None,
    now: datetime,
) -> Submission:
    """Inserts, or returns the row that this key has already (compare its `body_hash`)."""
    statement = (
        insert(Submission)
        .values(
            id=str(uuid.uuid4()),
            task_id=task_id,
            process_id=process_id,
            kind=kind,
            idempotency_key=key,
            body_hash=digest,
            body=seal(form),
            outcome=outcome_code,
            version=version,
            actor=actor,
            acting_for=acting_for,
            on_behalf=on_behalf,
            reason=reason,
            document_id=document_id,
            status="pending",
            attempts=0,
            created_at=now,
        )
        .on_conflict_do_nothing(constraint="uq_submissions_key")
        .returning(Submission)
    )
    found = await session.scalar(statement) or await by_key(session, task_id, key)
    if found is None:
        raise UnknownSubmission(key)
    return found


async def by_key(session: AsyncSession, task_id: str, key: str) -> Submission | None:
    return await session.scalar(
        select(Submission).where(Submission.task_id == task_id, Submission.idempotency_key == key)
    )


async def get(session: AsyncSession, submission_id: str) -> Submission:
    """UnknownSubmission when there is none."""
    row = await session.get(Submission, submission_id)
    if row is None:
        raise UnknownSubmission(submission_id)
    return row


async def newest_of_step(session: AsyncSession, task: Task) -> Submission | None:
    """The newest answer to the same step about the same bill, where it was done before."""
    step = task.key.rpartition("/")[0]
    bill = Task.spec["data"]["bill_id"].astext
    return await session.scalar(
        select(Submission)
        .join(Task, Task.submission_id == Submission.id)
        .where(
            Task.process_id == task.process_id,
            Task.kind == task.kind,
            Task.state == "completed",
            Task.key.startswith(f"{step}/", autoescape=True),
            bill.is_not_distinct_from(task.spec["data"].get("bill_id")),
        )
        .order_by(Task.closed_at.desc())
        .limit(1)
    )


def values_of(row: Submission) -> dict[str, Any]:
    """The whole form as JSON values, personal fields included."""
    return unseal(row.body)


def form_of(row: Submission) -> Form:
    """The whole form as its model."""
    return outcome(row.kind, row.outcome).form.model_validate(values_of(row))


async def read_form(session: AsyncSession, submission_id: str) -> Form:
    """The form of a submission; UnknownSubmission."""
    return form_of(await get(session, submission_id))


async def refuse(session: AsyncSession, submission_id: str, status: int, code: str) -> None:
    """The process refused it: the answer is kept for the same key, so that asking again says the same."""
    await session.execute(
        update(Submission)
        .where(Submission.id == submission_id, Submission.status == "pending")
        .values(status="refused", answer={"status": status, "code": code})
    )


async def first_reply(session: AsyncSession, submission_id: str, reply: Any) -> Any:
    """Keeps what is said to the one who answered, unless something was said before; gives what was said first."""
    kept = await session.scalar(
        update(Submission)
        .where(Submission.id == submission_id, Submission.reply.is_(None))
        .values(reply=seal(reply))
        .returning(Submission.id)
    )
    if kept is not None:
        return reply
    said = await session.scalar(select(Submission.reply).where(Submission.id == submission_id))
    if said is None:
        raise UnknownSubmission(submission_id)
    return unseal(said)


async def on_its_way(session: AsyncSession, task_ids: Sequence[str]) -> set[str]:
    """Which of these tasks have an answer that their process has neither taken nor refused yet."""
    if not task_ids:
        return set()
    found = await session.scalars(
        select(Submission.task_id).where(Submission.status == "pending", Submission.task_id.in_(task_ids))
    )
    return set(found)


async def pending(session: AsyncSession, now: datetime, older_than: timedelta) -> list[str]:
    """The answers without an outcome for a while, oldest first. All of them: those of cases that do not answer would
    else stand before the others for ever."""
    ids = await session.scalars(
        select(Submission.id)
        .where(Submission.status == "pending", Submission.created_at < now - older_than)
        .order_by(Submission.created_at)
    )
    return list(ids)
