"""Real servers for the tests: one embedded PostgreSQL and one Temporal server per run, a fresh database per test.

Use: `settings` (own data folder and key, no servers), `database` (a migrated database of this test; `store.database`
points to it), `temporal_env` (development server with time skipping, nothing skips by itself), `client` (a Temporal
client with this test's key), `chromium` (a browser). Each adds its address to the same `settings` object.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from hypothesis import settings as properties
from psycopg import sql
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment
from xdist.scheduler import LoadScopeScheduling

from embedded.ports import Ports
from embedded.postgres import ROLE, Postgres, embedded_postgres
from embedded.processes import Child
from embedded.temporal import TIME_SKIPPING, find_program
from runtime import clock, collector
from runtime.settings import Settings, use_settings
from runtime.temporal import SEARCH_ATTRIBUTES, connect
from store import policies
from store import users as store_users

TEMPLATE = "baoqi_template"
SHARED_MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3  # a worker of `-n` takes some 200 MB
# Databases of a minute need no vacuum, and what is written ahead of them is not kept.
SMALL = ["-c", "shared_buffers=64MB", "-c", "autovacuum=off", "-c", "min_wal_size=32MB", "-c", "max_wal_size=128MB"]
# A case whose workflow task fails is named by the server after two failures, not after minutes.
HALTED_SOON = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2"
# Temporal's server, written in Go, holds little in a test: its collector need not look through that again and again.
os.environ.setdefault("GOGC", "400")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_exit_status = 0
_engine: AsyncEngine | None = None
_database = ""
# How long an example takes says something about the machine, not about a rule.
properties.register_profile("any machine", deadline=None)
properties.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> Iterator[None]:
    """The real password hash, with the least work it allows: a test makes a dozen users, an installation makes one."""
    kept = store_users._passwords  # pyright: ignore[reportPrivateUsage]
    store_users._passwords = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1),))
    yield
    store_users._passwords = kept


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings of this test alone: nothing of the machine's environment or `.env` comes in."""
    made = Settings.model_validate(
        Settings.model_construct(
            **{n: f.get_default(call_default_factory=True) for n, f in Settings.model_fields.items()}
        ).model_copy(update={"data_dir": tmp_path / "data"})
    )
    made.data_dir.mkdir()
    use_settings(made)
    yield made
    use_settings(None)
    clock.set_offset(clock.timedelta())


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, where the machine has room for it: a database is 700 files, made and dropped by each test."""
    try:
        roomy = os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free > ROOM
    except OSError:  # a system without it
        roomy = False
    if not roomy:
        yield tmp_path_factory.mktemp("memory")
        return
    for left in SHARED_MEMORY.glob("baoqi-tests-*-*"):  # a killed run cannot clear up
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"baoqi-tests-{os.getpid()}-", dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory, memory: Path) -> AsyncIterator[Postgres]:
    """One server for the run, with a migrated template database."""
    from cli.init import migrate

    folder = tmp_path_factory.mktemp("postgres")
    server = embedded_postgres(
        Settings(data_dir=folder), Ports(folder / "ports.json").choose("postgres", 20000 + os.getpid() % 10000)
    )
    server.forgetful = True
    server.folder = memory / "postgres"
    server.options += SMALL
    await asyncio.to_thread(server.prepare)
    child = await Child.start(server.launch())
    await child.wait_ready()
    await server.ensure_database()
    await _admin(server, sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(TEMPLATE), sql.Identifier(ROLE)))
    await asyncio.to_thread(migrate, _url(server, TEMPLATE))
    yield server
    await child.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def database(settings: Settings, postgres: Postgres) -> AsyncIterator[Settings]:
    """A database of this test, dropped afterwards; `async with store.database.session()` reaches it."""
    from store import database as store_database

    name = f"t_{uuid.uuid4().hex[:12]}"
    identifier = sql.Identifier(name)
    await _admin(
        postgres,
        # In memory copied files are four times as fast as copied blocks written ahead.
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
            identifier, sql.Identifier(TEMPLATE), sql.Identifier(ROLE)
        ),
    )
    settings.database_url = _url(postgres, name)
    store_database._engine = _aimed(settings.database_url, name)  # pyright: ignore[reportPrivateUsage]
    yield settings
    await store_database.dispose()
    policies.use(())  # what this test changed of the rules is not for the next
    await _admin(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """The development server; each workflow has its own clock, moved by `temporal_env.fast_forward(handle, span)`."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=str(find_program()),
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", TIME_SKIPPING, "--dynamic-config-value", HALTED_SOON],
        search_attributes=list(SEARCH_ATTRIBUTES),
    )
    yield environment
    await environment.shutdown()


