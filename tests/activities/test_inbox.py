"""`record_transition` on real PostgreSQL: twice is once, old never wins, the inbox's columns stay."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest_asyncio
from sqlalchemy import event, func, select
from temporalio.testing import ActivityEnvironment

from activities.inbox import record_transition
from domain.times import at
from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from schemas.countersign import Seat, Signer, SignGroup
from schemas.deadlines import Deadline, LegalKind, RungInstant
from schemas.process import ProcessSnapshot, ProcessState, Reminder, Stage, StageState, TimelineEntry, Transition
from schemas.tasks import TaskSnapshot, TaskSpec, TaskState
from store import departures, substitutes
from store.database import engine, session
from store.policies import calendar
from store.projection import INBOX_CHANNEL
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.people import OrgUnit, User
from store.tables.processes import Process, ReminderRow, Task, Timeline
from store.users import create_user

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
CASE = "enrolment-FE2026-0001"
DUE = Deadline(
    id="DL-REG-FOR", title=Text(zh="参保登记", en="Register"), legal_kind=LegalKind.STATUTORY, due=NOW.date(),
    due_at=NOW + timedelta(hours=8), internal_due=NOW.date(), latest_start=NOW, met_by="handed_in",
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def people(database: Settings) -> Settings:
    async with session() as s:
        s.add(OrgUnit(id="business", name_zh="商学院", name_en="Business", kind="college"))
        await s.flush()
        for name, role in (("clerk", "clerk"), ("clerk2", "clerk"), ("supervisor", "supervisor"), ("head", "head")):
            mail = f"{name}@school.example"
            await create_user(s, name, "a password", name_zh=name, roles=[role], email=mail)
    return database


def transition(revision: int, **changes: Any) -> Transition:
    """A case with one task, as of a revision; the title tells which one was written."""
    spec = TaskSpec(
        key="verification/1", kind="enrolment.verification", title=Text(zh=f"审核{revision}", en=f"Verify {revision}"),
        roles=["clerk"], org_unit="business", stage="verification", outcomes=["approve"],
    )  # fmt: skip
    task = TaskSnapshot(
        id="t-1", process_id=CASE, revision=revision, spec=spec, state=changes.pop("task_state", TaskState.READY),
        version=1, opened_at=NOW, deadlines=[DUE],
    )  # fmt: skip
    stage = Stage(code="verification", title=Text(zh="审核", en="Verification"), column=0, state=StageState.ACTIVE)
    snapshot = ProcessSnapshot(
        id=CASE, kind="enrolment", revision=revision, state=changes.pop("state", ProcessState.RUNNING),
        org_unit="business", stages=[stage], started_at=NOW, reason=str(revision),
    )  # fmt: skip
    entry = TimelineEntry(seq=revision, at=NOW, kind="note", text=Text(zh=str(revision), en=str(revision)))
    return Transition(process=snapshot, tasks=[task], timeline=[entry], **changes)


def reminder(*rungs: str, to: str = "holder") -> Reminder:
    made = [RungInstant(key=f"DL-REG-FOR:1:{r}", deadline_id="DL-REG-FOR", rung=r, to=to, at=NOW) for r in rungs]
    return Reminder(task_id="t-1", to=to, rungs=made, text=Text(zh="即将到期", en="Due soon"), at=NOW)


async def project(*transitions: Transition) -> None:
    for one in transitions:
        await ActivityEnvironment().run(record_transition, one)


async def test_any_order_and_any_repetition_give_the_newest(people: Settings) -> None:
    sequence = [transition(n) for n in range(1, 8)]
    shuffled = sequence * 2
    random.Random(7).shuffle(shuffled)
    await project(*shuffled)
    async with session() as s:
        process, task = await s.get_one(Process, CASE), await s.get_one(Task, "t-1")
        assert (process.revision, process.reason) == (7, "7")
        assert (task.revision, task.title_zh) == (7, "审核7")
        assert list(await s.scalars(select(Timeline.seq).order_by(Timeline.seq))) == list(range(1, 8))


async def test_holder_and_draft_are_never_touched(people: Settings) -> None:
    await project(transition(1))
    async with session() as s:
        task = await s.get_one(Task, "t-1")
        task.holder, task.draft = "clerk", b"x"
    await project(transition(2))
    async with session() as s:
        task = await s.get_one(Task, "t-1")
        assert (task.revision, task.holder, task.draft) == (2, "clerk", b"x")


async def test_two_writers_at_once(people: Settings) -> None:
    await asyncio.gather(*(project(transition(n)) for n in (3, 1, 2, 3)))
    async with session() as s:
        assert (await s.get_one(Process, CASE)).revision == 3


async def test_a_rung_once_and_all_rungs_as_one_message(people: Settings) -> None:
    """Three rungs past at once reach each candidate as one message; recorded again they say nothing."""
    late = transition(1, reminders=[reminder("holder-7", "holder-3", "holder-1")])
    await project(late, late)
    await project(transition(2, reminders=[reminder("holder-1", "holder-0")]))
    async with session() as s:
        rungs = list(await s.scalars(select(ReminderRow.rung).where(ReminderRow.recipient == "clerk")))
        messages = dict((await s.execute(select(Message.username, func.count()).group_by(Message.username))).all())
        mails = await s.scalar(select(func.count()).select_from(Outgoing))
    assert sorted(rungs) == ["holder-0", "holder-1", "holder-3", "holder-7"]
    assert messages == {"clerk": 2, "clerk2": 2} and mails == 4


async def test_however_many_people_and_rungs_the_statements_are_as_many(people: Settings) -> None:
    """Thousands of reminders in a minute are paid by the statement."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    await project(transition(1))
    event.listen(engine().sync_engine, "before_cursor_execute", note)
    await project(transition(2, reminders=[reminder("holder-7")]))
    for_two = len(sent)
    async with session() as s:
        for n in range(5):
            await create_user(
                s, f"more{n}", "a password", name_zh="同事", roles=["clerk"], email=f"m{n}@school.example"
            )
    sent.clear()
    await project(transition(3, reminders=[reminder("holder-3", "holder-1")]))
    event.remove(engine().sync_engine, "before_cursor_execute", note)
    assert len(sent) == for_two <= 10, sent
    async with session() as s:
        told = list(await s.scalars(select(ReminderRow.recipient).where(ReminderRow.rung == "holder-1")))
        linked = list(
            await s.scalars(select(ReminderRow.message_id).where(ReminderRow.rung.in_(["holder-3", "holder-1"])))
        )
    assert len(told) == 7 and len(set(linked)) == 7 and None not in linked


