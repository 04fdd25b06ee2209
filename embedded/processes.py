"""One child process: started through `spawn.py`, watched until ready, stopped by its own signal, found again after a
crash.

A child lives in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone and the order of
stopping is the supervisor's. Its output goes to a log file. `Leftovers` ends children of a supervisor that was killed
before."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SPAWN = Path(__file__).with_name("spawn.py")
LOG_LIMIT_BYTES = 10 * 1024 * 1024


class ChildFailed(RuntimeError):
    """A child ended or stayed silent before it was ready; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Identity:
    """The user a child runs as; `reach`: it must pass closed parent directories (see `spawn.py`)."""

    uid: int
    gid: int
    reach: bool = False


@dataclass
class Launch:
    """How to start one program and how to know that it is ready."""

    name: str
    argv: list[str]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    identity: Identity | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 25.0
    ready_seconds: float = 60.0
    fds: tuple[int, ...] = ()  # open files the child inherits under the same numbers, such as a listening socket

    def environment(self) -> dict[str, str]:
        """The child's environment: ours, without `unset`, with `env`."""
        base = {key: value for key, value in os.environ.items() if key not in self.unset}
        return base | dict(self.env)

    def command(self) -> list[str]:
        """The command line, through `spawn.py`."""
        options: dict[str, object] = {"parent": os.getpid(), "death_signal": int(self.stop_signal)}
        if self.identity is not None:
            who = self.identity
            options |= {"uid": who.uid, "gid": who.gid, "reach": who.reach}
        return [sys.executable, "-I", "-S", str(SPAWN), json.dumps(options), *self.argv]


class Child:
    """A started program."""

    def __init__(self, launch: Launch, process: asyncio.subprocess.Process) -> None:
        self.launch = launch
        self.process = process

    @classmethod
    async def start(cls, launch: Launch) -> "Child":
        """Starts without waiting for readiness."""
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        if launch.log.exists() and launch.log.stat().st_size > LOG_LIMIT_BYTES:
            launch.log.replace(launch.log.with_suffix(".log.1"))
        with launch.log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *launch.command(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=launch.environment(),
                start_new_session=True,
                pass_fds=launch.fds,
            )
        return cls(launch, process)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def wait_ready(self) -> None:
        """Returns when the program answers. Raises `ChildFailed` when it ended or needs too long."""
        limit = time.monotonic() + self.launch.ready_seconds
        while time.monotonic() < limit:
            if self.process.returncode is not None:
                raise ChildFailed(self._failure(f"exit {self.process.returncode}"))
            if await self.launch.ready():
                # What answered may be a stranger who took the port first: then ours is just giving up.
                await asyncio.sleep(0.1)
                if self.process.returncode is None:
                    return
            else:
                await asyncio.sleep(0.05)
        raise ChildFailed(self._failure(f"> {self.launch.ready_seconds:.0f} s"))

    async def stop(self) -> None:
        """Asks, waits, then kills. The whole process group ends: nothing of it keeps a port."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(self.launch.stop_signal)
            try:
                await asyncio.wait_for(self.process.wait(), self.launch.stop_seconds)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                await self.process.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of the log."""
        with self.launch.log.open("rb") as log:
            log.seek(max(0, self.launch.log.stat().st_size - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def _failure(self, how: str) -> str:
        return (
            f"{self.launch.name} 没有启动成功({how})，日志 {self.launch.log}。 "
            f"{self.launch.name} did not start ({how}), see {self.launch.log}.\n{self.tail()}"
        )


async def port_answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def http_answers(url: str) -> bool:
    """Whether a GET of `url` on this machine answers 200."""
    rest = url.removeprefix("http://")
    address, _, path = rest.partition("/")
    host, _, port = address.partition(":")
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 2)
        writer.write(f"GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


def birth_of(pid: int) -> str:
    """When a process was born, in the system's own words; empty when there is none. Tells a re-used pid apart."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return ""
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


class Leftovers:
    """The children's pids in a file, so that the next start can end what a killed supervisor left behind."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def remember(self, children: list[Child]) -> None:
        """Replaces the list by the children alive now."""
        alive = [c for c in children if c.process.returncode is None]
        rows = [
            {"name": c.launch.name, "pid": c.pid, "birth": birth_of(c.pid), "signal": int(c.launch.stop_signal)}
            for c in alive
        ]
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(rows, indent=1))
        part.replace(self._file)

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)

    async def end(self, patience_seconds: float = 10.0) -> list[str]:
        """Stops what still runs and names it. A damaged list (power cut) counts as empty."""
        try:
            rows = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return []
        alive = [r for r in rows if r["birth"] and birth_of(r["pid"]) == r["birth"] and not _zombie(r["pid"])]
        for row in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(row["pid"], row["signal"])
        limit = time.monotonic() + patience_seconds
        waiting = alive
        while waiting and time.monotonic() < limit:
            await asyncio.sleep(0.1)
            waiting = [row for row in waiting if birth_of(row["pid"]) == row["birth"] and not _zombie(row["pid"])]
        for row in waiting:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(row["pid"], signal.SIGKILL)
        if waiting:
            await asyncio.sleep(0.5)
        self.forget()
        return [row["name"] for row in alive]


def _zombie(pid: int) -> bool:
    """Whether the process has ended and only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
