"""What the HTTP channels share: one request, its failures sorted, answers as JSON.

Invariants: redirects are not followed (a signed address is for one host); an address is never part of an error,
because a robot's address holds its secret.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from domain.delivery import Trouble
from worker.channels import TIMEOUT, Down, status_says

_OK = 200


@asynccontextmanager
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """Connections for one run of a channel."""
    async with httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as opened:
        yield opened


async def ask(http: httpx2.AsyncClient, method: str, url: str, **request: Any) -> dict[str, Any]:
    """The JSON object of an answer with status 200. Down for everything else: not reached, refused, no JSON."""
    answer = await send(http, method, url, **request)
    if answer.status_code != _OK:
        raise Down(f"HTTP {answer.status_code}", status_says(answer.status_code))
    return body_of(answer)


async def send(http: httpx2.AsyncClient, method: str, url: str, **request: Any) -> httpx2.Response:
    """An answer, whatever its status. Down when there is none."""
    try:
        return await http.request(method, url, **request)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        raise Down(f"无法连接。 Cannot be reached: {type(error).__name__}.", Trouble.UNREACHABLE) from None


def body_of(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON object of an answer. Down when it is none."""
    try:
        found = answer.json()
    except ValueError as error:
        raise Down("答复不是 JSON。 The answer is no JSON.") from error
    if not isinstance(found, Mapping):
        raise Down("答复不是 JSON 对象。 The answer is no JSON object.")
    return dict(found)


def said(code: object, message: object) -> str:
    """A channel's own refusal, short."""
    return f"{code} {str(message)[:200]}"
