"""One row of an agency's results: whose it is, and the tasks that it completes.

Invariants: a person is found by document number or case number, never by name; what is not certain is a fault of the
row; answers are keyed by what the row says, so that the same row again changes nothing. A number for somebody whose
application was not recorded as accepted says that it was: acceptance first, then the result.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, select

from api import batch, completion
from api.answer_checks import number_of_another
from api.hand_in import ANSWERS, HAND_IN
from api.problems import BadForm, KeyReused, Problem
from api.spreadsheets.results import Said
from domain.names_alike import names_alike
from domain.times import day_of
from runtime import clock
from runtime.crypto import keyed_hash
from runtime.settings import get_settings
from schemas.api import CompleteBody
from schemas.base import Text
from store import people, registrations
from store.database import reading, session
from store.inbox import openable
from store.sealed import number_hash
from store.tables.people import Person
from store.tables.processes import Process, Submission, Task
from store.users import Viewer

ACCEPTANCE, RESULT = ANSWERS
PAUSE_SECONDS = 0.2
UNCHANGED = "unchanged"
# The fields of the forms -> the column in which they stand.
COLUMN_OF = {"number": "number", "code": "code", "note": "note", "day": "day",
             "approved_on": "day", "accepted_on": "day", "refused_on": "day"}  # fmt: skip


class NothingWaits(Problem):
    """The person has nothing at the agency for which a result could be recorded."""

    status, code = 409, "nothing_waits"
    text = Text(
        zh="该人员在这个机构没有待登记结果的申请，请核对人员和机构。",
        en="Nothing of this person waits for a result of this agency: check the person and the agency.",
    )


class NotHandedIn(Problem):
    status, code = 409, "not_handed_in"
    text = Text(
        zh="该人员的申请尚未登记提交，请先登记受理回执，再上传结果。",
        en="This application is not recorded as handed in: record the receipt first, then the result.",
    )


class OtherNumber(Problem):
    status, code = 409, "other_number"
    text = Text(
        zh="该人员已按另一个编号办结，没有改动；请核对哪一个编号正确。",
        en="This person was approved under another number; nothing was changed. Check which number is right.",
    )


class OtherDay(Problem):
    status, code = 409, "other_day"

    def __init__(self, recorded: date) -> None:
        text = Text(
            zh=f"此人已按该编号办结，登记的办结日期为 {recorded}，与此行不同，没有改动；登记有误的，请提出“更正”。",
            en=f"This person was approved under this number on {recorded}, and not on the day of this row; nothing was "
            "changed. If the day on record is wrong, propose an amendment on the page of the case.",
        )
        super().__init__(text, faults=[("/day", self.code, text)])


class OldResult(Problem):
    status, code = 409, "before_hand_in"

    def __init__(self, handed_in: date) -> None:
        text = Text(
            zh=f"日期早于本次提交日（{handed_in}），应属上一次申报的结果，没有登记；请核对日期。",
            en=f"The day is before this hand-in ({handed_in}): a result of the attempt before, not recorded. Check it.",
        )
        super().__init__(text, faults=[("/day", self.code, text)])


class NotYetOpen(Problem):
    """The process has taken the step before, and has not opened the task for the result in time."""

    status, code = 503, "not_yet_open"
    text = Text(
        zh="上一步已登记，登记结果的任务尚未生成；请稍后再次上传此行，已登记的不会重复。",
        en="The step before is recorded; the task for the result is not open yet. Upload this row again in a while: "
        "what is recorded is not done twice.",
    )


@dataclass
class Found:
    """What is known of a row's person: tasks at this agency, open and closed, and the cases they belong to."""

    name: str = ""
    tasks: list[tuple[Task, Process]] = field(default_factory=list[tuple[Task, Process]])  # as they were opened

    def open(self, *kinds: str) -> Task | None:
        return next((t for t, _ in self.tasks if t.kind in kinds and t.closed_at is None), None)

    def goes_on(self) -> bool:
        """Whether the next task at the agency is about to be opened."""
        task, process = self.tasks[-1]
        return task.outcome in ("handed_in", "accepted") and process.closed_at is None

    @property
    def process(self) -> Process | None:
        """The case of the open task, else the newest."""
        opened = [p for t, p in self.tasks if t.closed_at is None]
        newest = sorted((p for _, p in self.tasks), key=lambda p: p.started_at)
        return (opened or newest[::-1] or [None])[0]


# --- whose row it is -------------------------------------------------------------------------------------------------


