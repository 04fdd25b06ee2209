"""The embedded Temporal: the real development server, its state in one SQLite file of the data folder.

WAL and `synchronous=FULL`: what was acknowledged survives a power cut. Time skipping is allowed so that a demo's
clock can be moved; nothing skips by itself. Namespace and search attributes come from `baoqi init`, as on a cluster.
"""

import shutil
import sys
from pathlib import Path

from embedded.processes import Launch, port_answers
from runtime.settings import Settings

TIME_SKIPPING = "frontend.WorkflowTimeSkippingEnabled=true"
# An activity asked for by a worker with room goes back to it with the same answer, without a queue between.
EAGER_ACTIVITIES = "system.enableActivityEagerExecution=true"
# The longest pause before a case that stands still by a fault of ours is tried again; the server's own is ten minutes.
TRIED_AGAIN = 'history.workflowTaskRetryMaxInterval="1m"'


class TemporalUnusable(RuntimeError):
    """The program is not installed."""


def find_program() -> Path:
    """The `temporal` program of this virtual environment, else the one in the path."""
    beside = Path(sys.executable).parent / "temporal"
    if beside.is_file():
        return beside
    found = shutil.which("temporal")
    if found:
        return Path(found)
    raise TemporalUnusable(
        "找不到 temporal 程序：请运行 `make setup`，或用 BAOQI_TEMPORAL_ADDRESS 指定外部服务。 "
        "No temporal program: run `make setup`, or name an external server in BAOQI_TEMPORAL_ADDRESS."
    )


def temporal_launch(settings: Settings, port: int, ui_port: int, codec_endpoint: str) -> Launch:
    """How to start the server. `codec_endpoint` lets the UI show payloads to those whom the API lets decode."""
    data = settings.data_dir.absolute()
    (data / "temporal").mkdir(parents=True, exist_ok=True, mode=0o700)
    argv = [
        str(find_program()), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui_port),
        "--db-filename", str(data / "temporal" / "temporal.db"), "--sqlite-pragma", "journal_mode=WAL",
        "--sqlite-pragma", "synchronous=FULL", "--dynamic-config-value", TIME_SKIPPING,
        "--dynamic-config-value", EAGER_ACTIVITIES, "--dynamic-config-value", TRIED_AGAIN,
        "--ui-codec-endpoint", codec_endpoint, "--log-level", "error",
    ]  # fmt: skip

    async def ready() -> bool:
        return await port_answers(port)

    return Launch(
        "temporal", argv, data / "logs" / "temporal.log", ready, unset=("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE")
    )
