"""停用账号: a login is closed when somebody leaves, and opened again.

Invariants: a closed login has no session and no token from that moment on, is told nothing and offered nowhere; its
name stays in everything that was done. It is closed after its work was handed over, or at once when that is asked for
in so many words; what nobody could do then is named, and refuses nothing. The last administrator stays. Every change
is in the audit trail with its reason.
"""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api import leaving, permissions
from api.case_names import called
from api.json_body import JsonObjectRoute
from api.problems import HasWork, LastAdministrator, NotAllowed, NotFound
from api.sign_in import CurrentViewer, user_view
from runtime.clock import real_now
from schemas.base import Text
from schemas.desk import LeavingCounts, LoginBody, LoginView, NobodyLeft
from store import audit, users
from store.database import session
from store.tables.people import User
from store.users import Viewer

router = APIRouter(tags=["substitutes"], route_class=JsonObjectRoute)
CLOSES = ("admin",)
MOST_NAMED = 5
OWN = Text(
    zh="不能停用自己的账号：请另一位管理员停用。",
    en="You cannot close your own login: another administrator closes it.",
)


async def set_active(s: AsyncSession, by: str, username: str, body: LoginBody) -> LoginView:
    """Closes or opens the login; one that is so already stays so. NotFound, NotAllowed (one's own, while there is
    another administrator), HasWork, LastAdministrator."""
    user, administrators = await users.locked(s, username)
    if user is None:
        raise NotFound
    if not body.active and by == username and administrators - {username}:
        raise NotAllowed(OWN)
    lost: list[NobodyLeft] = []
    if user.active != body.active:
        left = await leaving.left(s, user)
        if not body.active and not body.anyway and _any(left):
            raise HasWork(await _what(s, user, left))
        try:
            await users.set_active(s, user, administrators, body.active, real_now())
        except users.LastAdministrator as error:
            raise LastAdministrator from error
        lost = left.nobody_left
        action = "user.reopen" if body.active else "user.close"
        audit.record(s, by, action, username, reason=body.reason, left=_numbers(left))
    view = await _view(s, user)
    return view.model_copy(update={"left": view.left.model_copy(update={"nobody_left": lost})}) if lost else view


def _numbers(left: LeavingCounts) -> dict[str, int]:
    return left.model_dump(exclude={"username", "name", "nobody_left"})


def _any(left: LeavingCounts) -> bool:
    return any(_numbers(left).values())


async def _what(s: AsyncSession, user: User, left: LeavingCounts) -> Text:
    """What there is to hand over, by numbers and the most urgent by name."""
    counts = (
        (left.held, "在办任务", "held"),
        (left.lent_to_person, "他人委派协办", "delegated to the person"),
        (left.lent_by_person, "委派他人", "delegated by the person"),
        (left.asked_by_name, "点名待签", "asked by name"),
        (left.substitutions, "代理安排", "substitutions"),
    )
    named = await leaving.examples(s, user.username, MOST_NAMED)
    zh = "、".join(f"{what} {n} 项" for n, what, _ in counts if n)
    en = ", ".join(f"{n} {what}" for n, _, what in counts if n)
    which_zh = "（" + "、".join(f"{called(case).zh}《{title.zh}》" for case, title in named) + "）" if named else ""
    which_en = " (" + ", ".join(f"{called(case).en} {title.en}" for case, title in named) + ")" if named else ""
    return Text(
        zh=f"{user.name_zh}名下还有{zh}{which_zh}。请先移交，再停用账号；确需立即停用的，选“立即停用”，事项仍可随后移交。",
        en=f"{user.name_en} still has {en}{which_en}. Hand them over, then close the login; to close it at once say so "
        "(`anyway`), and hand over afterwards.",
    )


async def _view(s: AsyncSession, user: User) -> LoginView:
    seen = user_view(users.viewer_of(user)).model_dump()
    return LoginView(**seen, active=user.active, left=await leaving.left(s, user))


async def change(s: AsyncSession, viewer: Viewer, username: str, body: LoginBody) -> LoginView:
    """The same for somebody who is signed in. NotAllowed."""
    permissions.require_role(viewer, *CLOSES)
    return await set_active(s, viewer.username, username, body)


@router.get("/users/{username}", summary="A login, and what it would leave behind")
async def get_login(viewer: CurrentViewer, username: str) -> LoginView:
    permissions.require_role(viewer, *CLOSES)
    async with session() as s:
        user = await s.get(User, username)
        if user is None:
            raise NotFound
        return await _view(s, user)


@router.patch("/users/{username}", summary="停用账号: close a login, or open it again")
async def patch_login(viewer: CurrentViewer, username: str, body: LoginBody) -> LoginView:
    async with session() as s:
        return await change(s, viewer, username, body)
