"""Withholding 代扣: payroll takes the person part of a paid bill back from salaries.

Not a workflow of its own: a step of `reimbursement`, because the voucher's person part must equal the sum of these
lines. Law: Social Insurance Law art. 60; a late fee for not withholding falls on the unit and is never passed to staff.
"""

from typing import TYPE_CHECKING

from schemas.base import Text
from schemas.calls import BillArg, BillDecision
from schemas.tasks import TaskResult, TaskSpec

if TYPE_CHECKING:
    from workflows.reimbursement import Reimbursement


async def withhold(process: "Reimbursement") -> None:
    """Payroll gets the lines as a file and says: this month, next month (the run is closed), or receivable."""
    document_id = await process.calls.withholding_list(BillArg(bill_id=process.bill_id))
    title = Text(zh="代扣个人缴费", en="Withhold the person part")

    async def ask() -> TaskResult:
        return await process.desk.ask(
            TaskSpec(
                key=process.desk.key("withholding"),
                kind="withholding.confirm",
                title=title,
                roles=["payroll"],
                stage="withholding",
                outcomes=["this_month", "next_month", "receivable"],
                deadlines=[process.remaining("withhold"), process.internal("withhold")],
                data={"bill_id": process.bill_id, "document_id": document_id},
            )
        )

    async with process.stage("withholding"):
        result = await process.supervised(title, ask, "withholding")
        await process.calls.record_withholding(
            BillDecision(
                bill_id=process.bill_id,
                submission_id=result.submission_id,
                actor=result.actor,
                outcome=result.outcome,
            )
        )
