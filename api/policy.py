"""Changes of the rules as policy administrators make them: proposed, decided and applied.

Invariants: who proposes a change does not decide about it, not even through a substitute; only what was approved is
applied, and only onto the value that it was approved for; what is applied is checked like a shipped file first. The
values in force are shown by `api/policy_values.py`; what a change would do says `api/policy_preview.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api.json_body import JsonObjectRoute
from api.permissions import require_role
from api.policy_preview import Changed, changed, preview
from api.problems import BadForm, FourEyes, NotAllowed, NotFound, Problem
from api.sign_in import CurrentViewer
from domain.contributions import BillingLine
from domain.policy import DEADLINES, PolicyError
from domain.policy_changes import WORDS
from runtime import clock
from schemas.base import Text
from schemas.policy import (
    ChangeKind,
    ChangeState,
    ChangeView,
    DecisionBody,
    Impact,
    PolicyChange,
    Preview,
    ProposeBody,
)
from schemas.policy_files import TITLES
from store import audit, policies, policy_changes, policy_orders, rule_tables
from store.database import reading, session
from store.tables.policy import PolicyChangeRow
from store.users import Viewer

router = APIRouter(prefix="/policy", tags=["policy"], route_class=JsonObjectRoute)
READS = ("policy", "auditor", "admin", "supervisor", "head")
CHANGES = ("policy",)
HIGHEST_ID = 2**31


class Decided(Problem):
    status, code = 409, "change_decided"
    text = Text(
        zh="该变更的状态已经改变，请刷新后查看。", en="This change is in another state by now: reload to see it."
    )


class ValueMoved(Problem):
    status, code = 409, "value_moved"
    text = Text(
        zh="提出之后，该值已被另一项变更修改；请撤回或驳回本变更，按现行值重新提出。",
        en="Another change has altered this value meanwhile: withdraw or reject this one and propose it anew.",
    )


class NoChange(Problem):
    status, code = 422, "no_change"
    text = Text(zh="新值与现行值相同，无需变更。", en="The new value is the one in force: nothing would change.")


# Without it the new rule would be read back into days on which the old one was in force.
FROM_WHICH_DAY = Text(
    zh="请填写生效日期：自该日起的事件按新规则，之前的仍按原规则。更正录入错误的，填写原规则的生效日期；"
    "原规则没有生效日期的，填一个足够早的日期。",
    en="Say from which day the rule holds: events from then on go by it, earlier ones by the old rule. To correct what "
    "was entered wrongly, give the day of the old rule; where it has none, a day that is early enough.",
)


# --- changes ---------------------------------------------------------------------------------------------------------


async def propose(s: AsyncSession, viewer: Viewer, body: ProposeBody) -> ChangeView:
    """A new proposal; nothing is in force by it. BrokenRule, NoChange, BadForm."""
    require_role(viewer, *CHANGES)
    known = body.kind is ChangeKind.REVOKE or body.file in policies.files()  # a file may have gone since
    if not known or body.file in WORDS:
        text = Text(zh="没有这个规则文件。", en="There is no such file of rules.")
        raise BadForm(text, faults=[("/file", "unknown", text)])
    if body.file == DEADLINES and body.kind is ChangeKind.FIELDS and not body.new.get("valid_from"):
        raise BadForm(FROM_WHICH_DAY, faults=[("/new/valid_from", "required", FROM_WHICH_DAY)])
    await policies.refresh(s)
    rules = await changed(PolicyChange.model_validate(body.model_dump()))
    if body.kind is ChangeKind.FIELDS and rules.new == rules.old:
        raise NoChange
    row = await policy_changes.add(s, body, rules.old, viewer.username, clock.now())
    audit.record(s, viewer.username, "policy.propose", str(row.id), file=row.file, kind=row.kind, key=row.key)
    return view_of(viewer, row)


async def get(s: AsyncSession, viewer: Viewer, change_id: int) -> PolicyChangeRow:
    """One change, for reading. NotFound."""
    require_role(viewer, *READS)
    row = await policy_changes.get(s, change_id) if 0 < change_id < HIGHEST_ID else None
    if row is None:
        raise NotFound
    return row


async def _locked(s: AsyncSession, viewer: Viewer, change_id: int, verb: str) -> PolicyChangeRow:
    """The change, to be decided upon by this viewer now. NotAllowed, NotFound, FourEyes, Decided."""
    require_role(viewer, *CHANGES)
    row = await policy_changes.get(s, change_id, lock=True) if 0 < change_id < HIGHEST_ID else None
    if row is None:
        raise NotFound
    if verb not in _actions_in(row.state):
        raise Decided
    if verb in ("approve", "reject") and row.proposed_by in viewer.names:
        raise FourEyes
    if verb == "withdraw" and row.proposed_by != viewer.username:
        raise NotAllowed
    return row


def _actions_in(state: str) -> tuple[str, ...]:
    return {"proposed": ("approve", "reject", "withdraw"), "approved": ("apply", "reject", "withdraw")}.get(state, ())


def _in_force(row: PolicyChangeRow) -> bool:
    """Whether an applied change is laid on by this process: it was not taken back."""
    return any(c.id == row.id for c in policies.in_force())


def _taken_back(row: PolicyChangeRow) -> bool:
    seen = row.number is not None and row.number <= policies.number()  # else this process does not know it yet
    return seen and row.kind != ChangeKind.REVOKE and not _in_force(row)


def actions(viewer: Viewer, row: PolicyChangeRow) -> list[str]:
    """What the viewer can do with a change now."""
    if not viewer.has(*CHANGES):
        return []
    if row.state == ChangeState.APPLIED:
        return ["revoke"] if _in_force(row) else []
    own, through = row.proposed_by == viewer.username, row.proposed_by in viewer.names
    allowed = {"approve": not through, "reject": not through, "withdraw": own, "apply": True}
    return [verb for verb in _actions_in(row.state) if allowed[verb]]


async def decide(
    s: AsyncSession,
    viewer: Viewer,
    change_id: int,
    verb: Literal["approve", "reject", "withdraw"],
    body: DecisionBody,
) -> ChangeView:
    """Approves, rejects (with a note) or withdraws. NotFound, FourEyes, Decided, ValueMoved, BadForm."""
    row = await _locked(s, viewer, change_id, verb)
    if verb == "reject" and not body.note:
        text = Text(zh="请写明驳回的理由。", en="Say why it is rejected.")
        raise BadForm(text, faults=[("/note", "missing", text)])
    if verb == "approve":
        _unmoved(row, await changed(policy_changes.change_of(row)))
    row.state = {"approve": "approved", "reject": "rejected", "withdraw": "withdrawn"}[verb]
    if verb != "withdraw":
        row.decided_by, row.decided_at = viewer.username, clock.now()
    row.note = body.note or row.note
    audit.record(s, viewer.username, f"policy.{verb}", str(row.id), file=row.file)
    return view_of(viewer, row)


async def apply(s: AsyncSession, viewer: Viewer, change_id: int) -> ChangeView:
    """Puts an approved change in force from the commit on, and tells the cases that a published year concerns.

    NotFound, Decided, ValueMoved, BrokenRule. The caller refreshes this process after the commit.
    """
    row = await _locked(s, viewer, change_id, "apply")
    await policy_changes.lock_numbers(s)
    rules = await changed(policy_changes.change_of(row))
    _unmoved(row, rules)
    seen = await preview(s, rules)
    now = clock.now()
    told = 0
    sides = rules.sides
    if sides is not None and sides.after.version != sides.before.version:
        told = await policy_orders.order_published(
            s, sides.after, now, reason=_because(row), actor=viewer.username, change_id=row.id
        )
    impact = Impact(
        deadlines_moved=seen.deadlines_moved,
        deadlines_replanned=seen.deadlines_replanned,
        deadlines_final=seen.deadlines_final,
        cases_late=seen.cases_late,
        people=seen.people,
        total_difference=seen.total_difference,
        cases_told=told,
        fees=seen.fees,
        fee_difference=seen.fee_difference,
        people_months=seen.people_months,
        lines_not_computable=seen.lines_not_computable,
    )
    await policy_changes.number(
        s,
        row,
        viewer.username,
        now,
        version=policies.version_of(rules.texts),
        case_version=rules.case_version,
        impact=impact,
    )
    audit.record(s, viewer.username, "policy.apply", str(row.id), file=row.file, number=row.number, told=told)
    return view_of(viewer, row)


async def revoke(s: AsyncSession, viewer: Viewer, change_id: int, body: DecisionBody) -> ChangeView:
    """Proposes to take an applied change back; a second person approves it like any other. NotFound, Decided, BadForm,
    BrokenRule."""
    row = await get(s, viewer, change_id)
    require_role(viewer, *CHANGES)
    if not body.note:
        text = Text(zh="请写明撤销的理由。", en="Say why it is taken back.")
        raise BadForm(text, faults=[("/note", "missing", text)])
    await policies.refresh(s)
    if "revoke" not in actions(viewer, row):
        raise Decided
    wanted = ProposeBody(
        file=row.file, kind=ChangeKind.REVOKE, key=str(row.id), new={}, reason=body.note, source=row.source
    )
    return await propose(s, viewer, wanted)


def _unmoved(row: PolicyChangeRow, rules: Changed) -> None:
    if rules.old != row.old:
        raise ValueMoved


def _because(row: PolicyChangeRow) -> Text:
    if row.kind == ChangeKind.YEAR:
        doc = str(row.new.get("doc") or row.source)
        return Text(zh=f"{row.key}年放假安排公布（{doc}）", en=f"the holidays of {row.key} are published ({doc})")
    return policy_orders.PUBLISHED if row.kind != ChangeKind.REVOKE else _which(row)


def title_of(name: str) -> Text:
    """What people call a file."""
    return TITLES.get(name, Text(zh=name, en=name))


def _which(row: PolicyChangeRow) -> Text:
    """What of a file a change is about, in words: 基本养老保险 2026-01-01, not `pension all 2026-01-01`."""
    if row.kind == ChangeKind.REVOKE:
        return Text(zh=f"撤销第 {row.key} 号变更", en=f"take back change {row.key}")
    if row.kind != ChangeKind.ROW:
        return Text(zh=row.key, en=row.key)
    lines = _lines()
    parts: list[Text] = []
    for name in ("insurance", "class", "year", "scheme", "valid_from"):
        said = str(row.new.get(name) or "")
        if name == "insurance" and said in lines:
            parts.append(lines[said].title)
        elif name == "class" and said:
            parts.append(Text(zh=f"{said} 类", en=f"class {said}"))
        elif said and said != "all":
            parts.append(SCHEMES.get(said) or Text(zh=said, en=said))
    zh, en = " ".join(p.zh for p in parts), " ".join(p.en for p in parts)
    return Text(zh=zh or row.key, en=en or row.key)


def _lines() -> Mapping[str, BillingLine]:
    """The insurances with their titles; none while the rules cannot be read: changes are looked at also then."""
    try:
        return rule_tables.load().contributions.lines
    except PolicyError:
        return {}


SCHEMES = {
    "enterprise": Text(zh="城镇企业职工", en="enterprise"),
    "public_institution": Text(zh="机关事业单位", en="public institution"),
}


def view_of(viewer: Viewer, row: PolicyChangeRow) -> ChangeView:
    """A change as this viewer sees it."""
    title, which = title_of(row.file), _which(row)
    return ChangeView.model_validate(
        {
            **{f: getattr(row, f) for f in ChangeView.model_fields if f not in ("title", "taken_back", "actions")},
            "title": Text(zh=f"{title.zh} {which.zh}".strip(), en=f"{title.en} {which.en}".strip()),
            "taken_back": _taken_back(row),
            "actions": actions(viewer, row),
        }
    )


async def previewed(s: AsyncSession, viewer: Viewer, row: PolicyChangeRow) -> Preview:
    """What an open change would do now. Decided, BrokenRule."""
    require_role(viewer, *READS)
    if row.state not in policy_changes.OPEN:
        raise Decided
    return await preview(s, await changed(policy_changes.change_of(row)))


# --- the room --------------------------------------------------------------------------------------------------------

State = Annotated[ChangeState | Literal["open"] | None, Query(description="a state, or `open`: waits for somebody")]


@router.get("/changes", summary="Changes of the rules, newest first")
async def get_changes(viewer: CurrentViewer, state: State = None) -> list[ChangeView]:
    require_role(viewer, *READS)
    async with reading() as s:
        return [view_of(viewer, row) for row in await policy_changes.listed(s, state)]


@router.post("/changes", status_code=201, summary="Propose a change; a second person approves it")
async def post_change(viewer: CurrentViewer, body: ProposeBody) -> ChangeView:
    async with session() as s:
        return await propose(s, viewer, body)


@router.get("/changes/{change_id}", summary="One change")
async def get_change(viewer: CurrentViewer, change_id: int) -> ChangeView:
    async with reading() as s:
        return view_of(viewer, await get(s, viewer, change_id))


@router.get("/changes/{change_id}/preview", summary="What an open change would do: deadlines, late cases, amounts")
async def get_preview(viewer: CurrentViewer, change_id: int) -> Preview:
    async with reading() as s:
        return await previewed(s, viewer, await get(s, viewer, change_id))


@router.post("/changes/{change_id}/approve", summary="Approve: somebody else than who proposed it")
async def post_approve(viewer: CurrentViewer, change_id: int, body: DecisionBody | None = None) -> ChangeView:
    async with session() as s:
        return await decide(s, viewer, change_id, "approve", body or DecisionBody())


@router.post("/changes/{change_id}/reject", summary="Reject, with a note; also what was approved and not yet applied")
async def post_reject(viewer: CurrentViewer, change_id: int, body: DecisionBody) -> ChangeView:
    async with session() as s:
        return await decide(s, viewer, change_id, "reject", body)


@router.post("/changes/{change_id}/withdraw", summary="Withdraw one's own proposal")
async def post_withdraw(viewer: CurrentViewer, change_id: int, body: DecisionBody | None = None) -> ChangeView:
    async with session() as s:
        return await decide(s, viewer, change_id, "withdraw", body or DecisionBody())


@router.post(
    "/changes/{change_id}/revoke", status_code=201, summary="Propose to take an applied change back, with a note"
)
async def post_revoke(viewer: CurrentViewer, change_id: int, body: DecisionBody) -> ChangeView:
    async with session() as s:
        return await revoke(s, viewer, change_id, body)


@router.post("/changes/{change_id}/apply", summary="Put an approved change in force")
async def post_apply(viewer: CurrentViewer, change_id: int) -> ChangeView:
    async with session() as s:
        await apply(s, viewer, change_id)
    await policies.refresh()
    async with reading() as s:  # by the rules as they are now
        return view_of(viewer, await get(s, viewer, change_id))
