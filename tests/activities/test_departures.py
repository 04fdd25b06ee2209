"""What waits to leave the house while the work goes on: a running date is spoken of, and to who has the work."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from schemas.process import Transition
from schemas.tasks import TaskState
from store import departures, outbox, reminders, substitutes
from store.database import session
from store.policies import calendar
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.processes import ReminderRow, Task
from tests.activities.test_inbox import DUE, NOW, hold, people, project, reminder, transition

__all__ = ["people"]
FIRED = [reminder("holder-1"), reminder("head-1", to="head")]


def dated(one: Transition, task_id: str = "t-1", **met: Any) -> Transition:
    """The transition with the date on the case as well, and its task under another id."""
    task = one.tasks[0]
    spec = task.spec.model_copy(update={"key": f"{task_id}/1"})
    return one.model_copy(
        update={
            "process": one.process.model_copy(update={"deadlines": [DUE.model_copy(update=met)]}),
            "tasks": [task.model_copy(update={"id": task_id, "spec": spec})],
        }
    )


async def leave() -> list[tuple[str | None, str | None]]:
    """Everything that leaves by mail, as reader and task."""
    left: list[tuple[str | None, str | None]] = []
    later = NOW + timedelta(days=1)
    async with session() as s:
        while parcel := await departures.take(s, "mail", now=later, office_now=later, school=calendar("school")):
            for row in await s.scalars(select(Outgoing).where(Outgoing.id.in_(parcel.ids))):
                left.append((row.username, row.task_id))
    return sorted(left, key=str)


async def test_a_return_loses_no_word_about_a_date_that_runs_on(people: Settings) -> None:
    await project(dated(transition(1)))
    await hold("t-1", "clerk")
    await project(dated(transition(2, reminders=FIRED)), dated(transition(3, task_state=TaskState.RETURNED)))
    await project(dated(transition(4), "t-2"))
    await hold("t-2", "clerk2")
    assert await leave() == [("clerk2", "t-2"), ("head", "t-1")]
    async with session() as s:
        told = list(await s.scalars(select(ReminderRow.recipient).order_by(ReminderRow.recipient)))
        links = {m.username: m.link for m in await s.scalars(select(Message))}
    assert told == ["clerk", "clerk2", "head"], "who was told when"
    assert links["clerk2"] == "/tasks/t-2" and links["head"] == "/tasks/t-1"


async def test_a_date_that_is_met_or_an_end_of_the_case_needs_no_word(people: Settings) -> None:
    await project(dated(transition(1, reminders=FIRED)))
    await project(dated(transition(2, task_state=TaskState.COMPLETED), met_at=NOW))
    assert await leave() == []
    async with session() as s:
        assert set(await s.scalars(select(Outgoing.state))) == {"dropped"}


async def test_nobody_has_the_step_and_the_date_runs_on(people: Settings) -> None:
    """The bureau is waited for: the one who was meant still hears it, of the date and the case and no task that is
    done."""
    await project(dated(transition(1)))
    await hold("t-1", "clerk")
    title = transition(3).tasks[0].spec.title
    words = Text(zh=f"{title.zh}：参保登记已于 2026-11-20 到期", en=f"{title.en}: registration was due on 2026-11-20")
    fired = [r.model_copy(update={"text": words}) for r in FIRED]
    await project(dated(transition(2, reminders=fired)), dated(transition(3, task_state=TaskState.COMPLETED)))
    assert await leave() == [("clerk", "t-1"), ("head", "t-1")]
    async with session() as s:
        rows = list(await s.scalars(select(Outgoing)))
        case = (await s.get_one(Task, "t-1")).process_id
    for row in rows:
        assert "参保登记已于" in row.body and "registration was due" in row.body and row.link == f"/processes/{case}"
        assert title.zh not in row.body and title.en not in row.body, row.body


async def test_a_message_follows_its_task_from_hand_to_hand_and_back(people: Settings) -> None:
    await project(dated(transition(1)))
    await hold("t-1", "clerk")
    await project(dated(transition(2, reminders=[reminder("holder-1")])))
    await hold("t-1", "clerk2")
    async with session() as s:
        later = NOW + timedelta(days=1)
        first = await departures.take(s, "mail", now=later, office_now=later, school=calendar("school"))
        assert first is not None
        row = await s.get_one(Outgoing, first.ids[0])
        assert row.username == "clerk2"
        row.taken_at = row.next_at = None  # its channel was away
    await hold("t-1", "clerk")
    assert await leave() == [("clerk", "t-1")]
    async with session() as s:
        assert len(list(await s.scalars(select(Message)))) == 2, "each heard it once"


async def test_who_is_excluded_is_not_asked_as_somebodys_substitute(people: Settings) -> None:
    """Four eyes: who confirmed it is urged for nobody, and nobody is who stands in for him."""
    today = clock.today()
    await project(transition(1))
    async with session() as s:
        task = await s.get_one(Task, "t-1")
        task.roles, task.excluded = ["supervisor"], ["clerk"]
        await substitutes.add(s, "supervisor", "clerk", today, today, reason="出差", set_by="x", now=clock.now())
    async with session() as s:
        task = await s.get_one(Task, "t-1")
        assert [u.username for u, _ in await reminders.in_charge(s, reminders.whose(task))] == ["supervisor"]
        task.holder = "supervisor"
        assert [u.username for u, _ in await reminders.in_charge(s, reminders.whose(task))] == ["supervisor"]
        task.holder, task.roles, task.excluded = None, ["clerk", "supervisor"], ["supervisor"]
        assert [u.username for u, _ in await reminders.in_charge(s, reminders.whose(task))] == ["clerk2"]
        task.excluded = []
        assert [u.username for u, _ in await reminders.in_charge(s, reminders.whose(task))] == [
            "clerk", "clerk2", "supervisor"
        ]  # fmt: skip


async def test_a_message_is_no_older_than_what_it_tells_of(people: Settings) -> None:
    """While a demo's clock is moved its cases are ahead of the office for a moment."""
    ahead = clock.now() + timedelta(days=3)
    early = reminder("holder-1").model_copy(update={"at": ahead})
    await project(dated(transition(1, reminders=[early])))
    async with session() as s:
        assert set(await s.scalars(select(Message.at))) == set(await s.scalars(select(Outgoing.created_at))) == {ahead}
        first = await s.scalar(select(Outgoing).limit(1))
        assert first is not None
        await outbox.mark(s, (first.id,), outbox.SENT, now=clock.now())
        await s.refresh(first)
        assert first.sent_at == ahead
