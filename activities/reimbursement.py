"""The voucher of a paid bill and its settlement.

Invariant: the voucher's person part equals what is withheld, to the cent; where it does not, an administrator is asked.
"""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.final import final
from schemas.base import Text
from schemas.calls import BillDecision
from schemas.reimbursement import SettlementForm, VoucherForm, VoucherRef
from store import ledger, submissions, vouchers
from store.database import session


@activity.defn(name="prepare_voucher")
async def prepare_voucher(arg: BillDecision) -> VoucherRef:
    """Splits the bill by part, insurance and college; its person part must equal what is withheld."""
    async with session() as s:
        form = await submissions.read_form(s, arg.submission_id)
        if not isinstance(form, VoucherForm):
            raise ApplicationError("not a voucher form", type="BadForm", non_retryable=True)
        now = await ledger.process_now(s, f"reimbursement-{arg.bill_id}")
        try:
            voucher = await vouchers.prepare(
                s, arg.bill_id, voucher_no=form.voucher_no, budget_line=form.budget_line, actor=arg.actor, now=now
            )
        except vouchers.PartsDiffer as error:
            text = Text(
                zh=f"报账单个人部分与代扣合计不一致（{error}）。",
                en=f"The voucher's person part differs from what is withheld ({error}).",
            )
            raise final("PartsDiffer", text) from None
        amounts = await vouchers.split(s, arg.bill_id)
        taken = sum((await vouchers.withheld(s, arg.bill_id)).values(), ledger.ZERO)
        return VoucherRef(
            voucher_id=voucher.id,
            bill_id=arg.bill_id,
            unit_total=str(vouchers.part(amounts, "unit")),
            person_total=str(vouchers.part(amounts, "person")),
            withheld_total=str(taken),
        )


@activity.defn(name="settle_voucher")
async def settle_voucher(arg: BillDecision) -> None:
    """Finance has paid out: voucher and bill are closed."""
    async with session() as s:
        form = await submissions.read_form(s, arg.submission_id)
        if not isinstance(form, SettlementForm):
            raise ApplicationError("not a settlement form", type="BadForm", non_retryable=True)
        now = await ledger.process_now(s, f"reimbursement-{arg.bill_id}")
        await vouchers.settle(s, arg.bill_id, settlement_no=form.settlement_no, actor=arg.actor, now=now)


ACTIVITIES = [prepare_voucher, settle_voucher]
