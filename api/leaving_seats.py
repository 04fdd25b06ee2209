"""离职交接 of what was asked of the leaver by name (加签): an open signature is given to another, as a supervisor would
reassign it; for one that is still to come somebody else is asked.

Invariants: the successor is asked before the leaver is taken off, so that no approval goes on without either; what
stopped half way goes on when it is done again. Four eyes hold, nobody is asked to sign by himself, and the process has
the last word. What cannot be moved says why, and what to do instead.
"""

from collections import Counter
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions, signers
from api.problems import NotAllowedNow
from api.steps import send, update_id
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES, UNSIGNED, AddSigner, RemoveSigner, Seat, SeatState, SignGroup
from schemas.desk import LeavingItem
from store import audit
from store.database import session
from store.tables.processes import Task
from store.users import Viewer

BY_PROCESS = Text(
    zh="该席位由流程点名、尚未轮到签署：轮到时再移交一次，或由科长改派。",
    en="The process itself asks this person, and not yet: hand over once more when it is open, or let a supervisor "
    "reassign it.",
)
JUST_OPEN = Text(zh="该席位刚轮到签署：再移交一次即可。", en="This signature has just become due: hand over once more.")
NOT_OPEN = Text(
    zh="前面的环节正在重办，会签尚未重新开始；等会签重新开始后再移交一次。",
    en="An earlier step is being done again: hand over once more when the countersign has begun anew.",
)
NOBODY_SIGNS = Text(
    zh="接任人都不能签：须有审批角色、未参与所审事项、不在本次会签中，且签后其后各席仍有人可签；"
    "尚未轮到的席位也不能由办理交接的人自己接。请另选接任人再移交一次，或由科长改派或减签。",
    en="None of the successors may sign it: it takes a role that approves, nobody who took part in what is decided or "
    "signs there already, and somebody must be left for each signature to come; one that is still to come does not go "
    "to who hands over. Choose another one and hand over again, or let a supervisor reassign it or take it off.",
)


class ToCome(NamedTuple):
    """One signature asked by name that is not due yet."""

    process_id: str
    group: str
    seat: str
    task_id: str  # an open task of the same countersign
    title: Text
    case_no: str


async def to_come(s: AsyncSession, username: str) -> list[ToCome]:
    """The seats of running countersigns that will ask this person by name."""
    waiting = {"sign": {"seats": [{"signer": {"username": username}, "state": SeatState.WAITING.value}]}}
    rows = await s.scalars(
        select(Task)
        .where(Task.closed_at.is_(None), Task.spec.contains(waiting))
        .order_by(Task.sort_day, Task.legal_rank, Task.sort_at, Task.id)
    )
    found: dict[tuple[str, str, str], ToCome] = {}
    for task in rows:
        group = SignGroup.model_validate(task.spec["sign"])
        for seat in group.seats:
            if seat.signer.username == username and seat.state is SeatState.WAITING:
                title = Text(zh=task.title_zh, en=task.title_en)
                one = ToCome(task.process_id, group.id, seat.id, task.id, title, task.case_no)
                found.setdefault(one[:3], one)
    return list(found.values())


async def able(s: AsyncSession, receivers: list[Viewer], task: Task) -> list[Viewer]:
    """Who of these may be given an open signature that was asked of another by name."""
    left = await signers.places(s, task)
    return [
        r
        for r in receivers
        if permissions.may_sign_for(r, task)
        and not permissions.excluded(r, task)
        and signers.left_alone(left, r.username, task.id) is None
    ]


async def hand_on(
    viewer: Viewer, leaver: str, receivers: list[Viewer], load: "Counter[str]", asked: ToCome, reason: str
) -> LeavingItem | None:
    """Asks another instead; None when it is signed meanwhile. NotAllowedNow, or what the process refuses it with."""
    async with session() as s:
        task = await s.get_one(Task, asked.task_id)
        group = SignGroup.model_validate(task.spec["sign"])
        seat = next((x for x in group.seats if x.id == asked.seat and x.state in UNSIGNED), None)
        if task.closed_at is not None or seat is None:
            return None
        if seat.state is not SeatState.WAITING:
            raise NotAllowedNow(JUST_OPEN)
        if seat.added_by is None:
            raise NotAllowedNow(BY_PROCESS)
        beside = next((x for x in group.seats if x.place == seat.place and x.state is SeatState.OPEN), None)
        if beside is None or beside.task_id is None:
            raise NotAllowedNow(NOT_OPEN)
        at = await s.get_one(Task, beside.task_id)
        left = [p for p in await signers.places(s, at) if p.seat is None or p.seat.id != seat.id]
        could = [r for r in receivers if _may_be_asked(viewer, r, at, group, seat)]
        could = [r for r in could if signers.left_alone(left, r.username) is None]
        person = min(could, key=lambda r: load[r.username], default=None)
        if person is None:
            raise NotAllowedNow(NOBODY_SIGNS)
        new = not any(x.signer.username == person.username and x.state in UNSIGNED for x in group.seats)
        audit.record(
            s, viewer.username, "task.hand_over", at.id, signer=person.username, instead_of=leaver, seat=seat.id
        )
        task_id, version = at.id, at.version
    if new:
        adding = AddSigner(
            task_id=task_id, username=person.username, where="after", reason=reason, version=version,
            actor=viewer.username,
        )  # fmt: skip
        name = f"hand_over/{asked.seat}/{person.username}"
        await send(asked.process_id, "add_signer", adding, update_id(task_id, name, str(version)), type(None))
    removing = RemoveSigner(task_id=task_id, seat=asked.seat, reason=reason, actor=viewer.username)
    await send(
        asked.process_id, "remove_signer", removing, update_id(task_id, f"hand_over/{asked.seat}", None), type(None)
    )
    load[person.username] += 1
    return item(asked).model_copy(update={"result": "moved", "to": person.username, "to_name": person.name})


def _may_be_asked(viewer: Viewer, person: Viewer, task: Task, group: SignGroup, seat: Seat) -> bool:
    """Whether the person may be asked; one whom a hand-over that stopped half way has asked already is asked."""
    theirs = [x for x in group.seats if x.signer.username == person.username and x.state in UNSIGNED]
    begun = all(x.place == seat.place and x.added_by == viewer.username for x in theirs)
    return (
        person.username != viewer.username
        and person.has(*SIGNER_ROLES)
        and not permissions.excluded(person, task)
        and begun
    )  # fmt: skip


def item(asked: ToCome) -> LeavingItem:
    """As it stands in the result, not moved yet."""
    return LeavingItem(
        kind="signature", id=asked.task_id, title=asked.title, case_no=asked.case_no, result="failed"
    )  # fmt: skip
