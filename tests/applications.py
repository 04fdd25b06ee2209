"""The application of the tests that need no port of its own: put together once a process, for that costs more than most
tests do.

It holds nothing of a test: rooms ask for the settings and the database of the process (`api.app.create_app`). Whoever
uses one must not change it.
"""

from functools import cache

from fastapi import FastAPI

import web.app
from api.app import create_app
from runtime.settings import get_settings


@cache
def interface() -> FastAPI:
    """The JSON API alone."""
    return create_app(get_settings())


@cache
def with_pages() -> FastAPI:
    """The JSON API and the pages."""
    app = create_app(get_settings())
    web.app.mount(app)
    return app
