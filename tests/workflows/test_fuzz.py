"""Three parallel branches with random updates, timers, moved deadlines, queries and slow activities: every history
replays and no case is left stuck.

The branches are the real ones of an enrolment (both bureaus and the question about the open side, with their clocks),
the commands are those people give. The seed of a failing case is in the test's name.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio.client import RPCError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from schemas.calls import PollAnswer
from schemas.process import ProcessCommand, Wake
from schemas.steps import Returning, Withdrawal
from schemas.tasks import TaskSnapshot, TaskState
from tests.workflows.office import Office, complete, shanghai
from worker.sandbox import workflow_runner
from workflows.registry import WORKFLOWS

Open = Callable[..., Any]
CASES = int(os.environ.get("BAOQI_FUZZ_CASES", "200"))
BATCH = 10
CANCELS = 0.005  # of all clicks: most cases come to their end
AGENCIES = ("social_bureau", "medical_bureau")


def script(rng: random.Random) -> list[PollAnswer]:
    """What an agency answers: some patience, some refusals, then approval."""
    answers: list[PollAnswer] = []
    for _ in range(rng.randrange(3)):
        answers += [PollAnswer(state="pending")] * rng.randrange(2)
        answers += [PollAnswer(state="accepted")] * rng.randrange(2)
        answers.append(PollAnswer(state="refused", code="R08"))
    return [*answers, PollAnswer(state="approved")]


async def people(rng: random.Random, office: Office, handle: WorkflowHandle[Any, Any]) -> None:
    """Clicks at random until the case has ended: completions (some stale, some twice), suspensions, wake-ups,
    queries."""
    commands = ("suspend", "resume")
    for turn in range(400):
        if office.state(handle.id) in ("closed", "cancelled"):
            return
        open_tasks = office.open_tasks(handle.id)
        refusals = (WorkflowUpdateFailedError, RPCError)
        with contextlib.suppress(*refusals):  # a refused click is part of the game; being stuck is not
            chance = rng.random()
            if chance < CANCELS:
                await handle.execute_update("cancel", ProcessCommand(reason="随机", actor="supervisor"))
            elif chance < 0.10:
                name = commands[rng.randrange(2)]
                await handle.execute_update(name, ProcessCommand(reason="随机", actor="supervisor"))
            elif chance < 0.20:
                moved = date(2026, 9, rng.randrange(10, 16))
                office.facts = office.facts.model_copy(update={"permit_issued": moved})
                await handle.signal("wake", Wake(topic="paid"))
            elif chance < 0.28:
                await handle.query("__temporal_workflow_metadata")
            elif open_tasks:
                task = rng.choice(open_tasks)
                if task.state is TaskState.SUSPENDED:
                    await handle.execute_update("resume", ProcessCommand(reason="继续", actor="supervisor"))
                    continue
                if rng.random() < 0.12:
                    await go_back(rng, office, handle, task)
                    continue
                outcomes = task.spec.outcomes
                outcome = outcomes[0] if rng.random() < 0.8 else rng.choice(outcomes)
                version = task.version if rng.random() < 0.9 else task.version + 1
                clicks = [complete(handle, task, outcome, version=version, key=f"{turn}")]
                if rng.random() < 0.3:
                    clicks.append(complete(handle, task, outcome, key=f"{turn}b", actor="clerk2"))
                await asyncio.gather(*clicks, return_exceptions=True)
            else:
                for scope in office.tax_scopes:
                    office.lines[scope.levy] = 0
                await handle.signal("wake", Wake(topic="paid"))
        await asyncio.sleep(rng.random() * 0.05)
    raise AssertionError(f"{handle.id} is stuck: {office.state(handle.id)}, open {office.open_tasks(handle.id)}")


async def go_back(rng: random.Random, office: Office, handle: WorkflowHandle[Any, Any], task: TaskSnapshot) -> None:
    """Returns the task where it may be returned, or withdraws an answer of before."""
    if task.spec.return_to and rng.random() < 0.6:
        target = rng.choice(task.spec.return_to)
        way = rng.choice(target.ways)
        back = Returning(task_id=task.id, to=target.step, way=way, reason="随机", version=task.version, actor="clerk")
        await handle.execute_update("return_task", back)
        return
    answered = [t for t in office.tasks.values() if t.process_id == handle.id and t.result is not None]
    if answered:
        former = rng.choice(answered)
        actor = former.result.actor if former.result else ""
        await handle.execute_update("withdraw_task", Withdrawal(task_id=former.id, reason="随机", actor=actor))


async def one_case(seed: int, stage: Open) -> tuple[str, Any]:
    rng = random.Random(seed)
    modes = {a: rng.choice(["http", "portal"]) for a in AGENCIES}
    office = Office(modes)
    office.policy = office.policy.model_copy(update={"partial_payment_grace_minutes": 0})
    office.answers = {a: script(rng) for a in AGENCIES}
    for name in ("record_transition", "poll_application", "submit_application", "apply_record"):
        if rng.random() < 0.4:
            office.slow[name] = rng.random() * 0.1
        if rng.random() < 0.2:
            office.fail[name] = [ConnectionError("fuzz")]
    # Near the payment day, so that the question about the open side is asked beside the two branches.
    begin = shanghai("2026-09-23 08:29") + timedelta(seconds=rng.randrange(60))
    async with stage(office, max_cached_workflows=rng.choice([1, 100])) as s:
        handle = await s.begin(at=begin)
        await people(rng, office, handle)
        async with asyncio.timeout(120):
            await handle.result()
        return handle.id, await handle.fetch_history()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(0, CASES, BATCH))
async def test_every_history_replays_and_no_case_is_stuck(stage: Open, first: int) -> None:
    results = await asyncio.gather(*(one_case(seed, stage) for seed in range(first, min(first + BATCH, CASES))))
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
        debug_mode=True,  # on a busy machine two seconds without a processor are no deadlock
    )
    for process_id, recorded in results:
        outcome = await replayer.replay_workflow(recorded, raise_on_replay_failure=False)
        assert outcome.replay_failure is None, process_id
