"""Quiet hours and the digest: what waits, what goes together, and what has become pointless meanwhile."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from domain.times import SHANGHAI
from runtime import clock
from runtime.settings import Settings
from store import database as db
from store import outbox
from store.tables.outbox import Outgoing
from store.tables.processes import Task
from tests.notifications.conftest import WEDNESDAY, Postbox, open_case
from tests.notifications.test_channels import rows, tell, wants
from tests.notifications.test_mail import open_task
from worker.delivery import deliver


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The office's and the machine's clock, moved together: `clocks[0]`."""
    now = [WEDNESDAY]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    monkeypatch.setattr(clock, "real_now", lambda: now[0])
    return now


def sh(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


async def test_quiet_hours_hold_and_a_closed_task_is_not_spoken_of(
    mail_server: Postbox, clocks: list[datetime]
) -> None:
    await open_case()
    await open_task("open")
    await open_task("closed")
    await wants("clerk", ["mail"], {}, quiet_from=time(22), quiet_to=time(7, 30))
    clocks[0] = sh("2026-11-25 22:10")
    for task in ("open", "closed"):
        await tell("clerk", f"rung/{task}", task_id=task)
    assert await deliver() == 0 and {m.attempts for m in (await rows()).values()} == {0}
    async with db.session() as s:
        await s.execute(update(Task).where(Task.id == "closed").values(closed_at=clocks[0]))
    clocks[0] = sh("2026-11-26 07:29")
    assert await deliver() == 0
    clocks[0] = sh("2026-11-26 07:30")
    assert await deliver() == 1
    assert {k[1]: m.state for k, m in (await rows()).items()} == {"rung/open": "sent", "rung/closed": "dropped"}
    clocks[0] = sh("2026-11-26 23:00")
    await tell("clerk", "rung/later", task_id="open")
    assert await deliver() == 0
    await wants("clerk", ["mail"], {})  # no quiet hours any more: what waits goes
    assert await deliver() == 1


async def test_a_digest_is_one_mail_and_what_cannot_wait_goes_at_once(
    mail_server: Postbox, clocks: list[datetime], office: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_case()
    for task, due in (("far", "2026-12-10 17:00"), ("near", "2026-11-25 17:00")):
        await open_task(task)
        async with db.session() as s:
            await s.execute(update(Task).where(Task.id == task).values(next_due_at=sh(due)))
    await wants("clerk", ["mail"], {}, digest=True)
    clocks[0] = sh("2026-11-25 10:00")
    await tell("clerk", "rung/1", task_id="far", link="/tasks/far")
    await tell("clerk", "rung/2")
    await tell("clerk", "rung/3", task_id="near", link="/tasks/near")
    assert await deliver() == 1 and "/tasks/near" in mail_server.mails[0].get_content()
    clocks[0] = sh("2026-11-26 08:30")
    await tell("clerk", "rung/4", task_id="far", link="/tasks/far")  # a rung of this morning
    assert await deliver() == 0

    async def dies(*_: Any, **__: Any) -> None:
        raise ConnectionError("the worker died here")

    clocks[0] = sh("2026-11-26 08:32")
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark", dies)
        await deliver()
    await tell("clerk", "rung/5", now=clocks[0])  # comes while it is not known what became of the digest
    clocks[0] += timedelta(minutes=1)
    assert await deliver() == 4
    first, again, late = mail_server.mails[1:]
    assert first["Message-ID"] == again["Message-ID"] != late["Message-ID"]
    assert first.get_content() == again.get_content()
    assert "3 项" in first["Subject"] and "Muster" not in first["Subject"]
    assert [first.get_content().count(link) for link in ("/tasks/far", "/cases/", "/messages")] == [2, 1, 1]
    assert {m.state for m in (await rows()).values()} == {"sent"}


async def test_a_message_leaves_without_a_look_at_a_thousand_that_wait(
    mail_server: Postbox, clocks: list[datetime]
) -> None:
    await open_case()
    await open_task("closed", closed_at=WEDNESDAY)
    async with db.session() as s:
        for n in range(1000):
            s.add(
                Outgoing(
                    key=f"held/{n}", channel="mail", username="clerk", subject="a", body="b", task_id="closed",
                    reminder=True, held_until=clocks[0] + timedelta(days=1), created_at=clocks[0],
                )
            )  # fmt: skip
    await tell("clerk", "now")
    assert await deliver() == 1
    states = [m.state for k, m in (await rows()).items() if k[1].startswith("held/")]
    assert states == ["pending"] * 1000, "each message looked at all that waits"
    clocks[0] += timedelta(days=1)
    assert await deliver() == 0
    assert {m.state for k, m in (await rows()).items() if k[1].startswith("held/")} == {"dropped"}
