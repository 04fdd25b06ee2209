"""Creates the demo university in an empty database: org units, thirteen users with one password.

Idempotent: run again it adds what is missing and changes nothing. The employee's login waits for its person: it is
linked when the hire with that passport number is imported.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cli.demo_people import DEMO_PASSWORD, EMPLOYEE_PASSPORT, ORG_UNITS, demo_users
from store import people
from store.sealed import number_hash
from store.tables.people import OrgUnit, User
from store.users import create_user


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
