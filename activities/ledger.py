"""The money of cases and months: writing lines, freezing, comparing and paying bills, taking people off them.

Thin: the rules are in `store/premium_lines.py`, `store/ledger.py`, `store/taking_off.py` and `domain/`. Invariant: each
may run twice with the effect of once; what goes back to a workflow are counts, ids and totals.
"""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from schemas.base import Text
from schemas.calls import BillArg, BillDecision, CaseArg, FreezeArg, LateFee, LateFeeArg, PaymentArg, PaymentScope
from schemas.enrolment import CaseBooks, LineRequest
from schemas.forms import ReasonForm
from schemas.tax_payment import BillComparison, BillRef, OpenLines, PaymentForm, TakeOffForm
from store import documents, ledger, premium_lines, submissions, taking_off
from store.database import session


@activity.defn(name="write_lines")
async def write_lines(arg: LineRequest) -> CaseBooks:
    """Adds the case's premium lines of one levy."""
    async with session() as s:
        await premium_lines.write_lines(s, arg)
        return await premium_lines.case_books(s, arg.process_id)


@activity.defn(name="case_books")
async def case_books(arg: CaseArg) -> CaseBooks:
    """Where the money of a case stands."""
    async with session() as s:
        return await premium_lines.case_books(s, arg.process_id)


@activity.defn(name="reverse_lines")
async def reverse_lines(arg: CaseArg) -> CaseBooks:
    """Takes back the lines that stand on no bill."""
    async with session() as s:
        await premium_lines.reverse_lines(s, arg.process_id)
        return await premium_lines.case_books(s, arg.process_id)


@activity.defn(name="late_fee_estimate")
async def late_fee_estimate(arg: LateFeeArg) -> LateFee:
    """What paying on a day would cost."""
    async with session() as s:
        return await premium_lines.late_fee_estimate(s, arg)


@activity.defn(name="open_lines")
async def open_lines(arg: PaymentScope) -> OpenLines:
    """How many lines of a month wait for a bill."""
    async with session() as s:
        return await ledger.open_lines(s, arg)


@activity.defn(name="freeze_bill")
async def freeze_bill(arg: FreezeArg) -> BillRef:
    """Puts the waiting lines on a bill, once a round and kind."""
    async with session() as s:
        return await ledger.freeze_bill(s, arg)


@activity.defn(name="compare_bill")
async def compare_bill(arg: BillArg) -> BillComparison:
    """Our lines beside the agency's, to the cent."""
    async with session() as s:
        return await ledger.compare_bill(s, arg.bill_id)


@activity.defn(name="adjust_bill")
async def adjust_bill(arg: BillDecision) -> BillComparison:
    """Correction lines with the reason the clerk gave."""
    async with session() as s:
        form = await submissions.read_form(s, arg.submission_id)
        reason = form.reason if isinstance(form, ReasonForm) else ""
        return await ledger.adjust_bill(s, arg.bill_id, reason, arg.actor)


@activity.defn(name="take_off")
async def take_off(arg: BillDecision) -> BillRef:
    """Takes off the bill whom the clerk chose."""
    async with session() as s:
        form = await submissions.read_form(s, arg.submission_id)
        if not isinstance(form, TakeOffForm):
            raise ApplicationError("not a form to take people off", type="BadForm", non_retryable=True)
        return await taking_off.take_off(s, arg.bill_id, form.persons, form.reason, arg.actor)


@activity.defn(name="take_off_leavers")
async def take_off_leavers(arg: BillArg) -> BillRef:
    """Takes off the bill whose case was cancelled."""
    async with session() as s:
        return await taking_off.take_off_leavers(s, arg.bill_id)


@activity.defn(name="record_payment")
async def record_payment(arg: PaymentArg) -> None:
    """Portal: what the clerk recorded. Gateway: the certificate that `pay_bill` stored."""
    async with session() as s:
        bill = await ledger.get_bill(s, arg.bill_id)
        scope = await ledger.scope_of_bill(s, arg.bill_id)
        document_id: str | None = None
        if arg.submission_id is not None:
            row = await submissions.get(s, arg.submission_id)
            form = submissions.form_of(row)
            if not isinstance(form, PaymentForm):
                raise ApplicationError("not a payment form", type="BadForm", non_retryable=True)
            paid_on, certificate, amount = form.paid_on, form.certificate_no, form.amount
            uploaded = [d for d in await documents.of_process(s, scope.process_id) if d.task_id == row.task_id]
            document_id = uploaded[-1].id if uploaded else None
        elif bill.certificate_no is None or bill.agency_total is None:
            text = Text(zh="尚无完税证明，不能登记缴款。", en="There is no payment certificate yet.")
            raise ApplicationError(f"{text.zh} {text.en}", type="NoCertificate")
        else:
            paid_on = bill.paid_on or ledger.shanghai_day(await ledger.process_now(s, scope.process_id))
            certificate, amount = bill.certificate_no, bill.paid_amount or bill.agency_total
        await ledger.record_payment(
            s,
            arg.bill_id,
            paid_on=paid_on,
            certificate_no=certificate,
            amount=amount,
            actor=arg.actor,
            document_id=document_id,
        )


ACTIVITIES = [
    write_lines,
    case_books,
    reverse_lines,
    late_fee_estimate,
    open_lines,
    freeze_bill,
    compare_bill,
    adjust_bill,
    take_off,
    take_off_leavers,
    record_payment,
]
