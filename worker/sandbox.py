"""The sandbox in which workflow code runs: the same for worker, replay and tests.

`schemas` and `domain` are pure and passed through: loading them again for each case would cost memory and time. The
modules of `workflows/` themselves are loaded anew, so that the sandbox's restrictions (clock, random, I/O) hold in
them. That nothing heavier is imported there is kept by import-linter; a dynamic import inside a running workflow
warns."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy


def workflow_runner() -> SandboxedWorkflowRunner:
    """The runner for `Worker` and `Replayer`."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("schemas", "domain")
    policy = SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
    return SandboxedWorkflowRunner(restrictions=restrictions.with_import_notification_policy(policy))