async def test_reminder_goes_to_the_holder_alone_and_up_the_chain(people: Settings) -> None:
    await project(transition(1))
    async with session() as s:
        (await s.get_one(Task, "t-1")).holder = "clerk2"
    await project(
        transition(
            2,
            reminders=[reminder("holder-1"), reminder("supervisor-3", to="supervisor"), reminder("head-1", to="head")],
        )
    )
    async with session() as s:
        told = sorted(await s.scalars(select(Message.username)))
    assert told == ["clerk2", "head", "supervisor"]


async def test_urgency_follows_open_tasks_and_ends_with_the_case(people: Settings) -> None:
    await project(transition(1))
    async with session() as s:
        assert (await s.get_one(Process, CASE)).next_due_at == DUE.due_at
        assert (await s.get_one(Task, "t-1")).sort_day == at_day()
    await project(transition(2, task_state=TaskState.OBSOLETE, state=ProcessState.CANCELLED))
    async with session() as s:
        process = await s.get_one(Process, CASE)
        assert process.next_due_at is None and process.waiting_on == []
        assert (await s.get_one(Task, "t-1")).closed_at is not None


def at_day() -> Any:
    assert at(NOW.date(), "09:00") == NOW
    return NOW.date()


async def test_listeners_hear_which_process_changed(people: Settings) -> None:
    dsn = people.require_database_url().replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as listener:
        await listener.execute(f"LISTEN {INBOX_CHANNEL}".encode())
        await project(transition(1))
        heard = [n.payload async for n in listener.notifies(timeout=5, stop_after=1)]
    assert heard == [CASE]


def hand_in(n: int, revision: int, task_state: TaskState = TaskState.READY, **changes: Any) -> Transition:
    """The step of a case at a bureau, asked for the n-th time."""
    one = transition(revision, task_state=task_state, **changes)
    step = {"kind": "registration.hand_in", "step": "hand_in", "after": "verification/1"}
    spec = one.tasks[0].spec.model_copy(update=step | {"key": f"medical_bureau.hand_in/{n}"})
    return one.model_copy(update={"tasks": [one.tasks[0].model_copy(update={"id": f"h-{n}", "spec": spec})]})


