"""What people do to a task or a case beside completing it: the Updates of the verbs, the same for every process.

Each Update has a validator, so that what cannot be done is refused with a code and leaves no trace; each returns after
its rows are written, so that people read their own writes. The rules of a verb are in its own module; here is the door.
"""

from temporalio import workflow

from schemas.steps import Returning, Withdrawal
from schemas.tasks import TaskState
from workflows.casefile import CaseFile
from workflows.returning import accept_return, accept_withdrawal, check_return, check_withdrawal


class Verbs(CaseFile):
    """Between the case's file and its process."""

    @workflow.update(name="return_task", description="Return a task to an earlier step")
    async def return_task(self, returning: Returning) -> TaskState:
        task = accept_return(self.desk, returning)
        await self.projected()
        return task.state

    @return_task.validator
    def _check_return(self, returning: Returning) -> None:
        check_return(self.desk, returning)

    @workflow.update(name="withdraw_task", description="Withdraw an answer that nobody has acted on")
    async def withdraw_task(self, withdrawal: Withdrawal) -> TaskState:
        task = accept_withdrawal(self.desk, withdrawal)
        await self.projected()
        return task.state

    @withdraw_task.validator
    def _check_withdrawal(self, withdrawal: Withdrawal) -> None:
        check_withdrawal(self.desk, withdrawal)
