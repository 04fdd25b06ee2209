"""The demo university's past: closed enrolments of the last months, for figures and forecast to count.

Pure data: the same seed and day give the same cases for ever; no clock, no database (`cli/demo_university.py` writes
them). Working days, deadlines and steps are those of the rules, durations are drawn.

Invariants: every case is closed before the given day and says that it is demo data: its number begins with DEMO, it
carries the flag `DEMO_DATA`, and its timeline begins with it. No workflow ran, no authority was asked, and there are no
papers, payments and vouchers: the stages of the money were left out, not done.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cli.demo_people import DEMO_SEED, FIRST_COLLEGES, ORG_UNITS, demo_hire
from domain.calendar import WorkCalendar, work_calendar
from domain.deadlines import compute, replan
from domain.times import at, day_of
from schemas.base import Text
from schemas.deadlines import Deadline, PolicySnapshot
from schemas.enrolment import KIND, Certificate, ForeignHire, HireKind, Sex
from schemas.forms import outcome as form_outcome
from schemas.process import DEMO_DATA, ProcessSnapshot, ProcessState, Stage, StageState, TimelineEntry
from schemas.tasks import TaskResult, TaskSnapshot, TaskSpec, TaskState

CASES = 60
FIRST_DAYS_AGO, LAST_DAYS_AGO = 215, 25  # lint: allow law-number - when the cases began, no rule
AGENCIES = ("social_bureau", "medical_bureau")
CLERKS = ("clerk", "clerk2")
_IDS = {u.zh: u.id for u in ORG_UNITS}
_SAYS = Text(
    zh="演示数据：随演示大学生成，没有运行流程，没有材料、缴费和报账",
    en="Demo data: made with the demo university; no process ran, and there are no papers, payments or vouchers",
)
_LEFT_OUT = Text(zh="演示数据不含此步骤", en="not part of the demo data")
# How often a step takes one working day, two, three and so on, the day on which it begins counted.
_DAYS: dict[str, Sequence[int]] = {
    "enrolment.materials": (2, 4, 6, 6, 5, 3, 2, 1),
    "enrolment.verification": (5, 6, 4, 2, 1),
    "registration.hand_in": (6, 5, 2, 1),
    "registration.acceptance": (3, 4, 2, 1),
    "registration.result": (0, 1, 2, 4, 5, 6, 6, 4, 3, 2, 1, 1, 1),
}
_STAGES = (
    ("materials", "材料收集", "Materials", 0),
    ("verification", "审核", "Verification", 1),
    ("social_bureau", "社保局登记", "Social bureau", 2),
    ("medical_bureau", "医保局登记", "Medical bureau", 2),
    ("tax_payment", "税务缴费", "Tax payment", 3),
    ("reimbursement", "校内报账", "Reimbursement", 4),
    ("notice", "通知归档", "Notice", 5),
)


@dataclass
class PastCase:
    """A closed case as its workflow would have projected it, with the record behind it."""

    number: str
    hire: ForeignHire
    process: ProcessSnapshot
    started_by: str = CLERKS[0]
    tasks: list[TaskSnapshot] = field(default_factory=list[TaskSnapshot])
    timeline: list[TimelineEntry] = field(default_factory=list[TimelineEntry])


def past_cases(today: date, policy: PolicySnapshot, seed: int = DEMO_SEED) -> list[PastCase]:
    """The cases that were closed before `today`, the oldest first."""
    step = (FIRST_DAYS_AGO - LAST_DAYS_AGO) / (CASES - 1)
    began = (today - timedelta(days=round(FIRST_DAYS_AGO - n * step)) for n in range(CASES))
    known: dict[tuple[str, date, str], Deadline] = {}
    made = (_Maker(n, day, policy, seed, known).case() for n, day in enumerate(began, start=1))
    return [c for c in made if c.process.closed_at is not None and day_of(c.process.closed_at) < today]


def _record(row: dict[str, Any]) -> ForeignHire:
    """A row of a college's list in clean values."""
    return ForeignHire(
        name=row["姓名(护照)"],
        sex=Sex.MALE if row["性别"] == "男" else Sex.FEMALE,
        country=row["国籍代码"],
        birth=row["出生日期"],
        id_number=row["证件号码"],
        id_expires=row["证件有效期至"],
        work_permit_no=row["工作许可证号"],
        permit_issued=row["工作许可签发日期"],
        permit_expires=row["工作许可有效期至"],
        residence_expires=row["居留许可有效期至"],
        org_unit=_IDS[row["所属学院"]],
        post=row["岗位"],
        contract_start=row["合同开始日期"],
        contract_end=row["合同结束日期"],
        monthly_wage=row["月工资"],
        phone=row["手机"],
        email=row["邮箱"],
        hire_kind=HireKind.POSTED if row["聘用方式"] == "派遣" else HireKind.LOCAL_HIRE,
        certificate=Certificate.HELD if row["协议国参保证明"] == "有" else Certificate.NONE,
    )


