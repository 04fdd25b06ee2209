"""Temporal Schedules: what starts by the calendar without anybody asking. Created by `baoqi init`, never by a worker.

A schedule fires every day and its workflow asks the school's calendar whether today is the day, because no schedule
knows make-up working days. `SCHEDULES` is empty as long as every process is started by a case; a process that starts
monthly adds its entry here and nowhere else.
"""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from runtime.settings import Settings

TIME_ZONE = "Asia/Shanghai"
# After an outage a day's start is still wanted, last week's is not.
CATCH_UP = timedelta(hours=12)
SCHEDULES: dict[str, tuple[str, ScheduleSpec]] = {}
"""Schedule id -> (workflow name, when)."""


def _schedule(workflow: str, schedule_id: str, spec: ScheduleSpec, queue: str) -> Schedule:
    spec.time_zone_name = TIME_ZONE
    return Schedule(
        action=ScheduleActionStartWorkflow(workflow, id=schedule_id, task_queue=queue),
        spec=spec,
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )


async def ensure(client: Client, settings: Settings) -> None:
    """Creates or updates every schedule; a paused one stays paused."""
    for schedule_id, (workflow, spec) in SCHEDULES.items():
        wanted = _schedule(workflow, schedule_id, spec, settings.temporal_task_queue)
        try:
            await client.create_schedule(schedule_id, wanted)
        except ScheduleAlreadyRunningError:

            def renew(given: ScheduleUpdateInput, wanted: Schedule = wanted) -> ScheduleUpdate:
                wanted.state = given.description.schedule.state
                return ScheduleUpdate(schedule=wanted)

            await client.get_schedule_handle(schedule_id).update(renew)
