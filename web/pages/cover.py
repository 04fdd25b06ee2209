"""Who stands in for whom, the hand-over of everything when somebody leaves, and the end of the login."""

from collections import Counter
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from api import leaving, logins, substitutes
from api.problems import BadForm, Problem
from runtime import clock
from schemas.base import Text
from schemas.desk import LeavingBody, LeavingCounts, LeavingResult, LoginBody, SubstitutionBody
from store import users
from store.database import session
from store.users import PASSED_ON
from web import choices
from web.forms import Choice
from web.frame import Guest, Visit, page, posted
from web.language import pick
from web.routes import router as make_router

router = make_router()
NO_REASON = Text(zh="请写明理由（2 至 500 个字）。", en="Say why, in 2 to 500 characters.")
INCOMPLETE = Text(zh="请选择人员和日期，并写明理由。", en="Choose the people and the days, and say why.")


@router.get("/cover")
async def cover(visit: Guest, leaver: str = "") -> Response:
    """Substitutions; for those who run the office also the hand-over, counted once somebody is chosen."""
    counted = None
    if leaver:
        async with session() as s:
            counted = await leaving.count(s, visit.viewer, leaver)
    return await _show(visit, counted=counted)


async def _show(
    visit: Visit,
    *,
    counted: LeavingCounts | None = None,
    result: LeavingResult | None = None,
    refused: Problem | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    async with session() as s:
        arranged = await substitutes.arranged(s, visit.viewer)
        office = await users.with_roles(s, sorted(PASSED_ON - {"college"}))
        colleges = await users.of_colleges(s)
        closes = visit.viewer.has(*logins.CLOSES)
        closed = await users.closed(s) if closes else []
        leavers = await choices.colleagues(s, visit.lang) if closes else None
    people = {u.username: Text(zh=u.name_zh, en=u.name_en) for u in [*office, *colleges]}
    named = {u: pick(visit.lang, n) for u, n in sorted(people.items())}
    twice = {n for n, times in Counter(named.values()).items() if times > 1}  # only then a user name says who
    offered = [Choice(u, f"{n} {u}" if n in twice else n) for u, n in named.items()]
    today = str(clock.today())
    nothing = counted is not None and not any(counted.model_dump(exclude={"username", "name", "nobody_left"}).values())
    return await page(
        visit,
        "cover.html",
        refused.status if refused else 200,
        arranged=arranged,
        people=offered,
        leavers=leavers or offered,
        may_close=closes,
        closed=[Choice(u.username, pick(visit.lang, Text(zh=u.name_zh, en=u.name_en))) for u in closed],
        for_others=visit.viewer.has(*substitutes.ARRANGES),
        may_arrange=bool(visit.viewer.roles & PASSED_ON) or visit.viewer.has(*substitutes.ARRANGES),
        may_hand_over=visit.viewer.has(*leaving.HANDS_OVER),
        counted=counted,
        nothing=nothing,
        result=result,
        sentence=pick(visit.lang, refused.text) if refused else "",
        typed=typed or {**dict.fromkeys(SubstitutionBody.model_fields, ""), "first_day": today, "last_day": today},
    )


@router.post("/cover/substitutions")
async def arrange(visit: Guest) -> Response:
    """Names a substitute."""
    form = await posted(visit)
    typed = {k: str(form.get(k) or "").strip() for k in SubstitutionBody.model_fields}
    try:
        body = _body(SubstitutionBody, {**typed, "absent": typed["absent"] or None})
        async with session() as s:
            await substitutes.arrange(s, visit.viewer, body)
    except Problem as problem:
        return await _show(visit, refused=problem, typed=typed)
    return visit.go("/cover", "substitute_set")


@router.post("/cover/substitutions/{substitution_id}/end")
async def end(visit: Guest, substitution_id: int) -> Response:
    """Ends a substitution early."""
    await posted(visit)
    async with session() as s:
        await substitutes.end(s, visit.viewer, substitution_id)
    return visit.go("/cover", "substitute_ended")


@router.post("/cover/{leaver}/hand-over")
async def hand_over(visit: Guest, leaver: str) -> Response:
    """Moves everything and shows what became of each item."""
    form = await posted(visit)
    to = [str(v) for v in form.getlist("to")]
    try:
        body = _body(LeavingBody, {"to": to, "reason": str(form.get("reason") or "").strip()})
        result = await leaving.hand_over(visit.viewer, leaver, body)
    except Problem as problem:
        async with session() as s:
            counted = await leaving.count(s, visit.viewer, leaver)
        return await _show(visit, counted=counted, refused=problem)
    async with session() as s:
        counted = await leaving.count(s, visit.viewer, leaver)
    return await _show(visit, counted=counted, result=result)


@router.post("/cover/{username}/login")
async def login(visit: Guest, username: str) -> Response:
    """Closes a login, or opens it again."""
    form = await posted(visit)
    values = {
        "active": form.get("active") == "yes",
        "reason": str(form.get("reason") or "").strip(),
        "anyway": form.get("anyway") == "yes",
    }
    try:
        body = _body(LoginBody, values, NO_REASON)
        async with session() as s:
            await logins.change(s, visit.viewer, username, body)
    except Problem as problem:
        async with session() as s:
            counted = await leaving.count(s, visit.viewer, username)
        return await _show(visit, counted=counted, refused=problem)
    return visit.go("/cover", "login_open" if body.active else "login_closed")


def _body(model: Any, values: dict[str, Any], wrong: Text = INCOMPLETE) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise BadForm(wrong) from error
