"""Sign-in: a cookie with a CSRF token for browsers, a bearer token for programs.

Writes that come with the cookie must carry `X-CSRF-Token`; those with a bearer token need none. A wrong name and a
wrong password take the same time and get the same answer.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import update

from api.json_body import JsonObjectRoute
from api.problems import BadCredentials, CsrfMissing, LockedOut, NotSignedIn
from runtime.clock import real_now
from runtime.settings import get_settings
from schemas.api import SessionView, SignIn, UserView
from store import audit, users
from store.database import session, single_reads
from store.tables.people import Session, User
from store.users import Viewer

COOKIE = "baoqi_session"
router = APIRouter(tags=["session"], route_class=JsonObjectRoute)
_DUMMY = users.hash_password("no such user")


@dataclass(frozen=True)
class Identity:
    """Who asks, and the browser session when there is one (None with a bearer token)."""

    viewer: Viewer
    csrf_token: str | None
    session: Session | None


def user_view(viewer: Viewer) -> UserView:
    return UserView(
        username=viewer.username,
        name=viewer.name,
        roles=sorted(viewer.roles),
        org_units=sorted(viewer.org_units),
        person_id=viewer.person_id,
    )


async def sign_in(username: str, password: str) -> tuple[str, SessionView]:
    """Checks the password and opens a session: the cookie's value and what the client gets.

    BadCredentials, or LockedOut after repeated failures.
    """
    now = real_now()
    async with session() as s:
        user = await s.get(User, username)
        if user is None or not user.active:
            await asyncio.to_thread(users.verify_password, password, _DUMMY)
            raise BadCredentials
        if user.locked_until is not None and user.locked_until > now:
            raise LockedOut(headers={"Retry-After": str(int((user.locked_until - now).total_seconds()) + 1)})
        opened: tuple[str, SessionView] | None = None
        right = await asyncio.to_thread(users.verify_password, password, user.password_hash)
        if right:
            user.failures, user.locked_until = 0, None
            token, row = await users.open_session(s, username, now)
            audit.record(s, username, "session.open", username)
            view = user_view(users.viewer_of(user))
            opened = token, SessionView(user=view, csrf_token=row.csrf_token, expires_at=row.expires_at)
    if opened is None:
        await _failed(username)
        raise BadCredentials
    return opened


async def _failed(username: str) -> None:
    async with session() as s:
        failures = (
            await s.execute(
                update(User)
                .where(User.username == username)
                .values(failures=User.failures + 1)
                .returning(User.failures)
            )
        ).scalar_one()
        audit.record(s, username, "session.failed", username, failures=failures)
        if failures >= users.FAILURES_ALLOWED:
            await s.execute(
                update(User)
                .where(User.username == username)
                .values(failures=0, locked_until=real_now() + users.LOCKED_FOR)
            )


async def identify(request: Request) -> Identity | None:
    """Who asks, by bearer token or cookie; None when nobody is signed in. Does not check the CSRF token."""
    now = real_now()
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given:
        async with single_reads() as s:
            viewer = await users.find_token(s, given.strip(), now)
        return Identity(viewer, None, None) if viewer is not None else None
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    async with single_reads() as s:
        found = await users.find_session(s, cookie, now)
    return Identity(found[1], found[0].csrf_token, found[0]) if found is not None else None


def check_csrf(identity: Identity, given: str | None) -> None:
    """CsrfMissing unless the token is the session's (or no cookie is involved)."""
    if identity.csrf_token is not None and given != identity.csrf_token:
        raise CsrfMissing


async def current_identity(request: Request) -> Identity:
    """Dependency of every room: NotSignedIn, CsrfMissing."""
    identity = await identify(request)
    if identity is None:
        raise NotSignedIn(headers={"WWW-Authenticate": "Bearer"})
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        check_csrf(identity, request.headers.get("x-csrf-token"))
    return identity


async def current_viewer(identity: Annotated[Identity, Depends(current_identity)]) -> Viewer:
    return identity.viewer


CurrentViewer = Annotated[Viewer, Depends(current_viewer)]
CurrentIdentity = Annotated[Identity, Depends(current_identity)]


def set_cookie(response: Response, token: str) -> None:
    """HttpOnly and SameSite=Lax; Secure when the settings say that people come by HTTPS."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(users.SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=get_settings().secure_cookies,
        path="/",
    )


@router.post("/session", summary="Sign in")
async def post_session(body: SignIn, response: Response) -> SessionView:
    token, view = await sign_in(body.username, body.password)
    set_cookie(response, token)
    return view


@router.get("/session", summary="Who am I")
async def get_session(identity: CurrentIdentity) -> SessionView:
    expires = identity.session.expires_at if identity.session is not None else real_now() + users.SESSION_LASTS
    return SessionView(user=user_view(identity.viewer), csrf_token=identity.csrf_token or "", expires_at=expires)


async def sign_out(token: str) -> None:
    async with session() as s:
        await users.close_session(s, token)


@router.delete("/session", status_code=204, summary="Sign out")
async def delete_session(request: Request, identity: CurrentIdentity, response: Response) -> None:
    if identity.session is not None:
        await sign_out(request.cookies[COOKIE])
    response.delete_cookie(COOKIE, path="/")
