"""What an operator sees of a process in Temporal's own UI, and how patient it is: read from the engine itself."""

from collections.abc import Callable
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle

from tests.workflows.office import Office, complete, shanghai
from tests.workflows.test_enrolment import pay, to_bureaus

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")


async def details(handle: WorkflowHandle[Any, Any]) -> str:
    """What the UI shows of a process that runs."""
    found = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return found.current_details


async def a_whole_case(stage: Open, office: Office) -> list[HistoryEvent]:
    """One enrolment from materials to closed, by hand at the social bureau."""
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await complete(handle, await office.task("enrolment.materials"), actor="college")
        await complete(handle, await office.task("enrolment.verification"))
        for step in ("hand_in", "acceptance", "result"):
            await complete(handle, await office.task(f"registration.{step}"))
        await pay(office, handle)
        await handle.result()
        return list((await handle.fetch_history()).events)


async def test_the_ui_says_who_must_do_what_by_when(stage: Open) -> None:
    office = Office({"social_bureau": "portal", "medical_bureau": "portal"})
    async with stage(office) as s:
        handle = await s.begin(at=START)
        await office.task("enrolment.materials")
        said = await details(handle)
        assert "材料收集" in said
        assert "提交参保材料" in said
        assert "college" in said
        assert "2026-09-22" in said, "five working days from the 16th, Sunday the 20th being one"
        await to_bureaus(office, handle)
        await office.settle(lambda: len(office.open_tasks()) == 2)
        said = await details(handle)
        assert "社保局登记 ∥ 医保局登记" in said
        assert said.count("提交参保申请") == 2


async def test_each_timer_and_each_activity_says_in_words_what_it_is(stage: Open) -> None:
    events = await a_whole_case(stage, Office({"social_bureau": "portal"}))
    worded = (EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    found = [e for e in events if e.event_type in worded]
    assert {e.event_type for e in found} == set(worded)
    silent = [e.event_id for e in found if not e.user_metadata.summary.data.strip(b'"')]
    assert silent == []


async def test_no_activity_is_ever_given_up(stage: Open) -> None:
    """Neither a number of attempts nor a span ends an activity: an outage of any length delays, and no more."""
    events = await a_whole_case(stage, Office({"social_bureau": "portal"}))
    attributes = "activity_task_scheduled_event_attributes"
    called = [getattr(e, attributes) for e in events if e.HasField(attributes)]
    assert len({a.activity_type.name for a in called}) > 10
    for activity in called:
        name = activity.activity_type.name
        assert activity.retry_policy.maximum_attempts == 0, name
        assert activity.schedule_to_close_timeout.ToTimedelta().total_seconds() == 0, name
        assert activity.schedule_to_start_timeout.ToTimedelta().total_seconds() == 0, name
        assert 0 < activity.start_to_close_timeout.ToTimedelta().total_seconds() <= 60, name
        assert activity.retry_policy.maximum_interval.ToTimedelta().total_seconds() <= 300, name