async def find(viewer: Viewer, agency: str, rows: Sequence[Said]) -> list[Found]:
    """The person of each row with the tasks at this agency that the viewer may open; what is not certain is a fault."""
    hashes = {number_hash(r.id_number) for r in rows if r.id_number}
    numbers = {r.case_no for r in rows if r.case_no}
    async with reading() as s:
        of_number = {p.id_hash: p for p in await s.scalars(select(Person).where(Person.id_hash.in_(hashes)))}
        of_case = select(Process.case_no, Process.subject).where(Process.case_no.in_(numbers))
        cases = {row.case_no: row.subject for row in await s.execute(of_case)}
        wanted = {p.id for p in of_number.values()} | {c for c in cases.values() if c}
        named = {p.id: p for p in await s.scalars(select(Person).where(Person.id.in_(wanted)))}
        statement = (
            select(Task, Process)
            .join(Process, Process.id == Task.process_id)
            .where(Task.subject.in_(wanted), Task.authority == agency, Task.kind.in_((HAND_IN, *ANSWERS)))
            .where(openable(viewer))
            .order_by(Task.opened_at)
        )
        tasks: dict[str, list[tuple[Task, Process]]] = {}
        for task, process in await s.execute(statement):
            tasks.setdefault(task.subject or "", []).append((task, process))
        # Approved without a task of ours: the agency's own server answered.
        approved = {p for p in wanted - tasks.keys() if await registrations.approved(s, p, agency) is not None}
    found: list[Found] = []
    for said in rows:
        by_number = of_number.get(number_hash(said.id_number)) if said.id_number else None
        by_case = named.get(cases.get(said.case_no) or "") if said.case_no else None
        wrong = bool((said.id_number and by_number is None) or (said.case_no and by_case is None))
        person = by_number or by_case
        theirs = [(t, p) for t, p in tasks.get(person.id if person else "", []) if said.case_no in ("", p.case_no)]
        if by_number is not None and by_case is not None and by_number.id != by_case.id:
            said.fault(
                "case_no",
                "person_differs",
                "证件号码与业务编号不是同一人，请核对。",
                "Document number and case number are of two people: check them.",
            )
            found.append(Found())
        elif not wrong and person is not None and person.id in approved:
            said.fault(
                "id_number" if said.id_number else "case_no",
                "approved_already",
                "此人在该机构的登记已由系统联网办结，无需再登记结果；请删除此行。",
                "The agency's server has approved this person already: there is nothing to record, remove the row.",
            )
            found.append(Found())
        elif wrong or person is None or not theirs:
            if said.id_number or said.case_no:
                said.fault(
                    "id_number" if said.id_number else "case_no",
                    "person_unknown",
                    "没有找到此人在该机构的申请：请核对证件号码或业务编号；证件已换新的，请改填业务编号。",
                    "No application of such a person at this agency: check the document number or the case number. If "
                    "the document is a new one, write the case number instead.",
                )
            found.append(Found())
        else:
            _certain(said, person, theirs)
            found.append(Found(people.display_name(person), theirs))
    return found


def _certain(said: Said, person: Person, tasks: Sequence[tuple[Task, Process]]) -> None:
    """Whether name and case leave no doubt about whom, and which case, a row means."""
    if said.name and not any(names_alike(said.name, n) for n in (person.name, person.name_zh) if n):
        said.fault(
            "name",
            "name_differs",
            "姓名与系统中该号码的人员不一致：请核对；确为同一人的，请清空姓名后重新上传。",
            "The name is not that of the person with this number: check it; if it is the same person, leave the name "
            "empty and upload again.",
        )
    opened = sorted({p.case_no for t, p in tasks if t.closed_at is None})
    if len(opened) > 1:
        said.fault(
            "case_no",
            "case_ambiguous",
            f"此人在该机构有多件在办业务（{'、'.join(opened)}），请填写业务编号。",
            f"This person has several open cases at this agency ({', '.join(opened)}): write the case number.",
        )


def told(said: Said, problem: Problem) -> None:
    """Why a row's task was not completed, at the column that is meant."""
    for pointer, code, text in problem.faults or [("", problem.code, problem.text)]:
        name = COLUMN_OF.get(pointer.rsplit("/", 1)[-1], "")
        said.fault(name, code, text.zh, text.en)


# --- recording -------------------------------------------------------------------------------------------------------


async def record(viewer: Viewer, agency: str, said: Said, found: Found, day: date | None) -> str:
    """Completes what a row is about: done, unchanged or pending. Raises the Problem that stands in the way."""
    base = _key(agency, said)
    taken = await _taken(found, base)
    if taken is not None:
        if said.code and found.open(*ANSWERS) is not None:
            said.fault(
                "day" if "day" in said.columns else "code",
                "recorded_before",
                "这一退回上次申报时已登记，未重复登记；如机构再次退回，请填写本次退回的日期后上传。",
                "This refusal was recorded with the attempt before, and not again. If the agency refused once more, "
                "write the day of this refusal and upload the row.",
            )
        await _as_recorded(taken, agency, said)
        return UNCHANGED
    try:
        return await _record(viewer, agency, said, found, day or clock.today())
    except Problem:
        if await _taken(found, base) is not None:  # by somebody else who had the same row at the same time
            return UNCHANGED
        raise


