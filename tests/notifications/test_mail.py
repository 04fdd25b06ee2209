"""Delivery: real mail server, files, refusals, outages, reminders that became pointless, rest days."""

import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP

import pytest
from sqlalchemy import select, update

from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from store import database as db
from store import outbox
from store.tables.office import Message
from store.tables.outbox import ChannelState, Outgoing
from store.tables.processes import Process, Task
from tests.notifications.conftest import CASE, WEDNESDAY, Postbox, open_case
from worker.channels.mail import BadSmtpUrl, smtp_client
from worker.delivery import deliver

SUBJECT = Text(zh="提醒", en="Reminder")
BODY = Text(zh="请办理。", en="Please see to it.")
SUNDAY = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The machine's clock, movable: `machine[0]`."""
    now = [WEDNESDAY]
    monkeypatch.setattr(clock, "real_now", lambda: now[0])
    return now


async def put(key: str, recipient: str = "clerk@example.edu", **more: object) -> None:
    async with db.session() as s:
        await outbox.queue(s, key, SUBJECT, BODY, recipient=recipient, now=WEDNESDAY, **more)  # pyright: ignore[reportArgumentType]


async def rows() -> dict[str, Outgoing]:
    async with db.session() as s:
        return {m.key: m for m in await s.scalars(select(Outgoing))}


async def open_task(task_id: str, closed_at: datetime | None = None) -> None:
    async with db.session() as s:
        s.add(
            Task(
                id=task_id, process_id=CASE, process_kind="enrolment", case_no="FE2026-0001", key=task_id,
                kind="enrolment.materials", title_zh="材料", title_en="Materials", roles=["college"], stage="materials",
                spec={}, state="ready", version=1, revision=1, opened_at=WEDNESDAY, closed_at=closed_at,
                sort_day=WEDNESDAY.date(), legal_rank=0, sort_at=WEDNESDAY,
            )
        )  # fmt: skip


async def test_mail_goes_out_once_with_the_page_it_is_about(mail_server: Postbox, machine: list[datetime]) -> None:
    await put("a", link=f"/processes/{CASE}")
    await put("a", link="/elsewhere")  # the same key again
    assert await deliver() == 1
    assert await deliver() == 0
    (mail,) = mail_server.mails
    assert mail["To"] == "clerk@example.edu"
    assert mail["Subject"] == "提醒 / Reminder"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "请办理。" in text
    assert "Please see to it." in text
    assert f"http://127.0.0.1:8000/cases/{CASE}" in text
    assert "elsewhere" not in text
    sent = (await rows())["a"]
    assert (sent.state, sent.attempts, sent.error) == ("sent", 1, None)


async def test_two_workers_send_a_mail_once(mail_server: Postbox, machine: list[datetime]) -> None:
    for n in range(12):
        await put(f"k{n}")
    sent = await asyncio.gather(deliver(), deliver(), deliver())
    assert sum(sent) == 12
    assert len({m["Message-ID"] for m in mail_server.mails}) == len(mail_server.mails) == 12


async def test_without_a_server_mails_become_files(office: Settings, machine: list[datetime]) -> None:
    await put("a")
    await put("b", recipient="张三@example.edu")
    assert await deliver() == 2
    files = sorted((office.data_dir / "mail").iterdir())
    assert [f.suffix for f in files] == [".eml", ".eml"]
    first = message_from_bytes(files[0].read_bytes(), policy=SMTP)
    assert first["Subject"] == "提醒 / Reminder"
    assert first["Message-ID"].endswith("@localhost>")
    assert files[0].stat().st_mode & 0o077 == 0


