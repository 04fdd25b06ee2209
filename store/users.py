"""Logins, their roles and scope, browser sessions and bearer tokens.

Invariants: passwords are argon2 hashes, cookies and tokens are stored as hashes only; five failures lock a login for a
quarter of an hour. `Viewer` is the one description of who asks; every query that shows cases takes it.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pwdlib import PasswordHash
from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, delete, false, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from schemas.base import ROLES, Text
from schemas.countersign import named
from store import live
from store.tables.desk import Substitution
from store.tables.people import ApiToken, OrgUnit, Session, User, UserOrgUnit, UserRole

FAILURES_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=15)
SESSION_LASTS = timedelta(hours=12)
PASSED_ON = frozenset(("clerk", "supervisor", "head", "payroll", "finance", "college"))  # to a substitute

_passwords = PasswordHash.recommended()


class BadUser(ValueError):
    """A user cannot be made as asked; the sentence says why, in both languages."""


class LastAdministrator(ValueError):
    """Nobody else could run the system."""


@dataclass(frozen=True)
class Viewer:
    """Who asks: login, roles, the colleges of a college officer, and the person behind an employee's login.

    `absent` are those whose substitute this user is today; their roles serve to see and do their tasks, nothing else,
    so `has` knows the own roles only.
    """

    username: str
    name: Text
    roles: frozenset[str]
    org_units: frozenset[str] = frozenset()
    person_id: str | None = None
    absent: tuple["Viewer", ...] = ()

    def has(self, *roles: str) -> bool:
        return not self.roles.isdisjoint(roles)

    @property
    def hats(self) -> tuple["Viewer", ...]:
        """Under whose names this user may see and do tasks: the own, then those of absent people."""
        return (self, *self.absent)

    @property
    def names(self) -> list[str]:
        """The logins of all hats. Four eyes: what one of them did, none of them approves."""
        return [hat.username for hat in self.hats]


def viewer_of(user: User) -> Viewer:
    return Viewer(
        username=user.username,
        name=Text(zh=user.name_zh, en=user.name_en),
        roles=frozenset(r.role for r in user.roles),
        org_units=frozenset(u.org_unit for u in user.org_units),
        person_id=user.person_id,
    )


def hash_password(password: str) -> str:
    return _passwords.hash(password)


def verify_password(password: str, stored: str) -> bool:
    return _passwords.verify(password, stored)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def create_user(
    session: AsyncSession,
    username: str,
    password: str | None,
    *,
    name_zh: str,
    name_en: str = "",
    roles: list[str],
    org_units: list[str] | None = None,
    email: str | None = None,
    person_id_hash: str | None = None,
) -> User:
    """A new login, or the same login with new name, password, roles and scope; None keeps the password of a known one.
    BadUser for an unknown role or unit, and for a new login without a password."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise BadUser(
            f"角色无效：{'、'.join(unknown) or '（空）'}；可用：{'、'.join(ROLES)}。"
            f"Unknown role {', '.join(unknown) or '(none)'}; use one of {', '.join(ROLES)}."
        )
    units = set(org_units or [])
    known = set(await session.scalars(select(OrgUnit.id).where(OrgUnit.id.in_(units)))) if units else set()
    if units - known:
        raise BadUser(f"没有这个单位：{'、'.join(sorted(units - known))}。No such unit: {sorted(units - known)}.")
    user = await session.get(User, username)
    if password is None and user is None:
        raise BadUser(f"新用户 {username} 需要密码。A new login needs a password: {username}.")
    if user is None:
        user = User(username=username, active=True, failures=0, roles=[], org_units=[])
        session.add(user)
    user.name_zh, user.name_en = name_zh, name_en or name_zh
    if password is not None:
        user.password_hash = hash_password(password)
    user.email = email
    user.person_id_hash = person_id_hash or user.person_id_hash
    await session.flush()
    await session.execute(delete(UserRole).where(UserRole.username == username))
    await session.execute(delete(UserOrgUnit).where(UserOrgUnit.username == username))
    session.add_all([UserRole(username=username, role=r) for r in sorted(set(roles))])
    session.add_all([UserOrgUnit(username=username, org_unit=u) for u in sorted(units)])
    await session.flush()
    await session.refresh(user, ["roles", "org_units"])
    return user


async def open_session(session: AsyncSession, username: str, now: datetime) -> tuple[str, Session]:
    """A new browser session: the cookie's value (shown once) and its row. Old ones of everyone are swept."""
    await session.execute(delete(Session).where(Session.expires_at < now))
    token = secrets.token_urlsafe(32)
    row = Session(
        token_hash=token_hash(token),
        csrf_token=secrets.token_urlsafe(24),
        username=username,
        created_at=now,
        expires_at=now + SESSION_LASTS,
    )
    session.add(row)
    await session.flush()
    return token, row


def substitution_in_force(today: Any) -> ColumnElement[bool]:
    """Which substitutions hold on a day. They end by themselves: nobody has to take anything back."""
    return and_(Substitution.ended_at.is_(None), Substitution.first_day <= today, Substitution.last_day >= today)


# Every request asks this: one statement, made once. Only a substitute costs a second one.
_SIGNED_IN = (
    select(
        Session,
        User.username,
        User.name_zh,
        User.name_en,
        User.person_id,
        select(func.array_agg(UserRole.role)).where(UserRole.username == User.username).scalar_subquery(),
        select(func.array_agg(UserOrgUnit.org_unit)).where(UserOrgUnit.username == User.username).scalar_subquery(),
        select(func.array_agg(Substitution.absent))
        .where(Substitution.substitute == User.username, substitution_in_force(bindparam("today")))
        .scalar_subquery(),
    )
    .join(User, User.username == Session.username)
    .where(Session.token_hash == bindparam("token"), User.active)
)