@pytest_asyncio.fixture(loop_scope="session")
async def client(settings: Settings, temporal_env: WorkflowEnvironment) -> Client:
    """A client as the product's processes have it: pydantic, encrypted with this test's key."""
    settings.temporal_address = temporal_env.client.service_client.config.target_host
    settings.temporal_namespace = temporal_env.client.namespace
    settings.temporal_task_queue = f"test-{uuid.uuid4().hex[:8]}"
    return await connect(settings)


def chromium_path() -> str | None:
    """Debian's Chromium or what comes near it: best the same engine without a window, at a quarter of the price."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """pytest-playwright drives the machine's Chromium; nothing is downloaded."""
    return {**browser_type_launch_args, "executable_path": _require_chromium(), "args": CHROMIUM_ARGUMENTS}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Any]:
    """A `playwright.async_api.Browser`, for tests that run in the same event loop as the servers."""
    from playwright.async_api import async_playwright

    path = _require_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


def _require_chromium() -> str:
    path = chromium_path()
    if path is None:
        sentence = "没有 Chromium,浏览器测试未运行。 No Chromium: the browser tests did not run (see `baoqi doctor`)."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return path


def _aimed(url: str, name: str) -> AsyncEngine:
    """The one engine of all tests of this process, pointed to a test's database: it keeps the statements that it has
    compiled, which cost a test more than to run them. Its connections are new, `dispose` closed those before."""
    global _engine, _database
    from store import database as store_database

    _database = name
    if _engine is None:
        _engine = store_database._create(url)  # pyright: ignore[reportPrivateUsage]

        def aim(dialect: object, record: object, arguments: object, parameters: dict[str, Any]) -> None:
            parameters["dbname"] = _database

        event.listen(_engine.sync_engine, "do_connect", aim)
    return _engine


def _url(server: Postgres, name: str) -> str:
    return server.database_url.rpartition("/")[0] + "/" + name


async def _admin(server: Postgres, statement: sql.Composed) -> None:
    connection = await psycopg.AsyncConnection.connect(server.superuser_dsn(), autocommit=True)
    async with connection:
        await connection.execute(statement)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says loudly what a missing browser cost."""
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if "Chromium" in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"!!! {len(skipped)} 个浏览器测试未运行：没有 Chromium。 {len(skipped)} browser tests skipped.",
            red=True,
            bold=True,
        )


# What takes minutes in one piece is begun first, then files of a minute, last those of seconds: so that nothing long is
# left over when the other workers are done.
LONG = (
    "tests/e2e/", "tests/workflows/test_fuzz.py", "tests/platform/", "tests/api/test_any_day.py", "tests/web/",
    "tests/workflows/", "tests/api/",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first; `-n` takes the files in this order (`--no-loadscope-reorder`)."""
    items.sort(key=lambda i: next((n for n, name in enumerate(LONG) if i.nodeid.startswith(name)), len(LONG)))


class ByFile(LoadScopeScheduling):
    """Side by side, each file is one worker's, for it shares what its fixtures made; e2e has one product a user."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if not path.startswith("tests/e2e/"):
            return path
        return "e2e ordinary" if "[ordinary" in nodeid else "e2e root"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Which worker takes which tests, when there are several (`-n`)."""
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """A worker of `-n` holds what it loaded to its end, as a server does."""
    collector.settle()


def pytest_sessionfinish(exitstatus: int) -> None:
    """Remembers the result for the hard exit below."""
    global _exit_status
    _exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Ends without the interpreter's finalisation, in which the Temporal client can abort a green run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_exit_status)
