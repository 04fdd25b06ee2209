"""代理: arranging who does whose tasks while somebody is away; by the absent person, or by an administrator.

A substitute must be of the same work: one of the absent person's roles, unless an administrator decides otherwise. What
a substitute may then do is in `api/permissions.py`.
"""

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import people_named
from api.json_body import JsonObjectRoute
from api.problems import BadForm, NotAllowed, NotFound, Problem
from api.sign_in import CurrentViewer
from runtime import clock
from runtime.clock import real_now
from schemas.base import Text
from schemas.desk import SubstitutionBody, SubstitutionView
from store import audit, messages, standing_in, substitutes, users
from store.database import session
from store.substitutes import Clash, Clashing
from store.tables.desk import Substitution
from store.tables.people import User
from store.users import PASSED_ON, Viewer

router = APIRouter(tags=["substitutes"], route_class=JsonObjectRoute)
ARRANGES = ("admin",)
FOR_OTHERS = Text(
    zh="代理只能由本人设置或终止；替他人办理，请联系系统管理员。",
    en="One sets and ends only one's own substitute; for somebody else an administrator does it.",
)
SEES = ("admin", "supervisor", "head", "auditor")
FARTHEST = timedelta(days=730)  # lint: allow law-number - longer is a slip of the pen or a hand-over, no rule


class Overlaps(Problem):
    status, code = 409, "substitution_overlaps"


_CLASHES = {
    Clash.ABSENT_HAS_ONE: Text(
        zh="这几天已有代理人（{first} 至 {last}），请先终止原安排。",
        en="There is a substitute for these days already ({first} to {last}): end that arrangement first.",
    ),
    Clash.SUBSTITUTE_IS_ABSENT: Text(
        zh="代理人自己在 {first} 至 {last} 也由他人代理，请另选一人。",
        en="The substitute is away as well from {first} to {last}: choose somebody else.",
    ),
    Clash.ABSENT_STANDS_IN: Text(
        zh="本人在 {first} 至 {last} 正代理他人，请先为对方另作安排。",
        en="This person stands in for somebody else from {first} to {last}: arrange that first.",
    ),
}


def _fault(pointer: str, code: str, zh: str, en: str) -> BadForm:
    return people_named.refused(pointer, code, Text(zh=zh, en=en))


async def arrange(s: AsyncSession, viewer: Viewer, body: SubstitutionBody) -> SubstitutionView:
    """A new substitution. NotAllowed, BadForm, Overlaps."""
    by_admin = viewer.has(*ARRANGES)
    if body.absent not in (None, viewer.username) and not by_admin:
        raise NotAllowed(FOR_OTHERS)
    absent = await people_named.active(s, body.absent or viewer.username, "/absent")
    person = await people_named.active(s, body.substitute, "/substitute")
    if absent.username == person.username:
        raise _fault("/substitute", "same_person", "代理人须是另一个人。", "The substitute must be somebody else.")
    if not absent.roles & PASSED_ON:
        raise _fault(
            "/absent",
            "nothing_to_pass",
            "该账号没有可由他人代理的业务角色。",
            "This login has no role that can be passed on.",
        )
    shared = absent.roles & PASSED_ON & person.roles
    office = person.roles & PASSED_ON
    if not office or not (shared or by_admin):
        raise _fault(
            "/substitute",
            "other_work",
            "代理人须有相同的业务角色；跨岗位代理请由系统管理员设置。",
            "A substitute needs one of the same roles; across roles an administrator arranges it.",
        )
    if body.last_day < body.first_day:
        raise _fault("/last_day", "order", "结束日期早于开始日期。", "The last day is before the first.")
    if body.last_day < clock.today():
        raise _fault("/last_day", "past", "结束日期已过。", "The last day has passed.")
    if body.last_day > (farthest := clock.today() + FARTHEST):
        raise _fault(
            "/last_day",
            "too_far",
            f"结束日期不能晚于 {farthest}（自今天起两年），请核对；更长的，到期前续设。",
            f"The last day cannot be after {farthest}, two years from today: check it, or arrange it anew by then.",
        )
    try:
        row = await substitutes.add(
            s,
            absent.username,
            person.username,
            body.first_day,
            body.last_day,
            reason=body.reason,
            set_by=viewer.username,
            now=real_now(),
        )
    except Clashing as error:
        said = _CLASHES[error.clash]
        days = {"first": error.other.first_day, "last": error.other.last_day}
        raise Overlaps(Text(zh=said.zh.format(**days), en=said.en.format(**days))) from error
    audit.record(
        s, viewer.username, "substitution.set", str(row.id), absent=row.absent, substitute=row.substitute,
        first_day=str(row.first_day), last_day=str(row.last_day),
    )  # fmt: skip
    words = Text(
        zh=f"{row.first_day} 至 {row.last_day} 由{person.name.zh}代理{absent.name.zh}",
        en=f"{person.name.en} stands in for {absent.name.en}, {row.first_day} to {row.last_day}",
    )
    await _tell(s, viewer, row, "set", words)
    await standing_in.give_back(s, clock.today(), clock.now())
    return await _view(s, viewer, row)


