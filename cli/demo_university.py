"""Creates the demo university in an empty database: org units, thirteen users with one password, and its past.

Idempotent: run again it adds what is missing and changes nothing. The employee's login waits for its person: it is
linked when the hire with that passport number is imported. The past (`cli/demo_past.py`) is written only where there is
no case yet.
"""

from datetime import date
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from cli.demo_past import past_cases
from cli.demo_people import DEMO_PASSWORD, EMPLOYEE_PASSPORT, ORG_UNITS, demo_users
from schemas.process import DEMO_DATA
from store import audit, case_rules, people, policies, projection
from store.sealed import number_hash
from store.tables.people import Hire, OrgUnit, Person, User
from store.tables.processes import Process, Task, Timeline
from store.users import create_user

CATEGORY = "FOREIGN_WORK_PERMIT"


async def create_demo(session: AsyncSession) -> list[dict[str, Any]]:
    """Writes what is missing in the caller's transaction. Gives every login as `{name, password, roles}`."""
    known = set(await session.scalars(select(OrgUnit.id)))
    session.add_all(OrgUnit(id=u.id, name_zh=u.zh, name_en=u.en, kind=u.kind) for u in ORG_UNITS if u.id not in known)
    await session.flush()
    logins = set(await session.scalars(select(User.username)))
    users = demo_users()
    for user in users:
        if user.username in logins:
            continue
        employee = "employee" in user.roles
        created = await create_user(
            session,
            user.username,
            DEMO_PASSWORD,
            name_zh=user.zh,
            name_en=user.en,
            roles=list(user.roles),
            org_units=list(user.org_units),
            email=f"{user.username}@example.edu",
            person_id_hash=number_hash(EMPLOYEE_PASSPORT) if employee else None,
        )
        if employee:
            person = await people.find_person(session, EMPLOYEE_PASSPORT)
            created.person_id = person.id if person else None
    await session.flush()
    return [{"name": u.username, "password": DEMO_PASSWORD, "roles": list(u.roles)} for u in users]


async def create_past(session: AsyncSession, today: date) -> int:
    """Writes the closed cases of the last months in the caller's transaction, one statement a table; how many. Where
    there is a case already nothing is written."""
    if await session.scalar(select(Process.id).limit(1)) is not None:
        return 0
    cases = past_cases(today, policies.snapshot())
    insurances = (await case_rules.of_version(session, "")).insurances(CATEGORY)
    persons, rows = list[Person](), list[Hire | Process]()
    tasks, lines = list[dict[str, Any]](), list[dict[str, Any]]()
    for case in cases:
        snapshot, hire = case.process, case.hire
        person, record = people.rows_of(
            hire, snapshot.subject or "", snapshot.id, source=DEMO_DATA, now=snapshot.started_at,
            category=CATEGORY, exempt=[], insurances=insurances,
        )  # fmt: skip
        process = Process(
            id=snapshot.id,
            kind=snapshot.kind,
            case_no=case.number,
            title=people.shown_name(hire.name, hire.name_zh),
            search=people.search_text(case.number, hire.name, hire.name_zh),
            subject=snapshot.subject,
            org_unit=snapshot.org_unit,
            started_by=case.started_by,
            started_at=snapshot.started_at,
            deadlines=[],
        )
        projection.update_process(process, snapshot)
        persons.append(person)
        rows += (record, process)
        tasks += [projection.task_columns(process, task, []) for task in case.tasks]
        lines += [projection.line_columns(process.id, entry) for entry in case.timeline]
    for several in (persons, rows):
        session.add_all(several)
        await session.flush()
    await session.execute(insert(Task), tasks)
    await session.execute(insert(Timeline), lines)
    audit.record(session, "demo", "demo.past", "all", cases=len(cases))
    return len(cases)
