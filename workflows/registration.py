"""Registration of a person at one agency: hand in → accepted → approved, or refused → corrected → handed in again.

Two modes, one loop. `portal`: a clerk does it on the agency's site, uploads the receipt and records what comes back.
`http`: a gateway activity submits with an idempotency key and a timer asks with growing pauses (timers, not a hanging
activity, so that the demo's clock can be moved). The statutory date is met by handing in; a refusal re-opens it with
its old due date. The agency's own norm runs apart from acceptance and is chased before it ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow

from schemas.amendment import Amended
from schemas.base import Text
from schemas.calls import RegistrationArg, RegistrationEvent
from schemas.deadlines import Deadline
from schemas.incident_steps import Way
from schemas.process import StageState
from schemas.steps import ReturnTarget
from schemas.tasks import DocumentRequest, TaskResult, TaskSpec
from workflows.calls import TakenOver
from workflows.human_task import Returned
from workflows.returning import AGAIN, target

with workflow.unsafe.imports_passed_through():
    from domain.times import at

if TYPE_CHECKING:
    from workflows.enrolment import Enrolment
    from workflows.process import Process

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(hours=1)
HAND_IN = "hand_in"
ASKING_HOURS = ("10:00", "16:00")  # after the first hours: twice on each of the agency's working days


class Registration:
    """The loop at one agency, inside an enrolment. `approved` and `handed_in` tell what must be undone on cancel."""

    def __init__(self, case: "Enrolment", agency: str) -> None:
        self.case = case
        self.agency = agency
        self.attempt = 0
        self.handed_in = False
        self._attempting = False
        self.begun = False  # a hand-in through the gateway was begun: its answer may have been lost
        self.approved = False
        self._pending = False  # handed in, and neither refused nor taken back
        self._back: Returned | None = None
        self._again: str | None = None  # the task that was returned: its holder goes on with what is asked next
        self._acknowledged = False  # the agency accepted this attempt: its norm counts from there
        self.policy = case.policy.agency(agency)

    @property
    def deadline_id(self) -> str:
        return f"DL-REG-FOR@{self.agency}"

    @property
    def _norm_id(self) -> str:
        return f"DL-AGENCY-NORM@{self.agency}/{self.attempt}"

    def _arg(self) -> RegistrationArg:
        return RegistrationArg(
            process_id=self.case.id, person_id=self.case.person_id, agency=self.agency, attempt=self.attempt
        )

    @property
    def reached(self) -> bool:
        """Whether anything of this case has reached the agency."""
        return self.handed_in or self.begun

    @property
    def stands(self) -> bool:
        """Whether an application lies at the agency, undecided or approved."""
        return self.approved or self._pending

    async def run(self) -> None:
        """Until the agency has approved. A task of this branch can be returned: to its own hand-in (the record has
        changed), or to a step before the split, while the other branch goes on."""
        while not self.approved:
            if self._back is not None:  # an error may have interrupted the way back: it is gone on with, not lost
                await self._go_back(self._back)
                self._again = self._back.task_key if self._back.way == "straight" else None
                self._back = None
            if not self._attempting:  # an attempt that an error interrupted goes on under its own number
                self.attempt += 1
                self._attempting = True
            self.case.enter(self.agency)
            try:
                code = await self._one_attempt()
                if code is None:
                    self.approved = True
                    self._pending = False
                    self.case.leave(self.agency)
                    self._say("approved", "已办结", "approved")
                else:
                    await self._correct(code)
            except Returned as back:
                if back.withdrawn:
                    self._attempting = False
                    raise
                self._back = back if back.to != HAND_IN else None
            self._attempting = False

    async def _one_attempt(self) -> str | None:
        """The form and the hand-in; the refusal code, or None when approved. A record that is corrected because the
        machine could not go on belongs to the same attempt: under the same key nothing is handed in twice."""
        while True:
            try:
                await self.case.calls.fill_application(self._arg())
                return await (self._by_portal() if self.policy.mode == "portal" else self._by_http())
            except TakenOver as taken:
                if taken.way is not Way.CORRECT:
                    raise
            await self._correct(None)

    async def _go_back(self, back: Returned) -> None:
        """To a step before the split. What lies at the agency is taken back first, by a task."""
        if self._pending:
            await self._take_back()
        self.case.reopen(self.deadline_id)
        await self.case.reentry.run(back, self.agency)

    async def _take_back(self) -> None:
        result = await self._ask(
            "undo",
            Text(zh=f"在{self.policy.title.zh}撤销登记", en=f"Undo the registration at the {self.policy.title.en}"),
            ["undone"],
        )
        if self.policy.mode == "http":
            try:
                await self.case.calls.withdraw_registration(self._arg())
            except TakenOver:
                at_agency = self.policy.title
                by_hand = Text(zh=f"到{at_agency.zh}人工撤销登记", en=f"Undo it by hand at the {at_agency.en}")
                result = await self._ask("undo", by_hand, ["undone"])
        await self._record("undone", result)
        self._pending = self.handed_in = self.begun = False
        self._say("undone", "登记已撤销", "registration undone")

    async def _by_portal(self) -> str | None:
        """One attempt by hand; the refusal code, or None when approved."""
        result = await self._ask(
            "hand_in",
            Text(
                zh=f"向{self.policy.title.zh}提交参保申请", en=f"Hand in the application at the {self.policy.title.en}"
            ),
            ["handed_in"],
            deadlines=lambda: [self.case.deadlines[self.deadline_id], self.case.internal("hand_in")],
            documents=[
                DocumentRequest(code="receipt", title=Text(zh="受理回执", en="Receipt")),
            ],
            step="hand_in",
            return_to=self._targets(),
            after=self.case.desk.latest("verification"),
        )
        await self._record("handed_in", result)
        handed_in_on = date.fromisoformat(result.data["handed_in_on"])
        self._handed_in(handed_in_on)
        return await self._followed_by_hand(self._norm(handed_in_on), accepted=False)

    async def _followed_by_hand(self, norm: Deadline, *, accepted: bool) -> str | None:
        """What the agency says of an application, as a clerk records it; the refusal code, or None when approved."""
        if not accepted:
            code = await self._acceptance(norm)
            if code is not None:
                return code
            norm = self.case.deadlines[norm.id]
        chase = self.case.spawn(self._chase(norm))
        try:
            result = await self._ask(
                "result",
                Text(zh=f"登记{self.policy.title.zh}办理结果", en=f"Record the result of the {self.policy.title.en}"),
                ["approved", "refused"],
                deadlines=lambda: [norm],
                return_to=self._targets(),
            )
        finally:
            chase.cancel()
        self.case.meet(norm.id)
        if result.outcome == "refused":
            return await self._refused(result.data["code"], result)
        await self._record("approved", result)
        return None

    async def _acceptance(self, norm: Deadline) -> str | None:
        """Whether the agency accepts the application; the refusal code, or None when it does."""
        result = await self._ask(
            "acceptance",
            Text(zh=f"登记{self.policy.title.zh}受理结果", en=f"Record whether the {self.policy.title.en} accepted"),
            ["accepted", "refused"],
            deadlines=lambda: [norm],
            return_to=self._targets(),
        )
        if result.outcome == "refused":
            return await self._refused(result.data["code"], result)
        await self._record("accepted", result)
        self._accepted(date.fromisoformat(result.data["accepted_on"]))
        return None

    async def _by_http(self) -> str | None:
        """One attempt through the gateway; the refusal code, or None when approved."""
        self.case.wait_on(self.agency, self.agency)
        self.begun = True
        subject = Text(zh=f"向{self.policy.title.zh}提交申请", en=f"Hand in at the {self.policy.title.en}")
        try:
            async with self.case.watched([self.deadline_id], subject):
                answer = await self.case.calls.submit_application(self._arg())
        except TakenOver as taken:
            self.case.wait_on(self.agency)
            if taken.way is Way.CORRECT:
                raise
            return await self._by_portal()
        if answer.receipt:  # without one the interface refused the data: the date is not met
            self._handed_in(None)
        try:
            code = await self._answer_by_http()
        except asyncio.CancelledError:
            self.case.wait_on(self.agency)
            raise
        self.case.wait_on(self.agency)
        return code

    async def _answer_by_http(self) -> str | None:
        """Asks until the agency has decided. Its norm runs from the acceptance; one that does not even accept is chased
        from the hand-in on."""
        norm = self._norm(self.case.today())
        chase = self.case.spawn(self._chase(norm))
        accepted = False
        pause, n = FIRST_PAUSE, 0
        try:
            while True:
                n += 1
                try:
                    answer = await self.case.calls.poll_application(self._arg(), n)
                except TakenOver:
                    chase.cancel()  # the one by hand has its own
                    self.case.wait_on(self.agency)
                    return await self._followed_by_hand(norm, accepted=accepted)
                if answer.state != "pending" and not accepted:
                    accepted = True
                    norm = self._accepted(self.case.today())
                if answer.state in ("approved", "refused"):
                    break
                wait = until_next_question(self.case, self.agency, pause)
                await workflow.sleep(wait, summary=f"ask {self.agency} again")
                pause = min(pause * 2, 2 * LONGEST_PAUSE)
        finally:
            chase.cancel()
        self.case.meet(norm.id)
        return await self._refused(answer.code or "R20", None) if answer.state == "refused" else None

    def _handed_in(self, day: date | None) -> None:
        """Meets the statutory date: now, or on the day that a person recorded."""
        self.handed_in = self._pending = True
        self._acknowledged = False
        self.case.meet(self.deadline_id, None if day is None else self.case.done_on(day, self.agency))
        self._say("submitted", "已提交", "handed in")

    def _accepted(self, day: date) -> Deadline:
        """The agency accepted: its own norm runs from that day."""
        self._say("accepted", "已受理", "accepted")
        self._acknowledged = True
        return self._norm(day)

    def amended(self, word: Amended, attempt: int) -> None:
        """A day of this attempt had been recorded wrongly: what was met by it was met on the right one."""
        if attempt == self.attempt and word.new is not None and word.field == "registration.handed_in_on":
            self.case.met_otherwise(self.deadline_id, self.case.done_on(word.new, self.agency))

    def recounted(self, word: Amended, attempt: int) -> list[Deadline]:
        """The agency's norm, where it is counted from the amended day; changes nothing."""
        counts = "registration.accepted_on" if self._acknowledged else "registration.handed_in_on"
        if attempt != self.attempt or word.new is None or word.field != counts:
            return []
        return [self._norm_from(word.new)] if self._norm_id in self.case.deadlines else []

    def _norm(self, day: date) -> Deadline:
        """It moves when the acceptance came later than the hand-in."""
        return self.case.hold(self._norm_from(day))

    def _norm_from(self, day: date) -> Deadline:
        """The agency's own limit, counted from a day."""
        norm = self.case.deadline("DL-AGENCY-NORM", day, as_id=self._norm_id, authority=self.agency)
        at_agency = self.policy.title
        title = Text(zh=f"{norm.title.zh}（{at_agency.zh}）", en=f"{norm.title.en} ({at_agency.en})")
        return norm.model_copy(update={"title": title})

    async def _chase(self, norm: Deadline) -> None:
        """Some days before the agency's norm ends, a clerk asks how the matter stands."""
        case = self.case
        day = case.calendar(self.agency).add_working_days(case.today(), self.policy.chase_working_days)
        pause = at(day, "08:30") - case.now()
        await workflow.sleep(max(pause, timedelta(0)), summary=f"chase {self.agency}")
        self._say("chased", "办理时限将至，提示催办", "the norm ends soon, a clerk is asked to chase")
        await self._ask(
            "chase",
            Text(zh=f"向{self.policy.title.zh}催办", en=f"Ask the {self.policy.title.en} how the matter stands"),
            ["chased"],
            deadlines=lambda: [norm],
        )

    async def _refused(self, code: str, result: TaskResult | None) -> str:
        if result is not None:
            await self._record("refused", result, code=code)
        self._pending = False
        self.case.reopen(self.deadline_id)
        self._say("refused", f"退回（{code}）", f"refused ({code})", code=code)
        return code

    async def _correct(self, code: str | None) -> None:
        """The clerk corrects the record; the next application is filled from it. `code` is the agency's refusal."""
        result = await self._ask(
            "correction",
            Text(
                zh=f"更正后重新提交{self.policy.title.zh}" + (f"（{code}）" if code else ""),
                en=f"Correct and hand in again, {self.policy.title.en}" + (f" ({code})" if code else ""),
            ),
            ["corrected"],
            deadlines=lambda: [self.case.deadlines[self.deadline_id], self.case.internal("correction")],
            documents=[
                DocumentRequest(code="correction", title=Text(zh="补正材料", en="Corrected papers"), required=False)
            ],
            step="hand_in",
            data={"code": code} if code else None,
            return_to=self._targets(),
        )
        await self.case.record.apply(result.submission_id, f"{self.agency}/{self.attempt}")
        self.case.plan_registrations()

    async def undo(self) -> None:
        """Takes the registration back at the agency: a clerk confirms, and in `http` mode the gateway withdraws it."""
        if not self.handed_in and not self.begun:
            return
        await self._take_back()
        self.case.leave(self.agency, StageState.CANCELLED)

    async def _ask(
        self,
        step_name: str,
        title: Text,
        outcomes: list[str],
        *,
        deadlines: Callable[[], Sequence[Deadline]] = tuple,
        documents: Sequence[DocumentRequest] = (),
        step: str | None = None,
        data: dict[str, str] | None = None,
        return_to: Sequence[ReturnTarget] = (),
        after: str | None = None,
    ) -> TaskResult:
        case = self.case
        again, self._again = self._again, None

        async def question() -> TaskResult:
            return await case.desk.ask(
                TaskSpec(
                    key=case.desk.key(f"{self.agency}.{step_name}"),
                    kind=f"registration.{step_name}",
                    title=title,
                    roles=["clerk"],
                    org_unit=case.facts.org_unit,
                    subject=case.person_id,
                    stage=self.agency,
                    step=step,
                    outcomes=outcomes,
                    documents=list(documents),
                    deadlines=list(deadlines()),
                    authority=self.agency,
                    data={"agency": self.agency, "attempt": self.attempt, **(data or {})},
                    return_to=list(return_to),
                    after=after,
                    again=again,
                )
            )

        return await case.supervised(title, question, self.agency)

    def _targets(self) -> list[ReturnTarget]:
        """Where a task of this branch may be returned to; what lies at the agency is then taken back first."""
        undo = None
        if self._pending:
            at_agency = self.policy.title
            undo = Text(
                zh=f"先在{at_agency.zh}撤回已提交的登记", en=f"first the registration at the {at_agency.en} is undone"
            )
        return [
            target("materials", "材料收集", "materials", undo=undo),
            target("verification", "审核", "verification", AGAIN, undo=undo),
        ]

    async def _record(self, event: str, result: TaskResult, code: str | None = None) -> None:
        await self.case.calls.record_registration(
            RegistrationEvent(
                process_id=self.case.id,
                person_id=self.case.person_id,
                agency=self.agency,
                attempt=self.attempt,
                event=event,
                submission_id=result.submission_id,
                on=self.case.today(),
                code=code,
            )
        )

    def _say(self, kind: str, zh: str, en: str, code: str | None = None) -> None:
        self.case.note(
            kind,
            Text(zh=f"{self.policy.title.zh}：{zh}", en=f"{self.policy.title.en}: {en}"),
            data={"agency": self.agency, "attempt": self.attempt, **({"code": code} if code else {})},
        )
        self.case.touch()


def until_next_question(process: "Process", agency: str, pause: timedelta) -> timedelta:
    """How long to wait before asking an authority's server again: doubling pauses within the first hours, then fixed
    hours of its working days, because nobody decides there at night."""
    if pause <= LONGEST_PAUSE:
        return pause
    now, calendar = process.now(), process.calendar(agency)
    day = process.today()
    while True:
        if calendar.is_working_day(day):
            for hour in ASKING_HOURS:
                if at(day, hour) > now:
                    return at(day, hour) - now
        day = calendar.next_working_day(day)


async def stop(task: "asyncio.Task[Any]") -> None:
    """Cancels a side task and waits for it, so that its open human task is obsolete before we go on.

    Never in a `finally`: when a workflow leaves the worker's cache its coroutines are closed, and may not wait then.
    """
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        workflow.logger.debug("side task stopped")
