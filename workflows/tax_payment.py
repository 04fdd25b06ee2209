"""The month's tax payment 税务缴费: one process per paying unit, levy and premium month, started by the first case.

freeze the list → everyone visible at the tax client (R19) → compare the agency's bill per person and insurance, to the
cent → confirm → approval by someone else → payment recorded with its certificate for all lines. Lines that come later
go into a supplementary bill, earlier months into a back-payment bill. It is a child of no case and outlives each.
Law: Social Insurance Law arts 60, 62, 86; Sichuan notice of 2018-12-27 (the 25th, inclusive, not moved by rest days).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow

from schemas.base import Text
from schemas.calls import BillArg, BillDecision, FreezeArg, PaymentArg, PaymentScope, WakeCases
from schemas.countersign import Signer
from schemas.deadlines import Deadline
from schemas.process import ProcessCommand, ProcessStart, Stage
from schemas.steps import ReturnTarget
from schemas.tasks import DocumentRequest, TaskResult, TaskSpec
from schemas.tax_payment import BillKind, BillRef
from workflows.calls import TakenOver
from workflows.countersign import countersign
from workflows.human_task import Returned
from workflows.process import Process
from workflows.registration import FIRST_PAUSE, LONGEST_PAUSE, until_next_question
from workflows.returning import AGAIN, STRAIGHT, target, why

with workflow.unsafe.imports_passed_through():
    from domain.times import add_to_month, at, first_day

STEPS = ("freeze", "confirm", "approval", "payment")  # our own, before the payment that meets the date
VISIBLE_BY = timedelta(days=1)  # R19: the bureaus' data reach the tax client within 24 hours, then a clerk asks
KIND_TITLE = {
    BillKind.REGULAR: Text(zh="当月征集单", en="regular bill"),
    BillKind.SUPPLEMENTARY: Text(zh="补充征集单", en="supplementary bill"),
    BillKind.BACK_PAYMENT: Text(zh="补缴征集单", en="back-payment bill"),
}


@workflow.defn(name="TaxPayment")
class TaxPayment(Process):
    """Pays every line of one unit, levy and month. `start.parameters`: unit, levy, month."""

    kind = "tax_payment"

    @workflow.init
    def __init__(self, start: ProcessStart) -> None:
        super().__init__(start)
        parameters = start.parameters
        self.scope = PaymentScope(unit=parameters["unit"], levy=parameters["levy"], month=parameters["month"])
        self._round = 0
        self._asked = 0

    @workflow.run
    async def run(self, start: ProcessStart) -> None:
        await self.run_process()

    def plan_stages(self) -> list[Stage]:
        return [
            Stage(code="collect", title=Text(zh="归集名单", en="Collect lines"), column=0),
            Stage(code="visible", title=Text(zh="税务端同步", en="Visible at the tax client"), column=1),
            Stage(code="confirm", title=Text(zh="核对征集单", en="Compare the bill"), column=2),
            Stage(code="approval", title=Text(zh="缴费审批", en="Approval"), column=3),
            Stage(code="payment", title=Text(zh="缴款", en="Payment"), column=4),
        ]

    async def cancel_refusal(self, command: ProcessCommand) -> str | None:
        return "shared_payment"

    async def body(self) -> None:
        month_end = at(first_day(add_to_month(self.scope.month, 1)), "00:00")
        self._payment_day()
        while True:
            self._asked += 1
            seen = self.wakes
            lines = await self.calls.open_lines(self.scope, self._asked)
            if lines.current + lines.earlier > 0:
                await self._round_of_bills()
                continue
            left = month_end - self.now()
            if left <= timedelta(0):
                self.leave("collect")
                return
            self.enter("collect", "lines")
            try:
                await workflow.wait_condition(
                    lambda seen=seen: self.wakes > seen, timeout=left, timeout_summary="later lines of the month"
                )
            except TimeoutError:
                workflow.logger.info("%s: the month is over", self.id)

    @property
    def _payment_id(self) -> str:
        return f"DL-PAY-OTHER@{self.scope.month}"

    def _payment_day(self, steps: Sequence[str] = STEPS) -> Deadline:
        """The 25th, with the steps still before it. One deadline for the month, shared by its bills."""
        return self.hold(
            self.deadline("DL-PAY-OTHER", self.scope.month, steps, as_id=self._payment_id, authority="tax_office")
        )

    async def _round_of_bills(self) -> None:
        """Freezes the lines that stand on no bill, and takes each bill to its payment."""
        self._round += 1
        self.reopen(self._payment_day().id)
        async with self.stage("collect"):
            frozen = await self._ask("freeze", "collect", Text(zh="锁定缴费名单", en="Freeze the list"), ["freeze"])
            lines = await self.calls.open_lines(self.scope, self._next_question())
            bills: list[BillRef] = []
            if lines.current:
                kind = BillKind.SUPPLEMENTARY if "regular_billed" in self.flags else BillKind.REGULAR
                bills.append(await self.calls.freeze_bill(FreezeArg(scope=self.scope, kind=kind, round=self._round)))
                self.flag("regular_billed")
            if lines.earlier:
                arg = FreezeArg(scope=self.scope, kind=BillKind.BACK_PAYMENT, round=self._round)
                bills.append(await self.calls.freeze_bill(arg))
            bills = [b for b in bills if b.lines]  # a line can be reversed between the question and the freezing
            for bill in bills:
                if bill.sample:
                    self.flag("sample")
                title = KIND_TITLE[bill.kind]
                self.note(
                    "frozen",
                    Text(zh=f"已锁定{title.zh}：{bill.persons} 人", en=f"Frozen: {title.en}, {bill.persons} persons"),
                    actor=frozen.actor,
                    data={"bill_id": bill.bill_id},
                )
        for bill in bills:
            await self._pay(bill)
        self.meet(self._payment_day().id)

    async def _pay(self, bill: BillRef) -> None:
        await self._visible(bill)
        back: Returned | None = None
        confirmed: TaskResult | None = None
        while True:
            try:
                if confirmed is None or back is None or back.to == "confirm":
                    confirmed = await self._compare(bill, back)
                decision = await self._approval(bill, confirmed, back)
                if decision.outcome == "approve":
                    async with self.stage("payment"):
                        await self._payment(bill, decision)
                    break
                back = None
            except Returned as returned:
                back = returned
        await self.calls.start_reimbursement(BillArg(bill_id=bill.bill_id))
        await self.calls.wake_cases(WakeCases(bill_id=bill.bill_id, topic="paid"))

    async def _approval(self, bill: BillRef, confirmed: TaskResult, back: Returned | None) -> TaskResult:
        """Somebody else than who confirmed says that this bill is paid; above the school's limit a supervisor, then the
        head."""
        title = KIND_TITLE[bill.kind]
        signers = [Signer(role="supervisor")]
        above = self.policy.tax_payment_countersign_above
        if above is not None and bill.total > above:
            signers.append(Signer(role="head"))
        async with self.stage("approval"):
            return await countersign(
                self,
                "approval",
                signers,
                self._spec(
                    "approval",
                    "approval",
                    Text(zh=f"审批{title.zh}缴费", en=f"Approve payment of the {title.en}"),
                    ["approve", "return"],
                    bill=bill,
                    excluded=[confirmed.actor],
                    internal="approval",
                    data=dict(why(back)),
                    after="confirm",
                ),
                mode="in_turn",
            )

    async def _visible(self, bill: BillRef) -> None:
        """R19: the bureaus' data must have reached the tax client. After a day a clerk is asked to look into it."""
        arg = BillArg(bill_id=bill.bill_id)
        title = Text(zh="确认参保人员在税务端可见", en="Make sure everyone is visible at the tax client")
        async with self.stage("visible", "tax_office"):
            if self._portal:
                self.wait_on("visible")
                await self._ask("visible", "visible", title, ["visible"], bill=bill)
                return
            subject = Text(zh="等待税务端同步", en="Waiting for the tax client")
            async with self.watched([self._payment_id], subject):
                polling = self.spawn(self._poll_visible(arg))
                asking = self.spawn(self._ask_visible(bill, title))
                try:
                    await workflow.wait_condition(lambda: polling.done() or asking.done())
                finally:
                    polling.cancel()
                    asking.cancel()
            if not asking.done() and not polling.cancelled() and not polling.result():
                await self._ask("visible", "visible", title, ["visible"], bill=bill)

    async def _poll_visible(self, arg: BillArg) -> bool:
        """True when everyone is visible; False when people look instead of the machine."""
        pause = FIRST_PAUSE
        while True:
            try:
                if (await self.calls.check_visible(arg, self._next_question())).visible:
                    return True
            except TakenOver:
                return False
            await workflow.sleep(
                until_next_question(self, "tax_office", pause), summary="R19: ask the tax client again"
            )
            pause = min(pause * 2, 2 * LONGEST_PAUSE)

    async def _ask_visible(self, bill: BillRef, title: Text) -> None:
        """Beside the asking by machine, because that hangs for as long as the tax office is away."""
        await workflow.sleep(VISIBLE_BY, summary="R19: then a clerk looks into it")
        await self._ask("visible", "visible", title, ["visible"], bill=bill)

    async def _compare(self, bill: BillRef, back: Returned | None) -> TaskResult:
        """The agency's bill beside our lines, until they are equal to the cent and someone has confirmed it."""
        arg = BillArg(bill_id=bill.bill_id)
        async with self.stage("confirm"):
            if self._portal:
                await self._upload_bill(bill)
            subject = Text(zh="从税务端取征集单", en="Fetching the tax office's bill")
            async with self.watched([self._payment_id], subject):
                await self._fetch_bill(bill)
            while True:
                comparison = await self.calls.compare_bill(arg, self._next_question())
                title = KIND_TITLE[bill.kind]
                result = await self._ask(
                    "confirm",
                    "confirm",
                    Text(zh=f"核对{title.zh}", en=f"Compare the {title.en}"),
                    ["confirm"] if comparison.equal else ["adjust", "recheck"],
                    bill=bill,
                    internal="confirm",
                    data={"equal": comparison.equal, "difference": comparison.difference, **why(back)},
                    former=back.former if back else None,
                )
                if result.outcome == "confirm":
                    return result
                if result.outcome == "adjust":
                    decision = BillDecision(
                        bill_id=bill.bill_id, submission_id=result.submission_id, actor=result.actor
                    )
                    await self.calls.adjust_bill(decision, self._next_question())
                else:
                    await self._fetch_bill(bill)

    async def _fetch_bill(self, bill: BillRef) -> None:
        """The tax office's bill beside ours: asked for, or read from the file that a clerk has uploaded."""
        while True:
            try:
                return await self.calls.fetch_bill(BillArg(bill_id=bill.bill_id), self._next_question())
            except TakenOver:
                await self._upload_bill(bill)

    async def _upload_bill(self, bill: BillRef) -> None:
        await self._ask(
            "bill",
            "confirm",
            Text(zh="上传税务端征集单明细", en="Upload the tax client's bill"),
            ["uploaded"],
            bill=bill,
            documents=[
                DocumentRequest(
                    code=f"bill_{bill.bill_id}",
                    title=Text(zh="征集单明细", en="Bill in detail"),
                    accept=["xlsx", "xls", "csv"],
                )
            ],
        )

    async def _payment(self, bill: BillRef, approved: TaskResult) -> None:
        payment = await (self._paid_by_hand(bill) if self._portal else self._paid_by_machine(bill, approved))
        await self.calls.record_payment(payment)
        self.note(
            "paid",
            Text(zh=f"{KIND_TITLE[bill.kind].zh}已缴款", en=f"The {KIND_TITLE[bill.kind].en} is paid"),
            actor=payment.actor,
            data={"bill_id": bill.bill_id},
        )

    async def _paid_by_machine(self, bill: BillRef, approved: TaskResult) -> PaymentArg:
        try:
            async with self.watched([self._payment_id], Text(zh="缴款", en="Paying")):
                await self.calls.pay_bill(BillArg(bill_id=bill.bill_id))
        except TakenOver:
            return await self._paid_by_hand(bill)
        return PaymentArg(bill_id=bill.bill_id, actor=approved.actor)

    async def _paid_by_hand(self, bill: BillRef) -> PaymentArg:
        paid = await self._ask(
            "payment",
            "payment",
            Text(zh="缴款并登记完税证明", en="Pay and record the certificate"),
            ["paid"],
            bill=bill,
            documents=[DocumentRequest(code="certificate", title=Text(zh="完税证明", en="Payment certificate"))],
            return_to=[
                target("confirm", "核对征集单", "comparison of the bill", AGAIN),
                target("approval", "缴费审批", "approval", STRAIGHT),
            ],
            after="approval",
        )
        return PaymentArg(bill_id=bill.bill_id, submission_id=paid.submission_id, actor=paid.actor)

    @property
    def _portal(self) -> bool:
        return self.policy.agency("tax_office").mode == "portal"

    def _next_question(self) -> int:
        self._asked += 1
        return self._asked

    async def _ask(self, name: str, stage: str, title: Text, outcomes: list[str], **more: Any) -> TaskResult:
        spec = self._spec(name, stage, title, outcomes, **more)
        return await self.desk.ask(spec.model_copy(update={"key": self.desk.key(name)}))

    def _spec(
        self,
        name: str,
        stage: str,
        title: Text,
        outcomes: list[str],
        *,
        bill: BillRef | None = None,
        roles: list[str] | None = None,
        excluded: list[str] | None = None,
        documents: list[DocumentRequest] | None = None,
        internal: str | None = None,
        data: dict[str, object] | None = None,
        return_to: Sequence[ReturnTarget] = (),
        after: str | None = None,
        former: str | None = None,
    ) -> TaskSpec:
        """What a person is asked; `after` is the step whose answer led here, withdrawn while nobody has acted."""
        first = STEPS.index(name) if name in STEPS else 1  # all before the bill is compared: the rest is still to do
        deadlines = [self._payment_day(STEPS[first:])]
        if internal is not None:
            deadlines.append(self.internal(internal))
        about = self.scope.model_dump() | ({"bill_id": bill.bill_id, "bill_kind": bill.kind} if bill else {})
        return TaskSpec(
            key=name,
            kind=f"tax_payment.{name}",
            title=title,
            roles=roles or ["clerk"],
            stage=stage,
            outcomes=outcomes,
            documents=documents or [],
            deadlines=deadlines,
            excluded=excluded or [],
            authority="tax_office",
            data=about | (data or {}),
            return_to=list(return_to),
            after=self.desk.latest(after) if after else None,
            former=former,
        )