def line(revision: int, kind: str, **data: str) -> list[TimelineEntry]:
    return [TimelineEntry(seq=revision, at=NOW, kind=kind, task_id="h-1", text=Text(zh="原因", en="why"), data=data)]


async def hold(task_id: str, name: str | None, draft: bytes | None = None) -> None:
    async with session() as s:
        task = await s.get_one(Task, task_id)
        task.holder, task.held_since, task.draft = name, NOW, draft


async def told() -> list[tuple[str, str]]:
    async with session() as s:
        return [(m.username, m.text_zh) for m in await s.scalars(select(Message).order_by(Message.username))]


async def test_who_holds_what_is_taken_back_is_told_once_and_the_draft_goes_on(people: Settings) -> None:
    await project(hand_in(1, 1))
    await hold("h-1", "clerk2", b"x")
    today = clock.today()
    async with session() as s:
        await substitutes.add(s, "clerk2", "clerk", today, today, reason="出差", set_by="clerk2", now=clock.now())
    gone = hand_in(1, 2, TaskState.OBSOLETE).model_copy(update={"timeline": line(2, "task_obsolete", again="hand_in")})
    await project(gone, gone)
    words = f"{CASE}：您办理的《审核2》已因所依据的信息更改收回，无需再办"
    assert await told() == [("clerk", words), ("clerk2", words)]
    async with session() as s:
        mails = list(await s.scalars(select(Outgoing).order_by(Outgoing.username)))
        assert [(m.username, m.task_id, m.process_id) for m in mails] == [("clerk", None, None), ("clerk2", None, None)]
        assert all("was taken back because the record that it works with was changed" in m.body for m in mails)
    await project(hand_in(2, 3))
    async with session() as s:
        again = await s.get_one(Task, "h-2")
        assert (again.holder, again.held_since, again.draft) == ("clerk2", NOW, b"x")
        again.holder = again.held_since = again.draft = None  # given back
    await project(hand_in(2, 4))
    async with session() as s:
        assert (await s.get_one(Task, "h-2")).holder is None, "given back is given back"
    assert len(await told()) == 4 and any("草稿已保留" in text for _, text in await told())


def on_a_bill(n: int, revision: int, bill: str, role: str, state: TaskState = TaskState.READY) -> Transition:
    """An approval of a month's payment, asked for the n-th time; a signer above the limit has another role."""
    one = transition(revision, task_state=state)
    about = {"kind": "tax_payment.approval", "roles": [role], "data": {"bill_id": bill}}
    spec = one.tasks[0].spec.model_copy(update=about | {"key": f"approval/{n}"})
    return one.model_copy(update={"tasks": [one.tasks[0].model_copy(update={"id": f"a-{n}", "spec": spec})]})


async def test_a_draft_about_a_bill_goes_to_the_same_signer_of_the_same_bill(people: Settings) -> None:
    await project(on_a_bill(1, 1, "b1", "supervisor"), on_a_bill(2, 2, "b1", "head"))
    await hold("a-1", "supervisor", b"s")
    await hold("a-2", "head", b"h")
    for n, role in ((1, "supervisor"), (2, "head")):
        await project(on_a_bill(n, n + 2, "b1", role, TaskState.OBSOLETE))
    again = ((3, "b2", "supervisor"), (4, "b1", "head"), (5, "b1", "supervisor"))
    for n, bill, role in again:
        await project(on_a_bill(n, n + 2, bill, role))
    async with session() as s:
        found = [await s.get_one(Task, f"a-{n}") for n, _, _ in again]
        assert [(t.holder, t.draft) for t in found] == [(None, None), ("head", b"h"), ("supervisor", b"s")]


async def test_a_draft_of_who_sent_the_work_back_goes_on_and_who_was_added_is_told(people: Settings) -> None:
    await project(on_a_bill(1, 1, "b1", "head"))
    await hold("a-1", "head", b"h")
    await project(on_a_bill(1, 2, "b1", "head", TaskState.RETURNED))
    again = on_a_bill(2, 3, "b1", "head")
    await project(again.model_copy(update={"timeline": line(3, "signer_left_out", signer="clerk2")}))
    async with session() as s:
        task = await s.get_one(Task, "a-2")
        assert (task.holder, task.draft) == ("head", b"h")
    assert [(name, words) for name, words in await told() if "加签" in words] == [
        ("clerk2", f"{CASE}：退回后重新审批，不再请您签署（加签）；如仍需要您签署，将另行通知")
    ]


