"""Internal reimbursement 校内报账: one process per paid bill, in the month of payment.

withholding by payroll → voucher split by unit and person part, insurance and college → approval by a supervisor, or as
the school's settings say → settlement by finance, by the last working day of the month of payment. Its end wakes every
case on the bill.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from temporalio import workflow

from schemas.amendment import Amended
from schemas.base import Text
from schemas.calls import BillDecision, WakeCases
from schemas.countersign import Signer
from schemas.deadlines import Deadline
from schemas.process import ProcessCommand, ProcessStart, Stage
from schemas.reimbursement import VoucherRef
from schemas.steps import ReturnTarget
from schemas.tasks import TaskResult, TaskSpec
from workflows.countersign import countersign
from workflows.human_task import Returned
from workflows.process import Process
from workflows.returning import AGAIN, STRAIGHT, sent_back, straight, taken_up, target, why
from workflows.withholding import withhold

APPROVE = Text(zh="审批报账单", en="Approve the voucher")
STEPS = ("withhold", "voucher", "approval", "settle")


@workflow.defn(name="Reimbursement")
class Reimbursement(Process):
    """Settles one paid bill. `start.parameters`: bill_id."""

    kind = "reimbursement"

    @workflow.init
    def __init__(self, start: ProcessStart) -> None:
        super().__init__(start)
        self.bill_id = start.parameters["bill_id"]
        self.month_end_id = "DL-REIMB"
        self.paid_on = start.parameters.get("paid_on", "")
        self._vouchers = 0
        self._voucher_ref: VoucherRef | None = None  # as it was computed when it was prepared

    @workflow.run
    async def run(self, start: ProcessStart) -> None:
        await self.run_process()

    def plan_stages(self) -> list[Stage]:
        return [
            Stage(code="withholding", title=Text(zh="个人代扣", en="Withholding"), column=0),
            Stage(code="voucher", title=Text(zh="报账单", en="Voucher"), column=1),
            Stage(code="approval", title=Text(zh="报账审批", en="Approval"), column=2),
            Stage(code="settlement", title=Text(zh="财务结算", en="Settlement"), column=3),
        ]

    async def body(self) -> None:
        self._month_end(STEPS)
        await withhold(self)
        prepared: TaskResult | None = None
        back: Returned | None = None
        while True:
            try:
                if prepared is None or back is None or back.to == "voucher":
                    prepared = await self._voucher(back)
                approve = partial(self._approval, prepared, back)
                decision = await self.supervised(APPROVE, approve, "approval")
                if decision.outcome == "approve":
                    await self._settlement(prepared, back)
                    break
                back = sent_back(self.desk, "approval", "voucher", decision)
            except Returned as returned:
                back = returned
        self.meet(self.month_end_id)
        await self.calls.wake_cases(WakeCases(bill_id=self.bill_id, topic="settled"))

    async def _voucher(self, back: Returned | None) -> TaskResult:
        async with self.stage("voucher"):
            prepared = await self._ask(
                "voucher",
                Text(zh="编制报账单", en="Prepare the voucher"),
                ["clerk"],
                ["prepared"],
                "voucher",
                back=back,
            )
            self._vouchers += 1
            self._voucher_ref = await self.calls.prepare_voucher(self._decision(prepared), self._vouchers)
        return prepared

    async def _approval(self, prepared: TaskResult, back: Returned | None) -> TaskResult:
        """Somebody else than who prepared it; above the school's limit those whom it names, in its way. An approval
        that has begun keeps its people and its way."""
        rule = self.policy.signed_by("reimbursement", self._total())
        async with self.stage("approval"):
            return await countersign(
                self,
                "approval",
                [Signer(role=r) for r in rule.roles],
                self._spec(
                    "approval",
                    APPROVE,
                    ["supervisor"],
                    ["approve", "return"],
                    "approval",
                    excluded=[prepared.actor],
                    after="voucher",
                    back=back,
                    return_to=[target("voucher", "编制报账单", "the voucher")],
                ),
                mode=rule.mode,
                quorum=rule.quorum,
                back=back,
                signed=(self._voucher_ref, prepared.data),
            )

    def _total(self) -> Decimal:
        voucher = self._voucher_ref
        return Decimal(voucher.unit_total) + Decimal(voucher.person_total) if voucher else Decimal(0)

    async def _settlement(self, prepared: TaskResult, back: Returned | None) -> None:
        """Finance settles, or sends the voucher back."""
        async with self.stage("settlement"):
            settled = await self._ask(
                "settlement",
                Text(zh="财务结算", en="Settle"),
                ["finance"],
                ["settled"],
                "settle",
                excluded=[prepared.actor],
                after="approval",
                return_to=[
                    target("voucher", "编制报账单", "the voucher", AGAIN),
                    target("approval", "报账审批", "approval", STRAIGHT),
                ],
                again=straight(back, "settlement"),
            )
            await self.calls.settle_voucher(self._decision(settled))

    def _month_end(self, steps: Sequence[str]) -> Deadline:
        """The last working day of the month of payment, with the steps still before it."""
        return self.hold(self._month_end_of(self.paid_on or self.today().isoformat(), steps))

    def _month_end_of(self, paid_on: str, steps: Sequence[str]) -> Deadline:
        return self.deadline("DL-REIMB", paid_on[:7], steps)

    def recounted(self, amended: Amended) -> list[Deadline]:
        """The bill was paid on another day than was recorded: the month's end may be another's."""
        known = self.deadlines.get(self.month_end_id)
        if amended.field != "payment.paid_on" or amended.new is None or known is None or known.met_at is not None:
            return []
        return [self._month_end_of(amended.new.isoformat(), known.steps or STEPS)]

    async def amended(self, amended: Amended, recounted: Sequence[Deadline]) -> None:
        if amended.field == "payment.paid_on" and amended.new is not None:
            self.paid_on = amended.new.isoformat()
        for deadline in recounted:
            self.hold(deadline)

    def cancel_refusal(self, command: ProcessCommand) -> str | None:
        return "paid_bill"

    def remaining(self, step: str) -> Deadline:
        """The month's end as it stands when this step is still to do."""
        return self._month_end(STEPS[STEPS.index(step) :])

    def _decision(self, result: TaskResult) -> BillDecision:
        return BillDecision(
            bill_id=self.bill_id, submission_id=result.submission_id, actor=result.actor, outcome=result.outcome
        )

    async def _ask(
        self, name: str, title: Text, roles: list[str], outcomes: list[str], internal: str, **more: Any
    ) -> TaskResult:
        async def ask() -> TaskResult:
            spec = self._spec(name, title, roles, outcomes, internal, **more)
            spec = spec.model_copy(update={"key": self.desk.key(name)})
            return await self.desk.ask(taken_up(self.desk, spec, more.get("back")))

        return await self.supervised(title, ask, name)

    def _spec(
        self,
        name: str,
        title: Text,
        roles: list[str],
        outcomes: list[str],
        internal: str,
        excluded: list[str] | None = None,
        after: str | None = None,
        back: Returned | None = None,
        return_to: Sequence[ReturnTarget] = (),
        again: str | None = None,
    ) -> TaskSpec:
        return TaskSpec(
            key=name,
            kind=f"reimbursement.{name}",
            title=title,
            roles=roles,
            stage=name,
            outcomes=outcomes,
            deadlines=[self.remaining(internal), self.internal(internal)],
            excluded=excluded or [],
            data={"bill_id": self.bill_id, **why(back)},
            after=self.desk.latest(after) if after else None,
            former=back.former if back and back.to == name else None,
            return_to=list(return_to),
            again=again,
        )
