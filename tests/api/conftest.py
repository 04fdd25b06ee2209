"""A school office for API tests: real PostgreSQL, the real app, and a small stand-in for Temporal.

The stand-in takes the same updates and writes the same projection as a worker does.
"""

import uuid
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from activities.registry import all_activities
from api import engine
from domain.times import at
from runtime import clock
from runtime.namespace import prepare
from runtime.settings import Settings
from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind
from schemas.enrolment import ForeignHire
from schemas.process import ProcessSnapshot, ProcessState, Reminder, Stage, StageState, TimelineEntry, Transition
from schemas.tasks import (
    Completion,
    CompletionAnswer,
    DocumentRequest,
    Refusal,
    TaskResult,
    TaskSnapshot,
    TaskSpec,
    TaskState,
)
from simulators.launch import Running, running
from store import imports, projection
from store.database import session
from store.tables.people import OrgUnit
from store.tables.processes import Process, Task
from store.users import create_user
from tests.applications import interface
from worker.activations import OneAtATime
from worker.failures import FailuresSorted
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS

PASSWORD = "open sesame"
USERS: dict[str, tuple[list[str], list[str]]] = {
    "clerk": (["clerk"], []),
    "clerk2": (["clerk"], []),
    "supervisor": (["supervisor"], []),
    "head": (["head"], []),
    "payroll": (["payroll"], []),
    "auditor": (["auditor"], []),
    "admin": (["admin"], []),
    "college": (["college"], ["business"]),
    "college2": (["college"], ["physics"]),
}


def deadline(
    due: date, *, ident: str = "DL-REG-FOR", kind: LegalKind = LegalKind.STATUTORY, start: datetime | None = None
) -> Deadline:
    return Deadline(
        id=ident,
        title=Text(zh="外籍人员参保登记", en="Register the foreign employee"),
        legal_kind=kind,
        due=due,
        due_at=at(due, "17:00"),
        internal_due=due,
        latest_start=start or at(due, "08:30"),
        met_by="handed_in",
    )


def hire(**changes: Any) -> ForeignHire:
    values: dict[str, Any] = {
        "name": "Anna Muster", "name_zh": "穆安娜", "sex": "female", "country": "DEU", "birth": "1985-03-14",
        "id_number": "C01X00T47", "id_expires": "2031-01-31", "work_permit_no": "5100202699999999",
        "permit_issued": "2026-11-16", "permit_expires": "2027-11-16", "residence_expires": "2027-11-30",
        "org_unit": "business", "contract_start": "2026-11-20", "contract_end": "2028-11-19",
        "monthly_wage": "18000.00",
    }  # fmt: skip
    return ForeignHire.model_validate(values | changes)


