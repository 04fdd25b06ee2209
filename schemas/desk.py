"""Bodies and answers of what people arrange at the inbox: moving tasks, substitutes, hand-over, copies, saved views.

Same rules as `schemas/api.py`: a body refuses unknown fields, answers hold bilingual `Text` where people read them.
"""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from schemas.api import Answer, UserView
from schemas.base import Body, Day, Text

REASON = Field(min_length=2, max_length=500, examples=["出差一周"])
LOGIN = Field(min_length=1, max_length=60, examples=["clerk2"])


class GiveBody(Body):
    """To whom a task goes, and why."""

    to: str = LOGIN
    reason: str = REASON


class ReasonBody(Body):
    reason: str = REASON


class NoteBody(Body):
    """What the delegate says when giving a task back."""

    note: str = Field(min_length=2, max_length=2000, examples=["已与社保局核对，附件为回执"])


class UrgeBody(Body):
    note: str = Field(default="", max_length=200, examples=["本月缴费日前需要"])


class PersonChoice(Answer):
    """Somebody who may do a task. `substitute` stands in for this person today."""

    username: str
    name: Text
    open_tasks: int
    substitute: str | None = None
    substitute_name: Text | None = None


# --- substitutes and hand-over ---------------------------------------------------------------------------------------


class SubstitutionBody(Body):
    """Days are Shanghai days, both included. `absent` is oneself unless an administrator arranges it."""

    absent: str | None = Field(default=None, min_length=1, max_length=60)
    substitute: str = LOGIN
    first_day: Day = Field(examples=["2026-12-01"])
    last_day: Day = Field(examples=["2026-12-05"])
    reason: str = REASON


class SubstitutionView(Answer):
    id: int
    absent: str
    absent_name: Text | None = None
    substitute: str
    substitute_name: Text | None = None
    first_day: date
    last_day: date
    reason: str
    set_by: str
    set_by_name: Text | None = None
    in_force: bool
    may_end: bool


class NobodyLeft(Answer):
    """Work that nobody would be left to do, and the role to be given to somebody first. `later`: not open yet; without
    a case it is whatever comes."""

    title: Text
    role: Text
    later: bool
    case_no: str = ""
    process_id: str | None = None
    task_id: str | None = None


class LeavingCounts(Answer):
    """What a person would leave behind."""

    username: str
    name: Text | None = None
    held: int
    lent_to_person: int = Field(description="delegated to the person: goes back to who delegated it")
    lent_by_person: int = Field(description="delegated by the person: comes back to the new one")
    asked_by_name: int = Field(description="signatures asked of the person by name: somebody else is asked instead")
    substitutions: int
    nobody_left: list[NobodyLeft] = Field(
        default=[], description="what nobody could do without the person, the first twenty; a warning, no refusal"
    )


class LeavingBody(Body):
    """离职: everything of one person to one or more others, who share it by what they may do and what they hold."""

    to: list[str] = Field(min_length=1, max_length=20, examples=[["clerk2"]])
    reason: str = REASON


class LoginBody(Body):
    """Closes a login or opens it again. `anyway`: closes it at once, though there is work to hand over."""

    active: bool
    reason: str = REASON
    anyway: bool = False


class LoginView(UserView):
    """A login as its administrator sees it."""

    active: bool
    left: LeavingCounts


class LeavingItem(Answer):
    """What became of one task, signature or arrangement. `released`: none of the named may do it, so its group has it;
    a signature that none of them may give has `failed`."""

    kind: Literal["task", "signature", "substitution"]
    id: str
    title: Text
    case_no: str | None = None
    result: Literal["moved", "returned", "released", "ended", "failed"]
    to: str | None = None
    to_name: Text | None = None
    problem: Text | None = None


class LeavingResult(Answer):
    items: list[LeavingItem]
    failed: int


# --- copies and saved views ------------------------------------------------------------------------------------------


class CopyBody(Body):
    usernames: list[str] = Field(min_length=1, max_length=50, examples=[["supervisor"]])
    note: str = Field(default="", max_length=200)


class SavedViewBody(Body):
    """`query` are the filters of `GET /tasks`, without page and cursor."""

    name: str = Field(min_length=1, max_length=40, examples=["本周到期"])
    query: dict[str, Any] = Field(examples=[{"view": "group", "at_risk": True}])
    shared_with: str | None = Field(default=None, max_length=20, description="a role")


class SavedViewItem(Answer):
    id: int
    name: str
    query: dict[str, Any]
    owner: str
    owner_name: Text | None = None
    shared_with: str | None = None
    is_default: bool = False
    may_change: bool = False


class DefaultViewBody(Body):
    view_id: int | None = None
