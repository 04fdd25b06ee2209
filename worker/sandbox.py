"""The sandbox in which workflow code runs: the same for worker, replay and tests.

`schemas` and `domain` are pure and passed through: loading them again for each case would cost memory and time. The
modules of `workflows/` themselves are loaded anew, so that the sandbox's restrictions (clock, random, I/O) hold in
them. That nothing heavier is imported there is kept by import-linter; a dynamic import inside a running workflow
warns. What is loaded anew is the same code: it is compiled once in a process, whether or not Python may write its own
cache of it beside the sources (in a container it may not), and each case has only the objects made by running it."""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from weakref import WeakSet

from temporalio import workflow
from temporalio.converter import SerializationContext, StorageDriverStoreContext, WorkflowSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

LOADED_ANEW = "workflows"


class _CompiledOnce(SourceFileLoader):
    """Runs code that is kept. Code is immutable: cases share it, and none can reach another one by it."""

    def get_code(self, fullname: str) -> CodeType | None:
        return _code(fullname, self.path)


@cache
def _code(fullname: str, path: str) -> CodeType | None:
    return SourceFileLoader(fullname, path).get_code(fullname)


class _Finder:
    """Where Python asks first for a module: only those of cases are answered, and found where they would be anyway."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] != LOADED_ANEW:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _CompiledOnce(name, spec.loader.path)
        return spec


_taken: WeakSet[type] = WeakSet()


class Runner(SandboxedWorkflowRunner):
    """The sandbox, entered for workflow code only.

    For every payload the SDK asks the instance in whose name it is encoded, and so enters the sandbox several times a
    step: a fifth of the worker's time. Our converter ignores that context (see `runtime/temporal.py`) and nothing is
    stored outside, so both questions are answered here. A converter that uses the context must go back to the parent.
    """

    def prepare_workflow(self, defn: workflow._Definition) -> None:  # pyright: ignore[reportPrivateUsage]
        """Loads the workflow to see that the sandbox takes it; once a process, though every worker and replay asks."""
        if defn.cls not in _taken:
            super().prepare_workflow(defn)
            _taken.add(defn.cls)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance that answers both questions without its sandbox."""
        instance = super().create_instance(det)
        context = WorkflowSerializationContext(namespace=det.info.namespace, workflow_id=det.info.workflow_id)
        nowhere = StorageDriverStoreContext(target=None)

        def serialization_context(command_info: object) -> SerializationContext:
            return context

        def store_context(command_info: object) -> StorageDriverStoreContext:
            return nowhere

        instance.get_serialization_context = serialization_context
        instance.get_external_store_context = store_context
        return instance


def workflow_runner() -> SandboxedWorkflowRunner:
    """The runner for `Worker` and `Replayer`."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    restrictions = SandboxRestrictions.default.with_passthrough_modules("schemas", "domain")
    policy = SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
    return Runner(restrictions=restrictions.with_import_notification_policy(policy))
