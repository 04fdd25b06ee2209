"""The record of a hire: the college's materials and their verification, done again for as long as they go back.

A verification returns once, with all defects, by its own outcome; the college may take its materials back until then; a
bureau's branch sends the case here through `workflows/reentry.py`. The statutory date runs on all the while.
"""

import asyncio
from typing import TYPE_CHECKING

from temporalio import workflow

from schemas.base import Text
from schemas.calls import AppliedForm, CaseArg, ExemptionDecision
from schemas.tasks import DocumentRequest, TaskResult, TaskSpec
from workflows.human_task import Returned
from workflows.returning import taken_up, why

with workflow.unsafe.imports_passed_through():
    from domain.materials import document_requests

if TYPE_CHECKING:
    from workflows.enrolment import Enrolment

SUBMIT = Text(zh="提交参保材料", en="Submit the materials")
CORRECT = Text(zh="补正参保材料", en="Correct the materials")
VERIFY = Text(zh="审核参保材料", en="Verify the materials")


class Record:
    """Of one case."""

    def __init__(self, case: "Enrolment") -> None:
        self._case = case
        self._rounds = 0
        self._submitted_by = ""  # who submitted the materials as they stand; the same person does not verify them
        self._readings = 0
        self._writing = asyncio.Lock()

    @property
    def insurances(self) -> list[str] | None:
        """What is paid as the case knows it; None before its facts were read for the first time."""
        return self._case.facts.insurances if self._readings else None

    async def read(self) -> None:
        """The facts of the record, by the rules that the case works by now."""
        case = self._case
        async with self._writing:
            n = self._readings + 1
            arg = CaseArg(process_id=case.id, person_id=case.person_id)
            case.facts = await case.calls.load_enrolment_facts(arg, n)
            self._readings = n

    async def apply(self, submission_id: str, key: str) -> None:
        """Takes a form over into the record; the case goes on with the record as it then is.

        One form at a time: both bureaus' branches correct the record, and the answer to the earlier correction, coming
        after the answer to the later one, would put the old record back.
        """
        case = self._case
        arg = AppliedForm(process_id=case.id, person_id=case.person_id, submission_id=submission_id)
        async with self._writing:
            case.facts = await case.calls.apply_record(arg, key)

    async def make(self, back: Returned | None = None, agency: str | None = None) -> None:
        """From the materials, or from the step to which the case goes back, to the approved record.

        `agency`: the branch that returned the case; its own date stands while the record is made anew.
        """
        case = self._case
        defects: list[dict[str, str]] = []
        step = back.to if back else "materials"
        while True:
            if step == "materials":
                await self.materials(defects, back, agency)
            try:
                result = await self._verification(back if step == "verification" else None, agency)
            except Returned as withdrawn:  # the college takes its materials back
                step, back = "materials", withdrawn
                continue
            if result.outcome == "approve":
                break
            step, back, defects = "materials", None, result.data["defects"]
        decision = ExemptionDecision(
            process_id=case.id,
            person_id=case.person_id,
            exempt=result.data.get("exempt", []),
            certificate=result.data.get("certificate", "none"),
            actor=result.actor,
        )
        async with self._writing:
            case.facts = await case.calls.record_exemption(decision)

    async def materials(
        self, defects: list[dict[str, str]], back: Returned | None = None, agency: str | None = None
    ) -> None:
        """The college's record and papers, taken over."""
        case = self._case
        self._rounds += 1
        n = self._rounds
        title = CORRECT if defects or back else SUBMIT

        async def ask() -> TaskResult:
            statutory = case.registration_deadline(["materials", "verification", "hand_in"], agency)
            if statutory.due_at <= case.now():
                case.flag("late_at_birth")
            spec = TaskSpec(
                key=case.desk.key("materials"),
                kind="enrolment.materials",
                title=title,
                roles=["college"],
                org_unit=case.facts.org_unit,
                subject=case.person_id,
                stage="materials",
                step="materials",
                outcomes=["submit"],
                documents=self._checklist(),
                deadlines=[statutory, case.internal("materials")],
                data={"defects": defects, **why(back)},
                former=back.former if back else None,
            )
            return await case.desk.ask(taken_up(case.desk, spec, back))

        async with case.stage("materials"):
            result = await case.supervised(title, ask, "materials")
        self._submitted_by = result.actor
        await self.apply(result.submission_id, f"materials/{n}")

    async def _verification(self, back: Returned | None, agency: str | None) -> TaskResult:
        case = self._case

        async def ask() -> TaskResult:
            statutory = case.registration_deadline(["verification", "hand_in"], agency)
            spec = TaskSpec(
                key=case.desk.key("verification"),
                kind="enrolment.verification",
                title=VERIFY,
                roles=["clerk"],
                org_unit=case.facts.org_unit,
                subject=case.person_id,
                stage="verification",
                step="verification",
                outcomes=["approve", "return"],
                excluded=[self._submitted_by],  # four eyes, also where a clerk did the college's task for it
                deadlines=[statutory, case.internal("verification")],
                data={"findings": case.facts.findings, **why(back)},
                after=case.desk.latest("materials"),
                former=back.former if back else None,
            )
            return await case.desk.ask(taken_up(case.desk, spec, back))

        async with case.stage("verification"):
            return await case.supervised(VERIFY, ask, "verification")

    def _checklist(self) -> list[DocumentRequest]:
        """The category's checklist; a conditional paper is required only where its condition holds."""
        case = self._case
        conditions = ["if_treaty_claimed"] if case.facts.certificate.value == "held" else []
        return document_requests(case.policy.checklists[case.facts.category], conditions)
