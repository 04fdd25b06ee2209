"""By the contract alone, on real servers: PostgreSQL, Temporal, the worker's workflows and activities, the agencies."""

import asyncio

from api import starts
from runtime.settings import Settings
from simulators.launch import Running
from tests.api.conftest import Office
from tests.api.program import Program, behave


async def test_a_case_from_start_to_closed_by_the_gateway(school: Office, agencies: Running) -> None:
    behave(agencies.url)
    case = await school.case(contract_start="2026-11-01")
    assert await starts.start_pending([case]) == 1
    program = await Program.of(school)
    view = await program.until_ended(case)
    log = [f"{t['kind']}: {t['text']['zh']}" for t in view["timeline"]]
    incidents = [t for t in view["tasks"] if t["kind"] == "incident.resolve"]
    assert not incidents, log
    assert view["state"] == "closed", "\n".join(log)
    kinds = [item["kind"] for item in program.done]
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
    assert "已经中止" in again.json()["detail"]
    task = (await college.get(f"/api/v1/tasks/{items[0]['id']}")).json()
    body = {"outcome": "submit", "data": task["data"], "version": task["version"]}
    blocked = await college.post(f"/api/v1/tasks/{task['id']}/complete", json=body, headers={"Idempotency-Key": "a"})
    assert (blocked.status_code, blocked.json()["code"]) == (409, "task_suspended")
    assert (await clerk.post(f"/api/v1/processes/{case}/resume", json=reason)).json()["state"] == "running"
    again = await clerk.post(f"/api/v1/processes/{case}/resume", json=reason)
    assert again.status_code == 409 and "没有中止" in again.json()["detail"]
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
    program = await Program.of(school)
    program.once = {
        "registration.acceptance": ("refused", {"code": "R07"}),
        "registration.result": ("refused", {"code": "R08", "note": "影像不清晰"}),
    }
    view = await program.until_ended(case)
    assert view["state"] == "closed", "\n".join(t["text"]["zh"] for t in view["timeline"])
    kinds = [item["kind"] for item in program.done]
    assert kinds.count("registration.correction") == 2 and kinds.count("registration.hand_in") == 4
    assert "tax_payment.payment" in kinds and "incident.resolve" not in [t["kind"] for t in view["tasks"]]
