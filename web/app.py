"""Mounts the pages on the application: routes, front-end files, compression, and what a browser may load.

Invariants: every HTML answer carries a policy that allows this site's own files only (no inline script, no other host);
answers of the API and streams of events are left as they are.
"""

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import assets
from web.pages import (
    amendments,
    batch,
    batch_cases,
    board,
    calculations,
    calendar,
    case,
    channels,
    cover,
    escalations,
    figures,
    hand_in,
    inbox,
    incidents,
    message_settings,
    messages,
    moves,
    my,
    policy,
    policy_changes,
    rules,
    saved_views,
    search,
    sheets,
    sign_in,
    start,
    steps,
    task,
)

ROOMS = (
    sign_in, search, inbox, batch, batch_cases, hand_in, saved_views, moves, task, steps, cover, amendments, case,
    board, rules, policy, policy_changes, calculations, start, messages, message_settings, channels, escalations, my,
    incidents, calendar, figures, sheets,
)  # fmt: skip
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "HX-Request, Cookie, Accept-Language",
}
_OWN_PAGES = ("/docs", "/redoc", "/api/")
LANGUAGE_LASTS = 365 * 24 * 3600


class PageHeaders:
    """Adds the policy to pages, and keeps a language that was chosen by `?lang=`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_OWN_PAGES):
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    for name, value in _HEADERS.items():
                        headers[name] = value
                for lang in ("zh", "en") if not scope["path"].startswith("/static/") else ():
                    if f"lang={lang}" in scope["query_string"].decode("latin-1").split("&"):
                        cookie = f"lang={lang}; Max-Age={LANGUAGE_LASTS}; Path=/; SameSite=Lax"
                        headers.append("Set-Cookie", cookie)
            await send(message)

        await self.app(scope, receive, with_headers)


def mount(app: FastAPI) -> None:
    """Adds the pages to an application. AssetsMissing when the front-end files are not installed."""
    assets.assets()
    app.add_api_route("/static/{version}/{name}", assets.serve, include_in_schema=False, response_model=None)
    for room in ROOMS:
        app.include_router(room.router)
    app.add_middleware(PageHeaders)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
