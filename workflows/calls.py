"""Every activity that a workflow may call, by name, with its types and its patience, in one place.

Workflows import no activity code (the sandbox stays light, and a fake with the same name serves in a test);
`tests/workflows/test_calls.py` holds these names and types against the registered activities.

Patience: no schedule-to-close limit and no maximum of attempts anywhere. A database outage of ten minutes delays a
process and never fails it. Activity ids are given, so that a changed order of steps fails the replay instead of passing
unnoticed (Temporal compares neither arguments nor timer lengths).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

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
from schemas.enrolment import CaseBooks, EnrolmentFacts, LineRequest
from schemas.incident_steps import STEPS, Way
from schemas.process import ProcessOpened, ProcessStart, Transition
from schemas.reimbursement import VoucherRef
from schemas.tax_payment import BillComparison, BillRef, OpenLines

if TYPE_CHECKING:
    from workflows.casefile import CaseFile

T = TypeVar("T")

SUMMARIES = {name: step.title.zh for name, step in STEPS.items()}  # beside its name in the Temporal UI
OWN_BOOKS = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
OUTSIDE = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)


def _start(
    name: str,
    arg: Any,
    result: type[T],
    activity_id: str,
    summary: str,
    patience: RetryPolicy,
    limit: timedelta,
) -> workflow.ActivityHandle[T]:
    return workflow.start_activity(
        name,
        arg,
        result_type=result,
        activity_id=activity_id,
        start_to_close_timeout=limit,
        retry_policy=patience,
        summary=summary,
    )


def _summary(name: str, activity_id: str) -> str:
    """What stands beside the call in the Temporal UI."""
    return f"{SUMMARIES.get(name, name)} {activity_id.partition('/')[2]}".rstrip()


NoneType = type(None)
SKIPPED: dict[str, Any] = {  # what a skipped call gives
    "fill_application": "", "wake_cases": 0, "wake_payments": 0, "send_notice": None
}  # fmt: skip
BOOKS_LIMIT = timedelta(seconds=15)
AGENCY_LIMIT = timedelta(seconds=60)


async def open_process(start: ProcessStart) -> ProcessOpened:
    return await _start(
        "open_process", start, ProcessOpened, "open_process", SUMMARIES["open_process"], OWN_BOOKS, BOOKS_LIMIT
    )


async def load_policy(start: ProcessStart, order: str) -> ProcessOpened:
    """The rules in force, for a case that takes them over."""
    return await _start(
        "load_policy", start, ProcessOpened, f"load_policy/{order}", SUMMARIES["load_policy"], OWN_BOOKS, BOOKS_LIMIT
    )


async def record_transition(transition: Transition, summary: str) -> None:
    """The inbox projection. Its id carries what changed and the revision."""
    what = "+".join(f"{t.spec.key}:{t.state}" for t in transition.tasks) or "process"
    activity_id = f"{what}@{transition.process.revision}"
    await _start("record_transition", transition, NoneType, activity_id, summary, OWN_BOOKS, BOOKS_LIMIT)


class TakenOver(Exception):
    """Leaves a call that the machine no longer makes: whoever called goes on by tasks, in the way that was decided."""

    def __init__(self, name: str, way: Way) -> None:
        super().__init__(f"{name}: {way.value}")
        self.way = way


class Calls:
    """The calls of one process. A call that failed for good (no retry can help) is told to `failed`, which returns the
    way that a person has decided. A call that is still tried again and again can be decided as well (`decide`): it is
    cancelled, and the same ways follow. A retry makes the same call again, and the process goes on from there."""

    def __init__(self, rows: "CaseFile", failed: Callable[[str, str, ActivityError], Awaitable[Way]]) -> None:
        self._rows = rows
        self._failed = failed
        self._running: dict[str, tuple[str, workflow.ActivityHandle[Any]]] = {}
        self._decided: dict[str, Way] = {}

    def running(self, activity_id: str) -> str | None:
        """The name of the call that waits under this id and is not decided yet; None where there is none."""
        if activity_id not in self._running or activity_id in self._decided:
            return None
        return self._running[activity_id][0]

    def decide(self, activity_id: str, way: Way) -> None:
        """The machine stops trying; the call goes on in this way."""
        self._decided[activity_id] = way
        self._running[activity_id][1].cancel()

    async def _own(self, name: str, arg: Any, result: type[T], activity_id: str) -> T:
        """A call into our own database or our own Temporal."""
        return await self._call(name, arg, result, activity_id, OWN_BOOKS, BOOKS_LIMIT)

    async def _with_rows(self, name: str, arg: Carrying, result: type[T], activity_id: str) -> T:
        """A call into our own books that writes, in its own transaction, also the rows that have changed until now."""
        transition = self._rows.take()
        if transition is None:
            return await self._own(name, arg, result, activity_id)
        carrying = arg.model_copy(update={"transition": transition})
        try:
            answer = await _start(
                name, carrying, result, activity_id, _summary(name, activity_id), OWN_BOOKS, BOOKS_LIMIT
            )
        except (ActivityError, asyncio.CancelledError) as error:
            self._rows.not_written(transition)
            if not isinstance(error, ActivityError) or is_cancelled_exception(error):
                raise
            await self._failed(name, activity_id, error)
            return await self._own(name, arg, result, activity_id)
        self._rows.written(transition)
        return answer

    async def _outside(self, name: str, arg: Any, result: type[T], activity_id: str) -> T:
        """A call to an authority's server: slower, and asked again for as long as it takes."""
        return await self._call(name, arg, result, activity_id, OUTSIDE, AGENCY_LIMIT)

    async def _call(
        self,
        name: str,
        arg: Any,
        result: type[T],
        activity_id: str,
        patience: RetryPolicy,
        limit: timedelta,
    ) -> T:
        summary = _summary(name, activity_id)
        while True:
            handle: workflow.ActivityHandle[T] = _start(name, arg, result, activity_id, summary, patience, limit)
            self._running[activity_id] = (name, handle)
            try:
                return await handle
            except ActivityError as error:
                failure = error
            finally:
                del self._running[activity_id]
                way = self._decided.pop(activity_id, None)
            if way is None:
                if is_cancelled_exception(failure):
                    raise failure
                way = await self._failed(name, activity_id, failure)
            if way is Way.SKIP:
                return SKIPPED[name]
            if way is not Way.RETRY:
                raise TakenOver(name, way)

    async def load_enrolment_facts(self, arg: CaseArg, n: int) -> EnrolmentFacts:
        return await self._own("load_enrolment_facts", arg, EnrolmentFacts, f"facts/{n}")

    async def apply_record(self, arg: AppliedForm, key: str) -> EnrolmentFacts:
        return await self._with_rows("apply_record", arg, EnrolmentFacts, f"apply_record/{key}")

    async def record_exemption(self, arg: ExemptionDecision) -> EnrolmentFacts:
        return await self._with_rows("record_exemption", arg, EnrolmentFacts, "record_exemption")

    async def record_registration(self, arg: RegistrationEvent) -> None:
        key = f"registration/{arg.agency}/{arg.attempt}/{arg.event}"
        await self._with_rows("record_registration", arg, NoneType, key)

    async def fill_application(self, arg: RegistrationArg) -> str:
        return await self._own("fill_application", arg, str, f"fill_application/{arg.agency}/{arg.attempt}")

    async def submit_application(self, arg: RegistrationArg) -> SubmitAnswer:
        key = f"submit_application/{arg.agency}/{arg.attempt}"
        return await self._outside("submit_application", arg, SubmitAnswer, key)

    async def poll_application(self, arg: RegistrationArg, n: int) -> PollAnswer:
        return await self._outside(
            "poll_application", arg, PollAnswer, f"poll_application/{arg.agency}/{arg.attempt}/{n}"
        )

    async def withdraw_registration(self, arg: RegistrationArg) -> None:
        await self._outside("withdraw_registration", arg, NoneType, f"withdraw_registration/{arg.agency}")

    async def write_lines(self, arg: LineRequest) -> CaseBooks:
        return await self._own("write_lines", arg, CaseBooks, f"write_lines/{arg.levy}/{arg.payment_month}")

    async def case_books(self, arg: CaseArg, key: str) -> CaseBooks:
        return await self._own("case_books", arg, CaseBooks, f"case_books/{key}")

    async def reverse_lines(self, arg: CaseArg) -> CaseBooks:
        return await self._own("reverse_lines", arg, CaseBooks, "reverse_lines")

    async def late_fee_estimate(self, arg: LateFeeArg) -> LateFee:
        return await self._own(
            "late_fee_estimate", arg, LateFee, f"late_fee/{arg.levy}/{arg.payment_month}/{arg.paid_on}"
        )

    async def start_tax_payment(self, scope: PaymentScope) -> str:
        return await self._own("start_tax_payment", scope, str, f"start_tax_payment/{scope.levy}/{scope.month}")

    async def open_lines(self, scope: PaymentScope, n: int) -> OpenLines:
        return await self._own("open_lines", scope, OpenLines, f"open_lines/{n}")

    async def freeze_bill(self, arg: FreezeArg) -> BillRef:
        return await self._own("freeze_bill", arg, BillRef, f"freeze_bill/{arg.round}/{arg.kind}")

    async def check_visible(self, arg: BillArg, n: int) -> Visibility:
        return await self._outside("check_visible", arg, Visibility, f"check_visible/{arg.bill_id}/{n}")

    async def fetch_bill(self, arg: BillArg, n: int) -> None:
        await self._outside("fetch_bill", arg, NoneType, f"fetch_bill/{arg.bill_id}/{n}")

    async def compare_bill(self, arg: BillArg, n: int) -> BillComparison:
        return await self._own("compare_bill", arg, BillComparison, f"compare_bill/{arg.bill_id}/{n}")

    async def adjust_bill(self, arg: BillDecision, n: int) -> BillComparison:
        return await self._own("adjust_bill", arg, BillComparison, f"adjust_bill/{arg.bill_id}/{n}")

    async def take_off(self, arg: BillDecision, n: int) -> BillRef:
        return await self._own("take_off", arg, BillRef, f"take_off/{arg.bill_id}/{n}")

    async def take_off_leavers(self, arg: BillArg, n: int) -> BillRef:
        return await self._own("take_off_leavers", arg, BillRef, f"take_off_leavers/{arg.bill_id}/{n}")

    async def pay_bill(self, arg: BillArg) -> None:
        await self._outside("pay_bill", arg, NoneType, f"pay_bill/{arg.bill_id}")

    async def record_payment(self, arg: PaymentArg) -> None:
        await self._own("record_payment", arg, NoneType, f"record_payment/{arg.bill_id}")

    async def start_reimbursement(self, arg: BillArg) -> str:
        return await self._own("start_reimbursement", arg, str, f"start_reimbursement/{arg.bill_id}")

    async def wake_cases(self, arg: WakeCases) -> int:
        return await self._own("wake_cases", arg, int, f"wake_cases/{arg.bill_id}/{arg.topic}")

    async def wake_payments(self, arg: CaseArg) -> int:
        return await self._own("wake_payments", arg, int, "wake_payments")

    async def withholding_list(self, arg: BillArg) -> str:
        return await self._own("withholding_list", arg, str, "withholding_list")

    async def record_withholding(self, arg: BillDecision) -> None:
        await self._own("record_withholding", arg, NoneType, "record_withholding")

    async def prepare_voucher(self, arg: BillDecision, n: int) -> VoucherRef:
        return await self._own("prepare_voucher", arg, VoucherRef, f"prepare_voucher/{n}")

    async def settle_voucher(self, arg: BillDecision) -> None:
        await self._own("settle_voucher", arg, NoneType, "settle_voucher")

    async def send_notice(self, arg: CaseArg) -> None:
        await self._own("send_notice", arg, NoneType, "send_notice")

    async def decide_amendment(self, arg: AmendmentDecision) -> AmendmentDecided:
        return await self._with_rows("decide_amendment", arg, AmendmentDecided, f"decide_amendment/{arg.outcome}")

    async def tell_amended(self, arg: AmendmentArg) -> int:
        return await self._own("tell_amended", arg, int, "tell_amended")
