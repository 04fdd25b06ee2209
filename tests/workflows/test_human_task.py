"""Completing a task: one winner, the same key the same answer, nothing recorded when the validator refuses."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.workflows.office import Office, complete, shanghai

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")


def cause(error: BaseException) -> str | None:
    assert isinstance(error, WorkflowUpdateFailedError)
    assert isinstance(error.cause, ApplicationError)
    return error.cause.type


async def test_of_two_people_at_once_one_wins(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        task = await office.task("enrolment.materials")
        results = await asyncio.gather(
            *(complete(handle, task, actor=f"college{n}", key=f"key-{n}") for n in range(6)), return_exceptions=True
        )
        refused = [r for r in results if isinstance(r, BaseException)]
        assert len(refused) == 5
        assert {cause(r) for r in refused} <= {"TaskClosed", "StaleVersion"}
        assert office.kinds(handle.id).count("task_completed") == 1


async def test_the_same_key_gives_the_same_answer(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        task = await office.task("enrolment.materials")
        first = await complete(handle, task, actor="college", key="same")
        assert await complete(handle, task, actor="college", key="same") == first
        assert office.kinds(handle.id).count("task_completed") == 1


async def test_the_rows_are_written_before_the_answer_comes(stage: Open) -> None:
    office = Office()
    office.slow["record_transition"] = 0.3
    async with stage(office) as s:
        handle = await s.begin(at=START)
        task = await office.task("enrolment.materials")
        await complete(handle, task, actor="college")
        assert office.tasks[task.id].state == "completed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": 9}, "StaleVersion"),
        ({"outcome": "approve"}, "BadOutcome"),
        ({"data": {"permit_issued": "yesterday"}}, "BadForm"),
        ({"data": {"surprise": 1}}, "BadForm"),
    ],
)
async def test_the_validator_refuses_and_nothing_is_recorded(
    stage: Open, changes: dict[str, Any], expected: str
) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        task = await office.task("enrolment.materials")
        sent: dict[str, Any] = {"actor": "college"} | ({"data": {}} if "outcome" in changes else {}) | changes
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complete(handle, task, **sent)
        assert cause(refused.value) == expected
        history = await handle.fetch_history()
        accepted = [e for e in history.events if e.HasField("workflow_execution_update_accepted_event_attributes")]
        assert accepted == []


async def test_who_prepared_may_not_approve(stage: Open) -> None:
    office = Office()
    office.lines = {"social": 3}
    async with stage(office) as s:
        handle = await s.begin("TaxPayment", at=START, unit="school", levy="social", month="2026-09")
        await complete(handle, await office.task("tax_payment.freeze"))
        await complete(handle, await office.task("tax_payment.confirm"), actor="supervisor")
        approval = await office.task("tax_payment.approval")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await complete(handle, approval, actor="supervisor")
        assert cause(refused.value) == "FourEyes"
        await complete(handle, approval, actor="supervisor2", key="2")


async def test_an_outage_of_the_inbox_delays_and_never_fails(stage: Open) -> None:
    office = Office()
    async with stage(office) as s:
        handle = await s.begin(at=START)
        task = await office.task("enrolment.materials")
        # The step that writes the record with its rows, and the one that writes rows alone.
        office.fail = {name: [ConnectionError("down")] * 2 for name in ("apply_record", "record_transition")}
        await complete(handle, task, actor="college")
        assert office.fail["apply_record"] == []
        assert office.tasks[task.id].state == "completed"
        await office.task("enrolment.verification")
        assert office.fail["record_transition"] == []
        assert (await handle.describe()).status == 1
