"""By the contract alone, on real servers: PostgreSQL, Temporal, the worker's workflows and activities, the agencies."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.registry import all_activities
from api import engine, starts
from runtime.settings import Settings
from simulators.launch import Running, running
from store.database import session
from store.users import create_user
from tests.api.conftest import PASSWORD, Office
from tests.api.contract import Program
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS


@pytest.fixture(scope="module")
def agencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("agencies")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def school(office: Office, client: Client, database: Settings, agencies: Running) -> AsyncIterator[Office]:
    """The office with a real engine behind it."""
    database.simulators_url = agencies.url
    database.update_timeout_seconds = 8.0
    engine.use_client(client)
    async with session() as s:
        await create_user(s, "finance", PASSWORD, name_zh="财务", roles=["finance"])
        # The database is new, the Temporal server is not: case numbers of this test are its own.
        await s.execute(text("SELECT setval('case_numbers', :n)"), {"n": random.randint(10_000, 900_000)})
    async with Worker(
        client, task_queue=database.temporal_task_queue, workflows=WORKFLOWS, activities=all_activities(),
        workflow_runner=workflow_runner(),
    ):  # fmt: skip
        yield office
        engine.use_client(None)
        await forget(client)


async def forget(client: Client) -> None:
    """Removes every process of this test from the shared server: months and bills have the same ids in the next one."""
    async for run in client.list_workflows():
        execution = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
        request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
        with contextlib.suppress(RPCError):  # ended and gone meanwhile
            await client.workflow_service.delete_workflow_execution(request)
    for _ in range(100):
        if not [run async for run in client.list_workflows()]:
            return
        await asyncio.sleep(0.1)


def behave(url: str, **fields: Any) -> None:
    for agency in ("social_bureau", "medical_bureau", "tax_office"):
        quick = {"accept_after_seconds": 0, "decide_after_seconds": 0, "sync_after_seconds": 0}
        httpx2.put(f"{url}/{agency}/behaviour", json=quick | fields).raise_for_status()


async def drive(program: Program, case: str) -> dict[str, Any]:
    """Finishes tasks until the case has ended, or a minute has passed."""
    clerk = program.clients["clerk"]
    view: dict[str, Any] = {}
    for _ in range(120):
        await program.round()
        view = (await clerk.get(f"/api/v1/processes/{case}")).json()
        if view["state"] in ("closed", "cancelled"):
            break
        await asyncio.sleep(0.5)
    return view


async def program_of(office: Office) -> Program:
    names = ("clerk", "college", "supervisor", "payroll", "finance", "clerk2")
    return Program({n: await office.sign_in(n) for n in names})


async def test_a_case_from_start_to_closed_by_the_gateway(school: Office, agencies: Running) -> None:
    behave(agencies.url)
    case = await school.case(contract_start="2026-11-01")
    assert await starts.start_pending([case]) == 1
    program = await program_of(school)
    view = await drive(program, case)
    log = [f"{t['kind']}: {t['text']['zh']}" for t in view["timeline"]]
    incidents = [t for t in view["tasks"] if t["kind"] == "incident.resolve"]
    assert not incidents, log
    assert view["state"] == "closed", "\n".join(log)
    kinds = [k for _, k, _ in program.done]
    assert kinds[:2] == ["enrolment.materials", "enrolment.verification"]
    assert {"tax_payment.freeze", "tax_payment.confirm", "tax_payment.approval", "withholding.confirm"} <= set(kinds)


async def test_suspend_resume_cancel_over_http(school: Office, agencies: Running) -> None:
    behave(agencies.url)
    case = await school.case(contract_start="2026-11-01", id_number="E77777777")
    await starts.start_pending([case])
    clerk, auditor = await school.sign_in("clerk"), await school.sign_in("auditor")
    college = await school.sign_in("college")
    for _ in range(40):
        items = (await college.get("/api/v1/tasks", params={"view": "group"})).json()["items"]
        if items:
            break
        await asyncio.sleep(0.25)
    reason = {"reason": "等待本人确认"}
    assert (await auditor.post(f"/api/v1/processes/{case}/suspend", json=reason)).status_code == 403
    suspended = await clerk.post(f"/api/v1/processes/{case}/suspend", json=reason)
    assert suspended.json().get("state") == "suspended", suspended.text
    again = await clerk.post(f"/api/v1/processes/{case}/suspend", json=reason)
    assert (again.status_code, again.json()["code"]) == (409, "not_allowed_now")
    task = (await college.get(f"/api/v1/tasks/{items[0]['id']}")).json()
    body = {"outcome": "submit", "data": task["data"], "version": task["version"]}
    blocked = await college.post(f"/api/v1/tasks/{task['id']}/complete", json=body, headers={"Idempotency-Key": "a"})
    assert (blocked.status_code, blocked.json()["code"]) == (409, "task_suspended")
    assert (await clerk.post(f"/api/v1/processes/{case}/resume", json=reason)).json()["state"] == "running"
    cancelled = await clerk.post(f"/api/v1/processes/{case}/cancel", json={"reason": "放弃入职", "ground": "left"})
    assert cancelled.status_code == 200
    for _ in range(40):
        view = (await clerk.get(f"/api/v1/processes/{case}")).json()
        if view["state"] == "cancelled":
            break
        await asyncio.sleep(0.25)
    assert view["state"] == "cancelled" and {t["state"] for t in view["tasks"]} == {"obsolete"}


async def test_by_hand_at_every_agency_with_a_refusal_at_each(
    school: Office, agencies: Running, database: Settings
) -> None:
    """Mode portal everywhere: receipts, results, bill and certificate come from clerks; each bureau refuses once."""
    behave(agencies.url)
    database.agency_modes = dict.fromkeys(("social_bureau", "medical_bureau", "tax_office"), "portal")
    case = await school.case(contract_start="2026-11-01", id_number="F55555555")
    assert await starts.start_pending([case]) == 1
    program = await program_of(school)
    program.outcomes = {
        "registration.acceptance": ("refused", {"code": "R07"}),
        "registration.result": ("refused", {"code": "R08", "note": "影像不清晰"}),
    }
    view = await drive(program, case)
    assert view["state"] == "closed", "\n".join(t["text"]["zh"] for t in view["timeline"])
    kinds = [k for _, k, _ in program.done]
    assert kinds.count("registration.correction") == 2 and kinds.count("registration.hand_in") == 4
    assert "tax_payment.payment" in kinds and "incident.resolve" not in [t["kind"] for t in view["tasks"]]