async def find_session(session: AsyncSession, token: str, now: datetime) -> tuple[Session, Viewer] | None:
    found = (await session.execute(_SIGNED_IN, {"token": token_hash(token), "today": clock.today()})).one_or_none()
    if found is None or found[0].expires_at < now:
        return None
    row, username, zh, en, person_id, roles, units, absent = found
    return row, Viewer(
        username=username,
        name=Text(zh=zh, en=en),
        roles=frozenset(roles or ()),
        org_units=frozenset(units or ()),
        person_id=person_id,
        absent=await _absent(session, absent or []),
    )


async def _absent(session: AsyncSession, usernames: list[str]) -> tuple[Viewer, ...]:
    """What a substitute gets of the absent people: roles that do tasks, their colleges, never their own record."""
    if not usernames:
        return ()
    rows = await session.scalars(select(User).where(User.username.in_(usernames)).order_by(User.username))
    return tuple(
        Viewer(
            username=u.username,
            name=Text(zh=u.name_zh, en=u.name_en),
            roles=frozenset(r.role for r in u.roles) & PASSED_ON,
            org_units=frozenset(o.org_unit for o in u.org_units),
        )
        for u in rows
    )


async def seen_as(session: AsyncSession, user: User) -> Viewer:
    """The viewer that this user is today, substitutions included (to ask what somebody else may see or do)."""
    absent = await session.scalars(
        select(Substitution.absent).where(
            Substitution.substitute == user.username, substitution_in_force(clock.today())
        )
    )
    return replace(viewer_of(user), absent=await _absent(session, list(absent)))


async def close_session(session: AsyncSession, token: str) -> None:
    await session.execute(delete(Session).where(Session.token_hash == token_hash(token)))


async def locked(session: AsyncSession, username: str) -> tuple[User | None, set[str]]:
    """A login to be closed or opened, and the administrators that there are: all locked, in the order of their names,
    so that of two who close each other one is first, and neither waits for the other for ever."""
    wanted = select(User).where(or_(User.username == username, and_(User.active, meant_by(["admin"]))))
    wanted = wanted.order_by(User.username).with_for_update(of=User).execution_options(populate_existing=True)
    rows = list(await session.scalars(wanted))
    user = next((row for row in rows if row.username == username), None)
    return user, {row.username for row in rows if row.active and any(r.role == "admin" for r in row.roles)}


async def set_active(session: AsyncSession, user: User, administrators: set[str], active: bool, now: datetime) -> None:
    """Closes a login or opens it again; both as `locked` gave them. A closed one has no session and no token from that
    moment on, and gets none of them back. LastAdministrator."""
    if not active:
        if administrators == {user.username}:
            raise LastAdministrator
        await session.execute(delete(Session).where(Session.username == user.username))
        await session.execute(
            update(ApiToken)
            .where(ApiToken.username == user.username, ApiToken.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        await live.login_closed(session, user.username)
    user.active, user.failures, user.locked_until = active, 0, None


async def closed(session: AsyncSession) -> list[User]:
    """Logins that are closed, by name."""
    return list(await session.scalars(select(User).where(~User.active).order_by(User.username)))


async def create_token(
    session: AsyncSession, username: str, title: str, now: datetime, valid_for: timedelta | None = None
) -> str:
    """A bearer token of a user, shown once."""
    token = f"bq_{secrets.token_urlsafe(32)}"
    session.add(
        ApiToken(
            token_hash=token_hash(token),
            username=username,
            title=title,
            created_at=now,
            expires_at=now + valid_for if valid_for else None,
        )
    )
    await session.flush()
    return token


async def find_token(session: AsyncSession, token: str, now: datetime) -> Viewer | None:
    row = await session.get(ApiToken, token_hash(token))
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at < now):
        return None
    user = await session.get(User, row.username)
    return await seen_as(session, user) if user is not None and user.active else None


def meant_by(
    roles: Sequence[str],
    org_unit: str | BindParameter[str] | None = None,
    person_id: str | BindParameter[str] | None = None,
) -> ColumnElement[bool]:
    """Who is meant by these roles; college officers of that unit, the employee who is that person."""
    scope: ColumnElement[bool] = false()
    for role in roles:
        if username := named(role):
            scope = scope | (User.username == username)
            continue
        has_role = User.roles.any(UserRole.role == role)
        where: ColumnElement[bool] = true()
        if role == "college":
            where = User.org_units.any(UserOrgUnit.org_unit == ("" if org_unit is None else org_unit))
        elif role == "employee":
            where = User.person_id == ("" if person_id is None else person_id)
        scope = scope | (has_role & where)
    return scope


async def with_roles(
    session: AsyncSession, roles: list[str], org_unit: str | None = None, person_id: str | None = None
) -> list[User]:
    """The active users whom `meant_by` means."""
    meant = meant_by(roles, org_unit, person_id)
    rows = await session.scalars(select(User).where(User.active, meant).order_by(User.username))
    return list(rows)


async def logins_with_role(session: AsyncSession, role: str) -> list[str]:
    """The active users with a role, by login."""
    rows = await session.scalars(select(User.username).where(User.active, meant_by([role])).order_by(User.username))
    return list(rows)


async def of_colleges(session: AsyncSession) -> list[User]:
    """Active college officers, whatever their college."""
    rows = await session.scalars(
        select(User).where(User.active, User.roles.any(UserRole.role == "college")).order_by(User.username)
    )
    return list(rows)


async def names(session: AsyncSession) -> dict[str, Text]:
    """Names of all users by login (a school has some hundreds)."""
    rows = await session.execute(select(User.username, User.name_zh, User.name_en))
    return {u: Text(zh=zh, en=en) for u, zh, en in rows}
