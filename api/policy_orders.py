"""Running cases and newer rules: the chore that sends stored orders, and the update that an administrator orders.

Invariants: ids and reasons only go to Temporal; no transaction is open around a call; the Update's id is the order's,
so an order that is sent again changes nothing; a batch at a time, so that clicks do not wait behind thousands.
"""

import asyncio

import structlog
from fastapi import APIRouter

from api import engine
from api.engine import NoAnswer, ProcessGone, Refused
from api.permissions import require_role
from api.policy import CHANGES, READS
from api.problems import BadForm
from api.sign_in import CurrentViewer
from domain import policy_impact
from runtime import clock
from schemas.base import Text
from schemas.policy import TakeOverBody, TakeOverDone, TakeOverView
from schemas.process import PolicyAnswer, PolicyUpdate
from schemas.tasks import Refusal
from store import audit, policies, policy_orders
from store.database import reading, session
from store.policy_impact import open_deadlines
from store.policy_orders import DONE, FAILED, GONE, PENDING
from store.tables.policy import PolicyOrder
from store.users import Viewer

router = APIRouter(prefix="/policy", tags=["policy"])
AT_ONCE = 4
BATCH = 40  # of one run; the chore comes every few seconds
LISTED = 500

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
            state, moved, error = await _send(order)
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


async def standing(viewer: Viewer) -> TakeOverView:
    """How many open cases work by other rules than those in force, and what taking them over would move."""
    require_role(viewer, *READS)
    snapshot, now = policies.snapshot(), clock.now()
    async with reading() as s:
        behind = await policy_orders.behind(s, snapshot.version)
        found = await open_deadlines(s, [p.id for p in behind])
        counts = await policy_orders.counts(s)
    moves = await asyncio.to_thread(policy_impact.moved_by_taking_over, found, snapshot, now)
    return TakeOverView(
        version=snapshot.version,
        behind=len(behind),
        pending=counts.get(PENDING, 0),
        done=counts.get(DONE, 0),
        failed=counts.get(FAILED, 0),
        deadlines=moves[:LISTED],
    )


async def take_over(viewer: Viewer, body: TakeOverBody) -> TakeOverDone:
    """Orders open cases to work by the rules in force. NotAllowed, BadForm for a case that is not open."""
    require_role(viewer, *CHANGES)
    async with session() as s:
        await policies.refresh(s)
        version = policies.snapshot().version
        behind = {p.id for p in await policy_orders.behind(s, version)}
        wanted = behind if body.process_ids is None else set(body.process_ids)
        if wanted - behind:
            text = Text(
                zh="所列流程中有的已结束、不存在或已按现行规则办理。",
                en="Some of these cases have ended, do not exist, or work by the rules in force already.",
            )
            raise BadForm(text, faults=[("/process_ids", "not_behind", text)])
        ordered = await policy_orders.add(
            s,
            sorted(wanted),
            policy_orders.ALL,
            Text(zh=body.reason, en=body.reason),
            version=version,
            actor=viewer.username,
            now=clock.now(),
        )
        audit.record(s, viewer.username, "policy.take_over", version, cases=len(wanted), ordered=ordered)
    return TakeOverDone(ordered=ordered)


@router.get("/take-over", summary="Running cases that work by older rules")
async def get_standing(viewer: CurrentViewer) -> TakeOverView:
    return await standing(viewer)


@router.post("/take-over", status_code=202, summary="Order running cases to work by the rules in force")
async def post_take_over(viewer: CurrentViewer, body: TakeOverBody) -> TakeOverDone:
    return await take_over(viewer, body)
