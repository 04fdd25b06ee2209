"""What the second person's word on an amendment does: the books first, then the processes that count by the value.

Invariants: the value changes in the transaction that closes the amendment; whoever counts by it is told until it has
taken the word in, once (the amendment's id is the Update's), and one that has ended is not. No personal value leaves
the books.
"""

from datetime import date

from temporalio import activity
from temporalio.client import WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode

from schemas.amendment import FIELDS, WAGE, Amended, AmendmentArg, AmendmentDecided, AmendmentDecision
from schemas.forms import EmptyForm, ReasonForm
from store import amendments, projection, submissions, wage_differences
from store.database import session


@activity.defn(name="decide_amendment")
async def decide_amendment(arg: AmendmentDecision) -> AmendmentDecided:
    """Applies, rejects or withdraws; a second call changes nothing and gives the same answer."""
    async with session() as s:
        await projection.carried(s, arg)
        form = await submissions.read_form(s, arg.submission_id) if arg.submission_id else None
        note = form.reason if isinstance(form, ReasonForm) else form.remark if isinstance(form, EmptyForm) else ""
        row = await amendments.decide(s, arg.id, arg.outcome, arg.actor, note or None)
        changes_lines = row.field == WAGE and row.state == amendments.APPLIED
        return AmendmentDecided(
            state=row.state, pay=await wage_differences.to_pay(s, row.process_id) if changes_lines else []
        )


@activity.defn(name="tell_amended")
async def tell_amended(arg: AmendmentArg) -> int:
    """Tells the case, and whoever else counts by the value; gives how many processes run and have taken it."""
    async with session() as s:
        row = await amendments.get(s, arg.id)
        values = amendments.values_of(row)
    days = FIELDS[row.field].shape == "date"
    word = Amended(
        id=row.id,
        field=row.field,
        of=row.of,
        old=date.fromisoformat(values.old) if days else None,
        new=date.fromisoformat(values.new) if days else None,
        actor=row.decided_by or row.proposed_by,
    )
    concerned = [row.process_id, *([f"reimbursement-{row.of}"] if row.field == "payment.paid_on" else [])]
    told = 0
    for process_id in concerned:
        try:
            # Until it is accepted only: what follows in that process is its own step, and is not waited for here.
            await (
                activity.client()
                .get_workflow_handle(process_id)
                .start_update("take_amendment", word, id=row.id, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
            )
            told += 1
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            activity.logger.info("%s has ended, it counts nothing any more", process_id)
    return told


ACTIVITIES = [decide_amendment, tell_amended]