class Engine:
    """Stands where Temporal stands: takes updates, and projects their result as a worker does."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.refuse: list[Refusal] = []
        self.silent = False  # it has the update, and no worker takes it
        self.away = False  # nobody listens at its address
        self.service_client = self
        self.calls: list[tuple[str, str]] = []

    async def start_workflow(self, name: str, argument: Any, **options: Any) -> None:
        self.calls.append((name, options["id"]))
        if self.silent:
            raise TimeoutError

    async def check_health(self) -> bool:
        if self.away:
            raise RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b"")
        return True

    def get_workflow_handle(self, process_id: str) -> "Handle":
        return Handle(self, process_id)


class Handle:
    def __init__(self, owner: Engine, process_id: str) -> None:
        self.owner, self.process_id = owner, process_id

    async def execute_update(self, name: str, argument: Any, *, id: str, result_type: Any = None) -> Any:
        self.owner.calls.append((name, id))
        if self.owner.silent or self.owner.away:
            raise TimeoutError
        if id in self.owner.answers:
            return self.owner.answers[id]
        if self.owner.refuse:
            kind = self.owner.refuse.pop(0)
            raise WorkflowUpdateFailedError(ApplicationError("no", type=kind.value))
        if name == "complete_task":
            assert isinstance(argument, Completion)
            self.owner.answers[id] = await complete(argument)
        return self.owner.answers.get(id)


async def complete(completion: Completion) -> CompletionAnswer:
    """What the worker does with an accepted completion."""
    async with session() as s:
        row = await s.get_one(Task, completion.task_id)
        if row.state == "completed":
            raise WorkflowUpdateFailedError(ApplicationError("closed", type=Refusal.TASK_CLOSED.value))
        now = clock.now()
        result = TaskResult(
            outcome=completion.outcome, data=completion.data, actor=completion.actor, on_behalf=completion.on_behalf,
            submission_id=completion.submission_id, at=now,
        )  # fmt: skip
        snapshot = TaskSnapshot(
            id=row.id, process_id=row.process_id, revision=row.revision + 1, spec=TaskSpec.model_validate(row.spec),
            state=TaskState.COMPLETED, version=row.version + 1, opened_at=row.opened_at, closed_at=now, result=result,
        )  # fmt: skip
        process = process_snapshot(row.process_id, revision=row.revision + 1)
        await projection.apply(s, Transition(process=process, tasks=[snapshot]), now)
    return CompletionAnswer(task_id=row.id, state=TaskState.COMPLETED, outcome=completion.outcome, version=row.version)


def process_snapshot(process_id: str, *, revision: int = 1, kind: str = "enrolment", **changes: Any) -> ProcessSnapshot:
    values: dict[str, Any] = {
        "id": process_id, "kind": kind, "revision": revision, "state": ProcessState.RUNNING, "org_unit": "business",
        "stages": [Stage(code="materials", title=Text(zh="材料", en="Materials"), column=0, state=StageState.ACTIVE)],
        "started_at": datetime.now(UTC),
    }  # fmt: skip
    return ProcessSnapshot(**(values | changes))


class Office:
    """Makes cases and tasks as the processes do, and signs people in."""

    def __init__(self, app: Any, temporal: Engine) -> None:
        self.app = app
        self.temporal = temporal
        self._clients: dict[str, httpx2.AsyncClient] = {}

    async def sign_in(self, username: str) -> httpx2.AsyncClient:
        if username not in self._clients:
            client = self.anonymous()
            answer = await client.post("/api/v1/session", json={"username": username, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
            self._clients[username] = client
        return self._clients[username]

    def anonymous(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app, raise_app_exceptions=False), base_url="http://test"
        )

    async def case(self, **changes: Any) -> str:
        """An enrolment as an upload opens it; returns its id. With another document number it is another person's,
        unless birth or work permit are given."""
        if "id_number" in changes and not {"birth", "work_permit_no"} & changes.keys():
            number = zlib.crc32(changes["id_number"].encode())
            born = date(1985, 3, 14) + timedelta(days=number % 5000)
            changes |= {"birth": born.isoformat(), "work_permit_no": f"510020{number:010d}"}
        async with session() as s:
            return (await imports.open_enrolment(s, hire(**changes), "clerk", source="test")).id

    async def task(
        self,
        process_id: str,
        kind: str = "enrolment.verification",
        *,
        key: str = "verification/1",
        roles: list[str] | None = None,
        outcomes: list[str] | None = None,
        deadlines: list[Deadline] | None = None,
        documents: list[DocumentRequest] | None = None,
        excluded: list[str] | None = None,
        org_unit: str | None = "business",
        revision: int = 1,
        version: int = 1,
        data: dict[str, Any] | None = None,
        process: dict[str, Any] | None = None,
        reminders: list[Reminder] | None = None,
        timeline: list[TimelineEntry] | None = None,
        **more: Any,
    ) -> str:
        """Opens a task by a transition; returns its id."""
        task_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{process_id}/{key}"))
        async with session() as s:
            row = await s.get(Process, process_id)
            spec = TaskSpec(
                key=key, kind=kind, title=Text(zh="审核参保材料", en="Verify the materials"), roles=roles or ["clerk"],
                org_unit=org_unit, subject=row.subject if row else None, stage="verification",
                outcomes=outcomes or ["approve", "return"], documents=documents or [], deadlines=deadlines or [],
                excluded=excluded or [], data=data or {}, **more,
            )  # fmt: skip
            snapshot = TaskSnapshot(
                id=task_id, process_id=process_id, revision=revision, spec=spec, state=TaskState.READY,
                version=version, opened_at=datetime.now(UTC), deadlines=deadlines or [],
            )  # fmt: skip
            transition = Transition(
                process=process_snapshot(process_id, revision=revision, **(process or {})),
                tasks=[snapshot],
                reminders=reminders or [],
                timeline=timeline or [],
            )
            await projection.apply(s, transition, clock.now())
        return task_id

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def office(database: Settings) -> AsyncIterator[Office]:
    """The app on a fresh database with the school's people."""
    async with session() as s:
        s.add_all(
            [
                OrgUnit(id="business", name_zh="商学院", name_en="Business School", kind="college"),
                OrgUnit(id="physics", name_zh="物理学院", name_en="School of Physics", kind="college"),
            ]
        )
        await s.flush()
        for name, (roles, units) in USERS.items():
            await create_user(
                s, name, PASSWORD, name_zh=f"{name}同志", name_en=name.title(), roles=roles, org_units=units,
                email=f"{name}@school.example",
            )  # fmt: skip
    database.update_timeout_seconds = 2.0
    temporal = Engine()
    engine.use_client(temporal)  # pyright: ignore[reportArgumentType]
    made = Office(interface(), temporal)
    yield made
    await made.close()
    engine.use_client(None)


@pytest.fixture
def agencies(tmp_path: Path) -> Iterator[Running]:
    """Authorities of this test alone: those of other tests know a first case of the year, and what became of it."""
    with running(tmp_path / "agencies") as started:
        yield started


async def add_policy_administrators() -> None:
    """Two, because nobody approves what they proposed."""
    async with session() as s:
        for name in ("policy", "policy2"):
            await create_user(s, name, PASSWORD, name_zh=name, name_en=name, roles=["policy"])


@pytest_asyncio.fixture(loop_scope="session")
async def school(office: Office, client: Client, database: Settings, agencies: Running) -> AsyncIterator[Office]:
    """The office with a real engine behind it: Temporal, the worker's workflows and activities, the authorities.

    A namespace of its own: months and bills have the same ids in the next test, and the server keeps what has ended.
    """
    database.simulators_url = agencies.url
    database.temporal_namespace = database.temporal_task_queue
    database.update_timeout_seconds = 8.0
    own = await prepare(database)
    engine.use_client(own)
    async with session() as s:
        await create_user(s, "finance", PASSWORD, name_zh="财务", roles=["finance"])
    async with Worker(
        own, task_queue=database.temporal_task_queue, workflows=WORKFLOWS, activities=all_activities(),
        workflow_runner=workflow_runner(), interceptors=[FailuresSorted()],
        workflow_task_executor=OneAtATime(),
    ):  # fmt: skip
        yield office
        engine.use_client(None)


def days(n: int) -> date:
    return clock.today() + timedelta(days=n)
