"""The door: sign in, sign out, and the way home. In a demo installation the accounts are shown."""

from typing import Annotated

from fastapi import Form, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from api import sign_in as room
from api.problems import Problem, language_of
from runtime.settings import get_settings
from schemas.base import ROLES
from store.database import session
from store.tables.people import User
from web.frame import Guest, bare, home, posted, with_query, words
from web.language import pick, translate
from web.routes import router as make_router

router = make_router()
DEMO_PASSWORD = "baoqi-demo"  # noqa: S105 - printed on the page of a demo installation, never valid elsewhere
MAX_SHOWN = 20


@router.get("/")
async def start(visit: Guest) -> Response:
    """Everyone's own first page."""
    return visit.go(home(visit.viewer))


@router.get("/sign-in")
async def door(request: Request, next: str = "") -> Response:
    """The form; who is signed in already goes home."""
    if await room.identify(request) is not None:
        return RedirectResponse(_safe(next), status_code=303)
    return await _door(request, next)


@router.post("/sign-in")
async def enter(
    request: Request,
    username: Annotated[str, Form(max_length=60)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Opens a session, or says why not."""
    try:
        token, _ = await room.sign_in(username.strip(), password)
    except Problem as problem:
        return await _door(request, next, username, pick(language_of(request), problem.text), problem.status)
    answer = RedirectResponse(_safe(next), status_code=303)
    room.set_cookie(answer, token)
    return answer


@router.post("/sign-out")
async def leave(visit: Guest) -> Response:
    """Ends the session."""
    await posted(visit)
    token = visit.request.cookies.get(room.COOKIE)
    if token:
        await room.sign_out(token)
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(room.COOKIE, path="/")
    return answer


def _safe(target: str) -> str:
    """Only an address of this site: nobody is led away by a link to the sign-in page."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


async def _door(request: Request, next: str, username: str = "", fault: str = "", status: int = 200) -> Response:
    lang = language_of(request)
    people = await _demo_people(lang) if get_settings().demo else []
    context = {
        **words(lang),
        "next": next,
        "username": username,
        "fault": fault,
        "people": people,
        "other_language": with_query("/sign-in", request.url.query, lang="en" if lang == "zh" else "zh"),
    }
    return await bare("sign_in.html", context, status)


async def _demo_people(lang: str) -> list[dict[str, str]]:
    """The accounts that the demo university made, in the order of the roles."""
    async with session() as s:
        found = list(await s.scalars(select(User).where(User.active).order_by(User.username)))
    found.sort(key=lambda u: min((ROLES.index(r.role) for r in u.roles), default=len(ROLES)))
    comma = translate(lang, "list_comma")
    return [
        {
            "username": u.username,
            "password": DEMO_PASSWORD,
            "name": u.name_zh if lang == "zh" else u.name_en,
            "roles": comma.join(translate(lang, f"role_{r.role}") for r in u.roles),
        }
        for u in found[:MAX_SHOWN]
    ]
