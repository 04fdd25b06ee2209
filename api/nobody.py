"""What nobody could do without somebody who leaves: said before, so that the role is given to another in time.

A warning and no refusal: a person may really leave. Invariants: open tasks are asked of `store/nobody.py`, as the
incident desk asks; places of a countersign still to be signed are counted as adding a signer counts them
(`api/signers.py`).
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import signers
from api.signers import Place
from domain.policy import PolicyError
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES, Seat, SeatState, Signer, SignGroup
from schemas.desk import NobodyLeft
from store import nobody, policies, users
from store.tables.people import User
from store.tables.processes import URGENCY_ORDER, Task

MOST = 20  # named; who leaves an office empty needs no longer list
OTHER_ROLES = {
    "college": Text(zh="学院人事秘书", en="college officer"),
    "employee": Text(zh="教职工", en="employee"),
    "admin": Text(zh="系统管理员", en="administrator"),
    "policy": Text(zh="政策管理员", en="policy administrator"),
}
LARGE_PAYMENTS = Text(zh="大额缴费的会签（设置）", en="signatures of large payments (settings)")
VOUCHERS = Text(zh="报账单的审批（设置）", en="approval of vouchers (settings)")
LATER_STEPS = Text(zh="今后的各项任务", en="all tasks to come")


def roles_text(roles: Sequence[str]) -> Text:
    """Roles of a task in words; of somebody asked by name the login."""
    known = SIGNER_ROLES | OTHER_ROLES
    named = [known.get(r, Text(zh=r.removeprefix("@"), en=r.removeprefix("@"))) for r in roles]
    return Text(zh="、".join(n.zh for n in named), en=" / ".join(n.en for n in named))


async def without(s: AsyncSession, user: User) -> list[NobodyLeft]:
    """What this login alone could do or sign: open tasks, places still to be signed, and whole roles."""
    if not user.active:
        return []
    tasks = await nobody.tasks(s, MOST, without=user.username)
    found = [_of_task(task, roles_text(task.roles)) for task in tasks if f"@{user.username}" not in task.roles]
    found += await _to_sign(s, user.username, {task.id for task in tasks})
    return (await _roles(s, user) + found)[:MOST]


def _of_task(task: Task, role: Text, later: bool = False) -> NobodyLeft:
    title = Text(zh=task.title_zh, en=task.title_en)
    return NobodyLeft(
        case_no=task.case_no, title=title, role=role, process_id=task.process_id, task_id=task.id, later=later
    )


async def _to_sign(s: AsyncSession, username: str, known: set[str]) -> list[NobodyLeft]:
    """Places of running countersigns that are not due yet."""
    waiting = {"sign": {"seats": [{"state": SeatState.WAITING.value}]}}
    rows = await s.scalars(
        select(Task).where(Task.closed_at.is_(None), Task.spec.contains(waiting)).order_by(*URGENCY_ORDER)
    )
    found: dict[tuple[str, str], NobodyLeft] = {}
    for task in rows:
        group = SignGroup.model_validate(task.spec["sign"])
        lost = _lost(await signers.places(s, task), username)
        if lost is not None and lost.seat is not None and lost.seat.signer.role and lost.seat.task_id not in known:
            of = (task.process_id, group.id)
            found.setdefault(of, _of_task(task, roles_text([lost.seat.signer.role]), later=True))
    return list(found.values())


def _lost(places: Sequence[Place], username: str) -> Place | None:
    """The place that nobody could sign without this person, where all can be signed with him."""
    if signers.unsigned(places) is not None:
        return None
    return signers.unsigned([p._replace(people=[u for u in p.people if u != username]) for p in places])


async def _roles(s: AsyncSession, user: User) -> list[NobodyLeft]:
    """Roles that nobody else has, and the school's own rule of who signs what is large."""
    found: list[NobodyLeft] = []
    held = {role: await users.logins_with_role(s, role) for role in SIGNER_ROLES}
    for role, people in held.items():
        if people == [user.username]:
            found.append(NobodyLeft(title=LATER_STEPS, role=SIGNER_ROLES[role], later=True))
    try:
        rules = policies.snapshot()
    except PolicyError:  # said wherever the rules are used; who leaves is handed over all the same
        return found
    for rule, title in ((rules.tax_payment_sign, LARGE_PAYMENTS), (rules.reimbursement_sign, VOUCHERS)):
        seats = [Seat(id=str(n), place=n, signer=Signer(role=role)) for n, role in enumerate(rule.roles)]
        lost = _lost([Place(seat, held[seat.signer.role]) for seat in seats], user.username)
        if lost is not None and lost.seat is not None and held[lost.seat.signer.role] != [user.username]:
            found.append(NobodyLeft(title=title, role=SIGNER_ROLES[lost.seat.signer.role], later=True))
    return found
