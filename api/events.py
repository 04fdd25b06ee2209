"""Live refresh: one LISTEN connection a process, and Server-Sent Events to the browsers.

An event says that something changed in a process, never what: the page asks again with its own permissions. A missed
event costs nothing, because the page also asks after each reconnect.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import LiteralString, cast

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api.sign_in import CurrentViewer
from runtime.logging import logger
from runtime.settings import get_settings
from store.live import CLOSED, INBOX_CHANNEL, TO_USER

router = APIRouter(tags=["events"])
HEARTBEAT_SECONDS = 15.0
AGAIN_SECONDS = 3.0
PAUSE_SECONDS = 1.0
QUEUE_LENGTH = 100
log = logger(__name__)


class Hub:
    """Hands every notification of the database to all open streams of this process."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for queue in self._queues:
            _offer(queue, "")  # ends the streams, or the server would wait for them when it stops

    @contextlib.contextmanager
    def subscription(self):
        queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_LENGTH)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except psycopg.Error as error:
                log.warning("live refresh waits for the database", error=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen_once(self) -> None:
        dsn = get_settings().require_database_url().replace("postgresql+psycopg://", "postgresql://", 1)
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
        async with connection:
            await connection.execute(cast("LiteralString", f"LISTEN {INBOX_CHANNEL}"))
            async for notice in connection.notifies():
                for queue in self._queues:
                    _offer(queue, notice.payload)


def _offer(queue: "asyncio.Queue[str]", what: str) -> None:
    if queue.full():
        queue.get_nowait()  # a slow browser loses old news, not new
    queue.put_nowait(what)


hub = Hub()


async def stream(request: Request, username: str) -> AsyncIterator[str]:
    """Events `inbox` with the id of the process that changed, `message` when this user has a new one; a comment line
    as heartbeat. The first `message` says that the stream listens: what came since the page was drawn is asked for."""
    with hub.subscription() as queue:
        yield "retry: 3000\n\nevent: message\ndata: {}\n\n"
        while not await request.is_disconnected():
            try:
                heard = {await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS): None}
            except TimeoutError:
                yield ": here\n\n"
                continue
            while not queue.empty():
                heard[queue.get_nowait()] = None
            if "" in heard or f"{CLOSED}{username}" in heard:
                return
            said = "".join(_said(what, username) for what in heard)
            if said:
                yield said
                # What happens now is told together afterwards: a busy office costs a page one look a second, and the
                # last change is never lost, as it would be if the page left out what comes too soon.
                await asyncio.sleep(PAUSE_SECONDS)


def _said(what: str, username: str) -> str:
    if what.startswith(CLOSED):
        return ""
    if not what.startswith(TO_USER):
        return f"event: inbox\ndata: {json.dumps({'process_id': what})}\n\n"
    return "event: message\ndata: {}\n\n" if what == f"{TO_USER}{username}" else ""


def response(request: Request, username: str) -> StreamingResponse:
    """The stream as an answer; not buffered by proxies."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(request, username), media_type="text/event-stream", headers=headers)


@router.get("/events", summary="Live refresh (Server-Sent Events)", response_class=StreamingResponse)
async def get_events(request: Request, viewer: CurrentViewer) -> StreamingResponse:
    return response(request, viewer.username)  # whoever is signed in may know that something changed
