"""`baoqi up`: the whole product on one machine, from an empty folder to READY, and in order down again.

Order: PostgreSQL, migrations, Temporal, namespace, demo university (first run), simulated agencies, worker, app.
Children run in sessions of their own and end with this process even after kill -9 (Linux), elsewhere at the next
start. A child that ends is started again on the same port. Files in the data folder: `run.json` (addresses and demo
people, for people and programs), `settings.json` (how another command reaches the servers; secret), `ports.json`,
`pids.json`, `logs/`. An external PostgreSQL or Temporal in the settings is used as it is."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import text

from cli.init import migrate, prepare_temporal
from cli.progress import Progress
from embedded.ports import NoPort, Ports, is_free
from embedded.postgres import PostgresUnusable, embedded_postgres
from embedded.processes import Child, ChildFailed, Launch, Leftovers, http_answers
from embedded.temporal import TemporalUnusable, temporal_launch
from runtime.settings import AGENCIES, OperatorError, Settings, use_settings
from store import database

ROOT = Path(__file__).resolve().parent.parent
RESTART_FIRST, RESTART_LONGEST = 0.5, 10.0
IMPATIENT_AFTER = 1.5
PORT_ATTEMPTS = 3


class AlreadyRunning(RuntimeError):
    """Another `baoqi up` holds this data folder."""


class Supervisor:
    """The running installation of one data folder."""

    def __init__(self, data: Path, empty: bool) -> None:
        self.data = data.absolute()
        self.empty = empty
        self.progress = Progress()
        self.children: list[Child] = []  # in order of starting
        self.stopping = asyncio.Event()
        self._watchers: list[asyncio.Task[None]] = []
        self._lock: TextIO | None = None
        # Held here and inherited by the children: nobody takes the port while a child is starting or being replaced.
        self._app_socket: socket.socket | None = None
        self._simulators_socket: socket.socket | None = None
        self.users: list[dict[str, Any]] = []

    # -- before anything starts -------------------------------------------------------------------------------------
    def lock(self) -> None:
        """Takes the data folder; raises `AlreadyRunning`. The system frees it whatever happens to us."""
        # As root PostgreSQL's own user must be able to pass; what is secret has closed folders of its own below.
        self.data.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        for private in ("keys", "logs", "documents"):
            (self.data / private).mkdir(exist_ok=True, mode=0o700)
        self._lock = (self.data / "up.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"{self.data} 已有一个 baoqi up 在运行：请先停止它，或用 --data 换一个目录。 "
                f"Another `baoqi up` runs on {self.data}: stop it, or choose another folder with --data."
            ) from error
        for stale in ("settings.json", "run.json", "worker.ready"):
            (self.data / stale).unlink(missing_ok=True)

    @property
    def leftovers(self) -> Leftovers:
        return Leftovers(self.data / "pids.json")

    # -- starting ---------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Everything up to READY. Raises what an operator can mend (`ChildFailed`, `PostgresUnusable`, `NoPort`)."""
        ended = await self.leftovers.end()
        if ended:
            names = ", ".join(ended)
            self.progress.say(f"已结束上次遗留的进程：{names}。 Ended what an earlier run left behind: {names}.")
        settings = Settings(data_dir=self.data)
        ports = Ports(self.data / "ports.json")
        self._app_socket = ports.hold("app", settings.port, settings.host)
        settings.port = self._app_socket.getsockname()[1]
        await self._postgres(settings, ports)
        await self._temporal(settings, ports)
        if settings.simulators and not settings.simulators_url:
            self._simulators_socket = ports.hold("simulators", settings.simulators_port)
            settings.simulators_port = self._simulators_socket.getsockname()[1]
            settings.simulators_url = f"http://127.0.0.1:{settings.simulators_port}"
        ports.save()
        use_settings(settings)
        self._write("settings.json", _for_other_commands(settings))
        await self._demo(settings)
        await self._processes(settings)
        run = {
            "api": settings.base_url,
            "pages": settings.base_url,
            "temporal_ui": settings.temporal_ui_url,
            "simulators": settings.simulators_url,
            "users": self.users,
        }
        self._write("run.json", run)
        self._announce(settings)

    async def _postgres(self, settings: Settings, ports: Ports) -> None:
        if not settings.database_url:
            with self.progress.step("数据库 PostgreSQL", "started") as remarks:
                server = embedded_postgres(settings, settings.database_port)
                await asyncio.to_thread(server.prepare)

                def launch() -> Launch:
                    server.port = ports.choose("postgres", settings.database_port)
                    return server.launch()

                await self._child_with_port(launch, lambda: server.port)
                await server.ensure_database()
                settings.database_url = server.database_url
                remarks.append(f"127.0.0.1:{server.port}")
        with self.progress.step("数据表迁移", "migrations"):
            await asyncio.to_thread(migrate, settings.database_url)

    async def _temporal(self, settings: Settings, ports: Ports) -> None:
        if not settings.temporal_address:
            with self.progress.step("流程引擎 Temporal", "started") as remarks:
                port = ui_port = 0

                def launch() -> Launch:
                    nonlocal port, ui_port
                    port = ports.choose("temporal", settings.temporal_port)
                    ui_port = ports.choose("temporal_ui", settings.temporal_ui_port)
                    return temporal_launch(settings, port, ui_port, f"{settings.base_url}/codec")

                await self._child_with_port(launch, lambda: port)
                settings.temporal_address = f"127.0.0.1:{port}"
                settings.temporal_ui_url = f"http://127.0.0.1:{ui_port}"
                remarks.append(settings.temporal_address)
        with self.progress.step("命名空间与查询字段", "namespace, search attributes"):
            await prepare_temporal(settings)

    async def _demo(self, settings: Settings) -> None:
        """Creates the demo university in an installation without users, once; afterwards only reads its logins."""
        kept = self.data / "demo-users.json"
        async with database.session() as opened:
            count = (await opened.execute(text("SELECT count(*) FROM users"))).scalar_one()
        if count == 0 and settings.demo and not self.empty:
            from cli.demo import create_demo

            with self.progress.step("演示大学", "demo university"):
                async with database.session() as opened:
                    self.users = list(await create_demo(opened))
                self._write(kept.name, self.users)
        elif kept.exists():
            self.users = json.loads(kept.read_text())
        await database.dispose()

    async def _processes(self, settings: Settings) -> None:
        env = _for_children(settings, self.data)
        own = [sys.executable, "-m", "cli.main"]
        logs = self.data / "logs"
        simulated = [a for a in AGENCIES if a not in settings.agency_urls]
        if settings.simulators and simulated:
            with self.progress.step("模拟经办机构", "simulated agencies") as remarks:
                url = settings.simulators_url
                argv = [*own, "simulators", "--data", str(self.data), *_inherit(self._simulators_socket)]
                healthy = f"{url}/healthz"
                launch = Launch("simulators", argv, logs / "simulators.log", lambda: http_answers(healthy), env=env)
                launch.fds = _numbers(self._simulators_socket)
                await self._child(launch)
                remarks.append(url)
        ready_file = self.data / "worker.ready"

        async def worker_ready() -> bool:
            return ready_file.exists()

        # Both need some seconds to import what they need; side by side they cost the slower one only.
        with self.progress.step("流程工作进程与页面", "worker, API and pages") as remarks:
            worker = Launch(
                "worker", [*own, "worker", "--ready-file", str(ready_file)], logs / "worker.log", worker_ready, env=env
            )
            health = f"{settings.local_url}/healthz"
            argv = [*own, "api", *_inherit(self._app_socket)]
            app = Launch("app", argv, logs / "app.log", lambda: http_answers(health), env=env)
            app.fds = _numbers(self._app_socket)
            await asyncio.gather(self._child(worker), self._child(app))
            remarks.append(settings.base_url)

    async def _child(self, launch: Launch) -> None:
        child = await Child.start(launch)
        self.children.append(child)
        self.leftovers.remember(self.children)
        await child.wait_ready()
        self._watchers.append(asyncio.create_task(self._watch(child)))

    async def _child_with_port(self, make: Callable[[], Launch], port: Callable[[], int]) -> None:
        """Starts a server that opens its port itself; another program may be faster, then the next port is tried."""
        for attempt in range(PORT_ATTEMPTS):
            try:
                return await self._child(make())
            except ChildFailed:
                await self.children.pop().stop()
                if attempt + 1 == PORT_ATTEMPTS or is_free(port()):
                    raise

    async def _watch(self, child: Child) -> None:
        """Starts a child again when it ends by itself, ever more slowly while it keeps failing."""
        wait = RESTART_FIRST
        while True:
            code = await child.process.wait()
            if self.stopping.is_set():
                return
            name = child.launch.name
            self.progress.say(
                f"[yellow]![/] {name} 意外结束({code}),{wait:.1f} 秒后重新启动，日志 {child.launch.log}。 "
                f"{name} ended ({code}), starting again in {wait:.1f} s, log {child.launch.log}."
            )
            await asyncio.sleep(wait)
            if self.stopping.is_set():
                return
            replacement = await Child.start(child.launch)
            self.children[self.children.index(child)] = replacement
            child = replacement
            self.leftovers.remember(self.children)
            try:
                await child.wait_ready()
                self.progress.say(f"[green]✓[/] {name} 已恢复。 {name} is back.")
                wait = RESTART_FIRST
            except ChildFailed:
                wait = min(wait * 2, RESTART_LONGEST)
                await child.stop()

    # -- stopping ---------------------------------------------------------------------------------------------------
    async def stop(self) -> None:
        """Stops all children, the last one started first; cases go on where they were at the next start."""
        self.stopping.set()
        for child in reversed(self.children):
            if child.process.returncode is None:
                self.progress.say(f"[dim]停止 stopping {child.launch.name}[/]")
                await child.stop()
        for watcher in self._watchers:
            watcher.cancel()
        self.leftovers.forget()
        (self.data / "settings.json").unlink(missing_ok=True)
        self.progress.say("已停止。 Stopped.")

    # -- files and words --------------------------------------------------------------------------------------------
    def _write(self, name: str, content: object) -> None:
        part = self.data / f".{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(content, out, ensure_ascii=False, indent=1)
        part.replace(self.data / name)

    def _announce(self, settings: Settings) -> None:
        say = self.progress.say
        say()
        say(f"  页面 Pages         {settings.base_url}")
        say(f"  接口文档 API docs  {settings.base_url}/docs")
        say(f"  Temporal UI        {settings.temporal_ui_url or '-'}")
        say(f"  模拟机构 Agencies  {settings.simulators_url or '-'}")
        say(f"  数据 Data          {self.data}")
        if self.users:
            say()
            say("  演示用户 Demo users")
            for user in self.users:
                self.progress.plain(f"    {user['name']:<12} {user['password']:<14} {', '.join(user['roles'])}")
        else:
            say("  没有演示用户：用 `baoqi user add` 新建。 No demo users: create one with `baoqi user add`.")
        say()
        self.progress.plain("READY")


