"""Beginning of a process, and what one process does to others: starting and waking them.

Between processes only signals travel, and they carry no state: the receiver asks its books again. A lost wake-up costs
a day at most, a second one nothing.
"""

from typing import Any

from sqlalchemy import func, select, union
from sqlalchemy.dialects.postgresql import insert
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runtime import clock
from runtime.settings import get_settings
from schemas.calls import BillArg, CaseArg, PaymentScope, WakeCases
from schemas.process import LEFT, ProcessOpened, ProcessStart, Wake
from store import case_rules, demo_clock, policies, projection
from store.database import session
from store.people import ENDED, search_text
from store.tables.ledger import Bill, BillLine, PremiumLine, TakenOff
from store.tables.processes import Process

UNIT_NAMES = {"social": "社保", "medical": "医保"}


@activity.defn(name="open_process")
async def open_process(start: ProcessStart) -> ProcessOpened:
    """The rules snapshot, and the revision to go on from when a process of this id ran before."""
    async with session() as s:
        await policies.refresh(s)
        snapshot = policies.snapshot()
        await case_rules.keep(s, snapshot)
        base = await projection.revision_of(s, start.process_id)
    return ProcessOpened(policy=snapshot.model_dump(mode="json"), revision_base=base)


@activity.defn(name="load_policy")
async def load_policy(start: ProcessStart) -> ProcessOpened:
    """The rules in force now, for a case that takes them over; nothing else of the case changes."""
    activity.logger.info("%s takes over the rules", start.process_id)
    async with session() as s:
        await policies.refresh(s)
        snapshot = policies.snapshot()
        await case_rules.keep(s, snapshot)
    return ProcessOpened(policy=snapshot.model_dump(mode="json"))


@activity.defn(name="start_tax_payment")
async def start_tax_payment(scope: PaymentScope) -> str:
    """Starts the month's tax payment, wakes it when it runs, starts it again when it had ended."""
    levy = UNIT_NAMES.get(scope.levy, scope.levy)
    title = f"{scope.month} {levy}税务缴费"
    start = await _prepare(scope.process_id, "tax_payment", title, scope.model_dump())
    await _start_or_wake("TaxPayment", start, WorkflowIDReusePolicy.ALLOW_DUPLICATE, Wake(topic="lines"))
    return scope.process_id


@activity.defn(name="start_reimbursement")
async def start_reimbursement(arg: BillArg) -> str:
    """Starts the reimbursement of a paid bill; once started it stays as it is."""
    process_id = f"reimbursement-{arg.bill_id}"
    async with session() as s:
        bill = await s.get_one(Bill, arg.bill_id)
    title = f"{bill.month} {UNIT_NAMES.get(bill.levy, bill.levy)}校内报账"
    paid_on = bill.paid_on.isoformat() if bill.paid_on else ""
    about = {"bill_id": arg.bill_id, "levy": bill.levy, "month": bill.month, "paid_on": paid_on}
    number = f"reimbursement-{bill.unit}-{bill.levy}-{bill.month}-{arg.bill_id[:8]}"  # a month has several bills
    start = await _prepare(process_id, "reimbursement", title, about, number)
    await _start_or_wake("Reimbursement", start, WorkflowIDReusePolicy.REJECT_DUPLICATE, None)
    return process_id


@activity.defn(name="wake_cases")
async def wake_cases(arg: WakeCases) -> int:
    """Wakes every open case that has a line on the bill, or had one that was taken off; returns how many."""
    async with session() as s:
        on_bill = union(
            *(
                select(PremiumLine.process_id).join(t, t.line_id == PremiumLine.id).where(t.bill_id == arg.bill_id)
                for t in (BillLine, TakenOff)
            )
        )
        open_cases = list(
            await s.scalars(
                select(Process.id).where(Process.id.in_(on_bill), Process.state.not_in(ENDED)).order_by(Process.id)
            )
        )
    woken = 0
    for process_id in open_cases:
        if await _signal(process_id, Wake(topic=arg.topic, ref=arg.bill_id)):
            woken += 1
    return woken


@activity.defn(name="wake_payments")
async def wake_payments(arg: CaseArg) -> int:
    """Wakes each tax payment whose list or unpaid bill has, or had, lines of a cancelled case; returns how many."""
    async with session() as s:
        rows = await s.execute(
            select(PremiumLine.unit, PremiumLine.levy, PremiumLine.payment_month)
            .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
            .outerjoin(Bill, Bill.id == BillLine.bill_id)
            .where(PremiumLine.process_id == arg.process_id, func.coalesce(Bill.status, "frozen") == "frozen")
            .distinct()
        )
        payments = sorted(PaymentScope(unit=r[0], levy=r[1], month=r[2]).process_id for r in rows)
    return sum([await _signal(payment, Wake(topic=LEFT, ref=arg.process_id)) for payment in payments])


async def _prepare(
    process_id: str, kind: str, title: str, parameters: dict[str, Any], number: str = ""
) -> ProcessStart:
    """The row of a process that no form starts, and its argument. The demo's clock is the installation's.

    `number` is the case number that pages make a name of, where the id says nothing to people.
    """
    async with session() as s:
        offset = await demo_clock.stored(s)
        values = {
            "id": process_id,
            "kind": kind,
            "case_no": number or process_id,
            "title": title,
            "search": f"{(number or process_id).lower()} {search_text(title)}",
            "state": "running",
            "revision": -1,
            "started_by": "system",
            "started_at": clock.now(),
            "stages": [],
            "active_stages": [],
            "deadlines": [],
            "waiting_on": [],
            "flags": [],
            "parameters": parameters,
            "clock_offset_seconds": 0,  # how far ahead of the demo's clock; the start carries that one
        }
        await s.execute(insert(Process).values(**values).on_conflict_do_nothing())
        row = await s.get_one(Process, process_id)
        if row.state in ENDED:
            row.clock_offset_seconds = 0  # it is started again, on today's clock
    return ProcessStart(process_id=process_id, started_by="system", clock_offset_seconds=offset, parameters=parameters)


async def _start_or_wake(workflow: str, start: ProcessStart, reuse: WorkflowIDReusePolicy, wake: Wake | None) -> None:
    try:
        await _client().start_workflow(
            workflow,
            start,
            id=start.process_id,
            task_queue=get_settings().temporal_task_queue,
            id_reuse_policy=reuse,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING if wake else WorkflowIDConflictPolicy.FAIL,
            start_signal="wake" if wake else None,
            start_signal_args=[wake] if wake else [],
        )
    except WorkflowAlreadyStartedError:
        activity.logger.info("%s runs or has run already", start.process_id)


async def _signal(process_id: str, wake: Wake) -> bool:
    """Whether somebody was there to be woken."""
    try:
        await _client().get_workflow_handle(process_id).signal("wake", wake)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        activity.logger.info("%s has ended, no wake-up", process_id)
        return False
    return True


def _client() -> Client:
    return activity.client()


ACTIVITIES = [open_process, load_policy, start_tax_payment, start_reimbursement, wake_cases, wake_payments]
