"""The sandbox of cases: each has modules of its own, restricted at run time, made from code that is compiled once."""

import importlib
from types import ModuleType

import pytest
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext

from worker.sandbox import workflow_runner


def load(name: str, context: RestrictionContext) -> ModuleType:
    with Importer(workflow_runner().restrictions, context).applied():
        return importlib.import_module(name)


def test_two_cases_share_the_code_and_nothing_else() -> None:
    one, other = load("workflows.clock", RestrictionContext()), load("workflows.clock", RestrictionContext())
    assert one.Clock is not other.Clock and one.RECIPIENT is not other.RECIPIENT
    assert one.Clock.wait.__code__ is other.Clock.wait.__code__


def test_the_restrictions_hold_in_what_was_loaded() -> None:
    context = RestrictionContext()
    human_task = load("workflows.human_task", context)
    assert human_task.uuid.uuid5(human_task.uuid.NAMESPACE_URL, "baoqi")
    context.is_runtime = True
    with pytest.raises(RestrictedWorkflowAccessError):
        human_task.uuid.uuid4()
