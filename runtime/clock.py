"""The only wall clock outside workflow code, so that a demo's clock can be moved.

`now()` is what due dates, reminders and pages compare with; `real_now()` is for what must not move with a demo
(sessions, tokens, audit of who did what when). The offset is kept by the caller in the database and loaded at the start
of a process and by a chore; this module holds the value only. Workflows get their own offset in `ProcessStart`.
Whoever looks back (`looking_back`) has the clock of that moment until the block ends; nobody else notices.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_offset = timedelta()
_looked_at: ContextVar[datetime | None] = ContextVar("looked_at", default=None)


def real_now() -> datetime:
    """The machine's time, aware, UTC."""
    return datetime.now(UTC)


def now() -> datetime:
    """The installation's time: the machine's plus the demo offset, or the moment looked back at; aware, UTC."""
    return _looked_at.get() or real_now() + _offset


def today() -> date:
    """The installation's date in Shanghai."""
    return now().astimezone(SHANGHAI).date()


def offset() -> timedelta:
    """How far the demo's clock is ahead of the machine's; zero in production."""
    return _offset


def set_offset(value: timedelta) -> None:
    """Moves this process's clock. A demo's clock never goes back: timers that have fired cannot be taken back."""
    global _offset
    _offset = value


def looked_at() -> datetime | None:
    """The moment that this request looks back at; None: it sees the present."""
    return _looked_at.get()


@contextmanager
def looking_back(at: datetime) -> Generator[None]:
    """Within the block, of this task alone, the installation's time is a past moment. For reading."""
    token = _looked_at.set(at)
    try:
        yield
    finally:
        _looked_at.reset(token)
