"""The web application put together: JSON API and pages in one ASGI app, with the clock of this process kept right.

`create_app` is a factory for uvicorn (`cli.asgi:create_app`). The wiring is here and nowhere else: the API does not
know its pages, and neither knows the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import api.app
import web.app
from runtime import collector, logging
from runtime.settings import get_settings
from store import database
from worker.wiring import following_clock


def create_app() -> FastAPI:
    """The application under this process's settings."""
    settings = get_settings()
    logging.configure(settings, "app")
    app = api.app.create_app(settings)
    web.app.mount(app)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncIterator[Any]:
        async with following_clock(), inner(served) as state:
            collector.settle()
            yield state
        await database.dispose()

    app.router.lifespan_context = lifespan
    return app
