"""People named in a request: who they are, what they may see and do today; and who could be given a task.

A name that cannot be taken is refused with the field it stood in and a sentence about that person.
"""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, signers
from api.problems import BadForm
from runtime import clock
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES
from schemas.desk import PersonChoice
from store import substitutes, users
from store.inbox import BEHALF_ROLES
from store.tables.people import User
from store.tables.processes import Task
from store.users import Viewer

NOBODY = Text(zh="没有这个用户，或该账号已停用。", en="There is no such user, or the login is closed.")


def refused(pointer: str, code: str, text: Text) -> BadForm:
    """The named person cannot be taken."""
    return BadForm(text, faults=[(pointer, code, text)])


async def active(s: AsyncSession, username: str, pointer: str) -> Viewer:
    """The person as they are today. BadForm for nobody, or a login that is closed."""
    user = await s.get(User, username)
    if user is None or not user.active:
        raise refused(pointer, "unknown_user", NOBODY)
    return await users.seen_as(s, user)


async def login_of(s: AsyncSession, typed: str, pointer: str) -> str:
    """The login of somebody named by login or by name. BadForm for nobody, or for namesakes."""
    names = await users.names(s)
    if typed in names:
        return typed
    fits = [username for username, name in names.items() if typed in (name.zh, name.en)]
    if len(fits) > 1:
        text = Text(zh=f"多人同名，请用登录名：{'、'.join(fits)}。", en=f"Namesakes: use the login, {', '.join(fits)}.")
        raise refused(pointer, "namesakes", text)
    if not fits:
        raise refused(pointer, "unknown_user", NOBODY)
    return fits[0]


async def receiver(s: AsyncSession, task: Task, username: str, pointer: str = "/to") -> Viewer:
    """Somebody who may be given the task. BadForm says why not."""
    person = await active(s, username, pointer)
    if person.username == task.holder:
        text = Text(zh=f"该任务已在{person.name.zh}手上。", en=f"{person.name.en} holds this task already.")
        raise refused(pointer, "holds_it", text)
    not_excluded(person, task, pointer)
    if not permissions.may_be_given(person, task) and not permissions.may_sign_for(person, task):
        text = Text(
            zh=f"{person.name.zh}的角色不能办理此任务。", en=f"{person.name.en} does not have the role for this task."
        )
        raise refused(pointer, "not_a_candidate", text)
    if permissions.asked_by_name(task):
        alone = signers.left_alone(await signers.places(s, task), person.username, task.id)
        if alone is not None:
            raise refused(pointer, "needed_later", alone)
    return person


def not_excluded(person: Viewer, task: Task, pointer: str) -> None:
    """BadForm where the person did what this task decides upon."""
    if permissions.excluded(person, task):
        text = Text(
            zh=f"{person.name.zh}参与过上一步或已签署（或正代理参与者），按双人复核要求不能办理此任务。",
            en=f"{person.name.en} took part in the step before or has signed, or stands in for somebody who did: not "
            "this person.",
        )
        raise refused(pointer, "four_eyes", text)


async def choices(s: AsyncSession, task: Task) -> list[PersonChoice]:
    """Everybody who may be given the task, those with the least work first; without its holder."""
    roles = [*task.roles, *(["clerk"] if set(task.roles) & set(BEHALF_ROLES) else [])]
    if permissions.asked_by_name(task):
        roles += SIGNER_ROLES
    found = await users.with_roles(s, roles, task.org_unit, task.subject)
    people = [await users.seen_as(s, u) for u in found if u.username != task.holder]
    able = [p for p in people if permissions.may_be_given(p, task)]
    if permissions.asked_by_name(task):
        to_sign = await signers.places(s, task)
        could = [p for p in people if not permissions.excluded(p, task)]
        able = [p for p in could if signers.left_alone(to_sign, p.username, task.id) is None]
    load = await open_tasks(s, [p.username for p in able])
    standing_in = await substitutes.in_force(s, clock.today())
    names = await users.names(s)
    choice = [
        PersonChoice(
            username=p.username,
            name=p.name,
            open_tasks=load.get(p.username, 0),
            substitute=standing_in.get(p.username),
            substitute_name=names.get(standing_in.get(p.username, "")),
        )
        for p in able
    ]
    return sorted(choice, key=lambda c: (c.open_tasks, c.username))


async def open_tasks(s: AsyncSession, usernames: list[str]) -> dict[str, int]:
    """How many open tasks each of these people holds."""
    rows = await s.execute(
        select(Task.holder, func.count())
        .where(Task.holder.in_(usernames), Task.closed_at.is_(None))
        .group_by(Task.holder)
    )
    return {str(holder): count for holder, count in rows}
