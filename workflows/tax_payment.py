"""The month's tax payment 税务缴费: one process per paying unit, levy and premium month, started by the first case.

freeze the list → everyone visible at the tax client (R19) → compare the agency's bill per person and insurance, to the
cent → confirm → approval by someone else → payment recorded with its certificate for all lines. Lines that come later
go into a supplementary bill, earlier months into a back-payment bill. It is a child of no case and outlives each. Who
hinders a bill, or has left, is taken off it (`workflows/taking_off.py`): so the bills of a month can be paid one after
the other, and none waits for ever behind another.
Law: Social Insurance Law arts 60, 62, 86; Sichuan notice of 2018-12-27 (the 25th, inclusive, not moved by rest days).
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow

from schemas.base import Text
from schemas.calls import BillArg, BillDecision, FreezeArg, PaymentArg, PaymentScope, WakeCases
from schemas.countersign import Signer
from schemas.deadlines import Deadline
from schemas.incident_steps import Way
from schemas.process import LEFT, ProcessCommand, ProcessStart, Stage
from schemas.steps import ReturnTarget
from schemas.tasks import DocumentRequest, TaskResult, TaskSpec
from schemas.tax_payment import BillKind, BillRef
from workflows.calls import TakenOver
from workflows.countersign import countersign
from workflows.human_task import Returned
from workflows.process import Process
from workflows.registration import FIRST_PAUSE, LONGEST_PAUSE, until_next_question
from workflows.returning import AGAIN, STRAIGHT, sent_back, straight, taken_up, target, why
from workflows.taking_off import KIND_TITLE, TAKE_OFF, OpenBill, PeopleLeft, unless_left

with workflow.unsafe.imports_passed_through():
    from domain.times import add_to_month, at, first_day

APPROVAL = Text(zh="缴费审批", en="Approval")
STEPS = ("freeze", "confirm", "approval", "payment")  # our own, before the payment that meets the date
VISIBLE_BY = timedelta(days=1)  # R19: the bureaus' data reach the tax client within 24 hours, then a clerk asks


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
        self._paid = False  # a bill of the month was paid: what meets its date
        self.waiting: list[OpenBill] = []  # bills of this round whose turn has not come

    @workflow.run
    async def run(self, start: ProcessStart) -> None:
        await self.run_process()

    def plan_stages(self) -> list[Stage]:
        return [
            Stage(code="collect", title=Text(zh="归集名单", en="Collect lines"), column=0),
            Stage(code="visible", title=Text(zh="税务端同步", en="Visible at the tax client"), column=1),
            Stage(code="confirm", title=Text(zh="核对征集单", en="Compare the bill"), column=2),
            Stage(code="approval", title=APPROVAL, column=3),
            Stage(code="payment", title=Text(zh="缴款", en="Payment"), column=4),
        ]

    def cancel_refusal(self, command: ProcessCommand) -> str | None:
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
            frozen = await self._freeze()
            if frozen is None:
                self._all_paid()
                return
            heard = self.heard_left  # a case gives its lines back before it wakes us
            lines = await self.calls.open_lines(self.scope, self.next_question())
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
        self.waiting = [OpenBill(self, bill, heard) for bill in bills]
        while self.waiting:
            self._paid = await self._pay(self.waiting.pop(0)) or self._paid
        self._all_paid()

    def _all_paid(self) -> None:
        """Nothing of the month is open. The date is met by a payment alone: where everybody left before one, it falls
        away and counts as neither kept nor missed."""
        if self._paid:
            self.meet(self._payment_day().id)
            return
        self.drop(self._payment_id, Text(zh="人员已全部移出，本月无应缴款", en="everybody has left, nothing is due"))

    async def _freeze(self) -> TaskResult | None:
        """The clerk freezes the list; None when everybody who waits for it has left meanwhile."""
        heard = self.heard_left

        async def look() -> None:
            nonlocal heard
            heard = self.heard_left
            lines = await self.calls.open_lines(self.scope, self.next_question())
            if lines.current + lines.earlier == 0:
                raise PeopleLeft

        title = Text(zh="锁定缴费名单", en="Freeze the list")
        try:
            return await unless_left(
                self,
                lambda: self._ask("freeze", "collect", title, ["freeze"]),
                lambda: self.heard_left > heard,
                look,
            )
        except PeopleLeft:
            return None

    async def _pay(self, work: OpenBill) -> bool:
        """Takes a bill to its payment (true), or to its end when everybody has left it (false)."""
        work.by_hand = self._portal
        visible = False
        back: Returned | None = None
        confirmed: TaskResult | None = None
        while work.bill.lines:
            try:
                if not visible:
                    await work.unless_left(lambda: self._visible(work))
                    visible = True
                if confirmed is None or back is None or back.to == "confirm":
                    confirmed = await work.unless_left(lambda back=back: self._compare(work, back))
                approve = partial(self._approval, work, confirmed, back)
                decision = await work.unless_left(partial(self.supervised, APPROVAL, approve, "approval"))
                if decision.outcome == "approve":
                    await work.look()
                    async with self.stage("payment"):
                        await self._payment(work.bill, decision, back)
                    await self.calls.start_reimbursement(work.arg)
                    await self.calls.wake_cases(WakeCases(bill_id=work.bill.bill_id, topic="paid"))
                    return True
                back = sent_back(self.desk, "approval", "confirm", decision)
            except Returned as returned:
                back = returned
            except PeopleLeft:
                confirmed = back = None
                await self.calls.wake_cases(WakeCases(bill_id=work.bill.bill_id, topic="taken_off"))
        work.void()
        return False

    async def _approval(self, work: OpenBill, confirmed: TaskResult, back: Returned | None) -> TaskResult:
        """Somebody else than who confirmed says that this bill is paid; above the school's limit those whom it names,
        in its way. An approval that has begun keeps its people and its way."""
        bill, title = work.bill, work.title
        rule = self.policy.signed_by("tax_payment", bill.total)
        async with self.stage("approval"):
            return await countersign(
                self,
                "approval",
                [Signer(role=r) for r in rule.roles],
                self._spec(
                    "approval",
                    "approval",
                    Text(zh=f"审批{title.zh}缴费", en=f"Approve payment of the {title.en}"),
                    ["approve", "return"],
                    bill=bill,
                    excluded=[confirmed.actor],
                    internal="approval",
                    data=dict(why(back)),
                    return_to=[target("confirm", "核对征集单", "comparison of the bill")],
                    after="confirm",
                ),
                mode=rule.mode,
                quorum=rule.quorum,
                back=back,
                signed=(bill, work.corrections),
            )

    async def _visible(self, work: OpenBill) -> None:
        """R19: the bureaus' data must have reached the tax client. After a day a clerk is asked to look into it."""
        async with self.stage("visible", "tax_office"):
            if self._portal:
                self.wait_on("visible")
                await self._ask_visible(work)
                return
            subject = Text(zh="等待税务端同步", en="Waiting for the tax client")
            async with self.watched([self._payment_id], subject):
                polling = self.spawn(self._poll_visible(work))
                asking = self.spawn(self._ask_later(work))
                try:
                    await workflow.wait_condition(lambda: polling.done() or asking.done())
                finally:
                    polling.cancel()
                    asking.cancel()
            if asking.done():
                await asking  # raises when the clerk took somebody off
            elif not polling.cancelled() and not polling.result():
                await self._ask_visible(work)

    async def _poll_visible(self, work: OpenBill) -> bool:
        """True when everyone is visible; False when people look instead of the machine."""
        pause = FIRST_PAUSE
        while True:
            try:
                found = await self.calls.check_visible(work.arg, self.next_question())
                if found.visible:
                    return True
                work.missing = found.persons
            except TakenOver:
                return False
            await workflow.sleep(
                until_next_question(self, "tax_office", pause), summary="R19: ask the tax client again"
            )
            pause = min(pause * 2, 2 * LONGEST_PAUSE)

    async def _ask_later(self, work: OpenBill) -> None:
        """Beside the asking by machine, because that hangs for as long as the tax office is away."""
        await workflow.sleep(VISIBLE_BY, summary="R19: then a clerk looks into it")
        await self._ask_visible(work)

    async def _ask_visible(self, work: OpenBill) -> None:
        """A clerk says that everyone is visible, or takes off who is not: PeopleLeft."""
        result = await self._ask(
            "visible",
            self.active_stage(),
            Text(zh="确认参保人员在税务端可见", en="Make sure everyone is visible at the tax client"),
            ["visible", TAKE_OFF],
            bill=work.bill,
            data={"missing": work.missing} if work.missing else None,
        )
        if result.outcome == TAKE_OFF:
            await work.take_off(result)

    async def _compare(self, work: OpenBill, back: Returned | None) -> TaskResult:
        """The agency's bill beside our lines, until they are equal to the cent and someone has confirmed it."""
        async with self.stage("confirm"):
            if back is None or not back.withdrawn:  # an answer taken back: the bill beside ours is the same
                await self._fetch_bill(work, back)
            while True:
                comparison = await self.calls.compare_bill(work.arg, self.next_question())
                work.bill = work.bill.model_copy(
                    update={"unit_total": comparison.unit_total, "person_total": comparison.person_total}
                )
                title = work.title
                corrections = ["adjust"] if comparison.correctable else []
                result = await self._ask(
                    "confirm",
                    "confirm",
                    Text(zh=f"核对{title.zh}", en=f"Compare the {title.en}"),
                    ["confirm"] if comparison.equal else [*corrections, "recheck", TAKE_OFF],
                    bill=work.bill,
                    internal="confirm",
                    data={"equal": comparison.equal, "difference": comparison.difference, **why(back)},
                    back=back,
                )
                if result.outcome == "confirm":
                    return result
                if result.outcome == TAKE_OFF:
                    await work.take_off(result)
                if result.outcome == "adjust":
                    decision = BillDecision(
                        bill_id=work.bill.bill_id, submission_id=result.submission_id, actor=result.actor
                    )
                    await self.calls.adjust_bill(decision, self.next_question())
                    work.corrections += 1
                else:
                    await self._fetch_bill(work)

    async def _fetch_bill(self, work: OpenBill, back: Returned | None = None) -> None:
        """The tax office's bill beside ours: asked for, or read from the file that a clerk uploads."""
        subject = Text(zh="从税务端取征集单", en="Fetching the tax office's bill")
        while True:
            if work.by_hand:
                await self._upload_bill(work.bill, back)
            try:
                async with self.watched([self._payment_id], subject):
                    return await self.calls.fetch_bill(work.arg, self.next_question())
            except TakenOver as taken:
                if taken.way is Way.TAKE_OFF:
                    await self._ask_visible(work)
                else:
                    work.by_hand = True

    async def _upload_bill(self, bill: BillRef, back: Returned | None) -> None:
        await self._ask(
            "bill",
            "confirm",
            Text(zh="上传税务端征集单明细", en="Upload the tax client's bill"),
            ["uploaded"],
            bill=bill,
            data=dict(why(back)),
            documents=[
                DocumentRequest(
                    code=f"bill_{bill.bill_id}",
                    title=Text(zh="征集单明细", en="Bill in detail"),
                    accept=["xlsx", "xls", "csv"],
                )
            ],
        )

    async def _payment(self, bill: BillRef, approved: TaskResult, back: Returned | None) -> None:
        payment = await (self._paid_by_hand(bill, back) if self._portal else self._paid_by_machine(bill, approved))
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

    async def _paid_by_hand(self, bill: BillRef, back: Returned | None = None) -> PaymentArg:
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
            again=straight(back, "payment"),
        )
        return PaymentArg(bill_id=bill.bill_id, submission_id=paid.submission_id, actor=paid.actor)

    @property
    def heard_left(self) -> int:
        """How often we were told that somebody has left."""
        return self.topics.get(LEFT, 0)

    @property
    def _portal(self) -> bool:
        return self.policy.agency("tax_office").mode == "portal"

    def next_question(self) -> int:
        self._asked += 1
        return self._asked

    async def _ask(self, name: str, stage: str, title: Text, outcomes: list[str], **more: Any) -> TaskResult:
        async def ask() -> TaskResult:
            spec = self._spec(name, stage, title, outcomes, **more).model_copy(update={"key": self.desk.key(name)})
            return await self.desk.ask(taken_up(self.desk, spec, more.get("back")))

        return await self.supervised(title, ask, stage)

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
        back: Returned | None = None,
        again: str | None = None,
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
            former=back.former if back else None,
            again=again,
        )
