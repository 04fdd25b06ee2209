"""What people do to a task or a case beside completing it: the Updates of the verbs, the same for every process.

Each Update has a validator, so that what cannot be done is refused with a code and leaves no trace, an error of ours in
what is computed included (`human_task.computing`). Each returns after its rows are written, so that people read their
own writes. The rules of a verb are in its own module; here is the door.
"""

from collections.abc import Sequence

from temporalio import workflow

from schemas.amendment import Amended
from schemas.countersign import AddSigner, RemoveSigner
from schemas.deadlines import Deadline
from schemas.steps import Returning, Withdrawal
from schemas.tasks import TaskState
from workflows.countersign import check_adding, check_removing
from workflows.dates import DateMoves
from workflows.human_task import computing, refuse_now
from workflows.returning import accept_return, accept_withdrawal, check_return, check_withdrawal


class Verbs(DateMoves):
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

    @workflow.update(name="add_signer", description="Add a person to a countersign (加签)")
    async def add_signer(self, adding: AddSigner) -> None:
        task, found = check_adding(self.desk, adding)
        found.add(task, adding)
        await self.projected()

    @add_signer.validator
    def _check_adding(self, adding: AddSigner) -> None:
        check_adding(self.desk, adding)

    @workflow.update(name="remove_signer", description="Take an added person off a countersign (减签)")
    async def remove_signer(self, removing: RemoveSigner) -> None:
        task, found = check_removing(self.desk, removing)
        found.remove(task, removing)
        await self.projected()

    @remove_signer.validator
    def _check_removing(self, removing: RemoveSigner) -> None:
        check_removing(self.desk, removing)

    @workflow.update(name="take_amendment", description="A value in the books that this process counts by was amended")
    async def take_amendment(self, amended: Amended) -> None:
        await self.amended(amended, self.recounted(amended))
        self.touch()
        await self.projected()

    @take_amendment.validator
    def _check_amendment(self, amended: Amended) -> None:
        if self.cancelling is not None or self._ended is not None:
            raise refuse_now("the process has ended or is being cancelled: nothing is counted any more")
        with computing(f"dates of {self.id} by an amended value"):
            self.recounted(amended)

    def recounted(self, amended: Amended) -> list[Deadline]:
        """The deadlines that are counted by the value, by the new one; changes nothing. By default there are none."""
        del amended
        return []

    async def amended(self, amended: Amended, recounted: Sequence[Deadline]) -> None:
        """What a process has kept or counted by the old value goes by the new one; by default nothing did."""
