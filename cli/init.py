"""`baoqi init`: tables to the newest migration, Temporal's namespace and search attributes, schedules. Safe to repeat.

The same code prepares the embedded servers, a cluster (one-shot job of docker-compose.yml) and the tests. It creates no
data: the demo university is `baoqi up`'s, on the first run of an empty installation.
"""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from temporalio.client import Client

import store
from runtime import namespace
from runtime.settings import OperatorError, Settings
from store import rights
from worker import schedules

MIGRATIONS = Path(store.__file__).parent / "migrations"


class DatabaseUnreachable(OperatorError):
    """No connection to the database of the settings."""


class DatabaseForbids(OperatorError):
    """The database's user lacks a right; the migration was one transaction, nothing of it is left."""


def migrate(database_url: str) -> None:
    """Brings the database to the newest revision; blocking. `store/migrations/env.py` takes one lock for all
    callers. Raises `DatabaseUnreachable`, `DatabaseForbids`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    config.attributes["url"] = database_url
    try:
        command.upgrade(config, "head")
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise DatabaseUnreachable(
            f"连不上数据库：{reason}。检查 BAOQI_DATABASE_URL。 "
            f"The database cannot be reached: {reason}. Check BAOQI_DATABASE_URL."
        ) from None
    except ProgrammingError as error:
        grants = _missing_rights(database_url) if isinstance(error.orig, InsufficientPrivilege) else []
        if not grants:
            raise
        raise DatabaseForbids(rights.sentence(grants)) from None


def _missing_rights(database_url: str) -> list[str]:
    """What the database's administrator is to run; nothing where something else is refused."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = list(connection.scalars(text(rights.MISSING)))
    engine.dispose()
    return found


async def prepare_temporal(settings: Settings) -> Client:
    """Namespace, search attributes and schedules; returns a client. Raises `TemporalUnreachable`, `TemporalRefused`."""
    client = await namespace.prepare(settings)
    await schedules.ensure(client, settings)
    return client


async def init(settings: Settings) -> None:
    """Everything in order: database first, because a schedule that fires needs its tables."""
    await asyncio.to_thread(migrate, settings.require_database_url())
    await prepare_temporal(settings)
