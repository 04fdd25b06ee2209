"""What the applications of WeCom, DingTalk and Feishu share: a token for a run, and what the code of an answer means.

Invariants: a token is asked for once, and again when the answer says that it has gone; a letter counts as taken only
after its answer was checked. Formats stay in the channels' modules.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from domain.delivery import Trouble
from runtime.settings import Settings
from worker.channels import Down, Later, Letter, Refused
from worker.channels.http import said


@dataclass(frozen=True)
class Codes:
    """What the codes of a channel mean; 0 is "taken", what is not named may go later. `code_in`, `words_in`: the fields
    of an answer that hold them, the first there is."""

    token_gone: tuple[int, ...]
    no_such_member: tuple[int, ...]
    channel: tuple[int, ...]
    code_in: tuple[str, ...] = ("errcode",)
    words_in: tuple[str, ...] = ("errmsg",)

    def code(self, answer: Mapping[str, Any]) -> Any:
        return _first(answer, self.code_in)

    def check(self, answer: Mapping[str, Any]) -> None:
        """Refused, Down or Later when the channel did not take the letter."""
        code = self.code(answer)
        if code == 0:
            return
        words = said(code, _first(answer, self.words_in))
        if code in self.no_such_member:
            raise Refused(words)
        if code in self.channel or code in self.token_gone:
            raise Down(words, Trouble.REFUSES_US)
        raise Later(words)


def _first(answer: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((answer[name] for name in names if name in answer), None)


class Application(ABC):
    """One run of an application."""

    codes: Codes

    def __init__(self, http: httpx2.AsyncClient, settings: Settings, root: str) -> None:
        self.http, self.settings = http, settings
        self.root = root.rstrip("/")
        self.token = ""

    async def send(self, letter: Letter) -> None:
        """Hands over a letter. Refused, Later, Down."""
        if not self.token:
            self.token = await self.sign_in()
        answer = await self.post(letter)
        if self.codes.code(answer) in self.codes.token_gone:
            self.token = await self.sign_in()
            answer = await self.post(letter)
        self.codes.check(answer)
        self.look_into(answer)

    @abstractmethod
    async def sign_in(self) -> str:
        """A new token. Down."""

    @abstractmethod
    async def post(self, letter: Letter) -> dict[str, Any]:
        """The answer to one letter, whatever it says."""

    def look_into(self, answer: Mapping[str, Any]) -> None:
        """What an answer that took the letter says besides. Refused."""
        del answer
