"""The JSON API put together: one room a topic under `/api/v1`, health outside of it, API pages that work offline.

The pages are mounted beside it in `cli/asgi.py`; this module does not know them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import (
    amendments,
    batch,
    board,
    calculations,
    channels,
    codec,
    comments,
    completion,
    copies,
    countersign,
    dates,
    deadlines,
    escalations,
    events,
    figures,
    hand_in,
    handover,
    health,
    imports,
    incidents,
    leaving,
    logins,
    message_settings,
    notices,
    parameters,
    pictures,
    policy,
    policy_form,
    policy_orders,
    policy_values,
    policy_versions,
    problems,
    process_start,
    processes,
    results,
    retirement,
    rules,
    saved_views,
    search,
    sign_in,
    steps,
    substitutes,
    tasks,
    uploads,
    urging,
)
from runtime.settings import Settings

PREFIX = "/api/v1"
ROOMS = (
    sign_in, batch, tasks, search, completion, steps, countersign, dates, amendments, handover, urging, comments,
    copies, uploads, hand_in, results, saved_views, substitutes, leaving, logins, processes, process_start, imports,
    board, calculations, notices, message_settings, channels, escalations, events,
    policy, policy_form, policy_orders, policy_values, policy_versions, rules, retirement, incidents,
    deadlines, pictures, figures,
)  # fmt: skip
DESCRIPTION = """保期 Baoqi: processes, tasks, deadlines and money of a university's social-insurance office.

Sign in with `POST /session` (writes carry `X-CSRF-Token`), or send `Authorization: Bearer <token>`. Errors are
`application/problem+json` with a stable `code` and a sentence in the language of `Accept-Language`."""


def create_api() -> APIRouter:
    """All rooms under the prefix; none of them takes a query parameter that it does not know."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(parameters.known_only)])
    for room in ROOMS:
        router.include_router(room.router)
    return router


def create_app(settings: Settings) -> FastAPI:
    """The application. Its lifespan runs the listener behind the live refresh."""
    del settings  # rooms ask for the settings of the process when they need one

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        events.hub.start()
        try:
            yield
        finally:
            await events.hub.stop()

    app = FastAPIOffline(title="保期 Baoqi", version="1", description=DESCRIPTION, lifespan=lifespan)
    app.include_router(create_api())
    app.include_router(health.router)
    app.include_router(codec.router)
    problems.install(app)

    app.add_middleware(Harden)
    return app


class Harden:
    """Adds the headers that every answer carries. Plain ASGI: a middleware function would cost each request a task."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("X-Frame-Options", "SAMEORIGIN")
                if scope["path"].startswith(PREFIX):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)
