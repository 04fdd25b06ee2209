"""Running cases and newer rules: the chore that sends stored orders, and the update that somebody orders.

Invariants: ids and reasons only go to Temporal; no transaction is open around a call; the Update's id is the order's,
so an order that is sent again changes nothing; a batch at a time, so that clicks do not wait behind thousands.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection

import structlog
from fastapi import APIRouter

from api import engine
from api.engine import NoAnswer, ProcessGone, Refused
from api.json_body import JsonObjectRoute
from api.permissions import require_role
from api.policy import CHANGES, READS
from api.problems import BadForm
from api.sign_in import CurrentViewer
from domain import policy_impact
from runtime import clock
from schemas.base import Text
from schemas.policy import (
    CaseBehind,
    MovedDeadline,
    OrderView,
    TakeOverBody,
    TakeOverDone,
    TakeOverItem,
    TakeOverSelection,
    TakeOverView,
)
from schemas.process import PolicyAnswer, PolicyUpdate
from schemas.tasks import Refusal
from store import audit, case_changes, policies, policy_orders
from store.database import reading, session
from store.policy_impact import open_deadlines
from store.policy_orders import DONE, FAILED, GONE, PENDING
from store.tables.policy import PolicyOrder
from store.tables.processes import Process
from store.users import Viewer

router = APIRouter(prefix="/policy", tags=["policy"], route_class=JsonObjectRoute)
AT_ONCE = 4
BATCH = 40  # of one run; the chore comes every few seconds
LISTED = 500
SHOWN_ORDERS = 100
ORDERS = (*CHANGES, "supervisor")  # who may tell cases; the rules themselves are changed by policy administrators only
NOT_BEHIND = Text(
    zh="所列流程都已结束、不存在或已按现行规则办理，没有可下令的个案。",
    en="All of these cases have ended, do not exist, or work by the rules in force already: there is none to tell.",
)

log = structlog.get_logger(__name__)


async def send_policy_orders() -> int:
    """The chore: finds cases that a published year concerns, then sends a batch of what is pending; gives how many
    cases have taken over."""
    async with session() as s:
        await policies.refresh(s)
        await policy_orders.order_published(s, policies.snapshot(), clock.now())
        rows = await policy_orders.pending(s, BATCH)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(order: PolicyOrder) -> bool:
        async with gate:
            try:
                state, moved, error = await _send(order)
            except Exception as fault:  # one that cannot be sent stops no other
                log.exception("policy_order_failed", order=order.id, process=order.process_id)
                state, moved, error = PENDING, None, type(fault).__name__
        async with session() as s:
            await policy_orders.mark(s, order.id, state, clock.now(), moved=moved, error=error)
        if error:
            log.warning("policy_order", order=order.id, process=order.process_id, state=state, error=error)
        return state == DONE

    return sum(await asyncio.gather(*(one(row) for row in rows)))


async def _send(order: PolicyOrder) -> tuple[str, int | None, str]:
    """One attempt: the order's next state, how many deadlines moved, and what went wrong."""
    update = PolicyUpdate(
        id=str(order.id),
        scope=order.scope,
        reason=Text(zh=order.reason_zh, en=order.reason_en),
        actor=order.actor,
    )
    try:
        answer = await engine.update(order.process_id, "update_policy", update, f"policy/{order.id}", PolicyAnswer)
    except ProcessGone:
        return GONE, None, ""
    except Refused as refused:
        ended = refused.kind == Refusal.NOT_ALLOWED_NOW
        return (GONE, None, "") if ended else (FAILED, None, str(refused))
    except NoAnswer as silence:
        return PENDING, None, f"no answer: {silence}"
    return DONE, answer.moved, ""


