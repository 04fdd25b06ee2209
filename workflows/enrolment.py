"""Enrolment of foreign staff 外籍人员参保, from the college's materials to the notice.

materials → verification → social bureau ∥ medical bureau → tax payment → reimbursement → notice → closed.
Law: Order 16 of MOHRSS art. 4 (register within 30 days of the work permit), Social Insurance Law arts 58, 60, 86.
The case owns no payment: it writes its premium lines and waits until the month's `tax_payment` has paid them and
`reimbursement` has settled them.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

from temporalio import workflow

from schemas.amendment import Amended
from schemas.base import Text
from schemas.calls import CaseArg, LateFeeArg, PaymentScope
from schemas.deadlines import Deadline
from schemas.enrolment import EnrolmentFacts, LineRequest
from schemas.incident_steps import WHOLE_PART
from schemas.process import PolicyUpdate, ProcessStart, Stage, StageState
from schemas.tasks import TaskSpec
from workflows.human_task import HumanTask, Returned
from workflows.process import Process
from workflows.record import Record
from workflows.reentry import Reentry
from workflows.registration import Registration, stop

with workflow.unsafe.imports_passed_through():
    from domain.times import add_to_month, at

AGENCIES = ("social_bureau", "medical_bureau")
UNIT = "school"
PAYMENT = Text(zh="缴费", en="payment")
RECHECK = timedelta(days=1)  # a lost wake-up costs at most this much


@workflow.defn(name="Enrolment")
class Enrolment(Process):
    """One person's enrolment."""

    kind = "enrolment"

    @workflow.init
    def __init__(self, start: ProcessStart) -> None:
        super().__init__(start)
        self.person_id = start.subject or ""
        self.facts: EnrolmentFacts
        self.registrations: dict[str, Registration] = {}
        self._written: set[str] = set()  # levies whose premium lines are in the ledger
        self._months: dict[str, str] = {}  # decisions: month whose payment day had passed -> month of payment
        self._month_decision = asyncio.Lock()
        self._first_paid: str | None = None  # the month in which the side that came first is paid
        self._paying: dict[str, str] = {}  # levy -> the tax payment that this case waits for
        self.record = Record(self)
        self.reentry = Reentry(self)

    @workflow.run
    async def run(self, start: ProcessStart) -> None:
        await self.run_process()

    def plan_stages(self) -> list[Stage]:
        return [
            Stage(code="materials", title=Text(zh="材料收集", en="Materials"), column=0),
            Stage(code="verification", title=Text(zh="审核", en="Verification"), column=1),
            Stage(code="social_bureau", title=Text(zh="社保局登记", en="Social bureau"), column=2),
            Stage(code="medical_bureau", title=Text(zh="医保局登记", en="Medical bureau"), column=2),
            Stage(code="tax_payment", title=Text(zh="税务缴费", en="Tax payment"), column=3),
            Stage(code="reimbursement", title=Text(zh="校内报账", en="Reimbursement"), column=4),
            Stage(code="notice", title=Text(zh="通知归档", en="Notice"), column=5),
        ]

    async def body(self) -> None:
        await self.record.read()
        back: Returned | None = None
        while True:
            if not any(i.startswith("DL-REG-FOR@") for i in self.deadlines):  # a fault further on leaves the record
                await self.record.make(back)
                self._split_deadline()
            for agency in AGENCIES:
                self.registrations.setdefault(agency, Registration(self, agency))
            try:
                await self._registrations_and_payment()
                break
            except Returned as withdrawn:  # the verification's own answer, before anything was handed in
                back = withdrawn
                self._join_deadline()
        await self.reentry.all_checked()
        await self._wait_settled()
        await self.reentry.all_checked()  # the record may have been amended meanwhile
        async with self.stage("notice"):
            await self.calls.send_notice(self._case())

    def _case(self) -> CaseArg:
        return CaseArg(process_id=self.id, person_id=self.person_id)

    async def rules_taken_over(self, order: PolicyUpdate) -> None:
        """Which insurances are due follows the rules, until an application that names them has reached an agency. What
        a person has confirmed to be exempt stays: whoever doubts it sends the case back to its verification."""
        if any(r.reached for r in self.registrations.values()):
            return
        before = self.record.insurances
        await self.record.read()
        if before is not None and before != self.facts.insurances:
            self.note(
                "policy_updated",
                Text(
                    zh=f"参保险种随规则更新：{order.reason.zh}",
                    en=f"The insurances follow the updated rules: {order.reason.en}",
                ),
                actor=order.actor,
                data={"order": order.id, "old": before, "new": self.facts.insurances},
            )
            self.touch()
            await self.projected()

    def recounted(self, amended: Amended) -> list[Deadline]:
        """Of a registration, the agency's norm; of the record, the date of the registration."""
        agency, _, attempt = amended.of.partition("/")
        if agency in self.registrations:
            return self.registrations[agency].recounted(amended, int(attempt))
        if not amended.field.startswith("hire.") or self.record.insurances is None:
            return []  # what is not read yet will be read amended
        permit = self._facts_by(amended).permit_issued
        if "DL-REG-FOR" in self.deadlines:
            return [self._single(permit, self.deadlines["DL-REG-FOR"].steps)]
        return [self._at_agency(a, permit) for a in AGENCIES] if self.registrations else []

    def _facts_by(self, amended: Amended) -> EnrolmentFacts:
        name = amended.field.partition(".")[2]
        if amended.new is None or name not in EnrolmentFacts.model_fields:
            return self.facts
        return self.facts.model_copy(update={name: amended.new})

    async def amended(self, amended: Amended, recounted: Sequence[Deadline]) -> None:
        """Days are counted by; receipts and numbers are read from the books when they are used. Where an agency is told
        something else by the record, its branch is told."""
        agency, _, attempt = amended.of.partition("/")
        if agency in self.registrations:
            self.registrations[agency].amended(amended, int(attempt))
        of_record = amended.field.startswith("hire.")
        if of_record and self.record.insurances is not None:
            self.facts = self._facts_by(amended)
        for deadline in recounted:
            self.hold(deadline)
        if of_record and self.registrations and self.find_stage("notice").state is StageState.PENDING:
            self.reentry.amended(amended.actor, permit=amended.field == "hire.permit_issued")

    # --- the registration's date ------------------------------------------------------------------------------------

    def withdrawal_refused(self, task: HumanTask) -> bool:
        return task.spec.kind == "enrolment.verification" and any(r.reached for r in self.registrations.values())

    def registration_deadline(self, steps: list[str], agency: str | None = None) -> Deadline:
        """DL-REG-FOR: thirty days from the permit. Computed anew, because a corrected permit date moves it. After the
        split the date of the agency whose branch has come back stands: same due day, no new generation."""
        if agency is not None:
            return self.hold(self._at_agency(agency, self.facts.permit_issued, steps))
        return self.hold(self._single(self.facts.permit_issued, steps))

    def _single(self, permit: date, steps: Sequence[str]) -> Deadline:
        """The one date before the split."""
        return self.deadline("DL-REG-FOR", permit, steps, authority=AGENCIES[0])

    def _split_deadline(self) -> None:
        """From here each agency has its own date to meet; rungs that fired before the split do not fire again."""
        single = self.deadlines.pop("DL-REG-FOR")
        before = sorted(k for k in self.fired if k.startswith("DL-REG-FOR:"))
        for agency in AGENCIES:
            own = self._at_agency(agency, self.facts.permit_issued)
            if single.id in self.decided:  # what an authority decided before the split counts for both
                whose = {"id": own.id, "authority": agency, "met_by": own.met_by}
                self.decided.setdefault(own.id, self.decided[single.id].model_copy(update=whose))
                own = self._at_agency(agency, self.facts.permit_issued)
            kept = {"breached": single.breached, "generation": single.generation}
            self.deadlines[own.id] = own.model_copy(update=kept)
            self.fired.update(k.replace("DL-REG-FOR:", f"{own.id}:") for k in before)

    def _join_deadline(self) -> None:
        """Back before the split: one date again, with what has fired."""
        split = [self.deadlines.pop(f"DL-REG-FOR@{agency}") for agency in AGENCIES]
        single = self._single(self.facts.permit_issued, ["verification"])
        kept = {"breached": any(d.breached for d in split), "generation": split[0].generation}
        self.deadlines["DL-REG-FOR"] = single.model_copy(update=kept)
        before = sorted(k for k in self.fired if k.startswith("DL-REG-FOR@"))
        self.fired.update("DL-REG-FOR:" + k.partition(":")[2] for k in before)

    def plan_registrations(self) -> None:
        """The permit's date may have been corrected: both agencies' dates move with it."""
        for agency in AGENCIES:
            self.hold(self._at_agency(agency, self.facts.permit_issued))

    def _at_agency(self, agency: str, permit: date, steps: Sequence[str] = ("hand_in",)) -> Deadline:
        own = self.deadline("DL-REG-FOR", permit, steps, as_id=f"DL-REG-FOR@{agency}", authority=agency)
        at_agency = self.policy.agency(agency).title
        title = Text(zh=f"{own.title.zh}（{at_agency.zh}）", en=f"{own.title.en} ({at_agency.en})")
        return own.model_copy(update={"title": title})

    # --- the two bureaus, and paying what they approved -------------------------------------------------------------

    async def _registrations_and_payment(self) -> None:
        branches = {
            agency: self.spawn(
                self.supervised(self.policy.agency(agency).title, self.registrations[agency].run, agency, WHOLE_PART)
            )
            for agency in AGENCIES
        }
        payments: list[asyncio.Task[None]] = []
        paying: set[str] = set()

        def pay(agency: str, late: bool) -> None:
            paying.add(agency)
            payments.append(
                self.spawn(self.supervised(PAYMENT, lambda: self._pay(agency, late), "tax_payment", WHOLE_PART))
            )

        try:
            await workflow.wait_condition(lambda: any(b.done() for b in branches.values()))
            withdrawn = [b for b in branches.values() if b.done() and isinstance(b.exception(), Returned)]
            if withdrawn:
                await self.stop_all(list(branches.values()))
                await withdrawn[0]  # raises
            one_side = partial(self._pay_one_side, branches)
            if not all(b.done() for b in branches.values()) and await self.supervised(PAYMENT, one_side, "tax_payment"):
                for agency in AGENCIES:
                    if self.registrations[agency].approved:
                        pay(agency, False)
            await workflow.wait_condition(lambda: all(b.done() for b in branches.values()))
            other_side_paid = bool(paying)
            for agency in AGENCIES:
                if agency not in paying:
                    pay(agency, other_side_paid)
            await asyncio.gather(*payments)
        finally:
            for task in [*branches.values(), *payments]:
                task.cancel()
        for payment_day in [i for i in self.deadlines if i.startswith("DL-PAY-OTHER@")]:
            self.meet(payment_day)  # a day that passed before it was paid: late, and done now
        self.leave("tax_payment")

    async def _pay_one_side(self, branches: "dict[str, asyncio.Task[None]]") -> bool:
        """One side is approved, the other still open, and the payment day is near: the clerk decides.

        Returns True for "pay the approved side now". Nothing is decided by time: when the other side comes first, the
        question is withdrawn.
        """
        both = lambda: all(b.done() for b in branches.values())  # noqa: E731
        pay_day = self._payment_deadline(self._month_of_payment())
        calendar = self.calendar("tax_office")
        day = calendar.add_working_days(pay_day.due, -self.policy.partial_payment_days)
        grace = self.now() + timedelta(minutes=self.policy.partial_payment_grace_minutes)
        moment = max(at(day, "08:30"), grace)
        try:
            await workflow.wait_condition(both, timeout=moment - self.now(), timeout_summary="decide on the open side")
            return False
        except TimeoutError:
            workflow.logger.info("%s: one bureau is still open before the payment day", self.id)
        open_side = [a for a in AGENCIES if not self.registrations[a].approved]
        month = pay_day.due.strftime("%Y-%m")
        fees: dict[str, str] = {}
        for choice, paid_on in (
            ("pay_approved", pay_day.due),
            ("wait", self._payment_deadline(add_to_month(month, 1)).due),
        ):
            # What waiting costs: everything that is approved now would be paid with next month's payment.
            fees[f"fee_{choice}"] = await self._late_fee(month, paid_on)
        question = self.spawn(
            self.desk.ask(
                TaskSpec(
                    key=self.desk.key("partial_payment"),
                    kind="enrolment.partial_payment",
                    title=Text(
                        zh="一方未办结，是否先缴已办结一方", en="One bureau is still open: pay the approved side now?"
                    ),
                    roles=["clerk"],
                    org_unit=self.facts.org_unit,
                    subject=self.person_id,
                    stage="tax_payment",
                    outcomes=["pay_approved", "wait"],
                    deadlines=[pay_day, self.internal("decision")],  # no answer escalates to the supervisor
                    data={"open": open_side, "payment_month": month, **fees},
                )
            )
        )
        await workflow.wait_condition(lambda: question.done() or both())
        if not question.done():
            await stop(question)
            return False
        return question.result().outcome == "pay_approved"

    def _month_of_payment(self) -> str:
        """This month while its payment day has not passed, else the next."""
        month = max(f"{self.today():%Y-%m}", f"{self.facts.contract_start:%Y-%m}")
        return month if self.now() < self._payment_deadline(month).due_at else add_to_month(month, 1)

    def _payment_deadline(self, month: str) -> Deadline:
        return self.deadline("DL-PAY-OTHER", month, as_id=f"DL-PAY-OTHER@{month}", authority="tax_office")

    async def _pay(self, agency: str, not_same_month: bool) -> None:
        """Writes the premium lines of one agency's insurances and waits until the tax payment has paid them.

        What the ledger answers is kept by the branch that asked: two branches ask at the same time, an older answer may
        arrive after a newer one, and it may not say of the other levy that nothing is left to pay.
        """
        levy = self._levy(agency)
        insurances = [i for i in self.policy.agency(agency).insurances if i in self.facts.insurances]
        self.enter("tax_payment", *self._paying.values())
        if not insurances:
            return
        month = await self._choose_month()
        not_same_month = not_same_month and month != self._first_paid
        self._first_paid = self._first_paid or month
        if not_same_month:
            self.flag("not_same_month")
        seen = self.wakes
        books = await self.calls.write_lines(
            LineRequest(
                process_id=self.id,
                person_id=self.person_id,
                levy=levy,
                payment_month=month,
                insurances=insurances,
                not_same_month=not_same_month,
            )
        )
        self._written.add(levy)
        scope = PaymentScope(unit=UNIT, levy=levy, month=month)
        await self.calls.start_tax_payment(scope)
        self._paying[levy] = scope.process_id
        self.wait_on("tax_payment", *self._paying.values())
        n = 0
        title = self.policy.agency(agency).title
        off = 0
        while books.unpaid.get(levy, 0) > 0:
            n += 1
            if books.taken_off.get(levy, 0) > off:
                self.note(
                    "taken_off",
                    Text(
                        zh=f"{title.zh}险种保费已移出征集单，列入后续征集单缴纳",
                        en=f"Premiums for the {title.en} were taken off the bill and wait for a later one",
                    ),
                    data={"levy": levy, "month": month},
                )
                self.touch()
            off = books.taken_off.get(levy, 0)
            woken = await self._woken(seen)
            if woken == seen:
                await self.calls.start_tax_payment(scope)  # should its start ever have been lost
            seen = woken
            books = await self.calls.case_books(self._case(), f"paid/{levy}/{n}")
        self.note(
            "paid",
            Text(zh=f"{title.zh}险种保费已缴", en=f"Premiums for the {title.en} paid"),
            data={"levy": levy, "month": month},
        )
        del self._paying[levy]
        self.wait_on("tax_payment", *self._paying.values())

    async def _choose_month(self) -> str:
        """After the month's payment day the clerk chooses: pay now with a fee, or with next month's payment."""
        async with self._month_decision:  # one question for both levies
            month = f"{self.today():%Y-%m}"
            first = f"{self.facts.contract_start:%Y-%m}"
            if first > month:
                return first  # no premium before the contract's month
            if self.now() < self._payment_deadline(month).due_at:
                return month
            if month not in self._months:
                ask = partial(self._ask_month, month)
                self._months[month] = await self.supervised(PAYMENT, ask, "tax_payment")
            return self._months[month]

    async def _ask_month(self, month: str) -> str:
        pay_day = self._payment_deadline(month)
        following = self._payment_deadline(add_to_month(month, 1))
        now_fee = await self._late_fee(month, self.today())
        next_fee = await self._late_fee(add_to_month(month, 1), following.due)
        result = await self.desk.ask(
            TaskSpec(
                key=self.desk.key("payment_month"),
                kind="enrolment.payment_month",
                title=Text(zh="已过缴费日，选择补缴月份", en="The payment day has passed: choose the month"),
                roles=["clerk"],
                org_unit=self.facts.org_unit,
                subject=self.person_id,
                stage="tax_payment",
                outcomes=["pay_now", "next_month"],
                deadlines=[pay_day, self.internal("decision")],  # no answer escalates to the supervisor
                data={"month": month, "fee_now": now_fee, "fee_next": next_fee},
            )
        )
        self.flag("not_same_month")
        return month if result.outcome == "pay_now" else add_to_month(month, 1)

    async def _late_fee(self, payment_month: str, paid_on: date) -> str:
        """Estimated yuan for all that is approved and on no list yet, if it were paid on a day."""
        total = Decimal(0)
        for agency in AGENCIES:
            levy = self._levy(agency)
            if self.registrations[agency].approved and levy not in self._written:
                arg = LateFeeArg(process_id=self.id, levy=levy, payment_month=payment_month, paid_on=paid_on)
                total += Decimal((await self.calls.late_fee_estimate(arg)).amount)
        return str(total)

    def _levy(self, agency: str) -> str:
        return self.policy.agency(agency).levy or agency

    async def _woken(self, seen: int) -> int:
        """Until a wake-up after `seen` comes, or a day has passed.

        The count is taken before the books are asked, so that a wake-up that comes in between is not lost.
        """
        try:
            await workflow.wait_condition(lambda: self.wakes > seen, timeout=RECHECK, timeout_summary="ask the books")
        except TimeoutError:
            workflow.logger.debug("%s: asking the books without a wake-up", self.id)
        return self.wakes

    async def _wait_settled(self) -> None:
        """Until finance has settled every bill on which this case has a line."""
        async with self.stage("reimbursement", "reimbursement"):
            n, seen = 1, self.wakes
            books = await self.calls.case_books(self._case(), f"settled/{n}")
            while books.unsettled:
                seen = await self._woken(seen)
                n += 1
                books = await self.calls.case_books(self._case(), f"settled/{n}")

    # --- cancelling -------------------------------------------------------------------------------------------------

    async def undo(self) -> None:
        """Lines on no bill are reversed before anything else, so that no list takes them while people are busy with the
        rest; the payments are told, and a bill that has lines of the case takes them off. Then registrations are taken
        back by tasks at both agencies."""
        if self.registrations:
            await self.projected()  # the books know that the case is cancelled, and take no line of it any more
            books = await self.calls.reverse_lines(self._case())
            if self._written or books.frozen:
                await self.calls.wake_payments(self._case())
        await asyncio.gather(*(r.undo() for r in self.registrations.values()))
        for stage in self.stages:
            if stage.state is StageState.ACTIVE:
                self.leave(stage.code, StageState.CANCELLED)
