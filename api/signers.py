"""Who could sign what is still to be signed: a countersign must not come to a place that nobody can sign.

Nobody signs twice, so whoever is added (加签), or is given a signature that was asked of another by name, is lost to
the places of the own role. The process knows its places, the office its people: both are asked here together.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from api import permissions
from schemas.base import Text
from schemas.countersign import SIGNER_ROLES, UNSIGNED, Seat
from schemas.tasks import TaskSpec
from store import users
from store.tables.processes import Task


class Place(NamedTuple):
    """A seat that is still to be signed, and who could sign it."""

    seat: Seat | None  # none: whoever is to be added
    people: list[str]


async def places(s: AsyncSession, task: Task) -> list[Place]:
    """What is still to be signed of the countersign of a task; nothing where it has none."""
    group = TaskSpec.model_validate(task.spec).sign
    found: list[Place] = []
    for seat in group.seats if group else []:
        if seat.state not in UNSIGNED:
            continue
        people = [seat.signer.username]
        if not seat.signer.username:
            could = [await users.seen_as(s, u) for u in await users.with_roles(s, [seat.signer.role])]
            people = [p.username for p in could if not permissions.excluded(p, task)]
        found.append(Place(seat, people))
    return found


def left_alone(open_places: Sequence[Place], username: str, instead_of: str | None = None) -> Text | None:
    """Why a person cannot be added, or sign for another (`instead_of`, a task): the role that nobody would be left to
    sign for. None where somebody is left, or nobody is there anyhow."""
    if instead_of is None:
        then = [Place(None, [username]), *open_places]
    else:
        then = [p._replace(people=[username]) if p.seat and p.seat.task_id == instead_of else p for p in open_places]
    alone = unsigned(then)
    if alone is None or alone.seat is None or not alone.seat.signer.role or unsigned(open_places) is not None:
        return None
    role = SIGNER_ROLES[alone.seat.signer.role]
    return Text(
        zh=f"其后须由{role.zh}签署，而此人签署后再无其他{role.zh}可签（每人只签一次），会签将无法完成；请选择他人。",
        en=f"A signature of a {role.en} is still to come, and nobody else could give it once this person has signed "
        "here (nobody signs twice): the decision could never be made. Choose somebody else.",
    )


def unsigned(open_places: Sequence[Place]) -> Place | None:
    """A place that is left when each is given a person of its own; those asked by name come first."""
    given: dict[str, int] = {}

    def give(number: int, tried: set[str]) -> bool:
        for person in order[number].people:
            if person in tried:
                continue
            tried.add(person)
            if person not in given or give(given[person], tried):
                given[person] = number
                return True
        return False

    order = sorted(open_places, key=lambda p: p.seat is not None and not p.seat.signer.username)
    return next((place for number, place in enumerate(order) if not give(number, set())), None)