class _Maker:
    """Walks one case from its start to its end, by hand at both bureaus."""

    def __init__(
        self, number: int, day: date, policy: PolicySnapshot, seed: int, known: dict[tuple[str, date, str], Deadline]
    ) -> None:
        self.known = known  # deadlines that were counted before, for all cases: most of the work is counting them
        self.rng = random.Random(f"{seed}/{number}")  # noqa: S311 - the same case for the same seed, nothing secret
        self.policy = policy
        self.school: WorkCalendar = work_calendar(policy.calendar("school"))
        first = self.school.next_working_day(day, include_self=True)
        self.started_at = self._within(first, "08:30", "11:30")
        self.hire = _record(demo_hire(self.rng, first))
        self.number = f"DEMO{first.year}-{number:04d}"
        self.id = f"{KIND}-{self.number}"
        self.person_id = str(uuid5(NAMESPACE_URL, f"{self.id}/person"))
        self.college = "college" if self.hire.org_unit in FIRST_COLLEGES else "college2"
        self.deadlines: dict[str, Deadline] = {}
        self.tasks: list[TaskSnapshot] = []
        self.stages = {code: Stage(code=code, title=Text(zh=zh, en=en), column=n) for code, zh, en, n in _STAGES}
        self.said: list[tuple[datetime, str, Text, str | None, str | None]] = [
            (self.started_at, "note", _SAYS, None, None),
            (self.started_at, "started", Text(zh="流程开始", en="Process started"), CLERKS[0], None),
        ]

    def case(self) -> PastCase:
        end = self._record_made()
        for code in ("materials", "verification"):
            self._stage(code)
        closed_at = max(self._registered(agency, end) for agency in AGENCIES)
        for code in ("tax_payment", "reimbursement", "notice"):
            self.stages[code].state, self.stages[code].note = StageState.SKIPPED, _LEFT_OUT
        self.said.append((closed_at, "closed", Text(zh="流程办结", en="Process closed"), None, None))
        lines = sorted(self.said, key=lambda line: line[0])
        process = ProcessSnapshot(
            id=self.id,
            kind=KIND,
            revision=len(self.tasks),
            state=ProcessState.CLOSED,
            subject=self.person_id,
            org_unit=self.hire.org_unit,
            stages=list(self.stages.values()),
            deadlines=list(self.deadlines.values()),
            started_at=self.started_at,
            closed_at=closed_at,
            policy_version=self.policy.version,
            flags=[DEMO_DATA],
        )
        timeline = [
            TimelineEntry(seq=n, at=moment, kind=kind, text=text, actor=actor, task_id=task_id)
            for n, (moment, kind, text, actor, task_id) in enumerate(lines, start=1)
        ]
        return PastCase(self.number, self.hire, process, tasks=self.tasks, timeline=timeline)

    # --- the steps ---------------------------------------------------------------------------------------------------

    def _record_made(self) -> datetime:
        """Materials and verification, now and then returned once."""
        now, defects = self.started_at, list[dict[str, str]]()
        permit = self.hire.permit_issued
        again = self.rng.random() < 0.12
        while True:
            statutory = self._deadline("DL-REG-FOR", permit, ("materials", "verification", "hand_in"), AGENCIES[0])
            title = Text(zh="提交参保材料", en="Submit the materials")
            if defects:
                title = Text(zh="补正参保材料", en="Correct the materials")
            spec = self._spec("materials", "enrolment.materials", title, "college", ["submit"], step="materials")
            spec.data = {"defects": defects}
            now = self._done(spec, now, [statutory, self._target("materials", now)], "submit", self.college)
            statutory = self._deadline("DL-REG-FOR", permit, ("verification", "hand_in"), AGENCIES[0])
            title = Text(zh="审核参保材料", en="Verify the materials")
            outcomes = ["approve", "return"]
            spec = self._spec("verification", "enrolment.verification", title, "clerk", outcomes, step="verification")
            if not again or defects:
                data = {"exempt": [], "certificate": self.hire.certificate.value}
                return self._done(spec, now, [statutory, self._target("verification", now)], "approve", **data)
            defects = [{"code": "R06", "concerns": "contract", "note": ""}]
            due = [statutory, self._target("verification", now)]
            now = self._done(spec, now, due, "return", defects=defects)

    def _registered(self, agency: str, now: datetime) -> datetime:
        """Handed in, accepted and approved at one bureau; gives when."""
        at_agency = self.policy.agency(agency).title
        legal = f"DL-REG-FOR@{agency}"
        statutory = self._deadline("DL-REG-FOR", self.hire.permit_issued, ("hand_in",), agency, legal)
        title = Text(zh=f"向{at_agency.zh}提交参保申请", en=f"Hand in the application at the {at_agency.en}")
        spec = self._spec(agency, "registration.hand_in", title, "clerk", ["handed_in"], step="hand_in")
        handed_in = self._done(spec, now, [statutory, self._target("hand_in", now)], "handed_in")
        self.deadlines[legal] = statutory.model_copy(update={"met_at": handed_in})

        own = f"DL-AGENCY-NORM@{agency}/1"
        norm = self._deadline("DL-AGENCY-NORM", day_of(handed_in), (), agency, own)
        title = Text(zh=f"登记{at_agency.zh}受理结果", en=f"Record whether the {at_agency.en} accepted")
        spec = self._spec(agency, "registration.acceptance", title, "clerk", ["accepted", "refused"])
        accepted = self._done(spec, handed_in, [norm], "accepted")
        norm = self._deadline("DL-AGENCY-NORM", day_of(accepted), (), agency, own)
        title = Text(zh=f"登记{at_agency.zh}办理结果", en=f"Record the result of the {at_agency.en}")
        spec = self._spec(agency, "registration.result", title, "clerk", ["approved", "refused"])
        approved = self._done(spec, accepted, [norm], "approved")
        self.deadlines[own] = norm.model_copy(update={"met_at": approved})
        self._stage(agency)
        return approved

    # --- what they are made of ---------------------------------------------------------------------------------------

    def _spec(
        self, stage: str, kind: str, title: Text, role: str, outcomes: list[str], step: str | None = None
    ) -> TaskSpec:
        name = f"{stage}/{kind.partition('.')[2]}" if stage in AGENCIES else stage
        n = 1 + sum(1 for t in self.tasks if t.spec.kind == kind and t.spec.stage == stage)
        return TaskSpec(
            key=f"{name}/{n}",
            kind=kind,
            title=title,
            roles=[role],
            org_unit=self.hire.org_unit,
            subject=self.person_id,
            stage=stage,
            step=step,
            outcomes=outcomes,
            authority=stage if stage in AGENCIES else None,
        )

    def _done(
        self,
        spec: TaskSpec,
        opened_at: datetime,
        deadlines: list[Deadline],
        outcome: str,
        actor: str | None = None,
        **data: Any,
    ) -> datetime:
        """The finished task, and when it was finished."""
        weights = _DAYS[spec.kind]
        days = self.rng.choices(range(len(weights)), weights)[0]
        if days:
            closed_at = self._within(self.school.add_working_days(day_of(opened_at), days), "09:00", "16:30")
        else:
            closed_at = opened_at + timedelta(minutes=self.rng.randint(10, 50))
        actor = actor or self.rng.choices(CLERKS, (3, 2))[0]
        task_id = str(uuid5(NAMESPACE_URL, f"{self.id}/{spec.key}"))
        met = [d.model_copy(update={"met_at": closed_at}) if d.id.startswith("INT-") else d for d in deadlines]
        self.deadlines |= {d.id: d for d in met if d.id.startswith("INT-")}
        result = TaskResult(outcome=outcome, data=data, actor=actor, submission_id="", at=closed_at)
        self.tasks.append(
            TaskSnapshot(
                id=task_id,
                process_id=self.id,
                revision=len(self.tasks) + 1,
                spec=spec,
                state=TaskState.COMPLETED,
                version=2,
                opened_at=opened_at,
                closed_at=closed_at,
                result=result,
                deadlines=met,
            )
        )
        title = form_outcome(spec.kind, outcome).title
        text = Text(zh=f"{spec.title.zh}：{title.zh}", en=f"{spec.title.en}: {title.en}")
        self.said.append((closed_at, "task_completed", text, actor, task_id))
        return closed_at

    def _deadline(
        self, rule_id: str, anchor: date, steps: Sequence[str], authority: str, as_id: str | None = None
    ) -> Deadline:
        if (rule_id, anchor, authority) not in self.known:
            rule = self.policy.rule(rule_id, anchor)
            if authority:
                rule = rule.model_copy(update={"authority": authority})
            self.known[rule_id, anchor, authority] = compute(rule, anchor, self.policy, remaining_steps=list(steps))
        found = self.known[rule_id, anchor, authority]
        if found.basis is not None and found.basis.steps != list(steps):
            found = replan(found, self.policy, remaining_steps=list(steps))
        return found.model_copy(update={"id": as_id or rule_id})

    def _target(self, step: str, opened_at: datetime) -> Deadline:
        """The school's own target of a step."""
        rule_id = f"INT-{step.upper().replace('_', '-')}"
        n = 1 + sum(1 for known in self.deadlines if known.startswith(f"{rule_id}/"))
        return self._deadline(rule_id, day_of(opened_at), (step,), "", f"{rule_id}/{n}")

    def _stage(self, code: str) -> None:
        """Passed: from its first task to its last."""
        own = [t for t in self.tasks if t.spec.stage == code]
        stage = self.stages[code]
        stage.state, stage.entered_at, stage.left_at = StageState.DONE, own[0].opened_at, own[-1].closed_at

    def _within(self, day: date, first: str, last: str) -> datetime:
        begin, end = at(day, first), at(day, last)
        return begin + timedelta(minutes=self.rng.randint(0, int((end - begin).total_seconds()) // 60))
