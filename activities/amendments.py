"""What the second person's word on an amendment does: the books first, then the processes that count by the value.

Invariants: the value changes in the transaction that closes the amendment; whoever counts by it is told until it has
taken the word in, once (the amendment's id is the Update's), and one that has ended is not. Where one cannot count by
the value the step fails, and a person decides when it is told again. No personal value leaves the books.
"""

from datetime import date

from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.final import final
from schemas.amendment import FIELDS, WAGE, Amended, AmendmentArg, AmendmentDecided, AmendmentDecision
from schemas.base import Text
from schemas.forms import EmptyForm, ReasonForm
from schemas.tasks import Refusal
from store import amendments, projection, submissions, wage_differences
from store.database import session

CANNOT_COUNT = Text(
    zh="更正已登记，但个案按新值重新计算期限时程序出错，期限仍为原值；请修复程序后重试。",
    en="The amendment is on record, but the program failed while the case counted its dates by the new value, so they "
    "are still the old ones: mend the program, then retry.",
)


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
            handle = activity.client().get_workflow_handle(process_id)
            await handle.execute_update("take_amendment", word, id=row.id)
            told += 1
        except WorkflowUpdateFailedError as refused:
            if isinstance(refused.cause, ApplicationError) and refused.cause.type == Refusal.PROGRAM_FAULT:
                raise final(Refusal.PROGRAM_FAULT, CANNOT_COUNT) from refused
            activity.logger.info("%s ends, it counts nothing any more", process_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            activity.logger.info("%s has ended, it counts nothing any more", process_id)
    return told


ACTIVITIES = [decide_amendment, tell_amended]
