"""会签 countersign: several people decide one thing. 加签 adds somebody to it, 减签 takes somebody off again.

Modes and their one rule of refusal: `need` of the signers must approve; refused as soon as so many can no longer be
had. All and in turn need everybody, so the first refusal ends it; any needs one, so it is refused when all have
refused; a quorum of n is refused when fewer than n are left. Whoever was added decides with the signer who stands for
the place: the place approves when each of its people has, and one refusal refuses it.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from schemas.base import Body, Payload, Text

SIGN = "@countersign"  # no step: where an open signature goes back to when its countersign has changed
SignMode = Literal["all", "any", "in_turn", "quorum"]
Where = Literal["before", "after"]


def personal(username: str) -> str:
    """What stands among a task's roles when one person is asked by name (加签)."""
    return f"@{username}"


def named(role: str) -> str | None:
    """The login that stands there, if it is no role."""
    return role[1:] if role.startswith("@") else None


def asked_by_name(roles: Sequence[str]) -> str | None:
    """Who alone is asked, where it is one person and no role."""
    return named(roles[0]) if len(roles) == 1 else None


class SeatState(StrEnum):
    WAITING = "waiting"  # not asked yet: somebody signs before
    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    RETURNED = "returned"  # sent the work back instead of signing
    REMOVED = "removed"  # 减签
    NOT_NEEDED = "not_needed"  # the decision fell without it


UNSIGNED = (SeatState.WAITING, SeatState.OPEN)
SIGNER_ROLES = {  # who decides cases; not who runs or audits the system
    "clerk": Text(zh="经办人", en="clerk"),
    "supervisor": Text(zh="科长", en="supervisor"),
    "head": Text(zh="处长", en="head"),
    "payroll": Text(zh="劳资", en="payroll officer"),
    "finance": Text(zh="财务", en="finance officer"),
}


_ALSO_CALLED = {"主管": "supervisor"}  # as offices say; pages show the title


def roles_of(given: str) -> list[str]:
    """Roles in a row, as somebody types them: by code or by name. ValueError names what is none."""
    known = {name: code for code, title in SIGNER_ROLES.items() for name in (code, title.zh, title.en)}
    known |= _ALSO_CALLED
    words = [w for w in re.split(r"[、,，;；\s]+", given.strip()) if w]
    unknown = [w for w in words if w not in known]
    if unknown or not words:
        raise ValueError("、".join(unknown))
    return [known[w] for w in words]


class SignRule(Payload):
    """Who signs a payment or voucher above a limit of the school, and how: one place a role, in this order when in
    turn. A role named twice is signed for by two people. `quorum` counts in that mode alone."""

    roles: list[str] = ["supervisor", "head"]
    mode: SignMode = "in_turn"
    quorum: int = 2


class Signer(Payload):
    """Who is asked: the people of a role, or one person."""

    role: str = ""
    username: str = ""

    @property
    def group(self) -> str:
        """What stands in `TaskSpec.roles`: a role, or `@login` for one person."""
        return personal(self.username) if self.username else self.role


class Seat(Payload):
    """One signature. `place` counts the signers that the process asks for; added people share the place of the one for
    whom they were added. `added_by` is None for those whom the process itself asks."""

    id: str
    place: int
    signer: Signer
    state: SeatState = SeatState.WAITING
    added_by: str | None = None
    task_id: str | None = None
    actor: str | None = None


class SignGroup(Payload):
    """One countersign as it stands, carried by each of its tasks."""

    id: str
    mode: SignMode
    need: int
    seats: list[Seat] = []


class AddSigner(Payload):
    """Update argument of `add_signer`; `task_id` is an open task of the countersign."""

    task_id: str
    username: str
    where: Where
    reason: str
    version: int
    actor: str


class RemoveSigner(Payload):
    """Update argument of `remove_signer`: an added person who has not signed yet."""

    task_id: str
    seat: str
    reason: str
    actor: str


class AddSignerBody(Body):
    """加签: before, they sign first and the task comes back; after, they sign when this task is approved."""

    username: str = Field(min_length=1, max_length=60, examples=["head"])
    where: Where = "before"
    reason: str = Field(min_length=2, max_length=500, examples=["金额较大，请先审核"])
    version: int = Field(ge=1, examples=[1])


class RemoveSignerBody(Body):
    """减签 of an added person who has not signed yet."""

    seat: str = Field(min_length=1, max_length=60, examples=["2"])
    reason: str = Field(min_length=2, max_length=500, examples=["已口头确认"])


class SignerView(BaseModel):
    """One signature as people see it: who is asked (a role, or one person), how it stands, who signed."""

    seat: str
    place: int
    role: str = ""
    username: str = ""
    name: Text | None = None
    state: SeatState
    added_by: str | None = None
    added_by_name: Text | None = None
    actor: str | None = None
    actor_name: Text | None = None
    task_id: str | None = None
    removable: bool = False  # by the viewer, now


class CountersignView(BaseModel):
    """One countersign of a case: `need` of so many places must approve."""

    id: str
    title: Text
    mode: SignMode
    need: int
    places: int
    signers: list[SignerView]
