"""A database for a measurement: the embedded PostgreSQL as the product starts it (durable), migrated, then removed.

Invariants: nothing of the machine's own installation is touched; the folder and the server end with the block.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cli.init import migrate
from embedded.ports import Ports
from embedded.postgres import Postgres, embedded_postgres
from embedded.processes import Child
from runtime.settings import Settings, use_settings
from store import database


@asynccontextmanager
async def measured_database(port: int = 36432) -> AsyncIterator[Postgres]:
    """The running server; `store.database` points to its migrated database."""
    folder = Path(tempfile.mkdtemp(prefix="baoqi-bench-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # PostgreSQL's own user passes through
    settings = Settings(data_dir=folder / "data")
    settings.data_dir.mkdir()
    use_settings(settings)
    server = embedded_postgres(settings, Ports(folder / "ports.json").choose("postgres", port))
    try:
        await asyncio.to_thread(server.prepare)
        child = await Child.start(server.launch())
        try:
            await child.wait_ready()
            await server.ensure_database()
            await asyncio.to_thread(migrate, server.database_url)
            await database.configure(server.database_url)
            yield server
            await database.dispose()
        finally:
            await child.stop()
    finally:
        use_settings(None)
        shutil.rmtree(folder, ignore_errors=True)
