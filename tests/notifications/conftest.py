"""A small office on a real database, and a real mail server on this machine."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from aiosmtpd.controller import Controller

from runtime import clock
from runtime.settings import Settings
from schemas.enrolment import Certificate, ForeignHire, HireKind, Sex
from store import database as db
from store import people, users
from store.tables.people import OrgUnit
from store.tables.processes import Process
from tests.notifications.messenger import Messenger

WEDNESDAY = datetime(2026, 11, 25, 0, 45, tzinfo=UTC)  # 08:45 in Shanghai
CASE = "enrolment-FE2026-0001"
PERSON = "6b0f6f1e-0a51-4f0e-9d38-2f2d3f1f0a01"


def hire(**changes: Any) -> ForeignHire:
    values: dict[str, Any] = {
        "name": "Anna Muster",
        "name_zh": "穆安娜",
        "sex": Sex.FEMALE,
        "country": "DEU",
        "birth": date(1985, 3, 14),
        "id_number": "C01X00T47",
        "id_expires": date(2031, 1, 31),
        "work_permit_no": "5100202699999999",
        "permit_issued": date(2026, 11, 2),
        "permit_expires": date(2027, 11, 1),
        "residence_expires": date(2027, 11, 20),
        "org_unit": "business",
        "contract_start": date(2026, 11, 9),
        "contract_end": date(2028, 11, 8),
        "monthly_wage": Decimal("18000.00"),
        "email": "anna@example.edu",
        "hire_kind": HireKind.LOCAL_HIRE,
        "certificate": Certificate.NONE,
    }
    return ForeignHire.model_validate({**values, **changes})


async def open_case(process_id: str = CASE, person_id: str = PERSON, state: str = "running", **changes: Any) -> str:
    """A case with its person and record; returns the person's id."""
    record = hire(**changes)
    async with db.session() as s:
        person = await people.save_person(s, record, person_id, clock.now())
        s.add(
            Process(
                id=process_id,
                kind="enrolment",
                case_no=process_id.removeprefix("enrolment-"),
                title=people.display_name(person),
                state=state,
                subject=person.id,
                org_unit=record.org_unit,
                started_by="clerk",
                started_at=clock.now(),
            )
        )
        await s.flush()
        await people.save_hire(s, process_id, person.id, record, source="test", now=clock.now())
    return person.id


@pytest_asyncio.fixture(loop_scope="session")
async def office(database: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two clerks (one without mail), two college officers; the clock stands at a Wednesday morning."""
    monkeypatch.setattr(clock, "now", lambda: WEDNESDAY)
    async with db.session() as s:
        s.add_all(
            [
                OrgUnit(id="business", name_zh="商学院", name_en="Business School", kind="college"),
                OrgUnit(id="law", name_zh="法学院", name_en="Law School", kind="college"),
            ]
        )
        await s.flush()
        await users.create_user(s, "clerk", "x", name_zh="王敏", roles=["clerk"], email="clerk@example.edu")
        await users.create_user(s, "clerk2", "x", name_zh="李静", roles=["clerk"])
        await users.create_user(s, "college", "x", name_zh="张芳", roles=["college"], org_units=["business"])
        await users.create_user(s, "college2", "x", name_zh="陈磊", roles=["college"], org_units=["law"])
        await users.create_user(s, "head", "x", name_zh="周涛", roles=["head"])
        await users.create_user(s, "admin", "x", name_zh="林凯", roles=["admin"])
    return database


class Postbox:
    """What the mail server took, and what it answers: a reply per recipient instead of 250."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.replies: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=SMTP)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 OK"


@pytest_asyncio.fixture(loop_scope="session")
async def mail_server(office: Settings) -> AsyncIterator[Postbox]:
    """A server on a free port, named in the settings."""
    postbox = Postbox()
    controller = Controller(postbox, hostname="127.0.0.1", port=0)
    controller.port = _free_port()
    controller.start()
    with smtplib.SMTP("127.0.0.1", controller.port) as probe:
        assert probe.noop()[0] == 250
    office.smtp_url = f"smtp://127.0.0.1:{controller.port}?starttls=0"
    yield postbox
    controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The machine's clock for pauses, movable; signatures are made with the real one within the hour."""
    now = [clock.real_now()]
    monkeypatch.setattr(clock, "real_now", lambda: now[0])
    return now


@pytest_asyncio.fixture(loop_scope="session")
async def messenger(office: Settings) -> AsyncIterator[Messenger]:
    """The server, and the settings that name it as every service."""
    made = Messenger()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made.app, log_level="warning", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.02)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    office.wecom_url = office.dingtalk_url = office.feishu_url = url
    yield made
    server.should_exit = True
    await task