async def test_a_refused_address_fails_and_the_next_mail_goes(mail_server: Postbox, machine: list[datetime]) -> None:
    mail_server.replies = {"gone@example.edu": "550 no such user", "full@example.edu": "452 mailbox full"}
    await put("gone", recipient="gone@example.edu")
    await put("full", recipient="full@example.edu")
    await put("odd", recipient="not an address")
    await put("header", recipient="x@example.edu\nBcc: y@example.edu")
    await put("good")
    assert await deliver() == 1
    found = await rows()
    assert {k: m.state for k, m in found.items()} == {
        "gone": "failed", "full": "pending", "odd": "failed", "header": "failed", "good": "sent",
    }  # fmt: skip
    assert "no such user" in (found["gone"].error or "")
    assert "452" in (found["full"].error or "")
    mail_server.replies = {}
    assert await deliver() == 0  # its pause is not over
    machine[0] += timedelta(minutes=1)
    assert await deliver() == 1
    assert (await rows())["full"].state == "sent"


async def test_an_outage_makes_the_channels_pauses_grow(office: Settings, machine: list[datetime]) -> None:
    office.smtp_url = "smtp://127.0.0.1:9?starttls=0"  # nobody listens
    await put("a")
    await put("b")
    pauses: list[float] = []
    for _ in range(6):
        assert await deliver() == 0
        async with db.session() as s:
            state = await s.get_one(ChannelState, "mail")
        assert state.next_at is not None and "Connect" in (state.error or "")
        pauses.append((state.next_at - machine[0]) / timedelta(minutes=1))
        assert await deliver() == 0  # within the pause nobody is asked
        machine[0] = state.next_at
    assert pauses == [1, 2, 4, 8, 15, 15]
    assert {(m.state, m.attempts, m.next_at) for m in (await rows()).values()} == {("pending", 0, None)}
    async with db.session() as s:
        assert (await s.get_one(ChannelState, "mail")).failing_since == WEDNESDAY
        told = list(await s.scalars(select(Message).where(Message.key.startswith("channel/"))))
    assert [(m.username, "邮件" in m.text_zh, m.link) for m in told] == [("admin", True, "/channels")]
    office.smtp_url = ""
    assert await deliver() == 2
    async with db.session() as s:
        state = await s.get_one(ChannelState, "mail")
    assert (state.failures, state.failing_since, state.error) == (0, None, None)
    assert outbox.pause_after(50) == timedelta(hours=6)


async def test_a_reminder_whose_task_is_closed_is_dropped(mail_server: Postbox, machine: list[datetime]) -> None:
    await open_case()
    await open_task("open")
    await open_task("closed", closed_at=WEDNESDAY)
    for task in ("open", "closed"):
        await put(f"reminder/{task}", process_id=CASE, task_id=task, reminder=True)
    await put("notice", process_id=CASE, task_id="closed")  # no reminder: it stays true
    assert await deliver() == 2
    assert {k: m.state for k, m in (await rows()).items()} == {
        "reminder/open": "sent", "reminder/closed": "dropped", "notice": "sent",
    }  # fmt: skip
    async with db.session() as s:
        await s.execute(update(Process).values(state="closed"))
    await put("reminder/late", process_id=CASE, reminder=True)
    assert await deliver() == 0
    assert (await rows())["reminder/late"].state == "dropped"


async def test_reminders_rest_on_rest_days(
    mail_server: Postbox, machine: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put("reminder", reminder=True)
    await put("notice")
    monkeypatch.setattr(clock, "now", lambda: SUNDAY)
    assert await deliver() == 1
    found = await rows()
    assert (found["notice"].state, found["reminder"].state, found["reminder"].attempts) == ("sent", "pending", 0)
    assert found["reminder"].held_until == datetime(2026, 11, 30, 0, 30, tzinfo=UTC)  # Monday 08:30 in Shanghai
    monkeypatch.setattr(clock, "now", lambda: SUNDAY + timedelta(days=1))
    assert await deliver() == 1


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "smtp://h:99999", "smtp://h?starttls=yes"])
def test_a_wrong_address_of_the_server_is_said(url: str) -> None:
    with pytest.raises(BadSmtpUrl, match="BAOQI_SMTP_URL 应形如"):
        smtp_client(url)


def test_the_address_of_the_server_is_read() -> None:
    client = smtp_client("smtps://a%40b:p%3Aw@mail.example.edu")
    assert (client.hostname, client.port, client.use_tls) == ("mail.example.edu", 465, True)
    assert smtp_client("smtp://mail.example.edu:587?starttls=1").port == 587
