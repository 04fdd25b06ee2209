"""Going back in a process: which earlier steps a task may be returned to, and the updates that return and withdraw.

退回 is the decision of who has the task now; 撤回 is that of who did the step before, while nobody has acted on it.
Neither restarts a statutory clock. What people send to the API derives from `Body`, what a workflow takes from
`Payload`.
"""

from typing import Literal

from pydantic import Field

from schemas.base import Body, Payload, Text

Way = Literal["straight", "again"]


class ReturnTarget(Payload):
    """An earlier step that a process declares re-enterable from one of its tasks.

    `ways`: `straight`, the step's answer comes straight back to the one who returned it; `again`, all steps between run
    again. `undo` says what must be undone outside before (a task does it), where something must.
    """

    step: str
    title: Text
    ways: list[Way] = ["straight", "again"]
    undo: Text | None = None


class Returning(Payload):
    """Update argument of `return_task`."""

    task_id: str
    to: str
    way: Way = "again"
    reason: str
    version: int
    actor: str


class Withdrawal(Payload):
    """Update argument of `withdraw_task`; `task_id` is the completed task whose answer is taken back."""

    task_id: str
    reason: str
    actor: str


class ReturnBody(Body):
    """退回. `to` is one of the task's `return_to`; the version is that of the task as it was read."""

    to: str = Field(max_length=60, examples=["materials"])
    way: Way = "again"
    reason: str = Field(min_length=2, max_length=500, examples=["护照信息页与系统不一致，请更正"])
    version: int = Field(ge=1, examples=[1])


class WithdrawBody(Body):
    """撤回 one's own answer."""

    reason: str = Field(min_length=2, max_length=500, examples=["刚才漏传一页"])
