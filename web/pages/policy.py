"""The rules for policy administrators: files, values in force with where they come from, versions, running cases.

Invariants: a page shows what `/api/v1/policy` answers and decides nothing; who may read and who may change is the
room's question. Changes themselves are in `web/pages/policy_changes.py`.
"""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from api import policy_orders as orders_room
from api import policy_values as values_room
from api import policy_versions as versions_room
from api.permissions import require_role
from api.policy import CHANGES, READS, get, title_of
from api.policy import view_of as change_view
from api.problems import NotFound, Problem, RulesUnreadable
from domain.policy import PolicyError
from schemas.policy import TakeOverBody, TakeOverDone
from store import policy_changes
from store.database import reading
from web import policy_view
from web.frame import Guest, Visit, page, posted, sentence
from web.policy_view import FileTable
from web.routes import router as make_router

router = make_router()


async def shown(visit: Visit, template: str, tab: str, status: int = 200, **values: Any) -> Response:
    """A page of the rules, with its tabs and how many changes wait."""
    async with reading() as s:
        waiting = len(await policy_changes.listed(s, "open"))
    return await page(
        visit,
        template,
        status,
        tab=tab,
        waiting=waiting,
        may_change=visit.viewer.has(*CHANGES),
        words=lambda name, value: policy_view.words(name, value, visit.lang),
        label=lambda name: policy_view.label(name, visit.lang),
        **values,
    )


@router.get("/policy")
async def files(visit: Guest) -> Response:
    """What waits for somebody, and all files; what is wrong where they cannot be read."""
    async with reading() as s:
        try:
            found, fault, unfit = await values_room.files(s, visit.viewer), "", []
        except PolicyError as error:
            found, fault, unfit = [], sentence(visit, RulesUnreadable(error.text).text), values_room.unfit()
        open_changes = [change_view(visit.viewer, r) for r in await policy_changes.listed(s, "open")]
    status = RulesUnreadable.status if fault else 200
    return await shown(
        visit, "policy_files.html", "values", status, files=found, fault=fault, unfit=unfit, open_changes=open_changes
    )


@router.get("/policy/files/{file}")
async def values(visit: Guest, file: str) -> Response:
    """The values of one file."""
    require_role(visit.viewer, *READS)
    found = values_room.values(file)
    return await shown(
        visit, "policy_values.html", "values", file=file, heading=title_of(file), table=FileTable(found, visit.lang)
    )


@router.get("/policy/value")
async def value(visit: Guest, file: str, key: str = "") -> Response:
    """One value: what holds when, and every change of it."""
    async with reading() as s:
        found = await values_room.history(s, visit.viewer, file, key)
    return await shown(visit, "policy_value.html", "values", file=file, heading=title_of(file), found=found)


@router.get("/policy/versions")
async def versions(visit: Guest) -> Response:
    """Every version, the newest first."""
    async with reading() as s:
        found = await versions_room.versions(s, visit.viewer)
    return await shown(visit, "policy_versions.html", "versions", versions=found)


@router.get("/policy/versions/{name}")
async def version(visit: Guest, name: str) -> Response:
    """One version with the open cases that work by it."""
    async with reading() as s:
        found = await versions_room.version(s, visit.viewer, name)
        row = await get(s, visit.viewer, found.change_id) if found.change_id else None
        change = change_view(visit.viewer, row) if row is not None else None
    return await shown(visit, "policy_version.html", "versions", found=found, change=change)


@router.get("/policy/take-over")
async def take_over(visit: Guest) -> Response:
    """Running cases that work by older rules."""
    return await _take_over(visit)


@router.post("/policy/take-over")
async def order(visit: Guest) -> Response:
    """Shows what the chosen cases would move, or orders them (or all) to take over the rules in force."""
    form = await posted(visit)
    do, chosen = str(form.get("do") or ""), [str(c) for c in form.getlist("case")]
    reason = str(form.get("reason") or "").strip()
    if do not in ("preview", "chosen", "all"):
        raise NotFound
    if do != "all" and not chosen:
        return await _take_over(visit, fault=visit.t("policy_none_chosen"), reason=reason)
    if do == "preview":
        return await _take_over(visit, chosen=chosen, reason=reason, previewed=True)
    if not reason:
        return await _take_over(visit, fault=visit.t("policy_reason_missing"), chosen=chosen)
    try:
        body = TakeOverBody(process_ids=None if do == "all" else chosen, reason=reason[:2000])
        done = await orders_room.take_over(visit.viewer, body)
    except Problem as problem:
        return await _take_over(
            visit, fault=sentence(visit, problem.text), chosen=chosen, reason=reason, status=problem.status
        )
    if any(i.result != "ordered" for i in done.items):
        return await _take_over(visit, done=done)
    return visit.go("/policy/take-over", "policy_ordered")


async def _take_over(
    visit: Visit,
    *,
    fault: str = "",
    reason: str = "",
    chosen: Sequence[str] = (),
    previewed: bool = False,
    done: TakeOverDone | None = None,
    status: int = 422,
) -> Response:
    standing = await orders_room.standing(visit.viewer)
    of_these = await orders_room.standing(visit.viewer, set(chosen)) if previewed else standing
    return await shown(
        visit,
        "policy_take_over.html",
        "take_over",
        status if fault else 200,
        standing=standing,
        moves=of_these.deadlines,
        changes=of_these.changes,
        previewed=previewed,
        chosen=chosen,
        done=done,
        fault=fault,
        reason=reason,
    )
