"""A whole installation for a measurement: `baoqi up` in a folder of its own, and what its processes cost.

Invariants: the product's own command starts everything, with its defaults; only ports and the folder are ours. The
probe (`bench/probe`) is on the path of its Python processes and sleeps until it is asked.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROBE = Path(__file__).resolve().parent / "probe"
PORTS = {
    "PORT": 38000, "DATABASE_PORT": 35432, "TEMPORAL_PORT": 37233, "TEMPORAL_UI_PORT": 38233, "SIMULATORS_PORT": 38010,
}  # fmt: skip
READY_SECONDS = 120
TICKS = os.sysconf("SC_CLK_TCK")


class NotReady(RuntimeError):
    """`baoqi up` ended or stayed silent; the message holds what it said."""


class Installation:
    """The running installation: its files, and the processor time of its processes."""

    def __init__(self, data: Path, process: subprocess.Popen[bytes]) -> None:
        self.data = data
        self.process = process

    def file(self, name: str) -> Any:
        return json.loads((self.data / name).read_text())

    @property
    def api(self) -> str:
        return f"{self.file('run.json')['api']}/api/v1"

    def cpu(self, **others: int) -> dict[str, float]:
        """Seconds of processor time so far, by process; PostgreSQL with all its children. `others`: more pids."""
        pids = {row["name"]: row["pid"] for row in self.file("pids.json")} | others
        own = os.times()
        return {name: _seconds(pid) for name, pid in pids.items()} | {"clients": own.user + own.system}


def _seconds(pid: int) -> float:
    """User and system time of a process, of its living children and of those it has collected."""
    total = 0
    for number in (pid, *_children(pid)):
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextlib.contextmanager
def installation() -> Iterator[Installation]:
    """Starts `baoqi up` in a new folder and stops it again; the folder is removed."""
    folder = Path(tempfile.mkdtemp(prefix="baoqi-bench-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # PostgreSQL's own user passes through
    data = folder / "data"
    env = {name: value for name, value in os.environ.items() if not name.startswith("BAOQI_")}
    env |= {f"BAOQI_{name}": str(port) for name, port in PORTS.items()}
    env |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(PROBE)]), "BAOQI_BENCH_PROBE": str(folder)}
    said = folder / "up.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--data", str(data)],
            cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        limit = time.monotonic() + READY_SECONDS
        while not (data / "run.json").exists():
            if process.poll() is not None or time.monotonic() > limit:
                raise NotReady(said.read_text())
            time.sleep(0.1)
        yield Installation(data, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def watched(running: Installation) -> Iterator[None]:
    """The probe is awake for the length of the block; its findings are in `findings` afterwards."""
    switch = running.data.parent / "probe.on"
    switch.touch()
    time.sleep(0.5)
    try:
        yield
    finally:
        switch.unlink()


def findings(running: Installation) -> dict[str, Any]:
    """What the probe saw in app and worker: `{"api": {...}, "worker": {...}}`."""
    found: dict[str, Any] = {}
    for name in ("api", "worker"):
        file = running.data.parent / f"probe.{name}.json"
        limit = time.monotonic() + 10
        while not file.exists() and time.monotonic() < limit:
            time.sleep(0.1)
        if file.exists():
            found[name] = json.loads(file.read_text())
    return found
