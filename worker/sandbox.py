"""The sandbox in which workflow code runs: the same for worker, replay and tests.

`schemas` and `domain` are pure and passed through: loading them again for each case would cost memory and time. The
modules of `workflows/` themselves are loaded anew, so that the sandbox's restrictions (clock, random, I/O) hold in
them. That nothing heavier is imported there is kept by import-linter; a dynamic import inside a running workflow
warns."""

from temporalio.converter import SerializationContext, StorageDriverStoreContext, WorkflowSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy


class Runner(SandboxedWorkflowRunner):
    """The sandbox, entered for workflow code only.

    For every payload the SDK asks the instance in whose name it is encoded, and so enters the sandbox several times a
    step: a fifth of the worker's time. Our converter ignores that context (see `runtime/temporal.py`) and nothing is
    stored outside, so both questions are answered here. A converter that uses the context must go back to the parent.
    """

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
    restrictions = SandboxRestrictions.default.with_passthrough_modules("schemas", "domain")
    policy = SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
    return Runner(restrictions=restrictions.with_import_notification_policy(policy))
