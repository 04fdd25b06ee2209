"""`baoqi up` as an operator has it: busy ports, a child that dies, a stop, a hard kill. By which user: tests/e2e."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded.ports import is_free

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.machine
PORTS = {
    "PORT": 28000,
    "DATABASE_PORT": 25432,
    "TEMPORAL_PORT": 27233,
    "TEMPORAL_UI_PORT": 28233,
    "SIMULATORS_PORT": 28010,
}
READY_SECONDS = 120


class Up:
    """One run of the command, its output followed line by line."""

    def __init__(self, data: Path) -> None:
        self.data = data
        env = {name: value for name, value in os.environ.items() if not name.startswith("BAOQI_")}
        env |= {f"BAOQI_{name}": str(port) for name, port in PORTS.items()} | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--data", str(data)],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,  # a terminal's group of its own, as a shell gives to a command
        )  # fmt: skip
        self.lines: list[str] = []

    def until(self, pattern: str, seconds: float = READY_SECONDS) -> str:
        """Reads on until a line matches; the test fails with everything said so far when it never does."""
        assert self.process.stdout is not None
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            line = self.process.stdout.readline()
            self.lines.append(line)
            if re.search(pattern, line):
                return line
            if not line and self.process.poll() is not None:
                break
        pytest.fail(f"{pattern!r} was never said:\n{''.join(self.lines)}")

    def run_file(self) -> dict[str, Any]:
        return json.loads((self.data / "run.json").read_text())

    def pids(self) -> dict[str, int]:
        return {row["name"]: row["pid"] for row in json.loads((self.data / "pids.json").read_text())}

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def interrupt(self) -> int:
        """Ctrl-C: the terminal sends it to the command and to everything that the command started."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def ups() -> Iterator[list[Up]]:
    """Runs of a test; whatever still lives is stopped."""
    started: list[Up] = []
    yield started
    for run in started:
        if run.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                run.stop()


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def all_gone(pids: dict[str, int], seconds: float = 30.0) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        alive = [pid for pid in pids.values() if Path(f"/proc/{pid}/cmdline").exists()]
        if not [pid for pid in alive if Path(f"/proc/{pid}/cmdline").read_bytes()]:
            return True
        time.sleep(0.1)
    return False


def test_up_steps_over_busy_ports_mends_a_dead_child_and_stops_cleanly(tmp_path: Path, ups: list[Up]) -> None:
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_free(PORTS["PORT"]):
            busy.bind(("127.0.0.1", PORTS["PORT"]))
            busy.listen()
        first = Up(tmp_path / "data")
        ups.append(first)
        first.until("^READY$")
    run = first.run_file()
    assert set(run) == {"api", "pages", "temporal_ui", "simulators", "users"}
    assert int(run["api"].rpartition(":")[2]) > PORTS["PORT"]
    assert get(f"{run['api']}/healthz") == 200
    assert get(f"{run['simulators']}/healthz") == 200
    assert {"clerk", "supervisor", "finance", "admin", "college"} <= {user["name"] for user in run["users"]}
    assert all(set(user) == {"name", "password", "roles"} for user in run["users"])

    second = Up(tmp_path / "data")
    ups.append(second)
    second.until("Another `baoqi up`")
    assert second.process.wait(30) == 1

    before = first.pids()
    os.kill(before["worker"], signal.SIGKILL)
    first.until("worker ended")
    first.until("worker is back")
    assert first.pids()["worker"] != before["worker"]

    pids = first.pids()
    assert first.stop() == 0
    assert all_gone(pids)
    assert not (tmp_path / "data" / "settings.json").exists()
    assert is_free(int(run["api"].rpartition(":")[2]))


def test_up_goes_on_after_a_hard_kill_of_everything(tmp_path: Path, ups: list[Up]) -> None:
    first = Up(tmp_path / "data")
    ups.append(first)
    first.until("^READY$")
    run, pids = first.run_file(), first.pids()
    for pid in [first.process.pid, *pids.values()]:
        os.kill(pid, signal.SIGKILL)
    first.process.wait()
    assert all_gone(pids)
    again = Up(tmp_path / "data")
    ups.append(again)
    again.until("^READY$")
    assert again.run_file()["users"] == run["users"], "the demo university is made once"
    assert get(f"{again.run_file()['api']}/readyz") == 200

    # Only the supervisor is killed: what it started ends by itself, and a third start finds nothing in its way.
    pids = again.pids()
    again.process.kill()
    again.process.wait()
    third = Up(tmp_path / "data")
    ups.append(third)
    third.until("^READY$")
    pids = third.pids()
    assert third.interrupt() == 0
    assert all_gone(pids)
    assert not (tmp_path / "data" / "settings.json").exists()
