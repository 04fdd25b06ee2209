"""Cases for the page tests, written by the same projection that the worker's activity uses; nobody here exists."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from domain.times import at
from runtime import clock
from schemas.base import Text
from schemas.countersign import Seat, SeatState, Signer, SignGroup
from schemas.deadlines import Deadline, DerivationStep, LegalKind, PlannedStep
from schemas.enrolment import ForeignHire
from schemas.forms import outcome
from schemas.process import (
    ProcessSnapshot,
    ProcessState,
    Reminder,
    RungInstant,
    Stage,
    StageState,
    TimelineEntry,
    Transition,
)
from schemas.steps import ReturnTarget
from schemas.tasks import DocumentRequest, TaskResult, TaskSnapshot, TaskSpec, TaskState
from store import imports, projection, submissions
from store.database import session
from store.tables.processes import Process, Task

STAGES = (
    ("materials", "材料收集", "Materials", 1),
    ("verification", "材料审核", "Verification", 2),
    ("social_bureau", "社保局登记", "Social bureau", 3),
    ("medical_bureau", "医保局登记", "Medical bureau", 3),
    ("tax_payment", "税务缴费", "Tax payment", 4),
    ("reimbursement", "校内报账", "Reimbursement", 5),
    ("notice", "通知", "Notice", 6),
    ("closed", "办结", "Closed", 7),
)
CHECKLIST = [
    ("M01", "护照信息页", "Passport data page", True),
    ("M02", "外国人工作许可证（或电子工作许可、通知）", "Work permit (card, electronic, or notice)", True),
    ("M03", "外国人居留许可（工作类）", "Residence permit for work", True),
    ("M04", "劳动合同或聘用合同", "Employment contract", True),
    ("M07", "证件照片、银行账户、联系方式", "Photograph, bank account, contact", False),
]
KINDS: dict[str, tuple[str, str, list[str], list[str], str]] = {
    "materials": ("提供参保材料", "Provide the materials", ["college"], ["submit"], "enrolment.materials"),
    "verification": (
        "审核参保材料",
        "Verify the materials",
        ["clerk"],
        ["approve", "return"],
        "enrolment.verification",
    ),
    "social_bureau": (
        "在社保局网厅提交",
        "Hand in at the social bureau",
        ["clerk"],
        ["handed_in"],
        "registration.hand_in",
    ),
    "medical_bureau": (
        "登记医保局结果",
        "Result of the medical bureau",
        ["clerk"],
        ["approved", "refused"],
        "registration.result",
    ),
    "tax_payment": (
        "是否先缴已办结一方",
        "Pay the approved side now?",
        ["clerk"],
        ["pay_approved", "wait"],
        "enrolment.partial_payment",
    ),
}


def deadline(due: date, kind: LegalKind, zh: str, en: str, *, need: int = 2, provisional: bool = False) -> Deadline:
    """A computed deadline with an explanation, as the domain makes them."""
    return Deadline(
        id=f"DL-{kind.value}",
        title=Text(zh=zh, en=en),
        legal_kind=kind,
        due=due,
        due_at=at(due, "17:00"),
        internal_due=due,
        latest_start=(begin := at(due - timedelta(days=need), "08:30")),
        plan=[PlannedStep(step="hand_in", working_days=need, latest_start=begin, latest_end=due)],
        provisional=provisional,
        sample=kind is LegalKind.INTERNAL,
        met_by="handed_in",
        consequence=Text(
            zh="自欠缴之日起按日加收万分之五滞纳金", en="A late fee of 0.05 % a day from the day of default"
        ),
        derivation=[
            DerivationStep(
                kind="article",
                text=Text(zh="人社部令第16号第四条：三十日内", en="MOHRSS Order 16 art. 4: within thirty days"),
            ),
            DerivationStep(
                kind="anchor", text=Text(zh="起算：工作许可签发日", en="Counted from: issue of the work permit")
            ),
            DerivationStep(kind="result", text=Text(zh=f"到期日：{due}", en=f"Due: {due}")),
        ],
    )


async def open_case(number: int, stages: list[str], due_in: int, *, done: list[str] | None = None) -> str:
    """An enrolment with open tasks in `stages`, due in so many days; `done` stages are behind it."""
    now, today = clock.now(), clock.today()
    done = done or []
    values = hire_values(number, today)
    async with session() as s:
        process = await imports.open_enrolment(s, ForeignHire.model_validate(values), "clerk", source="test")
        process_id, person, unit = process.id, process.subject, process.org_unit
    law = deadline(
        today + timedelta(days=due_in), LegalKind.STATUTORY, "外籍人员参保登记", "Register the foreign employee"
    )
    target = deadline(
        today + timedelta(days=due_in + 1),
        LegalKind.INTERNAL,
        "校内办理时限",
        "Our own target",
        provisional=due_in > 30,
    )
    tasks = [_task(process_id, stage, person, unit, [law, target], now) for stage in stages]
    for stage in (x for x in done if x in KINDS):
        tasks.append(await _done(_task(process_id, stage, person, unit, [law], now), values, now))
    rows = [
        Stage(
            code=code,
            title=Text(zh=zh, en=en),
            column=column,
            state=StageState.DONE if code in done else StageState.ACTIVE if code in stages else StageState.PENDING,
            entered_at=now - timedelta(days=3) if code in (*done, *stages) else None,
            left_at=now - timedelta(days=1) if code in done else None,
            waiting_on="social_bureau" if code == "social_bureau" and code in stages else None,
        )
        for code, zh, en, column in STAGES
    ]
    timeline = [
        TimelineEntry(
            seq=1,
            at=now - timedelta(days=3),
            kind="started",
            text=Text(zh="个案已发起", en="The case was started"),
            actor="clerk",
        ),
        *(
            TimelineEntry(
                seq=2 + i,
                at=now - timedelta(days=2),
                kind="task_opened",
                task_id=t.id,
                text=Text(zh=f"任务到达：{t.spec.title.zh}", en=f"Task opened: {t.spec.title.en}"),
            )
            for i, t in enumerate(tasks)
        ),
    ]
    reminder = Reminder(
        task_id=tasks[0].id,
        to="holder",
        at=now,
        text=Text(zh=f"提醒：{tasks[0].spec.title.zh} 即将到期", en=f"Reminder: {tasks[0].spec.title.en} is due soon"),
        rungs=[RungInstant(key=f"{process_id}:1", deadline_id=law.id, rung="d1", to="holder", at=now)],
    )
    snapshot = ProcessSnapshot(
        id=process_id,
        kind="enrolment",
        revision=1,
        state=ProcessState.RUNNING,
        subject=person,
        org_unit=unit,
        stages=rows,
        deadlines=[law, target],
        started_at=now - timedelta(days=3),
        flags=["late_at_birth"] if due_in < 0 else [],
    )
    async with session() as s:
        await projection.apply(
            s, Transition(process=snapshot, tasks=tasks, timeline=timeline, reminders=[reminder]), now
        )
    return process_id


def hire_values(number: int, today: date) -> dict[str, Any]:
    """Clean values of one invented person."""
    names = (
        "Anna Becker",
        "Takumi Sato",
        "Camille Moreau",
        "Junho Park",
        "Emily Johnson",
        "Luka Petrovic",
        "Maya Roy",
        "Elena Navarro",
    )
    countries = ("DEU", "JPN", "FRA", "KOR", "USA", "SRB", "CAN", "ESP")
    units = ("business", "foreign_languages", "physics", "law", "arts", "mathematics", "history", "computer_science")
    i = number % len(names)
    return {
        "name": names[i],
        "sex": "female" if i % 2 == 0 else "male",
        "country": countries[i],
        "birth": "1985-03-14",
        "id_number": f"C{number:02d}X00T4{number % 10}",
        "id_expires": "2033-01-31",
        "work_permit_no": f"51002026{number:08d}",
        "permit_issued": (today - timedelta(days=8)).isoformat(),
        "permit_expires": (today + timedelta(days=720)).isoformat(),
        "residence_expires": (today + timedelta(days=720)).isoformat(),
        "org_unit": units[i],
        "post": "Lecturer",
        "contract_start": (today - timedelta(days=4)).isoformat(),
        "contract_end": (today + timedelta(days=700)).isoformat(),
        "monthly_wage": "18000.00",
    }


BACK = [ReturnTarget(step="materials", title=Text(zh="材料收集", en="materials"))]


def _signatures() -> SignGroup:
    """A countersign with one who has signed, one who is asked and one who was added."""
    return SignGroup(
        id="sign/1",
        mode="quorum",
        need=2,
        seats=[
            Seat(id="1", place=1, signer=Signer(role="supervisor"), state=SeatState.APPROVED, actor="supervisor"),
            Seat(id="2", place=2, signer=Signer(role="clerk"), state=SeatState.OPEN),
            Seat(id="3", place=2, signer=Signer(username="finance"), added_by="clerk"),
        ],
    )


def _task(
    process_id: str, stage: str, person: str | None, unit: str | None, deadlines: list[Deadline], now: datetime
) -> TaskSnapshot:
    zh, en, roles, outcomes, kind = KINDS[stage]
    papers = {"materials": CHECKLIST, "social_bureau": [("receipt", "受理回执", "Receipt", True)]}.get(stage, [])
    documents = [DocumentRequest(code=c, title=Text(zh=z, en=e), required=r) for c, z, e, r in papers]
    return TaskSnapshot(
        id=task_id(process_id, stage),
        process_id=process_id,
        revision=1,
        state=TaskState.READY,
        version=1,
        opened_at=now - timedelta(days=2),
        deadlines=deadlines,
        spec=TaskSpec(
            key=f"{stage}/1",
            kind=kind,
            title=Text(zh=zh, en=en),
            roles=roles,
            org_unit=unit,
            subject=person,
            stage=stage,
            outcomes=outcomes,
            documents=documents,
            authority=stage if stage.endswith("bureau") else None,
            data={"agency": stage, "attempt": 1} if stage.endswith("bureau") else {},
            return_to=BACK if stage.endswith("bureau") else [],
            sign=_signatures() if stage == "tax_payment" else None,
        ),
    )


async def _done(task: TaskSnapshot, hire: dict[str, Any], now: datetime) -> TaskSnapshot:
    """The task as clerk2 finished it, with the stored answer behind it."""
    spec = task.spec
    form = outcome(spec.kind, spec.outcomes[0]).form
    answers: dict[str, dict[str, Any]] = {
        "materials": hire,
        "social_bureau": {"handed_in_on": now.date(), "receipt_no": "SL202611240001"},
        "medical_bureau": {"approved_on": now.date(), "number": "DEU0C01X00T47"},
    }
    body = form.model_validate(answers.get(spec.stage, {})).model_dump(mode="json")
    async with session() as s:
        row = await submissions.add(
            s,
            task_id=task.id,
            process_id=task.process_id,
            kind=spec.kind,
            key="done",
            digest="done",
            form=body,
            outcome_code=spec.outcomes[0],
            version=1,
            actor="clerk2",
            on_behalf=False,
            reason=None,
            document_id=None,
            now=now,
        )
    result = TaskResult(outcome=spec.outcomes[0], actor="clerk2", submission_id=row.id, at=now)
    closed = {
        "state": TaskState.COMPLETED,
        "closed_at": now - timedelta(hours=20),
        "result": result,
        "version": 2,
        "revision": 2,
    }
    return task.model_copy(update=closed)


def task_id(process_id: str, stage: str) -> str:
    """The id of a stage's first task."""
    return str(uuid5(NAMESPACE_URL, f"{process_id}/{stage}/1"))


async def holder_of(task: str) -> str | None:
    """Who holds a task, by the row."""
    async with session() as s:
        return (await s.get_one(Task, task)).holder


async def cases_in_rows() -> int:
    """How many cases there are."""
    async with session() as s:
        return len((await s.execute(Process.__table__.select())).all())