async def standing(viewer: Viewer, only: Collection[str] | None = None) -> TakeOverView:
    """Which open cases work by other rules than those in force, and what taking them over would move; with `only`, the
    list and the moves of these. The counts are of all."""
    require_role(viewer, *READS)
    snapshot, now = policies.snapshot(), clock.now()
    async with reading() as s:
        behind = await policy_orders.behind(s, snapshot.version)
        wanted = [p for p in behind if only is None or p.id in only]
        found = await open_deadlines(s, [p.id for p in wanted])
        listed = wanted[:LISTED]
        states = await policy_orders.last_states(s, [p.id for p in listed])
        counts = await policy_orders.counts(s)
        changes = await case_changes.by_taking_over(s, wanted, clock.today())
        orders = await policy_orders.newest(s, SHOWN_ORDERS)
    moves = await asyncio.to_thread(policy_impact.moved_by_taking_over, found, snapshot, now)
    of_case: dict[str, list[MovedDeadline]] = defaultdict(list)
    for move in moves:
        of_case[move.process_id].append(move)
    return TakeOverView(
        version=snapshot.version,
        behind=len(behind),
        pending=counts.get(PENDING, 0),
        done=counts.get(DONE, 0),
        failed=counts.get(FAILED, 0),
        cases=[_behind(p, of_case[p.id], states.get(p.id)) for p in listed],
        deadlines=moves[:LISTED],
        changes=changes[:LISTED],
        orders=[_order(order, case_no) for order, case_no in orders],
        may_order=viewer.has(*ORDERS),
    )


def _behind(case: Process, moves: list[MovedDeadline], order: str | None) -> CaseBehind:
    return CaseBehind(
        process_id=case.id,
        case_no=case.case_no,
        version=case.policy_version,
        moved=len(moves),
        becomes_late=any(m.becomes_late for m in moves),
        becomes_tight=any(m.becomes_tight for m in moves),
        order=order,
    )


def _order(order: PolicyOrder, case_no: str) -> OrderView:
    return OrderView(
        process_id=order.process_id,
        case_no=case_no,
        state=order.state,
        moved=order.moved,
        error=order.error,
        reason=Text(zh=order.reason_zh, en=order.reason_en),
        actor=order.actor,
        created_at=order.created_at,
        done_at=order.done_at,
    )


async def take_over(viewer: Viewer, body: TakeOverBody) -> TakeOverDone:
    """Orders open cases to work by the rules in force, and says of each what became of it. NotAllowed; BadForm when
    none of the cases named is behind."""
    require_role(viewer, *ORDERS)
    async with session() as s:
        await policies.refresh(s)
        version = policies.snapshot().version
        behind = {p.id: p.case_no for p in await policy_orders.behind(s, version)}
        wanted = list(behind) if body.process_ids is None else list(dict.fromkeys(body.process_ids))
        if wanted and not any(p in behind for p in wanted):
            raise BadForm(NOT_BEHIND, faults=[("/process_ids", "not_behind", NOT_BEHIND)])
        made = set(
            await policy_orders.add(
                s,
                sorted(p for p in wanted if p in behind),
                policy_orders.ALL,
                Text(zh=body.reason, en=body.reason),
                version=version,
                actor=viewer.username,
                now=clock.now(),
            )
        )
        audit.record(s, viewer.username, "policy.take_over", version, cases=len(wanted), ordered=len(made))
    items = [
        TakeOverItem(
            process_id=p,
            case_no=behind.get(p, ""),
            result="ordered" if p in made else "waiting" if p in behind else "not_behind",
        )
        for p in wanted[:LISTED]
    ]
    return TakeOverDone(ordered=len(made), items=items)


@router.get("/take-over", summary="Running cases that work by older rules")
async def get_standing(viewer: CurrentViewer) -> TakeOverView:
    return await standing(viewer)


@router.post("/take-over/preview", summary="What taking over the rules in force would move in these cases")
async def post_preview(viewer: CurrentViewer, body: TakeOverSelection) -> TakeOverView:
    return await standing(viewer, set(body.process_ids))


@router.post("/take-over", status_code=202, summary="Order running cases to work by the rules in force")
async def post_take_over(viewer: CurrentViewer, body: TakeOverBody) -> TakeOverDone:
    return await take_over(viewer, body)
