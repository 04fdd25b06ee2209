"""A make-believe office for workflow tests: every activity by its real name, kept in memory.

It stands where PostgreSQL and the authorities stand, so that a test can say what an authority answers and when, see
every transition that reached the inbox, and complete tasks as people do. Activities against real PostgreSQL and real
simulators are tested in `tests/activities`.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle

from domain import policy as policy_files
from policies import read_all
from schemas.amendment import AmendmentArg, AmendmentDecided, AmendmentDecision
from schemas.calls import (
    AppliedForm,
    BillArg,
    BillDecision,
    Carrying,
    CaseArg,
    ExemptionDecision,
    FreezeArg,
    LateFee,
    LateFeeArg,
    PaymentArg,
    PaymentScope,
    PollAnswer,
    RegistrationArg,
    RegistrationEvent,
    SubmitAnswer,
    Visibility,
    WakeCases,
)
from schemas.deadlines import PolicySnapshot
from schemas.enrolment import CaseBooks, Certificate, EnrolmentFacts, HireKind, LineRequest
from schemas.process import ProcessOpened, ProcessStart, Reminder, TimelineEntry, Transition
from schemas.reimbursement import VoucherRef
from schemas.tasks import Completion, CompletionAnswer, TaskSnapshot, TaskState
from schemas.tax_payment import BillComparison, BillRef, OpenLines

LEVY = {"social": "social_bureau", "medical": "medical_bureau"}


class Office:
    """State of the make-believe office and its activities."""

    def __init__(self, modes: dict[str, str] | None = None) -> None:
        self.policy: PolicySnapshot = policy_files.snapshot(read_all(), modes or {})
        self.transitions: list[Transition] = []
        self.tasks: dict[str, TaskSnapshot] = {}
        self.timeline: dict[str, list[TimelineEntry]] = {}
        self.reminders: list[Reminder] = []
        self.calls: list[str] = []
        self.facts = EnrolmentFacts(
            country="DEU",
            permit_issued=date(2026, 9, 15),
            permit_expires=date(2027, 9, 15),
            contract_start=date(2026, 9, 20),
            contract_end=date(2028, 9, 19),
            hire_kind=HireKind.LOCAL_HIRE,
            certificate=Certificate.NONE,
            org_unit="business",
            insurances=["pension", "unemployment", "work_injury", "medical", "maternity", "large_medical"],
            today=date(2026, 9, 16),
        )
        self.answers: dict[str, list[PollAnswer]] = {}  # per agency, consumed in order, the last one repeats
        self.lines: dict[str, int] = {}  # levy -> lines unbilled
        self.bills: dict[str, str] = {}  # bill id -> status
        self.comparisons: list[bool] = []
        self.only_strangers = False  # a difference is somebody on the agency's bill alone
        self.adjusted_to = ""  # the unit part after a correction
        self.visible_after = 0
        self.persons = 1  # on a bill that is frozen now
        self.on_bill: dict[str, BillRef] = {}
        self.taken_off: dict[str, int] = {}  # levy -> lines of the case that wait for a later bill
        self.left = 0  # persons on each bill whose case was cancelled
        self._gone: dict[str, int] = {}  # how many of them each bill knows: those before it was frozen are not on it
        self.to_take_off = 0  # persons whom the clerk's next answer takes off
        self.frozen = False
        self.amended = "applied"  # what the books say of a confirmed amendment
        self.fail: dict[str, list[Exception]] = {}
        self.slow: dict[str, float] = {}
        self.late: dict[str, float] = {}  # an answer that is under way for so long after it was made
        self.tax_scopes: list[PaymentScope] = []
        self.client: Client | None = None
        self.task_queue = ""

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.slow.get(name):
            await asyncio.sleep(self.slow[name])
        if self.fail.get(name):
            raise self.fail[name].pop(0)

    # what people see

    def open_tasks(self, process_id: str | None = None) -> list[TaskSnapshot]:
        return [
            t
            for t in self.tasks.values()
            if t.state in (TaskState.READY, TaskState.SUSPENDED) and process_id in (None, t.process_id)
        ]

    async def task(self, kind: str, *, where: Callable[[TaskSnapshot], bool] = lambda t: True) -> TaskSnapshot:
        """Waits until a task of this kind is open."""
        for _ in range(2400):  # a minute, for a machine that does much else
            found = [t for t in self.open_tasks() if t.spec.kind == kind and where(t)]
            if found:
                return found[0]
            await asyncio.sleep(0.025)
        open_now = [t.spec.kind for t in self.open_tasks()]
        raise AssertionError(f"no open task {kind}; open: {open_now}; last calls {self.calls[-8:]}")

    async def settle(self, condition: Callable[[], bool]) -> None:
        """Waits until the projection shows what the test expects."""
        for _ in range(2400):  # a minute, for a machine that does much else
            if condition():
                return
            await asyncio.sleep(0.025)
        stages = {t.process.id: {s.code: (s.state.value, s.waits) for s in t.process.stages} for t in self.transitions}
        raise AssertionError(
            f"the office never came to the expected state; stages: {stages}; calls: {self.calls[-20:]}"
        )

    def kinds(self, process_id: str) -> list[str]:
        return [e.kind for e in self.timeline[process_id]]

    def state(self, process_id: str) -> str:
        mine = [t.process for t in self.transitions if t.process.id == process_id]
        return mine[-1].state.value if mine else ""

    def rungs(self, process_id: str) -> list[tuple[str, datetime]]:
        """(key, minute recorded) of every rung in the timeline."""
        return [(e.data["rung"], e.at) for e in self.timeline[process_id] if "rung" in e.data]

    def activities(self) -> list[Callable[..., Any]]:
        return [
            getattr(self, n) for n in dir(type(self)) if hasattr(getattr(self, n), "__temporal_activity_definition")
        ]

    # the activities

    @activity.defn(name="open_process")
    async def open_process(self, start: ProcessStart) -> ProcessOpened:
        await self._called("open_process")
        return ProcessOpened(policy=self.policy.model_dump(mode="json"))

    @activity.defn(name="load_policy")
    async def load_policy(self, start: ProcessStart) -> ProcessOpened:
        await self._called("load_policy")
        return ProcessOpened(policy=self.policy.model_dump(mode="json"))

    @activity.defn(name="record_transition")
    async def record_transition(self, transition: Transition) -> None:
        await self._called("record_transition")
        self._applied(transition)

    def _carried(self, call: Carrying) -> None:
        """Rows that a call into the books brings along."""
        if call.transition is not None:
            self.calls.append("carried")
            self._applied(call.transition)

    def _applied(self, transition: Transition) -> None:
        self.transitions.append(transition)
        for task in transition.tasks:
            known = self.tasks.get(task.id)
            if known is None or known.revision < task.revision:
                self.tasks[task.id] = task
        self.timeline.setdefault(transition.process.id, []).extend(transition.timeline)
        self.reminders.extend(transition.reminders)

    @activity.defn(name="load_enrolment_facts")
    async def load_enrolment_facts(self, arg: CaseArg) -> EnrolmentFacts:
        await self._called("load_enrolment_facts")
        return self.facts

    @activity.defn(name="apply_record")
    async def apply_record(self, arg: AppliedForm) -> EnrolmentFacts:
        await self._called("apply_record")
        self._carried(arg)
        return self.facts

    @activity.defn(name="record_exemption")
    async def record_exemption(self, arg: ExemptionDecision) -> EnrolmentFacts:
        await self._called("record_exemption")
        self._carried(arg)
        left = [i for i in self.facts.insurances if i not in arg.exempt]
        return self.facts.model_copy(update={"insurances": left})

    @activity.defn(name="record_registration")
    async def record_registration(self, arg: RegistrationEvent) -> None:
        await self._called(f"record_registration:{arg.agency}:{arg.event}")
        self._carried(arg)

    @activity.defn(name="fill_application")
    async def fill_application(self, arg: RegistrationArg) -> str:
        await self._called(f"fill_application:{arg.agency}:{arg.attempt}")
        return str(uuid.uuid4())

    @activity.defn(name="submit_application")
    async def submit_application(self, arg: RegistrationArg) -> SubmitAnswer:
        await self._called("submit_application")
        self.calls.append(f"submitted:{arg.agency}:{arg.attempt}")
        return SubmitAnswer(receipt=True)

    @activity.defn(name="poll_application")
    async def poll_application(self, arg: RegistrationArg) -> PollAnswer:
        await self._called(f"poll:{arg.agency}")
        script = self.answers.setdefault(arg.agency, [PollAnswer(state="approved")])
        return script.pop(0) if len(script) > 1 else script[0]

    @activity.defn(name="withdraw_registration")
    async def withdraw_registration(self, arg: RegistrationArg) -> None:
        await self._called(f"withdrawn:{arg.agency}")

    @activity.defn(name="write_lines")
    async def write_lines(self, arg: LineRequest) -> CaseBooks:
        await self._called(f"write_lines:{arg.levy}:{arg.payment_month}")
        self.lines.setdefault(arg.levy, len(arg.insurances))
        books = self._books()
        await asyncio.sleep(self.late.get(f"write_lines:{arg.levy}", 0))
        return books

    def _books(self) -> CaseBooks:
        unsettled = [b for b, status in self.bills.items() if status == "paid"]
        return CaseBooks(
            written=dict(self.lines),
            unpaid=dict(self.lines),
            unsettled=unsettled,
            frozen=self.frozen,
            taken_off=dict(self.taken_off),
        )

    @activity.defn(name="case_books")
    async def case_books(self, arg: CaseArg) -> CaseBooks:
        await self._called("case_books")
        return self._books()

    @activity.defn(name="reverse_lines")
    async def reverse_lines(self, arg: CaseArg) -> CaseBooks:
        await self._called("reverse_lines")
        return self._books()

    @activity.defn(name="late_fee_estimate")
    async def late_fee_estimate(self, arg: LateFeeArg) -> LateFee:
        await self._called("late_fee_estimate")
        return LateFee(amount="12.34", days=3)

    @activity.defn(name="start_tax_payment")
    async def start_tax_payment(self, arg: PaymentScope) -> str:
        await self._called(f"start_tax_payment:{arg.levy}:{arg.month}")
        if arg not in self.tax_scopes:  # starting what runs already only wakes it
            self.tax_scopes.append(arg)
        return arg.process_id

    @activity.defn(name="open_lines")
    async def open_lines(self, arg: PaymentScope) -> OpenLines:
        await self._called("open_lines")
        return OpenLines(current=self.lines.get(arg.levy, 0), earlier=self.lines.get(f"{arg.levy}-earlier", 0))

    @activity.defn(name="freeze_bill")
    async def freeze_bill(self, arg: FreezeArg) -> BillRef:
        await self._called(f"freeze_bill:{arg.kind}")
        levy = arg.scope.levy if arg.kind != "back_payment" else f"{arg.scope.levy}-earlier"
        count = self.lines.pop(levy, 0)
        bill = f"bill-{arg.kind}-{arg.round}"
        self.bills[bill], self._gone[bill] = "frozen", self.left
        self.on_bill[bill] = BillRef(
            bill_id=bill,
            kind=arg.kind,
            lines=count,
            persons=self.persons,
            unit_total=f"{100 * self.persons}.00",
            person_total=f"{40 * self.persons}.00",
        )
        return self.on_bill[bill]

    def _taken_off(self, bill_id: str, persons: int) -> BillRef:
        """The bill without some of its persons, each of whom has as many lines."""
        ref = self.on_bill[bill_id]
        lines = ref.lines * persons // ref.persons if ref.persons else 0
        left = ref.persons - persons
        self.on_bill[bill_id] = ref.model_copy(
            update={
                "persons": left,
                "lines": ref.lines - lines,
                "taken_off": ref.taken_off + lines,
                "unit_total": f"{100 * left}.00",
                "person_total": f"{40 * left}.00",
            }
        )
        if not left:
            self.bills[bill_id] = "void"
        return self.on_bill[bill_id]

    @activity.defn(name="take_off")
    async def take_off(self, arg: BillDecision) -> BillRef:
        await self._called(f"take_off:{arg.actor}")
        persons, self.to_take_off = self.to_take_off, 0
        return self._taken_off(arg.bill_id, persons)

    @activity.defn(name="take_off_leavers")
    async def take_off_leavers(self, arg: BillArg) -> BillRef:
        await self._called("take_off_leavers")
        persons = self.left - self._gone[arg.bill_id]
        self._gone[arg.bill_id] = self.left
        return self._taken_off(arg.bill_id, persons)

    @activity.defn(name="wake_payments")
    async def wake_payments(self, arg: CaseArg) -> int:
        await self._called("wake_payments")
        return 1

    @activity.defn(name="check_visible")
    async def check_visible(self, arg: BillArg) -> Visibility:
        await self._called("check_visible")
        self.visible_after -= 1
        return Visibility(visible=self.visible_after < 0, missing=1, persons=["p1"])

    @activity.defn(name="fetch_bill")
    async def fetch_bill(self, arg: BillArg) -> None:
        await self._called("fetch_bill")

    @activity.defn(name="compare_bill")
    async def compare_bill(self, arg: BillArg) -> BillComparison:
        await self._called("compare_bill")
        equal = self.comparisons.pop(0) if self.comparisons else True
        return self._compared(arg.bill_id, equal)

    def _compared(self, bill_id: str, equal: bool) -> BillComparison:
        ref = self.on_bill[bill_id]
        return BillComparison(
            bill_id=bill_id,
            equal=equal,
            unit_total=ref.unit_total,
            person_total=ref.person_total,
            difference="0.00" if equal else "0.01",
            correctable=not self.only_strangers,
        )

    @activity.defn(name="adjust_bill")
    async def adjust_bill(self, arg: BillDecision) -> BillComparison:
        await self._called("adjust_bill")
        if self.adjusted_to:
            corrected = {"unit_total": self.adjusted_to}
            self.on_bill[arg.bill_id] = self.on_bill[arg.bill_id].model_copy(update=corrected)
        return self._compared(arg.bill_id, True)

    @activity.defn(name="pay_bill")
    async def pay_bill(self, arg: BillArg) -> None:
        await self._called("pay_bill")

    @activity.defn(name="record_payment")
    async def record_payment(self, arg: PaymentArg) -> None:
        await self._called("record_payment")
        self.bills[arg.bill_id] = "paid"

    @activity.defn(name="start_reimbursement")
    async def start_reimbursement(self, arg: BillArg) -> str:
        await self._called("start_reimbursement")
        return f"reimbursement-{arg.bill_id}"

    @activity.defn(name="wake_cases")
    async def wake_cases(self, arg: WakeCases) -> int:
        await self._called(f"wake_cases:{arg.topic}")
        return 0

    @activity.defn(name="withholding_list")
    async def withholding_list(self, arg: BillArg) -> str:
        await self._called("withholding_list")
        return str(uuid.uuid4())

    @activity.defn(name="record_withholding")
    async def record_withholding(self, arg: BillDecision) -> None:
        await self._called(f"record_withholding:{arg.outcome}")

    @activity.defn(name="prepare_voucher")
    async def prepare_voucher(self, arg: BillDecision) -> VoucherRef:
        await self._called("prepare_voucher")
        return VoucherRef(
            voucher_id="v", bill_id=arg.bill_id, unit_total="100.00", person_total="40.00", withheld_total="40.00"
        )

    @activity.defn(name="settle_voucher")
    async def settle_voucher(self, arg: BillDecision) -> None:
        await self._called("settle_voucher")

    @activity.defn(name="send_notice")
    async def send_notice(self, arg: CaseArg) -> None:
        await self._called("send_notice")

    @activity.defn(name="decide_amendment")
    async def decide_amendment(self, arg: AmendmentDecision) -> AmendmentDecided:
        await self._called(f"decide_amendment:{arg.outcome}:{arg.actor}")
        self._carried(arg)
        states = {"confirm": self.amended, "reject": "rejected", "withdraw": "withdrawn"}
        return AmendmentDecided(state=states[arg.outcome])

    @activity.defn(name="tell_amended")
    async def tell_amended(self, arg: AmendmentArg) -> int:
        await self._called("tell_amended")
        return 1


async def complete(
    handle: WorkflowHandle[Any, Any],
    task: TaskSnapshot,
    outcome: str | None = None,
    data: dict[str, Any] | None = None,
    *,
    actor: str = "clerk",
    key: str = "1",
    version: int | None = None,
) -> CompletionAnswer:
    """Completes a task as the API does: an Update whose id is task and key."""
    completion = Completion(
        task_id=task.id,
        outcome=outcome or task.spec.outcomes[0],
        data=data if data is not None else filled(task, outcome or task.spec.outcomes[0]),
        version=version or task.version,
        actor=actor,
        submission_id=str(uuid.uuid4()),
    )
    async with asyncio.timeout(20):
        return await handle.execute_update(
            "complete_task", completion, id=f"{task.id}/{key}", result_type=CompletionAnswer
        )


def filled(task: TaskSnapshot, outcome: str) -> dict[str, Any]:
    """The public fields of the form from the schema's examples: what a program that knows the contract sends."""
    from schemas.forms import outcome as form_of
    from schemas.forms import public_model

    model = public_model(form_of(task.spec.kind, outcome).form)
    return {name: info.examples[0] for name, info in model.model_fields.items() if info.is_required() and info.examples}


def shanghai(text: str) -> datetime:
    """'2026-09-16 08:30' in Shanghai, as UTC."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC)) - timedelta(hours=8)
