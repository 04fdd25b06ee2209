"""Starts the agencies' server as a process of its own and waits until it answers; for tests, benches and trials.

`baoqi up` has its own supervisor and does not use this. The port is chosen by the system unless one is given, so that a
killed server can be started again where it was.
"""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START = "import sys, pathlib, simulators.server as s; s.main(int(sys.argv[1]), pathlib.Path(sys.argv[2]))"


@dataclass
class Running:
    """A started server: its address, and the process to stop or to kill."""

    url: str
    port: int
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(data_dir: Path, port: int | None = None, patience_seconds: float = 30.0) -> Running:
    """Starts the server over a data folder; RuntimeError when it does not answer in time."""
    port = port or free_port()
    root = str(Path(__file__).resolve().parent.parent)
    process = subprocess.Popen([sys.executable, "-c", _START, str(port), str(data_dir)], cwd=root)
    running = Running(f"http://127.0.0.1:{port}", port, process)
    limit = time.monotonic() + patience_seconds
    while time.monotonic() < limit and process.poll() is None:
        try:
            answer = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            answer.request("GET", "/healthz")
            if answer.getresponse().status == 200:
                return running
        except (ConnectionError, TimeoutError, http.client.HTTPException):
            time.sleep(0.05)
    running.stop()
    raise RuntimeError(f"模拟机构服务未能启动。The simulated agencies did not start (exit code {process.returncode}).")


@contextmanager
def running(data_dir: Path, port: int | None = None) -> Iterator[Running]:
    """A server for the length of a block."""
    server = start(data_dir, port)
    try:
        yield server
    finally:
        server.stop()
