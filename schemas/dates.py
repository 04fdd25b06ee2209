"""Dates moved by people: an internal target extended with a ground, and an authority's decision on a date of the law.

An internal target is the school's own, so a supervisor moves it. A statutory or payment date moves only when an
authority has decided so: its paper is uploaded, one person records it and another confirms it. What people send to the
API derives from `Body`, what a workflow takes from `Payload`.
"""

from datetime import date
from typing import Literal, get_args

from pydantic import Field

from schemas.base import Body, Day, Payload, Text
from schemas.forms import EmptyForm, Outcome, ReasonForm, register

Ground = Literal["person", "college", "authority", "workload", "absence", "other"]
GROUNDS: tuple[str, ...] = get_args(Ground)
GROUND_TITLE: dict[str, Text] = {
    "person": Text(zh="等待本人补充材料", en="waiting for the person's papers"),
    "college": Text(zh="等待学院或校内部门", en="waiting for the college or an office of the school"),
    "authority": Text(zh="等待经办机构答复", en="waiting for an authority's answer"),
    "workload": Text(zh="工作量集中", en="workload"),
    "absence": Text(zh="经办人请假", en="absence of the clerk"),
    "other": Text(zh="其他原因", en="another ground"),
}


class ExtendTarget(Payload):
    """Update argument of `extend_target`: an internal target of an open task gets a later day."""

    task_id: str
    deadline: str
    due: date
    ground: Ground
    reason: str
    actor: str


class DateDecision(Payload):
    """Update argument of `decide_date`: what an authority decided on a date. `id` is that of the record of it; `number`
    is the paper's own number, `document` the id of the uploaded paper; `earlier`: who recorded it knows that the day is
    before the present one."""

    id: str
    deadline: str
    due: date
    number: str
    reason: str
    document: str
    actor: str
    earlier: bool = False


class ExtendBody(Body):
    """The internal target (`deadlines[].id` of the task), its new day, and why."""

    deadline: str = Field(min_length=1, max_length=120, examples=["INT-VERIFICATION/1"])
    due: Day = Field(examples=["2026-12-04"])
    ground: Ground
    reason: str = Field(min_length=2, max_length=500, examples=["本人护照在换发，下周取得"])


class DateDecisionBody(Body):
    """The deadline (`deadlines[].id` of the case), the day that the authority decided, and its paper, uploaded to the
    case before (code `authority_decision`)."""

    deadline: str = Field(min_length=1, max_length=120, examples=["DL-REG-FOR@social_bureau"])
    due: Day = Field(examples=["2026-12-20"])
    number: str = Field(min_length=2, max_length=80, examples=["成社险函〔2026〕88号"])
    reason: str = Field(min_length=2, max_length=500, examples=["系统升级，受理顺延"])
    document_id: str = Field(min_length=1, max_length=64)
    earlier: bool = Field(
        default=False, description="confirms that the day is before the present one; needed for such a day"
    )


register(
    "date.confirm",
    Text(zh="确认经办机构决定", en="Confirm a decision"),
    Outcome("confirm", Text(zh="确认该决定", en="Confirm the decision"), EmptyForm),
    Outcome("reject", Text(zh="不予确认", en="Do not confirm"), ReasonForm, tone="danger"),
)
