"""The agencies' own clock, which is not the school's.

Delays (`accept_after_seconds`, ...) always count in real seconds. What an agency stamps on its answers follows the
demo's clock: a caller whose clock was moved says by how much in the header `X-Clock-Offset-Seconds`.
"""

import time
from datetime import UTC, datetime, timedelta

OFFSET_HEADER = "x-clock-offset-seconds"


def real_seconds() -> float:
    """Seconds since the epoch; wall clock, because delays must go on counting over a restart of the server."""
    return time.time()


def stamp(seconds: float, offset_seconds: float = 0.0) -> str:
    """An instant as the agencies write it: ISO 8601 in UTC, moved by the caller's demo offset."""
    return (datetime.fromtimestamp(seconds, UTC) + timedelta(seconds=offset_seconds)).isoformat(timespec="milliseconds")


def read_offset(header: str | None) -> float:
    """The offset a caller announced, in seconds; an unreadable header counts as none (it only changes stamps)."""
    if not header:
        return 0.0
    try:
        return float(header)
    except ValueError:
        return 0.0