async def test_whose_own_word_took_a_task_back_is_not_told(people: Settings) -> None:
    await project(hand_in(1, 1))
    await hold("h-1", "clerk2")
    today = clock.today()
    async with session() as s:
        await substitutes.add(s, "clerk2", "clerk", today, today, reason="出差", set_by="clerk2", now=clock.now())
    own = line(2, "task_obsolete")[0].model_copy(update={"actor": "clerk2"})
    await project(hand_in(1, 2, TaskState.OBSOLETE).model_copy(update={"timeline": [own]}))
    assert await told() == []
    await project(hand_in(2, 3))
    await hold("h-2", "clerk2")
    back = line(4, "withdrawn")[0].model_copy(update={"actor": "clerk", "task_id": "v-1"})  # standing in for clerk2
    await project(hand_in(2, 4, TaskState.OBSOLETE).model_copy(update={"timeline": [back]}))
    assert [name for name, _ in await told()] == ["clerk2"]


async def test_what_nobody_holds_says_nothing_and_a_cancelled_case_says_why(people: Settings) -> None:
    await project(hand_in(1, 1), hand_in(1, 2, TaskState.OBSOLETE))
    assert await told() == []
    await project(hand_in(2, 3))
    await hold("h-2", "clerk")
    await project(hand_in(2, 4, TaskState.OBSOLETE, state=ProcessState.CANCELLED))
    assert [(name, "已因业务撤销收回" in text) for name, text in await told()] == [("clerk", True)]
    later = datetime.now(UTC) + timedelta(days=9)
    async with session() as s:
        parcel = await departures.take(s, "mail", now=later, office_now=later, school=calendar("school"))
        assert parcel is not None, "also when the case has ended meanwhile"


async def test_who_holds_work_of_a_case_is_told_that_it_stands_still_and_goes_on(people: Settings) -> None:
    first, second = transition(1), hand_in(1, 1)
    await project(first.model_copy(update={"tasks": [*first.tasks, *second.tasks]}))
    await hold("t-1", "clerk2")
    await hold("h-1", "clerk2")
    today = clock.today()
    async with session() as s:
        await substitutes.add(s, "clerk2", "clerk", today, today, reason="出差", set_by="clerk2", now=clock.now())

    async def command(
        revision: int, kind: str, state: ProcessState, of: TaskState, actor: str
    ) -> list[tuple[str, str]]:
        known = len(await told())
        one, other = transition(revision, state=state, task_state=of), hand_in(1, revision, of)
        why = line(revision, kind)[0].model_copy(update={"actor": actor, "task_id": None})
        step = one.model_copy(update={"tasks": [*one.tasks, *other.tasks], "timeline": [why]})
        await project(step, step)
        async with session() as s:
            new = list(await s.scalars(select(Message).order_by(Message.id).offset(known)))
        assert all(m.link == f"/processes/{CASE}" for m in new)
        return sorted((m.username, m.text_zh) for m in new)

    stopped = f"{CASE}：业务已中止，您手上的任务待恢复后再办（法定与缴费期限继续计算），原因见流程记录"
    asleep, awake = (ProcessState.SUSPENDED, TaskState.SUSPENDED), (ProcessState.RUNNING, TaskState.READY)
    assert await command(2, "suspended", *asleep, "supervisor") == [("clerk", stopped), ("clerk2", stopped)]
    on = await command(3, "resumed", *awake, "supervisor")
    assert [name for name, _ in on] == ["clerk", "clerk2"] and "业务已恢复" in on[0][1]
    assert [n for n, _ in await command(4, "suspended", *asleep, "clerk")] == ["clerk2"], (
        "whose own command it was knows"
    )
    await hold("t-1", None)
    await hold("h-1", None)
    assert await command(5, "resumed", *awake, "supervisor") == [], "nobody holds anything of it"