async def _record(viewer: Viewer, agency: str, said: Said, found: Found, day: date) -> str:
    base, on = _key(agency, said), said.day or day
    task = found.open(RESULT) or found.open(ACCEPTANCE)
    if task is None and found.open(HAND_IN) is None and found.goes_on():
        task = await _next(found.tasks[-1][0], ANSWERS)
    if task is None:
        return await _nothing_open(found, agency, said)
    await _not_before(task, agency, on)
    if said.number:  # asked before the acceptance is recorded, not only with the result
        async with session() as s:
            wrong = await number_of_another(s, agency, said.number, task.subject)
        if wrong:
            raise BadForm(faults=wrong)
    if task.kind == ACCEPTANCE and said.number:
        answer = {"accepted_on": on.isoformat()}
        if await _complete(viewer, task, "accepted", answer, f"{base}.a") == batch.PENDING:
            return batch.PENDING
        task = await _next(task, [RESULT])
        if task is None:
            raise NotYetOpen
    if said.number:
        outcome, answer = "approved", {"approved_on": on.isoformat(), "number": said.number}
    else:
        outcome, answer = "refused", {"code": said.code, "note": said.note, "refused_on": on.isoformat()}
    return await _complete(viewer, task, outcome, answer, f"{base}.r")


def _key(agency: str, said: Said) -> str:
    """What a row says, as a key: keyed, because it stands beside the process and a number is personal."""
    day = said.day.isoformat() if said.day else ""
    return "row-" + keyed_hash("|".join([agency, said.number, said.code, day, said.note]))[:40]


async def _answers(prefix: str, *where: ColumnElement[bool]) -> list[Submission]:
    """The answers that were given under a row's key, the oldest first."""
    statement = select(Submission).where(Submission.idempotency_key.startswith(prefix, autoescape=True), *where)
    async with reading() as s:
        return list(await s.scalars(statement.order_by(Submission.created_at)))


async def _taken(found: Found, base: str) -> str | None:
    """The case of this person that took this very row before; an answer on its way is asked about."""
    rows = await _answers(f"{base}.r", Submission.process_id.in_({p.id for _, p in found.tasks}))
    for row in rows:
        if row.status == "done" or (row.status == "pending" and await completion.deliver(row) == "done"):
            return row.process_id
    return None


async def _complete(viewer: Viewer, task: Task, outcome: str, data: dict[str, Any], prefix: str) -> str:
    """One answer: done or pending. What was refused under the row's key (a suspended case) is tried under the next."""
    before = await _answers(prefix, Submission.task_id == task.id)
    if before and before[-1].status == "done":
        return "done"
    if before and before[-1].status == "pending":
        return await _delivered(before[-1])
    body = CompleteBody(outcome=outcome, data=data, version=task.version)
    try:
        result = await completion.complete(viewer, task.id, body, f"{prefix}{len(before)}")
    except KeyReused:  # somebody else sent the same row at the same time: theirs is the answer
        return await _delivered((await _answers(prefix, Submission.task_id == task.id))[-1])
    return "done" if result.completed is not None else batch.PENDING


async def _delivered(row: Submission) -> str:
    became = await completion.deliver(row)
    if isinstance(became, Problem):
        raise became
    return became


async def _next(after: Task, kinds: Sequence[str]) -> Task | None:
    """The task at the agency that the process opens after another one; None when it takes too long. It may be closed
    again: somebody else has the same row."""
    statement = (
        select(Task)
        .where(Task.process_id == after.process_id, Task.authority == after.authority, Task.kind.in_(kinds))
        .where(Task.opened_at >= after.opened_at, Task.id != after.id)
        .order_by(Task.opened_at.desc())
        .limit(1)
    )
    for _ in range(int(get_settings().update_timeout_seconds / PAUSE_SECONDS) + 1):
        async with reading() as s:
            task = await s.scalar(statement)
        if task is not None:
            return task
        await asyncio.sleep(PAUSE_SECONDS)
    return None


async def _not_before(task: Task, agency: str, on: date) -> None:
    """OldResult when a row is dated before the hand-in that waits: it is of an attempt before."""
    async with reading() as s:
        row = (await registrations.newest(s, [task.process_id], agency)).get(task.process_id)
    if row is None or row.submitted_at is None:
        return
    handed_in = row.submitted_at.astimezone(clock.SHANGHAI).date()
    if on < handed_in:
        raise OldResult(handed_in)


async def _as_recorded(process_id: str, agency: str, said: Said) -> bool:
    """Whether the number of a row stands on record in a case: False where nothing is approved yet, and a Problem where
    the record says otherwise. A day that the row does not name is none that could differ."""
    async with reading() as s:
        row = (await registrations.newest(s, [process_id], agency)).get(process_id)
    if row is None or row.state != "approved" or not said.number:
        return False
    if row.number_hash != number_hash(said.number):
        raise OtherNumber
    if said.day is not None and row.decided_at is not None and day_of(row.decided_at) != said.day:
        raise OtherDay(day_of(row.decided_at))
    return True


async def _nothing_open(found: Found, agency: str, said: Said) -> str:
    """Nothing waits for a result: recorded already with this very number, or a Problem that says what is the matter."""
    if found.open(HAND_IN) is not None:
        raise NotHandedIn
    if await _as_recorded(found.tasks[-1][1].id, agency, said):
        return UNCHANGED
    raise NotYetOpen if found.goes_on() else NothingWaits