def _numbers(held: socket.socket | None) -> tuple[int, ...]:
    return () if held is None else (held.fileno(),)


def _inherit(held: socket.socket | None) -> list[str]:
    """The option by which a child takes over a listening socket."""
    return [] if held is None else ["--fd", str(held.fileno())]


def _for_other_commands(settings: Settings) -> dict[str, Any]:
    """What a second command needs to reach the servers."""
    return {
        "database_url": settings.database_url,
        "temporal_address": settings.temporal_address,
        "temporal_ui_url": settings.temporal_ui_url,
        "simulators_url": settings.simulators_url,
        "simulators_port": settings.simulators_port,
        "port": settings.port,
    }


def _for_children(settings: Settings, data: Path) -> dict[str, str]:
    """The same as environment, which wins over what the operator's shell may hold; and the way to our code."""
    env = {f"BAOQI_{name.upper()}": str(value) for name, value in _for_other_commands(settings).items() if value}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return env | {"BAOQI_DATA_DIR": str(data), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


async def run(data: Path, empty: bool) -> int:
    """Runs until told to stop; the exit code."""
    supervisor = Supervisor(data, empty)
    try:
        supervisor.lock()
    except (AlreadyRunning, OSError) as error:
        supervisor.progress.plain(str(error))
        return 1
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    first_told = 0.0

    def tell() -> None:
        # `make` passes on a signal that the whole group got already: only a later one means "at once".
        nonlocal first_told
        first_told = first_told or loop.time()
        if loop.time() - first_told > IMPATIENT_AFTER:
            for child in supervisor.children:
                if child.process.returncode is None:
                    child.process.kill()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, tell)
    starting = asyncio.create_task(supervisor.start())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if starting.done():
        error = starting.exception()
        if isinstance(error, OperatorError | ChildFailed | PostgresUnusable | TemporalUnusable | NoPort | OSError):
            supervisor.progress.plain(f"✗ {error}")
            code = 1
        elif error is not None:
            await supervisor.stop()
            raise error
        else:
            await told.wait()
    else:
        starting.cancel()
        await asyncio.wait([starting])
    await supervisor.stop()
    return code
