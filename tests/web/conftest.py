"""The pages on a live server: real PostgreSQL, real Temporal, the application on a port, Chromium in front of it. What
needs no browser is asked of the application itself (`door`)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest_asyncio
import uvicorn
from temporalio.client import Client

from api import engine
from cli.demo_university import create_demo
from runtime.settings import Settings
from store.database import session
from tests.applications import with_pages
from web.pages.sign_in import DEMO_PASSWORD


@dataclass
class Site:
    """The application under its address, and the browser."""

    url: str
    browser: Any
    settings: Settings

    async def visitor(self, username: str, lang: str = "zh", *, script: bool = True) -> Any:
        """A page of somebody who has signed in: with script by what the form sends (`tests/e2e` fills it in), without
        it by the form."""
        context = await self.browser.new_context(
            base_url=self.url, viewport={"width": 1366, "height": 768}, locale="zh-CN", java_script_enabled=script
        )
        await context.add_cookies([{"name": "lang", "value": lang, "url": self.url}])
        page = await context.new_page()
        page.set_default_timeout(30_000)
        if script:
            sent = {"username": username, "password": DEMO_PASSWORD}
            answer = await context.request.post("/sign-in", form=sent, max_redirects=0)
            assert answer.status == 303, answer.status
            await page.goto(answer.headers["location"])
        else:
            await page.goto("/sign-in")
            await page.fill("#username", username)
            await page.fill("#password", DEMO_PASSWORD)
            await page.click("#sign-in .btn-primary")
        await page.wait_for_selector("#nav")
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def site(database: Settings, client: Client, chromium: Any) -> AsyncIterator[Site]:
    """The application with the demo university's people and no case yet."""
    async with session() as s:
        await create_demo(s)
    database.demo = True
    database.temporal_ui_url = "http://127.0.0.1:8233"
    engine.use_client(client)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(with_pages(), log_level="warning", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.05)
    yield Site(f"http://127.0.0.1:{port}", chromium, database)
    for context in chromium.contexts:
        await context.close()
    server.should_exit = True
    await task
    engine.use_client(None)


@pytest_asyncio.fixture(loop_scope="session")
async def door(database: Settings) -> AsyncIterator[Any]:
    """Signs people of the demo university in, without a browser."""
    async with session() as s:
        await create_demo(s)
    database.demo = True
    made: list[httpx2.AsyncClient] = []

    async def sign_in(username: str) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=with_pages()), base_url="http://test")
        made.append(client)
        answer = await client.post("/api/v1/session", json={"username": username, "password": DEMO_PASSWORD})
        assert answer.status_code == 200
        return client

    yield sign_in
    for client in made:
        await client.aclose()
