"""The ways out of the house, one module a channel: its wire format, its signature, what its refusals mean.

A channel is a context manager that gives a function which hands over one letter. It returns when the channel took
the letter, and raises `Refused` (this letter never goes), `Later` (this letter not now, others may) or `Down` (the
channel itself: away, wrong secret, too many messages). Invariants: no database here, no name or number in an error
or a log, no secret in an error. Every wait has an end (`TIMEOUT`).
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from domain.delivery import Trouble
from domain.times import SHANGHAI
from runtime.settings import Settings

TIMEOUT = 20.0


class Refused(ValueError):
    """This letter can never be delivered: its address is none, or the channel refuses it for good."""


class Later(RuntimeError):
    """The channel does not take this letter now; others may go."""


class Down(RuntimeError):
    """The channel cannot be used now, whatever the letter."""

    def __init__(self, said: str, trouble: Trouble = Trouble.ODD_ANSWER) -> None:
        super().__init__(said)
        self.trouble = trouble


def status_says(status: int) -> Trouble:
    """What an HTTP status that is no success says about the channel."""
    return Trouble.REFUSES_US if status in (401, 403, 429) else Trouble.ODD_ANSWER


@dataclass(frozen=True)
class Letter:
    """One message as a channel gets it. `key` stays the same when it is handed over again after a crash; `repeat` says
    that it may have arrived already; `links` are whole addresses; `id` is unique in this installation."""

    id: int
    key: str
    address: str
    subject: str
    text: str
    links: tuple[str, ...]
    at: datetime
    repeat: bool = False


Send = Callable[[Letter], Awaitable[None]]
Opener = Callable[[Settings], AbstractAsyncContextManager[Send]]

REPEAT = "（可能重复，系统在发送时中断过 / may be a repeat: the sender was interrupted）"


def for_the_reader(letter: Letter) -> str:
    """What an application says to its reader. The minute in it keeps two letters of the same words apart where a
    channel holds back what it has said already; the same letter again is the same text."""
    return "\n".join((letter.text.strip(), *letter.links, letter.at.astimezone(SHANGHAI).strftime("%m-%d %H:%M")))


def for_a_group(letter: Letter) -> str:
    """What a robot says to a whole group: what it is about and where to read it, never the text, which has names."""
    lines = [letter.subject, *letter.links, *([REPEAT] if letter.repeat else [])]
    return "\n".join(lines)
