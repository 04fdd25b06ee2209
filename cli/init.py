"""`baoqi init`: tables to the newest migration, Temporal's namespace and search attributes, schedules. Safe to repeat.

The same code prepares the embedded servers, a cluster (one-shot job of docker-compose.yml) and the tests. It creates no
data: the demo university is `baoqi up`'s, on the first run of an empty installation.
"""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from temporalio.client import Client

import store
from runtime import namespace
from runtime.settings import Settings
from worker import schedules

MIGRATIONS = Path(store.__file__).parent / "migrations"


def migrate(database_url: str) -> None:
    """Brings the database to the newest revision; blocking. `store/migrations/env.py` takes one lock for all
    callers."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    config.attributes["url"] = database_url
    command.upgrade(config, "head")


async def prepare_temporal(settings: Settings) -> Client:
    """Namespace, search attributes and schedules; returns a client. Raises `RPCError` when refused."""
    client = await namespace.prepare(settings)
    await schedules.ensure(client, settings)
    return client


async def init(settings: Settings) -> None:
    """Everything in order: database first, because a schedule that fires needs its tables."""
    await asyncio.to_thread(migrate, settings.require_database_url())
    await prepare_temporal(settings)
