"""Recorded histories replay on today's workflows; an unsafe change does not.

A red test here means that open cases in the field would stop: put the change behind `workflow.patched`, record a new
history beside the old ones, and leave those as they are.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from schemas.calls import CaseArg
from tests.replay.record import CASES
from worker.sandbox import workflow_runner
from workflows import enrolment as enrolment_module
from workflows.process import Process
from workflows.record import Record
from workflows.registry import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))


def test_every_scripted_case_is_recorded() -> None:
    assert {p.stem for p in HISTORIES} >= set(CASES)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda p: p.stem)
async def test_recorded_histories_replay(path: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
        debug_mode=True,  # a busy machine is no deadlock
    )
    await replayer.replay_workflow(history(path))


async def replay_changed(path: Path) -> None:
    """Replays without the sandbox, which would load the unchanged module again."""
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
        debug_mode=True,
    )
    await replayer.replay_workflow(history(path))


CLOSED = Path(__file__).parent / "histories" / "enrolment-refused-twice-http.json"


async def test_unchanged_code_replays_without_the_sandbox_too() -> None:
    await replay_changed(CLOSED)


async def test_swapping_the_two_bureaus_fails_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment_module, "AGENCIES", ("medical_bureau", "social_bureau"))
    with pytest.raises(Exception, match="TMPRL1100"):
        await replay_changed(CLOSED)


async def test_an_added_activity_fails_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Record.make

    async def with_one_more(self: Record, back: Any = None, agency: str | None = None) -> None:
        case = self._case  # pyright: ignore[reportPrivateUsage]
        await case.calls.case_books(CaseArg(process_id=case.id, person_id=case.person_id), "unsafe")
        await original(self, back, agency)

    monkeypatch.setattr(Record, "make", with_one_more)
    with pytest.raises(Exception, match="TMPRL1100"):
        await replay_changed(CLOSED)


async def test_a_removed_timer_fails_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    async def without_clock(self: Process) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("workflows.clock.Clock.wait", without_clock)
    with pytest.raises(Exception, match="TMPRL1100"):
        await replay_changed(CLOSED)