async def test_a_draft_does_not_go_to_who_is_excluded(people: Settings) -> None:
    await project(hand_in(1, 1))
    await hold("h-1", "clerk2", b"x")
    await project(hand_in(1, 2, TaskState.OBSOLETE).model_copy(update={"timeline": line(2, "withdrawn")}))
    assert "已因上一步骤撤回收回，无需再办" in (await told())[0][1]
    excluding = hand_in(2, 3)
    spec = excluding.tasks[0].spec.model_copy(update={"excluded": ["clerk2"]})
    await project(excluding.model_copy(update={"tasks": [excluding.tasks[0].model_copy(update={"spec": spec})]}))
    async with session() as s:
        assert (await s.get_one(Task, "h-2")).holder is None


def signature(n: int, revision: int, state: TaskState = TaskState.READY, **spec: Any) -> Transition:
    """One task of a countersign, its n-th; `data` of the spec stands for the way back to it."""
    one = transition(revision, task_state=state)
    sign = SignGroup(
        id="approval.sign/1", mode="in_turn", need=1, seats=[Seat(id="1", place=1, signer=Signer(role="x"))]
    )
    changes = {"key": f"approval/{n}", "title": Text(zh="审批", en="Approve"), "stage": "approval", "sign": sign} | spec
    changed = one.tasks[0].spec.model_copy(update=changes)
    return one.model_copy(update={"tasks": [one.tasks[0].model_copy(update={"id": f"h-{n}", "spec": changed})]})


async def test_who_adds_somebody_keeps_the_task_and_who_is_asked_is_told(people: Settings) -> None:
    await project(signature(1, 1))
    await hold("h-1", "clerk2", b"x")
    gone = signature(1, 2, TaskState.OBSOLETE)
    gone = gone.model_copy(update={"timeline": line(2, "task_obsolete", again="@countersign", comes_back="1")})
    await project(gone, signature(2, 3, roles=["@head"]))
    assert await told() == [
        ("clerk2", f"{CASE}：《审批》已前加签，加签人办理后回到您手上"),
        ("head", f"{CASE}：请您会签《审批》（加签）"),
    ]
    await project(signature(3, 4, again="approval/1"))
    async with session() as s:
        again = await s.get_one(Task, "h-3")
        assert (again.holder, again.draft) == ("clerk2", b"x")


async def test_work_that_is_sent_back_finds_who_did_it_and_comes_straight_back_to_who_sent_it(people: Settings) -> None:
    await project(signature(1, 1), signature(1, 2, TaskState.COMPLETED))
    async with session() as s:
        first = await s.get_one(Task, "h-1")
        first.holder, first.closed_at = "supervisor", NOW
    await project(signature(2, 3, key="pay/1", sign=None, title=Text(zh="缴款", en="Pay")))
    await hold("h-2", "clerk2")
    data = {"returned_to": "approval", "returned_by": "clerk2", "return_reason": "金额", "returned_task": "pay/1"}
    sent = signature(2, 4, TaskState.RETURNED, key="pay/1", sign=None, title=Text(zh="缴款", en="Pay"))
    note = line(4, "returned")[0].model_copy(update={"task_id": "h-2", "data": {"signers": ["head"], **data}})
    sent = sent.model_copy(update={"timeline": [note]})
    await project(sent, sent, signature(3, 5, data=data), signature(3, 6, data=data))
    again = "工作已退回，请重新办理《审批》"
    assert [(name, again in words) for name, words in await told()] == [
        ("clerk", True), ("head", False), ("supervisor", True),
    ]  # fmt: skip
    assert "您签署后，《缴款》被退回" in dict(await told())["head"] and "金额" not in str(await told())
    await project(signature(4, 7, key="pay/2", sign=None, again="pay/1", title=Text(zh="缴款", en="Pay")))
    async with session() as s:
        assert (await s.get_one(Task, "h-4")).holder == "clerk2"
        (await s.get_one(User, "clerk2")).active = False
    assert ("clerk2", f"{CASE}：您退回的事项已办妥，《缴款》回到您手上") in await told()
    await project(signature(5, 8, key="pay/3", sign=None, again="pay/1", title=Text(zh="缴款", en="Pay")))
    async with session() as s:
        assert (await s.get_one(Task, "h-5")).holder is None
    assert ("clerk", f"{CASE}：退回事项已办妥，退回人clerk2已不能办理《缴款》，请认领") in await told()
