"""The way back of an enrolment from a bureau's branch to the steps before the split, while the other branch goes on.

Invariants: the record is made anew by one branch at a time (a second return waits for the first); the other branch is
neither stopped nor run twice. While nothing changed of what it works with it hears nothing; else whoever handles it is
told by what it has in hand: a hand-in not yet made begins again with the new record, an application that lies at the
agency becomes a question to a clerk. The case does not end before these questions are answered.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from schemas.base import Text
from schemas.enrolment import EnrolmentFacts
from schemas.tasks import TaskResult, TaskSpec
from workflows.human_task import Returned
from workflows.returning import reopen

if TYPE_CHECKING:
    from workflows.enrolment import Enrolment
    from workflows.registration import Registration


class Reentry:
    """Of one case."""

    def __init__(self, case: "Enrolment") -> None:
        self._case = case
        self._one = asyncio.Lock()
        self._questions: list[asyncio.Task[Any]] = []

    async def run(self, back: Returned, agency: str) -> None:
        """Does the earlier step again, and all between where the return asked for it."""
        case = self._case
        async with self._one:
            before = {agency: self._known(agency) for agency in case.registrations}
            case.wait_on(agency)
            if back.to == "materials" and back.way == "straight":
                await case.record.materials([], back, agency)
            else:
                await case.record.make(back, agency)
            case.plan_registrations()
            for other in case.registrations.values():
                if other.agency != agency and self._known(other.agency) != before[other.agency]:
                    self._tell(other, back.actor)

    def _known(self, agency: str) -> EnrolmentFacts:
        """What the branch of an agency works with: not the other one's insurances or application, nor the day on which
        the facts were read and what was noticed on it."""
        case = self._case
        insurances, application = self._told(agency)
        return case.facts.model_copy(
            update={
                "today": case.facts.permit_issued,
                "findings": [],
                "insurances": insurances,
                "applications": {agency: application},
            }
        )

    def amended(self, actor: str, *, permit: bool) -> None:
        """The record was amended, by nobody's branch: it is read anew, and whoever tells an agency something else than
        before is told. The day of the `permit` is on no application: only where one lies somebody looks whether the
        agency, which counts the legal time by it, must hear of it."""
        case = self._case
        before = {agency: self._told(agency) for agency in case.registrations}

        async def compare() -> None:
            await case.record.read()
            for other in case.registrations.values():
                if self._told(other.agency) != before[other.agency] or (permit and other.stands):
                    self._tell(other, actor)

        what = Text(zh="核对更正后的参保信息", en="comparing the amended record")
        self._questions.append(case.spawn(case.supervised(what, compare, case.active_stage())))

    def _told(self, agency: str) -> tuple[list[str], str | None]:
        """What an agency is told, as the case knows it: its insurances, and the hash of everything else."""
        facts, handled = self._case.facts, self._case.policy.agency(agency).insurances
        return [i for i in facts.insurances if i in handled], facts.applications.get(agency)

    def _tell(self, other: "Registration", actor: str) -> None:
        """The record has changed under the other branch, by somebody's word."""
        case = self._case
        if other.stands:
            self._questions.append(case.spawn(self._ask(other)))
            return
        for task in case.desk.open_tasks:
            if task.spec.kind == "registration.hand_in" and task.spec.authority == other.agency:
                reopen(
                    case.desk,
                    task,
                    Text(
                        zh=f"参保信息已更改，按新信息重新办理：{task.spec.title.zh}",
                        en=f"The record has changed, to be done with the new one: {task.spec.title.en}",
                    ),
                    "hand_in",
                    actor,
                )

    async def _ask(self, other: "Registration") -> TaskResult:
        case = self._case
        title = other.policy.title
        return await case.desk.ask(
            TaskSpec(
                key=case.desk.key(f"{other.agency}.record_changed"),
                kind="registration.record_changed",
                title=Text(
                    zh=f"参保信息已更改，核对是否须在{title.zh}更正",
                    en=f"The record has changed: see whether the {title.en} must correct it",
                ),
                roles=["clerk"],
                org_unit=case.facts.org_unit,
                subject=case.person_id,
                stage=other.agency,
                outcomes=["corrected", "unaffected"],
                deadlines=[case.internal("correction")],
                authority=other.agency,
                data={"agency": other.agency, "attempt": other.attempt},
            )
        )

    async def all_checked(self) -> None:
        """Until every question about a changed record is answered, those included that come up meanwhile."""
        while waiting := [q for q in self._questions if not q.done()]:
            await asyncio.gather(*waiting)
