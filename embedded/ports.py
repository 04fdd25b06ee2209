"""Free ports: the one used last time, else the preferred one, else the next free one above it.

Remembered in the data folder, so that addresses that people have kept stay true as long as nothing else takes them.
"""

import json
import socket
from pathlib import Path

STEPS = 200


class NoPort(RuntimeError):
    """No free port in reach."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether we could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class Ports:
    """Chooses ports and remembers them in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._known: dict[str, int] = {str(k): int(v) for k, v in json.loads(file.read_text()).items()}
        except (OSError, ValueError, AttributeError):
            self._known = {}
        self._taken: set[int] = set()

    def choose(self, name: str, preferred: int, host: str = "127.0.0.1") -> int:
        """A free port for `name`; raises `NoPort`."""
        candidates = [self._known.get(name, preferred), *range(preferred, preferred + STEPS)]
        for port in candidates:
            if port not in self._taken and is_free(port, host):
                self._taken.add(port)
                self._known[name] = port
                return port
        raise NoPort(
            f"从 {preferred} 起的 {STEPS} 个端口都被占用（{name}）。 "
            f"All {STEPS} ports from {preferred} on are busy ({name})."
        )

    def hold(self, name: str, preferred: int, host: str = "127.0.0.1") -> socket.socket:
        """A free port for `name`, taken at once: the listening socket, for a child that inherits it."""
        while True:
            port = self.choose(name, preferred, host)
            held = socket.socket()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind((host, port))
                held.listen(512)
            except OSError:
                held.close()  # somebody was faster: the next one
                continue
            return held

    def save(self) -> None:
        self._file.write_text(json.dumps(self._known, indent=1))