async def end(s: AsyncSession, viewer: Viewer, substitution_id: int) -> SubstitutionView:
    """Ends it early: the absent person, or an administrator. NotFound, NotAllowed."""
    row = await substitutes.get(s, substitution_id) if 0 < substitution_id < 2**31 else None
    if row is None or not _sees(viewer, row):
        raise NotFound
    if not _may_end(viewer, row):
        raise NotAllowed(FOR_OTHERS)
    if row.ended_at is None:
        substitutes.end(row, viewer.username, real_now())
        audit.record(s, viewer.username, "substitution.end", str(row.id), absent=row.absent, substitute=row.substitute)
        names = await users.names(s)
        words = Text(
            zh=f"{names[row.substitute].zh}代理{names[row.absent].zh}的安排已终止",
            en=f"{names[row.substitute].en} no longer stands in for {names[row.absent].en}",
        )
        await _tell(s, viewer, row, "end", words)
    return await _view(s, viewer, row)


async def _tell(s: AsyncSession, viewer: Viewer, row: Substitution, what: str, words: Text) -> None:
    for username in (row.absent, row.substitute):
        if username != viewer.username:
            user = await s.get_one(User, username)
            key = f"substitution/{row.id}/{what}/{username}"
            await messages.notify(s, user, words, key=key, link="/cover", now=clock.now())


def _sees(viewer: Viewer, row: Substitution) -> bool:
    return viewer.username in (row.absent, row.substitute) or viewer.has(*SEES)


def _may_end(viewer: Viewer, row: Substitution) -> bool:
    return row.ended_at is None and (viewer.username == row.absent or viewer.has(*ARRANGES))


async def arranged(s: AsyncSession, viewer: Viewer) -> list[SubstitutionView]:
    """In force or to come: the own ones; all of them for those who run the office."""
    whose = None if viewer.has(*SEES) else [viewer.username]
    return [await _view(s, viewer, row) for row in await substitutes.arranged(s, clock.today(), whose)]


async def _view(s: AsyncSession, viewer: Viewer, row: Substitution) -> SubstitutionView:
    names = await users.names(s)
    today = clock.today()
    return SubstitutionView(
        id=row.id,
        absent=row.absent,
        absent_name=names.get(row.absent),
        substitute=row.substitute,
        substitute_name=names.get(row.substitute),
        first_day=row.first_day,
        last_day=row.last_day,
        reason=row.reason,
        set_by=row.set_by,
        set_by_name=names.get(row.set_by),
        in_force=row.ended_at is None and row.first_day <= today <= row.last_day,
        may_end=_may_end(viewer, row),
    )


@router.get("/substitutions", summary="Substitutes in force or to come")
async def get_substitutions(viewer: CurrentViewer) -> list[SubstitutionView]:
    async with session() as s:
        return await arranged(s, viewer)


@router.post("/substitutions", status_code=201, summary="代理: name a substitute for some days")
async def post_substitution(viewer: CurrentViewer, body: SubstitutionBody) -> SubstitutionView:
    async with session() as s:
        return await arrange(s, viewer, body)


@router.post("/substitutions/{substitution_id}/end", summary="End a substitution before its last day")
async def post_end(viewer: CurrentViewer, substitution_id: int) -> SubstitutionView:
    async with session() as s:
        return await end(s, viewer, substitution_id)
