"""Tasks that nobody may do: no open login has a role of theirs, or all who have one took part before (four eyes).

Which sorts of open tasks there are, by who does them and who is excluded, is asked of the tallies, so that a million
tasks cost no more than their sorts. Invariants: whoever holds a task with an open login can do it; a supervisor does
what clerks do, and a clerk what colleges and employees do. That somebody stands in for an absent person adds nobody:
the absent one is counted.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from store import users
from store.inbox import BEHALF_ROLES
from store.tables.counting import Tally, TaskGroup
from store.tables.people import User
from store.tables.processes import URGENCY_ORDER, Task

KIND = "nobody"  # of an incident; its `step` is the kind of the task, its `message` the task's roles
ENDED_FOUND, ENDED_GONE = "found", "gone"


async def tasks(
    s: AsyncSession, most: int, *, without: str | None = None, among: Sequence[str] | None = None
) -> list[Task]:
    """The most urgent of them. `without`: those that only this login could do; `among`: only these tasks."""
    sorts = await _sorts(s, without)
    if not sorts:
        return []
    able = select(User.username).where(User.active, User.username != (without or ""))
    free = or_(Task.holder.is_(None), Task.holder.not_in(able))
    found = select(Task).where(Task.closed_at.is_(None), free, or_(*sorts))
    if among is not None:
        found = found.where(Task.id.in_(among))
    return list(await s.scalars(found.order_by(*URGENCY_ORDER).limit(most)))


async def _sorts(s: AsyncSession, without: str | None) -> list[ColumnElement[bool]]:
    """The sorts of open tasks for which nobody is there, or nobody but this login."""
    counted = (
        select(Tally.key, Tally.names)
        .where(Tally.about.in_(("free", "held")), Tally.what == "open")
        .group_by(Tally.key, Tally.names)
        .having(func.sum(Tally.n) > 0)
    )
    excluded: dict[int, list[list[str]]] = {}
    for key, names in await s.execute(counted):
        excluded.setdefault(int(key), []).append(list(names))
    found: list[ColumnElement[bool]] = []
    for group in await s.scalars(select(TaskGroup).where(TaskGroup.id.in_(excluded))):
        people = await doers(s, group.roles, group.org_unit)
        for names in excluded[group.id]:
            left = people - set(names)
            lost = not left if without is None else left == {without}
            if lost:
                found.append(_of(group.id, names))
    return found


def _of(group: int, names: list[str]) -> ColumnElement[bool]:
    of_group = Task.group_id == group
    return and_(of_group, Task.excluded == names) if names else of_group


async def doers(s: AsyncSession, roles: Sequence[str], org_unit: str | None) -> set[str]:
    """Everybody with an open login who does such tasks, or may take them over."""
    asked = set(roles)
    asked |= {"clerk"} if asked & set(BEHALF_ROLES) else set()
    asked |= {"supervisor"} if "clerk" in roles else set()
    found = {u.username for u in await users.with_roles(s, sorted(asked - {"employee"}), org_unit)}
    return found | (set(await users.logins_with_role(s, "employee")) if "employee" in asked else set())
