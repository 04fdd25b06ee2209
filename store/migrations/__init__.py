"""The database's history. `upgrade` brings any version to the newest; running it again changes nothing."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from runtime.settings import get_settings


def config(url: str | None = None) -> Config:
    """Alembic's configuration without an .ini file. `url` defaults to the database of the settings."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["url"] = url or get_settings().require_database_url()
    return made


def upgrade(url: str | None = None) -> None:
    """Migrates to the newest version. Blocking: call it by `asyncio.to_thread` from async code."""
    command.upgrade(config(url), "head")
